"""Reductions of columns, groups and rows, and their lazy results."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Optional

import pandas as pd
import pyarrow as pa

from .._drawing import visualize
from .._errors import trim_traceback
from .._frame_inputs import FrameInput
from ..plan import expr as px
from ..plan.expr import Expr, SortKey, call, case, cast
from ..plan.expr import aggregate as aggregated
from ..plan.relation import Grouping, Join, Named, Projection, Values
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import (
    Column,
    Lists,
    category_at,
    common_categories,
    derived_origin,
    is_masked,
    label_index,
    require_order,
    sort_value,
    to_pandas,
    to_pandas_column,
)
from ._expressions import joined_strings, of_one_type
from ._rows import Rows, cells
from ._scalar import Scalar
from ._sql import INDEX, ROW, is_number, is_text, is_whole, literal, replace_nan, sort_of, value_type

if TYPE_CHECKING:
    from ._series import Series

__all__ = [
    "HOW",
    "REDUCTIONS",
    "Reductions",
    "Table",
    "aggregate",
    "describe_numbers",
    "factor",
    "group_reduction",
    "is_described",
    "labelled_values",
    "normalize_zero",
    "percent",
    "quantile",
    "quantile_levels",
    "row_reduction",
    "size_of",
]

#: Reductions of columns and groups.
REDUCTIONS = ("sum", "prod", "mean", "min", "max", "count", "std", "var", "sem", "median", "nunique")
#: Additional arguments of some reductions of groups.
HOW = {"std": ("ddof",), "var": ("ddof",), "sem": ("ddof",), "sum": ("min_count",), "prod": ("min_count",)}


#: The rows of a reduction that is a window function: arguments of a window.
Over = Optional[dict[str, Any]]

_DOUBLE, _WHOLE, _SINGLE = pa.float64(), pa.int64(), pa.float32()


def quantile(value: Expr, q: float, kind: pa.DataType) -> Expr:
    """Return a quantile with linear interpolation.

    Raises
    ------
    TypeError
        If the type has no quantiles.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile must be between 0 and 1, not {q!r}")
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return cast(cast(quantile(cast(value, _WHOLE), q, _WHOLE), _WHOLE), kind)
    if not is_number(kind) or pa.types.is_boolean(kind):
        raise TypeError(f"quantiles of {kind} are not supported; select numeric columns or use numeric_only=True")
    double = cast(value, _DOUBLE)
    if q * 4 == int(q * 4):
        return replace_nan(aggregated("percentile_cont", double, float(q)), kind)
    # percentile_cont of DataFusion rounds the interpolation weight to a millionth, which is exact only for quartiles.
    ordered = call("array_sort", aggregated("array_agg", double, where=px.not_null(value)))
    place = (aggregated("count", value) - 1) * float(q)
    low, high = (call("element", ordered, cast(call(end, place), _WHOLE) + 1) for end in ("floor", "ceil"))
    return replace_nan(low + (high - low) * (place - call("floor", place)), kind)


def aggregate(
    name: str,
    value: Expr,
    kind: pa.DataType,
    ddof: int = 1,
    skipna: bool = True,
    min_count: int = 0,
    over: Over = None,
    origin: Any = None,
    rows: Rows | None = None,
) -> Expr:
    """Return a reduction, with the result type of pandas.

    Parameters
    ----------
    name : str
        Name of the reduction.
    value : Expr
        The values.
    kind : pyarrow.DataType
        Type of the values.
    ddof : int
        Delta degrees of freedom of variances.
    skipna : bool
        Whether to ignore missing values. Otherwise, the result is missing if a value is missing.
    min_count : int
        Minimum number of values. With fewer values, the result is missing.
    over : dict, optional
        The arguments of the window, if the reduction is a window function.
    origin
        Origin of the column. Categories sort by their position.
    rows : Rows, optional
        The rows of a whole column, of which strings can be joined.

    Raises
    ------
    TypeError
        If the type does not support the reduction.
    """
    if isinstance(origin, pd.PeriodDtype) and name not in ("count", "nunique", "min", "max"):
        raise TypeError(f"cannot compute {name} of periods; use dt.to_timestamp first")
    if isinstance(origin, pd.CategoricalDtype) and name not in ("count", "nunique"):
        made = _of_categories(name, value, origin, over)
    elif name == "sum" and is_text(kind) and rows is not None:
        # As in pandas, the sum of strings is their concatenation.
        made = joined_strings(value, rows.over()["order"])
    else:
        made = _aggregate("prod" if name == "product" else name, value, kind, ddof, over)
    if name in ("count", "nunique"):
        return made
    if name not in ("min", "max"):
        # The sum of infinities of both signs is NaN.
        made = replace_nan(made, kind)
    if not skipna:
        made = case([(px.comparison("eq", _reduced("count_rows", over), _reduced("count", over, value)), made)])
    if min_count > 0:
        made = case([(px.comparison("ge", _reduced("count", over, value), min_count), made)])
    return made


