"""Zarr: reading and writing stores of format 2 and 3. This requires the package ``zarr``."""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

from .._tokens import tokenize
from ._chunks import UNKNOWN_REMEDY, PerformanceWarning, is_unknown, normalize_chunks

__all__ = ["from_zarr", "to_zarr"]


def _import_zarr() -> Any:
    from ..utils import import_required

    return import_required("zarr", "from_zarr() and to_zarr() need the package zarr: install it with pip install zarr")


def _is_version_3(zarr: Any) -> bool:
    return int(zarr.__version__.partition(".")[0]) >= 3


def _store_of(zarr: Any, url: Any, storage_options: Any, mode: str) -> Any:
    if storage_options is None:
        return url
    if _is_version_3(zarr):
        return zarr.storage.FsspecStore.from_url(url, read_only=mode == "r", storage_options=storage_options)
    return zarr.storage.FSStore(url, **storage_options)


def from_zarr(
    url: Any,
    component: Any = None,
    storage_options: Any = None,
    chunks: Any = None,
    name: str | None = None,
    inline_array: bool = False,
    **kwargs: Any,
) -> Any:
    """Return an array of a zarr store.

    Parameters
    ----------
    url : str, zarr.Array or store
        Where it is.
    component : str, optional
        Path of the array in a group.
    storage_options : dict, optional
        Options of the file system of an URL.
    chunks : tuple, optional
        The chunks; by default those of the store.
    name : str, optional
        Name of the array.
    inline_array : bool
        Accepted for compatibility with Dask; no effect.
    **kwargs
        Arguments of ``zarr.open_array``.
    """
    from ._from_array import HashedName, from_array

    zarr = _import_zarr()
    if isinstance(url, zarr.Array):
        source = url
    else:
        mode = kwargs.pop("mode", "r")
        url = os.fspath(url) if isinstance(url, os.PathLike) else url
        if isinstance(url, str):
            url = _store_of(zarr, url, storage_options or None, mode)
        source = zarr.open_array(store=url, path=component, mode=mode, **kwargs)
    found = source.chunks if chunks is None else chunks
    if name is None:
        name = HashedName(f"from-zarr-{tokenize(source, component, storage_options, found, kwargs)}")
    return from_array(source, found, name=name, inline_array=inline_array)


def _write_chunks(target: Any) -> Any:
    shards = getattr(target, "shards", None)
    return shards if shards is not None else target.chunks


def _is_regular(chunks: Any) -> bool:
    """Whether all chunks but the last ones, which may be smaller, are equally large."""
    return all(len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0] for sizes in chunks)


def to_zarr(
    arr: Any,
    url: Any,
    component: Any = None,
    storage_options: Any = None,
    region: Any = None,
    compute: bool = True,
    return_stored: bool = False,
    mode: str = "a",
    **zarr_array_kwargs: Any,
) -> Any:
    """Write an array into a zarr store.

    Parameters
    ----------
    arr : Array
        The array.
    url : str, zarr.Array or store
        Where it is written.
    component : str, optional
        Path of the array in a group.
    storage_options : dict, optional
        Options of the file system of an URL.
    region : tuple of slices, optional
        The part of an existing ``zarr.Array`` that is written.
    compute, return_stored
        As in :func:`store`.
    mode : str
        ``"w"`` replaces an existing array.
    **zarr_array_kwargs
        Arguments of ``zarr.create_array``, such as ``compressors`` and ``shards``.
    """
    zarr = _import_zarr()
    if is_unknown(arr.shape):
        raise ValueError(
            f"Saving a dask array with unknown chunk sizes is not currently supported by Zarr. {UNKNOWN_REMEDY}"
        )
    if component is not None and "name" in zarr_array_kwargs:
        raise ValueError(
            "Cannot specify both 'component' and 'name' in zarr_array_kwargs. Please use 'name' in zarr_array_kwargs"
        )
    zarr_array_kwargs.pop("read_only", None)
    if isinstance(url, zarr.Array):
        return _write_existing(zarr, arr, url, region, compute, return_stored)
    if not _is_regular(arr.chunks):
        warnings.warn(
            "The array uses irregular chunk sizes. Rechunking to regular (uniform) chunks to ensure the data can be written "
            "safely. If you want to avoid this automatic rechunking, manually rechunk the array so that all chunks, except "
            "possibly the final chunk, in each dimension have the same size (e.g., arr = arr.rechunk(...)).",
            UserWarning,
            stacklevel=2,
        )
        arr = arr.rechunk(tuple([max(sizes) for sizes in arr.chunks]))
    if region is not None:
        raise ValueError("Cannot use `region` keyword when url is not a `zarr.Array`.")
    if mode == "r":
        raise ValueError("Cannot use mode `r` (read-only) when writing to zarr.")
    url = os.fspath(url) if isinstance(url, os.PathLike) else url
    target = _store_of(zarr, url, storage_options or None, mode) if isinstance(url, str) else url
    given = {
        "shape": arr.shape,
        "chunks": tuple([max(sizes[0], 1) for sizes in arr.chunks]),
        "dtype": arr.dtype,
        **zarr_array_kwargs,
    }
    name = component or given.pop("name", None)
    if mode == "w":
        given["overwrite"] = True
    if _is_version_3(zarr):
        if name:
            given["name"] = name
        made = zarr.create_array(store=target, **given)
    else:
        made = zarr.create(store=target, path=name, **given)
    if tuple(_write_chunks(made)) != tuple([max(sizes[0], 1) for sizes in arr.chunks]) and arr.ndim:
        # Two tasks must not write into one file.
        arr = arr.rechunk(normalize_chunks(tuple(_write_chunks(made)), arr.shape, dtype=arr.dtype))
    return arr.store(made, lock=mode == "w", compute=compute, return_stored=return_stored)


def _write_existing(zarr: Any, arr: Any, target: Any, region: Any, compute: bool, return_stored: bool) -> Any:
    from ._indexing import normalize_index, slice_axis

    whole = _write_chunks(target)
    chunks = normalize_chunks("auto", target.shape, dtype=target.dtype, previous_chunks=whole)
    for axis, (sizes, one) in enumerate(zip(chunks, whole)):
        if sizes[0] % one and len(sizes) > 1:
            safe = math.prod(whole) * max(1, target.dtype.itemsize)
            warnings.warn(
                f"The input Dask array will be rechunked along axis {axis} with chunk size {sizes[0]}, but a chunk size "
                f"divisible by {one} is required for Dask to write safely to the Zarr array {target}. To avoid risk of data "
                'loss when writing to this Zarr array, set the "array.chunk-size" configuration parameter to at least the '
                f"size in bytes of a single on-disk chunk (or shard) of the Zarr array, which in this case is {safe} bytes. "
                f'E.g., dask.config.set({{"array.chunk-size": {safe}}})',
                PerformanceWarning,
                stacklevel=3,
            )
            break
    regions = None
    if region is not None:
        parts = normalize_index(region if isinstance(region, tuple) else (region,), target.shape)
        chunks = tuple([slice_axis(sizes, part)[0] for sizes, part in zip(chunks, parts)])
        regions = [tuple(parts)]
    arr = arr.rechunk(chunks)
    return arr.store(target, lock=False, regions=regions, compute=compute, return_stored=return_stored)
