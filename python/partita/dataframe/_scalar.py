"""Single values that are computed lazily."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._collection import Collection
from .._drawing import visualize
from .._errors import trim_traceback
from .._frame_inputs import FrameInput
from .._progress import show_queries
from ..plan import expr as px
from ..plan.expr import Expr, call
from ..plan.relation import Grouping, Named
from . import _expressions as ex
from ._arguments import reject_unsupported
from ._columns import to_pandas
from ._sql import literal

if TYPE_CHECKING:
    from ._rows import Rows

__all__ = ["Scalar"]

#: The operators of NumPy functions.
_UFUNCS = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "truediv",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "power": "pow",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
}
#: Comparisons with the operands in the other order.
_TURNED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
#: Binary operators, except comparisons.
_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or")


class Scalar(FrameInput):
    """A single value that is computed lazily, such as the result of a reduction.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), npartitions=2).a
    >>> float(a.mean().compute())
    1.5
    >>> float(((a.max() - a.min()) / 2).compute())
    0.5
    """

    #: A single value has no labels.
    known_divisions = False

    def __init__(self, rows: Rows, expr: Expr, kind: Any = None, missing: Any = float("nan")) -> None:
        self._rows = rows
        self._expr = expr
        self._kind = kind
        self._missing = missing

    @trim_traceback
    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return the value."""
        reject_unsupported("compute", arguments)
        with show_queries(self._rows.client):
            table = self._rows.values([self._expr])
        if table.num_rows == 0 or table.column(0).null_count:
            return pd.NaT if pa.types.is_temporal(table.column(0).type) else self._missing
        value = to_pandas(table).iloc[0, 0]
        return self._kind(value) if self._kind is not None else value

    @trim_traceback
    def explain(self) -> str:
        """Return the physical plan, split into stages."""
        return self._rows.explain_values([self._expr])

    @trim_traceback
    def visualize(self, filename: Any = None, **arguments: Any) -> Any:
        """Draw the plan as SVG, for display in a notebook or written to a file."""
        return visualize(self, filename=filename, **arguments)

    def to_series(self, index: Any = 0) -> Any:
        """Return the value as a column of one row with an index label."""
        from ._reductions import labelled_values

        return labelled_values(self._rows, [(index, self._expr)], None, None)

    def persist(self, **arguments: Any) -> Scalar:
        """Return the scalar itself: single values are not persisted."""
        reject_unsupported("persist", arguments)
        return self

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """Return the value as a delayed value.

        Parameters
        ----------
        optimize_graph : bool
            Accepted for compatibility with Dask; no effect.
        """
        from .._tasks import identity
        from ..delayed import delayed

        return delayed(identity)(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Compute the value as a NumPy array without dimensions."""
        return np.asarray(self.compute(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **arguments: Any) -> Any:
        """Support NumPy functions. Operators with numbers of NumPy are lazy, other functions compute the value."""
        if any(isinstance(one, FrameInput) and not isinstance(one, Scalar) for one in inputs):
            # A column or a frame handles the function.
            return NotImplemented
        name = _UFUNCS.get(ufunc.__name__)
        plain = [one for one in inputs if isinstance(one, (Scalar, np.generic, int, float))]
        if name is not None and method == "__call__" and not arguments and len(plain) == len(inputs) == 2:
            first, second = inputs
            if isinstance(first, Scalar):
                return getattr(first, f"__{name}__")(second)
            return getattr(second, f"__{_TURNED.get(name, 'r' + name)}__")(first)
        values = [one.compute() if isinstance(one, Scalar) else one for one in inputs]
        return getattr(ufunc, method)(*values, **arguments)

    def __float__(self) -> float:
        return float(self.compute())

    def __int__(self) -> int:
        return int(self.compute())

    def __index__(self) -> int:
        value = self.compute()
        if int(value) != value:
            raise TypeError(f"cannot use {value!r} as an integer")
        return int(value)

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __format__(self, spec: str) -> str:
        return format(self.compute(), spec)

    def __round__(self, digits: int = 0) -> Any:
        return round(self.compute(), digits)

    def __repr__(self) -> str:
        return f"<Scalar: {self._expr}>"

    @property
    def ndim(self) -> int:
        """The number of dimensions, 0."""
        return 0

    def _combined(self, name: str, other: Any, swapped: bool = False) -> Any:
        if isinstance(other, Collection) or (isinstance(other, FrameInput) and not isinstance(other, Scalar)):
            # Arrays, columns and frames handle the operator.
            return NotImplemented
        rows, left = self._rows, (self._expr, self._type)
        if isinstance(other, Scalar):
            rows, left, right = self._sides(other)
        else:
            try:
                right = self._operand(name, other, swapped)
            except TypeError:
                # Let the other operand, such as a column or a frame, handle the operator.
                return NotImplemented
        if name in ex.COMPARISONS:
            return Scalar(rows, ex.comparison(name, left[0], right[0]))
        if name in ("and", "or"):
            return Scalar(rows, call(name, left[0], right[0]))
        sides = (right, left) if swapped else (left, right)
        # Single values follow the rules of NumPy.
        return Scalar(rows, ex.arithmetic(name, *sides[0], *sides[1], "numpy"))

    def _sides(self, other: Scalar) -> tuple[Rows, tuple[Expr, pa.DataType], tuple[Expr, pa.DataType]]:
        """Return rows for expressions over both values, and both with their types."""
        rows, left, right = self._rows, self._expr, other._expr
        if rows.is_same_as(other._rows):
            rows = rows.combine(other._rows)
        elif other._rows.is_group:
            rows, left = other._rows, self._over(other._rows)
        else:
            right = other._over(rows)
        return rows, (left, self._type), (right, other._type)

    def _over(self, rows: Rows) -> Expr:
        """Return the value as an expression over other rows, which is computed together with them.

        Raises
        ------
        ValueError
            If the rows are of another client.
        NotImplementedError
            If this is a value of each group.
        """
        if self._rows.is_group:
            raise NotImplementedError(
                "apply() cannot combine reductions with the rows of a group; combine only reductions, "
                "or use transform for a column of them"
            )
        if rows.cluster is not self._rows.cluster:
            raise ValueError("cannot combine values of different clients; use compute() first")
        return px.Subquery(Grouping(self._rows.under([self._expr]), (), [Named("value", self._expr)]), self._rows)

    @property
    def _type(self) -> pa.DataType:
        return self._rows.type(self._expr)

    def _operand(self, name: str, value: Any, swapped: bool) -> tuple[Expr, pa.DataType]:
        """Return a Python value that is the other operand, and its type."""
        if name in ex.COMPARISONS or name in ("and", "or"):
            return literal(value, self._type), self._type
        if swapped:
            return ex.operand(value, self._type, name)
        return ex.right_operand(name, value, self._type, "numpy")

    if TYPE_CHECKING:
        # Defined below by setattr.
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...

    __hash__ = object.__hash__

    def __neg__(self) -> Scalar:
        return Scalar(self._rows, -self._expr)

    def __abs__(self) -> Scalar:
        return Scalar(self._rows, call("abs", self._expr))

    def __invert__(self) -> Scalar:
        return Scalar(self._rows, px.negation(self._expr))


def _operator(name: str, swapped: bool) -> Callable[[Scalar, Any], Any]:
    def operator(self: Scalar, other: Any) -> Any:
        return self._combined(name, other, swapped)

    return operator


for _name in (*_OPERATORS, *ex.COMPARISONS):
    setattr(Scalar, f"__{_name}__", _operator(_name, False))
    if _name in _OPERATORS:
        setattr(Scalar, f"__r{_name}__", _operator(_name, True))
