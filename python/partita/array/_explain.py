"""What a computation does: its stages, their tasks and bytes, and whether each task fits in the memory of a worker.

Bytes follow from shapes and dtypes. They are upper bounds for reads, whose boxes are not subtracted: a task maps whole
blocks. Functions of the user and arrays of Python objects may need more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..utils import format_bytes, key_split
from ._axis_maps import All, At, Read
from ._expression import Constant, Node, Parts
from ._fusion import Group, Position, compose, group_nodes

if TYPE_CHECKING:
    from .._drawing import Drawing

__all__ = ["Stage", "check_memory", "draw_stages", "explain", "needs_check", "stages_of"]

#: Tasks that need less fit in any worker: the cluster is not asked for its limits.
NEED_CHECKED_MIN = 64 << 20
#: Maximum number of operations of a stage that are named.
_NAMES_MAX = 6


class Stage:
    """The tasks of one step, or data that exists.

    Attributes
    ----------
    label : str
        The operations, the first one first.
    name : str
        The name of the array whose blocks are the results.
    tasks : int
        The number of tasks; 0 for data that exists and for blocks that are those of other stages.
    inputs : list of str
        The names of the stages that are read.
    read, temporary, output : float
        Largest numbers of bytes of one task: the blocks that it reads, all its values at once, and its result.
    total : float
        Bytes of all results.
    largest : tuple
        The operation whose result is the largest one of a task, and its bytes.
    joined : float
        Bytes of blocks that a task joins, with the result: both exist at once.
    is_exact : bool
        Whether shapes and dtypes determine all bytes.
    is_persisted : bool
        Whether the blocks are kept on the workers.
    """

    __slots__ = (
        "inputs",
        "is_exact",
        "is_persisted",
        "joined",
        "label",
        "largest",
        "name",
        "output",
        "read",
        "tasks",
        "temporary",
        "total",
    )

    def __init__(self, label: str, name: str) -> None:
        self.label = label
        self.name = name
        self.tasks = 0
        self.inputs: list[str] = []
        self.read = self.temporary = self.output = self.total = self.joined = 0.0
        self.largest: tuple[str, float] = (label, 0.0)
        self.is_exact = True
        self.is_persisted = False

    @property
    def need(self) -> float:
        """Bytes that a task needs at least: what it reads with its result, or its largest value."""
        return max(self.read + self.output, self.joined, self.largest[1])


def _known(size: Any) -> float:
    return 0.0 if math.isnan(size) else float(size)


def _item_bytes(node: Node) -> int:
    return int(getattr(node.dtype, "itemsize", 8) or 1)


def _block_bytes(node: Node) -> float:
    """Return the bytes of the largest block."""
    return math.prod([max(map(_known, sizes), default=0.0) for sizes in node.chunks]) * _item_bytes(node)


def _total_bytes(node: Node) -> float:
    return math.prod([sum(map(_known, sizes)) for sizes in node.chunks]) * _item_bytes(node)


def _is_exact(node: Node) -> bool:
    has_objects = node.dtype is None or node.dtype.hasobject
    return not has_objects and not any(math.isnan(size) for sizes in node.chunks for size in sizes)


def _read_bytes(read: Read, position: Position) -> float:
    """Return the largest number of bytes of the blocks that one task reads."""
    source = read.source
    if read.listed is not None:
        sizes = _flat_sizes(source)
        rows = read.listed.rows
        return max((sum(sizes[at] for at in ([row] if isinstance(row, int) else row)) for row in rows), default=0.0)
    found = float(_item_bytes(source))
    for one, sizes in zip(read.axes, source.chunks):
        known = [_known(size) for size in sizes]
        if isinstance(one, At):
            found *= known[one.index]
        elif isinstance(one, All):
            found *= sum(known)
        elif one.ranges is None:
            found *= max(known, default=0.0)
        else:
            axis, table = position[one.of]
            chosen = range(len(one.ranges)) if table is None else table if axis is not None else [table]
            offset = read.domain[1] if read.domain is not None and read.domain[0] == one.of else 0
            found *= max((_range_size(one.ranges, at - offset, known) for at in chosen), default=0.0)
    return found


def _range_size(ranges: Sequence[Any], at: int, sizes: list[float]) -> float:
    if not 0 <= at < len(ranges):
        return 0.0
    where = ranges[at]
    return sizes[where] if isinstance(where, int) else sum(sizes[one] for one in where)


def _flat_sizes(node: Node) -> list[float]:
    """Return the bytes of all blocks, row-major."""
    found = [float(_item_bytes(node))]
    for sizes in node.chunks:
        found = [one * _known(size) for one in found for size in sizes]
    return found


def _stage_of(group: Group) -> Stage:
    root = group.root
    label = key_split(root.name)
    stage = Stage(label, root.name)
    stage.output, stage.total = _block_bytes(root), _total_bytes(root)
    stage.is_exact = _is_exact(root)
    if isinstance(root, (Parts, Constant)):
        stage.tasks = 0 if isinstance(root, Constant) else sum(not hasattr(one, "result") for one in root.parts)
        stage.is_persisted = isinstance(root, Parts) and stage.tasks == 0
        return stage
    stage.inputs = list(dict.fromkeys(read.source.name for read in root.reads))
    if root.is_alias:
        stage.output = 0.0
        return stage
    stage.tasks = math.prod(root.grid)
    members = {node.name for node, _ in group.members}
    reads: dict[Any, float] = {}
    names: list[str] = []
    stage.inputs = []
    for node, position in reversed(group.members):
        names.append(key_split(node.name))
        stage.is_exact = stage.is_exact and _is_exact(node) and not node.user
        # A view of a small array, as of broadcasting, takes no memory.
        size = 0.0 if node.cheap and node.reads else _block_bytes(node)
        stage.temporary += size
        if size > stage.largest[1]:
            stage.largest = (names[-1], size)
        for read in node.reads:
            if read.source.name in members:
                continue
            stage.inputs.append(read.source.name)
            place = (
                (read.source.name, compose(position, read))
                if read.is_single
                else (read.source.name, id(read), position)
            )
            reads[place] = _read_bytes(read, position)
            if read.join and not read.is_single:
                stage.joined = max(stage.joined, reads[place] + size)
    stage.inputs = list(dict.fromkeys(stage.inputs))
    stage.read = sum(reads.values())
    names = list(dict.fromkeys(names))
    stage.label = " + ".join(names if len(names) <= _NAMES_MAX else [*names[: _NAMES_MAX - 2], "...", names[-1]])
    return stage


def stages_of(wanted: Iterable[Node]) -> list[Stage]:
    """Return the stages that compute nodes, inputs first."""
    return [_stage_of(group) for group in group_nodes(wanted)]


# Memory.


def _limits(client: Any) -> tuple[float, float]:
    """Return the largest memory limit of a worker, and of a slot, of the workers that are connected; 0 without workers."""
    rows = client._workers()
    limit = max((float(row["memory_limit_bytes"]) for row in rows), default=0.0)
    slot = min((row["memory_limit_bytes"] / max(row["slots"], 1) for row in rows), default=0.0)
    return limit, slot


def needs_check(wanted: Iterable[Node]) -> bool:
    """Whether a task needs enough memory for it to matter how much the workers have."""
    return any(stage.need >= NEED_CHECKED_MIN for stage in stages_of(wanted))


def check_memory(wanted: Iterable[Node], client: Any) -> None:
    """Raise an error if a task needs more memory than the largest worker has, before anything runs.

    Parameters
    ----------
    wanted : iterable of Node
        What is computed.
    client : Client
        The client whose cluster computes it.

    Raises
    ------
    MemoryError
        It names the operation, the bytes, the limit and the remedy.
    """
    stages = [stage for stage in stages_of(wanted) if stage.need >= NEED_CHECKED_MIN and stage.tasks]
    if not stages:
        return
    limit, _ = _limits(client)
    worst = max(stages, key=lambda stage: stage.need)
    if not limit or worst.need <= limit:
        return
    if worst.largest[1] > limit:
        operation, size = worst.largest
        what = f"a block of {operation!r} has {_shown(size)}"
    else:
        what = f"a task of {worst.label!r} reads {_shown(worst.read)} and needs {_shown(worst.need)} at once"
    raise MemoryError(
        f"cannot compute the array: {what}, and the largest worker has a memory limit of {_shown(limit)}; use smaller chunks "
        "(chunks=, rechunk), keep the axis divided, or start workers with more memory (--memory-limit); x.explain() lists "
        "the stages"
    )


# Text and drawings.


def _shown(size: float) -> str:
    return format_bytes(int(size))


def _line(number: int, stage: Stage, numbers: dict[str, int]) -> str:
    about = "" if stage.is_exact else "at least "
    if not stage.inputs and not stage.tasks:
        kind = "persisted blocks" if stage.is_persisted else "data of the client"
        return f"{number:>5}  {kind}: {stage.label}, {_shown(stage.total)}"
    source = f" of {', '.join(str(numbers[name]) for name in stage.inputs)}" if stage.inputs else ""
    if not stage.tasks:
        return f"{number:>5}  blocks{source} as they are: {stage.label}"
    return (
        f"{number:>5}  {stage.tasks:>7,} tasks{source}: {stage.label}\n"
        f"         a task reads {_shown(stage.read)}, computes {_shown(stage.temporary)}, returns {about}{_shown(stage.output)}; "
        f"all return {about}{_shown(stage.total)}"
    )


def explain(x: Any) -> str:
    """Return the stages of the computation as text: the method ``explain``."""
    stages = stages_of([x._node])
    numbers = {stage.name: at for at, stage in enumerate(stages)}
    lines = [
        f"{x!r}",
        f"{len(stages)} stages, {sum(stage.tasks for stage in stages):,} tasks, the result has {_shown(stages[-1].total)}",
    ]
    if x._partita_is_small():
        lines.append("computed in the process of the client: it is small")
    lines += [_line(at, stage, numbers) for at, stage in enumerate(stages)]
    worst = max(stages, key=lambda stage: stage.need)
    if worst.tasks:
        lines.append(f"most memory for one task: {_shown(worst.need)}, in stage {numbers[worst.name]}")
        lines += _advice(worst)
    return "\n".join(lines)


def _advice(worst: Stage) -> list[str]:
    """Return how the need compares with the workers of the default client, if one exists."""
    from .._client import default_client

    try:
        limit, slot = _limits(default_client())
    except ValueError:
        return []
    if not limit:
        return ["no workers are connected"]
    if worst.need > limit:
        return [
            f"the largest worker has a memory limit of {_shown(limit)}: compute() refuses this array; use smaller chunks"
        ]
    if worst.need > slot:
        return [f"a slot of a worker has {_shown(slot)} of its memory limit: fewer tasks than slots run at once"]
    return [f"a slot of a worker has {_shown(slot)} of its memory limit"]


def draw_stages(arrays: Sequence[Any], rankdir: str) -> Drawing:
    """Return the graph of the stages of arrays as a drawing."""
    from .._drawing import Drawing
    from .._layout import Layout
    from .._layout import Node as Box

    stages = stages_of([one._node for one in arrays])
    numbers = {stage.name: at for at, stage in enumerate(stages)}
    boxes = []
    for stage in stages:
        label = f"{stage.tasks:,} x {stage.label}" if stage.tasks else stage.label
        places = [numbers[name] for name in stage.inputs]
        title = _line(numbers[stage.name], stage, numbers).strip()
        boxes.append(Box(label, title, places, bool(stage.tasks)))
    return Drawing("\n".join(explain(one) for one in arrays), Layout(boxes, rankdir))
