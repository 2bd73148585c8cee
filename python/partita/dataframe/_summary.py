"""Methods that summarize columns and frames: reductions, quantiles, descriptions."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from typing import cast as typed

import pandas as pd
import pyarrow as pa

from .._errors import UnsupportedReduction
from .._frame_inputs import FrameInput
from ..plan import expr as px
from ..plan.expr import NULL, Expr, SortKey, call, case, cast
from ..plan.expr import aggregate as aggregated
from ..plan.relation import Filter, Grouping, Named, Projection, Relation
from ..plan.rewrite import distinct_keys
from ._alignment import INNER
from ._arguments import check_split_every, is_columns_axis, reject_unsupported
from ._base import Level
from ._columns import Column, common_categories, derived_origin, is_masked, label_index, sort_value
from ._matching import aligned
from ._partitions import divide
from ._periods import PeriodOf
from ._reductions import (
    REDUCTIONS,
    Reductions,
    Table,
    aggregate,
    describe_numbers,
    is_described,
    labelled_values,
    normalize_zero,
    quantile,
    row_reduction,
)
from ._rows import Rows, place_of
from ._scalar import Scalar
from ._sql import checked, is_number, is_text, literal

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["ColumnSummary", "FrameSummary", "truth"]


class ColumnSummary:
    """Methods of columns that return one value or a small table."""

    name: Any
    dtype: Any
    _rows: Rows
    _expr: Expr
    _kind: Any
    _origin: Any
    _index: tuple[Level, ...]
    _client: Any
    _with: Callable[..., Rows]
    _projected: Callable[..., Relation]
    to_frame: Callable[..., DataFrame]
    _framed: Callable[[], DataFrame]

    def _reduce(
        self, name: builtins.str, axis: Any, numeric_only: bool, arguments: dict[builtins.str, Any], **how: Any
    ) -> Scalar:
        reject_unsupported(name, arguments)
        if is_columns_axis(name, axis):
            raise ValueError(f"{name}: axis must be 0 for a column, not {axis!r}")
        # Times compute it without numbers, as in pandas.
        if numeric_only and not (is_number(self._kind) or pa.types.is_temporal(self._kind)):
            raise TypeError(f"cannot compute {name} of a column of {self._kind} with numeric_only=True")
        try:
            found = aggregate(name, self._expr, self._kind, origin=self._origin, rows=self._rows, **how)
        except TypeError:
            if not is_text(self._kind) or isinstance(self._origin, pd.CategoricalDtype):
                raise
            dtype = str(self.dtype).removesuffix("[pyarrow]")
            raise UnsupportedReduction(f"`{name}` not supported with {dtype} series") from None
        return self._reduced(found, _period_of(self._origin))

    def _reduced(self, expr: Expr, kind: Any = None) -> Scalar:
        return Scalar(self._rows, expr, kind, pd.NA if is_masked(self._origin) else float("nan"))

    def count(self, axis: Any = 0, numeric_only: bool = False, **arguments: Any) -> Scalar:
        """Return the number of values that are not missing."""
        _check_column("count", axis, numeric_only)
        reject_unsupported("count", arguments)
        return self._reduced(aggregated("count", self._expr), int)

    def nunique(self, dropna: bool = True, **arguments: Any) -> Scalar:
        """Return the number of distinct values."""
        reject_unsupported("nunique", arguments)
        found = aggregated("count", normalize_zero(self._expr, self._kind), is_distinct=True)
        if not dropna:
            found = found + case([(self._has_missing(), 1)], 0)
        return self._reduced(found, int)

    def _has_missing(self) -> Expr:
        return px.comparison("gt", aggregated("count_rows"), aggregated("count", self._expr))

    def any(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Scalar:
        """Return whether at least one value is true."""
        _check_column("any", axis)
        reject_unsupported("any", arguments)
        self._check_skipna("any", skipna)
        found = call("coalesce", aggregated("bool_or", truth(self)), False)
        return self._reduced(found if skipna else px.disjunction(found, self._has_missing()), bool)

    def all(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Scalar:
        """Return whether all values are true."""
        _check_column("all", axis)
        reject_unsupported("all", arguments)
        self._check_skipna("all", skipna)
        # Missing values count as true, as in pandas.
        return self._reduced(call("coalesce", aggregated("bool_and", truth(self)), True), bool)

    def _check_skipna(self, name: builtins.str, skipna: bool) -> None:
        if not skipna and is_masked(self._origin):
            raise NotImplementedError(f"{name}(skipna=False) is not supported for nullable columns; use fillna first")

    def quantile(self, q: Any = 0.5, **arguments: Any) -> Any:
        """Return a quantile with linear interpolation, or a column of quantiles for a list."""
        _check_quantile_method(arguments)
        derived_origin(self._origin)
        if pd.api.types.is_list_like(q):
            values = [quantile(self._expr, at, self._kind) for at in q]
            if self._kind == pa.float32():
                values = [cast(value, pa.float32()) for value in values]
            cells = [(float(at), value) for at, value in zip(q, values)]
            made = labelled_values(self._rows, cells, self.name, derived_origin(self._origin))
            labels = [label for label, _ in cells]
            if labels and all(a < b for a, b in zip(labels, labels[1:])):
                made._rows.order = (SortKey(made._index[0].expr),)
                made._rows.partitions = 1
                divide(made, (labels[0], labels[-1]))
            return made
        return self._reduced(quantile(self._expr, q, self._kind))

    def mode(self, dropna: bool = True, split_every: Any = None) -> Series:
        """Return the most frequent values, sorted. With `dropna` false, missing values count as a value, the last one."""
        from ._series import Series

        check_split_every(split_every)
        values = self._projected("v", dropna=bool(dropna))
        counted = Grouping(values, [Named("v", values.column("v"))], [Named("n", aggregated("count_rows"))])
        number = counted.column("n")
        most = px.comparison("eq", number, px.window("max", number))
        found = Projection(Filter(counted, [most]), [Named("v", counted.column("v"))])
        rows = Rows(self._client, found, (SortKey(sort_value(found.column("v"), self._origin)),), keep=self._rows)
        return Series(rows, found.column("v"), self.name, (), self._origin)

    def _label(self, function: builtins.str, skipna: bool) -> Scalar:
        if len(self._index) != 1:
            raise NotImplementedError("idxmin and idxmax require an index of one level; use set_index first")
        level = self._index[0]
        return self._reduced(self._at_extreme(f"idx{function}", level.expr, skipna), _period_of(level.origin))

    def _position(self, function: builtins.str, skipna: bool) -> Scalar:
        from ._series import Series

        parts = [Named("v", self._expr), Named("at", place_of(self._rows))]
        placed = self._rows.project(parts)
        rows = Rows(self._client, placed, (SortKey(placed.column("at")),), keep=self._rows)
        values = Series(rows, placed.column("v"), self.name, (), self._origin)
        return Scalar(rows, values._at_extreme(f"arg{function}", placed.column("at"), skipna), int)

    def _at_extreme(self, name: builtins.str, wanted: Expr, skipna: bool) -> Expr:
        """Return an expression where the first smallest or largest value is; `name` is that of the method."""
        key = SortKey(sort_value(self._expr, self._origin), name.endswith("max"))
        order = distinct_keys((key, *self._rows.order))
        found = aggregated("first_value", wanted, order=order, where=px.not_null(self._expr))
        is_empty = px.comparison("eq", aggregated("count", self._expr), 0)
        made = checked(is_empty, f"{name}: all values are missing", found)
        return made if skipna else checked(self._has_missing(), f"{name}(skipna=False): a value is missing", made)

    def argmin(self, axis: Any = 0, skipna: bool = True) -> Scalar:
        """Return the position of the first smallest value, from 0."""
        return self._position("min", skipna)

    def argmax(self, axis: Any = 0, skipna: bool = True) -> Scalar:
        """Return the position of the first largest value, from 0."""
        return self._position("max", skipna)

    def idxmin(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Scalar:
        """Return the label of the first smallest value."""
        _check_column("idxmin", axis, numeric_only)
        reject_unsupported("idxmin", arguments)
        return self._label("min", skipna)

    def idxmax(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Scalar:
        """Return the label of the first largest value."""
        _check_column("idxmax", axis, numeric_only)
        reject_unsupported("idxmax", arguments)
        return self._label("max", skipna)

    def cov(self, other: Series, min_periods: int | None = None, split_every: Any = None) -> Scalar:
        """Return the covariance with another column; missing if fewer than `min_periods` rows have both values."""
        return self._of_pairs("covar_samp", other, min_periods, split_every)

    def corr(
        self, other: Series, method: builtins.str = "pearson", min_periods: int | None = None, split_every: Any = None
    ) -> Scalar:
        """Return the correlation with another column; missing if fewer than `min_periods` rows have both values."""
        if method != "pearson":
            raise NotImplementedError(f"corr() supports only method='pearson', not {method!r}")
        return self._of_pairs("corr", other, min_periods, split_every)

    def _of_pairs(self, name: builtins.str, other: Series, min_periods: int | None, split_every: Any) -> Scalar:
        """Return a reduction of the rows in which this column and another one have values."""
        check_split_every(split_every)
        own, theirs = aligned(self, other, INNER)
        return Scalar(own._rows, reduced_pairs(name, own._expr, theirs._expr, min_periods))

    def agg(self, func: Any) -> Any:
        """Apply a reduction by name, or several for a list of names."""
        if isinstance(func, (list, tuple)):
            cells = {name: self._by_name(name)._expr for name in _names(func)}
            return Table(self._rows, {"v": cells}, derived_origin(self._origin))["v"].rename(self.name)
        return self._by_name(func if isinstance(func, builtins.str) else func.__name__)

    aggregate = agg

    def _by_name(self, name: builtins.str) -> Scalar:
        if name not in _NAMED:
            raise NotImplementedError(f"agg({name!r}) is not supported; supported: {', '.join(_NAMED)}")
        found = getattr(self, name)
        made: Scalar = found() if callable(found) else found
        return made

    def describe(self, percentiles: Any = None, **arguments: Any) -> Any:
        """Return descriptive statistics.

        For numbers and times: count, mean, standard deviation, minimum, quartiles and maximum. For other types: count,
        number of distinct values, the most frequent value and its frequency.
        """
        _check_percentiles_method(arguments)
        for name in ("include", "exclude"):
            # As in pandas, these choose columns of frames only.
            arguments.pop(name, None)
        reject_unsupported("describe", arguments)
        if isinstance(self._origin, pd.PeriodDtype):
            raise NotImplementedError("describe() does not support periods; use value_counts, or dt.to_timestamp first")
        if is_described(self._kind):
            cells = describe_numbers(self._expr, self._kind, percentiles)
            return Table(self._rows, {"v": cells}, derived_origin(self._origin))["v"].rename(self.name)
        from ._description import Description

        return Description(self._framed(), ["v"], percentiles, self.name)


def reduced_pairs(name: str, a: Expr, b: Expr, least: int | None) -> Expr:
    """Return a reduction of the rows in which both values are known; missing if these are fewer than `least`."""
    made = aggregated(name, a, b)
    if least is None or least <= 1:
        return made
    return case([(px.comparison("ge", aggregated("regr_count", a, b), int(least)), made)])


def _period_of(origin: Any) -> PeriodOf | None:
    """Return what makes a period of the start time of a reduction, if its values are periods."""
    return PeriodOf(origin) if isinstance(origin, pd.PeriodDtype) else None


def _names(func: Any) -> list[str]:
    """Return the names of reductions, which are given by their names or as functions."""
    return [
        one if isinstance(one, str) else one.__name__ for one in (func if isinstance(func, (list, tuple)) else [func])
    ]


class FrameSummary:
    """Methods of frames that return a value for each column or each row."""

    _rows: Rows
    _columns: dict[Any, Column]
    _axis: pd.Index | None
    _index: tuple[Level, ...]
    _column: Callable[..., Series]
    _kinds: Callable[[], dict[Any, Any]]

    def _across(self, name: str, labels: Sequence[Any], **how: Any) -> Series:
        from ._series import Series

        columns = [self._columns[label] for label in labels]
        kinds = self._kinds()
        origin = derived_origin(*(column.origin for column in columns))
        if name in ("min", "max"):
            origin = common_categories(columns) or origin
        made = row_reduction(name, columns, [kinds[label] for label in labels], **how)
        return Series(self._rows, made, None, self._index, origin)

    def _reduce(self, name: str, axis: Any, numeric_only: bool, arguments: dict[str, Any], **how: Any) -> Any:
        reject_unsupported(name, arguments)
        kinds = self._kinds()
        labels = [label for label, kind in kinds.items() if not numeric_only or is_number(kind)]
        if is_columns_axis(name, axis):
            if name == "median":
                return self._by_row(name, numeric_only, **how)
            return self._across(name, labels, **how)
        if axis is None:
            return self._over_both_axes(name, [self._columns[label] for label in labels], kinds, how)
        cells = {}
        for label in labels:
            try:
                column = self._columns[label]
                if isinstance(column.origin, pd.PeriodDtype):
                    raise TypeError(f"{name} of frames with periods is not supported; select the columns first")
                cells[label] = aggregate(name, column.expr, kinds[label], origin=column.origin, rows=self._rows, **how)
            except TypeError as error:
                raise TypeError(f"column {label!r}: {error}") from None
        return Reductions(self._rows, cells, None, self._origins_by_label(), self._axis, _EMPTY.get(name, "float64"))

    def _over_both_axes(
        self, name: str, columns: list[Column], kinds: dict[Any, pa.DataType], how: dict[str, Any]
    ) -> Scalar:
        """Return a reduction of all values of numeric columns, which pandas computes for ``axis=None``."""
        function = {"min": "least", "max": "greatest", "sum": "add", "mean": "add", "prod": "multiply"}.get(name)
        has_options = not how.get("skipna", True) or how.get("min_count", 0)
        if function is None or has_options or not columns or not all(map(is_number, kinds.values())):
            raise NotImplementedError(
                f"{name}(axis=None), a reduction of all values, is not supported here; use {name}() and pandas"
            )

        def folded(function: str, name: str) -> Expr:
            made = None
            # As in pandas, which joins the values first: integers beside floats are floats, which do not overflow.
            has_floats = name in ("sum", "prod") and any(map(pa.types.is_floating, kinds.values()))
            for column in columns:
                kind = self._rows.type(column.expr)
                is_cast = has_floats and pa.types.is_integer(kind)
                value = cast(column.expr, pa.float64()) if is_cast else column.expr
                one = aggregate(name, value, pa.float64() if is_cast else kind, origin=column.origin)
                made = one if made is None else call(function, made, one)
            assert made is not None
            return made

        found = folded(function, "sum" if name == "mean" else name)
        if name == "mean":
            found = cast(found, pa.float64()) / call("nullif", folded("add", "count"), 0)
        return Scalar(self._rows, found)

    def _origins_by_label(self) -> dict[Any, Any]:
        return {label: column.origin for label, column in self._columns.items()}

    def _reduced(
        self, function: Callable[[Series], Scalar], name: Any = None, labels: Any = None, empty: str = "float64"
    ) -> Reductions:
        wanted = self._columns if labels is None else labels
        cells = {label: function(self._column(label))._expr for label in wanted}
        return Reductions(self._rows, cells, name, None, self._axis, empty)

    def agg(self, func: Any) -> Any:
        """Apply a reduction by name, a list of names, or names given as a dict by column."""
        if isinstance(func, dict) and any(isinstance(one, (list, tuple)) for one in func.values()):
            return self._agg_lists({label: _names(one) for label, one in func.items()})
        if isinstance(func, dict):
            return Reductions(self._rows, {label: self._column(label).agg(name)._expr for label, name in func.items()})
        if isinstance(func, (list, tuple)):
            return self._agg_lists(dict.fromkeys(self._columns, _names(func)))
        return self._reduced(lambda column: column.agg(func))

    aggregate = agg

    def _agg_lists(self, names: dict[Any, list[str]]) -> Table:
        """Return a table of reductions of columns, in which those that a column does not have are missing."""
        every = dict.fromkeys(name for found in names.values() for name in found)
        missing = cast(NULL, pa.float64())
        cells = {
            label: {name: self._column(label).agg(name)._expr if name in own else missing for name in every}
            for label, own in names.items()
        }
        return Table(self._rows, cells, axis=self._axis)

    def value_counts(
        self,
        subset: Any = None,
        normalize: bool = False,
        sort: bool = True,
        ascending: bool = False,
        dropna: bool = True,
    ) -> Series:
        """Count the rows by distinct values of some or all columns, most frequent first."""
        from ._groupby import GroupBy

        labels = (
            list(self._columns) if subset is None else [subset] if isinstance(subset, builtins.str) else list(subset)
        )
        made = GroupBy(typed("DataFrame", self), labels, dropna, selected=[]).size()
        value = made._expr
        if normalize:
            value = cast(value, pa.float64()) / px.window("sum", value)
        order = (SortKey(value, not ascending), *made._rows.order) if sort else made._rows.order
        return made._like(value, name="proportion" if normalize else "count")._reordered(order)

    def mode(self, axis: Any = 0, numeric_only: bool = False, dropna: bool = True, split_every: Any = None) -> Modes:
        """Return the most frequent values of each column, sorted. With `dropna` false, missing values count as a value."""
        check_split_every(split_every)
        if is_columns_axis("mode", axis, takes_none=False):
            raise NotImplementedError("mode() does not support axis=1")
        kinds = self._kinds()
        labels = [label for label in self._columns if not numeric_only or is_number(kinds[label])]
        return Modes([self._column(label).mode(dropna) for label in labels], self._axis)

    def count(self, axis: Any = 0, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the number of values of each column that are not missing."""
        is_columns_axis("count", axis, takes_none=False)
        made = self._reduce("count", axis, numeric_only, arguments)
        if isinstance(made, Reductions):
            made._origins = {}
        return made

    def quantile(self, q: Any = 0.5, axis: Any = 0, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return a quantile of each column, or a table of quantiles for a list."""
        _check_quantile_method(arguments)
        if is_columns_axis("quantile", axis, takes_none=False):
            if pd.api.types.is_list_like(q):
                raise ValueError("quantile(axis=1) takes one quantile, not a list")
            return self._by_row("quantile", numeric_only, q=q)
        kinds = self._kinds()
        labels = [label for label, kind in kinds.items() if is_number(kind) or not numeric_only]
        derived_origin(*(self._columns[label].origin for label in labels))
        if pd.api.types.is_list_like(q):
            return Table(
                self._rows,
                {a: {at: quantile(self._columns[a].expr, at, kinds[a]) for at in q} for a in labels},
                axis=self._axis,
            )
        return self._reduced(lambda column: column.quantile(q), q, labels)

    def nunique(self, axis: Any = 0, dropna: bool = True, **arguments: Any) -> Any:
        """Return the number of distinct values of each column, or of each row."""
        reject_unsupported("nunique", arguments)
        if is_columns_axis("nunique", axis, takes_none=False):
            return self._by_row("nunique", dropna=dropna)
        return self._reduced(lambda column: column.nunique(dropna))

    def any(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Any:
        """Return whether at least one value of each column is true."""
        reject_unsupported("any", arguments)
        if is_columns_axis("any", axis):
            _require_skipna("any", skipna)
            self._kinds()
            return self._across("any", list(self._columns))
        if axis is None:
            return Scalar(self._rows, px.disjunction(*[one.any(skipna=skipna)._expr for one in self._each_column()]))
        return self._reduced(lambda column: column.any(skipna=skipna), empty="bool")

    def all(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Any:
        """Return whether all values of each column are true."""
        reject_unsupported("all", arguments)
        if is_columns_axis("all", axis):
            _require_skipna("all", skipna)
            self._kinds()
            return self._across("all", list(self._columns))
        if axis is None:
            return Scalar(self._rows, px.conjunction(*[one.all(skipna=skipna)._expr for one in self._each_column()]))
        return self._reduced(lambda column: column.all(skipna=skipna), empty="bool")

    def _each_column(self) -> list[Series]:
        """Return the columns, at least one.

        Raises
        ------
        NotImplementedError
            If there are none.
        """
        if not self._columns:
            raise NotImplementedError("a reduction of all values with axis=None requires columns")
        return [self._column(label) for label in self._columns]

    def idxmin(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the index label of the first smallest value of each column, or the label of the column for each row."""
        return self._label_of("idxmin", axis, skipna, numeric_only, arguments)

    def idxmax(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the index label of the first largest value of each column, or the label of the column for each row."""
        return self._label_of("idxmax", axis, skipna, numeric_only, arguments)

    def _by_row(self, name: str, numeric_only: bool = False, **arguments: Any) -> Series:
        """Return a reduction of each row, which workers call pandas for."""
        from ._row_methods import PandasMethod, call_method

        kinds = self._kinds()
        frame: Any = self
        if numeric_only:
            frame = frame[[label for label, kind in kinds.items() if is_number(kind)]]
        made: Series = call_method(frame, PandasMethod(name, (), {"axis": 1, **arguments}), name)
        return made

    def _label_of(self, name: str, axis: Any, skipna: bool, numeric_only: bool, arguments: dict[str, Any]) -> Any:
        reject_unsupported(name, arguments)
        if is_columns_axis(name, axis, takes_none=False):
            return self._by_row(name, numeric_only, skipna=skipna)
        labels = [label for label, kind in self._kinds().items() if not numeric_only or is_number(kind)]
        return self._reduced(lambda column: getattr(column, name)(skipna=skipna), None, labels)

    def _square(self, function: str, numeric_only: bool, arguments: dict[str, Any]) -> Table:
        least = arguments.pop("min_periods", None) or 1
        if arguments.pop("method", "pearson") != "pearson":
            raise NotImplementedError(f"{function}() supports only method='pearson'")
        reject_unsupported(function, arguments)
        labels = []
        for label, kind in self._kinds().items():
            if is_number(kind):
                labels.append(label)
            elif not numeric_only:
                raise ValueError(f"cannot compute {function} of column {label!r} of {kind}; use numeric_only=True")
        name = {"cov": "covar_samp", "corr": "corr"}[function]
        double = {label: cast(self._columns[label].expr, pa.float64()) for label in labels}

        cells = {a: {b: reduced_pairs(name, double[a], double[b], least) for b in labels} for a in labels}
        return Table(self._rows, cells, axis=self._axis, is_square=True)

    def cov(self, numeric_only: bool = False, **arguments: Any) -> Table:
        """Return the covariance of each pair of columns."""
        return self._square("cov", numeric_only, arguments)

    def corr(self, numeric_only: bool = False, **arguments: Any) -> Table:
        """Return the correlation of each pair of columns."""
        return self._square("corr", numeric_only, arguments)

    def describe(self, percentiles: Any = None, include: Any = None, exclude: Any = None, **arguments: Any) -> Any:
        """Return descriptive statistics of each numeric column and column of times.

        If the frame has none of these, or if `include` selects other columns, also those of other columns; see
        :meth:`Series.describe`.
        """
        from ._description import describe_frame

        _check_percentiles_method(arguments)
        reject_unsupported("describe", arguments)
        return describe_frame(typed("DataFrame", self), percentiles, include, exclude)


class Modes(FrameInput):
    """The most frequent values of several columns, which may have different lengths."""

    def __init__(self, columns: list[Series], axis: pd.Index | None) -> None:
        self._columns = columns
        self._axis = axis

    def compute(self, **arguments: Any) -> pd.DataFrame:
        """Run the plan on the cluster and return a pandas frame, with shorter columns padded by missing values."""
        made = pd.concat([column.compute(**arguments) for column in self._columns], axis=1)
        made.columns = label_index([column.name for column in self._columns], self._axis)
        return made


#: Types of reductions of a frame without columns, if not float64.
_EMPTY = {"count": "int64"}

#: Names of reductions that return a single value.
_NAMED = (
    *REDUCTIONS,
    "any",
    "all",
    "size",
    "idxmin",
    "idxmax",
)


def _check_quantile_method(arguments: dict[str, Any]) -> None:
    """Check the arguments of quantiles, which are always exact."""
    if arguments.pop("method", "default") not in ("default", "dask", "tdigest"):
        raise ValueError("quantile: method must be 'default', 'dask' or 'tdigest'; quantiles are always exact")
    reject_unsupported("quantile", arguments)


def _check_percentiles_method(arguments: dict[str, Any]) -> None:
    """Check the method of the quantiles of a description, which are always exact."""
    if arguments.pop("percentiles_method", "default") not in ("default", "dask", "tdigest"):
        raise ValueError(
            "describe: percentiles_method must be 'default', 'dask' or 'tdigest'; quantiles are always exact"
        )


def _check_column(name: str, axis: Any, numeric_only: bool = False) -> None:
    """Check arguments that make sense for frames only.

    Raises
    ------
    ValueError
        If the axis is not that of the rows.
    NotImplementedError
        If `numeric_only` is true, as in pandas.
    """
    if is_columns_axis(name, axis):
        raise ValueError(f"No axis named {axis} for object type Series; {name} of a frame has it")
    if numeric_only:
        raise NotImplementedError(f"{name}() of a column does not support numeric_only=True")


def _require_skipna(name: str, skipna: bool) -> None:
    if not skipna:
        raise NotImplementedError(f"{name}(axis=1, skipna=False) is not supported; use fillna(True) first")


def truth(column: Any) -> Expr:
    """Return the truth values of a column: numbers other than 0 and non-empty strings are true."""
    value: Expr = column._expr
    if is_text(column._kind):
        return px.comparison("ne", value, "")
    return value if pa.types.is_boolean(column._kind) else px.comparison("ne", value, literal(0, column._kind))
