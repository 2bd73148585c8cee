"""Groups of rows (``groupby``)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from .._frame_inputs import FrameInput
from ..plan import expr as px
from ..plan.expr import SO_FAR, WHOLE, Expr, SortKey, Trait, case, cast, window
from ..plan.expr import aggregate as aggregated
from ..plan.relation import Filter, Grouping, Named
from ..plan.rewrite import distinct_keys, with_windows
from ._arguments import reject_unsupported
from ._base import Level, UnsupportedName
from ._columns import Column, derived_origin, renumbered, sort_value
from ._frame import LISTS, DataFrame
from ._reductions import (
    HOW,
    REDUCTIONS,
    Reductions,
    aggregate,
    describe_numbers,
    group_reduction,
    is_described,
    size_of,
)
from ._rows import Rows
from ._scalar import Scalar
from ._series import Series, reject_categories
from ._sql import INDEX, is_number, is_text
from ._window_methods import cumulative, difference, shifted

__all__ = ["GroupBy", "SeriesGroupBy"]

#: Reductions of groups.
GROUP_REDUCTIONS = (*REDUCTIONS, "first", "last", "size", "list", "idxmin", "idxmax", "any", "all", "quantile")


class GroupBy:
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
        is_label = isinstance(by, tuple) and by in frame._columns
        given = list(by) if isinstance(by, (list, tuple)) and not is_label else [by]
        rows = frame._rows
        keys: list[tuple[Any, Column]] = []
        for key in given:
            if isinstance(key, pd.Grouper):
                key = _key_of_grouper(key)
            if isinstance(key, Series):
                rows = rows.combine(key._rows)
                keys.append((key.name, key._cell))
            elif callable(key) or isinstance(key, dict):
                raise NotImplementedError(
                    "groupby() takes columns, not functions or dicts; assign the key as a column first"
                )
            else:
                keys.append((key, frame._key(key)._cell))
        if not observed and any(isinstance(key.origin, pd.CategoricalDtype) for _, key in keys):
            raise NotImplementedError("groupby(observed=False) is not supported: categories without rows form no group")
        self._frame = frame._like(frame._columns, rows)
        self._by = by
        self._keys = keys
        self._dropna = dropna
        self._is_sorted = is_sorted
        self._has_group_keys = has_group_keys
        # A key may have the name of a column but other values.
        own = [name for name, key in keys if name in frame._columns and frame._columns[name].expr is key.expr]
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
            selected=labels,
            is_sorted=self._is_sorted,
            has_group_keys=self._has_group_keys,
        )

    def __dir__(self) -> list[str]:
        labels = (label for label in self._selected if isinstance(label, str) and label.isidentifier())
        return [*super().__dir__(), *labels]

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self._selected)

    def _check_labels(self, labels: list[Any]) -> None:
        missing = [str(label) for label in labels if label not in self._frame._columns]
        if missing:
            known = ", ".join(map(str, self._frame._columns))
            raise KeyError(f"Column{'s' * (len(labels) > 1)} not found: {', '.join(missing)}; columns: {known}")

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._frame._columns:
            return self[name]
        known = f"supported: {', '.join(GROUP_REDUCTIONS)}, agg, apply, transform"
        if hasattr(pd.core.groupby.DataFrameGroupBy, name):
            raise UnsupportedName(f"groupby.{name} is not supported; {known}")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}; {known}")

    def _made(self, cells: list[tuple[Any, Column]], axis: pd.Index | None = None) -> DataFrame:
        """Return a frame with one row per group and these columns."""
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
        return DataFrame(Rows(rows.client, grouping, order, keep=rows), columns, levels, axis)

    def _cell(self, name: Any, label: Any, **how: Any) -> Column:
        """Return a reduction of a column in each group."""
        if callable(name):
            name = getattr(name, "__name__", str(name))
        try:
            return group_reduction(name, self._frame._column(label), self._frame._rows.order, **how)
        except TypeError as error:
            raise TypeError(f"column {label!r}: {error}") from None

    def _all(self, name: str, numeric_only: bool = False, **how: Any) -> Any:
        kinds = self._frame._kinds()
        labels = [label for label in self._selected if not numeric_only or is_number(kinds[label])]
        return self._made([(label, self._cell(name, label, **how)) for label in labels], self._frame._axis)

    def quantile(self, q: float = 0.5, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return a quantile of the values of each group."""
        reject_unsupported("quantile", arguments)
        if pd.api.types.is_list_like(q):
            raise NotImplementedError("quantile() of groups supports only one quantile; call it for each of a list")
        return self._all("quantile", numeric_only, q=q)

    def size(self, **arguments: Any) -> Series:
        """Return the number of rows of each group."""
        reject_unsupported("size", arguments)
        made = self._made([("size", Column(aggregated("count_rows")))])["size"]
        return made.rename(self._size_name())

    def _size_name(self) -> Any:
        return None

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Apply reductions: a name, a list of names, a dict by column, or keywords ``new=(column, name)``."""
        named = _check_named("agg", named)
        if func is None:
            pairs = {
                label: (one.column, one.aggfunc) if hasattr(one, "aggfunc") else one for label, one in named.items()
            }
            return self._made([(label, self._cell(name, column)) for label, (column, name) in pairs.items()])
        if isinstance(func, str) or callable(func):
            name = func if isinstance(func, str) else func.__name__
            return self.size() if name == "size" else self._all(name)
        if isinstance(func, dict):
            nested = any(isinstance(names, (list, tuple)) for names in func.values())
            cells = []
            for label, names in func.items():
                for name in names if isinstance(names, (list, tuple)) else [names]:
                    title = name if isinstance(name, str) else name.__name__
                    cells.append(((label, title) if nested else label, self._cell(name, label)))
            return self._made(cells)
        titles = [name if isinstance(name, str) else name.__name__ for name in func]
        return self._made([((label, title), self._cell(title, label)) for label in self._selected for title in titles])

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

    def cov(self, **arguments: Any) -> GroupSquare:
        """Return the covariance of each pair of columns in each group."""
        reject_unsupported("cov", arguments)
        return GroupSquare(self, "covar_samp")

    def corr(self, **arguments: Any) -> GroupSquare:
        """Return the correlation of each pair of columns in each group."""
        reject_unsupported("corr", arguments)
        return GroupSquare(self, "corr")

    # Window functions.

    def _over(self) -> dict[str, Any]:
        """Return the arguments of a window over the rows of each group in their order."""
        return self._frame._rows.over([key.expr for _, key in self._keys])

    def _windowed(self, function: Callable[[Series], Expr], same: bool = False) -> Any:
        """Return a frame of a window function over the rows of each group."""
        frame = self._frame
        columns = {}
        for label in self._selected:
            column = frame._column(label)
            origin = column._origin if same else derived_origin(column._origin)
            columns[label] = Column(self._in_group(function(column)), origin)
        return DataFrame(frame._rows, columns, frame._index, frame._axis)

    def _running(self, function: str) -> Any:
        kinds = self._frame._kinds()
        for label in self._selected:
            column = self._frame._columns[label]
            if isinstance(column.origin, pd.CategoricalDtype) or (function in ("min", "max") and is_text(kinds[label])):
                shown = "categorical" if isinstance(column.origin, pd.CategoricalDtype) else "string"
                raise TypeError(f"cannot compute a cumulative {function} of groups of the {shown} column {label!r}")
        over = self._over()
        return self._windowed(lambda column: cumulative(column, function, over))

    def cumsum(self, **arguments: Any) -> Any:
        """Return the cumulative sum within each group."""
        reject_unsupported("cumsum", arguments)
        return self._running("sum")

    def cumprod(self, **arguments: Any) -> Any:
        """Return the cumulative product within each group."""
        reject_unsupported("cumprod", arguments)
        return self._running("product")

    def cummax(self, **arguments: Any) -> Any:
        """Return the cumulative maximum within each group."""
        reject_unsupported("cummax", arguments)
        return self._running("max")

    def cummin(self, **arguments: Any) -> Any:
        """Return the cumulative minimum within each group."""
        reject_unsupported("cummin", arguments)
        return self._running("min")

    def cumcount(self) -> Series:
        """Number the rows of each group from 0."""
        frame = self._frame
        number = cast(window("row_number", **self._over()), pa.int64()) - 1
        return Series(frame._rows, self._in_group(number), None, frame._index)

    def _in_group(self, value: Expr) -> Expr:
        """Return a value of the rows that belong to a group, i.e. for which no key is missing."""
        return case([(self._has_keys(), value)]) if self._dropna else value

    def _has_keys(self) -> Expr:
        return px.conjunction(*(px.not_null(key.expr) for _, key in self._keys))

    def shift(self, periods: int = 1, **arguments: Any) -> Any:
        """Shift the values by `periods` rows within each group."""
        reject_unsupported("shift", arguments)
        over = self._over()
        return self._windowed(lambda column: shifted(column, periods, over), same=True)

    def diff(self, periods: int = 1) -> Any:
        """Return the difference from the value `periods` rows before in the same group."""
        over = self._over()
        return self._windowed(lambda column: difference(column, periods, over))

    def ffill(self) -> Any:
        """Fill missing values with the previous value of the same group."""
        over = self._over()
        return self._windowed(
            lambda column: window("last_value", column._expr, frame=SO_FAR, skips_missing=True, **over), same=True
        )

    def transform(self, func: Any, **arguments: Any) -> Any:
        """Return a reduction of each group for each of its rows, or a window function, by name such as ``"mean"``."""
        reject_unsupported("transform", arguments)
        name = func if isinstance(func, str) else getattr(func, "__name__", "")
        if name in ("cumsum", "cumprod", "cummax", "cummin", "shift", "diff", "ffill"):
            return getattr(self, name)()
        if name not in _TRANSFORMS:
            raise NotImplementedError(f"transform({func!r}) is not supported; supported: {', '.join(_TRANSFORMS)}")
        over: dict[str, Any] = {"partition": [key.expr for _, key in self._keys]}
        if name == "size":
            return self._windowed(lambda column: window("count_rows", **over))
        if name in ("first", "last"):
            if self._frame._rows.order:
                over = {**self._over(), "frame": WHOLE}
            return self._windowed(
                lambda column: window(f"{name}_value", column._expr, skips_missing=True, **over), same=True
            )
        return self._windowed(
            lambda column: aggregate(name, column._expr, column._kind, over=over, origin=column._origin),
            same=name in ("min", "max"),
        )

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
        try:
            return self._expression(func, args, kwargs)
        except KeyError:
            # A column that does not exist.
            raise
        except Exception:
            # It needs the rows of the group. If it fails for these too, that error is shown.
            from ._group_functions import apply_groups

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
            return self._expressions({label: made[label] for label in made._cells})
        if isinstance(made, dict) or (isinstance(made, pd.Series) and len(made)):
            return self._expressions(dict(made))
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
        return DataFrame(inside, dict(frame._columns), frame._index, frame._axis)

    def _expressions(self, values: dict[Any, Any]) -> DataFrame:
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
        made = copy.copy(self)
        made._frame = self._frame._like(self._frame._columns, rows)
        return made._made(cells)


def _key_of_grouper(grouper: pd.Grouper) -> Any:
    if getattr(grouper, "freq", None) is not None:
        raise NotImplementedError(
            "groupby() does not support pd.Grouper with freq=; use set_index and resample, or a column of dt.floor"
        )
    if grouper.key is None:
        raise NotImplementedError("groupby() does not support pd.Grouper with level=; use level= of groupby")
    return grouper.key


class GroupSquare(FrameInput):
    """The lazy covariance or correlation matrix of each group."""

    def __init__(self, groups: GroupBy, function: str) -> None:
        labels = groups._numbers()
        double = {label: cast(groups._frame._columns[label].expr, pa.float64()) for label in labels}
        cells = [((a, b), Column(aggregated(function, double[a], double[b]))) for a in labels for b in labels]
        self._labels = labels
        self._made = groups._made(cells)

    @trim_traceback
    def compute(self, **arguments: Any) -> pd.DataFrame:
        """Run the plan on the cluster and return a pandas frame, with one row per group and column."""
        frame = self._made.compute(**arguments)
        count, keys = len(self._labels), frame.index
        levels = [keys.get_level_values(at).repeat(count) for at in range(keys.nlevels)]
        rows = pd.MultiIndex.from_arrays([*levels, self._labels * len(keys)], names=[*keys.names, None])
        values = frame.to_numpy().reshape(len(keys) * count, count)
        return pd.DataFrame(values, index=rows, columns=self._labels)


_TRANSFORMS = ("sum", "mean", "min", "max", "count", "std", "var", "first", "last", "size")
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


def _check_named(name: str, named: dict[str, Any]) -> dict[str, Any]:
    columns = {
        label: value
        for label, value in named.items()
        if isinstance(value, (str, tuple)) or callable(value) or hasattr(value, "aggfunc")
    }
    reject_unsupported(name, {label: value for label, value in named.items() if label not in columns})
    return columns


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

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Apply reductions: a name, or a list of names."""
        if func is None:
            return super().agg(**{label: (self._selected[0], name) for label, name in named.items()})
        if isinstance(func, (list, tuple)):
            titles = [name if isinstance(name, str) else name.__name__ for name in func]
            return self._made([(title, self._cell(title, self._selected[0])) for title in titles])
        return super().agg(func)

    aggregate = agg

    def _windowed(self, function: Callable[[Series], Expr], same: bool = False) -> Any:
        return self._one(super()._windowed(function, same))

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
            raise NotImplementedError("groupby(sort=False) does not support nlargest and nsmallest; use sort=True")
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

    def size(self, **arguments: Any) -> Series:
        """Return the number of rows of each group."""
        reject_unsupported("size", arguments)
        made = self._made([("size", size_of(self._column()))])["size"]
        return made.rename(self._size_name())

    def unique(self) -> Series:
        """Return the distinct values of each group, as lists of undefined order."""
        return self._one(
            self._made([(self._selected[0], Column(aggregated("array_agg", self._column()._expr, is_distinct=True)))])
        )

    def _column(self) -> Series:
        return self._frame._column(self._selected[0])

    def value_counts(self, **arguments: Any) -> Series:
        """Count the rows of each distinct value in each group."""
        reject_unsupported("value_counts", arguments)
        if not self._is_sorted:
            raise NotImplementedError("groupby(sort=False) does not support value_counts; use sort=True")
        label = self._selected[0]
        origin = self._column()._origin
        if isinstance(origin, pd.CategoricalDtype):
            raise NotImplementedError(
                f"groupby.value_counts of a categorical column is not supported; convert column {label!r} with astype"
            )
        inner = GroupBy(self._frame, [*self._given(), label], self._dropna, selected=[])
        made = inner._made([("count", Column(aggregated("count_rows")))])["count"]
        rows = made._rows
        order = (rows.order[0], SortKey(made._expr, True), *rows.order[1:])
        counted = Rows(rows.client, rows.relation, order, keep=rows)
        return Series(counted, made._expr, "count", made._index, derived_origin(origin))

    def _given(self) -> list[Any]:
        return list(self._by) if isinstance(self._by, (list, tuple)) else [self._by]


def _reduction(name: str) -> Any:
    def reduction(self: GroupBy, numeric_only: bool = False, **arguments: Any) -> Any:
        how = {key: arguments.pop(key) for key in HOW.get(name, ()) if key in arguments}
        reject_unsupported(name, arguments)
        return self._all(name, numeric_only, **how)

    reduction.__doc__ = f"Return the {name} of the values of each group, ignoring missing values."
    reduction.__name__ = name
    return reduction


for _name in (*GROUP_REDUCTIONS, "product"):
    if _name not in ("size", "list", "quantile"):
        setattr(GroupBy, _name, _reduction(_name))
