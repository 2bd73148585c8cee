"""Assignment to items: ``x[index] = value`` makes a new expression, of which untouched blocks are those of the array."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .._collection import is_collection
from ._axis_maps import At, Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, starts
from ._core import Array, array_of, make_meta
from ._expression import Node
from ._indexing import normalize_index, slice_axis
from ._points import is_single_mask

__all__ = ["setitem"]


def setitem(x: Any, key: Any, value: Any) -> None:
    """Assign to items of an array in place."""
    if isinstance(key, str) and x.dtype.names is not None:
        x._become(_with_field(x, key, value))
        return
    index = key if isinstance(key, tuple) else (key,)
    if any(map(is_single_mask, index)):
        _set_where(x, index, value)
        return
    if value is np.ma.masked:
        value = getattr(np.ma, "masked_all")((), dtype=x.dtype)
    if not is_collection(value) and x.dtype.kind in "iu":
        known = np.asarray(value)
        if known.dtype.kind in "fc":
            if np.isnan(known).any():
                raise ValueError("cannot convert float NaN to integer")
            if np.isinf(known).any():
                raise ValueError("cannot convert float infinity to integer")
        elif known.dtype.kind in "iu" and not isinstance(value, np.ndarray):
            # Single numbers do not wrap around, as items of arrays do: an OverflowError.
            value = np.asarray(value.item() if isinstance(value, np.generic) else value, dtype=x.dtype)
    from ._from_array import asanyarray

    value = asanyarray(value)
    value = value.astype(x.dtype)
    if isinstance(key, Array) and (key.dtype.kind in "iu" or (key.dtype == bool and key.ndim == 1 and x.ndim > 1)):
        key = (key,)
    if isinstance(key, (np.ndarray, list)) and np.asarray(key).dtype == bool and np.ndim(key) == x.ndim and x.ndim > 1:
        key = asanyarray(np.asarray(key))
    if (
        isinstance(key, tuple)
        and len(key) == 1
        and isinstance(key[0], Array)
        and key[0].dtype == bool
        and key[0].ndim == x.ndim > 1
    ):
        key = key[0]
    if isinstance(key, Array):
        x._become(_where(x, key, value))
        return
    if is_unknown(x.shape):
        raise ValueError(f"Arrays chunk sizes are unknown: cannot assign to items; {UNKNOWN_REMEDY}")
    x._become(_assign(x, key, value))


def _set_where(x: Any, index: tuple[Any, ...], value: Any) -> None:
    """Assign to an index with truth values, each of which selects all or nothing."""
    from .routines import where

    masks = [at for at, one in enumerate(index) if is_single_mask(one)]
    others = [one is None or one is Ellipsis or isinstance(one, slice) for one in index]
    if np.ndim(value) and (others != sorted(others) or _has_array(index[: masks[-1]])):
        # The axis of the truth value would be in the midst of those of the value, or change their order.
        raise NotImplementedError(
            "assignment of an array to an index with True or False is supported if it comes first, and slices last"
        )
    found = x.copy()
    setitem(found, tuple([one for at, one in enumerate(index) if at not in masks]) or (Ellipsis,), value)
    lazy = [index[at] for at in masks if isinstance(index[at], Array)]
    if not all(bool(index[at]) for at in masks if not isinstance(index[at], Array)):
        return
    for mask in lazy:
        found = where(mask, found, x)
    x._become(found)


def _has_array(index: tuple[Any, ...]) -> bool:
    return any(not is_single_mask(one) and not isinstance(one, Integral) for one in index)


def field_block(block: Any, value: Any, field: str) -> Any:
    """Return a block with the values of a field."""
    found = np.array(block, subok=True, copy=True)
    found[field] = value
    return found


def _with_field(x: Any, field: str, value: Any) -> Any:
    from ._from_array import asanyarray
    from ._map_blocks import map_blocks
    from ._shape import broadcast_to

    if field not in x.dtype.names:
        raise ValueError(f"no field of name {field}")
    if x.dtype[field].shape:
        raise NotImplementedError("assignment to a field whose items are arrays is not supported")
    value = broadcast_to(asanyarray(value), x.shape).rechunk(x.chunks)
    return map_blocks(field_block, x, value, field=field, dtype=x.dtype, meta=x._meta)


def _where(x: Any, mask: Any, value: Any) -> Any:
    from ._shape import broadcast_to
    from .routines import where

    if len(mask.shape) != x.ndim or any(
        one != size and not (isinstance(one, float) or isinstance(size, float))
        for one, size in zip(mask.shape, x.shape)
    ):
        raise IndexError(f"boolean index shape {mask.shape} must match indexed array's {x.shape}.")
    if value.ndim:
        value = broadcast_to(value, x[mask].shape)
    return where(mask, value, x).astype(x.dtype)


def _parts(x: Any, key: Any) -> list[Any]:
    key = key if isinstance(key, tuple) else (key,)
    if any(one is None for one in key):
        raise NotImplementedError("assignment to an index with None is not supported; assign without it")
    eager = []
    for one in key:
        if not isinstance(one, (slice, type(Ellipsis))) and np.ndim(one) > 1 and not isinstance(one, Array):
            raise IndexError(f"cannot assign to an axis indexed with an array of {np.ndim(one)} dimensions")
        if isinstance(one, Array):
            if one.ndim > 1:
                raise NotImplementedError("assignment to an index with an array of several dimensions is not supported")
            # Which blocks are touched must be known.
            one = one.compute()
            one = one.item() if getattr(one, "ndim", 1) == 0 else one
        eager.append(one)
    parts = normalize_index(tuple(eager), x.shape)
    if any(isinstance(one, Array) for one in parts) or sum(isinstance(one, np.ndarray) for one in parts) > 1:
        raise NotImplementedError(
            "assignment is supported for at most one array in an index; use a mask of the shape of the array"
        )
    return parts


def _assign(x: Any, key: Any, value: Any) -> Any:
    parts = _parts(x, key)
    lengths = [
        None
        if isinstance(one, int)
        else len(one)
        if isinstance(one, np.ndarray)
        else len(range(*one.indices(x.shape[axis])))
        if one.step > 0
        else len(range(one.start, one.stop, one.step))
        for axis, one in enumerate(parts)
    ]
    shape = [length for length in lengths if length is not None]
    kept = [axis for axis, length in enumerate(lengths) if length is not None]
    value = _fitted(value, shape, parts, kept)
    if 0 in shape:
        return x
    tables = []
    for axis, (one, sizes) in enumerate(zip(parts, x.chunks)):
        is_scalar = axis not in kept or value.shape[value.ndim - len(kept) + kept.index(axis)] == 1
        tables.append((axis, _entries(one, sizes, is_scalar)))
    value = value.rechunk(tuple([(size,) for size in value.shape])) if value.ndim else value
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)]), Read(value._node, [At(0)] * value.ndim)]
    meta = x._meta
    if isinstance(value._meta, np.ma.MaskedArray) and not isinstance(meta, np.ma.MaskedArray):
        meta = make_meta(value._meta, x.dtype, x.ndim)
    params = {"kept": tuple(kept)}
    return array_of(Node("setitem", x.chunks, meta, assign_block, reads, tables=tables, params=params))


def _fitted(value: Any, shape: list[int], parts: list[Any], kept: list[int]) -> Any:
    """Return the value with one axis for each axis that is assigned to."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    arrays = [at for at, one in enumerate(parts) if isinstance(one, np.ndarray)]
    advanced = [at for at, one in enumerate(parts) if isinstance(one, (int, np.ndarray))]
    order = list(shape)
    moved = None
    if arrays and any(at not in advanced for at in range(advanced[0], advanced[-1])):
        # As in NumPy: the first axis of the value is that of the array.
        moved = kept.index(arrays[0])
        order = [shape[moved], *shape[:moved], *shape[moved + 1 :]]
    sizes = value.shape
    if len(sizes) > len(order) or any(size not in (1, wanted) for size, wanted in zip(sizes[::-1], order[::-1])):
        raise ValueError(
            f"shape mismatch: value array of shape {sizes} could not be broadcast to indexing result of shape {tuple(order)}"
        )
    if value.ndim < len(order):
        value = value[(None,) * (len(order) - value.ndim)]
    if moved is not None:
        from ._shape import moveaxis

        value = moveaxis(value, 0, moved)
    return value


