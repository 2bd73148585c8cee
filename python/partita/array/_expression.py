"""Expressions: immutable nodes that say how the blocks of an array follow from the blocks of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .._options import current_options
from .._ordering import inputs_first
from .._tasks import Task, find_inputs, flatten, identity, unflatten
from .._tokens import tokenize
from ._axis_maps import Read

__all__ = ["Chunks", "Constant", "Node", "Parts", "is_small", "sorted_nodes"]

#: Sizes of the blocks along each axis.
Chunks = tuple[tuple[Any, ...], ...]

#: Expressions whose arrays have fewer bytes together are computed in the client's process.
SMALL_BYTES = 1 << 20


class Node:
    """An array as a function of blocks of other arrays.

    The function is called with an argument for each read, then with the values of the tables at the index of the block,
    then with `values`.

    Parameters
    ----------
    label : str
        A short name for display.
    chunks : tuple of tuples of int
        Sizes of the blocks along each axis. Unknown sizes are NaN.
    meta : array
        An empty array of the type, number of axes and dtype of the blocks.
    function : callable
        Computes a block. It can be pickled.
    reads : sequence of Read
        The inputs.
    tables : sequence of pairs
        ``(axis, values)``: a value for each index along an axis of the grid.
    values : tuple
        Further arguments, the same for all blocks. They may contain tasks and futures.
    params : dict, optional
        Keyword arguments. They contain neither tasks nor futures.
    indexed : bool
        Whether the index of the block, a tuple, is the first argument.
    cheap : bool
        Whether it costs less to compute a block for each reader than to store it.
    user : bool
        Whether the function may run code of the user.
    symmetric : bool
        Whether this is a matrix that equals its transpose, with equal chunks along both axes: blocks below the diagonal
        are made from those above it.
    name : str, optional
        The identity of the array: nodes with equal names have equal blocks.
    token : object, optional
        Stands for the function, all its arguments, the maps and the chunks in the name.
    given : str, optional
        The name that the user gave. Several arrays may have it, unlike the name.
    """

    __slots__ = (
        "__weakref__",
        "cheap",
        "chunks",
        "function",
        "given",
        "indexed",
        "meta",
        "name",
        "options",
        "params",
        "reads",
        "shape",
        "symmetric",
        "tables",
        "user",
        "values",
    )

    def __init__(
        self,
        label: str,
        chunks: Chunks,
        meta: Any,
        function: Callable[..., Any],
        reads: Sequence[Read] = (),
        tables: Sequence[tuple[int, Sequence[Any]]] = (),
        values: tuple[Any, ...] = (),
        params: dict[str, Any] | None = None,
        indexed: bool = False,
        cheap: bool = False,
        user: bool = False,
        symmetric: bool = False,
        name: str | None = None,
        token: Any = None,
        given: str | None = None,
    ) -> None:
        self.chunks = chunks
        self.shape = tuple([sum(sizes) for sizes in chunks])
        self.meta = meta
        self.function = function
        self.reads = tuple(reads)
        self.tables = tuple(tables)
        self.values = values
        self.params = params or {}
        self.indexed = indexed
        self.cheap = cheap
        self.user = user
        self.symmetric = symmetric
        if name is None:
            dtype = str(getattr(meta, "dtype", None))
            if token is None:
                known = [sizes_token(one) for one in chunks]
                tables = [
                    (axis, known[axis] if entries is chunks[axis] else entries)
                    if axis < len(chunks)
                    else (axis, entries)
                    for axis, entries in self.tables
                ]
                parts: Any = (function, tables, values, self.params, self.reads, known)
            else:
                parts = (token, [read.source.name for read in self.reads])
            name = f"{given or label}-{tokenize(parts, dtype)}"
        self.name = name
        self.given = given
        self.options = current_options()

    @property
    def dtype(self) -> Any:
        """The dtype of the blocks."""
        return getattr(self.meta, "dtype", None)

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of blocks along each axis."""
        return tuple([len(sizes) for sizes in self.chunks])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.chunks)

    @property
    def is_alias(self) -> bool:
        """Whether each block is a block of a source as it is."""
        return (
            self.function is identity
            and bool(self.reads)
            and not self.tables
            and not self.values
            and all(read.is_whole for read in self.reads)
        )

    def __reduce__(self) -> Any:
        # As a flat list, since chains may be long.
        order = sorted_nodes([self])
        places = {node.name: at for at, node in enumerate(order)}
        return _load_nodes, ([node._state(places) for node in order],)

    def _state(self, places: dict[str, int]) -> tuple[Any, ...]:
        """Return the type and the attributes, with the numbers of the sources in the place of these."""
        names = [
            name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__weakref__"
        ]
        state = {name: getattr(self, name) for name in names if name != "reads"}
        reads = [(places[read.source.name], read.listed or read.axes, read.join, read.domain) for read in self.reads]
        return type(self), state, reads

    def __dask_tokenize__(self) -> Any:
        return self.name


