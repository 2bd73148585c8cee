"""``map_blocks``: a function of the user for each block."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Number
from typing import Any

import numpy as np

from .._tokens import tokenize
from ..utils import funcname, has_keyword
from ._axis_maps import All, At, Axis, Read
from ._blockwise import bind, compute_meta
from ._chunks import starts
from ._core import Array, array_of, make_meta
from ._elementwise import infer_dtype
from ._expression import Node

__all__ = ["map_blocks", "map_blocks_of"]


class Mapped:
    """The function of a block that tells a function of the user where the block is, and checks what it returns."""

    def __init__(self, function: Callable[..., Any], count: int, names: tuple[str, ...], info: Any, ndim: Any) -> None:
        self.function = function
        #: Number of further arguments before those of the blocks.
        self.count = count
        self.names = names
        self.info = info
        self.ndim = ndim
        self.__name__ = funcname(function)

    def __call__(self, index: tuple[int, ...], *args: Any, **kwargs: Any) -> Any:
        if "block_id" in self.names:
            kwargs["block_id"] = index
        if "block_info" in self.names:
            kwargs["block_info"] = describe_block(self.info, index)
        if self.names and type(self.function).__name__ == "WithValues":
            # Keyword arguments that other tasks compute are the last argument.
            *rest, named = args
            result = self.function(*rest, {**named, **kwargs})
        else:
            result = self.function(*args, **kwargs)
        # What is not an array has no axes.
        if self.ndim is not None and getattr(result, "ndim", 0) != self.ndim:
            raise ValueError(
                f"Dimension mismatch: expected output of {funcname(self.function)} to have dims = {self.ndim}. "
                f"Got {getattr(result, 'ndim', 0)} instead."
            )
        return result

    def __dask_tokenize__(self) -> Any:
        return "mapped", self.function, self.count, self.names, self.info, self.ndim


def describe_block(info: Any, index: tuple[int, ...]) -> dict[Any, Any]:
    """Return where a block and its inputs are: the argument ``block_info``."""
    inputs, chunks, dtype = info
    found: dict[Any, Any] = {}
    for at, (sizes, maps) in inputs.items():
        where = tuple([0 if of is None or len(dim) == 1 else index[of] for of, dim in zip(maps, sizes)])
        spans: list[Any] = []
        for axis, (dim, of) in enumerate(zip(sizes, maps)):
            if of is None:
                spans.append((0, sum(dim)))
            else:
                begin = starts(dim)[where[axis]]
                spans.append((begin, begin + dim[where[axis]]))
        found[at] = {
            "shape": tuple([sum(dim) for dim in sizes]),
            "num-chunks": tuple([1 if of is None else len(dim) for dim, of in zip(sizes, maps)]),
            "array-location": spans,
            "chunk-location": where,
        }
    begins = [starts(dim)[at] for dim, at in zip(chunks, index)]
    shape = tuple([dim[at] for dim, at in zip(chunks, index)])
    found[None] = {
        "shape": tuple([sum(dim) for dim in chunks]),
        "num-chunks": tuple([len(dim) for dim in chunks]),
        "array-location": [(begin, begin + size) for begin, size in zip(begins, shape)],
        "chunk-shape": shape,
        "chunk-location": tuple(index),
        "dtype": dtype,
    }
    return found


def map_blocks(
    func: Callable[..., Any],
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: Any = None,
    chunks: Any = None,
    drop_axis: Any = None,
    new_axis: Any = None,
    enforce_ndim: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Any:
    """Call a function with each block of arrays.

    Parameters
    ----------
    func : callable
        Called with one block of each array. With an argument ``block_id`` it gets the index of the block, and with
        ``block_info`` a dict that describes the block and its inputs.
    *args : array or object
        Arrays, which are aligned like operands of NumPy, and other arguments.
    name : str, optional
        Name of the result.
    token : str, optional
        The beginning of the name.
    dtype : dtype, optional
        Dtype of the result. By default the function is called with arrays of size 1 to find it.
    chunks : tuple, optional
        Sizes of the blocks of the result, if they differ from those of the arguments.
    drop_axis : int or list of int, optional
        Axes that the result does not have. Blocks along them are joined.
    new_axis : int or list of int, optional
        Axes that only the result has.
    enforce_ndim : bool
        Whether to raise an error if a block of the result has another number of axes.
    meta : array, pandas.DataFrame or pandas.Series, optional
        An empty array of the type and dtype of the result. With a pandas object the function returns pandas objects of
        its columns, and the result is a frame or a column with a partition for each block.
    **kwargs
        Further arguments of the function.

    Examples
    --------
    >>> import partita.array as da
    >>> da.map_blocks(lambda block: block * 2, da.arange(4, chunks=2)).compute(scheduler="synchronous")
    array([0, 2, 4, 6])
    """
    if not callable(func):
        raise TypeError(
            f"First argument must be callable function, not {type(func).__name__}\nUsage: da.map_blocks(function, x)\n"
            "   or: da.map_blocks(function, x, y, z)"
        )
    if token:
        warnings.warn("The token= keyword to map_blocks has been moved to name=", stacklevel=2)
    if _is_frame(meta):
        options = {"chunks": chunks, "drop_axis": drop_axis, "new_axis": new_axis, "name": name or token, **kwargs}
        return _frame_of(map_blocks(func, *args, dtype=object, **options), meta)
    drop = [] if drop_axis is None else ([drop_axis] if isinstance(drop_axis, Number) else list(drop_axis))
    new = None if new_axis is None else ([new_axis] if isinstance(new_axis, Number) else list(new_axis))
    arrays = [one for one in args if isinstance(one, Array)]
    wanted = tuple([one for one in ("block_id", "block_info") if has_keyword(func, one) and one not in kwargs])
    if meta is not None and not hasattr(meta, "ndim"):
        dtype, meta = dtype if dtype is not None else meta, None
    ndim = max((one.ndim for one in arrays), default=0)
    out, sizes = _labels(ndim, drop, new, chunks, bool(arrays))
    pairs = [item for one in arrays for item in (one, tuple(range(ndim - one.ndim, ndim)))]
    aligned, known = arrays, _most_blocks(pairs)
    found = _chunks_of(out, known, sizes, chunks)
    reads = []
    inputs: dict[int, Any] = {}
    positions = [at for at, one in enumerate(args) if isinstance(one, Array)]
    for at, one in zip(positions, aligned):
        axes: list[Any] = []
        for label, dim in zip(range(ndim - one.ndim, ndim), one.chunks):
            if label not in out:
                axes.append(All())
            else:
                axes.append(At(0) if len(dim) == 1 and len(known[label]) > 1 else Axis(out.index(label)))
        inputs[at] = (
            one.chunks,
            [out.index(label) if label in out else None for label in range(ndim - one.ndim, ndim)],
        )
        reads.append(Read(one._node, axes, join=True))
    if dtype is None and meta is None:
        meta, dtype = _infer(func, args, kwargs, wanted, (inputs, found), len(out))
        if _is_frame(meta) and meta.ndim == 1:
            # A column. The columns of a frame do not follow from arrays of size 1.
            return map_blocks(
                func,
                *args,
                name=name or token,
                chunks=chunks,
                drop_axis=drop_axis,
                new_axis=new_axis,
                meta=meta,
                **kwargs,
            )
    made = make_meta(meta, dtype, len(found))
    bound, values, params = bind(func, [one if isinstance(one, Array) else (one,) for one in args], kwargs)
    indexed = bool(wanted) or enforce_ndim
    function: Any = bound
    if indexed:
        info = (inputs, found, made.dtype) if "block_info" in wanted else None
        function = Mapped(bound, len(values), wanted, info, len(found) if enforce_ndim else None)
    prefix = name or token or funcname(func)
    key = f"{prefix}-{tokenize(func, 'map_blocks', args, kwargs, found, drop, new, str(made.dtype), str(type(made)), wanted)}"
    node = Node(
        prefix, found, made, function, reads, values=values, params=params, indexed=indexed, name=key, user=True,
        given=name,
    )  # fmt: skip
    return array_of(node)


def _is_frame(meta: Any) -> bool:
    return type(meta).__module__.partition(".")[0] == "pandas" and hasattr(meta, "iloc")


def _frame_of(blocks: Any, meta: Any) -> Any:
    """Return the frame, or the column, whose partitions are the blocks that a function returns."""
    from ..dataframe import from_delayed

    if any(len(sizes) > 1 for sizes in blocks.chunks[1:]):
        raise ValueError(
            f"map_blocks() with meta={type(meta).__name__} requires blocks of whole rows, not {blocks.numblocks} blocks; use "
            "rechunk({1: -1})"
        )
    return from_delayed(blocks.to_delayed().ravel().tolist(), meta=meta.iloc[:0])


def _most_blocks(pairs: list[Any]) -> dict[Any, Any]:
    """Return the chunks of each label: those of the array with the most blocks. One block is broadcast."""
    known: dict[Any, Any] = {}
    for one, labels in zip(pairs[::2], pairs[1::2]):
        for label, sizes in zip(labels, one.chunks):
            old = known.setdefault(label, sizes)
            if len(old) != len(sizes) and 1 not in (len(old), len(sizes)):
                raise ValueError(
                    f"arrays have {len(old)} and {len(sizes)} blocks along axis {label}; rechunk them to equal chunks"
                )
            if len(sizes) > len(old) or (len(sizes) == len(old) and sum(sizes) > sum(old)):
                known[label] = sizes
    return known


def _labels(ndim: int, drop: list[Any], new: Any, chunks: Any, has_arrays: bool) -> Any:
    """Return the labels of the axes of the result, and chunks given for new axes."""
    for axis in drop:
        if not -ndim <= axis < ndim:
            raise ValueError(f"drop_axis {axis} is out of bounds for arrays with {ndim} dimensions")
    dropped = {axis % ndim for axis in drop} if ndim else set()
    out: list[Any] = [axis for axis in range(ndim) if axis not in dropped]
    sizes: dict[Any, Any] = {}
    if chunks is not None and not has_arrays and new is None:
        new = range(len(chunks))
    elif new is None and isinstance(chunks, tuple) and len(chunks) > len(out):
        new = range(len(chunks) - len(out))
    total = len(out) + len(new or ())
    if any(not -total <= axis < total for axis in new or ()):
        raise ValueError(f"new_axis {list(new)} is out of bounds for a result with {total} dimensions")
    for axis in sorted([axis % total if axis < 0 else axis for axis in new or ()]):
        label = ("new", axis)
        out.insert(axis, label)
        sizes[label] = (1,)
        if chunks is not None and isinstance(chunks, tuple) and axis < len(chunks):
            one = chunks[axis]
            sizes[label] = tuple(one) if isinstance(one, (tuple, list)) else (one,)
    return out, sizes


def _chunks_of(out: list[Any], known: dict[Any, Any], sizes: dict[Any, Any], chunks: Any) -> tuple[Any, ...]:
    found = [sizes[label] if label in sizes else known[label] for label in out]
    if chunks is None:
        return tuple(found)
    if callable(chunks):
        raise NotImplementedError("map_blocks() does not support a function as chunks=; pass a tuple of sizes")
    chunks = (chunks,) * len(found) if isinstance(chunks, Number) else tuple(chunks)
    if len(chunks) != len(found):
        raise ValueError(f"Provided chunks have {len(chunks)} dims; expected {len(found)} dims")
    result = []
    for axis, (one, old) in enumerate(zip(chunks, found)):
        if isinstance(one, (tuple, list)):
            if len(one) != len(old):
                raise ValueError(f"Dimension {axis} has {len(old)} blocks, chunks specified with {len(one)} blocks")
            result.append(tuple(one))
        elif isinstance(one, Integral) or one is None or isinstance(one, float):
            result.append(old if one is None else (one,) * len(old))
        else:
            raise TypeError(f"chunks must be sizes or tuples of sizes, not {one!r}")
    return tuple(result)


def _infer(
    func: Callable[..., Any], args: Any, kwargs: dict[str, Any], wanted: Any, where: Any, ndim: int
) -> tuple[Any, Any]:
    """Return the meta of the result of a function, and its dtype."""
    plain = all(type(one._meta) is np.ndarray for one in args if isinstance(one, Array))
    samples: dict[str, Any] = dict(kwargs)
    try:
        dtype = infer_dtype(func, args, samples, "map_blocks")
    except ValueError:
        if not wanted:
            raise
        if "block_id" in wanted:
            samples["block_id"] = (0,) * ndim
        if "block_info" in wanted:
            inputs, chunks = where
            samples["block_info"] = describe_block((inputs, chunks, None), (0,) * ndim)
        dtype = infer_dtype(func, args, samples, "map_blocks")
    meta = None
    if not plain:
        meta = compute_meta(func, dtype, *args, **samples)
    else:
        # A function may return another type of array.
        found = compute_meta(func, dtype, *args, **samples)
        if found is not None and type(found) is not np.ndarray:
            meta = found
    return meta, dtype


def map_blocks_of(x: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with each block of an array: the method ``map_blocks``."""
    return map_blocks(func, x, *args, **kwargs)
