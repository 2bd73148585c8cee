"""Methods that treat the partitions of frames and columns as wholes: reductions by functions, memory, iteration, splits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..plan import expr as px
from ..plan.rewrite import is_volatile
from ..utils import no_default
from ._partitions import sampling_hash
from ._rows import Rows

if TYPE_CHECKING:
    from ._base import Level

__all__ = ["PartitionMethods"]

#: Partial results that one call of the function combine= gets.
COMBINED = 16
#: The least number of them.
LEAST_COMBINED = 2
#: Largest deviation of the sum of the fractions of a random split from 1.
FRACTIONS_TOLERANCE = 1e-8


class PartitionMethods:
    """Methods that frames and columns share."""

    _rows: Rows
    _index: tuple[Level, ...]
    _meta_nonempty: Any
    if TYPE_CHECKING:

        def to_delayed(self) -> list[Any]: ...
        def map_partitions(self, func: Any, *args: Any, **kwargs: Any) -> Any: ...
        def explain(self) -> str: ...

    def reduction(
        self,
        chunk: Callable[..., Any],
        aggregate: Callable[..., Any] | None = None,
        combine: Callable[..., Any] | None = None,
        meta: Any = no_default,
        token: str | None = None,
        split_every: Any = None,
        chunk_kwargs: dict[str, Any] | None = None,
        aggregate_kwargs: dict[str, Any] | None = None,
        combine_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a Python function with each partition, and another one with all results together.

        Parameters
        ----------
        chunk : callable
            Takes a partition as a pandas object, and returns a pandas frame, a series or a single value.
        aggregate : callable, optional
            Takes the results: a series of single values, a frame with a row for each series, or the concatenated frames.
            By default `chunk`.
        combine : callable, optional
            Like `aggregate`, for some of the results. It returns what `chunk` does.
        meta : optional
            The columns and types of the result, as for :func:`partita.dataframe.map_partitions`. By default they are those
            of the result for made-up rows.
        split_every : int or False, optional
            The number of results that one call of `combine` gets; `aggregate` combines them if there is no such function. By
            default 16, and only `combine` does so. False combines all results in one call.
        token
            Accepted for compatibility with Dask; no effect.
        chunk_kwargs, aggregate_kwargs, combine_kwargs : dict, optional
            Arguments of the functions. `kwargs` are arguments of all of them.

        Returns
        -------
        DataFrame, Series or Delayed
            A single value is a delayed one.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(10)}), npartitions=3)
        >>> int(ddf.a.reduction(lambda part: part.max(), lambda found: found.max()).compute())
        9
        """
        from ..delayed import delayed
        from ._partition_functions import from_delayed

        if combine is None and combine_kwargs:
            raise ValueError("reduction() got combine_kwargs= without combine=")
        first = _Chunk(chunk, {**kwargs, **(chunk_kwargs or {})})
        last = _Combined(aggregate or chunk, {**kwargs, **(aggregate_kwargs or {})}, is_last=True)
        sample = _sample(self, first, last) if meta is no_default or meta is None else meta
        run = delayed(first, pure=False)
        parts: Sequence[Any] = [run(part) for part in self.to_delayed()]
        count = _count_of_combined(split_every, len(parts))
        if combine is None and split_every:
            # As in Dask, aggregate() also combines some of the results if their number is limited.
            combine, combine_kwargs = aggregate or chunk, aggregate_kwargs
        while combine is not None and len(parts) > count:
            join = delayed(_Combined(combine, {**kwargs, **(combine_kwargs or {})}, is_last=False), pure=False)
            parts = [join(list(parts[at : at + count])) for at in range(0, len(parts), count)]
        made = delayed(last, pure=False)(list(parts))
        if not isinstance(sample, (pd.DataFrame, pd.Series, dict, list, tuple)):
            return made
        return from_delayed([made], meta=sample)

    def memory_usage_per_partition(self, index: bool = True, deep: bool = False) -> Any:
        """Return the bytes of each partition as a pandas object, by the number of the partition."""
        # A meta with a row has an index of its own: the numbers of the partitions, not that of the frame.
        return self.map_partitions(_Memory(index, deep), meta=pd.Series([0], dtype="int64"))

    def random_split(self, frac: Sequence[float], random_state: Any = None, shuffle: bool = False) -> list[Any]:
        """Divide the rows at random. Each row is in exactly one of the results, whose rows are in their order.

        Parameters
        ----------
        frac : list of float
            The fractions of the rows, whose sum is 1. The results have about these numbers of rows.
        random_state : int or RandomState, optional
            Seed. As for :meth:`DataFrame.sample`, rows are divided by their place, or by their values if their order is
            undefined: equal rows are then in the same result.
        shuffle : bool
            Must be False.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=2)
        >>> train, test = ddf.random_split([0.8, 0.2], random_state=1)
        >>> len(train) + len(test)
        100
        """
        from ._series import Series

        if shuffle:
            raise NotImplementedError(
                "random_split(shuffle=True) is not supported; sort each result by a random column"
            )
        parts = [float(one) for one in frac]
        if abs(sum(parts) - 1) > FRACTIONS_TOLERANCE or min(parts, default=-1.0) < 0:
            raise ValueError(f"random_split: the fractions must be positive, and their sum 1, not {parts}")
        seed = random.getrandbits(31) if random_state is None else random_state
        if hasattr(seed, "randint"):
            seed = seed.randint(2**31 - 1)
        whole: Any = self
        if is_volatile(self._rows.relation):
            # Each query would return other rows.
            whole = whole.persist()
        frame = whole._framed() if isinstance(whole, Series) else whole
        keys = [key.expr for key in frame._rows.order] or [column.expr for column in frame._columns.values()]
        lot = sampling_hash(keys, int(seed))
        made = []
        bounds = [sum(parts[:at]) for at in range(len(parts))]
        for low, high in zip(bounds, [*bounds[1:], None]):
            tests = [px.comparison("ge", lot, low), *([] if high is None else [px.comparison("lt", lot, high)])]
            found = frame._narrowed(px.conjunction(*tests))
            made.append(whole._from_frame(found) if isinstance(whole, Series) else found)
        return made

    # The plan.

    def optimize(self, fuse: bool = True) -> Any:
        """Return the object itself: plans are optimized when they are computed. See :meth:`explain`."""
        return self

    def simplify(self) -> Any:
        """Return the object itself: plans are optimized when they are computed. See :meth:`explain`."""
        return self

    def to_backend(self, backend: str | None = None, **kwargs: Any) -> Any:
        """Return the object itself: partitions are objects of pandas.

        Parameters
        ----------
        backend : str, optional
            Only ``"pandas"``.
        """
        if backend not in (None, "pandas"):
            raise NotImplementedError(
                f"to_backend() does not support {backend!r}: partitions are objects of pandas; convert them in map_partitions"
            )
        return self

    def pprint(self) -> None:
        """Print the physical plan: :meth:`explain`."""
        print(self.explain())

    def to_string(self, max_rows: int = 5) -> str:
        """Return the columns, types and partitions as a string, without computing the rows, as in Dask."""
        from ._display import column_text, structure

        frame = self._as_frame()
        made = structure(frame)
        if frame is not self:
            return column_text(made.iloc[:, 0], max_rows)
        return str(made.to_string(max_rows=max_rows, show_dimensions=False))

    def _as_frame(self) -> Any:
        return self


