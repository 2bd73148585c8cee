"""Reductions of columns, groups and rows, and their lazy results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._drawing import visualize
from .._errors import trim_traceback
from .._frame_inputs import FrameInput
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import (
    Column,
    Lists,
    category_sql,
    common_categories,
    derived_origin,
    is_masked,
    label_index,
    require_order,
    sort_sql,
    to_pandas,
    to_pandas_column,
)
from ._rows import Rows
from ._scalar import Scalar
from ._sql import INDEX, ROW, arrow_name, is_number, is_text, is_whole, literal, quote, replace_nan, sort_of

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


def quantile(sql: str, q: float, kind: pa.DataType) -> str:
    """Return the SQL of a quantile with linear interpolation.

    Raises
    ------
    TypeError
        If the type has no quantiles.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile must be between 0 and 1, not {q!r}")
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        number = quantile(f"arrow_cast({sql}, 'Int64')", q, pa.int64())
        return f"arrow_cast(CAST({number} AS BIGINT), '{arrow_name(kind)}')"
    if not is_number(kind) or pa.types.is_boolean(kind):
        raise TypeError(f"cannot compute a quantile of {kind}; select numeric columns or use numeric_only=True")
    value = f"CAST({sql} AS DOUBLE)"
    if q * 4 == int(q * 4):
        return replace_nan(f"percentile_cont({float(q)!r}) WITHIN GROUP (ORDER BY {value})", kind)
    # percentile_cont of DataFusion rounds the interpolation weight to a millionth, which is exact only for quartiles.
    ordered = f"array_sort(array_agg({value}) FILTER (WHERE {sql} IS NOT NULL))"
    place = f"({float(q)!r} * (count({sql}) - 1))"
    low, high = (f"{ordered}[CAST({end}({place}) AS BIGINT) + 1]" for end in ("floor", "ceil"))
    return replace_nan(f"({low} + ({high} - {low}) * ({place} - floor({place})))", kind)


def aggregate(
    name: str,
    sql: str,
    kind: pa.DataType,
    ddof: int = 1,
    skipna: bool = True,
    min_count: int = 0,
    over: str = "",
    origin: Any = None,
) -> str:
    """Return the SQL of a reduction, with the result type of pandas.

    Parameters
    ----------
    name : str
        Name of the reduction.
    sql : str
        SQL of the values.
    kind : pyarrow.DataType
        Type of the values.
    ddof : int
        Delta degrees of freedom of variances.
    skipna : bool
        Whether to ignore missing values. Otherwise, the result is missing if a value is missing.
    min_count : int
        Minimum number of values. With fewer values, the result is missing.
    over : str
        ``OVER`` clause, if the reduction is a window function.
    origin
        Origin of the column. Categories sort by their position.

    Raises
    ------
    TypeError
        If the type does not support the reduction.
    """
    if isinstance(origin, pd.CategoricalDtype) and name not in ("count", "nunique"):
        made = _of_categories(name, sql, origin, over)
    else:
        made = _aggregate("prod" if name == "product" else name, sql, kind, ddof, over)
    if name in ("count", "nunique"):
        return made
    if name not in ("min", "max"):
        # The sum of infinities of both signs is NaN.
        made = replace_nan(made, kind)
    if not skipna:
        made = f"CASE WHEN count(*){over} = count({sql}){over} THEN {made} END"
    if min_count > 0:
        made = f"CASE WHEN count({sql}){over} >= {min_count} THEN {made} END"
    return made


def _of_categories(name: str, sql: str, origin: pd.CategoricalDtype, over: str) -> str:
    """Return the SQL of the first or last category, by position."""
    if name not in ("min", "max"):
        raise TypeError(f"cannot compute {name} of a categorical column; convert it with astype")
    require_order(name, origin)
    return category_sql(f"{name}({sort_sql(sql, origin)}){over}", origin)


