"""Groups of rows (``groupby``)."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._errors import UnsupportedType
from ..plan import expr as px
from ..plan.expr import Expr, SortKey, Trait, cast, window
from ..plan.expr import aggregate as aggregated
from ..plan.relation import Filter, Grouping, Named
from ..plan.rewrite import distinct_keys, with_windows
from ._aggregations import FUNCTION_NAMES, Cell, check_titles, is_many, title
from ._arguments import check_split_every, reject_unsupported, without_tuning
from ._base import Level, UnsupportedName
from ._columns import Column, Items, derived_origin, full_label, renumbered, sort_value
from ._frame import LISTS, DataFrame
from ._group_functions import aggregate_groups, apply_groups, call_method, reject_unobserved
from ._group_keys import keys_of
from ._group_squares import squares_of_groups
from ._group_windows import GroupWindows
from ._listing import listed
from ._reductions import (
    HOW,
    REDUCTIONS,
    Reductions,
    describe_numbers,
    group_reduction,
    is_described,
    size_of,
)
from ._rows import Labels, Rows
from ._scalar import Scalar
from ._series import Series, reject_categories
from ._split_out import splits_out
from ._sql import INDEX, is_number
from ._unobserved import EMPTY, with_unobserved

__all__ = ["GroupBy", "SeriesGroupBy"]

#: Reductions of groups.
GROUP_REDUCTIONS = (*REDUCTIONS, "first", "last", "size", "list", "idxmin", "idxmax", "any", "all", "quantile")


class GroupBy(GroupWindows):
    """The groups of a frame.

    Results have the keys as their index, sorted.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
    >>> ddf.groupby("k").v.sum().compute().to_dict()
    {'x': 4, 'y': 2}
    >>> ddf.groupby("k").agg({"v": ["min", "max"]}).compute().columns.tolist()
    [('v', 'min'), ('v', 'max')]
    """

    def __init__(
        self,
        frame: DataFrame,
        by: Any,
        dropna: bool,
        observed: bool = True,
        selected: list[Any] | None = None,
        is_sorted: bool = True,
        has_group_keys: bool = True,
    ) -> None:
        frame, keys, by = keys_of(frame, by)
        # As in pandas, the labels of groups of objects have the type of the objects.
        keys = [(name, key._replace(origin=None) if isinstance(key.origin, Items) else key) for name, key in keys]
        #: Whether categories without rows are groups.
        self._has_unobserved = not observed and any(isinstance(key.origin, pd.CategoricalDtype) for _, key in keys)
        self._is_selection = selected is not None
        self._frame = frame
        self._by = by
        self._keys = keys
        self._dropna = dropna
        self._is_sorted = is_sorted
        self._has_group_keys = has_group_keys
        # A key may have the name of a column but other values.
        named = [(full_label(name, frame._columns), key) for name, key in keys]
        own = [name for name, key in named if name in frame._columns and frame._columns[name].expr is key.expr]
        self._selected = selected if selected is not None else [c for c in frame._columns if c not in own]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (*LISTS, tuple)) and not (isinstance(key, tuple) and key in self._frame._columns):
            self._check_labels(list(key))
            return self._with_selected(GroupBy, list(key))
        self._check_labels([key])
        return self._with_selected(SeriesGroupBy, [key])

    def _with_selected(self, kind: type[GroupBy], labels: list[Any]) -> GroupBy:
        return kind(
            self._frame,
            self._by,
            self._dropna,
            not self._has_unobserved,
            selected=labels,
            is_sorted=self._is_sorted,
            has_group_keys=self._has_group_keys,
        )

    def __dir__(self) -> list[str]:
        labels = (label for label in self._frame._columns if isinstance(label, str) and label.isidentifier())
        return [*super().__dir__(), *labels]

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self._selected)

    def __iter__(self) -> Any:
        raise NotImplementedError(
            "groups cannot be iterated: this would compute each of them; use apply, get_group, or compute() and pandas"
        )

    def pipe(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what a function returns for the groups."""
        return func(self, *args, **kwargs)

    def _check_labels(self, labels: list[Any]) -> None:
        missing = [str(label) for label in labels if label not in self._frame._columns]
        if missing:
            known = listed(self._frame._columns, missing[0])
            raise KeyError(f"Column{'s' * (len(labels) > 1)} not found: {', '.join(missing)}; columns: {known}")

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._frame._columns:
            return self[name]
        if name == "by":
            # As in Dask; a column of this name comes first, as in pandas.
            return [label for label, _ in self._keys]
        if name in ("compute", "persist"):
            raise NotImplementedError(
                # The words of Dask, which programs look for.
                f"DataFrameGroupBy does not allow {name} method.Please chain it with an aggregation method (like ``.mean()``) or "
                f"get a specific group using ``.get_group()`` before calling ``{name}()``"
            )
        known = f"supported: {', '.join(GROUP_REDUCTIONS)}, agg, apply, transform"
        if hasattr(pd.core.groupby.DataFrameGroupBy, name):
            raise UnsupportedName(f"groupby.{name} is not supported; {known}")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}; {known}")

    def _made(
        self, cells: list[tuple[Any, Column]], axis: pd.Index | None = None, fills: Sequence[Any] | None = None
    ) -> DataFrame:
        """Return a frame with one row per group and these columns, whose values for groups without rows are `fills`."""
        if fills is None:
            reject_unobserved(self, "this method")
        rows = self._frame._rows
        place = f"{INDEX}place"
        if not self._is_sorted:
            number = window("row_number", **rows.over())
            cells = [*cells, (place, Column(aggregated("min", number)))]
        depth = len(self._keys)
        expressions = [*(key.expr for _, key in self._keys), *(cell.expr for _, cell in cells)]
        relation = rows.under(expressions)
        if self._dropna:
            # Window functions are those of all rows.
            relation, expressions = with_windows(relation, expressions)
            relation = Filter(relation, [px.conjunction(*map(px.not_null, expressions[:depth]))])
        keys = [Named(f"{INDEX}{at}", expr) for at, expr in enumerate(expressions[:depth])]
        values = [Named(f"c{at}", expr) for at, expr in enumerate(expressions[depth:])]
        grouping = Grouping(relation, keys, values)
        levels = tuple(
            Level(name, grouping.column(f"{INDEX}{at}"), key.origin) for at, (name, key) in enumerate(self._keys)
        )
        order = tuple(SortKey(sort_value(level.expr, level.origin)) for level in levels)
        columns = renumbered(dict(cells), grouping)
        if not self._is_sorted:
            order = (SortKey(columns.pop(place).expr),)
        below = Rows(rows.client, grouping, order, keep=rows)
        below.labels = Labels(tuple(level.expr for level in levels), True, self._is_sorted)
        made = DataFrame(below, columns, levels, axis)
        if not self._has_unobserved or fills is None:
            return made
        return with_unobserved(made, fills, None if self._is_sorted else order[0])

    def _fill(self, name: str, label: Any, min_count: int = 0, **how: Any) -> Any:
        """Return the value of a reduction for a group without rows; None if it is missing."""
        if min_count > 0:
            return None
        kind = self._frame._rows.type(self._frame._columns[label].expr)
        return pd.Timedelta(0).as_unit(kind.unit) if name == "sum" and pa.types.is_duration(kind) else EMPTY.get(name)

    def _cell(self, name: str, label: Any, **how: Any) -> Column:
        """Return a reduction of a column in each group."""
        try:
            return group_reduction(name, self._frame._column(label), self._frame._rows.order, **how)
        except TypeError as error:
            raise UnsupportedType(f"column {label!r} does not support {name}: {error}") from None

    def _all(self, name: str, numeric_only: bool = False, **how: Any) -> Any:
        kinds = self._frame._kinds()
        labels = [label for label in self._selected if not numeric_only or is_number(kinds[label])]
        cells = [(label, self._cell(name, label, **how)) for label in labels]
        return self._made(cells, self._frame._axis, [self._fill(name, label, **how) for label in labels])

    @splits_out
    def quantile(self, q: Any = 0.5, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return a quantile of the values of each group; with a list of quantiles, a row for each of them."""
        given = without_tuning(arguments)
        if pd.api.types.is_list_like(q) or given:
            how = {"q": q, **({"numeric_only": True} if numeric_only else {}), **given}
            return call_method(self, "quantile", (), how)
        return self._all("quantile", numeric_only, q=q)

    @splits_out
    def size(self, **arguments: Any) -> Series:
        """Return the number of rows of each group."""
        reject_unsupported("size", arguments)
        made = self._made([("size", Column(aggregated("count_rows")))], fills=[0])["size"]
        return made.rename(self._size_name())

    def _size_name(self) -> Any:
        return None

    @splits_out
    def agg(self, func: Any = None, *args: Any, **named: Any) -> Any:
        """Reduce the values of each group.

        Parameters
        ----------
        func : str, callable, Aggregation, list of these, or dict
            The name of a reduction, or a function of the values of a column in a group, which runs on the workers when the
            result is first computed; an :class:`~partita.dataframe.Aggregation`; a list of these; or a dict of these by
            column.
        *args, **named
            Without `func`, the columns of the result as ``new=(column, reduction)``. Otherwise arguments of the reduction.
            ``meta``: the columns and types of the result of functions, as for
            :func:`partita.dataframe.map_partitions`.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 4]}), npartitions=2)
        >>> ddf.groupby("k").agg(most=("v", "max"), rows=("v", "size")).compute().to_dict("list")
        {'most': [4, 2], 'rows': [2, 1]}
        >>> ddf.groupby("k").agg({"v": lambda v: v.max() - v.min()}).compute().v.tolist()
        [3, 0]
        """
        meta = named.pop("meta", None)
        if func is None:
            named = self._named_cells(named)
            cells = [Cell(label, *self._named_cell(one)) for label, one in named.items()]
        else:
            named = without_tuning(named) if isinstance(func, str) else _without_tuning_of_agg(named)
            cells = self._cells_of(func)
        self._check_labels([cell.column for cell in cells])
        check_titles(cells)
        is_one = len(cells) == 1 and type(self) is SeriesGroupBy and func is not None and not is_many(func)
        if isinstance(func, str) and (args or named or func == "size") and hasattr(type(self), func):
            return getattr(self, func)(*args, **named)
        names = [_native_name(cell.how) for cell in cells]
        has_functions = any(
            name is None or self._with_selected(GroupBy, [cell.column])._needs_pandas(name)
            for cell, name in zip(cells, names)
        )
        if has_functions or (func is not None and (args or named)):
            return aggregate_groups(self, func, args, named, cells, meta, is_one)
        made = self._made(
            [(cell.label, self._cell(str(name), cell.column)) for cell, name in zip(cells, names)],
            self._frame._axis if func is not None and not is_many(func) else None,
            [self._fill(str(name), cell.column) for cell, name in zip(cells, names)],
        )
        return made._column(cells[0].label).rename(self._size_name()) if is_one else made

    def _cells_of(self, func: Any) -> list[Cell]:
        """Return the reductions that the argument of agg describes."""
        if isinstance(func, dict):
            nested = any(isinstance(names, (list, tuple)) for names in func.values())
            return [
                Cell((label, title(one)) if nested else label, label, one)
                for label, names in func.items()
                for one in (names if isinstance(names, (list, tuple)) else [names])
            ]
        if isinstance(func, (list, tuple)):
            return [Cell((label, title(one)), label, one) for label in self._selected for one in func]
        return [Cell(label, label, func) for label in self._selected]

    def _named_cells(self, named: dict[str, Any]) -> dict[str, Any]:
        """Return the columns that keywords of agg describe."""
        found = {label: one for label, one in named.items() if isinstance(one, tuple) or hasattr(one, "aggfunc")}
        reject_unsupported("agg", {label: one for label, one in named.items() if label not in found})
        if not found:
            raise TypeError("agg() requires a reduction, or keywords such as new=('column', 'sum')")
        return found

    def _named_cell(self, one: Any) -> tuple[Any, Any]:
        column, how = (one.column, one.aggfunc) if hasattr(one, "aggfunc") else one
        return column, how

    aggregate = agg

    def _numbers(self) -> list[Any]:
        kinds = self._frame._kinds()
        return [label for label in self._selected if is_described(kinds[label])]

    def describe(self, percentiles: Any = None) -> Any:
        """Return descriptive statistics of the numeric columns of each group."""
        return self._made(
            [((label, name), cell) for label in self._numbers() for name, cell in self._described(label, percentiles)]
        )

    def _described(self, label: Any, percentiles: Any) -> list[tuple[str, Column]]:
        column = self._frame._column(label)
        if not is_described(column._kind):
            raise NotImplementedError(
                f"describe() of groups supports only numeric columns, not column {label!r} of {column._kind}"
            )
        cells = describe_numbers(column._expr, column._kind, percentiles)
        return [(name, Column(expr, derived_origin(column._origin))) for name, expr in cells.items()]

    def cov(self, min_periods: Any = None, ddof: int = 1, numeric_only: bool = False, **arguments: Any) -> DataFrame:
        """Return the covariance of each pair of columns in each group, with a row for each group and column."""
        if ddof != 1:
            raise NotImplementedError("cov() of groups supports only ddof=1")
        return self._square("cov", "covar_samp", min_periods, numeric_only, arguments)

    def corr(
        self, method: str = "pearson", min_periods: Any = None, numeric_only: bool = False, **arguments: Any
    ) -> DataFrame:
        """Return the correlation of each pair of columns in each group, with a row for each group and column."""
        if method != "pearson":
            raise NotImplementedError(f"corr(method={method!r}) of groups is not supported; use 'pearson'")
        return self._square("corr", "corr", min_periods, numeric_only, arguments)

    def _square(
        self, name: str, function: str, min_periods: Any, numeric_only: bool, arguments: dict[str, Any]
    ) -> DataFrame:
        reject_unsupported(name, arguments)
        if min_periods not in (None, 0, 1):
            raise NotImplementedError(f"{name}(min_periods={min_periods!r}) of groups is not supported")
        kinds = self._frame._kinds()
        labels = [label for label in self._selected if not numeric_only or is_number(kinds[label])]
        for label in labels:
            if not is_number(kinds[label]):
                raise TypeError(
                    f"cannot compute {name} of column {label!r} of {kinds[label]}; use numeric_only=True, or select columns"
                )
        return squares_of_groups(self, labels, function)

    # Expressions of reductions.

    def apply(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function with each group.

        An expression of reductions, such as ``lambda g: g.a.sum() / g.b.sum()``, becomes part of the plan: the function is
        first called with a placeholder for a group. Other functions run on the workers when the result is first computed;
        they get the rows of a group as a pandas frame without the keys, in their order.

        Parameters
        ----------
        func : callable
            Returns a scalar, a pandas series, or a pandas frame; an expression also a dict of scalars, or a reduction of the
            whole frame.
        *args, **kwargs
            Further arguments of the function. ``meta``: the columns and types of the result of a function that runs on the
            workers, as for :func:`partita.dataframe.map_partitions`.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3], "w": [1, 1, 3]}), npartitions=2)
        >>> ddf.groupby("k").apply(lambda g: (g.v * g.w).sum() / g.w.sum()).compute().to_dict()
        {'x': 2.5, 'y': 2.0}
        >>> ddf.groupby("k").apply(lambda g: g.v.iloc[-1]).compute().to_dict()
        {'x': 3, 'y': 2}
        """
        kwargs.pop("include_groups", None)
        meta = kwargs.pop("meta", None)
        # An argument of Dask, not of the function.
        kwargs.pop("shuffle_method", None)
        reject_unobserved(self, "apply")
        try:
            return self._expression(func, args, kwargs)
        except KeyError:
            # A column that does not exist.
            raise
        except Exception:
            # It needs the rows of the group. If it fails for these too, that error is shown.
            return apply_groups(self, func, args, kwargs, meta)

    def _expression(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return the result of a function that is an expression of reductions.

        Raises
        ------
        NotImplementedError
            If it is another function, which may raise any other error too.
        """
        made = func(self._placeholder(), *args, **kwargs)
        if isinstance(made, Scalar):
            return self._expressions({None: made})[None]
        if isinstance(made, Reductions):
            return self._expressions({label: made[label] for label in made._cells}, is_row=True)
        if isinstance(made, dict) or (isinstance(made, pd.Series) and len(made)):
            return self._expressions(dict(made), is_row=isinstance(made, pd.Series))
        raise NotImplementedError(_NO_FUNCTION)

    def _has_new_windows(self, value: Expr) -> bool:
        """Whether an expression has window functions that the columns of the frame do not have."""
        if not value.traits & Trait.WINDOW:
            return False
        frame = self._frame
        known = set(px.postorder([*(expr for _, expr in frame._parts()), *(key.expr for _, key in self._keys)]))
        return any(isinstance(one, px.Window) and one not in known for one in px.postorder([value]))

    def _placeholder(self) -> Any:
        """Return the placeholder of a group: its plans can be combined, but not computed."""
        frame = self._frame
        rows = frame._rows
        inside = rows.with_changes(client=_PlaceholderClient(rows.client))
        return DataFrame(inside, {label: frame._columns[label] for label in self._selected}, frame._index, frame._axis)

    def _expressions(self, values: dict[Any, Any], is_row: bool = False) -> DataFrame:
        """Return a frame of reductions; if they are the values of a series, numbers have one type, as in pandas."""
        rows, cells = self._frame._rows, []
        for label, value in values.items():
            if not isinstance(value, Scalar):
                raise NotImplementedError(_NO_FUNCTION)
            if value._rows.identity is not rows.identity or not value._rows.is_group:
                raise NotImplementedError(
                    "apply() does not support filtering the rows of a group; use where() on the column"
                )
            if self._has_new_windows(value._expr):
                raise NotImplementedError(
                    "apply() does not support functions that depend on the row order; use groupby(...).cumsum() or similar"
                )
            rows = rows.combine(value._rows.with_changes(client=rows.client))
            cells.append((label, Column(value._expr)))
        kinds = [rows.type(cell.expr) for _, cell in cells]
        if is_row and len(set(kinds)) > 1 and all(map(is_number, kinds)):
            common = pa.from_numpy_dtype(np.result_type(*(kind.to_pandas_dtype() for kind in kinds)))
            cells = [(label, Column(cast(cell.expr, common))) for label, cell in cells]
        made = copy.copy(self)
        made._frame = self._frame._like(self._frame._columns, rows)
        return made._made(cells)


#: Arguments of ``agg`` of Dask and pandas. All other keywords are names of columns, or arguments of functions.
_TUNING_OF_AGG = ("split_every", "split_out", "shuffle_method", "engine")


def _without_tuning_of_agg(named: dict[str, Any]) -> dict[str, Any]:
    check_split_every(named.get("split_every"))
    return {name: value for name, value in named.items() if name not in _TUNING_OF_AGG}


def _native_name(how: Any) -> str | None:
    """Return the name of a reduction of the cluster; None if it is another function."""
    if how is list:
        return "list"
    name = FUNCTION_NAMES.get(how) if isinstance(how, Hashable) and callable(how) else how
    return name if isinstance(name, str) and name in (*GROUP_REDUCTIONS, "product") else None


_NO_FUNCTION = "not an expression of reductions"


class _PlaceholderClient:
    """The client of a group's placeholder: it resolves types, but cannot compute."""

    def __init__(self, client: Any) -> None:
        self._client = client
        #: The client of the frame, which no other client has.
        self.of_group = client

    @property
    def _connection(self) -> Any:
        return self

    @property
    def deferred(self) -> Any:
        return self._client._connection.deferred

    def release(self, name: str) -> None:
        self._client._connection.release(name)

    def schema(self, query: str) -> Any:
        return self._client._connection.schema(query)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(
            "apply() cannot compute values of a group or combine reductions with its rows; combine only reductions, "
            "or use transform for a column of them"
        )


class SeriesGroupBy(GroupBy):
    """The groups of one column."""

    #: Name of the column if it is not the label in the frame, as for a series without a name.
    _name: Any = ...

    def _one(self, frame: DataFrame) -> Series:
        return frame._column(self._selected[0]).rename(self._size_name())

    def _named(self, name: Any) -> SeriesGroupBy:
        self._name = name
        return self

    def _all(self, name: str, numeric_only: bool = False, **how: Any) -> Any:
        return self._one(super()._all(name, numeric_only, **how))

    def _size_name(self) -> Any:
        return self._selected[0] if self._name is ... else self._name

    def _placeholder(self) -> Any:
        return super()._placeholder()[self._selected[0]]

    def apply(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function with the values of each group, such as ``lambda v: v.max() - v.min()``."""
        made = super().apply(func, *args, **kwargs)
        return made.rename(self._size_name()) if isinstance(made, Series) else made

    def _cells_of(self, func: Any) -> list[Cell]:
        if isinstance(func, dict):
            raise TypeError("agg() of the groups of a column does not take a dict; use keywords such as new='sum'")
        if isinstance(func, (list, tuple)):
            return [Cell(title(one), self._selected[0], one) for one in func]
        return [
            Cell(self._size_name() if self._size_name() is not None else self._selected[0], self._selected[0], func)
        ]

    def _named_cells(self, named: dict[str, Any]) -> dict[str, Any]:
        found = _without_tuning_of_agg(named)
        if not found:
            raise TypeError("agg() requires a reduction, or keywords such as new='sum'")
        return found

    def _named_cell(self, one: Any) -> tuple[Any, Any]:
        return self._selected[0], one

    def _windowed(self, function: Callable[[Series], Expr], same: bool = False, labels: Any = None) -> Any:
        return self._one(super()._windowed(function, same, labels))

    def _rows_where(self, condition: Expr) -> Any:
        return self._one(super()._rows_where(condition))

    def describe(self, percentiles: Any = None) -> Any:
        """Return descriptive statistics of the values of each group."""
        return self._made([(name, cell) for name, cell in self._described(self._selected[0], percentiles)])

    def nlargest(self, n: int = 5) -> Series:
        """Return the largest values of each group, indexed by the keys and the index."""
        return self._ends(n, True)

    def nsmallest(self, n: int = 5) -> Series:
        """Return the smallest values of each group, indexed by the keys and the index."""
        return self._ends(n, False)

    def _ends(self, n: int, is_largest: bool) -> Series:
        if not self._is_sorted:
            return call_method(self, "nlargest" if is_largest else "nsmallest", (n,))
        frame, label = self._frame, self._selected[0]
        column = frame._column(label)
        reject_categories("nlargest and nsmallest", column)
        keys = [key.expr for _, key in self._keys]
        within = distinct_keys((SortKey(column._expr, is_largest), *frame._rows.order))
        number = window("row_number", partition=keys, order=within)
        present = [px.not_null(one) for one in [column._expr, *(keys if self._dropna else [])]]
        levels = [*(Level(name, key.expr, key.origin) for name, key in self._keys), *frame._index]
        inner = DataFrame(frame._rows, {label: column._cell}, tuple(levels))
        found = inner._narrowed(px.conjunction(px.comparison("le", number, n), *present))
        groups = [SortKey(sort_value(level.expr, level.origin)) for level in found._index[: len(keys)]]
        order = (*groups, SortKey(found._columns[label].expr, is_largest), *found._rows.order)
        made = found._reordered(order)
        return self._one(
            made if self._has_group_keys else DataFrame(made._rows, made._columns, found._index[len(keys) :])
        )

    @splits_out
    def size(self, **arguments: Any) -> Series:
        """Return the number of rows of each group."""
        reject_unsupported("size", arguments)
        made = self._made([("size", size_of(self._column()))], fills=[0])["size"]
        return made.rename(self._size_name())

    @splits_out
    def unique(self, **arguments: Any) -> Series:
        """Return the distinct values of each group, as lists of undefined order."""
        reject_unsupported("unique", arguments)
        return self._one(
            self._made([(self._selected[0], Column(aggregated("array_agg", self._column()._expr, is_distinct=True)))])
        )

    def _column(self) -> Series:
        return self._frame._column(self._selected[0])

    @splits_out
    def value_counts(self, **arguments: Any) -> Series:
        """Count the rows of each distinct value in each group."""
        given = without_tuning(arguments)
        label = self._selected[0]
        origin = self._column()._origin
        if not self._is_sorted:
            raise NotImplementedError("groupby(sort=False) does not support value_counts; use sort=True")
        if given or isinstance(origin, pd.CategoricalDtype):
            return call_method(self, "value_counts", (), given)
        reject_unobserved(self, "value_counts")
        inner = GroupBy(self._frame, [*self._given(), label], self._dropna, selected=[])
        made = inner._made([("count", Column(aggregated("count_rows")))])["count"]
        rows = made._rows
        order = (rows.order[0], SortKey(made._expr, True), *rows.order[1:])
        counted = Rows(rows.client, rows.relation, order, keep=rows)
        return Series(counted, made._expr, "count", made._index, derived_origin(origin))

    def _given(self) -> list[Any]:
        return list(self._by) if isinstance(self._by, (list, tuple)) else [self._by]


#: Arguments by position, other than ``numeric_only`` and ``min_count``.
_POSITIONAL = {
    **dict.fromkeys(("std", "var", "sem"), ("ddof",)),
    **dict.fromkeys(("idxmin", "idxmax", "any", "all"), ("skipna",)),
    "nunique": ("dropna",),
    "mean": ("numeric_only", "skipna"),
    "median": ("numeric_only", "skipna"),
}


def _all_of(numeric_only: bool = False) -> None:
    """Stand for a reduction that pandas does not have."""


def _reduction(name: str) -> Any:
    def reduction(self: GroupBy, *args: Any, **arguments: Any) -> Any:
        given = dict(zip(_POSITIONAL.get(name, ("numeric_only", "min_count")), args))
        given = {**given, **without_tuning(arguments)}
        for default in ("min_count", "sort"):
            # None is the default of Dask.
            if given.get(default, ...) is None:
                del given[default]
        known = inspect.signature(
            getattr(pd.core.groupby.DataFrameGroupBy, "prod" if name == "product" else name, _all_of)
        )
        reject_unsupported(name, {key: value for key, value in given.items() if key not in known.parameters})
        numeric_only = bool(given.pop("numeric_only", False))
        how = {key: given.pop(key) for key in HOW.get(name, ()) if key in given}
        if given.get("skipna", False) is True:
            del given["skipna"]
        if given.get("dropna", False) is True:
            del given["dropna"]
        if name not in HOW and given.get("min_count", 1) <= 0:
            del given["min_count"]
        if given or (not numeric_only and self._needs_pandas(name)):
            if numeric_only:
                given["numeric_only"] = True
            return call_method(self, "prod" if name == "product" else name, (), {**how, **given})
        return self._all(name, numeric_only, **how)

    reduction.__doc__ = f"Return the {name} of the values of each group, ignoring missing values."
    reduction.__name__ = name
    return splits_out(reduction)


for _name in (*GROUP_REDUCTIONS, "product"):
    if _name not in ("size", "list", "quantile"):
        setattr(GroupBy, _name, _reduction(_name))
