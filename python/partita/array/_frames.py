"""Arrays as frames, and frames as arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["column_labels", "frame_of_block", "from_frame", "part_lengths", "to_dask_dataframe"]


def to_dask_dataframe(x: Any, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
    """Return the rows as a frame of :mod:`partita.dataframe`, or a column of an array with one axis.

    Parameters
    ----------
    x : Array
        An array with one or two axes, or with one axis of records.
    columns : list or str, optional
        Names of the columns. By default they are numbers, or the names of the fields of records. With a list, an array
        with one axis becomes a frame of one column.
    index : Index, optional
        The index labels: those of a frame with the same number of partitions, each with as many rows as the block. By
        default the rows are numbered. If the lengths of the blocks are unknown, each block is numbered from 0.
    meta
        Not supported.

    Examples
    --------
    >>> import partita.array as da
    >>> frame = da.ones((4, 2), chunks=2).to_dask_dataframe(columns=["a", "b"])
    >>> float(frame.a.sum().compute())
    4.0
    """
    from .. import dataframe
    from ..delayed import delayed

    if meta is not None:
        raise NotImplementedError("to_dask_dataframe() does not support meta=; use astype")
    columns = column_labels(x, columns)
    x = x.rechunk({1: -1}) if x.ndim == 2 else x
    make = delayed(frame_of_block, pure=True)
    blocks = x.to_delayed().ravel().tolist()
    sample = np.empty((0, *x.shape[1:]), dtype=x.dtype)
    if index is not None:
        index = index.persist() if isinstance(index, dataframe.Index) else index
        starts, divisions = _index_parts(index, len(blocks)), _known_divisions(index, len(blocks))
        empty = frame_of_block(sample, columns, index._meta)
        parts = [make(one, columns, start) for one, start in zip(blocks, starts)]
        return dataframe.from_delayed(parts, meta=empty, divisions=divisions)
    sizes = x.chunks[0]
    if any(math.isnan(size) for size in sizes):
        parts = [make(one, columns, 0) for one in blocks]
        return dataframe.from_delayed(parts, meta=frame_of_block(sample, columns, 0))
    # Divisions are first labels, so that each partition must have a row.
    offsets = list(itertools.accumulate(sizes, initial=0))
    kept = [at for at, size in enumerate(sizes) if size] or [0]
    divisions = (*[offsets[at] for at in kept], max(offsets[-1] - 1, 0)) if offsets[-1] else None
    parts = [make(blocks[at], columns, offsets[at]) for at in kept]
    return dataframe.from_delayed(parts, meta=frame_of_block(sample, columns, 0), divisions=divisions)


def column_labels(x: Any, columns: Any) -> Any:
    """Return the names of the columns, after checking that the array can become a frame."""
    if x.ndim not in (1, 2):
        raise ValueError(f"cannot create a frame from a more than 2D array: its shape is {x.shape}")
    if x.dtype.names is not None:
        if x.ndim != 1:
            raise ValueError(f"cannot create a frame from records with {x.ndim} axes; use reshape(-1)")
        wanted = list(x.dtype.names) if columns is None else list(columns)
        unknown = [name for name in wanted if name not in x.dtype.names]
        if unknown:
            raise ValueError(f"the records have no field {unknown[0]!r}; fields: {', '.join(x.dtype.names)}")
        return wanted
    if x.ndim == 1:
        is_list = isinstance(columns, (list, tuple, pd.Index))
        if is_list and len(columns) != 1:
            raise ValueError(
                f"column names must match width: the array has one column, not {len(columns)}: {columns!r}"
            )
        return list(columns) if is_list else columns
    if math.isnan(x.shape[1]):
        raise ValueError("Shape along axis 1 must be known; use compute_chunk_sizes first")
    if columns is None:
        return list(range(x.shape[1]))
    if not isinstance(columns, (list, tuple, pd.Index)) or len(columns) != x.shape[1]:
        count = len(columns) if isinstance(columns, (list, tuple, pd.Index)) else 1
        raise ValueError(
            f"column names must match width: the array has {x.shape[1]} columns, and {count} names are given: {columns!r}"
        )
    return list(columns)


def _index_parts(index: Any, blocks: int) -> list[Any]:
    """Return the partitions of an index as delayed values, after checking their number."""
    from ..dataframe import Index

    if not isinstance(index, Index):
        raise ValueError(f"index= must be an instance of partita.dataframe.Index, not {type(index).__name__}")
    parts: list[Any] = index.to_delayed()
    if len(parts) != blocks:
        raise ValueError(
            f"the index and the array have different numbers of blocks: {len(parts)} != {blocks}; use rechunk or repartition"
        )
    return parts


def _known_divisions(index: Any, blocks: int) -> tuple[Any, ...] | None:
    if not index.known_divisions:
        return None
    divisions: tuple[Any, ...] = tuple(index.divisions)
    is_known = len(divisions) == blocks + 1 and not any(one is None for one in divisions)
    return divisions if is_known else None


def frame_of_block(block: Any, columns: Any, labels: Any) -> Any:
    """Return a block as a frame or column of pandas, whose rows have these labels or are numbered from an integer."""
    if isinstance(labels, int):
        labels = pd.RangeIndex(labels, labels + len(block))
    if block.dtype.names is not None:
        return pd.DataFrame({name: block[name] for name in columns}, index=labels, columns=columns)
    if block.ndim == 1 and not isinstance(columns, list):
        return pd.Series(block, name=columns, index=labels)
    return pd.DataFrame(block.reshape(len(block), -1 if block.size else len(columns)), columns=columns, index=labels)


def values_of_part(part: Any, size: Any = None, dtype: Any = None) -> Any:
    """Return the values of a partition.

    Parameters
    ----------
    part : DataFrame, Series or Index
        The partition.
    size : int, optional
        The number of rows that it must have.
    dtype : dtype, optional
        The type of the array of all partitions.

    Raises
    ------
    ValueError
        If the partition has another number of rows, or missing values that the type of the array cannot store.
    """
    if size is not None and len(part) != size:
        raise ValueError(f"a partition has {len(part)} rows, and lengths= says {size}; use lengths=True")
    values = part.to_numpy()
    # The type that pandas gives to the values of a nullable column depends on them.
    if dtype is not None and dtype.kind in "iub" and values.dtype != dtype and pd.isna(values).any():
        raise ValueError(
            f"a column of {part.dtype} has missing values, which an array of {dtype} cannot store; use fillna, or "
            "astype('float64')"
        )
    return values


def from_frame(frame: Any, lengths: bool | Sequence[int] | None = None, like: Any = None) -> Any:
    """Return the values of a frame or a column as an array, whose partitions are persisted.

    Parameters
    ----------
    frame : DataFrame or Series
        The frame.
    lengths : bool or list of int, optional
        The numbers of rows of the partitions. They are unknown by default; True computes them.
    like : array, optional
        An array with the dtype of the result.
    """
    from ..delayed import delayed
    from ._delayed import from_delayed
    from ._joining import concatenate

    meta = frame.head(0) if hasattr(frame, "head") else frame._meta
    sample = meta.to_numpy()
    extra = sample.shape[1:]
    given = frame.to_delayed()
    known = part_lengths(lengths, len(given))
    make = delayed(values_of_part, pure=True)
    wanted = sample.dtype if like is None else like.dtype
    parts = [make(one, None if np.isnan(size) else int(size), wanted) for one, size in zip(given, known)]
    blocks = [from_delayed(one, (size, *extra), dtype=sample.dtype).astype(wanted) for one, size in zip(parts, known)]
    found = concatenate(blocks, allow_unknown_chunksizes=True)
    return found.compute_chunk_sizes() if lengths is True else found


def part_lengths(lengths: Any, count: int) -> list[Any]:
    """Return the numbers of rows of partitions; NaN if they are unknown.

    Raises
    ------
    ValueError
        If `lengths` is neither a boolean nor the lengths of all partitions.
    """
    if lengths is None or isinstance(lengths, bool):
        return [np.nan] * count
    if not isinstance(lengths, (list, tuple)):
        raise ValueError(f"Unexpected value for lengths: {lengths!r}; use True, or a list of the numbers of rows")
    if len(lengths) != count:
        raise ValueError(f"lengths= must have a number for each partition: {len(lengths)} != {count}")
    return list(lengths)
