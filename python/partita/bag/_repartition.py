"""Changing the partitions of a bag."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Sequence
from typing import Any

from .._tasks import Task
from .._tokens import tokenize
from ..utils import parse_bytes
from . import _steps
from ._layers import Layer, Made

__all__ = ["total_size"]

#: Depth of containers up to which sizes are added up.
_DEPTH_MAX = 10


def to_count(bag: Any, count: int) -> Any:
    """Return a bag with a number of partitions."""
    count = int(count)
    if count < 1:
        raise ValueError(f"npartitions must be at least 1, not {count}")
    before = bag.npartitions
    if count == before:
        return bag
    if count < before:
        bounds = [before * at // count for at in range(count + 1)]
        return _join(bag, bounds, f"repartition-{count}-{tokenize(bag, count)}")
    if not before:
        raise ValueError("cannot repartition a bag without partitions")
    ends = [count * at // before for at in range(before + 1)]
    return _split(bag, [b - a for a, b in zip(ends, ends[1:])], f"repartition-{count}-{tokenize(bag, count)}")


def to_size(bag: Any, size: Any) -> Any:
    """Return a bag with partitions of at most a size, as far as items allow it."""
    size = parse_bytes(size)
    if size < 1:
        raise ValueError(f"partition_size must be at least 1 byte, not {size}")
    sizes = [max(one, 1) for one in bag.map_partitions(total_size).compute()]
    pieces = [-(-one // size) for one in sizes]
    if max(pieces) > 1:
        bag = _split(bag, pieces, f"repartition-split-{tokenize(bag, pieces)}")
        sizes = [one // number for one, number in zip(sizes, pieces) for _ in range(number)]
    bounds = [0]
    used = 0
    for at, one in enumerate(sizes):
        if used and used + one > size:
            bounds.append(at)
            used = 0
        used += one
    bounds.append(len(sizes))
    return _join(bag, bounds, f"repartition-join-{tokenize(bag, bounds)}")


def _join(bag: Any, bounds: Sequence[int], name: str) -> Any:
    def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
        return [
            made.task(at, _steps.concatenate, (nodes[0][first:last],))
            for at, (first, last) in enumerate(zip(bounds, bounds[1:]))
        ]

    return bag._new(Made(name, len(bounds) - 1, [bag._layer], make))


def _split(bag: Any, pieces: Sequence[int], name: str) -> Any:
    def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
        found: list[Any] = []
        for at, (node, number) in enumerate(zip(nodes[0], pieces)):
            whole = Task(_steps.split, (node, number), None, "split", f"{made.name}-split-{at}", made.options)
            for piece in range(number):
                found.append(made.task(len(found), operator.itemgetter(piece), (whole,)))
        return found

    return bag._new(Made(name, sum(pieces), [bag._layer], make))


def total_size(part: Any) -> int:
    """Return the size of a partition in bytes."""
    part = part if isinstance(part, list) else list(part)
    return sys.getsizeof(part) + sum(map(functools.partial(_size, _DEPTH_MAX), part))


def _size(depth: int, value: Any) -> int:
    # NumPy and Arrow know the size of their buffers, which the interpreter does not.
    buffers = getattr(value, "nbytes", None)
    own = sys.getsizeof(value)
    if isinstance(buffers, int):
        return max(own, buffers)
    usage = getattr(value, "memory_usage", None)
    if callable(usage) and hasattr(value, "index"):
        used = usage(deep=True)
        return int(used.sum() if hasattr(used, "sum") else used)
    if depth and isinstance(value, dict):
        return own + sum(_size(depth - 1, one) for pair in value.items() for one in pair)
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return own + sum(_size(depth - 1, one) for one in value)
    return own
