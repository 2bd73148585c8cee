"""Expressions over the rows of a relation.

The functions of this module make nodes, and so do Python's arithmetic operators, which stand for the operators of SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from .dtype import DType
from .functions import Kind, function
from .nodes import (
    NULL,
    Aggregate,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    Frame,
    Literal,
    Operand,
    PythonCall,
    SortKey,
    Subquery,
    Trait,
    Window,
    literal,
    postorder,
)

__all__ = [
    "NULL",
    "SO_FAR",
    "WHOLE",
    "Aggregate",
    "Call",
    "Case",
    "Cast",
    "Column",
    "Expr",
    "Frame",
    "Literal",
    "Operand",
    "PythonCall",
    "SortKey",
    "Subquery",
    "Trait",
    "Window",
    "aggregate",
    "call",
    "case",
    "cast",
    "comparison",
    "conjunction",
    "disjunction",
    "interval",
    "is_null",
    "literal",
    "negation",
    "not_null",
    "postorder",
    "window",
]

#: All rows up to the current one.
SO_FAR = Frame(None, 0)
#: All rows.
WHOLE = Frame(None, None)


def call(name: str, *args: Operand, dtype: DType = None) -> Expr:
    """Return a call of a scalar function.

    Parameters
    ----------
    name : str
        Name of the function in the table of functions.
    *args : Expr or value
        The arguments.
    dtype : pyarrow.DataType, optional
        The type of the result, where it does not follow from those of the arguments.

    Examples
    --------
    >>> import pyarrow as pa
    >>> print(call("upper", Column("a", pa.large_string())))
    upper("a")
    """
    return Call(function(name), [literal(one) for one in args], dtype)


def cast(value: Operand, dtype: pa.DataType, is_lenient: bool = False) -> Expr:
    """Return the conversion of a value, or the value if it has the type."""
    made = literal(value)
    return made if made.dtype == dtype else Cast(made, dtype, is_lenient)


def case(
    branches: Iterable[tuple[Operand, Operand]],
    otherwise: Operand = None,
    operand: Expr | None = None,
    dtype: DType = None,
) -> Expr:
    """Return the value of the first condition that is true.

    Parameters
    ----------
    branches : iterable of tuple
        Pairs of condition and value; with an operand, of a value that it may equal and the result.
    otherwise : Expr or value
        The result if no condition is true.
    operand : Expr, optional
        The value that is compared.
    dtype : pyarrow.DataType, optional
        The type of the result, where it does not follow from those of the values.

    Examples
    --------
    >>> a = Column("a")
    >>> print(case([(comparison("lt", a, 0), 0)], a))
    CASE WHEN ("a" < 0) THEN 0 ELSE "a" END
    """
    pairs = [literal(one) for pair in branches for one in pair]
    if not pairs:
        return literal(otherwise)
    first = [] if operand is None else [operand]
    last = [] if otherwise is None or otherwise is NULL else [literal(otherwise)]
    return Case([*first, *pairs, *last], bool(first), bool(last), dtype)


def interval(length: str) -> Expr:
    """Return a length of time in units of the calendar, such as ``"1 month"``, which is added to times.

    Examples
    --------
    >>> print(interval("1 month"))
    INTERVAL '1 month'
    """
    return Literal(length, pa.month_day_nano_interval())


def comparison(name: str, left: Operand, right: Operand) -> Expr:
    """Return a comparison of SQL, such as ``"eq"`` and ``"lt"``, which is missing where an operand is missing."""
    return call(name, left, right)


def _joined(name: str, conditions: Iterable[Expr], empty: bool) -> Expr:
    parts: list[Expr] = []
    for one in conditions:
        # A nested form of the same operator becomes one flat form.
        parts.extend(one.inputs if isinstance(one, Call) and one.function.name == name else [one])
    if not parts:
        return literal(empty)
    return parts[0] if len(parts) == 1 else call(name, *parts)


def conjunction(*conditions: Expr) -> Expr:
    """Return whether all conditions are true; true for none."""
    return _joined("and", conditions, True)


def disjunction(*conditions: Expr) -> Expr:
    """Return whether one condition is true; false for none."""
    return _joined("or", conditions, False)


def negation(condition: Expr) -> Expr:
    """Return the opposite of a condition.

    Examples
    --------
    >>> print(negation(is_null(Column("a"))))
    ("a" IS NOT NULL)
    """
    if isinstance(condition, Call):
        opposite = {"is_null": "is_not_null", "is_not_null": "is_null"}.get(condition.function.name)
        if opposite is not None:
            return call(opposite, *condition.inputs)
        if condition.function.name == "not":
            return condition.inputs[0]
    return call("not", condition)


def is_null(value: Expr) -> Expr:
    """Return whether a value is missing."""
    return call("is_null", value)


def not_null(value: Expr) -> Expr:
    """Return whether a value is not missing."""
    return call("is_not_null", value)


def aggregate(
    name: str,
    *args: Operand,
    order: Sequence[SortKey] = (),
    where: Expr | None = None,
    is_distinct: bool = False,
) -> Expr:
    """Return a reduction of the rows.

    Examples
    --------
    >>> print(aggregate("count", Column("a"), is_distinct=True))
    count(DISTINCT "a")
    """
    values = [literal(one) for one in args]
    if name == "count" and not is_distinct:
        values = [_counted(values[0])]
    return Aggregate(function(name), values, order, where, is_distinct)


def _counted(value: Expr) -> Expr:
    """Return a value that is missing where another one is, without conversions.

    DataFusion names the counts of a value and of its conversion alike, and refuses a query with both.
    """
    while isinstance(value, Cast) and not value.is_lenient:
        (value,) = value.inputs
    return value


def window(
    name: str,
    *args: Operand,
    partition: Sequence[Expr] = (),
    order: Sequence[SortKey] = (),
    frame: Frame | None = None,
    skips_missing: bool = False,
) -> Expr:
    """Return a window function.

    Examples
    --------
    >>> print(window("lag", Column("a"), 2, order=[SortKey(Column("b"))]))
    lag("a", 2) OVER (ORDER BY "b" ASC NULLS LAST)
    """
    made = function(name)
    if made.kind is Kind.SCALAR:
        raise TypeError(f"internal error: {name} is a scalar function")
    values = [literal(one) for one in args]
    if name == "count":
        values = [_counted(values[0])]
    return Window(made, values, partition, order, frame, skips_missing)