def _reduced(name: str, over: Over, *args: px.Operand, is_distinct: bool = False) -> Expr:
    """Return a reduction of all rows, or of those of a window."""
    if over is None:
        return aggregated(name, *args, is_distinct=is_distinct)
    return px.window(name, *args, **over)


def _of_categories(name: str, value: Expr, origin: pd.CategoricalDtype, over: Over) -> Expr:
    """Return the first or last category, by position."""
    if name not in ("min", "max"):
        raise TypeError(f"cannot compute {name} of a categorical column; convert it with astype")
    require_order(name, origin)
    return category_at(_reduced(name, over, sort_value(value, origin)), origin)


def group_reduction(name: str, column: Series, order: Sequence[SortKey], **how: Any) -> Column:
    """Return a reduction of a column in groups whose rows are sorted by `order`, if it is not empty."""
    value, kind = column._expr, column._kind
    if isinstance(column._origin, pd.PeriodDtype):
        if name not in ("first", "last", "size", "count", "nunique", "min", "max"):
            raise TypeError(f"cannot compute {name} of periods in groups; use dt.to_timestamp first")
        origin = None
    else:
        origin = derived_origin(column._origin)
    if name in ("first", "last"):
        found = aggregated(f"{name}_value", value, order=order, where=px.not_null(value))
        return Column(found, column._origin)
    if name == "list":
        missing = Lists(pd.NA if is_masked(column._origin) else None)
        return Column(aggregated("array_agg", value, order=order), missing)
    if name == "size":
        return size_of(column)
    if name in ("idxmin", "idxmax"):
        require_order(name, column._origin)
        return Column(getattr(column, name)()._expr)
    if name in ("any", "all"):
        return Column(getattr(column, name)()._expr, origin)
    if name == "quantile":
        return Column(quantile(value, how.get("q", 0.5), kind), origin)
    if name in ("min", "max"):
        origin = column._origin
    if name == "nunique" or (name == "count" and is_text(kind)):
        # As in pandas, counts of nullable columns are nullable, except for strings and for distinct values.
        origin = None
    return Column(aggregate(name, value, kind, origin=column._origin, **how), origin)


def size_of(column: Series) -> Column:
    """Return the number of rows of a group, which is nullable for nullable numbers."""
    is_counted = is_number(column._kind) and is_masked(column._origin)
    return Column(aggregated("count_rows"), column._origin if is_counted else None)


def _aggregate(name: str, value: Expr, kind: pa.DataType, ddof: int, over: Over) -> Expr:
    if name in ("min", "max", "count"):
        return _reduced(name, over, value)
    if name == "nunique":
        return _reduced("count", over, normalize_zero(value, kind), is_distinct=True)
    if name == "sum" and is_text(kind):
        raise TypeError("the sum of strings is not supported; select numeric columns or use numeric_only=True")
    if is_text(kind) or pa.types.is_dictionary(kind) or pa.types.is_date(kind):
        raise TypeError(f"{name} is not supported for {kind}; select numeric columns or use numeric_only=True")
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return _of_time(name, value, kind, ddof, over)
    number = cast(value, _WHOLE) if pa.types.is_boolean(kind) else value
    if name == "sum":
        total = _reduced("sum", over, number)
        return _single(call("coalesce", total, literal(0, total.dtype or number.dtype or kind)), kind)
    if name == "prod":
        return _product(number, kind)
    double = cast(number, _DOUBLE)
    if name == "mean":
        return _single(_reduced("avg", over, double), kind)
    if name == "std":
        spread = _deviation("stddev", double, ddof, over) if ddof in (0, 1) else _root(_variance(double, ddof, over))
        return _single(spread, kind)
    if name == "var":
        return _single(_variance(double, ddof, over), kind)
    if name == "sem":
        return _single(_root(_variance(double, ddof, over)) / _root(_reduced("count", over, value)), kind)
    if name == "median":
        return _single(_reduced("percentile_cont", over, double, 0.5), kind)
    raise NotImplementedError(f"reduction {name!r} is not supported; supported: {', '.join(sorted(REDUCTIONS))}")


