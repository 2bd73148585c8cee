"""Methods of frames that treat their partitions as wholes, and selection by position."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._functions import function_name
from ..plan import expr as px
from ..plan.expr import SortKey, aggregate, call, cast
from ..plan.relation import Distinct, Named
from ..utils import no_default
from ._arguments import reject_unsupported
from ._partitions import Partitions, check_count, divide
from ._reductions import normalize_zero
from ._rows import Rows
from ._scalar import Scalar

if TYPE_CHECKING:
    from ._base import Level

__all__ = ["FramePartitions", "divisions_of_parts"]


class FramePartitions:
    """Methods of frames."""

    _rows: Rows
    _index: tuple[Level, ...]
    _columns: dict[Any, Any]
    index: Any
    columns: Any
    npartitions: int
    reduction: Callable[..., Any]

    @staticmethod
    def from_dict(data: Any, npartitions: int | None = None, orient: str = "columns", **arguments: Any) -> Any:
        """Create a frame of a dict; see :func:`partita.dataframe.from_dict`."""
        from ._io import from_dict

        return from_dict(data, npartitions=npartitions, orient=orient, **arguments)

    @staticmethod
    def from_records(data: Any, npartitions: int | None = None, **arguments: Any) -> Any:
        """Create a frame of records, which are uploaded; see :meth:`pandas.DataFrame.from_records`.

        Examples
        --------
        >>> from partita import dataframe as dd
        >>> dd.DataFrame.from_records([(1, "x"), (2, "y")], columns=["a", "b"]).b.compute().tolist()
        ['x', 'y']
        """
        from ._io import from_pandas

        return from_pandas(pd.DataFrame.from_records(data, **arguments), npartitions)

    def memory_usage(self, index: bool = True, deep: bool = False) -> Any:
        """Return the bytes of each column and of the index as pandas objects, the sum over the partitions.

        Parameters
        ----------
        index : bool
            Whether to include the index.
        deep : bool
            Whether to include Python objects.
        """
        return self.reduction(_usage, _total, chunk_kwargs={"index": index, "deep": deep})

    def _partitions_in_order(self) -> Iterator[pd.DataFrame]:
        """Yield the partitions. Without an index, the rows are numbered."""
        frame: Any = self
        count = 0
        for part in Partitions(frame):
            found = part.compute()
            if not self._index:
                found.index = pd.RangeIndex(count, count + len(found))
            count += len(found)
            yield found

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterator[Any]:
        """Iterate over the rows as named tuples, of one partition at a time. The frame is persisted first."""
        for part in self._partitions_in_order():
            yield from part.itertuples(index, name)

    def iterrows(self) -> Iterator[tuple[Any, pd.Series]]:
        """Iterate over pairs of index label and row, of one partition at a time. The frame is persisted first."""
        for part in self._partitions_in_order():
            yield from part.iterrows()

    def to_records(self, index: bool = True, lengths: Any = None) -> Any:
        """Persist the rows, and return them as an array of records with a chunk for each partition.

        Parameters
        ----------
        index : bool
            Whether records have the index labels, as with pandas.
        lengths : bool or list of int, optional
            The numbers of rows of the partitions. By default they are unknown; True computes them.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> found = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), npartitions=2).to_records()
        >>> found.compute()["b"].tolist()
        [0.5, 1.5]
        """
        from ..array._delayed import from_delayed
        from ..array._frames import part_lengths
        from ..array._joining import concatenate
        from ..delayed import delayed

        frame: Any = self
        dtype = frame._meta.to_records(index=index).dtype
        make = delayed(_Records(index, dtype), pure=True)
        parts = [make(part) for part in frame.to_delayed()]
        known = part_lengths(lengths, len(parts))
        blocks = [from_delayed(one, (size,), dtype=dtype) for one, size in zip(parts, known)]
        found = concatenate(blocks, allow_unknown_chunksizes=True)
        return found.compute_chunk_sizes() if lengths is True else found

    def shuffle(
        self,
        on: Any = no_default,
        ignore_index: bool = False,
        npartitions: int | None = None,
        shuffle_method: Any = None,
        on_index: bool = False,
        force: bool = False,
        **options: Any,
    ) -> Any:
        """Persist the frame in partitions such that all rows with equal keys are in the same one.

        Parameters
        ----------
        on : label, Series, DataFrame, or list of these
            The columns of the keys.
        ignore_index : bool
            Whether to drop the index.
        npartitions : int, optional
            Number of partitions; that of the frame by default. With few distinct keys there may be fewer.
        shuffle_method, force
            Accepted for compatibility with Dask; no effect.
        on_index : bool
            Whether the keys are the index labels.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"k": [1, 2, 1, 2], "v": [1, 2, 3, 4]}), npartitions=2)
        >>> parts = ddf.shuffle("k").map_partitions(lambda part: part.groupby("k").v.sum()).compute()
        >>> sorted(parts.tolist())
        [4, 6]
        """
        reject_unsupported("shuffle", options)
        frame: Any = self
        if on_index == (on is not no_default):
            if on_index:
                raise TypeError("Cannot shuffle on both `on` and the index; leave out on= or on_index=True")
            raise TypeError("Must shuffle on either columns or the index: give on= or on_index=True")
        rows = self._rows
        if on_index:
            keys = [level.expr for level in self._index]
            if not keys:
                raise ValueError("shuffle(on_index=True) requires an index; use set_index first")
        else:
            rows, keys = _shuffle_keys(frame, list(on) if isinstance(on, (list, pd.Index, pd.Series)) else [on])
        kinds = rows.types(keys)
        texts = [cast(normalize_zero(key, kind), pa.string()) for key, kind in zip(keys, kinds)]
        # Rows with an equal sort key are never in different partitions; equal keys have equal digests.
        parts = [one for text in texts for one in (px.literal("-"), call("coalesce", text, ""))]
        digest = call("md5", call("concatenate", *parts))
        count = check_count(self.npartitions if npartitions is None else npartitions, "npartitions=")
        shuffled = rows.with_changes(order=[SortKey(digest), *rows.order])
        made = frame._like(self._columns, shuffled)._persist(count)
        return made.reset_index(drop=True) if ignore_index else made

    def compute_current_divisions(self, col: Any = None, set_divisions: bool = False) -> Any:
        """Compute the least label of each partition, and the greatest one of the last partition.

        A warning tells if labels of one partition are also in another one.

        Parameters
        ----------
        col : label, optional
            The column of the labels; the index by default.
        set_divisions : bool
            Whether to return the frame with these divisions instead. Its rows must be sorted by the index.
        """
        frame: Any = self
        if set_divisions and col is not None:
            raise NotImplementedError(
                "compute_current_divisions(set_divisions=True) supports only the index; use set_index"
            )
        frame = frame if frame._rows.persisted else frame.persist()
        if not frame._rows.persisted or (col is None and len(frame._index) != 1):
            raise ValueError("compute_current_divisions() requires an index of one level; use set_index first")
        found = bounds_of_parts(frame[[]] if col is None else frame[[col]])
        if not found:
            raise ValueError("compute_current_divisions() requires rows")
        if _overlap(found):
            warnings.warn(
                "Partitions have overlapping values: a label is in several of them; set_index and repartition divide them anew",
                UserWarning,
                stacklevel=3,
            )
        divisions = (*(low for low, _ in found), found[-1][1])
        return _divided(frame, divisions) if set_divisions else divisions

    def squeeze(self, axis: Any = None) -> Any:
        """Return the only column of a frame with one column; other frames as they are, as in Dask."""
        if axis in (0, "index"):
            raise NotImplementedError(
                f"{type(self)} does not support squeeze along axis 0: the number of rows is not known before compute()"
            )
        if axis not in (None, 1, "columns"):
            raise ValueError(f"No axis {axis} for object type {type(self)}; use 1")
        frame: Any = self
        return frame._column(next(iter(self._columns))) if len(self._columns) == 1 else frame

    def map(self, func: Callable[..., Any], na_action: Any = None, meta: Any = None, **kwargs: Any) -> Any:
        """Call a Python function with each value.

        Parameters
        ----------
        func : callable
            The function.
        na_action : {None, "ignore"}
            Whether the function gets missing values.
        meta : optional
            The columns and types of the result, as for :func:`partita.dataframe.map_partitions`.
        **kwargs
            Keyword arguments of the function.
        """
        from ._column_functions import call_rows

        if not callable(func):
            raise TypeError(f"map() takes a function, not {type(func).__name__}")
        return call_rows(self, _Map(func, na_action, kwargs), meta, function_name(func), method="map")

    def nunique_approx(self, split_every: Any = None) -> Scalar:
        """Return the number of distinct rows, which is exact here."""
        kinds = self._rows.types([column.expr for column in self._columns.values()])
        cells = [
            Named(f"c{at}", normalize_zero(column.expr, kind))
            for at, (column, kind) in enumerate(zip(self._columns.values(), kinds))
        ]
        distinct = Distinct(self._rows.project(cells or [Named("c0", px.literal(1))]))
        return Scalar(Rows(self._rows.client, distinct, keep=self._rows), aggregate("count_rows"), int)

    @property
    def axes(self) -> list[Any]:
        """The index and the labels of the columns."""
        return [self.index, self.columns]

    def to_html(self, max_rows: int = 5) -> str:
        """Return the columns, types and partitions as HTML, without computing the rows, as in Dask."""
        from ._display import structure

        frame: Any = self
        return str(structure(frame).to_html(max_rows=max_rows, show_dimensions=False))

    @property
    def iloc(self) -> Columns:
        """Selection of columns by position: ``ddf.iloc[:, 0]`` and ``ddf.iloc[:, [0, 2]]``."""
        return Columns(self)


def _shuffle_keys(frame: Any, on: list[Any]) -> tuple[Rows, list[Any]]:
    """Return the keys of a shuffle: labels, columns and frames of the same rows; and the rows with these."""
    if not on:
        raise ValueError("shuffle() requires at least one key")
    rows, keys = frame._rows, []
    known = {*frame._columns, *(level.name for level in frame._index if level.name is not None)}
    missing = [one for one in on if not hasattr(one, "_rows") and one not in known]
    if missing:
        raise KeyError(f"Cannot shuffle on {missing}: no such columns")
    for one in on:
        if hasattr(one, "_rows") and one._rows.identity is not rows.identity:
            raise TypeError(
                "shuffle: the index must be aligned with the frame: give labels, or columns of the same rows"
            )
        if not hasattr(one, "_rows"):
            keys.append(frame._key(one)._expr)
            continue
        rows = rows.combine(one._rows)
        keys += [column.expr for column in one._columns.values()] if hasattr(one, "_columns") else [one._expr]
    return rows, keys


class Columns:
    """Selection of columns by position."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple) and len(key) > 2:
            raise ValueError("Too many indexers: iloc takes rows and columns")
        if not isinstance(key, tuple) or len(key) != 2 or not (isinstance(key[0], slice) and key[0] == slice(None)):
            raise NotImplementedError(
                "iloc selects only columns, as in ddf.iloc[:, [0, 2]]; use head, partitions or loc to select rows"
            )
        labels = list(self._frame._columns)
        found = pd.Series(range(len(labels))).iloc[key[1]]
        if isinstance(found, pd.Series):
            return self._frame[[labels[at] for at in found]]
        return self._frame._column(labels[int(found)])