def group_reduction(name: str, column: Series, order: Sequence[str], **how: Any) -> Column:
    """Return a reduction of a column in groups whose rows are sorted by `order`, if it is not empty."""
    sql, kind, origin = column._sql, column._kind, derived_origin(column._origin)
    by = f" ORDER BY {', '.join(order)}" if order else ""
    if name in ("first", "last"):
        return Column(f"{name}_value({sql}{by}) FILTER (WHERE {sql} IS NOT NULL)", column._known, column._origin)
    if name == "list":
        return Column(f"array_agg({sql}{by})", None, Lists(pd.NA if is_masked(column._origin) else None))
    if name == "size":
        return size_of(column)
    if name in ("idxmin", "idxmax"):
        require_order(name, column._origin)
        return Column(getattr(column, name)()._sql)
    if name in ("any", "all"):
        return Column(getattr(column, name)()._sql, None, origin)
    if name == "quantile":
        return Column(quantile(sql, how.get("q", 0.5), kind), None, origin)
    if name in ("min", "max"):
        origin = column._origin
    if name == "nunique" or (name == "count" and is_text(kind)):
        # As in pandas, counts of nullable columns are nullable, except for strings and for distinct values.
        origin = None
    return Column(aggregate(name, sql, kind, origin=column._origin, **how), None, origin)


def size_of(column: Series) -> Column:
    """Return the number of rows of a group, which is nullable for nullable numbers."""
    is_counted = is_number(column._kind) and is_masked(column._origin)
    return Column("count(*)", None, column._origin if is_counted else None)


def _aggregate(name: str, sql: str, kind: pa.DataType, ddof: int, over: str) -> str:
    if name in ("min", "max", "count"):
        return f"{name}({sql}){over}"
    if name == "nunique":
        return f"count(DISTINCT {normalize_zero(sql, kind)}){over}"
    if name == "sum" and is_text(kind):
        raise TypeError("cannot sum a string column; select numeric columns or use numeric_only=True")
    if is_text(kind) or pa.types.is_dictionary(kind) or pa.types.is_date(kind):
        raise TypeError(f"cannot compute {name} of {kind}; select numeric columns or use numeric_only=True")
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return _of_time(name, sql, kind, over)
    value = f"CAST({sql} AS BIGINT)" if pa.types.is_boolean(kind) else sql
    single = kind == pa.float32()
    if name == "sum":
        total = f"coalesce(sum({value}){over}, {literal(0, kind) if not pa.types.is_boolean(kind) else 0})"
        return f"arrow_cast({total}, 'Float32')" if single else total
    if name == "prod":
        return _product(value, kind)
    double = value if kind == pa.float64() else f"CAST({value} AS DOUBLE)"
    forms = {
        "mean": f"avg({double}){over}",
        "std": f"sqrt({_variance(sql, double, ddof, over)})"
        if ddof not in (0, 1)
        else _deviation("stddev", double, ddof, over),
        "var": _variance(sql, double, ddof, over),
        "median": f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {double}){over}",
        "sem": f"(sqrt({_variance(sql, double, ddof, over)}) / sqrt(count({sql}){over}))",
    }
    if name not in forms:
        raise NotImplementedError(f"reduction {name!r} is not supported; supported: {', '.join(sorted(REDUCTIONS))}")
    return f"arrow_cast({forms[name]}, 'Float32')" if single else forms[name]


def normalize_zero(sql: str, kind: pa.DataType) -> str:
    """Return the SQL of a value for counting distinct values, with -0.0 replaced by 0.0."""
    return f"({sql} + {literal(0, kind)})" if pa.types.is_floating(kind) else sql


def _deviation(function: str, double: str, ddof: int, over: str) -> str:
    return f"{function}_{'samp' if ddof == 1 else 'pop'}({double}){over}"


def _variance(sql: str, double: str, ddof: int, over: str) -> str:
    if ddof in (0, 1):
        return _deviation("var", double, ddof, over)
    # DataFusion names counts of a column and of its cast alike, so only one of them can occur in a query.
    n = f"count({sql}){over}"
    return f"CASE WHEN {n} > {ddof} THEN var_pop({double}){over} * {n} / ({n} - {ddof}) END"


