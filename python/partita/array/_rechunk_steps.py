"""Intermediate chunks of a rechunk, so that a task does not need many large blocks at once.

A task maps whole blocks, whatever part of them it reads. From rows to columns each block of the result needs all blocks of
the source; in steps, the product of the sizes that grow is divided among these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ._chunks import is_unknown

__all__ = ["intermediate_chunks"]

#: A task may read as much whatever its blocks have.
READ_BYTES = 64 << 20
#: How many times the larger of the blocks before and after a task may read.
READ_FACTOR = 4


def intermediate_chunks(old: Any, new: Any, itemsize: int) -> list[Any]:
    """Return the chunks between two chunkings, in their order; none if a task reads few bytes.

    Parameters
    ----------
    old, new : tuple of tuple of int
        The chunks before and after.
    itemsize : int
        Bytes of an item.

    Examples
    --------
    >>> rows, columns = ((1000,) * 16, (16_000,)), ((16_000,), (1000,) * 16)
    >>> [tuple(map(max, chunks)) for chunks in intermediate_chunks(rows, columns, 8)]
    [(4000, 4000)]
    """
    if not old or any(is_unknown(sizes) for sizes in (*old, *new)) or not all(map(sum, old)):
        return []
    largest = [(max(before), max(after)) for before, after in zip(old, new)]
    biggest = itemsize * max(math.prod(one for one, _ in largest), math.prod(one for _, one in largest))
    bound = max(READ_BYTES, READ_FACTOR * biggest)
    read = itemsize * math.prod(
        before[0] if before == after else _largest_read(before, after) for before, after in zip(old, new)
    )
    growth = math.prod(max(after / before, 1.0) for before, after in largest)
    if read <= bound or growth <= READ_FACTOR:
        return []
    steps = max(math.ceil(math.log(growth) / math.log(bound / biggest)), 2)
    axes = [_between(before, after, one, other, steps) for before, after, (one, other) in zip(old, new, largest)]
    return list(zip(*axes))


def _between(before: Any, after: Any, one: int, other: int, steps: int) -> list[Any]:
    """Return the chunks of an axis in all steps but the last. Those of neighbouring steps nest, so that parts are few."""
    if before == after:
        return [before] * (steps - 1)
    targets = [one * (other / one) ** (step / steps) for step in range(1, steps)]
    found = []
    sizes = before
    if other < one:
        sizes = after
        targets.reverse()
    for target in targets:
        sizes = _joined(sizes, target)
        found.append(sizes)
    return found if other >= one else found[::-1]


def _largest_read(old: Sequence[int], new: Sequence[int]) -> int:
    """Return the largest sum of the sizes of blocks that a block of other chunks overlaps."""
    from ._rechunk import spans

    return max((sum(old[at] for at in one) for one in spans(old, new)[0]), default=0)


def _joined(sizes: Sequence[int], target: float) -> tuple[int, ...]:
    """Join neighbouring blocks up to a size."""
    found: list[int] = []
    for size in sizes:
        if found and found[-1] + size <= target * 1.01:
            found[-1] += size
        else:
            found.append(size)
    return tuple(found)