# Functions that run on the workers.


class _Map:
    """The function that calls a function with each value of a partition."""

    def __init__(self, function: Callable[..., Any], na_action: Any, arguments: dict[str, Any]) -> None:
        self.function = function
        self.na_action = na_action
        self.arguments = arguments

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        return part.map(self.function, na_action=self.na_action, **self.arguments)


class _Records:
    """The function that returns a partition as records."""

    def __init__(self, index: bool, dtype: Any) -> None:
        self.index = index
        self.dtype = dtype

    def __call__(self, part: pd.DataFrame) -> Any:
        found = part.to_records(index=self.index)
        if found.dtype != self.dtype:
            raise ValueError(
                f"a partition has records of {found.dtype}, and others {self.dtype}, because values are missing; convert "
                "its integers and booleans to float64 with astype, or use fillna"
            )
        return found


def bounds_of_parts(frame: Any) -> list[tuple[Any, Any]]:
    """Compute the least and the greatest label of each partition with rows: of the only column, or of the index."""
    from ..base import compute
    from ..delayed import delayed

    parts = [delayed(_bounds)(part) for part in frame.to_delayed()]
    return [one for one in compute(*parts) if one is not None]


def _overlap(bounds: list[tuple[Any, Any]]) -> bool:
    """Whether a label of a partition may be in another one."""
    return any(before[1] >= after[0] for before, after in zip(bounds, bounds[1:]))


