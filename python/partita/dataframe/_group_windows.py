"""Methods of groups that return a value for each row, or a selection of the rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SO_FAR, WHOLE, Expr, call, case, cast, window
from ..utils import no_default
from ._aggregations import FUNCTION_NAMES
from ._arguments import reject_unsupported, whole_periods, without_tuning
from ._columns import Column, derived_origin
from ._frame import DataFrame
from ._group_functions import call_groups, call_method, filter_groups, transform_groups, transform_method
from ._reductions import aggregate
from ._series import Series
from ._sql import is_number, is_text, literal, value_type
from ._window_methods import FILL_MAX, cumulative, difference, shifted

__all__ = ["GroupWindows"]

#: Reductions that ``transform`` computes as window functions.
_TRANSFORMS = ("sum", "mean", "min", "max", "count", "std", "var", "first", "last", "size")
#: Methods that ``transform`` calls by name.
_METHODS = ("cumsum", "cumprod", "cummax", "cummin", "shift", "diff", "ffill", "bfill", "cumcount")


class GroupWindows:
    """Methods of groups."""

    _frame: DataFrame
    _keys: list[tuple[Any, Column]]
    _selected: list[Any]
    _dropna: bool
    #: Whether columns were selected.
    _is_selection: bool

    def _over(self, backwards: bool = False) -> dict[str, Any]:
        """Return the arguments of a window over the rows of each group in their order."""
        return self._frame._rows.over([key.expr for _, key in self._keys], backwards)

    def _windowed(self, function: Callable[[Series], Expr], same: bool = False, labels: Any = None) -> Any:
        """Return a frame of a window function over the rows of each group."""
        frame = self._frame
        columns = {}
        for label in self._selected if labels is None else labels:
            column = frame._column(label)
            origin = column._origin if same else derived_origin(column._origin)
            columns[label] = Column(self._in_group(function(column)), origin)
        return DataFrame(frame._rows, columns, frame._index, frame._axis)

    def _running(self, function: str, arguments: dict[str, Any]) -> Any:
        numeric_only = arguments.pop("numeric_only", False)
        reject_unsupported(f"cum{function}", arguments)
        kinds = self._frame._kinds()
        labels = [label for label in self._selected if not numeric_only or is_number(kinds[label])]
        for label in labels:
            column = self._frame._columns[label]
            is_categorical = isinstance(column.origin, pd.CategoricalDtype)
            if is_categorical or (function in ("min", "max") and is_text(kinds[label])):
                shown = "categorical" if is_categorical else "string"
                raise TypeError(f"cannot compute a cumulative {function} of groups of the {shown} column {label!r}")
        over = self._over()

        def running(column: Series) -> Expr:
            try:
                return cumulative(column, function, over)
            except TypeError as error:
                raise TypeError(f"column {column.name!r} does not support cum{function}: {error}") from None

        return self._windowed(running, labels=labels)

    def cumsum(self, **arguments: Any) -> Any:
        """Return the cumulative sum within each group."""
        return self._running("sum", arguments)

    def cumprod(self, **arguments: Any) -> Any:
        """Return the cumulative product within each group."""
        return self._running("product", arguments)

    def cummax(self, **arguments: Any) -> Any:
        """Return the cumulative maximum within each group."""
        return self._running("max", arguments)

    def cummin(self, **arguments: Any) -> Any:
        """Return the cumulative minimum within each group."""
        return self._running("min", arguments)

    def cumcount(self, ascending: bool = True) -> Series:
        """Number the rows of each group from 0, or down to 0."""
        frame = self._frame
        number = cast(window("row_number", **self._over(not ascending)), pa.int64()) - 1
        return Series(frame._rows, self._in_group(number), None, frame._index)

    def _in_group(self, value: Expr) -> Expr:
        """Return a value of the rows that belong to a group, i.e. for which no key is missing."""
        return case([(self._has_keys(), value)]) if self._dropna else value

    def _has_keys(self) -> Expr:
        return px.conjunction(*(px.not_null(key.expr) for _, key in self._keys))

    def shift(
        self, periods: Any = 1, freq: Any = None, fill_value: Any = None, meta: Any = None, **arguments: Any
    ) -> Any:
        """Shift the values by `periods` rows within each group.

        Parameters
        ----------
        periods : int
            Number of rows.
        freq : str or offset, optional
            Shift the index labels by this times `periods` instead. The result is in the order of the groups.
        fill_value : optional
            The value of rows without another one.
        meta : optional
            The columns and types of the result of shifting the labels, as for :func:`partita.dataframe.map_partitions`.
        """
        reject_unsupported("shift", arguments)
        if not isinstance(periods, (list, tuple)):
            periods = whole_periods("shift", periods)
        if freq is not None:
            labels = list(self._whole()._columns)
            return call_method(self, "shift", (), {"periods": periods, "freq": freq}, meta=meta, labels=labels)
        if fill_value is not None or not isinstance(periods, int):
            return transform_method(self, "shift", (), {"periods": periods, "fill_value": fill_value}, meta=meta)
        over = self._over()
        return self._windowed(lambda column: shifted(column, periods, over), same=True)

    def diff(self, periods: int = 1) -> Any:
        """Return the difference from the value `periods` rows before in the same group."""
        periods = whole_periods("diff", periods)
        over = self._over()
        return self._windowed(lambda column: difference(column, periods, over))

    def ffill(self, limit: int | None = None, shuffle_method: Any = None) -> Any:
        """Fill missing values with the previous value of the same group, which is at most `limit` rows before."""
        return self._filled("ffill", limit, "lag", False)

    def bfill(self, limit: int | None = None, shuffle_method: Any = None) -> Any:
        """Fill missing values with the next value of the same group, which is at most `limit` rows after."""
        return self._filled("bfill", limit, "lead", True)

    def _filled(self, name: str, limit: int | None, function: str, backwards: bool) -> Any:
        if limit is None:
            over = self._over(backwards)
            return self._windowed(
                lambda column: window("last_value", column._expr, frame=SO_FAR, skips_missing=True, **over), same=True
            )
        if not 1 <= limit <= FILL_MAX:
            return transform_method(self, name, (), {"limit": limit})
        over = self._over()

        def filled(column: Series) -> Expr:
            others = [window(function, column._expr, at, **over) for at in range(1, limit + 1)]
            return call("coalesce", column._expr, *others)

        return self._windowed(filled, same=True)

    def rank(self, **arguments: Any) -> Any:
        """Return the rank of each value within its group; see :meth:`pandas.core.groupby.DataFrameGroupBy.rank`."""
        return transform_method(self, "rank", (), without_tuning(arguments))

    def pct_change(self, **arguments: Any) -> Any:
        """Return the relative change from an earlier value of the same group."""
        return transform_method(self, "pct_change", (), without_tuning(arguments))

    def transform(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a value for each row: a reduction of its group, or what a function returns for its group.

        Parameters
        ----------
        func : str or callable
            The name of a reduction such as ``"mean"`` or of a method such as ``"cumsum"``, or a function of the values of a
            group, which returns a value or as many values. It runs on the workers when the result is first computed.
        *args, **kwargs
            Further arguments of the function. ``meta``: the columns and types of the result, as for
            :func:`partita.dataframe.map_partitions`.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1.0, 2.0, 3.0]}), npartitions=2)
        >>> ddf.groupby("k").v.transform("mean").compute().tolist()
        [2.0, 2.0, 2.0]
        >>> ddf.groupby("k").v.transform(lambda v: v - v.min(), meta=("v", "float64")).compute().tolist()
        [0.0, 0.0, 2.0]
        """
        meta = kwargs.pop("meta", None)
        # Arguments of Dask and pandas. All others are those of a function, whatever their names.
        for tuning in ("shuffle_method", "engine"):
            kwargs.pop(tuning, None)
        name = func if isinstance(func, str) else FUNCTION_NAMES.get(func) if callable(func) else None
        if name is None and not callable(func):
            raise TypeError(f"transform() takes a name or a function, not {type(func).__name__}")
        if name is not None:
            kwargs = without_tuning(kwargs)
        if name in _METHODS and not args:
            return getattr(self, name)(**kwargs)
        if name not in _TRANSFORMS or args or kwargs or self._needs_pandas(name):
            return transform_groups(self, func, args, kwargs, meta)
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

    def _needs_pandas(self, name: str) -> bool:
        """Whether a reduction of a selected column is not one of the cluster: the sum of strings joins them."""
        if name != "sum":
            return False
        kinds = self._frame._kinds()
        return any(is_text(kinds[label]) and not self._is_categorical(label) for label in self._selected)

    def _is_categorical(self, label: Any) -> bool:
        return isinstance(self._frame._columns[label].origin, pd.CategoricalDtype)

    # Selections of rows.

    def head(self, n: int = 5, **arguments: Any) -> Any:
        """Return the first rows of each group, in the order of the rows; with a negative number, all but the last ones."""
        reject_unsupported("head", arguments)
        return self._outer(n, backwards=False)

    def tail(self, n: int = 5, **arguments: Any) -> Any:
        """Return the last rows of each group, in the order of the rows; with a negative number, all but the first ones."""
        reject_unsupported("tail", arguments)
        return self._outer(n, backwards=True)

    def _outer(self, n: int, backwards: bool) -> Any:
        number = window("row_number", **self._over(backwards == (n >= 0)))
        test = px.comparison("le", number, n) if n >= 0 else px.comparison("gt", number, -n)
        condition = px.conjunction(test, self._has_keys()) if self._dropna else test
        return self._rows_where(condition)

    def _rows_where(self, condition: Expr) -> Any:
        return self._whole()._narrowed(condition)

    def _whole(self) -> DataFrame:
        """Return the rows with the columns that are selected: all of them, also those of the keys, if none was."""
        frame = self._frame
        return frame._like({label: frame._columns[label] for label in self._selected}) if self._is_selection else frame

    def get_group(self, name: Any = no_default, *, key: Any = no_default) -> Any:
        """Return the rows of a group.

        Parameters
        ----------
        name : label or tuple of labels
            The key. Unlike in pandas, a key that does not exist has no rows.
        key : label or tuple of labels
            Dask's name of the argument.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
        >>> ddf.groupby("k").get_group("x").compute().v.tolist()
        [1, 3]
        """
        if (name is no_default) == (key is no_default):
            raise TypeError("get_group() takes one argument: name=, or key= as in Dask")
        name = key if name is no_default else name
        values = name if isinstance(name, tuple) else (name,)
        if len(values) != len(self._keys):
            raise ValueError(f"get_group() requires {len(self._keys)} keys, not {len(values)}")
        tests = []
        for value, (_, key) in zip(values, self._keys):
            kind = value_type(self._frame._rows.type(key.expr))
            if pd.api.types.is_scalar(value) and pd.isna(value):
                tests.append(px.is_null(key.expr))
            else:
                if isinstance(value, str) != is_text(kind) and not pa.types.is_temporal(kind):
                    raise KeyError(value)
                tests.append(px.comparison("eq", key.expr, literal(value, kind)))
        return self._rows_where(px.conjunction(*tests))

    def filter(self, func: Callable[..., Any], dropna: bool = True, *args: Any, **kwargs: Any) -> Any:
        """Return the rows of the groups for which a function returns true.

        Parameters
        ----------
        func : callable
            Takes the rows of a group as a pandas object. It runs on the workers when the result is first computed.
        dropna : bool
            Must be True.
        *args, **kwargs
            Further arguments of the function.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
        >>> ddf.groupby("k").filter(lambda rows: len(rows) > 1).compute().v.tolist()
        [1, 3]
        """
        if not dropna:
            raise NotImplementedError("filter(dropna=False) is not supported; use transform and where")
        if not callable(func):
            raise TypeError(f"filter() takes a function, not {type(func).__name__}")
        return filter_groups(self, func, args, kwargs)

    def rolling(self, window: Any, *args: Any, **kwargs: Any) -> GroupRolling:
        """Return rolling windows within each group; the arguments are those of :meth:`pandas.DataFrame.rolling`."""
        names = list(inspect.signature(pd.DataFrame.rolling).parameters)[2:]
        return GroupRolling(self, {"window": window, **dict(zip(names, args)), **kwargs})


