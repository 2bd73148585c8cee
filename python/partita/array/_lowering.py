"""Lowering: from expressions to tasks. Groups, maps and tables say everything; no operation is known here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .._direct import UPLOAD_BYTES_MIN
from .._tasks import Task, identity
from ..utils import key_split
from ._axis_maps import All, At, Axis, Read
from ._blocks import Program, cut, cut_nested, join
from ._expression import Constant, Node, Parts
from ._fusion import Group, Position, compose, group_nodes
from ._kernels import Box, Nested, Recorder, block_of, kernels_of
from ._pieces import Pieces

__all__ = ["lower"]


def lower(wanted: Iterable[Node]) -> dict[str, list[Any]]:
    """Return the tasks or futures of the blocks of nodes, row-major, by the names of the nodes.

    Examples
    --------
    >>> from partita.array import ones
    >>> node = (ones((4,), chunks=2) + 1)._node
    >>> [task.key.rsplit("-", 1)[1] for task in lower([node])[node.name]]
    ['0', '1']
    """
    wanted = list(wanted)
    made: dict[str, list[Any]] = {}
    names = {node.name for node in wanted}
    for group in group_nodes(wanted):
        root = group.root
        if isinstance(root, Parts):
            made[root.name] = list(root.parts)
        elif isinstance(root, Constant):
            made[root.name] = _constants(root, root.name in names)
        elif root.is_alias:
            made[root.name] = _aliases(root, made)
        else:
            made[root.name] = _Tasks(group, made).tasks()
    for node in wanted:
        blocks = made[node.name]
        if any(type(block) is not Task and not hasattr(block, "result") for block in blocks):
            # An alias of a constant.
            made[node.name] = [_as_task(node, at, block) for at, block in enumerate(blocks)]
    return made


def block_key(node: Node, at: int) -> str:
    """Return the key of a block."""
    return f"{node.name}-{at}"


def _as_task(node: Node, at: int, block: Any) -> Any:
    if type(block) is Task or hasattr(block, "result"):
        return block
    return Task(identity, (block,), None, key_split(node.name), block_key(node, at), node.options)


def _constants(node: Constant, wanted: bool) -> list[Any]:
    blocks = [node.array[index] if index else node.array for index in itertools.product(*node.starts())]
    if not wanted and not any(block.nbytes >= UPLOAD_BYTES_MIN for block in blocks):
        return blocks
    # Large blocks are tasks of their own, so that they are sent once.
    return [_as_task(node, at, block) for at, block in enumerate(blocks)]


def _aliases(node: Node, made: dict[str, list[Any]]) -> list[Any]:
    found: list[Any] = [None] * math.prod(node.grid)
    position = tuple([(at, None) for at in range(node.ndim)])
    for read in node.reads:
        column = _Column(read, position, node.grid, made, node.grid)
        for at, index in enumerate(itertools.product(*map(range, node.grid))):
            if column.has(index):
                found[at] = column.block(index)
    return found


class _Column:
    """An argument of the tasks of a group: blocks of one source."""

    def __init__(
        self,
        read: Read,
        position: Position,
        grid: Sequence[int],
        made: dict[str, list[Any]],
        reader_grid: Sequence[int],
        options: Any = None,
    ) -> None:
        source = read.source
        self.blocks = made[source.name]
        self.domain = read.domain
        self.listed = None if read.listed is None else read.listed.rows
        self.find_index = _index_of(position)
        self.reader_grid = reader_grid
        self.is_single = all(one.is_single for one in read.axes)
        #: Axes with a level of the nested lists.
        self.levels = tuple([axis for axis, one in enumerate(read.axes) if not one.is_single])
        self.has_boxes = any(getattr(one, "boxes", getattr(one, "box", None)) is not None for one in read.axes)
        #: The blocks and boxes that stand for parts of several blocks.
        self.pieces = Pieces(source, self.blocks, options) if self.has_boxes and self.levels else None
        strides = [1] * len(source.grid)
        for axis in range(len(strides) - 2, -1, -1):
            strides[axis] = strides[axis + 1] * source.grid[axis + 1]
        #: For each axis: the axis of the tasks or None, the offsets by their index, and the boxes.
        self.axes = [
            self._axis(one, position, source.grid[axis], strides[axis], grid) for axis, one in enumerate(read.axes)
        ]

    def _axis(self, one: Any, position: Position, size: int, stride: int, grid: Sequence[int]) -> Any:
        if isinstance(one, At):
            return None, one.index * stride, one.box
        if isinstance(one, All):
            return None, [at * stride for at in range(size)], None
        axis, table = position[one.of]
        if axis is None:
            where, box = self._entry(one, table)
            return None, _scaled(where, stride), box
        offset = 0
        if self.domain is not None and self.domain[0] == one.of:
            offset = self.domain[1]
        indices = range(grid[axis]) if table is None else table
        entries = [self._entry(one, at - offset) for at in indices]
        boxes = None if one.boxes is None else [box for _, box in entries]
        return axis, [_scaled(where, stride) for where, _ in entries], boxes

    @staticmethod
    def _entry(one: Axis, at: int) -> tuple[Any, Any]:
        where = at if one.ranges is None else (one.ranges[at] if 0 <= at < len(one.ranges) else 0)
        box = None if one.boxes is None or not 0 <= at < len(one.boxes) else one.boxes[at]
        return where, box

    def has(self, index: tuple[int, ...]) -> bool:
        return self.domain is None or self.domain[1] <= index[self.domain[0]] < self.domain[2]

    def block(self, index: tuple[int, ...]) -> Any:
        """Return the blocks of a task: one, or nested lists."""
        if self.listed is not None:
            row = self.listed[_flat(self.find_index(index), self.reader_grid)]
            return self.blocks[row] if isinstance(row, int) else [self.blocks[at] for at in row]
        if self.is_single:
            place = 0
            for axis, offsets, _ in self.axes:
                place += offsets if axis is None else offsets[index[axis]]
            return self.blocks[place]
        wanted = [offsets if axis is None else offsets[index[axis]] for axis, offsets, _ in self.axes]
        if self.pieces is None:
            return self._nested(wanted, 0, 0)
        return self._parts(index, wanted, self.pieces)

    def _nested(self, wanted: list[Any], axis: int, place: int) -> Any:
        while axis < len(wanted) and isinstance(wanted[axis], int):
            place += wanted[axis]
            axis += 1
        if axis == len(wanted):
            return self.blocks[place]
        return [self._nested(wanted, axis + 1, place + one) for one in wanted[axis]]

    def _parts(self, index: tuple[int, ...], wanted: list[Any], pieces: Pieces) -> Any:
        """Return the blocks of a task, each with what is to be cut out of it, as nested lists."""
        boxes = [box if axis is None or box is None else box[index[axis]] for axis, _, box in self.axes]
        ndim = len(wanted)

        def nested(axis: int, place: int, box: tuple[Any, ...]) -> Any:
            if axis == ndim:
                return pieces.find(place, box)
            where, part = wanted[axis], boxes[axis]
            if axis not in self.levels:
                return nested(axis + 1, place + where, (*box, part))
            parts = [None] * len(where) if part is None else part
            return [nested(axis + 1, place + one, (*box, cut)) for one, cut in zip(where, parts)]

        return nested(0, 0, ())

    def box(self, index: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the part of the block that is read, for each axis."""
        found: list[Any] = []
        for axis, _, boxes in self.axes:
            box = boxes if axis is None or boxes is None else boxes[index[axis]]
            found.append(slice(None) if box is None else box)
        return tuple(found)


