"""Unknown chunk sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import is_unknown
from ._core import array_of
from ._expression import Node

__all__ = ["compute_chunk_sizes"]


def shape_block(block: Any, ndim: int) -> Any:
    """Return the shape of a block as an array of one item."""
    found = np.empty((1,) * ndim, dtype=object)
    found[(0,) * ndim] = np.shape(block)
    return found


def compute_chunk_sizes(x: Any) -> Any:
    """Compute unknown chunk sizes in place: the method ``compute_chunk_sizes``."""
    if not x.ndim:
        return x
    chunks = tuple([(1,) * count for count in x.numblocks])
    meta = np.empty((0,) * x.ndim, dtype=object)
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    shapes = array_of(Node("shapes", chunks, meta, shape_block, reads, params={"ndim": x.ndim})).compute()
    found = []
    for axis in range(x.ndim):
        if not is_unknown(x.chunks[axis]):
            found.append(x.chunks[axis])
            continue
        along = np.moveaxis(shapes, axis, 0).reshape(shapes.shape[axis], -1)
        sizes = [{int(shape[axis]) for shape in row} for row in along]
        if any(len(one) != 1 for one in sizes):
            raise ValueError(f"blocks at the same place along axis {axis} have different sizes")
        found.append(tuple([one.pop() for one in sizes]))
    x._become(with_chunks(x, tuple(found)))
    return x


def with_chunks(x: Any, chunks: Any) -> Any:
    """Return the same array with other chunk sizes, which its blocks are known to have."""
    from .._tasks import identity

    maps = [Axis(axis) for axis in range(x.ndim)]
    return array_of(
        Node("with-chunks", chunks, x._meta, identity, [Read(x._node, maps)], token=("with-chunks", chunks))
    )
