"""Unique values, membership, and places in sorted arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._axis_maps import All, At, Axis, Read
from ._core import Array, array_of, check_known
from ._elementwise import as_array, elemwise
from ._expression import Node
from ._tree import Call, tree
from ._unknown import known_if_small

__all__ = [
    "bincount",
    "digitize",
    "isin",
    "searchsorted",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAllResult(NamedTuple):
    """Unique values, the positions of the first ones, the place of each item among the values, and counts."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """Unique values, and how often each occurs."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """Unique values, and the place of each item among them."""

    values: Any
    inverse_indices: Any


def unique_chunk(block: Any, begin: int, wanted: tuple[str, ...], equal_nan: bool) -> Any:
    """Return the unique values of a block, with the positions and numbers that are wanted."""
    block = np.asarray(block)
    found = getattr(np, "unique")(
        block, return_index="at" in wanted, return_counts="counts" in wanted, equal_nan=equal_nan
    )
    parts = dict(zip(("values", *wanted), found if isinstance(found, tuple) else (found,)))
    if "at" in wanted:
        parts["at"] = parts["at"] + begin
    return parts


def unique_combine(parts: Any, equal_nan: bool) -> Any:
    """Return the unique values of several blocks."""
    values, first, inverse = np.unique(parts["values"], return_index=True, return_inverse=True, equal_nan=equal_nan)
    found = {"values": values}
    if "at" in parts:
        # Blocks are in their order, so that the first position is the least one.
        found["at"] = parts["at"][first]
    if "counts" in parts:
        counts = np.zeros(len(values), dtype=np.intp)
        np.add.at(counts, inverse.reshape(-1), parts["counts"])
        found["counts"] = counts
    return found


def item_block(parts: Any, name: str) -> Any:
    """Return one of several results."""
    return parts[name]


def inverse_block(block: Any, values: Any) -> Any:
    """Return the place of each item in sorted unique values."""
    found = np.searchsorted(values, block)
    if values.dtype.kind in "fc" and len(values) and np.isnan(values[-1]):
        found = np.where(np.isnan(block), len(values) - 1, found)
    return found


def inverse_with_nans(block: Any, values: Any, ranks: Any) -> Any:
    """Return the place of each item in sorted values, of which each NaN is one, in the order of the items."""
    found = np.searchsorted(values, block)
    missing = np.isnan(block)
    return np.where(missing, len(values) - np.isnan(values).sum() + ranks - 1, found)


def inverse_of_all(block: Any) -> Any:
    """Return the place of each item among the unique values of a whole array, of which each NaN is one."""
    # With the positions NumPy sorts such that NaNs keep their order.
    return np.unique(block, return_index=True, return_inverse=True, equal_nan=False)[2].reshape(block.shape)


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """Return the sorted unique values of an array, as ``numpy.unique``. Their number is unknown.

    Parameters
    ----------
    ar : array
        The array.
    return_index : bool
        Whether to return the positions of the first items of each value.
    return_inverse : bool
        Whether to return the place of the value of each item.
    return_counts : bool
        Whether to return how often each value occurs.
    """
    found = _unique(ar, return_inverse, index=return_index, counts=return_counts, equal_nan=True)
    return found[0] if len(found) == 1 else tuple(found)


def _unique(ar: Any, inverse: bool, index: bool = False, counts: bool = False, equal_nan: bool = False) -> list[Any]:
    """Return unique values, and what is wanted of positions, places and counts."""
    ar = as_array(ar)
    flat = ar.ravel()
    return_index, return_inverse, return_counts = index, inverse, counts
    wanted = (*(["at"] if return_index else []), *(["counts"] if return_counts else []))
    begins: Any = [0] * flat.numblocks[0]
    if return_index:
        check_known(flat, "unique() with return_index=True")
        begins = [int(one) for one in np.cumsum([0, *flat.chunks[0][:-1]])]
    unknown = ((np.nan,) * flat.numblocks[0],)
    partial = array_of(
        Node(
            "unique-chunk",
            unknown,
            np.empty((0,), dtype=ar.dtype),
            unique_chunk,
            [Read(flat._node, [Axis(0)])],
            tables=[(0, begins)],
            params={"wanted": wanted, "equal_nan": equal_nan},
        )
    )
    meta = np.empty((0,), dtype=ar.dtype)
    combine = Call(unique_combine, {"equal_nan": equal_nan})
    whole = tree(partial, combine, combine, (0,), True, None, "unique", True, meta, np.nan)
    dtypes = {"values": ar.dtype, "at": np.dtype(np.intp), "counts": np.dtype(np.intp)}

    def item(name: str) -> Any:
        read = [Read(whole._node, [Axis(0)])]
        return array_of(
            Node("unique", ((np.nan,),), np.empty((0,), dtype=dtypes[name]), item_block, read, params={"name": name})
        )

    values = item("values")
    found = [values]
    if return_index:
        found.append(item("at"))
    if return_inverse:
        found.append(_inverse(ar, values, equal_nan))
    if return_counts:
        found.append(item("counts"))
    return found


def _inverse(ar: Any, values: Any, equal_nan: bool) -> Any:
    """Return the place of each item among unique values."""
    meta = np.empty((0,) * ar.ndim, dtype=np.intp)
    if equal_nan or ar.dtype.kind not in "fc":
        reads = [Read(ar._node, [Axis(axis) for axis in range(ar.ndim)]), Read(values._node, [At(0)])]
        return array_of(Node("unique-inverse", ar.chunks, meta, inverse_block, reads))
    if ar.dtype.kind == "c":
        # NaNs of complex numbers have several orders: all items are needed at once.
        one = ar.rechunk(-1)
        reads = [Read(one._node, [At(0)] * ar.ndim)]
        return array_of(Node("unique-inverse", one.chunks, meta, inverse_of_all, reads))
    from .reductions import cumsum
    from .ufunc import isnan  # type: ignore[attr-defined]

    flat = ar.ravel()
    ranks = cumsum(isnan(flat), axis=0, dtype=np.intp)
    reads = [Read(flat._node, [Axis(0)]), Read(values._node, [At(0)]), Read(ranks._node, [Axis(0)])]
    found = array_of(Node("unique-inverse", flat.chunks, np.empty((0,), np.intp), inverse_with_nans, reads))
    return found.reshape(ar.shape)


def unique_values(x: Any, /) -> Any:
    """Return the sorted unique values, each NaN as its own, as ``numpy.unique_values``.

    Their number is known if the data are small and in the client; otherwise ``compute_chunk_sizes()`` computes it.
    """
    return known_if_small(_unique(x, False)[0])


def unique_counts(x: Any, /) -> Any:
    """Return the unique values as :func:`unique_values`, and how often each occurs."""
    values, counts = _unique(x, False, counts=True)
    return UniqueCountsResult(*known_if_small(values, counts))


def unique_inverse(x: Any, /) -> Any:
    """Return the unique values as :func:`unique_values`, and the place of each item among them."""
    values, inverse = _unique(x, True)
    return UniqueInverseResult(known_if_small(values), inverse)


def unique_all(x: Any, /) -> Any:
    """Return the unique values as :func:`unique_values`, the first position of each, the place of each item, and counts."""
    values, at, inverse, counts = _unique(x, True, index=True, counts=True)
    values, at, counts = known_if_small(values, at, counts)
    return UniqueAllResult(values, at, inverse, counts)


def union1d(ar1: Any, ar2: Any) -> Any:
    """Return the sorted unique values of two arrays, as ``numpy.union1d``."""
    from ._joining import concatenate

    return unique(concatenate((as_array(ar1).ravel(), as_array(ar2).ravel())))


def isin_block(block: Any, test: Any, assume_unique: bool, invert: bool) -> Any:
    """Return which items are in another array."""
    return np.isin(block, test, assume_unique=assume_unique, invert=invert)


def isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return which items of an array are in another one, as ``numpy.isin``."""
    element, test = as_array(element), as_array(test_elements)
    reads = [
        Read(element._node, [Axis(axis) for axis in range(element.ndim)]),
        Read(test._node, [All() for _ in range(test.ndim)] if test.npartitions > 1 else [At(0)] * test.ndim, join=True),
    ]
    # Items of the other array that occur twice are possible after the chunks are joined.
    params = {"assume_unique": bool(assume_unique) and element.npartitions == 1, "invert": bool(invert)}
    meta = np.empty((0,) * element.ndim, dtype=bool)
    return array_of(Node("isin", element.chunks, meta, isin_block, reads, params=params))


