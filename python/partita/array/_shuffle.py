"""Shuffling: items along an axis in given groups, each of which stays in one block."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, starts, tolerance
from ._core import array_of
from ._elementwise import as_array
from ._expression import Node
from ._indexing import reorder_block
from ._shape import normalize_axis

__all__ = ["shuffle"]


def shuffle(x: Any, indexer: Any, axis: int, chunks: Any = "auto") -> Any:
    """Put the items along an axis into groups, such that no group is divided among blocks.

    Parameters
    ----------
    x : array
        The array.
    indexer : list of list of int
        The positions of the items of each group.
    axis : int
        The axis.
    chunks : str
        Accepted for compatibility with Dask: ``"auto"``.

    Examples
    --------
    >>> import partita.array as da
    >>> da.arange(6, chunks=2).shuffle([[0, 2, 4], [1, 3, 5]], axis=0).compute()
    array([0, 2, 4, 1, 3, 5])
    """
    x = as_array(x)
    axis = normalize_axis(axis, x.ndim)
    if chunks != "auto":
        raise NotImplementedError(f"shuffle() does not support chunks={chunks!r}; use 'auto'")
    if is_unknown(x.chunks[axis]):
        raise ValueError(
            f"Shuffling only allowed with known chunk sizes. Arrays chunk sizes are unknown; {UNKNOWN_REMEDY}"
        )
    if not isinstance(indexer, list) or not all(isinstance(one, (list, np.ndarray)) for one in indexer):
        raise ValueError("indexer must be a list of lists of positional indices")
    if not indexer:
        raise ValueError("indexer must have at least one group")
    groups = [np.asarray(one, dtype=np.intp) for one in indexer]
    size = x.shape[axis]
    for one in groups:
        if one.size and one.max() >= size:
            raise IndexError(f"Indexer contains out of bounds index. Dimension only has {size} elements.")
        if one.size and one.min() < 0:
            raise IndexError("Indexer contains negative positions")
    pieces = _pieces(groups, max(x.chunks[axis]))
    return take_pieces(x, pieces, axis)


def _pieces(groups: list[Any], size: int) -> list[Any]:
    """Join groups as long as they fit a block, with the tolerance of automatic chunks."""
    limit = size * tolerance()
    found: list[Any] = []
    current: list[Any] = []
    length = 0
    for one in groups:
        if current and length + len(one) > limit:
            found.append(np.concatenate(current))
            current, length = [], 0
        current.append(one)
        length += len(one)
    if current:
        found.append(np.concatenate(current))
    return found


def take_pieces(x: Any, pieces: list[Any], axis: int) -> Any:
    """Return the items at positions, a block for each array of positions."""
    begins = np.asarray(starts(x.chunks[axis]))
    ranges, boxes, orders = [], [], []
    for piece in pieces:
        owner = np.searchsorted(begins, piece, side="right") - 1
        wanted, which = np.unique(owner, return_inverse=True)
        which = which.reshape(-1)
        local = [piece[which == at] - begins[block] for at, block in enumerate(wanted)]
        offsets = np.cumsum([0, *[len(one) for one in local]])
        order = np.empty(len(piece), dtype=np.intp)
        for at in range(len(wanted)):
            order[which == at] = np.arange(offsets[at], offsets[at + 1])
        ranges.append(tuple([int(block) for block in wanted]) or (0,))
        boxes.append(local or [np.empty(0, dtype=np.intp)])
        orders.append(order)
    chunks = tuple(
        [tuple([len(piece) for piece in pieces]) if at == axis else sizes for at, sizes in enumerate(x.chunks)]
    )
    maps = [Axis(at, ranges, boxes) if at == axis else Axis(at) for at in range(x.ndim)]
    reads = [Read(x._node, maps, join=True)]
    return array_of(
        Node("shuffle", chunks, x._meta, reorder_block, reads, tables=[(axis, orders)], params={"axis": axis})
    )