def _single(made: Expr, kind: pa.DataType) -> Expr:
    """Return a reduction as float32 for a column of this type, as in pandas."""
    return cast(made, _SINGLE) if kind == _SINGLE else made


def _root(value: Expr) -> Expr:
    return call("sqrt", value)


def normalize_zero(value: Expr, kind: pa.DataType) -> Expr:
    """Return a value for counting distinct values, with -0.0 replaced by 0.0."""
    return value + literal(0.0, kind) if pa.types.is_floating(kind) else value


def _deviation(function: str, double: Expr, ddof: int, over: Over) -> Expr:
    return _reduced(f"{function}_{'samp' if ddof == 1 else 'pop'}", over, double)


def _variance(double: Expr, ddof: int, over: Over) -> Expr:
    if ddof in (0, 1):
        return _deviation("var", double, ddof, over)
    count = _reduced("count", over, double)
    return case([(px.comparison("gt", count, ddof), _reduced("var_pop", over, double) * count / (count - ddof))])


def _of_time(name: str, value: Expr, kind: pa.DataType, ddof: int, over: Over) -> Expr:
    """Return a reduction of times or durations, computed on their integer values."""
    whole = cast(value, _WHOLE)
    if pa.types.is_timestamp(kind) and name not in ("mean", "median", "std"):
        raise TypeError(f"{name} is not supported for {kind}; select numeric columns or use numeric_only=True")
    if name in ("mean", "median"):
        made = _reduced("avg" if name == "mean" else "median", over, whole)
    elif name == "sum":
        made = call("coalesce", _reduced("sum", over, whole), 0)
    elif name == "std":
        # The deviation of times is a duration.
        made = _root(_variance(cast(whole, _DOUBLE), ddof, over))
        kind = pa.duration(kind.unit)
    else:
        raise TypeError(f"{name} is not supported for {kind}; select numeric columns or use numeric_only=True")
    return cast(cast(made, _WHOLE), kind)


def factor(value: Expr, kind: pa.DataType) -> Expr:
    """Return a factor of a product."""
    return cast(value, _WHOLE if is_whole(kind) else _DOUBLE)


def _product(value: Expr, kind: pa.DataType) -> Expr:
    if pa.types.is_unsigned_integer(kind):
        wide = pa.uint64()
        return call("coalesce", aggregated("product", cast(value, wide)), px.Literal(1, wide))
    made = aggregated("product", factor(value, kind))
    return _single(call("coalesce", made, literal(1, made.dtype)), kind)


# Reductions of rows.


def row_reduction(
    name: str,
    columns: Sequence[Column],
    kinds: Sequence[pa.DataType],
    ddof: int = 1,
    skipna: bool = True,
    min_count: int = 0,
) -> Expr:
    """Return a reduction of the values of each row, given the columns and their types.

    Raises
    ------
    NotImplementedError
        If the reduction is not supported for rows.
    TypeError
        If the values of a row cannot be combined.
    """
    if name not in ("count", "any", "all"):
        _check_row(name, kinds)
    categories = common_categories(columns)
    if categories is not None and name not in ("count", "any", "all"):
        if name not in ("min", "max"):
            raise TypeError(f"cannot compute {name} of categories in a row; convert them with astype")
        require_order(name, categories)
        places = [Column(sort_value(column.expr, categories)) for column in columns]
        whole = [_WHOLE] * len(places)
        return category_at(row_reduction(name, places, whole, ddof, skipna, min_count), categories)
    values = [
        cast(column.expr, value_type(kind)) if pa.types.is_dictionary(kind) else column.expr
        for column, kind in zip(columns, kinds)
    ]
    there = _total(case([(px.is_null(value), 0)], 1) for value in values)
    if name == "count":
        return there
    if name in ("any", "all"):
        truths = [_true(column.expr, kind) for column, kind in zip(columns, kinds)]
        return px.disjunction(*truths) if name == "any" else px.conjunction(*truths)
    if not values:
        return px.literal(0) if name == "sum" else cast(None, _DOUBLE)
    number = _WHOLE if all(map(is_whole, kinds)) else _DOUBLE
    made = _of_times_across(values, kinds, there, ddof) if _are_times(name, kinds) else None
    made = _across(name, values, number, there, ddof) if made is None else made
    if name not in ("min", "max") and any(map(pa.types.is_floating, kinds)):
        made = replace_nan(cast(made, _DOUBLE))
    if not skipna:
        made = case([(px.comparison("eq", there, len(values)), made)])
    return case([(px.comparison("ge", there, min_count), made)]) if min_count > 0 else made


