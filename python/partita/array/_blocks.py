"""What tasks do with blocks, whatever the operation: cut, join, and assemble the whole array."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Program", "assemble", "cut", "join", "register_concatenate"]

#: Functions that concatenate blocks of other types than NumPy's.
_concatenate: list[tuple[type, Callable[..., Any]]] = []


def register_concatenate(kind: type, function: Callable[..., Any]) -> None:
    """Register the function that concatenates blocks of a type along an axis."""
    _concatenate.insert(0, (kind, function))


def is_block_type(kind: type) -> bool:
    """Whether blocks of arrays may be of a type."""
    return (
        issubclass(kind, np.ndarray)
        or kind.__module__.partition(".")[0] in ("sparse", "cupy", "scipy")
        or any(issubclass(kind, known) for known, _ in _concatenate)
    )


def concatenate_function(block: Any) -> Callable[..., Any]:
    """Return the function that concatenates blocks of the type of one."""
    for kind, function in _concatenate:
        if isinstance(block, kind):
            return function
    if isinstance(block, np.ma.MaskedArray):
        return _concatenate_masked
    if isinstance(block, np.recarray):
        return _concatenate_records
    module = type(block).__module__.partition(".")[0]
    if module == "sparse":
        import sparse

        return sparse.concatenate
    if module == "scipy":
        return _concatenate_scipy
    return np.concatenate


def _concatenate_masked(blocks: Sequence[Any], axis: int = 0) -> Any:
    found = getattr(np.ma, "concatenate")(blocks, axis=axis)
    fills = {repr(block.fill_value): block.fill_value for block in blocks if isinstance(block, np.ma.MaskedArray)}
    if len(fills) == 1:
        found.fill_value = next(iter(fills.values()))
    return found


def _concatenate_records(blocks: Sequence[Any], axis: int = 0) -> Any:
    # The common type of several records would be one of plain fields.
    return np.concatenate(blocks, axis=axis).view(np.recarray)


def _concatenate_scipy(blocks: Sequence[Any], axis: int = 0) -> Any:
    import scipy.sparse

    stack = scipy.sparse.vstack if axis == 0 else scipy.sparse.hstack
    found = stack(list(blocks))
    return getattr(found, f"to{blocks[0].format}")()


def cut(block: Any, box: tuple[Any, ...]) -> Any:
    """Return a part of a block: a slice, an integer or an array of positions for each axis."""
    if not any(isinstance(one, (np.ndarray, list)) for one in box):
        return block[box]
    found = block
    # Integers drop axes, so that the last axes come first.
    for axis in range(len(box) - 1, -1, -1):
        one = box[axis]
        if isinstance(one, (np.ndarray, list)):
            found = take(found, np.asarray(one), axis)
        elif not (isinstance(one, slice) and one == slice(None)):
            found = found[(slice(None),) * axis + (one,)]
    return found


def take(block: Any, positions: Any, axis: int) -> Any:
    """Return the items of a block at positions along an axis."""
    if type(block) is np.ndarray:
        return np.take(block, positions, axis=axis)
    return block[(slice(None),) * axis + (positions,)]


def cut_nested(nested: Any, depth: int) -> Any:
    """Cut a part out of each block in nested lists.

    Parameters
    ----------
    nested : list
        Pairs of a block and its part in nested lists. Without a part it is the whole block.
    depth : int
        The number of levels of the lists.
    """
    if depth:
        return [cut_nested(one, depth - 1) for one in nested]
    block, box = nested
    return cut(block, box) if box else block


def join(nested: Any, levels: tuple[int, ...]) -> Any:
    """Join blocks in nested lists along the axes to which the levels belong."""
    first = nested
    for _ in levels:
        if not first:
            raise ValueError("internal error: no blocks to join")
        first = first[0]
    if isinstance(first, dict):
        # Several results of a block: each is joined.
        return {name: join(_item_nested(nested, len(levels), name), levels) for name in first}
    if type(first) is np.ndarray:
        found = _fill(nested, levels, first)
        if found is not None:
            return found
    return _concatenate_levels(nested, levels)


def _item_nested(nested: Any, depth: int, name: Any) -> Any:
    return [_item_nested(one, depth - 1, name) for one in nested] if depth else nested[name]


def _concatenate_levels(nested: Any, levels: tuple[int, ...]) -> Any:
    if not levels:
        return nested
    parts = [_concatenate_levels(one, levels[1:]) for one in nested]
    if len(parts) == 1:
        return parts[0]
    kinds = {type(part) for part in parts}
    model = parts[0]
    if len(kinds) > 1:
        model = next((part for part in parts if type(part) is not np.ndarray), model)
    return concatenate_function(model)(parts, axis=levels[0])


def _leaves(nested: Any, depth: int) -> Any:
    if not depth:
        yield (), nested
        return
    for at, one in enumerate(nested):
        for index, leaf in _leaves(one, depth - 1):
            yield (at, *index), leaf


def _fill(nested: Any, levels: tuple[int, ...], first: Any) -> Any:
    """Join arrays of NumPy by copying each once. Returns None if they do not form a grid of one dtype."""
    leaves = list(_leaves(nested, len(levels)))
    if len(leaves) == 1:
        return first
    sizes: list[dict[int, int]] = [{} for _ in levels]
    for index, leaf in leaves:
        if type(leaf) is not np.ndarray or leaf.ndim != first.ndim or leaf.dtype != first.dtype:
            return None
        for place, (at, axis) in enumerate(zip(index, levels)):
            if sizes[place].setdefault(at, leaf.shape[axis]) != leaf.shape[axis]:
                return None
        if any(leaf.shape[axis] != first.shape[axis] for axis in range(first.ndim) if axis not in levels):
            return None
    shape = list(first.shape)
    starts = []
    for place, axis in enumerate(levels):
        begin, known = 0, []
        for at in range(len(sizes[place])):
            known.append(slice(begin, begin + sizes[place][at]))
            begin += sizes[place][at]
        starts.append(known)
        shape[axis] = begin
    is_fortran = first.flags.f_contiguous and not first.flags.c_contiguous
    found = np.empty(tuple(shape), dtype=first.dtype, order="F" if is_fortran else "C")
    box: list[Any] = [slice(None)] * first.ndim
    for index, leaf in leaves:
        for place, (at, axis) in enumerate(zip(index, levels)):
            box[axis] = starts[place][at]
        found[tuple(box)] = leaf
    return found


def nest(blocks: Sequence[Any], grid: tuple[int, ...]) -> Any:
    """Return row-major blocks as nested lists."""
    found: list[Any] = list(blocks)
    for size in reversed(grid[1:]):
        found = [found[at : at + size] for at in range(0, len(found), size)] if size else []
    return found if grid else found[0]


def assemble(blocks: Sequence[Any], grid: tuple[int, ...]) -> Any:
    """Return the whole array from its blocks, row-major."""
    if len(blocks) == 1:
        return blocks[0]
    levels = tuple(range(len(grid)))
    if any(getattr(block, "ndim", 0) != len(grid) for block in blocks):
        blocks = [_with_ndim(block, len(grid)) for block in blocks]
    return join(nest(blocks, grid), levels)


def _with_ndim(block: Any, ndim: int) -> Any:
    """Return a block with a number of axes. Axes of size 1 are added or dropped at the front."""
    found = block if hasattr(block, "ndim") else np.asarray(block)
    if found.ndim > ndim:
        extra = found.ndim - ndim
        if any(size != 1 for size in found.shape[:extra]):
            raise ValueError(
                f"cannot assemble the array: a block has {found.ndim} dimensions, and the array has {ndim}; pass the chunks of "
                "what the function returns"
            )
        return found.reshape(found.shape[extra:])
    return np.asarray(found)[(None,) * (ndim - found.ndim)] if found.ndim < ndim else found


def assemble_nested(nested: Any, grid: tuple[int, ...]) -> Any:
    """Return the whole array from nested lists of blocks."""
    return assemble([leaf for _, leaf in _leaves(nested, len(grid))], grid)


class Fill:
    """A function some of whose positional arguments are known."""

    __slots__ = ("__name__", "function", "kwargs", "template")

    def __init__(
        self, function: Callable[..., Any], template: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> None:
        #: Known arguments as tuples of one item, and None for the others.
        self.template = template
        self.function = function
        self.kwargs = kwargs or {}
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *blocks: Any, **kwargs: Any) -> Any:
        rest = iter(blocks)
        args = [next(rest) if one is None else one[0] for one in self.template]
        return self.function(*args, *rest, **self.kwargs, **kwargs)

    def __reduce__(self) -> Any:
        return Fill, (self.function, self.template, self.kwargs)

    def __dask_tokenize__(self) -> Any:
        return "fill", self.function, self.template, self.kwargs


class Program:
    """The function of a task: a list of operations over numbered values.

    Each operation is a function, its keyword arguments and the numbers of its positional arguments. The arguments of
    the task have the first numbers, and each result the next one. The last result is that of the task.
    """

    __slots__ = ("__name__", "steps")

    def __init__(
        self, steps: tuple[tuple[Callable[..., Any], dict[str, Any], tuple[int, ...]], ...], name: str
    ) -> None:
        self.steps = steps
        self.__name__ = name

    def __call__(self, *args: Any) -> Any:
        values = list(args)
        del args
        count = len(values)
        last = {}
        for at, (_, _, places) in enumerate(self.steps):
            for place in places:
                last[place] = at
        for at, (function, kwargs, places) in enumerate(self.steps):
            inputs = [values[place] for place in places]
            for place in places:
                if last[place] == at and place >= count:
                    # Intermediate results are freed as soon as nothing needs them.
                    values[place] = None
            result = function(*inputs, **kwargs)
            del inputs
            values.append(result)
        return values[-1]

    def __reduce__(self) -> Any:
        return Program, (self.steps, self.__name__)


def item_of(values: Any, key: Any) -> Any:
    """Return an item of a result with several ones."""
    return operator.getitem(values, key)