def _entries(one: Any, sizes: Any, is_scalar: bool) -> list[Any]:
    """Return for each block which items are assigned to, and which items of the value they get; None if none."""
    found: list[Any] = [None] * len(sizes)
    begins = starts(sizes)
    if isinstance(one, int):
        at = int(np.searchsorted(begins, one, side="right")) - 1
        found[at] = (slice(one - begins[at], one - begins[at] + 1), slice(None))
    elif isinstance(one, slice):
        if one.start is None:
            one = slice(0, sum(sizes), 1)
        numbers, blocks, boxes = slice_axis(sizes, one)
        offset = 0
        for number, at, box in zip(numbers, blocks, boxes):
            if number:
                box = slice(None) if box is None else box
                found[at] = (box, slice(None) if is_scalar else slice(offset, offset + number))
            offset += number
    else:
        owners = np.searchsorted(begins, one, side="right") - 1
        for at in np.unique(owners):
            chosen = np.flatnonzero(owners == at)
            found[int(at)] = (one[chosen] - begins[at], slice(None) if is_scalar else chosen)
    return found


def assign_block(block: Any, value: Any, *entries: Any, kept: tuple[int, ...]) -> Any:
    """Return a block with the items of a value where the entries of all axes say so."""
    if any(one is None for one in entries):
        return block
    if not isinstance(block, (np.ndarray, np.generic)):
        return _assign_other(block, value, entries, kept)
    found = np.array(block, subok=True, copy=True)
    if isinstance(value, np.ma.MaskedArray) and not isinstance(found, np.ma.MaskedArray):
        found = np.ma.asanyarray(found)
    part = np.asanyarray(value)[tuple([entries[axis][1] for axis in kept])] if kept else np.asanyarray(value)
    index = tuple([local for local, _ in entries])
    # Integers are slices of one item.
    shape = part[tuple([slice(None) if axis in kept else None for axis in range(len(entries))])]
    found[index] = shape
    return found


def _assign_other(block: Any, value: Any, entries: tuple[Any, ...], kept: tuple[int, ...]) -> Any:
    """Assign to a block of another type than NumPy's, such as a matrix of SciPy."""
    found = block.copy() if hasattr(block, "copy") else np.array(block)
    known = np.asanyarray(value)
    part = known[tuple([entries[axis][1] for axis in kept])] if kept else known
    found[tuple([local for local, _ in entries])] = part.item() if part.size == 1 else part
    return found
