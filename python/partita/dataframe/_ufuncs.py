"""NumPy's universal functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, call
from ._expressions import of_one_type, rounded
from ._matching import aligned, is_aligned, uploaded

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["apply_to_column", "apply_ufunc"]

#: Functions with a corresponding operator or method.
_METHODS = {
    "add": "__add__",
    "subtract": "__sub__",
    "multiply": "__mul__",
    "divide": "__truediv__",
    "true_divide": "__truediv__",
    "floor_divide": "__floordiv__",
    "remainder": "__mod__",
    "power": "__pow__",
    "equal": "__eq__",
    "not_equal": "__ne__",
    "less": "__lt__",
    "less_equal": "__le__",
    "greater": "__gt__",
    "greater_equal": "__ge__",
    "logical_and": "__and__",
    "bitwise_and": "__and__",
    "logical_or": "__or__",
    "bitwise_or": "__or__",
    "logical_xor": "__xor__",
    "bitwise_xor": "__xor__",
    "logical_not": "__invert__",
    "invert": "__invert__",
    "negative": "__neg__",
    "absolute": "abs",
    "isnan": "isna",
}
_TURNED = {
    "__lt__": "__gt__",
    "__le__": "__ge__",
    "__gt__": "__lt__",
    "__ge__": "__le__",
    "__eq__": "__eq__",
    "__ne__": "__ne__",
}


def _plain(name: str) -> Callable[..., Expr]:
    return lambda *values: call(name, *values)


def _extreme(name: str) -> Callable[..., Expr]:
    """Return the larger or smaller of two values, which is missing if one of them is."""

    def form(a: Expr, b: Expr) -> Expr:
        return px.case([(px.conjunction(px.not_null(a), px.not_null(b)), call(name, *of_one_type(a, b)))])

    return form


def _expm1(x: Expr) -> Expr:
    grown = call("exp", x)
    less = grown - 1
    accurate = less * x / call("ln", grown)
    return px.case([(_equal(grown, 1), x), (_equal(less, -1), -1.0)], accurate)


def _log1p(x: Expr) -> Expr:
    more = 1 + x
    return px.case([(_equal(more, 1), x)], call("ln", more) * x / (more - 1))


def _rint(x: Expr) -> Expr:
    return rounded(x, pa.float64(), 0)


def _equal(a: Expr, b: int) -> Expr:
    return px.comparison("eq", a, b)


#: Other functions. Outside of their domain, the result is missing, as in pandas.
_FORMS: dict[str, Callable[..., Expr]] = {
    "sqrt": lambda x: px.case([(px.comparison("ge", x, 0), call("sqrt", x))]),
    "square": lambda x: x * x,
    "fabs": lambda x: call("abs", x),
    "rint": _rint,
    "exp2": lambda x: call("power", 2.0, x),
    # W. Kahan's formulas, which are accurate for small arguments.
    "expm1": _expm1,
    "log1p": _log1p,
    "reciprocal": lambda x: call("divide", 1, x),
    "maximum": _extreme("greatest"),
    "minimum": _extreme("least"),
    "hypot": lambda a, b: call("sqrt", a * a + b * b),
    **{
        name: _plain(function)
        for name, function in {
            **{name: name for name in ("cbrt", "exp", "log2", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
            **{name: name for name in ("degrees", "radians", "floor", "ceil", "trunc")},
            **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
            "log": "ln",
            "rad2deg": "degrees",
            "deg2rad": "radians",
            "sign": "signum",
            "fmax": "greatest",
            "fmin": "least",
            "arctan2": "atan2",
        }.items()
    },
}
#: Functions whose result has the type of the argument.
_KEEP = frozenset(("square", "floor", "ceil", "trunc", "sign", "maximum", "minimum", "fmax", "fmin"))


def apply_ufunc(of: Any, name: str, inputs: tuple[Any, ...]) -> Any:
    """Evaluate a NumPy function with a column or a frame among its arguments."""
    inputs = tuple(value if value is of else _value(value, of) for value in inputs)
    first, *others = inputs
    method = None if _is_of_truth(name, of, others) else _METHODS.get(name)
    if method is not None and first is of:
        return getattr(of, method)(*others)
    if method is not None and method in _TURNED:
        return getattr(of, _TURNED[method])(first)
    if method is not None:
        reflected = f"__r{method.strip('_')}__"
        return getattr(of, reflected)(first) if hasattr(type(of), reflected) else NotImplemented
    ufunc = getattr(np, name, None)
    if name not in _FORMS and (not isinstance(ufunc, np.ufunc) or ufunc.nout != 1):
        raise NotImplementedError(f"numpy.{name} is not supported; use map_partitions")
    return of._apply_ufunc(name, inputs)


def _is_of_truth(name: str, of: Any, others: Sequence[Any]) -> bool:
    """Whether a function takes the truth of values that are not boolean, which operators do not."""
    if not name.startswith("logical_"):
        return False
    kinds = [kind for value in (of, *others) for kind in _kinds_of(value)]
    return not all(map(pa.types.is_boolean, kinds))


def _kinds_of(value: Any) -> list[pa.DataType]:
    if hasattr(value, "_kinds"):
        return list(value._kinds().values())
    return [value._kind] if _is_column(value) else [pa.bool_() if isinstance(value, (bool, np.bool_)) else pa.int64()]


def _value(value: Any, like: Any) -> Any:
    """Return an operand that is a single value as one of Python or NumPy, and uploads one of pandas."""
    from ._scalar import Scalar

    if isinstance(value, pd.DataFrame) or (isinstance(value, pd.Series) and not hasattr(like, "_columns")):
        return uploaded(value, like)

    if isinstance(value, Scalar):
        return value.compute()
    # NumPy passes its scalars as arrays without dimensions.
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def apply_to_column(column: Series, name: str, inputs: tuple[Any, ...]) -> Any:
    """Apply a numeric function to a column."""
    from . import _expressions as ex

    parts: list[Expr] = []
    for value in inputs:
        if _is_column(value) and not is_aligned(column, value):
            own, theirs = aligned(column, value)
            sides = {id(column): own, id(value): theirs}
            return apply_to_column(own, name, tuple(sides.get(id(one), one) for one in inputs))
    kinds = [value._kind for value in inputs if _is_column(value)]
    if name not in _FORMS or isinstance(column, _index_class()) or (name == "reciprocal" and not ex.is_real(kinds[0])):
        return _called(column, name, inputs)
    rows, label = column._rows, column.name
    for value in inputs:
        if _is_column(value):
            rows, label = rows.combine(value._rows), column._name_with(value) if label is not None else None
            part, kind = value._expr, value._kind
        else:
            part, kind = ex.operand(value, column._kind)
        parts.append(part if name in _KEEP or ex.is_real(kind) else px.cast(part, pa.float64()))
    made = _FORMS[name](*parts)
    if name in ("floor", "ceil", "trunc") and not ex.is_real(column._kind):
        return column
    if name in _KEEP:
        made = px.cast(made, column._kind) if len(inputs) == 1 else made
        return column._like(made, rows, label)
    # NaN is a missing value, as in pandas.
    return column._like(call("nan_as_null", made), rows, label)


def _called(column: Series, name: str, inputs: tuple[Any, ...]) -> Any:
    """Call a NumPy function that the cluster lacks with the partitions, on the workers."""
    from ._column_functions import call_rows

    columns = [value for value in inputs if _is_column(value)]
    label = column.name
    rows = column._rows
    for value in columns:
        rows, label = rows.combine(value._rows), column._name_with(value) if label is not None else None
    from ._frame import DataFrame

    cells = {at: value._cell for at, value in enumerate(inputs) if _is_column(value)}
    places = [at if _is_column(value) else None for at, value in enumerate(inputs)]
    values = [None if _is_column(value) else value for value in inputs]
    made = call_rows(DataFrame(rows, cells, column._index), _Call(name, places, values), None, name)
    found: Series = column._like(made._expr, made._rows, label, made._origin)
    return found


class _Call:
    """A NumPy function of columns and values."""

    def __init__(self, name: str, places: list[Any], values: list[Any]) -> None:
        self.name = name
        self.places = places
        self.values = values

    def __call__(self, part: pd.DataFrame) -> pd.Series:
        inputs = [value if at is None else part[at] for at, value in zip(self.places, self.values)]
        with np.errstate(all="ignore"):
            found: pd.Series = getattr(np, self.name)(*inputs)
        return found


def _is_column(value: Any) -> bool:
    return hasattr(value, "_expr") and hasattr(value, "_kind") and hasattr(value, "_index")


def _index_class() -> type[Any]:
    from ._series import Index

    return Index
