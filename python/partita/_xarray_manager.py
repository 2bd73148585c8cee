"""The chunk manager of xarray: which functions xarray calls for arrays of this package.

xarray imports this module when it looks for chunk managers, so that it must not ask xarray for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

from . import array as da
from ._xarray_hooks import install_hooks

__all__ = ["PartitaManager"]


class _Namespace:
    """The functions that xarray looks for in one module: those of :mod:`partita.array` and some of its submodules."""

    def __getattr__(self, name: str) -> Any:
        if name == "sliding_window_view":
            from .array.overlap import sliding_window_view

            return sliding_window_view
        if name in ("masked_invalid", "getmaskarray"):
            return getattr(da.ma, name)
        return getattr(da, name)


def _whole_if_empty(chunks: Any, shape: tuple[int, ...]) -> Any:
    """Return the chunks, or those of the whole array for automatic chunks of an array without items."""
    given = chunks.values() if isinstance(chunks, Mapping) else chunks if isinstance(chunks, tuple) else ()
    return shape if 0 in shape and any(isinstance(one, str) for one in given) else chunks


class PartitaManager(ChunkManagerEntrypoint[Any]):  # type: ignore[misc]
    """Arrays of :mod:`partita.array` as chunked arrays of xarray.

    xarray finds it by the name ``"partita"``: ``xarray.set_options(chunk_manager="partita")`` makes it the default,
    and ``chunked_array_type="partita"`` chooses it for one call.
    """

    available = True

    def __init__(self) -> None:
        self.array_cls = da.Array
        install_hooks()

    def chunks(self, data: Any) -> Any:
        """Return the sizes of the blocks along each axis."""
        return data.chunks

    def normalize_chunks(
        self,
        chunks: Any,
        shape: tuple[int, ...] | None = None,
        limit: int | None = None,
        dtype: Any = None,
        previous_chunks: Any = None,
    ) -> Any:
        """Return chunks as sizes along each axis."""
        return da.normalize_chunks(chunks, shape, limit=limit, dtype=dtype, previous_chunks=previous_chunks)

    def from_array(self, data: Any, chunks: Any, **kwargs: Any) -> Any:
        """Return data that can be sliced as a chunked array."""
        from xarray.core.indexing import ImplicitToExplicitIndexingAdapter

        if isinstance(data, ImplicitToExplicitIndexingAdapter):
            # What it reads from a file are arrays of NumPy.
            kwargs.setdefault("meta", np.empty((0,) * data.ndim, dtype=data.dtype))
        return da.from_array(data, _whole_if_empty(chunks, data.shape), **kwargs)

    def rechunk(self, data: Any, chunks: Any, **kwargs: Any) -> Any:
        """Return an array with other chunks."""
        return super().rechunk(data, _whole_if_empty(chunks, data.shape), **kwargs)

    def compute(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Compute chunked arrays together."""
        return da.compute(*data, **kwargs)

    def persist(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Compute chunked arrays together, and keep their blocks on the workers."""
        from .base import persist

        return persist(*data, **kwargs)

    @property
    def array_api(self) -> Any:
        """The functions of :mod:`partita.array`."""
        return _Namespace()

    def reduction(
        self,
        arr: Any,
        func: Callable[..., Any],
        combine_func: Callable[..., Any] | None = None,
        aggregate_func: Callable[..., Any] | None = None,
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
        keepdims: bool = False,
    ) -> Any:
        """Reduce an array with functions of its blocks."""
        return da.reduction(
            arr,
            chunk=func,
            combine=combine_func,
            aggregate=aggregate_func or combine_func or func,
            axis=axis,
            dtype=dtype,
            keepdims=keepdims,
        )

    def scan(
        self,
        func: Callable[..., Any],
        binop: Callable[..., Any],
        ident: float,
        arr: Any,
        axis: int | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Apply a cumulative function along an axis."""
        return da.cumreduction(func, binop, ident, arr, axis=axis, dtype=dtype, **kwargs)

    def apply_gufunc(
        self,
        func: Callable[..., Any],
        signature: str,
        *args: Any,
        axes: Any = None,
        keepdims: bool = False,
        output_dtypes: Any = None,
        vectorize: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Apply a function with core dimensions."""
        return da.apply_gufunc(
            func,
            signature,
            *args,
            axes=axes,
            keepdims=keepdims,
            output_dtypes=output_dtypes,
            vectorize=vectorize,
            **kwargs,
        )

    def map_blocks(
        self,
        func: Callable[..., Any],
        *args: Any,
        dtype: Any = None,
        chunks: Any = None,
        drop_axis: Any = None,
        new_axis: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Apply a function to each block."""
        return da.map_blocks(func, *args, dtype=dtype, chunks=chunks, drop_axis=drop_axis, new_axis=new_axis, **kwargs)

    def blockwise(self, func: Callable[..., Any], out_ind: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Apply a function to blocks that indices select."""
        return da.blockwise(func, out_ind, *args, **kwargs)

    def unify_chunks(self, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        """Return arrays with the same chunks along the same indices."""
        return da.unify_chunks(*args, **kwargs)

    def store(self, sources: Any, targets: Any, **kwargs: Any) -> Any:
        """Write arrays into variables of files."""
        return da.store(sources, targets, **kwargs)

    def shuffle(self, x: Any, indexer: list[list[int]], axis: int, chunks: Any) -> Any:
        """Bring the items of each group into one block."""
        if chunks not in (None, "auto"):
            raise NotImplementedError("shuffle() supports only chunks='auto'")
        return da.shuffle(x, indexer, axis, chunks="auto")

    def get_auto_chunk_size(self) -> int:
        """Return the bytes of automatic chunks."""
        from . import config
        from .utils import parse_bytes

        return parse_bytes(config.get("array.chunk-size", "128MiB"))
