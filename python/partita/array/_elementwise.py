"""Elementwise operations, and the alignment of the chunks of several arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .._collection import is_collection, unpack
from .._frame_inputs import is_single_value
from ..utils import funcname
from ._axis_maps import At, Axis, Read
from ._blocks import Fill
from ._chunks import PerformanceWarning, broadcast_shapes, common_blockdim
from ._core import Array, array_of, make_meta
from ._expression import Node
from ._namespace import check_device

__all__ = ["astype", "elemwise", "infer_dtype", "result_of", "unify_chunks"]


def is_scalar(value: Any) -> bool:
    """Whether an argument is passed to all blocks as it is."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return (
        np.isscalar(value)
        or isinstance(value, (np.dtype, type))
        or not hasattr(value, "shape")
        or _has_lazy_shape(value)
    )


def _has_lazy_shape(value: Any) -> bool:
    return is_collection(value) and not isinstance(value, Array)


def as_array(value: Any) -> Any:
    """Return a value with a shape as an array."""
    if isinstance(value, Array):
        return value
    from ._from_array import asanyarray

    return asanyarray(value)


def infer_dtype(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], what: str) -> Any:
    """Return the dtype of the result of a function by calling it with arrays of size 1.

    Parameters
    ----------
    function : callable
        The function.
    args : list
        Its arguments. Arrays are replaced.
    kwargs : dict
        Its keyword arguments.
    what : str
        The operation, for an error message.
    """
    samples = [np.ones((1,) * max(1, one.ndim), dtype=one.dtype) if isinstance(one, Array) else one for one in args]
    kwargs = {
        name: np.ones((1,) * one.ndim, dtype=one.dtype) if isinstance(one, Array) else one
        for name, one in kwargs.items()
    }
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*samples, **kwargs)
    except Exception as error:
        given = "output_dtypes" if what == "apply_gufunc" else "dtype"
        raise ValueError(
            f"`dtype` inference failed in `{what}`: {funcname(function)} raised {type(error).__name__}: {error}. "
            f"Please specify the dtype explicitly using the `{given}` kwarg"
        ) from error
    return getattr(result, "dtype", np.asarray(result).dtype if not hasattr(result, "dtype") else None)


def result_of(function: Callable[..., Any], metas: Sequence[Any], dtype: Any, ndim: int) -> Any:
    """Return the meta of a result: of the type that a function returns for metas, and with a dtype."""
    if all(type(one) is np.ndarray or not hasattr(one, "ndim") or isinstance(one, np.generic) for one in metas):
        return np.empty((0,) * ndim, dtype=dtype)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make_meta(function(*metas), dtype, ndim)
    except Exception:
        return np.empty((0,) * ndim, dtype=dtype)


def enforced(*args: Any, function: Callable[..., Any], dtype: Any) -> Any:
    """Call a function and cast its result to a dtype."""
    result = function(*args)
    if getattr(result, "dtype", dtype) != dtype and dtype != np.dtype(object):
        if dtype.kind in "SU" and result.dtype.kind == dtype.kind:
            # A shorter dtype would cut the strings.
            return result
        if not np.can_cast(result.dtype, dtype, casting="same_kind"):
            raise ValueError(
                f"Inferred dtype from function {funcname(function)!r} was {str(dtype)!r} but got {str(result.dtype)!r}, "
                "which can't be cast using casting='same_kind'"
            )
        result = result.astype(dtype)
    return result


def with_where(*args: Any, function: Callable[..., Any], has_out: bool) -> Any:
    """Call a ufunc where a mask, the last argument but one, is true, with the last argument as the other items."""
    if has_out:
        *inputs, where, out = args
        return function(*inputs, where=where, out=np.array(out, subok=True))
    *inputs, where = args
    return function(*inputs, where=where)


def _template(args: Iterable[Any]) -> tuple[tuple[Any, ...], list[Any], tuple[Any, ...]]:
    """Return which positional arguments are known, the arrays, and values that contain tasks."""
    template: list[Any] = []
    arrays: list[Any] = []
    values: list[Any] = []
    for one in args:
        if not is_scalar(one):
            template.append(None)
            arrays.append(as_array(one))
        elif is_collection(one):
            template.append(None)
            arrays.append(None)
            values.append(unpack(one))
        else:
            template.append((one,))
    return tuple(template), arrays, tuple(values)


