"""Fusion: which nodes become part of the task of their reader.

A node joins the task of its readers if all of them are in one task and read it at one position, so that each block is
computed once. Cheap nodes, such as creation, are computed again in each task that reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._axis_maps import At, Axis, Read
from ._expression import Constant, Node, Parts, sorted_nodes

__all__ = ["Group", "Position", "group_nodes"]

#: For each axis of a node, how its block follows from the index of the task: ``(axis, ranges)``, with ranges None for
#: the same index, or ``(None, index)``.
Position = tuple[tuple[Any, Any], ...]

#: Maximum number of operations in a task.
STEPS_MAX = 400


class Group:
    """The nodes that one task computes, for each block of the last one.

    Attributes
    ----------
    root : Node
        The node whose blocks are the results.
    members : list of pairs
        Nodes and their positions, the root first, readers before what they read.
    """

    __slots__ = ("members", "root")

    def __init__(self, root: Node) -> None:
        self.root = root
        self.members: list[tuple[Node, Position]] = [(root, identity_position(root.ndim))]


def identity_position(ndim: int) -> Position:
    """Return the position at which a node has the index of the task."""
    return tuple([(at, None) for at in range(ndim)])


def compose(position: Position, read: Read) -> Position:
    """Return the position of a source that a node at a position reads."""
    found: list[tuple[Any, Any]] = []
    for one in read.axes:
        if isinstance(one, At):
            found.append((None, one.index))
            continue
        assert isinstance(one, Axis)
        axis, table = position[one.of]
        if one.ranges is None:
            found.append((axis, table))
        elif axis is None:
            found.append((None, one.ranges[table]))
        elif table is None:
            found.append((axis, tuple(one.ranges)))
        else:
            found.append((axis, tuple([one.ranges[at] for at in table])))
    return tuple(found)


def _reads_once(position: Position, grid: Sequence[int]) -> bool:
    """Whether each block at a position is computed by one task only."""
    used = set()
    for axis, table in position:
        if axis is not None:
            if table is not None and len(set(table)) != len(table):
                return False
            used.add(axis)
    return all(size <= 1 or axis in used for axis, size in enumerate(grid))


def group_nodes(wanted: Iterable[Node]) -> list[Group]:
    """Return the groups of all nodes that some need, inputs first."""
    wanted = list(wanted)
    order = sorted_nodes(wanted)
    names = {node.name for node in wanted}
    readers: dict[str, list[tuple[Node, Read]]] = {}
    for node in order:
        for read in node.reads:
            readers.setdefault(read.source.name, []).append((node, read))
    placed: dict[str, list[tuple[Group, Position]]] = {}
    groups: list[Group] = []
    for node in reversed(order):
        places = None if node.name in names else _places(node, readers.get(node.name, []), placed)
        if places is None:
            group = Group(node)
            groups.append(group)
            placed[node.name] = [(group, group.members[0][1])]
            continue
        placed[node.name] = places
        for group, position in places:
            group.members.append((node, position))
    groups.reverse()
    return groups


def _places(
    node: Node, readers: list[tuple[Node, Read]], placed: dict[str, list[tuple[Group, Position]]]
) -> list[tuple[Group, Position]] | None:
    """Return the groups and positions at which a node is computed by its readers, or None if it has its own tasks."""
    if isinstance(node, (Parts, Constant)) or node.is_alias or node.symmetric:
        return None
    if not all(read.is_single for _, read in readers):
        return None
    found: dict[tuple[int, Any], tuple[Group, Position]] = {}
    for reader, read in readers:
        for group, position in placed[reader.name]:
            if group.root.is_alias or group.root.options != node.options or len(group.members) >= STEPS_MAX:
                return None
            place = compose(position, read)
            found[id(group), place] = (group, place)
    places = list(found.values())
    if node.cheap and not node.reads:
        return places
    if len(places) == 1 and _reads_once(places[0][1], places[0][0].root.grid):
        return places
    return None