def _check_row(name: str, kinds: Sequence[pa.DataType]) -> None:
    """Check that the values of a row can be combined."""
    sorts = set(map(sort_of, kinds))
    sorts = {"numbers" if sort == "booleans" else sort for sort in sorts}
    if len(sorts) > 1 or (sorts == {"strings"} and name not in ("min", "max")):
        found = " and ".join(sorted(sorts))
        raise TypeError(f"cannot compute {name} of {found} in a row; select columns or use numeric_only=True")
    if sorts - {"numbers"} and name not in ("min", "max") and not (name == "std" and sorts <= {"times", "timedeltas"}):
        raise NotImplementedError(f"{name}(axis=1) of {sorts.pop()} is not supported; select numeric columns")


def _balanced(function: str, values: Iterable[Expr], empty: int) -> Expr:
    """Return values joined by an operator, as a tree of small depth."""
    parts = list(values) or [px.literal(empty)]
    while len(parts) > 1:
        pairs = [call(function, a, b) for a, b in zip(parts[::2], parts[1::2])]
        parts = [*pairs, *([parts[-1]] if len(parts) % 2 else [])]
    return parts[0]


def _total(values: Iterable[Expr]) -> Expr:
    return _balanced("add", values, 0)


def _across(name: str, values: list[Expr], number: pa.DataType, there: Expr, ddof: int) -> Expr:
    if name in ("min", "max"):
        sorts = {sort_of(value.dtype) for value in values if value.dtype is not None}
        if sorts == {"booleans", "numbers"}:
            values = [cast(value, pa.int8()) if sort_of(value.dtype) == "booleans" else value for value in values]
        return call("least" if name == "min" else "greatest", *of_one_type(*values))
    numbers = [cast(value, number) for value in values]
    if name in ("prod", "product"):
        return _balanced("multiply", (call("coalesce", value, 1) for value in numbers), 1)
    # The sum is that of a left fold, as in pandas.
    total = functools.reduce(operator.add, [call("coalesce", value, 0) for value in numbers])
    mean = cast(total, _DOUBLE) / call("nullif", there, 0)
    if name == "sum":
        return total
    if name == "mean":
        return mean
    if name in ("var", "std", "sem"):
        squares = [call("power", cast(value, _DOUBLE) - mean, 2.0, dtype=_DOUBLE) for value in numbers]
        spread = functools.reduce(operator.add, [call("coalesce", square, 0.0) for square in squares])
        variance = case([(px.comparison("gt", there, ddof), spread / (there - ddof))])
        if name == "var":
            return variance
        return _root(variance) if name == "std" else _root(variance / call("nullif", there, 0))
    raise NotImplementedError(f"{name}(axis=1) is not supported; use compute() and pandas")


def _are_times(name: str, kinds: Sequence[pa.DataType]) -> bool:
    return name == "std" and all(pa.types.is_timestamp(kind) or pa.types.is_duration(kind) for kind in kinds)