def elemwise(
    op: Callable[..., Any],
    *args: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Any:
    """Apply a function to the items of arrays, with broadcasting.

    Parameters
    ----------
    op : callable
        A function like a ufunc of NumPy.
    *args : array or scalar
        Its arguments.
    out : Array, optional
        The array whose place the result takes.
    where : array of bool, optional
        Where the function is applied; elsewhere the items are those of `out`.
    dtype : dtype, optional
        Dtype of the result. By default that of the function's result for the dtypes of the arguments.
    name : str, optional
        Name of the result.

    Examples
    --------
    >>> import numpy as np
    >>> from partita.array import arange
    >>> elemwise(np.add, arange(3, chunks=2), 1).compute()
    array([1, 2, 3])
    """
    if kwargs:
        raise TypeError(f"{funcname(op)} does not take the following keyword arguments {sorted(kwargs)}")
    out = normalize_out(out)
    args = tuple([_operand(one) for one in args])
    if where is None or where is False:
        where = np.asarray(False)
    given = dtype
    if dtype is None:
        try:
            dtype = infer_dtype(op, [_sample(one) for one in args], {}, "elemwise")
        except ValueError as error:
            if error.__cause__ is not None and all(_is_known(one) for one in args):
                raise error.__cause__ from None
            # The other operand may have an operator for arrays.
            return NotImplemented
    else:
        dtype = np.dtype(dtype)
    label = funcname(op).strip("_")
    function: Any = op
    if where is not True:
        if out is None:
            # NumPy leaves such items undefined.
            out_value: Any = None
            args = (*args, as_array(where))
        else:
            out_value = out.copy()
            args = (*args, as_array(where), out_value)
        function = Fill(with_where, (), {"function": op, "has_out": out is not None})
    template, arrays, values = _template(args)
    if any(one is None for one in arrays):
        # Values that other tasks compute are the last arguments.
        order = [at for at, one in enumerate(template) if one is None]
        function = _Reordered(function, template, [order[at] for at, one in enumerate(arrays) if one is None])
        arrays = [one for one in arrays if one is not None]
        dtype = given if given is not None else dtype
    elif any(one is not None for one in template):
        function = Fill(function, template)
    if given is not None or any(one.ndim == 0 for one in arrays):
        function = Fill(enforced, (), {"function": function, "dtype": dtype})
    result = _apply(label, function, arrays, dtype, values, name, user=not isinstance(op, np.ufunc) and _is_user(op))
    return handle_out(out, result)


def _operand(value: Any) -> Any:
    """Return a list as an array, and a single value of a frame as an array without axes."""
    if isinstance(value, (list, tuple)):
        return np.asarray(value)
    if is_single_value(value):
        from ._delayed import from_delayed

        single: Any = value
        return from_delayed(single.to_delayed(), (), dtype=single._type.to_pandas_dtype())
    return value


def _is_known(value: Any) -> bool:
    """Whether an operand is an array or a value of Python or NumPy, which have no operators of their own for arrays."""
    return isinstance(value, Array) or type(value).__module__ in ("builtins", "datetime", "numpy", "numpy.ma")


def _is_user(function: Callable[..., Any]) -> bool:
    module = getattr(function, "__module__", None) or ""
    return module.partition(".")[0] not in ("numpy", "partita", "operator", "_operator", "builtins", "scipy", "math")


def _sample(value: Any) -> Any:
    if isinstance(value, Array) or is_scalar(value):
        return value
    return as_array(value)


class _Reordered:
    """A function some of whose arguments are the last ones of a call, because other tasks compute them."""

    def __init__(self, function: Callable[..., Any], template: tuple[Any, ...], last: list[int]) -> None:
        self.function = function
        self.template = template
        self.last = last
        self.__name__ = funcname(function)

    def __call__(self, *args: Any) -> Any:
        first = iter(args[: len(args) - len(self.last)])
        rest = dict(zip(self.last, args[len(args) - len(self.last) :]))
        return self.function(
            *[
                rest[at] if at in rest else (next(first) if one is None else one[0])
                for at, one in enumerate(self.template)
            ]
        )

    def __dask_tokenize__(self) -> Any:
        return "reordered", self.function, self.template, self.last


def _apply(
    label: str,
    function: Callable[..., Any],
    arrays: list[Any],
    dtype: Any,
    values: tuple[Any, ...] = (),
    name: str | None = None,
    user: bool = False,
) -> Any:
    shapes = [one.shape for one in arrays]
    ndim = len(broadcast_shapes(*shapes)) if shapes else 0
    chunks, arrays = align(arrays)
    reads = [Read(one._node, broadcast_axes(one, chunks)) for one in arrays]
    meta = result_of(function, [one._meta for one in arrays] + [None] * len(values), dtype, ndim)
    return array_of(Node(label, chunks, meta, function, reads, values=values, given=name, user=user or bool(values)))


def broadcast_axes(array: Any, chunks: Any) -> list[Any]:
    """Return the maps with which an aligned array is read by blocks of given chunks."""
    offset = len(chunks) - array.ndim
    return [
        At(0) if len(sizes) == 1 and len(chunks[axis + offset]) > 1 else Axis(axis + offset)
        for axis, sizes in enumerate(array.chunks)
    ]


def align(arrays: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Rechunk arrays that are broadcast together. Returns the chunks of the result, and the arrays."""
    if len({one.chunks for one in arrays}) == 1:
        return arrays[0].chunks, list(arrays)
    pairs: list[Any] = []
    for one in arrays:
        pairs += [one, tuple(range(one.ndim))[::-1]]
    known, found = unify_chunks(*pairs)
    ndim = max((one.ndim for one in arrays), default=0)
    return tuple([known[axis] for axis in range(ndim - 1, -1, -1)]), found


def unify_chunks(*args: Any, **kwargs: Any) -> tuple[dict[Any, Any], list[Any]]:
    """Rechunk arrays so that axes with equal labels have equal chunks.

    Parameters
    ----------
    *args : pairs of array and labels
        Arrays, each followed by a label for each axis, or None.
    warn : bool
        Whether to warn if there are many more blocks afterwards.

    Returns
    -------
    dict
        The chunks of each label.
    list of Array
        The arrays.

    Examples
    --------
    >>> from partita.array import ones
    >>> chunks, (x, y) = unify_chunks(ones(6, chunks=3), "i", ones(6, chunks=2), "i")
    >>> chunks
    {'i': (2, 1, 1, 2)}
    """
    warn = kwargs.get("warn", True)
    pairs = [(one if labels is None else as_array(one), labels) for one, labels in zip(args[::2], args[1::2])]
    sizes: dict[Any, list[Any]] = {}
    for one, labels in pairs:
        if labels is not None:
            for label, dim in zip(labels, one.chunks):
                sizes.setdefault(label, []).append(dim)
    if not sizes:
        return {}, [one for one, _ in pairs]
    known = {}
    for label, dims in sizes.items():
        known[label] = common_blockdim(dims)
    found = []
    largest = max((one.npartitions for one, labels in pairs if labels is not None), default=1)
    blocks = 1
    for dim in known.values():
        blocks *= len(dim)
    if warn and blocks and blocks >= largest * 10:
        warnings.warn(
            f"Increasing number of chunks by factor of {int(blocks / max(largest, 1))}",
            PerformanceWarning,
            stacklevel=3,
        )
    for one, labels in pairs:
        if labels is None:
            found.append(one)
            continue
        chunks = tuple(
            [
                dim if dim == (1,) or (len(dim) == 1 and dim[0] == 1) else known[label]
                for label, dim in zip(labels, one.chunks)
            ]
        )
        if chunks != one.chunks:
            one = one.rechunk(chunks)
        found.append(one)
    return known, found


def normalize_out(out: Any) -> Any:
    """Return the array whose place a result takes."""
    if isinstance(out, tuple):
        if len(out) > 1:
            raise NotImplementedError("The out parameter is not fully supported: pass one array")
        out = out[0] if out else None
    if out is not None and not isinstance(out, Array):
        raise NotImplementedError(
            f"The out parameter is not fully supported. Received type {type(out).__name__}, expected Dask Array"
        )
    return out


def handle_out(out: Any, result: Any) -> Any:
    """Put a result in the place of an array."""
    out = normalize_out(out)
    if out is None:
        return result
    if out.shape != result.shape:
        raise ValueError(f"Mismatched shapes between result and out parameter. out={out.shape}, result={result.shape}")
    out._become(result)
    return out


def cast_block(block: Any, dtype: Any) -> Any:
    """Return a block with a dtype."""
    if getattr(block, "dtype", None) == dtype:
        return block
    return block.astype(dtype) if hasattr(block, "astype") else np.asarray(block).astype(dtype)


def _with_length(x: Any, dtype: Any) -> Any:
    """Return the dtype of strings without a length with the length that NumPy would choose.

    That of objects is computed, since the dtype of an array must be known before its items are.
    """
    if dtype.kind not in "SU" or dtype.itemsize:
        return dtype
    if x.dtype.kind != "O":
        return np.empty(0, dtype=x.dtype).astype(dtype).dtype
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    chunks = tuple([(1,) * len(sizes) for sizes in x.chunks])
    node = Node("length", chunks, np.empty((0,) * x.ndim, np.intp), length_block, reads, params={"dtype": dtype})
    size = int(array_of(node).max().compute())
    return np.dtype((dtype.type, max(size // np.dtype((dtype.type, 1)).itemsize, 1)))


def length_block(block: Any, dtype: Any) -> Any:
    """Return the size of the items of a block as strings."""
    return np.full((1,) * block.ndim, np.asarray(block).astype(dtype).dtype.itemsize)


def astype(x: Any, dtype: Any, *, copy: bool = True, device: Any = None, **kwargs: Any) -> Any:
    """Cast the items of an array to a dtype.

    Parameters
    ----------
    x : array
        The array.
    dtype : dtype
        The dtype.
    casting : str
        Which casts are allowed, as in NumPy.
    device : str, optional
        Only ``"cpu"``.
    copy, order, subok
        Accepted for compatibility with NumPy; no effect.
    """
    check_device(device)
    extra = set(kwargs) - {"casting", "copy", "order", "subok"}
    if extra:
        raise TypeError(f"astype does not take the following keyword arguments: {sorted(extra)}")
    wanted = np.dtype(dtype)
    x = as_array(x)
    if wanted == x.dtype:
        return x
    casting = kwargs.get("casting", "unsafe")
    if not np.can_cast(x.dtype, wanted, casting=casting):
        raise TypeError(f"Cannot cast array from {x.dtype!r} to {wanted!r} according to the rule {casting!r}")
    meta = make_meta(x._meta, _with_length(x, wanted), x.ndim)
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    return array_of(Node("astype", x.chunks, meta, cast_block, reads, params={"dtype": meta.dtype}))


def view_block(block: Any, dtype: Any, order: str) -> Any:
    """Interpret the bytes of a block as another dtype."""
    if order == "F":
        return np.asfortranarray(block).T.view(dtype).T
    return np.ascontiguousarray(block).view(dtype) if block.ndim else block.view(dtype)


def view(x: Any, dtype: Any = None, order: str = "C") -> Any:
    """Interpret the bytes of an array as another dtype: the method ``view``."""
    wanted = x.dtype if dtype is None else np.dtype(dtype)
    if order not in ("C", "F"):
        raise ValueError("Order must be one of 'C' or 'F'")
    factor = x.dtype.itemsize / wanted.itemsize
    axis = x.ndim - 1 if order == "C" else 0
    chunks = list(x.chunks)
    if factor != 1:
        if not x.ndim:
            raise ValueError("changing the dtype of a 0d array is only supported if the itemsize is unchanged")
        for size in chunks[axis]:
            if size * factor != int(size * factor):
                raise ValueError(f"cannot view {x.dtype} as {wanted}: a block has {size} items along axis {axis}")
        chunks[axis] = tuple([int(size * factor) for size in chunks[axis]])
    reads = [Read(x._node, [Axis(at) for at in range(x.ndim)])]
    params = {"dtype": wanted, "order": order}
    return array_of(Node("view", tuple(chunks), make_meta(x._meta, wanted, x.ndim), view_block, reads, params=params))
