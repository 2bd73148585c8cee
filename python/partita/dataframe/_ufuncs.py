"""SQL of NumPy's universal functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._sql import arrow_name, replace_nan

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
    "fabs": "abs",
    "rint": "round",
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

#: SQL of other functions. Outside of their domain, the result is missing, as in pandas.
_FORMS = {
    "sqrt": "CASE WHEN {0} >= 0 THEN sqrt({0}) END",
    "cbrt": "cbrt({0})",
    "square": "({0} * {0})",
    "exp": "exp({0})",
    "exp2": "power(CAST(2 AS DOUBLE), {0})",
    # W. Kahan's formulas, which are accurate for small arguments.
    "expm1": "CASE WHEN exp({0}) = 1 THEN {0} WHEN exp({0}) - 1 = -1 THEN -1.0 ELSE (exp({0}) - 1) * {0} / ln(exp({0})) END",
    "log1p": "CASE WHEN 1 + {0} = 1 THEN {0} ELSE ln(1 + {0}) * {0} / ((1 + {0}) - 1) END",
    "log": "ln({0})",
    "log2": "log2({0})",
    "log10": "log10({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "arcsin": "asin({0})",
    "arccos": "acos({0})",
    "arctan": "atan({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "arcsinh": "asinh({0})",
    "arccosh": "acosh({0})",
    "arctanh": "atanh({0})",
    "degrees": "degrees({0})",
    "rad2deg": "degrees({0})",
    "radians": "radians({0})",
    "deg2rad": "radians({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "trunc": "trunc({0})",
    "sign": "signum({0})",
    "reciprocal": "(1 / {0})",
    "maximum": "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN greatest({0}, {1}) END",
    "minimum": "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN least({0}, {1}) END",
    "fmax": "greatest({0}, {1})",
    "fmin": "least({0}, {1})",
    "arctan2": "atan2({0}, {1})",
    "hypot": "sqrt({0} * {0} + {1} * {1})",
}
#: Functions whose result has the type of the argument.
_KEEP = frozenset(("square", "floor", "ceil", "trunc", "sign", "maximum", "minimum", "fmax", "fmin"))


def apply_ufunc(of: Any, name: str, inputs: tuple[Any, ...]) -> Any:
    """Evaluate a NumPy function with a column or a frame among its arguments."""
    first, *others = inputs
    method = _METHODS.get(name)
    if method is not None and first is of:
        return getattr(of, method)(*others)
    if method is not None and method in _TURNED:
        return getattr(of, _TURNED[method])(first)
    if method is not None:
        reflected = f"__r{method.strip('_')}__"
        return getattr(of, reflected)(first) if hasattr(type(of), reflected) else NotImplemented
    if name not in _FORMS:
        raise NotImplementedError(
            f"numpy.{name} is not supported; supported: {', '.join(sorted([*_METHODS, *_FORMS]))}"
        )
    return of._apply_ufunc(name, inputs)


def apply_to_column(column: Series, name: str, inputs: tuple[Any, ...]) -> Any:
    """Apply a numeric function to a column."""
    from . import _expressions as ex

    parts, rows, label = [], column._rows, column.name
    for value in inputs:
        if hasattr(value, "_sql") and hasattr(value, "_kind") and hasattr(value, "_index"):
            rows, label = rows.combine(value._rows), column._name_with(value) if label is not None else None
            rows, sql = rows.shorten(value._sql)
            kind = value._kind
        else:
            sql, kind = ex.operand(value, column._kind)
        parts.append(sql if name in _KEEP or ex.is_real(kind) else f"CAST({sql} AS DOUBLE)")
    made = _FORMS[name].format(*parts)
    if name in ("floor", "ceil", "trunc") and not ex.is_real(column._kind):
        return column
    if name in _KEEP:
        kind = column._kind if len(inputs) == 1 else None
        made = f"arrow_cast({made}, '{arrow_name(kind)}')" if kind is not None else made
        return column._like(made, kind, rows, label)
    # NaN is a missing value, as in pandas.
    return column._like(replace_nan(made, pa.float64()), None, rows, label)
