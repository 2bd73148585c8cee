"""Python functions over the partitions of a frame with rows of the neighbours."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Callable
from typing import Any

import pandas as pd

from .._errors import trim_traceback
from .._frame_functions import PersistedPartitions
from .._functions import function_name
from .._tasks import Task
from ..utils import no_default
from ._base import Plan
from ._meta import Meta
from ._partition_functions import given_meta, infer_meta, sample_result
from ._partition_inputs import Part, shared_arguments
from ._partition_results import call_partitions
from ._sql import is_time

__all__ = ["map_overlap"]


@trim_traceback
def map_overlap(
    func: Callable[..., Any],
    df: Any,
    before: Any,
    after: Any,
    *args: Any,
    meta: Any = no_default,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    clear_divisions: bool = False,
    align_dataframes: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function with each partition of a frame and rows of the partitions before and after it.

    The rows of the result that belong to the neighbours are dropped, so that functions of a window of rows give what they
    give for the whole frame. The function runs on the workers when the result is first computed.

    Parameters
    ----------
    func : callable
        Takes a pandas object, and returns one with as many rows in the same order, or with a multiple of them.
    df : DataFrame or Series
        The rows, whose order must be defined.
    before, after : int, timedelta or str
        Number of rows before and after the partition, also of several partitions; or a duration, if the frame is sorted by
        an index of times.
    *args, **kwargs
        Further arguments of the function. Of frames and columns in `args`, which must have as many partitions, it gets the
        partition and the rows before and after it too.
    align_dataframes : bool
        Whether to repartition these to the divisions of `df`.
    meta : optional
        As for :func:`partita.dataframe.map_partitions`.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 4, 8]}), npartitions=2)
    >>> dd.map_overlap(lambda part: part.a.diff(), ddf, 1, 0).compute().tolist()[1:]
    [1.0, 2.0, 4.0]
    """
    df, *given = [_plan(one) for one in (df, *args)]
    if not isinstance(df, Plan):
        raise TypeError(f"map_overlap() takes a frame or column, not {type(df).__name__}")
    if any(isinstance(one, Plan) for one in kwargs.values()):
        raise NotImplementedError("map_overlap() does not support frames as keyword arguments; pass them by position")
    if align_dataframes:
        given = [_divided_like(df, one) if isinstance(one, Plan) else one for one in given]
    if not df._rows.order:
        raise NotImplementedError("the row order of this frame is undefined; use sort_values or set_index first")
    sizes = [_size(one, name, df) for one, name in ((before, "before"), (after, "after"))]
    name = str(kwargs.pop("token", None) or function_name(func))
    if meta is no_default or meta is None:
        described = infer_meta(func, (df, *given), kwargs, False, name)
    else:
        described = given_meta(meta, df)
        described = described.with_object_types(lambda: sample_result(func, (df, *given), kwargs, False, name))
    call = _OverlapCall(func, described, sizes[0], sizes[1], name)
    others = [one for one in given if isinstance(one, Plan)]
    places = iter(range(len(others)))
    shared = shared_arguments([Part(next(places)) if isinstance(one, Plan) else one for one in given], kwargs)

    def tasks(frames: list[Any], count: int) -> list[Any]:
        return [Task(call, (at, count, shared, *frames), None, name) for at in range(count)]

    made = call_partitions([df, *others], described, tasks)
    if [level.name for level in made._index] == [level.name for level in df._index]:
        # Mostly these are the same labels; whether they are still regular is found again.
        levels = zip(made._index, df._index)
        made._index = tuple(level._replace(regularity=own.regularity) for level, own in levels)
    return made


def _plan(value: Any) -> Any:
    """Return an object of pandas as a frame or column, and other values as they are."""
    if not isinstance(value, (pd.DataFrame, pd.Series)):
        return value
    from ._io import from_pandas

    return from_pandas(value, npartitions=1)


def _divided_like(frame: Any, other: Any) -> Any:
    """Return a frame or column with the divisions of another one."""
    if not (frame.known_divisions and other.known_divisions):
        raise ValueError(
            "map_overlap(align_dataframes=True) requires known divisions; use set_index or sort_index first"
        )
    wanted, own = list(frame.divisions), other.divisions
    wanted[0], wanted[-1] = min(wanted[0], own[0]), max(wanted[-1], own[-1])
    return other.repartition(divisions=wanted, force=True)


def _size(given: Any, name: str, plan: Any) -> Any:
    if given is None:
        return 0
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        if given < 0:
            raise ValueError(f"{name} must not be negative, not {given}")
        return int(given)
    if isinstance(given, (str, datetime.timedelta)):
        is_sorted = plan.known_divisions and is_time(plan._rows.type(plan._index[0].expr))
        if not is_sorted:
            raise TypeError(f"{name}={given!r} requires a frame that is sorted by an index of times; use set_index")
        return pd.Timedelta(given)
    if isinstance(given, numbers.Number):
        raise ValueError(f"{name} must be a whole number of rows, not {given!r}")
    raise TypeError(f"{name} must be a number of rows or a duration, not {type(given).__name__}")


class _OverlapCall:
    """The function of the calls: it reads the partition and its neighbours."""

    def __init__(self, function: Callable[..., Any], meta: Meta, before: Any, after: Any, name: str) -> None:
        self.function = function
        self.meta = meta
        self.before = before
        self.after = after
        self.__name__ = name

    def __call__(
        self, number: int, count: int, shared: Any, partitions: PersistedPartitions, *others: PersistedPartitions
    ) -> Any:
        args, kwargs = shared
        whole, before, size = self._whole(partitions, number, count)
        if not size:
            return self.meta.schema.empty_table()
        args = [self._whole(others[value.at], number, count)[0] if type(value) is Part else value for value in args]
        result = self.function(whole, *args, **kwargs)
        length = len(result) if hasattr(result, "iloc") else -1
        if length < 0 or length % len(whole):
            raise ValueError(
                f"partition {number}: {self.__name__} must return as many rows as it gets, {len(whole)}, or a multiple of "
                f"them, not {length if length >= 0 else type(result).__name__}"
            )
        times = length // len(whole)
        first = before * times
        return self.meta.convert(result.iloc[first : first + size * times], number)

    def _whole(self, partitions: PersistedPartitions, number: int, count: int) -> tuple[Any, int, int]:
        """Return a partition with rows of its neighbours, the number of rows before it, and its own number of rows."""
        own = partitions.read(number)
        if not len(own):
            return own, 0, 0
        earlier = self._rows(partitions, range(number - 1, -1, -1), self.before, own.index[0], True)
        later = self._rows(partitions, range(number + 1, count), self.after, own.index[-1], False)
        whole = pd.concat([*reversed(earlier), own, *later]) if earlier or later else own
        return whole, sum(map(len, earlier)), len(own)

    @staticmethod
    def _rows(partitions: PersistedPartitions, numbers: range, size: Any, label: Any, is_before: bool) -> list[Any]:
        """Return rows of the neighbours, those of the nearest partition first."""
        found: list[Any] = []
        left = size
        for number in numbers:
            if not left:
                break
            part = partitions.read(number)
            if isinstance(size, int):
                part = (part.iloc[-left:] if is_before else part.iloc[:left]) if len(part) else part
                left -= len(part)
            elif len(part):
                is_near = part.index >= label - size if is_before else part.index <= label + size
                if not is_near.all():
                    left = 0
                part = part[is_near]
            if len(part):
                found.append(part)
        return found
