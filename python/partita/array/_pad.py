"""Padding: an axis at a time, with items of the array or with values of its edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._core import check_known
from ._elementwise import as_array
from ._indexing import take_positions
from ._joining import concatenate
from ._shape import along

__all__ = ["pad"]

_STATISTICS = ("maximum", "mean", "median", "minimum")
#: Keyword arguments of each mode, and their defaults.
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0},
    "edge": {},
    "empty": {},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "wrap": {},
}


def _pairs(value: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """Return a pair of values for each axis."""
    if value is None:
        return [(None, None)] * ndim
    if isinstance(value, dict):
        value = [value.get(axis, value.get(axis - ndim, 0)) for axis in range(ndim)]
        value = [one if np.iterable(one) else (one, one) for one in value]
    known = np.asarray(value)
    try:
        found = (
            np.broadcast_to(known, (ndim, 2)) if known.ndim != 1 or known.size != 1 else np.full((ndim, 2), known[0])
        )
    except ValueError as error:
        raise ValueError(f"{what} {value!r} cannot be broadcast to a pair for each of {ndim} axes") from error
    return [(one[0], one[1]) for one in found.tolist()]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Pad an array, as ``numpy.pad``.

    Parameters
    ----------
    array : array
        The array.
    pad_width : int, pair or sequence of pairs
        How many items before and after each axis.
    mode : str or callable
        ``"constant"``, ``"edge"``, ``"empty"``, ``"linear_ramp"``, ``"maximum"``, ``"mean"``, ``"median"``, ``"minimum"``,
        ``"reflect"``, ``"symmetric"``, ``"wrap"``, or a function of rows as in NumPy.
    **kwargs
        Further arguments of the mode, as in NumPy.

    Examples
    --------
    >>> import partita.array as da
    >>> da.pad(da.arange(3, chunks=2), 1).compute()
    array([0, 0, 1, 2, 0])
    """
    x = as_array(array)
    check_known(x, "pad")
    widths = [(int(before), int(after)) for before, after in _pairs(pad_width, x.ndim, "pad_width")]
    if any(one < 0 for pair in widths for one in pair):
        raise ValueError("index can't contain negative values")
    if callable(mode):
        return _with_function(x, widths, mode, kwargs)
    if mode not in _ARGUMENTS:
        raise ValueError(f"mode {mode!r} is not supported")
    extra = set(kwargs) - set(_ARGUMENTS[mode])
    if extra:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {sorted(extra)}")
    given = {**_ARGUMENTS[mode], **kwargs}
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _pad_axis(x, axis, before, after, mode, given)
    return x


