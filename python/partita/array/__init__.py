"""Arrays in chunks: the replacement of ``dask.array``.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from .._errors import UnsupportedName
from .._late_imports import register_with_xarray
from .._stubs import MissingImport, _is_import, module_getattr
from ..base import compute
from ._core import Array
from ._namespace import API_VERSION, NamespaceInfo

__array_api_version__ = API_VERSION
__array_namespace_info__ = NamespaceInfo

#: The module of each name.
_MODULES = {
    "_block_view": ["BlockView"],
    "_blockwise": ["atop", "blockwise"],
    "_chunks": ["PerformanceWarning", "broadcast_shapes", "normalize_chunks", "slices_from_chunks"],
    "_creation": ["empty", "empty_like", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"],
    "_delayed": ["from_delayed", "from_func"],
    "_elementwise": ["astype", "elemwise", "unify_chunks"],
    "_from_array": ["asanyarray", "asarray", "from_array"],
    "_gufunc": ["apply_gufunc", "as_gufunc", "gufunc"],
    "_indexing": ["take"],
    "_interchange": [
        "assert_eq",
        "from_dask_array",
        "from_tiledb",
        "register_chunk_type",
        "to_dask_array",
        "to_tiledb",
    ],
    "_joining": ["append", "block", "broadcast_arrays", "concatenate", "dstack", "hstack", "stack", "vstack"],
    "_map_blocks": ["map_blocks"],
    "_pad": ["pad"],
    "_matrices": ["cross"],
    "_namespace": ["finfo", "iinfo"],
    "_percentile": ["nanpercentile", "percentile"],
    "_products": ["dot", "einsum", "matmul", "outer", "tensordot", "vdot"],
    "_rechunk": ["rechunk"],
    "_repeats": ["repeat", "tile"],
    "_reshape": ["ravel", "reshape", "reshape_blockwise"],
    "_sequences": [
        "arange",
        "diag",
        "diagonal",
        "eye",
        "fromfunction",
        "indices",
        "linspace",
        "meshgrid",
        "tri",
    ],
    "_shape": [
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "broadcast_to",
        "expand_dims",
        "flip",
        "fliplr",
        "flipud",
        "moveaxis",
        "roll",
        "rollaxis",
        "rot90",
        "squeeze",
        "swapaxes",
        "transpose",
    ],
    "_sets": ["unique_all", "unique_counts", "unique_inverse", "unique_values"],
    "_shuffle": ["shuffle"],
    "_hdf5": ["from_hdf5", "to_hdf5"],
    "_standard": [
        "argsort",
        "can_cast",
        "cumulative_prod",
        "cumulative_sum",
        "from_dlpack",
        "isdtype",
        "matrix_transpose",
        "sort",
        "take_along_axis",
        "unstack",
        "vecdot",
    ],
    "_store": ["from_npy_stack", "store", "to_npy_stack"],
    "_zarr": ["from_zarr", "to_zarr"],
    "image": ["imread"],
    "overlap": ["map_overlap", "trim_overlap"],
    "reductions": [
        "all",
        "any",
        "argmax",
        "argmin",
        "argtopk",
        "cumprod",
        "cumreduction",
        "cumsum",
        "max",
        "mean",
        "median",
        "min",
        "moment",
        "nanargmax",
        "nanargmin",
        "nancumprod",
        "nancumsum",
        "nanmax",
        "nanmean",
        "nanmedian",
        "nanmin",
        "nanprod",
        "nanquantile",
        "nanstd",
        "nansum",
        "nanvar",
        "prod",
        "push",
        "quantile",
        "reduction",
        "std",
        "sum",
        "topk",
        "trace",
        "var",
    ],
    "routines": [
        "allclose",
        "apply_along_axis",
        "apply_over_axes",
        "argwhere",
        "array",
        "average",
        "bincount",
        "choose",
        "coarsen",
        "compress",
        "corrcoef",
        "count_nonzero",
        "cov",
        "delete",
        "diff",
        "digitize",
        "ediff1d",
        "extract",
        "flatnonzero",
        "gradient",
        "histogram",
        "histogram2d",
        "histogramdd",
        "insert",
        "isclose",
        "isin",
        "isnull",
        "ndim",
        "nonzero",
        "notnull",
        "piecewise",
        "ptp",
        "ravel_multi_index",
        "result_type",
        "searchsorted",
        "select",
        "shape",
        "tril",
        "tril_indices",
        "tril_indices_from",
        "triu",
        "triu_indices",
        "triu_indices_from",
        "union1d",
        "unique",
        "unravel_index",
        "where",
    ],
}
_SUBMODULES = (
    "chunk",
    "core",
    "fft",
    "image",
    "lib",
    "linalg",
    "ma",
    "overlap",
    "random",
    "reductions",
    "routines",
    "stats",
    "utils",
)
#: Dtypes and constants of NumPy.
_OF_NUMPY = {
    "bool": "bool_",
    **{
        name: name
        for name in (
            *[
                "complex64",
                "complex128",
                "e",
                "euler_gamma",
                "float32",
                "float64",
                "inf",
                "int8",
                "int16",
                "int32",
                "int64",
            ],
            *[
                "nan",
                "newaxis",
                "pi",
                "uint8",
                "uint16",
                "uint32",
                "uint64",
                "promote_types",
            ],
            *["ScalarType"],
        )
    },
}
#: Names of the array API standard.
_ALIASES = {"concat": "concatenate", "permute_dims": "transpose", "asanyarray": "asanyarray"}
_FOUND = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["Array", "compute", *sorted(_FOUND)]

_unsupported = module_getattr(
    "partita.array",
    {
        "backends": "blocks are arrays of NumPy; use from_array(x, asarray=False) or map_blocks for other types",
        "optimize": "expressions are optimized when they are computed",
        "Blockwise": "use blockwise",
        "array_expr_enabled": "arrays are always expressions",
        "lexsort": "use argtopk",
        "kron": "use einsum and reshape",
        "interp": "use map_blocks(numpy.interp)",
        "trapz": "use sum of slices",
        "fromiter": "use from_array",
        "resize": "use reshape or tile",
        "array_split": "use slices",
        "split": "use slices",
    },
    "it is not a function of dask.array; use map_blocks with a function of NumPy",
)


def __getattr__(name: str) -> Any:
    if name == "ufunc":
        # Dask has a module of this name.
        return importlib.import_module(f"{__name__}.ufunc")
    if name in _OF_NUMPY:
        return getattr(np, _OF_NUMPY[name])
    if name in _ALIASES and _ALIASES[name] != name:
        name = _ALIASES[name]
    if name in _FOUND:
        return getattr(importlib.import_module(f"{__name__}.{_FOUND[name]}"), name)
    if not name.startswith("_"):
        ufuncs = importlib.import_module(f"{__name__}.ufunc")
        if name in ufuncs.__all__:
            return getattr(ufuncs, name)
        if name in _SUBMODULES:
            return importlib.import_module(f"{__name__}.{name}")
    try:
        return _unsupported(name)
    except UnsupportedName as error:
        if _is_import(sys._getframe(1)):
            # The import statement would replace the text of an AttributeError.
            raise MissingImport(str(error), name=name) from None
        raise


def __dir__() -> list[str]:
    ufuncs = importlib.import_module(f"{__name__}.ufunc")
    return sorted({*globals(), *_FOUND, *_OF_NUMPY, *_SUBMODULES, *ufuncs.__all__})


register_with_xarray()
