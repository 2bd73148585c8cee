"""Histograms: those of all blocks are added."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .._collection import is_collection, unpack
from ..delayed import Delayed
from ._axis_maps import At, Axis, Read
from ._core import Array, array_of
from ._elementwise import as_array
from ._expression import Node

__all__ = ["histogram", "histogram2d", "histogramdd"]


def histogram_block(block: Any, *args: Any, weighted: bool, bins: Any, range: Any) -> Any:
    """Return the histogram of a block.

    Parameters
    ----------
    block : array
        The block.
    *args
        A block of weights, if `weighted`, then bins and range if other tasks compute them.
    """
    rest = list(args)
    weights = rest.pop(0) if weighted else None
    if rest:
        bins, range = rest[0]
    return np.histogram(block, bins, range=range, weights=weights)[0][None]


def edges_block(value: Any) -> Any:
    """Return the edges of bins."""
    bins, limits = value
    return np.linspace(limits[0], limits[1], num=int(bins) + 1)


def histogram(
    a: Any, bins: Any = None, range: Any = None, normed: Any = False, weights: Any = None, density: Any = None
) -> Any:
    """Return how many items are in each bin, as ``numpy.histogram``.

    Parameters
    ----------
    a : array
        The array.
    bins : int or array
        The number of bins, which needs `range`, or their edges.
    range : pair of numbers, optional
        The lowest and the highest edge.
    weights : array, optional
        What each item counts, with the chunks of the array.
    density : bool, optional
        Whether to divide by the number of items and the width of the bins.

    Returns
    -------
    hist : Array
        The values.
    edges : array
        The edges of the bins.
    """
    if isinstance(bins, Array):
        is_number = bins.ndim == 0
    elif isinstance(bins, Delayed):
        is_number = bins._length is None or bins._length == 1
    else:
        is_number = np.ndim(bins) == 0
    if bins is None or (is_number and range is None):
        raise ValueError(
            "dask.array.histogram requires either specifying bins as an iterable or specifying both a range and the number "
            "of bins"
        )
    a = as_array(a)
    if weights is not None:
        weights = as_array(weights)
        if weights.chunks != a.chunks:
            raise ValueError("Input array and weights must have the same chunked structure")
    if normed is not False:
        raise ValueError(
            "The normed= keyword argument has been deprecated. Please use density instead. See the numpy.histogram docstring "
            "for more information."
        )
    is_lazy = isinstance(bins, (Array, Delayed))
    if density and is_number and is_lazy:
        raise NotImplementedError(
            "When `density` is True, `bins` cannot be a scalar Dask object. It must be a concrete number or a "
            "(possibly-delayed) array/sequence of bin edges."
        )
    if is_collection(bins) and not is_lazy:
        raise TypeError(
            f"Dask types besides Array and Delayed are not supported for `histogram`. For argument `bins`, got: {bins!r}"
        )
    _check_range(range)
    both = unpack([bins, range])
    lazy = is_lazy or is_collection(range) or _has_tasks(range)
    edges = _edges(bins, range, is_number, lazy, both)
    reads = [Read(a._node, [Axis(at) for at in builtins.range(a.ndim)])]
    values: tuple[Any, ...] = ()
    if a.ndim != 1:
        flat = a.reshape((-1,))
        reads = [Read(flat._node, [Axis(0)])]
        weights = None if weights is None else weights.reshape((-1,))
        a = flat
    if weights is not None:
        reads.append(Read(weights._node, [Axis(0)]))
    if lazy:
        values = (both,)
    dtype = np.histogram([])[0].dtype if weights is None else weights.dtype
    count = edges.shape[0] - 1
    params = {
        "weighted": weights is not None,
        "bins": None if lazy else (int(bins) if is_number else np.asarray(bins)),
        "range": None if lazy or range is None else tuple(range),
    }
    node = Node(
        "histogram",
        ((1,) * a.numblocks[0], (count,)),
        np.empty((0, 0), dtype=dtype),
        histogram_block,
        reads,
        values=values,
        params=params,
        user=isinstance(bins, Delayed),
    )
    found = array_of(node).sum(axis=0)
    if density:
        width = as_array(np.diff(edges) if isinstance(edges, np.ndarray) else edges[1:] - edges[:-1]).astype(float)
        return found / width / found.sum(), edges
    return found, edges


def _has_tasks(range: Any) -> bool:
    return isinstance(range, (list, tuple)) and builtins.any(is_collection(one) for one in range)


def _check_range(limits: Any) -> None:
    if limits is None:
        return
    try:
        if len(limits) != 2:
            raise ValueError(f"range must be a sequence or array of length 2, but got {len(limits)} items")
        if isinstance(limits, (Array, np.ndarray)) and limits.shape != (2,):
            raise ValueError(
                f"range must be a 1-dimensional array of two items, but got an array of shape {limits.shape}"
            )
    except TypeError:
        raise TypeError(f"Expected a sequence or array for range, not {limits}") from None


def _edges(bins: Any, limits: Any, is_number: bool, lazy: bool, both: Any) -> Any:
    if is_number:
        if not lazy:
            return np.linspace(limits[0], limits[1], num=int(bins) + 1)
        size = (np.nan,) if is_collection(bins) else (int(bins) + 1,)
        user = isinstance(bins, Delayed)
        return array_of(Node("linspace", (size,), np.empty((0,)), edges_block, values=(both,), user=user))
    found = bins if isinstance(bins, (Array, np.ndarray)) else None
    if found is None and isinstance(bins, Delayed):
        from ._delayed import from_delayed

        length = np.nan if bins._length is None else bins._length
        return from_delayed(bins, (length,), dtype=float)
    if found is None:
        # As in Dask: edges that are given as a list are an array of this package.
        found = as_array(np.asarray(bins))
    if found.ndim != 1:
        raise ValueError(f"bins must be a 1-dimensional array or sequence, got shape {found.shape}")
    return found


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, normed: Any = None, weights: Any = None, density: Any = None
) -> Any:
    """Return how many points are in each bin of a plane, as ``numpy.histogram2d``."""
    counts, edges = histogramdd((x, y), bins=bins, range=range, normed=normed, weights=weights, density=density)
    return counts, edges[0], edges[1]


def histogramdd_block(*blocks: Any, is_table: bool, weighted: bool, bins: Any, range: Any) -> Any:
    """Return the histogram of a block of points."""
    rest = list(blocks)
    weights = rest.pop() if weighted else None
    sample = rest[0] if is_table else rest
    return np.histogramdd(sample, bins, range=range, weights=weights)[0][None]


def histogramdd(
    sample: Any, bins: Any, range: Any = None, normed: Any = None, weights: Any = None, density: Any = None
) -> Any:
    """Return how many points are in each bin of a space, as ``numpy.histogramdd``.

    Parameters
    ----------
    sample : array or sequence of array
        A point in each row, or an array for each coordinate.
    bins : int or sequence
        The number of bins along each axis, which needs `range`, or their edges.
    range : sequence of pairs, optional
        The lowest and the highest edge along each axis.
    weights : array, optional
        What each point counts.
    density : bool, optional
        Whether to divide by the number of points and the volume of the bins.
    """
    if normed is not None:
        if density is not None:
            raise TypeError("Cannot specify both 'normed' and 'density'")
        density = normed
    if is_collection(bins) or (isinstance(bins, (list, tuple)) and builtins.any(is_collection(one) for one in bins)):
        raise NotImplementedError("Passing dask collections to bins=... or range=... is not supported.")
    if range is not None and builtins.any(is_collection(one) for one in range):
        raise NotImplementedError("Passing dask collections to bins=... or range=... is not supported.")
    is_table = hasattr(sample, "shape")
    if is_table:
        sample = as_array(sample)
        if sample.ndim != 2:
            raise ValueError("Single array input to histogramdd should be columnar")
        if sample.shape[1:] != sample.chunksize[1:]:
            raise ValueError("Input array can only be chunked along the 0th axis.")
        arrays, count = [sample], int(sample.shape[1])
    elif isinstance(sample, (tuple, list)):
        arrays = [as_array(one) for one in sample]
        count = len(arrays)
        if builtins.any(one.chunks != arrays[0].chunks for one in arrays):
            raise ValueError("All coordinate arrays must be chunked identically.")
    else:
        raise ValueError("Incompatible sample. Must be a 2D array or a sequence of 1D arrays.")
    if weights is not None:
        weights = as_array(weights)
        if weights.chunks[0] != arrays[0].chunks[0]:
            shown = " along the first dimension" if is_table else ""
            raise ValueError(
                f"Input array{'' if is_table else 's'} and weights must have the same shape and chunk structure{shown}."
            )
    if isinstance(bins, (list, tuple)) and len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample.")
    if range is not None:
        if len(range) != count:
            raise ValueError("range argument requires one entry, a min max pair, per dimension.")
        if not builtins.all(len(one) == 2 for one in range):
            raise ValueError("range argument should be a sequence of pairs")
    if isinstance(bins, (int, np.integer)):
        bins = (int(bins),) * count
    if builtins.all(isinstance(one, (int, np.integer)) for one in bins):
        if range is None:
            raise ValueError("histogramdd() with a number of bins requires range=")
        edges = [np.linspace(low, high, number + 1) for number, (low, high) in zip(bins, range)]
    else:
        edges = [np.asarray(one) for one in bins]
    reads = [Read(one._node, [Axis(0), At(0)] if is_table else [Axis(0)]) for one in arrays]
    if weights is not None:
        reads.append(Read(weights._node, [Axis(0)]))
    dtype = np.histogramdd([])[0].dtype if weights is None else weights.dtype
    chunks = ((1,) * arrays[0].numblocks[0], *[(len(one) - 1,) for one in edges])
    params = {"is_table": is_table, "weighted": weights is not None, "bins": edges, "range": range}
    node = Node(
        "histogramdd", chunks, np.empty((0,) * len(chunks), dtype=dtype), histogramdd_block, reads, params=params
    )
    found = array_of(node).sum(axis=0)
    if density:
        widths = np.ix_(*[np.diff(one) for one in edges])
        volume: Any = 1.0
        for one in widths:
            volume = volume * one
        found = found / as_array(np.asarray(volume)) / found.sum()
    return found, [as_array(one) for one in edges]