def _of_times_across(values: list[Expr], kinds: Sequence[pa.DataType], there: Expr, ddof: int) -> Expr:
    """Return the deviation of the times of each row, which is a duration."""
    unit = max((kind.unit for kind in kinds), key=("s", "ms", "us", "ns").index)
    common = [pa.timestamp(unit, kind.tz) if pa.types.is_timestamp(kind) else pa.duration(unit) for kind in kinds]
    numbers = [cast(cast(cast(value, kind), _WHOLE), _DOUBLE) for value, kind in zip(values, common)]
    return cast(cast(_across("std", numbers, _DOUBLE, there, ddof), _WHOLE), pa.duration(unit))


def _true(value: Expr, kind: pa.DataType) -> Expr:
    if pa.types.is_boolean(kind):
        return call("coalesce", value, False)
    if is_text(kind):
        return call("coalesce", px.comparison("ne", value, ""), True)
    return call("coalesce", px.comparison("ne", value, literal(0, kind)), False)


# Results.


class _Cells(FrameInput):
    """Lazy values of one query."""

    _rows: Rows

    #: Small results have one partition.
    npartitions = 1

    def _expressions(self) -> list[Expr]:
        """Return the expressions of the values."""
        raise NotImplementedError

    def _labels(self) -> list[Any]:
        """Return the index labels of the result."""
        raise NotImplementedError

    @property
    def divisions(self) -> tuple[Any, Any]:
        """The smallest and the largest index label."""
        labels = self._labels()
        return (min(labels), max(labels)) if labels else (None, None)

    @trim_traceback
    def explain(self) -> str:
        """Return the physical plan, split into stages."""
        return self._rows.explain_values(self._expressions() or [px.literal(1)])

    @trim_traceback
    def visualize(self, filename: Any = None, **arguments: Any) -> Any:
        """Draw the plan as SVG, for display in a notebook or written to a file."""
        return visualize(self, filename=filename, **arguments)

    def persist(self, **arguments: Any) -> Any:
        """Return the object itself: single values are not persisted."""
        reject_unsupported("persist", arguments)
        return self