# Functions that run on the workers.


class _Chunk:
    """The function of a partition. The result is a frame or a single value."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.function = function
        self.arguments = arguments

    def __call__(self, part: Any) -> Any:
        return _row(self.function(part, **self.arguments))


class _Combined:
    """The function of several results."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any], is_last: bool) -> None:
        self.function = function
        self.arguments = arguments
        self.is_last = is_last

    def __call__(self, parts: list[Any]) -> Any:
        is_frame = isinstance(parts[0], pd.DataFrame)
        found = self.function(pd.concat(parts) if is_frame else pd.Series(parts), **self.arguments)
        return found if self.is_last else _row(found)


def _count_of_combined(split_every: Any, count: int) -> int:
    """Return how many results one call combines."""
    if split_every is None:
        return COMBINED
    if split_every is False:
        return count
    if not isinstance(split_every, int) or split_every < LEAST_COMBINED:
        raise ValueError(f"split_every must be an integer of at least {LEAST_COMBINED}, not {split_every!r}")
    return split_every


def _row(result: Any) -> Any:
    """Return a series as a frame with one row, and other results as they are."""
    return result.to_frame().T if isinstance(result, pd.Series) else result


def _sample(plan: Any, first: Any, last: Any) -> Any:
    """Return the result of a reduction of made-up rows."""
    try:
        return last([first(plan._meta_nonempty)])
    except Exception as error:
        raise ValueError(
            f"cannot infer what the functions of reduction() return: they raised {type(error).__name__}: {error} for two "
            "rows of made-up values; give the type with meta="
        ) from error


class _Memory:
    """The function that returns the bytes of a partition, with its number as the label."""

    def __init__(self, index: bool, deep: bool) -> None:
        self.index = index
        self.deep = deep

    def __call__(self, part: Any, partition_info: Any = None) -> pd.Series:
        has_index = not isinstance(part, pd.Index)
        used = part.memory_usage(index=self.index, deep=self.deep) if has_index else part.memory_usage(deep=self.deep)
        number = 0 if partition_info is None else partition_info["number"]
        return pd.Series([int(np.sum(used))], index=[number], dtype="int64")