def divisions_of_parts(frame: Any) -> tuple[Any, ...] | None:
    """Compute the divisions of rows that are in the order of their only column: those of the partitions with rows.

    None if no row is there, a label is missing or in several partitions, or the labels have an order of their own.
    """
    if any(isinstance(cell.origin, pd.CategoricalDtype) for cell in frame._columns.values()):
        return None
    bounds = bounds_of_parts(frame)
    if not bounds or pd.isna([label for pair in bounds for label in pair]).any() or _overlap(bounds):
        return None
    return (*(low for low, _ in bounds), bounds[-1][1])


def _bounds(part: pd.DataFrame) -> tuple[Any, Any] | None:
    """Return the least and the greatest label of a partition; None if it has no rows."""
    labels = part.iloc[:, 0] if part.shape[1] else part.index
    return (labels.min(), labels.max()) if len(labels) else None


def _divided(frame: Any, divisions: tuple[Any, ...]) -> Any:
    """Return a frame whose partitions have these divisions."""
    if any(a > b for a, b in zip(divisions, divisions[1:])):
        raise ValueError(
            f"the rows are not sorted by the index: the partitions begin with {list(divisions)!r}; use sort_index()"
        )
    made = frame.sort_index()
    made._rows.is_undivided = False
    divide(made, divisions)
    return made


def _usage(part: Any, index: bool, deep: bool) -> Any:
    return part.memory_usage(index=index, deep=deep)


def _total(found: Any) -> Any:
    return found.sum()
