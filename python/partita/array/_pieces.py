"""Small parts of blocks as tasks of their own: they are cut where the blocks are, and only they move between workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tasks import Task
from .._tokens import tokenize
from ._blocks import cut
from ._kernels import Box, block_of, kernels_of

__all__ = ["Pieces"]

#: A part is a task if that saves moving at least this many bytes. A task costs about as much as copying them.
SAVED_BYTES_MIN = 1 << 20
#: A part is a task if it is at most this much of its block. Larger parts are cut by the tasks that need them: a worker gets
#: a block once for several of its tasks.
FRACTION_MAX = 1 / 32
#: Parts of one array that are tasks for one reader, at most. Further ones are cut by the reader.
PIECES_MAX = 50_000


class Pieces:
    """The parts of the blocks of an array that one reader needs.

    Parameters
    ----------
    source : Node
        The array.
    blocks : list
        Its blocks, row-major: tasks, futures or arrays.
    options : dict or None
        The options of the tasks.
    """

    def __init__(self, source: Any, blocks: Sequence[Any], options: Any) -> None:
        self._name, self._chunks, self._options = source.name, source.chunks, options
        self._itemsize = np.dtype(source.meta.dtype).itemsize
        self._blocks = blocks
        self._kernels = kernels_of(cut, [block_of(source), Box()])
        self._made: dict[tuple[int, str], Task] = {}

    def find(self, place: int, box: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return what stands for a part of a block, and the box that is still to be cut out of it, or None."""
        block = self._blocks[place]
        if all(one is None for one in box):
            return block, None
        full, wanted = self._sizes(place, box)
        parts = tuple([slice(None) if one is None else one for one in box])
        if full is None:
            return block, parts
        if full == wanted and all(one is None or (isinstance(one, slice) and one.step in (None, 1)) for one in box):
            return block, None
        elements, part = _product(full), _product(wanted)
        is_task = type(block) is Task or hasattr(block, "result")
        if not is_task or part > elements * FRACTION_MAX or (elements - part) * self._itemsize < SAVED_BYTES_MIN:
            return block, parts
        return self._piece(place, block, parts)

    def _piece(self, place: int, block: Any, parts: tuple[Any, ...]) -> tuple[Any, Any]:
        is_plain = all(isinstance(one, (slice, int)) for one in parts)
        key = place, str(parts) if is_plain else tokenize(parts)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= PIECES_MAX:
                return block, parts
            name = f"{self._name}-cut-{place}-{tokenize(key[1])[:12]}"
            made = self._made[key] = Task(cut, (block, parts), None, "cut", name, self._options, self._kernels)
        return made, None

    def _sizes(self, place: int, box: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the numbers of items along the axes of a block and of a part of it; None if they are unknown."""
        full: list[int] = []
        wanted: list[int] = []
        for sizes, one in zip(reversed(self._chunks), reversed(box)):
            place, at = divmod(place, len(sizes))
            size = sizes[at]
            if size != size:
                return None, None
            full.append(int(size))
            if one is None:
                wanted.append(int(size))
            elif isinstance(one, slice):
                wanted.append(len(range(*one.indices(int(size)))))
            else:
                wanted.append(int(np.size(one)))
        return full, wanted


def _product(sizes: Sequence[int]) -> int:
    found = 1
    for size in sizes:
        found *= size
    return found
