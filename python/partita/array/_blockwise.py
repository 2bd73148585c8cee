"""Blockwise: functions of blocks whose axes are named by labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Number
from typing import Any

import numpy as np

from .._collection import unpack
from ..utils import funcname
from ._axis_maps import All, At, Axis, Read
from ._blocks import Fill
from ._core import Array, array_of, make_meta
from ._elementwise import _is_user, as_array, unify_chunks
from ._expression import Node

__all__ = ["atop", "blockwise", "compute_meta"]


def compute_meta(function: Callable[..., Any], dtype: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns for empty arrays, or None if it fails."""
    metas = [one._meta if isinstance(one, Array) else one for one in args]
    named = {name: one._meta if isinstance(one, Array) else one for name, one in kwargs.items()}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function(*metas, **named)
    except Exception:
        return None
    if np.isscalar(found) or isinstance(found, np.generic):
        return np.empty((), dtype=dtype if dtype is not None else np.asarray(found).dtype)
    return found if hasattr(found, "dtype") and hasattr(found, "ndim") else None


class WithValues:
    """A function whose last arguments are known ones, and keyword arguments, that other tasks compute."""

    def __init__(self, function: Callable[..., Any], template: tuple[Any, ...]) -> None:
        self.function = function
        self.template = template
        self.__name__ = funcname(function)

    def __call__(self, *args: Any) -> Any:
        *blocks, literals, kwargs = args
        rest = iter(blocks)
        known = iter(literals)
        positional = [next(rest) if is_block else next(known) for is_block in self.template]
        return self.function(*positional, **kwargs)

    def __dask_tokenize__(self) -> Any:
        return "values", self.function, self.template