def _of_time(name: str, sql: str, kind: pa.DataType, over: str) -> str:
    """Return the SQL of a reduction of times or durations, computed on their integer values."""
    whole = f"arrow_cast({sql}, 'Int64')"
    if pa.types.is_timestamp(kind) and name not in ("mean", "median"):
        raise TypeError(f"cannot compute {name} of {kind}; select numeric columns or use numeric_only=True")
    forms = {
        "mean": f"avg({whole}){over}",
        "median": f"median({whole}){over}",
        "sum": f"coalesce(sum({whole}){over}, 0)",
        "std": f"stddev_samp(CAST({whole} AS DOUBLE)){over}",
    }
    if name not in forms:
        raise TypeError(f"cannot compute {name} of {kind}; select numeric columns or use numeric_only=True")
    return f"arrow_cast(arrow_cast({forms[name]}, 'Int64'), '{arrow_name(kind)}')"


def factor(sql: str, kind: pa.DataType) -> str:
    """Return the SQL of a factor of a product."""
    return f"CAST({sql} AS {'BIGINT' if is_whole(kind) else 'DOUBLE'})"


def _product(sql: str, kind: pa.DataType) -> str:
    if pa.types.is_unsigned_integer(kind):
        return f"coalesce(product(arrow_cast({sql}, 'UInt64')), arrow_cast(1, 'UInt64'))"
    total = f"coalesce(product({factor(sql, kind)}), 1)"
    return f"arrow_cast({total}, 'Float32')" if kind == pa.float32() else total


# Reductions of rows.


def row_reduction(name: str, columns: Sequence[Column], ddof: int = 1, skipna: bool = True, min_count: int = 0) -> str:
    """Return the SQL of a reduction of the values of each row.

    Raises
    ------
    NotImplementedError
        If the reduction is not supported for rows.
    TypeError
        If the values of a row cannot be combined.
    """
    if name not in ("count", "any", "all"):
        _check_row(name, columns)
    categories = common_categories(columns)
    if categories is not None and name not in ("count", "any", "all"):
        if name not in ("min", "max"):
            raise TypeError(f"cannot compute {name} of categories in a row; convert them with astype")
        require_order(name, categories)
        places = [
            column._replace(sql=sort_sql(column.sql, categories), kind=pa.int64(), origin=None) for column in columns
        ]
        return category_sql(row_reduction(name, places, ddof, skipna, min_count), categories)
    values = [
        f"arrow_cast({column.sql}, '{arrow_name(column.kind.value_type)}')"
        if column.kind is not None and pa.types.is_dictionary(column.kind)
        else column.sql
        for column in columns
    ]
    there = " + ".join(f"CASE WHEN {sql} IS NULL THEN 0 ELSE 1 END" for sql in values) or "0"
    if name == "count":
        return f"CAST({there} AS BIGINT)"
    if name in ("any", "all"):
        truths = [_true(column) for column in columns]
        return f"({(' OR ' if name == 'any' else ' AND ').join(truths) or str(name == 'all').upper()})"
    if not values:
        return "0" if name == "sum" else "CAST(NULL AS DOUBLE)"
    whole = all(column.kind is not None and is_whole(column.kind) for column in columns)
    numbers = [f"CAST({sql} AS {'BIGINT' if whole else 'DOUBLE'})" for sql in values]
    made = _across(name, values, numbers, there, ddof)
    if name not in ("min", "max") and any(
        column.kind is not None and pa.types.is_floating(column.kind) for column in columns
    ):
        made = replace_nan(f"CAST({made} AS DOUBLE)", pa.float64())
    if not skipna:
        made = f"CASE WHEN {there} = {len(values)} THEN {made} END"
    return f"CASE WHEN {there} >= {min_count} THEN {made} END" if min_count > 0 else made


def _check_row(name: str, columns: Sequence[Column]) -> None:
    """Check that the values of a row can be combined."""
    sorts = {sort_of(column.kind) for column in columns if column.kind is not None}
    sorts = {"numbers" if sort == "booleans" else sort for sort in sorts}
    if len(sorts) > 1 or (sorts == {"strings"} and name not in ("min", "max")):
        found = " and ".join(sorted(sorts))
        raise TypeError(f"cannot compute {name} of {found} in a row; select columns or use numeric_only=True")
    if sorts - {"numbers"} and name not in ("min", "max"):
        raise NotImplementedError(f"{name}(axis=1) of {sorts.pop()} is not supported; select numeric columns")