def searchsorted_count(part: Any, values: Any, side: str) -> Any:
    """Return how many items of a part of a sorted array precede values."""
    return np.searchsorted(part, values, side=side)[None]  # type: ignore[call-overload]


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where values belong in a sorted array, as ``numpy.searchsorted``.

    Parameters
    ----------
    a : array
        The sorted array, with one axis.
    v : array
        The values.
    side : str
        ``"left"`` or ``"right"`` of equal items.
    sorter : array of int, optional
        Positions that sort `a`, as of :func:`argsort`.
    """
    a, v = as_array(a), as_array(v)
    if a.ndim != 1:
        raise ValueError("Input array a must be one dimensional")
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', not {side!r}")
    if sorter is not None:
        sorter = sorter if isinstance(sorter, Array) else np.asarray(sorter)
        if sorter.shape != a.shape:
            raise ValueError(f"searchsorted() needs a sorter for each item: {sorter.shape} and {a.shape}")
        a = a[sorter]
    # The place in the array is the sum of the places in its blocks.
    chunks = ((1,) * a.numblocks[0], *v.chunks)
    meta = np.empty((0,) * (v.ndim + 1), dtype=np.intp)
    reads = [Read(a._node, [Axis(0)]), Read(v._node, [Axis(axis + 1) for axis in range(v.ndim)])]
    counts = array_of(Node("searchsorted", chunks, meta, searchsorted_count, reads, params={"side": side}))
    return counts.sum(axis=0)


def digitize(a: Any, bins: Any, right: bool = False) -> Any:
    """Return the bins to which items belong, as ``numpy.digitize``."""
    if isinstance(bins, Array):
        bins = bins.compute()
    bins = np.asarray(bins)
    if bins.ndim != 1:
        raise ValueError("object of too small depth for desired array: bins must have one dimension")
    return elemwise(Call(np.digitize, {"bins": bins, "right": bool(right)}), as_array(a))


def bincount_block(block: Any, *weights: Any, minlength: int) -> Any:
    """Return how often each integer occurs in a block."""
    return getattr(np, "bincount")(block, *weights, minlength=minlength)


def bincount_combine(parts: list[Any]) -> Any:
    """Add counts of different lengths."""
    size = max(len(one) for one in parts)
    found = np.zeros(size, dtype=parts[0].dtype)
    for one in parts:
        found[: len(one)] += one
    return found


def bincount(x: Any, weights: Any = None, minlength: int = 0, split_every: Any = None) -> Any:
    """Return how often each integer occurs, as ``numpy.bincount``.

    Parameters
    ----------
    x : array
        Integers, with one axis.
    weights : array, optional
        What each item counts.
    minlength : int
        Minimum length of the result. If it is too small, the length of the result is unknown.
    split_every : int, optional
        How many blocks a task combines.
    """
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError("Input array must be one dimensional. Try using x.ravel()")
    if x.dtype.kind not in "iub":
        raise TypeError(f"Cannot cast array data from {x.dtype!r} to dtype('int64') according to the rule 'safe'")
    reads = [Read(x._node, [Axis(0)])]
    if weights is not None:
        weights = as_array(weights)
        if weights.chunks != x.chunks:
            raise ValueError("Chunks of input array x and weights must match.")
        reads.append(Read(weights._node, [Axis(0)]))
    meta = np.empty((0,), dtype=np.intp if weights is None else np.float64)
    size: Any = np.nan
    chunks = ((size,) * x.numblocks[0],)
    partial = array_of(
        Node("bincount-chunk", chunks, meta, bincount_block, reads, params={"minlength": int(minlength)})
    )
    found = tree(partial, bincount_combine, bincount_combine, (0,), True, split_every, "bincount", False, meta, size)
    if minlength:
        from ._unknown import with_chunks

        # As in Dask: the minimum length is taken to be the length.
        return with_chunks(found, ((int(minlength),),))
    return found