def bind(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return a function of the blocks only, with its further arguments and keyword arguments.

    Parameters
    ----------
    function : callable
        The function.
    args : list
        Its positional arguments: arrays, and literal values as tuples of one item.
    kwargs : dict
        Its keyword arguments.
    """
    literals = [one[0] for one in args if isinstance(one, tuple)]
    known, named = [unpack(one) for one in literals], {name: unpack(one) for name, one in kwargs.items()}
    lazy = any(a is not b for a, b in zip(known, literals)) or any(named[name] is not kwargs[name] for name in kwargs)
    if lazy:
        template = tuple([not isinstance(one, tuple) for one in args])
        return WithValues(function, template), (known, named), {}
    if literals:
        return Fill(function, tuple([one if isinstance(one, tuple) else None for one in args]), kwargs), (), {}
    return function, (), kwargs


def blockwise(
    func: Callable[..., Any],
    out_ind: Any,
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: Any = None,
    adjust_chunks: Any = None,
    new_axes: Any = None,
    align_arrays: bool = True,
    concatenate: bool | None = None,
    meta: Any = None,
    **kwargs: Any,
) -> Any:
    """Apply a function to blocks of arrays whose axes are named by labels, as in Einstein's notation.

    Parameters
    ----------
    func : callable
        Called with a block of each array. Axes whose label is not in `out_ind` are passed whole.
    out_ind : str or tuple
        A label for each axis of the result.
    *args : pairs of array and labels
        Arrays, each followed by a label for each axis. A value followed by None is passed as it is.
    name : str, optional
        Name of the result.
    token : str, optional
        The beginning of the name.
    dtype : dtype, optional
        Dtype of the result.
    adjust_chunks : dict, optional
        For labels a function of the size of a block, a size, or all sizes of the result.
    new_axes : dict, optional
        Sizes of labels that only the result has.
    align_arrays : bool
        Whether to rechunk arrays whose chunks differ.
    concatenate : bool, optional
        Whether the blocks along an axis that the result does not have are joined. Otherwise they are passed as lists.
    meta : array, optional
        An empty array of the type and dtype of the result.
    **kwargs
        Further arguments of the function.

    Examples
    --------
    >>> import operator
    >>> from partita.array import ones
    >>> x, y = ones(4, chunks=2), ones(6, chunks=3)
    >>> blockwise(lambda a, b: a[:, None] * b, "ij", x, "i", y, "j", dtype="f8").shape
    (4, 6)
    """
    if len(args) % 2:
        raise ValueError("blockwise() takes pairs of arguments: an array and its labels, or a value and None")
    out_ind = tuple(out_ind)
    new_axes = dict(new_axes or {})
    if len(set(out_ind)) != len(out_ind):
        raise ValueError(f"Repeated elements not allowed in output index: {out_ind!r}")
    pairs = [
        (one if labels is None else as_array(one), None if labels is None else tuple(labels))
        for one, labels in zip(args[::2], args[1::2])
    ]
    for one, labels in pairs:
        if labels is not None and len(labels) != one.ndim:
            raise ValueError(f"an array with {one.ndim} dimensions needs {one.ndim} labels, not {labels!r}")
    used = {label for _, labels in pairs if labels is not None for label in labels}
    extra = set(out_ind) - used - set(new_axes)
    if extra:
        raise ValueError(
            f"Unknown dimension {', '.join(sorted(map(str, extra)))} in the output; pass its size as new_axes="
        )
    repeated = set(new_axes) & used
    if repeated:
        raise ValueError(f"new_axes {sorted(map(str, repeated))} are labels of arrays already")
    known, pairs = _aligned(pairs, align_arrays)
    for label, size in new_axes.items():
        known[label] = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    chunks = [known[label] for label in out_ind]
    chunks = [_adjusted(label, sizes, adjust_chunks) for label, sizes in zip(out_ind, chunks)]
    reads = [_read(one, labels, out_ind, known, bool(concatenate)) for one, labels in pairs if labels is not None]
    bound, values, params = bind(func, [(one,) if labels is None else one for one, labels in pairs], kwargs)
    if meta is None:
        meta = compute_meta(func, dtype, *[one for one, _ in pairs], **kwargs)
        if meta is None and dtype is None:
            arrays = [one for one, labels in pairs if labels is not None]
            if not arrays:
                raise ValueError("You must specify the meta or dtype of the array: pass dtype=")
            dtype = np.result_type(*[one.dtype for one in arrays])
    label = token or funcname(func).strip("_")
    node = Node(
        label,
        tuple(chunks),
        make_meta(meta, dtype, len(out_ind)),
        bound,
        reads,
        values=values,
        params=params,
        given=name,
        user=_is_user(func) or bool(values),
    )
    return array_of(node)


def _aligned(pairs: list[Any], align_arrays: bool) -> tuple[dict[Any, Any], list[Any]]:
    if align_arrays:
        flat = [item for one, labels in pairs if labels is not None for item in (one, labels)]
        known, arrays = unify_chunks(*flat)
        rest = iter(arrays)
        return dict(known), [(one if labels is None else next(rest), labels) for one, labels in pairs]
    known = {}
    for one, labels in pairs:
        for label, sizes in zip(labels or (), one.chunks if labels is not None else ()):
            old = known.get(label)
            if old is not None and len(old) != len(sizes) and 1 not in (len(old), len(sizes)):
                raise ValueError(
                    f"arrays have {len(old)} and {len(sizes)} blocks along {label!r}; use align_arrays=True"
                )
            if old is None or len(sizes) > len(old) or (len(old) == len(sizes) == 1 and old == (1,)):
                known[label] = sizes
    return known, pairs


def _adjusted(label: Any, sizes: Any, adjust_chunks: Any) -> Any:
    if not adjust_chunks or label not in adjust_chunks:
        return sizes
    found = adjust_chunks[label]
    if callable(found):
        return tuple([found(size) for size in sizes])
    if isinstance(found, (Integral, Number)):
        return tuple([found for _ in sizes])
    if len(found) != len(sizes):
        raise ValueError(
            f"Dimension {label!r} has {len(sizes)} blocks, adjust_chunks specified with {len(found)} blocks"
        )
    return tuple(found)


def _read(array: Any, labels: Any, out_ind: tuple[Any, ...], known: dict[Any, Any], concatenate: bool) -> Read:
    axes: list[Any] = []
    for label, sizes in zip(labels, array.chunks):
        if label not in out_ind:
            axes.append(All())
        elif len(sizes) == 1 and len(known[label]) > 1:
            axes.append(At(0))
        else:
            axes.append(Axis(out_ind.index(label)))
    return Read(array._node, axes, join=concatenate)


def atop(func: Callable[..., Any], out_ind: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function to blocks: the former name of :func:`blockwise`."""
    warnings.warn("The da.atop function has moved to da.blockwise", UserWarning, stacklevel=2)
    return blockwise(func, out_ind, *args, **kwargs)