def _across(name: str, values: list[str], numbers: list[str], there: str, ddof: int) -> str:
    total = f"({' + '.join(f'coalesce({sql}, 0)' for sql in numbers)})"
    mean = f"(CAST({total} AS DOUBLE) / nullif({there}, 0))"
    if name in ("min", "max"):
        return f"{'least' if name == 'min' else 'greatest'}({', '.join(values)})"
    if name == "sum":
        return total
    if name in ("prod", "product"):
        return f"({' * '.join(f'coalesce({sql}, 1)' for sql in numbers)})"
    if name == "mean":
        return mean
    if name in ("var", "std", "sem"):
        squares = " + ".join(f"coalesce(power(CAST({sql} AS DOUBLE) - {mean}, 2), 0)" for sql in numbers)
        variance = f"CASE WHEN ({there}) > {ddof} THEN ({squares}) / (({there}) - {ddof}) END"
        if name == "var":
            return variance
        return f"sqrt({variance})" if name == "std" else f"sqrt({variance} / nullif({there}, 0))"
    raise NotImplementedError(f"{name}(axis=1) is not supported; use compute() and pandas")


def _true(column: Column) -> str:
    sql = column.sql
    if column.kind is not None and pa.types.is_boolean(column.kind):
        return f"coalesce({sql}, FALSE)"
    if column.kind is not None and is_text(column.kind):
        return f"coalesce({sql} <> '', TRUE)"
    return f"coalesce({sql} <> {literal(0, column.kind)}, FALSE)"


# Results.


class _Cells(FrameInput):
    """Lazy values of one query."""

    _rows: Rows

    def _expressions(self) -> list[str]:
        """Return the expressions of the values."""
        raise NotImplementedError

    @trim_traceback
    def explain(self) -> str:
        """Return the physical plan, split into stages."""
        expressions = self._expressions()
        select = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(expressions)) or "1 AS c0"
        return self._rows.explain(f"SELECT {select} FROM {self._rows.under(select)}")

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

    def __init__(
        self,
        rows: Rows,
        cells: dict[Any, str],
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

    def _expressions(self) -> list[str]:
        return list(self._cells.values())

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
        cells: dict[Any, dict[Any, str]],
        origin: Any = None,
        axis: pd.Index | None = None,
        is_square: bool = False,
    ) -> None:
        self._rows = rows
        self._cells = cells
        self._origin = origin
        self._axis = axis
        self._is_square = is_square

    def _expressions(self) -> list[str]:
        return [sql for column in self._cells.values() for sql in column.values()]

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
        from ._series import Series

        column = self._cells[label]
        parts = [
            f"SELECT {literal(name)} AS {quote(INDEX + '0')}, {sql} AS v, {at} AS {quote(ROW)} FROM {self._rows.under(sql)}"
            for at, (name, sql) in enumerate(column.items())
        ]
        rows = Rows(self._rows.client, f"({' UNION ALL '.join(parts)})", (quote(ROW),), keep=self._rows)
        return Series(rows, quote("v"), label, (Level(None, quote(INDEX + "0")),), None, self._origin)


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


def describe_numbers(sql: str, kind: pa.DataType, percentiles: Sequence[float] | None) -> dict[Any, str]:
    """Return the cells of the description of a numeric column."""
    cells = {
        "count": f"CAST(count({sql}) AS DOUBLE)",
        "mean": aggregate("mean", sql, kind),
        "std": aggregate("std", sql, kind),
        "min": f"CAST(min({sql}) AS DOUBLE)",
    }
    for q in quantile_levels(percentiles):
        cells[percent(q)] = quantile(sql, q, kind)
    return {**cells, "max": f"CAST(max({sql}) AS DOUBLE)"}


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
