"""Generalized ufuncs: functions whose core dimensions are named by a signature."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils import funcname
from ._axis_maps import At, Axis, Read
from ._blockwise import bind
from ._core import Array, array_of, make_meta
from ._documentation import documentation_of
from ._elementwise import _is_user, as_array, infer_dtype, unify_chunks
from ._expression import Node

__all__ = ["apply_gufunc", "as_gufunc", "gufunc", "parse_signature"]

_NAME = r"\w+"
_ARGUMENT = rf"\((?:{_NAME}(?:,{_NAME})*,?)?\)"
_SIGNATURE = re.compile(rf"(?:{_ARGUMENT}(?:,{_ARGUMENT})*,?)?->{_ARGUMENT}(?:,{_ARGUMENT})*")


def parse_signature(signature: str) -> tuple[list[tuple[str, ...]], Any]:
    """Return the core dimensions of the inputs and the outputs; of one output as a tuple, else as a list.

    Examples
    --------
    >>> parse_signature("(i,j),(j)->(i)")
    ([('i', 'j'), ('j',)], ('i',))
    """
    text = re.sub(r"\s+", "", signature)
    if not _SIGNATURE.fullmatch(text):
        raise ValueError(f"Not a valid gufunc signature: {signature}")
    first, second = text.split("->")
    inputs = [tuple(re.findall(_NAME, one)) for one in re.findall(_ARGUMENT, first)]
    outputs = [tuple(re.findall(_NAME, one)) for one in re.findall(_ARGUMENT, second)]
    return inputs, outputs[0] if len(outputs) == 1 else outputs


def normalize_core_axes(
    axes: Any, axis: Any, keepdims: bool, inputs: list[tuple[str, ...]], outputs: Any
) -> tuple[list[Any], list[Any]]:
    """Return the axes of the core dimensions of each input and output."""
    several = isinstance(outputs, list)
    outs: list[tuple[str, ...]] = list(outputs) if several else [outputs]
    if axes is not None and axis is not None:
        raise ValueError("Only one of `axis` or `axes` keyword arguments should be given")
    if axes and not isinstance(axes, list):
        raise ValueError("`axes` has to be of type list")
    with_core = [one for one in inputs if one]
    outputs_with_core = sum(1 for one in outs if one)
    if keepdims:
        if outputs_with_core:
            raise ValueError("`keepdims` can only be used for scalar outputs")
        outs = [with_core[0]] * len(outs)
    core = [*inputs, *outs]
    if axis is not None:
        if not isinstance(axis, int):
            raise ValueError("`axis` argument has to be an integer value")
        if with_core and len(with_core[0]) != 1:
            raise ValueError("`axis` can be used only, if one core dimension is present")
        if any(one != with_core[0] for one in with_core):
            raise ValueError("To use `axis`, all core dimensions have to be equal")
    if axes is None:
        if axis is not None:
            axes = [(axis,) if one else () for one in core]
        else:
            axes = [tuple(range(-len(one), 0)) for one in core]
    elif not isinstance(axes, list):
        raise ValueError("`axes` argument has to be a list")
    axes = [(one,) if isinstance(one, int) else tuple(one) for one in axes]
    total = len(inputs) + len(outs)
    if len(axes) != total and (outputs_with_core or len(axes) != len(inputs)):
        raise ValueError("The number of `axes` entries is not equal the number of input and output arguments")
    first, second = axes[: len(inputs)], axes[len(inputs) :] or [tuple(range(-len(one), 0)) for one in outs]
    for at, (one, names) in enumerate(zip(first, inputs)):
        if len(one) != len(names):
            raise ValueError(
                f"The number of `axes` entries for argument #{at} is not equal the number of respective input core dimensions "
                "in signature"
            )
    if keepdims:
        if any(one != inputs[0] for one in inputs):
            raise ValueError("To use `keepdims`, all core dimensions have to be equal")
        second = [first[0] for _ in outs]
    else:
        for at, (one, names) in enumerate(zip(second, outs)):
            if len(one) != len(names):
                raise ValueError(
                    f"The number of `axes` entries for argument #{at} is not equal the number of respective output core "
                    "dimensions in signature"
                )
    return first, second


class Vectorized:
    """A function of scalars, or of core dimensions, applied in loops."""

    def __init__(self, function: Callable[..., Any], signature: str, otypes: Any) -> None:
        self.function = function
        self.signature = signature
        self.otypes = otypes
        self.__name__ = funcname(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return np.vectorize(self.function, signature=self.signature, otypes=self.otypes)(*args, **kwargs)

    def __dask_tokenize__(self) -> Any:
        return "vectorized", self.function, self.signature, [str(one) for one in self.otypes or ()]


def _metas(
    func: Any, signature: str, args: Any, kwargs: Any, count: int | None, dtypes: Any, meta: Any, vectorize: bool
) -> list[Any]:
    """Return the meta of each output."""
    if meta is not None and dtypes is not None:
        raise ValueError("Only one of `meta` and `output_dtypes` should be given (`meta` is preferred).")
    if meta is None:
        if dtypes is None:
            call = np.vectorize(func, signature=signature) if vectorize else func
            if count is None:
                dtypes = infer_dtype(
                    call,
                    args,
                    kwargs,
                    "apply_gufunc",
                )
            else:
                dtypes = [infer_dtype(_Item(call, at), args, kwargs, "apply_gufunc") for at in range(count)]
        if count is None and isinstance(dtypes, (tuple, list)) and len(dtypes) == 1:
            dtypes = dtypes[0]
        sample = next((one._meta for one in args if isinstance(one, Array)), None)
        several = isinstance(dtypes, (tuple, list)) and count is not None
        meta = tuple([make_meta(sample, one, 0) for one in dtypes]) if several else make_meta(sample, dtypes, 0)
    if isinstance(meta, list):
        meta = tuple(meta)
    if count is None:
        if isinstance(meta, tuple):
            if len(meta) != 1:
                raise ValueError(
                    "For a function with one output, must give a single item for `output_dtypes`/`meta`, not a tuple or list."
                )
            meta = meta[0]
        return [meta if hasattr(meta, "ndim") else make_meta(meta, None, 0)]
    if not isinstance(meta, tuple):
        raise ValueError(
            f"For a function with {count} outputs, must give a tuple or list for `output_dtypes`/`meta`, not a single item."
        )
    if len(meta) != count:
        raise ValueError(
            f"For a function with {count} outputs, must give a tuple or list of {count} items for `output_dtypes`/`meta`, not "
            f"{len(meta)}."
        )
    return [one if hasattr(one, "ndim") else make_meta(one, None, 0) for one in meta]


class _Item:
    def __init__(self, function: Callable[..., Any], at: int) -> None:
        self.function = function
        self.at = at

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)[self.at]


def output_block(results: Any, at: int | None) -> Any:
    """Return an output of the results of a function."""
    return results if at is None else results[at]


def apply_gufunc(
    func: Callable[..., Any],
    signature: str,
    *args: Any,
    axes: Any = None,
    axis: Any = None,
    keepdims: bool = False,
    output_dtypes: Any = None,
    output_sizes: Any = None,
    vectorize: bool | None = None,
    allow_rechunk: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Any:
    """Apply a generalized ufunc, or a function like one, to arrays.

    Parameters
    ----------
    func : callable
        Called with blocks in which the core dimensions are the last axes.
    signature : str
        The core dimensions, such as ``"(i,j),(j)->(i)"``.
    *args : array
        The arguments.
    axes : list of tuple, optional
        The axes of the core dimensions of each argument and result.
    axis : int, optional
        The axis of the one core dimension.
    keepdims : bool
        Whether the results keep the core dimensions with size 1.
    output_dtypes : dtype or list of dtype, optional
        Dtypes of the results.
    output_sizes : dict, optional
        Sizes of core dimensions that only results have.
    vectorize : bool, optional
        Whether the function is called for each item of the loop dimensions.
    allow_rechunk : bool
        Whether chunks along core dimensions are joined. Otherwise several ones are an error.
    meta : array or tuple of array, optional
        Empty arrays of the types of the results.
    **kwargs
        Further arguments of the function.

    Examples
    --------
    >>> import numpy as np
    >>> import partita.array as da
    >>> x = da.ones((4, 3), chunks=(2, 3))
    >>> apply_gufunc(lambda block: block.sum(axis=-1), "(i)->()", x, output_dtypes=float).compute(scheduler="synchronous")
    array([3., 3., 3., 3.])
    """
    inputs, outputs = parse_signature(signature)
    several = isinstance(outputs, list)
    count = len(outputs) if several else None
    given = [one if isinstance(one, Array) or not hasattr(one, "shape") else as_array(one) for one in args]
    metas = _metas(func, signature, given, kwargs, count, output_dtypes, meta, bool(vectorize))
    user = _is_user(func)
    if vectorize:
        func = Vectorized(func, signature, [one.dtype for one in metas])
    first, second = normalize_core_axes(axes, axis, keepdims, inputs, outputs)
    arrays = [as_array(one) for one in args]
    if len(inputs) != len(arrays):
        raise ValueError(f"According to `signature`, `func` requires {len(inputs)} arguments, but {len(arrays)} given")
    arrays = [_core_last(one, core) for one, core in zip(arrays, first)]
    sizes = _check_sizes(arrays, inputs, allow_rechunk)
    sizes.update(output_sizes or {})
    arrays, loops, known = _aligned(arrays, inputs, allow_rechunk)
    reads = []
    for one, names in zip(arrays, inputs):
        extra = one.ndim - len(names)
        maps: list[Any] = []
        for at, dims in enumerate(one.chunks):
            if at >= extra:
                maps.append(At(0))
            else:
                place = at + loops - extra
                maps.append(At(0) if len(dims) == 1 and len(known[place]) > 1 else Axis(place))
        reads.append(Read(one._node, maps))
    bound, values, params = bind(func, arrays, kwargs)
    label = funcname(func)
    loop_chunks = tuple([known[at] for at in range(loops)])
    if not several:
        found = [_output(label, loop_chunks, metas[0], bound, reads, values, params, outputs, sizes, user)]
    else:
        both = Node(
            label, loop_chunks, np.empty((0,) * loops, object), bound, reads, values=values, params=params, user=user
        )
        found = [
            _output(
                label,
                loop_chunks,
                one,
                output_block,
                [Read(both, [Axis(at) for at in range(loops)])],
                (),
                {"at": at},
                names,
                sizes,
                user,
            )
            for at, (one, names) in enumerate(zip(metas, outputs))
        ]
    results = [_place_core(one, core, keepdims) for one, core in zip(found, second)]
    return tuple(results) if several else results[0]


def _output(
    label: str,
    loops: Any,
    meta: Any,
    function: Any,
    reads: Any,
    values: Any,
    params: Any,
    names: Any,
    sizes: Any,
    user: bool,
) -> Any:
    missing = [name for name in names if name not in sizes]
    if missing:
        raise ValueError(f"the size of core dimensions {missing} of the output is unknown; pass output_sizes=")
    chunks = (*loops, *[(sizes[name],) for name in names])
    made = make_meta(meta, getattr(meta, "dtype", None), len(chunks))
    return array_of(Node(label, chunks, made, function, reads, values=values, params=params, user=user))


def _core_last(x: Any, core: Any) -> Any:
    """Move the core dimensions to the end."""
    axes = [axis % x.ndim for axis in core] if x.ndim else []
    if any(not -x.ndim <= axis < x.ndim for axis in core):
        raise ValueError(f"core axes {tuple(core)} are out of bounds for an argument with {x.ndim} dimensions")
    return x.transpose([axis for axis in range(x.ndim) if axis not in axes] + axes) if x.ndim else x


def _place_core(x: Any, core: Any, keepdims: bool) -> Any:
    """Move the core dimensions, which are the last axes, to their places."""
    if keepdims:
        index = (Ellipsis, *[None] * len(core))
        x = x[index]
    order: list[Any] = [None] * x.ndim
    for at, axis in zip(range(x.ndim - len(core), x.ndim), core):
        order[axis] = at
    rest = iter(range(x.ndim))
    return x.transpose([next(rest) if one is None else one for one in order]) if core else x


def _check_sizes(arrays: list[Any], inputs: list[tuple[str, ...]], allow_rechunk: bool) -> dict[str, Any]:
    """Return the size of each core dimension."""
    sizes: dict[Any, list[Any]] = {}
    chunks: dict[Any, list[Any]] = {}
    for one, names in zip(arrays, inputs):
        extra = one.ndim - len(names)
        if extra < 0:
            raise ValueError(f"an argument with {one.ndim} dimensions has not the core dimensions {names}")
        for at, size in enumerate(one.shape):
            label = names[at - extra] if at >= extra else at - extra
            sizes.setdefault(label, []).append(size)
            chunks.setdefault(label, []).append(one.chunks[at])
    core: dict[str, Any] = {}
    for label, known in sizes.items():
        others = {size for size in known if size != 1 and size == size}
        if len(others) > 1:
            raise ValueError(f"Dimension `'{label}'` with different lengths in arrays")
        if isinstance(label, str):
            core[label] = max(known)
        if not allow_rechunk:
            if isinstance(label, str) and any(len(one) > 1 for one in chunks[label]):
                raise ValueError(
                    f"Core dimension `'{label}'` consists of multiple chunks. To fix, rechunk into a single chunk along this "
                    "dimension or set `allow_rechunk=True`, but beware that this may increase memory usage significantly."
                )
            different = {repr(one) for one, size in zip(chunks[label], known) if size != 1}
            if len(different) > 1:
                raise ValueError(f"Dimension `'{label}'` with different chunksize present")
    return core


def _aligned(arrays: list[Any], inputs: list[tuple[str, ...]], allow_rechunk: bool) -> tuple[list[Any], int, Any]:
    """Return the arrays with core dimensions in one chunk, the number of loop dimensions, and their chunks."""
    loops = max((one.ndim - len(names) for one, names in zip(arrays, inputs)), default=0)
    found = []
    pairs: list[Any] = []
    for one, names in zip(arrays, inputs):
        extra = one.ndim - len(names)
        split = [at for at in range(extra, one.ndim) if len(one.chunks[at]) > 1]
        if split:
            one = _one_core_chunk(one, extra, split)
        pairs += [one, (*range(loops - extra, loops), *names)]
        found.append(one)
    known, aligned = unify_chunks(*pairs, warn=False)
    return aligned, loops, known


def _one_core_chunk(x: Any, extra: int, split: list[int]) -> Any:
    """Join the chunks of core dimensions, and divide others such that blocks keep their size."""
    factor = 1.0
    for at in split:
        factor *= x.shape[at] / max(x.chunks[at])
    chunks: dict[int, Any] = dict.fromkeys(split, -1)
    free = [at for at in range(extra) if max(x.chunks[at]) > 1]
    for at in free:
        part = min(factor, max(x.chunks[at]))
        size = max(int(max(x.chunks[at]) / part), 1)
        sizes: list[int] = []
        for one in x.chunks[at]:
            sizes += [size] * (one // size) + ([one % size] if one % size else [])
        chunks[at] = tuple(sizes)
        factor /= part
        if factor <= 1:
            break
    return x.rechunk(chunks)


class gufunc:
    """A function of core dimensions over arrays in chunks.

    Parameters
    ----------
    pyfunc : callable
        The function.
    signature : str
        The core dimensions.
    vectorize, axes, axis, keepdims, output_sizes, output_dtypes, allow_rechunk, meta
        As in :func:`apply_gufunc`.
    """

    def __init__(
        self,
        pyfunc: Callable[..., Any],
        *,
        signature: str | None = None,
        vectorize: bool = False,
        axes: Any = None,
        axis: Any = None,
        keepdims: bool = False,
        output_sizes: Any = None,
        output_dtypes: Any = None,
        allow_rechunk: bool = False,
        meta: Any = None,
    ) -> None:
        if signature is None:
            raise ValueError("gufunc() needs a signature, such as '(i)->()'")
        self.pyfunc = pyfunc
        self.signature = signature
        self.options = {
            "vectorize": vectorize,
            "axes": axes,
            "axis": axis,
            "keepdims": keepdims,
            "output_sizes": output_sizes,
            "output_dtypes": output_dtypes,
            "allow_rechunk": allow_rechunk,
            "meta": meta,
        }
        self.__name__ = funcname(pyfunc)
        self.__doc__ = (
            f"Bound ``dask.array.gufunc``\nfunc: ``{self.__name__}``\nsignature: ``'{signature}'``\n\nParameters\n----------\n"
            f"*args : numpy/dask arrays or scalars\n    Arrays to which to apply ``func``.\n\n{documentation_of(pyfunc)}"
        )

    def __call__(self, *args: Any, allow_rechunk: bool = False, **kwargs: Any) -> Any:
        options = {**self.options, "allow_rechunk": self.options["allow_rechunk"] or allow_rechunk}
        return apply_gufunc(self.pyfunc, self.signature, *args, **options, **kwargs)


def as_gufunc(signature: str | None = None, **kwargs: Any) -> Callable[[Callable[..., Any]], gufunc]:
    """Return a decorator that makes functions generalized ufuncs.

    Parameters
    ----------
    signature : str
        The core dimensions.
    **kwargs
        Arguments of :class:`gufunc`.
    """
    unknown = set(kwargs) - {
        *["vectorize", "axes", "axis", "keepdims", "output_sizes", "output_dtypes", "allow_rechunk", "meta"]
    }
    if unknown:
        raise TypeError(f"Unsupported keyword argument(s) provided: {sorted(unknown)}")

    def decorate(pyfunc: Callable[..., Any]) -> gufunc:
        return gufunc(pyfunc, signature=signature, **kwargs)

    return decorate
