"""Index labels that are replaced: by a mapping, or shifted in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan.expr import SortKey
from ._base import Level
from ._mixed import computed
from ._row_methods import call_method
from ._sql import sort_of, type_of

__all__ = ["relabelled", "shifted_index", "shifted_labels", "with_labels", "with_shifted_order"]


def with_labels(plan: Any, labels: Any, is_sorted: bool, regularity: Any = None) -> Any:
    """Return a frame or column with other index labels, which are computed from the same rows.

    Parameters
    ----------
    plan : DataFrame or Series
        The frame or column.
    labels : Index
        The labels.
    is_sorted : bool
        Whether the labels are sorted if those of the plan are.
    regularity
        See :class:`Level`.
    """
    made = plan.copy()
    is_kept = is_sorted and plan.known_divisions
    made._rows = with_shifted_order(plan._rows, labels) if is_kept else plan._rows.combine(labels._rows)
    made._index = (Level(labels.name, labels._expr, labels._origin, regularity),)
    return made


def with_shifted_order(rows: Any, labels: Any) -> Any:
    """Return rows that are sorted by labels, as they are by those of which these are made."""
    made = rows.combine(labels._rows)
    first, *others = made.order
    return made.with_changes(order=(SortKey(labels._expr, *first.way), *others), physical=rows.physical)


# By a mapping.


def relabelled(column: Any, mapper: Any, is_sorted: bool) -> Any:
    """Return a column whose index labels are replaced by a mapping or by the results of a function."""
    from ._series import Series

    labels = column.index
    if isinstance(mapper, Series):
        mapper = mapper.compute()
    if isinstance(mapper, (dict, pd.Series)):
        mapping = dict(mapper)
        if isinstance(mapper, pd.Series) and not mapper.index.is_unique:
            raise ValueError("rename() requires a column whose index labels are unique; use drop_duplicates first")
        made = _mapped(labels, mapping)
    else:
        made = call_method(labels, _Function(mapper), "rename")
    if is_sorted and column.known_divisions and not made._sorted_like(column).compute():
        raise ValueError("rename(sorted_index=True): the new labels are non-monotonic; leave out sorted_index")
    return with_labels(column, made, is_sorted)


def _mapped(labels: Any, mapping: dict[Any, Any]) -> Any:
    if not mapping:
        return labels
    news = list(mapping.values())
    sorts = {sort_of(type_of(one)) for one in news if not pd.isna(one)}
    if sorts == {sort_of(labels._kind)}:
        # Labels that are not mapped stay.
        news = [*news, *labels._meta.to_series().array, _value_like(labels._kind)]
    return call_method(labels, _Mapping(mapping), "rename", meta=pd.Series(pd.Index(news).array, name=labels.name))


def _value_like(kind: pa.DataType) -> Any:
    """Return a value of a type."""
    return {"numbers": 0.5 if pa.types.is_floating(kind) else 0, "strings": ""}.get(sort_of(kind), pd.NaT)


class _Function:
    """The function that replaces labels by the results of a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, labels: pd.Series) -> pd.Series:
        return labels.map(self.function)


class _Mapping:
    """The function that replaces labels by a mapping."""

    def __init__(self, mapping: dict[Any, Any]) -> None:
        self.mapping = mapping

    def __call__(self, labels: pd.Series) -> pd.Series:
        found = pd.Index([self.mapping.get(one, one) for one in labels])
        return pd.Series(found.array, name=labels.name)


# In time.


def shifted_index(plan: Any, periods: int, freq: Any) -> Any:
    """Return a frame or column whose index labels are shifted by a number of periods of a frequency."""
    from ._series import index_of

    made, regularity = shifted_labels(index_of(plan), periods, freq)
    return with_labels(plan, made, True, regularity)


def shifted_labels(labels: Any, periods: int, freq: Any) -> tuple[Any, Any]:
    """Return the labels shifted by a number of periods of a frequency, by default their own, and their regularity.

    Raises
    ------
    NotImplementedError
        If the labels are not times or durations.
    ValueError
        If no frequency is given or known.
    """
    kind, own = labels._kind, labels._regularity
    if isinstance(labels._origin, pd.PeriodDtype):
        return _shifted_periods(labels, periods, freq), None
    if not (pa.types.is_timestamp(kind) or pa.types.is_duration(kind)):
        # The type of pandas' error.
        raise NotImplementedError(
            f"shift(freq=) requires an index of times or durations, not of {kind}; use set_index first"
        )
    wanted = own if freq is None else freq
    if wanted is None or (isinstance(wanted, str) and wanted == "range"):
        raise ValueError("shift: the index has no frequency; give freq=")
    offset = pd.tseries.frequencies.to_offset(wanted)
    sample = _sample(kind, own)
    regularity = getattr(sample.shift(periods, freq=offset), "freq", None) if own is not None else None
    is_day = isinstance(offset, pd.offsets.Day)
    if isinstance(offset, pd.offsets.Tick) or (is_day and not getattr(kind, "tz", None)):
        step = pd.Timedelta(days=offset.n) if is_day else pd.Timedelta(offset)
        return labels + step * periods, regularity
    return call_method(labels, _Shift(periods, offset), "shift"), regularity


def _shifted_periods(labels: Any, periods: int, freq: Any) -> Any:
    """Return labels that are periods, shifted by a number of their own frequency."""
    dtype = labels._origin
    if freq is not None and pd.PeriodDtype(freq).freq != dtype.freq:
        raise ValueError(f"shift: the frequency {freq!r} is not that of the index, {dtype.freq.freqstr!r}")
    return computed(labels, _ShiftPeriods(periods), "shift", dtype)


class _ShiftPeriods:
    """The function that shifts periods."""

    def __init__(self, periods: int) -> None:
        self.periods = periods

    def __call__(self, labels: Any) -> pd.Series:
        return pd.Series(pd.PeriodIndex(labels) + self.periods)


def _sample(kind: pa.DataType, own: Any) -> pd.Index:
    if pa.types.is_duration(kind):
        return pd.timedelta_range("1D", periods=3, freq=own or "1D")
    return pd.date_range("2000-01-03", periods=3, freq=own or "1D", tz=kind.tz)


class _Shift:
    """The function that shifts labels by a calendar frequency."""

    def __init__(self, periods: int, offset: Any) -> None:
        self.periods = periods
        self.offset = offset

    def __call__(self, labels: pd.Series) -> pd.Series:
        return pd.Series((pd.Index(labels.array) + self.periods * self.offset).array, name=labels.name)