def _scaled(where: Any, stride: int) -> Any:
    return where * stride if isinstance(where, int) else [at * stride for at in where]


class _Tasks:
    """Builds the tasks of a group."""

    def __init__(self, group: Group, made: dict[str, list[Any]]) -> None:
        self.group = group
        self.root = group.root
        self.made = made
        #: Functions of the index of a task, each of which returns one argument.
        self.arguments: list[Callable[[tuple[int, ...]], Any]] = []
        #: Operations: the places of their inputs are numbers of arguments, or results as negative numbers.
        self.steps: list[tuple[Callable[..., Any], dict[str, Any], list[int]]] = []
        self.known: dict[Any, int] = {}
        #: Inputs that only some tasks have.
        self.partial: list[tuple[_Column, Any]] = []
        self.recorder = Recorder()

    def tasks(self) -> list[Task]:
        for node, position in reversed(self.group.members):
            if (node.name, position) not in self.known:
                self.known[node.name, position] = self._add(node, position)
        count = len(self.arguments)
        last = self.known[self.root.name, self.group.members[0][1]]
        if last >= 0:
            self._step(identity, {}, [last])
        steps = tuple(
            [
                (function, kwargs, tuple([at if at >= 0 else count - 1 - at for at in places]))
                for function, kwargs, places in self.steps
            ]
        )
        name = key_split(self.root.name)
        root = self.root
        function: Callable[..., Any] = Program(steps, name)
        if len(steps) == 1 and steps[0][2] == tuple(range(count)) and not steps[0][1]:
            function = steps[0][0]
        kernels = self.recorder.finish(-len(self.steps))
        mirrored = kernels_of(np.transpose, [block_of(root)]) if root.symmetric else None
        found: list[Task] = []
        for at, index in enumerate(itertools.product(*map(range, root.grid))):
            key = f"{root.name}-{at}"
            if root.symmetric and index[0] > index[1]:
                above = found[_flat(index[::-1], root.grid)]
                found.append(Task(np.transpose, (above,), None, name, key, root.options, mirrored))
                continue
            arguments = tuple([one(index) for one in self.arguments])
            found.append(Task(function, arguments, None, name, key, root.options, kernels))
        return found

    def _argument(self, make: Callable[[tuple[int, ...]], Any], kind: Any = None) -> int:
        self.arguments.append(make)
        self.recorder.argument(kind)
        return len(self.arguments) - 1

    def _step(self, function: Callable[..., Any], kwargs: dict[str, Any], places: list[int]) -> int:
        self.steps.append((function, kwargs, places))
        self.recorder.step(function, kwargs, places)
        return -len(self.steps)

    def _add(self, node: Node, position: Position) -> int:
        places = []
        if node.indexed:
            places.append(self._argument(_index_of(position)))
        places += [self._input(read, position, node.grid) for read in node.reads]
        for axis, values in node.tables:
            places.append(self._argument(_value_of(position[axis], values)))
        for value in node.values:
            places.append(self._argument(_same(value)))
        if node.function is identity and len(places) == 1:
            return places[0]
        return self._step(node.function, node.params, places)

    def _input(self, read: Read, position: Position, grid: Sequence[int]) -> int:
        source = read.source
        if read.is_single:
            place = self.known.get((source.name, compose(position, read)))
            if place is not None:
                return self._cut(read, position, place)
        column = _Column(read, position, self.root.grid, self.made, grid, self.root.options)
        if read.domain is not None:
            return self._argument(lambda index: column.block(index) if column.has(index) else None)
        key = None
        if read.is_single:
            key = (source.name, compose(position, read))
            place = self.known.get(key)
        else:
            place = None
        if place is None:
            place = self._argument(column.block, _kind_of(column, source))
            if key is not None:
                self.known[key] = place
        if column.listed is not None:
            return place
        if column.is_single:
            if column.has_boxes:
                place = self._step(cut, {}, [place, self._argument(column.box, Box())])
            return place
        if column.has_boxes:
            place = self._step(cut_nested, {"depth": len(column.levels)}, [place])
        if read.join:
            place = self._step(join, {"levels": column.levels}, [place])
        return place

    def _cut(self, read: Read, position: Position, place: int) -> int:
        """Cut a part out of the result of an operation of the same task."""
        if read.is_whole:
            return place
        tables: list[Any] = []
        for one in read.axes:
            if isinstance(one, At):
                tables.append((None, one.box))
            else:
                assert isinstance(one, Axis)
                tables.append((*position[one.of], one.boxes))

        def box(index: tuple[int, ...]) -> tuple[Any, ...]:
            found = []
            for table in tables:
                if len(table) == 2:
                    one = table[1]
                else:
                    axis, indices, boxes = table
                    at = indices if axis is None else (index[axis] if indices is None else indices[index[axis]])
                    one = None if boxes is None else boxes[at]
                found.append(slice(None) if one is None else one)
            return tuple(found)

        return self._step(cut, {}, [place, self._argument(box, Box())])


def _kind_of(column: _Column, source: Node) -> Any:
    """Return what an argument is for kernels, or None."""
    if column.listed is not None:
        return None
    block = block_of(source)
    if block is None or column.is_single:
        return block
    return Nested(source.dtype, len(column.levels), column.pieces is not None)


def _flat(index: Sequence[int], grid: Sequence[int]) -> int:
    """Return the row-major number of a block."""
    found = 0
    for at, size in zip(index, grid):
        found = found * size + at
    return found


def _index_of(position: Position) -> Callable[[tuple[int, ...]], Any]:
    def make(index: tuple[int, ...]) -> Any:
        return tuple(
            [
                table if axis is None else (index[axis] if table is None else table[index[axis]])
                for axis, table in position
            ]
        )

    return make


def _value_of(place: tuple[Any, Any], values: Sequence[Any]) -> Callable[[tuple[int, ...]], Any]:
    axis, table = place
    if axis is None:
        return _same(values[table])
    if table is None:
        return lambda index: values[index[axis]]
    return lambda index: values[table[index[axis]]]


def _same(value: Any) -> Callable[[tuple[int, ...]], Any]:
    return lambda _: value