class Reductions(_Cells):
    """One lazy value for each column, computed together."""

    #: Whether the labels of the result are known before it is computed.
    known_divisions = True

    def __init__(
        self,
        rows: Rows,
        cells: dict[Any, Expr],
        name: Any = None,
        origins: dict[Any, Any] | None = None,
        axis: pd.Index | None = None,
        empty: str = "float64",
    ) -> None:
        self._rows = rows
        self._cells = cells
        self._name = name
        self._origins = origins or {}
        self._axis = axis
        self._empty = empty
        self._computed: pd.Series | None = None

    def _expressions(self) -> list[Expr]:
        return list(self._cells.values())

    def _labels(self) -> list[Any]:
        return list(self._cells)

    @trim_traceback
    def compute(self, **arguments: Any) -> pd.Series:
        """Run the plan on the cluster and return a pandas series, indexed by the column labels."""
        reject_unsupported("compute", arguments)
        index = label_index(list(self._cells), self._axis)
        if not self._cells:
            return pd.Series([], index=index, dtype=self._empty, name=self._name)
        table = self._rows.values(list(self._cells.values()))
        frame = to_pandas(table)
        values: Any = [frame.iloc[0, at] for at in range(len(self._cells))]
        kinds = [column.type for column in table.columns]
        masked = [self._origins.get(label) for label in self._cells if is_masked(self._origins.get(label))]
        if masked and all(is_number(kind) for kind in kinds):
            common = kinds[0] if len(set(kinds)) == 1 else pa.float64()
            chunks = [chunk for column in table.columns for chunk in column.cast(common).chunks]
            values = to_pandas_column(pa.chunked_array(chunks, common), masked[0])
        return pd.Series(values, index=index, name=self._name)

    def _value(self, label: Any) -> Any:
        """Return one value. On first access, all values are computed and cached."""
        return self._all()[label]

    def __getitem__(self, label: Any) -> Scalar:
        return Scalar(self._rows, self._cells[label])

    def __getattr__(self, name: str) -> Any:
        cells = self.__dict__.get("_cells", {})
        if name in cells:
            return self[name]
        # The result is small: compute it and delegate to pandas.
        if name.startswith("_") or not hasattr(pd.Series, name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")
        return getattr(self._all(), name)

    def _all(self) -> pd.Series:
        if self._computed is None:
            self._computed = self.compute()
        return self._computed

    def __len__(self) -> int:
        return len(self._cells)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._all().to_numpy(dtype)


class Table(_Cells):
    """A small lazy table, whose values are computed together."""

    def __init__(
        self,
        rows: Rows,
        cells: dict[Any, dict[Any, Expr]],
        origin: Any = None,
        axis: pd.Index | None = None,
        is_square: bool = False,
    ) -> None:
        self._rows = rows
        self._cells = cells
        self._origin = origin
        self._axis = axis
        self._is_square = is_square

    def _expressions(self) -> list[Expr]:
        return [expr for column in self._cells.values() for expr in column.values()]

    def _labels(self) -> list[Any]:
        return list(next(iter(self._cells.values()), {}))

    @trim_traceback
    def compute(self, **arguments: Any) -> pd.DataFrame:
        """Run the plan on the cluster and return a pandas frame."""
        reject_unsupported("compute", arguments)
        flat = self._expressions()
        frame = to_pandas(self._rows.values(flat))
        values = iter(frame.iloc[0, at] for at in range(len(flat)))
        shown = {at: {name: next(values) for name in column} for at, column in enumerate(self._cells.values())}
        made = pd.DataFrame(shown)
        made.columns = label_index(list(self._cells), self._axis)
        if self._is_square:
            made.index = made.columns
        return made

    def __getitem__(self, label: Any) -> Series:

        return labelled_values(self._rows, list(self._cells[label].items()), label, self._origin)


def labelled_values(rows: Rows, values: Sequence[tuple[Any, Expr]], name: Any, origin: Any) -> Series:
    """Return a column of reductions, computed together, with their labels as its index."""
    from ._series import Series

    # One row of all values becomes a row for each value, so that the rows are read once.
    expressions = [expr for _, expr in values]
    wide = Grouping(rows.under(expressions), (), cells(expressions))
    labels = Values([f"{INDEX}0", ROW], [(literal(label), px.literal(at)) for at, (label, _) in enumerate(values)])
    joined = Join(wide, labels, "cross", ())
    place = joined.column(ROW)
    value = case([(at, wide.column(f"c{at}")) for at in range(len(values))], operand=place)
    relation = Projection(
        joined, [Named(f"{INDEX}0", joined.column(f"{INDEX}0")), Named("v", value), Named(ROW, place)]
    )
    made = Rows(rows.client, relation, (SortKey(relation.column(ROW)),), keep=rows)
    return Series(made, relation.column("v"), name, (Level(None, relation.column(f"{INDEX}0")),), origin)


def quantile_levels(percentiles: Sequence[float] | None) -> list[float]:
    """Return the sorted quantile levels of a description; the quartiles by default.

    Raises
    ------
    ValueError
        If a level occurs twice.
    """
    found = sorted((0.25, 0.5, 0.75) if percentiles is None else percentiles)
    if len(set(found)) < len(found):
        raise ValueError("percentiles cannot contain duplicates")
    return found


def percent(q: float) -> str:
    """Return the label of a quantile in descriptions."""
    return f"{q * 100:g}%"


def describe_numbers(value: Expr, kind: pa.DataType, percentiles: Sequence[float] | None) -> dict[Any, Expr]:
    """Return the cells of the description of a numeric column."""
    found = {
        "count": cast(aggregated("count", value), _DOUBLE),
        "mean": cast(aggregate("mean", value, kind), _DOUBLE),
        "std": cast(aggregate("std", value, kind), _DOUBLE),
        "min": cast(aggregated("min", value), _DOUBLE),
    }
    for q in quantile_levels(percentiles):
        found[percent(q)] = quantile(value, q, kind)
    return {**found, "max": cast(aggregated("max", value), _DOUBLE)}


def is_described(kind: pa.DataType) -> bool:
    """Whether a column is numeric and thus described by default."""
    return is_number(kind) and not pa.types.is_boolean(kind)


def _on_pandas(name: str) -> Any:
    def operator(self: Reductions, other: Any) -> Any:
        return getattr(self._all(), name)(other._all() if isinstance(other, Reductions) else other)

    return operator


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Reductions, f"__{_name}__", _on_pandas(f"__{_name}__"))
    setattr(Reductions, f"__r{_name}__", _on_pandas(f"__r{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Reductions, f"__{_name}__", _on_pandas(f"__{_name}__"))
