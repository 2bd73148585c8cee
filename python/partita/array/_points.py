"""Indexing with several arrays, which are broadcast together: ``x[[0, 1], [2, 3]]`` has two items, as in NumPy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._core import Array
from ._expression import is_small

__all__ = ["check_caller", "computed_index", "is_array_part", "is_single_mask", "points", "with_single_mask"]


def check_caller() -> None:
    """Refuse an index of several arrays to xarray, which means the product of its arrays by it.

    It tries this with arrays of Dask, which refuse it, and then indexes one axis after the other.
    """
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("partita.array"):
        frame = frame.f_back
    if frame is not None and frame.f_globals.get("__name__", "").startswith("xarray."):
        raise NotImplementedError("Don't yet support nd fancy indexing for xarray: index one axis after the other")


def is_array_part(one: Any) -> bool:
    """Whether a part of an index is an array, lazy or not. Lazy integers are single positions."""
    return isinstance(one, np.ndarray) or (isinstance(one, Array) and (one.ndim > 0 or one.dtype == bool))


def is_single_mask(one: Any) -> bool:
    """Whether a part of an index is one truth value, which selects all or nothing."""
    return isinstance(one, (bool, np.bool_)) or (
        getattr(one, "ndim", None) == 0 and getattr(one, "dtype", None) == np.dtype(bool)
    )


def with_single_mask(x: Any, index: tuple[Any, ...]) -> Any:
    """Index with a truth value among slices: it is a new axis with one item or none."""
    from ._indexing import getitem

    place = next(at for at, one in enumerate(index) if is_single_mask(one))
    rest = [one for at, one in enumerate(index) if at != place]
    if not all(one is None or one is Ellipsis or isinstance(one, slice) for one in rest):
        raise NotImplementedError("an index with True or False and integers or arrays is not supported; index twice")
    mask = index[place]
    used = sum(one is not None and one is not Ellipsis for one in rest)
    axis = sum(x.ndim - used if one is Ellipsis else 1 for one in index[:place])
    found = getitem(x, (*index[:place], None, *index[place + 1 :]))
    chosen = mask.reshape((1,)) if isinstance(mask, Array) else slice(0, int(bool(mask)))
    return getitem(found, (slice(None),) * axis + (chosen,))


def computed_index(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an index in which small arrays of this package are computed, and masks are positions.

    Lazy arrays that are not small are refused, since the owners of all points are looked up in the client.
    """
    found: list[Any] = []
    for one in index:
        if isinstance(one, Array):
            if not is_small([one._node]):
                raise NotImplementedError(
                    "Don't yet support nd fancy indexing with lazy arrays; compute the arrays of the index first, or use "
                    "x.vindex for points"
                )
            one = one.compute()
        if isinstance(one, list):
            one = np.asarray(one)
        if isinstance(one, np.ndarray) and one.dtype == bool and one.ndim > 1:
            found.extend(one.nonzero())
        else:
            found.append(one)
    return tuple(found)


def points(x: Any, parts: list[Any]) -> Any:
    """Return the items at points of some axes, for slices of the others.

    Parameters
    ----------
    x : Array
        The array.
    parts : list
        A part for each axis: a slice, an integer or an array of positions; and None for new axes.
    """
    from ._indexing import getitem
    from ._vindex import _select

    advanced = [at for at, one in enumerate(parts) if isinstance(one, (int, np.ndarray))]
    axes = [at for at, one in enumerate(parts) if one is not None]
    chosen = {axes.index(at): np.asarray(parts[at]) for at in advanced}
    slices = tuple([slice(None) if at in advanced else parts[at] for at in axes])
    try:
        count = len(np.broadcast_shapes(*[one.shape for one in chosen.values()]))
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing arrays could not be broadcast together with shapes "
            + " ".join(str(one.shape) for one in chosen.values())
        ) from None
    found = _select(_sliced(x, slices), chosen)
    # The axes of the points come first. In NumPy they take the place of the arrays, if these are next to each other.
    first = advanced[0]
    if advanced[-1] - first + 1 != len(advanced):
        first = 0
    others = [one for at, one in enumerate(parts) if at not in advanced]
    before = sum(one is not None for one in others[:first])
    order = [*range(count, count + before), *range(count), *range(count + before, found.ndim)]
    found = found.transpose(order) if found.ndim else found
    index: list[Any] = [None if one is None else slice(None) for one in others]
    index[first:first] = [slice(None)] * count
    return getitem(found, tuple(index)) if None in index else found


def _sliced(x: Any, slices: tuple[Any, ...]) -> Any:
    from ._indexing import _basic

    return _basic(x, [slice(0, size, 1) if one == slice(None) else one for one, size in zip(slices, x.shape)])
