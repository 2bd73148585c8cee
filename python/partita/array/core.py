"""Names of ``dask.array.core``."""

from __future__ import annotations

from ._block_view import BlockView
from ._blockwise import blockwise
from ._chunks import (
    PerformanceWarning,
    blockdims_from_blockshape,
    broadcast_chunks,
    broadcast_shapes,
    common_blockdim,
    normalize_chunks,
    slices_from_chunks,
)
from ._core import Array
from ._delayed import from_delayed, from_func
from ._elementwise import elemwise, unify_chunks
from ._from_array import asanyarray, asarray, from_array
from ._hdf5 import to_hdf5
from ._joining import block, broadcast_arrays, concatenate, stack
from ._map_blocks import map_blocks
from ._shape import broadcast_to
from ._store import from_npy_stack, store, to_npy_stack
from ._zarr import from_zarr, to_zarr

__all__ = [
    "Array",
    "BlockView",
    "PerformanceWarning",
    "asanyarray",
    "asarray",
    "block",
    "blockdims_from_blockshape",
    "blockwise",
    "broadcast_arrays",
    "broadcast_chunks",
    "broadcast_shapes",
    "broadcast_to",
    "common_blockdim",
    "concatenate",
    "elemwise",
    "from_array",
    "from_delayed",
    "from_func",
    "from_npy_stack",
    "from_zarr",
    "map_blocks",
    "normalize_chunks",
    "slices_from_chunks",
    "stack",
    "store",
    "to_hdf5",
    "to_npy_stack",
    "to_zarr",
    "unify_chunks",
]
