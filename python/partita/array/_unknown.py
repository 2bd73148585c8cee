"""Unknown chunk sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import is_unknown
from ._core import array_of
from ._expression import Constant, Node, is_small, sorted_nodes

__all__ = ["compute_chunk_sizes", "known_if_small", "with_chunks"]


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


def known_if_small(*arrays: Any) -> Any:
    """Return arrays with known sizes if their data are small and in the client, else as they are.

    Such arrays are computed in the client's process anyway, and are computed here.
    """
    nodes = [one._node for one in arrays]
    if all(is_unknown(one.shape) for one in arrays) and is_small(nodes) and _is_local(nodes):
        from ..base import compute

        found = compute(*arrays)
        chunks = [tuple([(size,) for size in one.shape]) for one in found]
        arrays = tuple(
            [
                array_of(Constant("known", sizes, array._meta, value))
                if type(value) is np.ndarray and type(array._meta) is np.ndarray
                else array
                for array, value, sizes in zip(arrays, found, chunks)
            ]
        )
    return arrays if len(arrays) > 1 else arrays[0]


def _is_local(nodes: Any) -> bool:
    """Whether all data of expressions are in the client, rather than in files."""
    return all(one.reads or one.cheap for one in sorted_nodes(nodes))