def sizes_token(sizes: tuple[Any, ...]) -> Any:
    """Return what stands for the sizes of the blocks along an axis in a name."""
    return sizes if len(sizes) < 64 else ("sizes", len(sizes), np.asarray(sizes).tobytes())


def _load_nodes(states: list[tuple[Any, ...]]) -> Any:
    """Return the last of the nodes of a flat list."""
    nodes: list[Any] = []
    for kind, state, reads in states:
        made: Any = object.__new__(kind)
        for name, value in state.items():
            setattr(made, name, value)
        made.reads = tuple([Read(nodes[at], axes, join, domain) for at, axes, join, domain in reads])
        nodes.append(made)
    return nodes[-1]


class Parts(Node):
    """Blocks that exist: tasks or futures, row-major."""

    __slots__ = ("parts",)

    def __init__(
        self,
        name: str,
        chunks: Chunks,
        meta: Any,
        parts: Sequence[Any],
        user: bool = True,
        given: str | None = None,
    ) -> None:
        super().__init__("parts", chunks, meta, identity, name=name, user=user, given=given)
        self.parts = parts

    def _state(self, places: dict[str, int]) -> tuple[Any, ...]:
        kind, state, reads = super()._state(places)
        return kind, {**state, "parts": _FlatTasks(list(self.parts))}, reads


class _FlatTasks:
    """Tasks that are pickled as values, and not as inputs of another task."""

    def __init__(self, tasks: list[Any]) -> None:
        self.tasks = tasks

    def __reduce__(self) -> Any:
        return unflatten, flatten(self.tasks)


class Constant(Node):
    """A NumPy array in the client's process. Its blocks are views, which travel as arguments of the tasks."""

    __slots__ = ("array",)

    def __init__(
        self, label: str, chunks: Chunks, meta: Any, array: Any, name: str | None = None, given: str | None = None
    ) -> None:
        if name is None:
            name = f"{label}-{tokenize(array, [sizes_token(one) for one in chunks])}"
        super().__init__(label, chunks, meta, identity, name=name, cheap=True, given=given)
        self.array = array

    def starts(self) -> list[list[slice]]:
        """Return the slice of each block along each axis."""
        found = []
        for sizes in self.chunks:
            slices, begin = [], 0
            for size in sizes:
                slices.append(slice(begin, begin + size))
                begin += size
            found.append(slices)
        return found


def sorted_nodes(wanted: Iterable[Node]) -> list[Node]:
    """Return all nodes that some need, inputs first, and each name once."""
    return inputs_first(wanted, lambda node: (read.source for read in node.reads))


def _bytes(node: Node) -> float:
    size = 1.0
    for known in node.shape:
        # An unknown size is at most that of what it was selected from, which is counted as well.
        size *= 1 if math.isnan(known) else known
    return size * getattr(node.dtype, "itemsize", 8)


def is_small(wanted: Iterable[Node]) -> bool:
    """Whether expressions have less than 1 MiB together and run only functions of NumPy and of this package."""
    total = 0.0
    for node in sorted_nodes(wanted):
        if node.user or (node.options and node.options != {}):
            return False
        total += _bytes(node)
        if total >= SMALL_BYTES or math.prod(node.grid) > 4096:
            return False
        if isinstance(node, Parts) and not all(_is_value(part) for part in node.parts):
            return False
        if node.values and find_inputs(Task(identity, node.values)):
            return False
    return True


def _is_value(part: Any) -> bool:
    return type(part) is Task and part.function is identity and not find_inputs(part)


def empty_meta(dtype: Any, ndim: int) -> Any:
    """Return an empty NumPy array."""
    return np.empty((0,) * ndim, dtype=dtype)
