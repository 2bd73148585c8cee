"""Functions of blocks: names of ``dask.array.chunk``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._coarsen import coarsen_block

__all__ = ["coarsen"]


def coarsen(
    reduction: Callable[..., Any], x: Any, axes: dict[int, int], trim_excess: bool = False, **kwargs: Any
) -> Any:
    """Reduce groups of neighbouring items of an array of NumPy.

    Parameters
    ----------
    reduction : callable
        A function such as ``numpy.sum``.
    x : array
        The array.
    axes : dict
        The number of items of a group for axes.
    trim_excess : bool
        Whether items at the end that fill no group are left out. Otherwise they are an error.
    **kwargs
        Further arguments of the function.
    """
    if not trim_excess and any(x.shape[axis] % factor for axis, factor in axes.items()):
        raise ValueError(f"Coarsening factors {axes} do not align with array shape {x.shape}.")
    return coarsen_block(x, reduction, axes, kwargs)