def _slab(x: Any, axis: int, size: int, value: Any) -> Any:
    from ._creation import full

    largest = max(max(x.chunks[axis]), 1)
    parts = (largest,) * (size // largest) + ((size % largest,) if size % largest else ())
    chunks = tuple([parts or (0,) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    return full(tuple([sum(sizes) for sizes in chunks]), value, dtype=x.dtype, chunks=chunks)


def _item(value: Any, dtype: Any) -> Any:
    """Return a value as an item of a dtype. Integers of Python that do not fit are an OverflowError, as in NumPy."""
    is_integer = type(value) is int and dtype.kind in "iu"
    return np.asarray(value, dtype=dtype)[()] if is_integer else np.asarray(value).astype(dtype)[()]


def _pad_axis(x: Any, axis: int, before: int, after: int, mode: str, given: dict[str, Any]) -> Any:
    size = x.shape[axis]
    if mode in ("constant", "empty"):
        values = (
            _pairs(given.get("constant_values", 0), x.ndim, "constant_values")[axis] if mode == "constant" else (0, 0)
        )
        left, right = (_slab(x, axis, width, _item(value, x.dtype)) for width, value in zip((before, after), values))
    elif size == 0:
        raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
    elif mode in ("reflect", "symmetric") and given["reflect_type"] == "odd":
        return _pad_odd(x, axis, before, after, mode)
    elif mode in ("edge", "reflect", "symmetric", "wrap"):
        places = np.pad(np.arange(size), (before, after), mode=mode)  # type: ignore[call-overload]
        left = take_positions(x, places[:before], axis)
        right = take_positions(x, places[before + size :], axis)
    elif mode == "linear_ramp":
        ends = _pairs(given["end_values"], x.ndim, "end_values")[axis]
        left = _ramp(x, axis, before, ends[0], True)
        right = _ramp(x, axis, after, ends[1], False)
    else:
        lengths = _pairs(given["stat_length"], x.ndim, "stat_length")[axis]
        left = _statistic(x, axis, before, lengths[0], mode, True)
        right = _statistic(x, axis, after, lengths[1], mode, False)
    parts = [one for one, width in ((left, before), (x, 1), (right, after)) if width]
    return concatenate(parts, axis=axis)


def _edge(x: Any, axis: int, first: bool) -> Any:
    part = slice(0, 1) if first else slice(x.shape[axis] - 1, None)
    return x[(slice(None),) * axis + (part,)]


def _pad_odd(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Pad with twice the edge less the reflected items, over and over."""
    size = x.shape[axis]
    skip = 1 if mode == "reflect" else 0
    if size <= skip:
        raise NotImplementedError(f"pad() with reflect_type='odd' needs at least {skip + 1} items along axis {axis}")
    most = size - skip
    left, right = min(before, most), min(after, most)
    parts = [x]
    if left:
        stop = skip + left
        mirrored = x[along(axis, slice(skip, stop))][along(axis, slice(None, None, -1))]
        parts.insert(0, 2 * _edge(x, axis, True) - mirrored)
    if right:
        mirrored = x[along(axis, slice(size - skip - right, size - skip))][along(axis, slice(None, None, -1))]
        parts.append(2 * _edge(x, axis, False) - mirrored)
    found = concatenate([one.astype(x.dtype) for one in parts], axis=axis)
    if before > left or after > right:
        return _pad_odd(found, axis, before - left, after - right, mode)
    return found


def ramp_block(edge: Any, width: int, end: Any, axis: int, first: bool, dtype: Any) -> Any:
    """Return values between a value and the edge."""
    edge = edge.squeeze(axis)
    found = np.linspace(start=end, stop=edge, num=width, endpoint=False, dtype=dtype, axis=axis)
    return found if first else np.flip(found, axis)


def _ramp(x: Any, axis: int, width: int, end: Any, first: bool) -> Any:
    from ._axis_maps import Axis, Read
    from ._core import array_of
    from ._expression import Node

    edge = _edge(x, axis, first)
    chunks = tuple([(width,) if at == axis else sizes for at, sizes in enumerate(edge.chunks)])
    params = {"width": width, "end": end, "axis": axis, "first": first, "dtype": x.dtype}
    reads = [Read(edge._node, [Axis(at) for at in range(x.ndim)])]
    return array_of(Node("linear_ramp", chunks, x._meta, ramp_block, reads, params=params))


def _statistic(x: Any, axis: int, width: int, length: Any, mode: str, first: bool) -> Any:
    from . import reductions
    from ._shape import broadcast_to

    size = x.shape[axis]
    if length is not None:
        length = min(int(length), size)
        if length < 1:
            raise ValueError("stat_length of 0 yields no value for padding")
        part = slice(0, length) if first else slice(size - length, None)
        x = x[(slice(None),) * axis + (part,)]
    name = {"maximum": "max", "minimum": "min"}.get(mode, mode)
    found = getattr(reductions, name)(x, axis=axis, keepdims=True)
    if x.dtype.kind in "iu" and found.dtype != x.dtype:
        from .ufunc import rint  # type: ignore[attr-defined]

        found = rint(found)
    found = found.astype(x.dtype)
    shape = tuple([width if at == axis else size for at, size in enumerate(found.shape)])
    chunks = tuple([(width,) if at == axis else sizes for at, sizes in enumerate(found.chunks)])
    return broadcast_to(found, shape, chunks=chunks)


def pad_rows(block: Any, widths: Any, axis: int, function: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """Pad an axis of a block and call a function with each row."""
    pairs = [(0, 0)] * block.ndim
    pairs[axis] = widths
    found = np.pad(block, pairs)
    # As in NumPy: the function may change the row, and what it returns counts otherwise.
    for index in np.ndindex(*[size for at, size in enumerate(found.shape) if at != axis]):
        row: Any = (*index[:axis], slice(None), *index[axis:])
        values = found[row].copy()
        result = function(values, widths, axis, kwargs)
        found[row] = values if result is None else result
    return found


def _with_function(x: Any, widths: Any, function: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    from ._axis_maps import At, Axis, Read
    from ._core import array_of
    from ._expression import Node

    for axis, pair in enumerate(widths):
        one = x.rechunk({axis: -1})
        chunks = tuple([(sizes[0] + sum(pair),) if at == axis else sizes for at, sizes in enumerate(one.chunks)])
        maps = [At(0) if at == axis else Axis(at) for at in range(one.ndim)]
        params = {"widths": pair, "axis": axis, "function": function, "kwargs": kwargs}
        x = array_of(Node("pad", chunks, one._meta, pad_rows, [Read(one._node, maps)], params=params, user=True))
    return x