class GroupRolling:
    """Rolling windows within each group, whose results are in the order of the groups, indexed by the keys and the index.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
    >>> ddf.groupby("k").v.rolling(2, min_periods=1).sum().compute().tolist()
    [1.0, 4.0, 2.0]
    """

    def __init__(self, groups: Any, arguments: dict[str, Any]) -> None:
        self._groups = groups
        self._arguments = arguments

    def __getitem__(self, key: Any) -> GroupRolling:
        return GroupRolling(self._groups[key], self._arguments)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._groups._frame._columns:
            return self[name]
        raise AttributeError(f"'GroupRolling' object has no attribute {name!r}; supported: {', '.join(_ROLLING)}")

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return call_groups(self._groups, _Rolling(self._arguments, name), args, kwargs, name=f"rolling.{name}")


class _Rolling:
    """The function that computes rolling windows of pandas' groups."""

    def __init__(self, arguments: dict[str, Any], name: str) -> None:
        self.arguments = arguments
        self.name = name

    def __call__(self, groups: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(groups.rolling(**self.arguments), self.name)(*args, **kwargs)


#: Methods of rolling windows of groups.
_ROLLING = (
    *("sum", "mean", "min", "max", "count", "median", "std", "var", "sem", "skew", "kurt", "quantile"),
    *("apply", "agg", "aggregate"),
)


def _rolling_method(name: str) -> Any:
    def rolled(self: GroupRolling, *args: Any, **kwargs: Any) -> Any:
        return self._call(name, args, without_tuning(kwargs))

    rolled.__doc__ = f"Return the {name} of the values of each window; see :meth:`pandas.DataFrame.rolling`."
    rolled.__name__ = name
    return rolled


for _name in _ROLLING:
    setattr(GroupRolling, _name, _rolling_method(_name))
