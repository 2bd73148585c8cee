"""Grouping the items of a bag by a key."""

from __future__ import annotations

import math
import operator
from typing import Any

from .._tasks import Task
from .._tokens import tokenize
from ._hash import stable_hash
from ._layers import Layer, Made

__all__ = ["groupby"]

#: Default number of pieces into which one task splits a partition.
BRANCH_MAX = 32


def groupby(bag: Any, grouper: Any, npartitions: int | None, max_branch: int | None, token: str) -> Any:
    """Return a bag of pairs of key and list of items.

    Each stage of the shuffle moves the items by one digit of the number of their new partition. Items of equal keys
    stay in their order, since the least significant digit of the number of the old partition is exchanged first.
    """
    count = bag.npartitions if npartitions is None else int(npartitions)
    branch = BRANCH_MAX if max_branch is None else int(max_branch)
    if count < 1:
        raise ValueError(f"npartitions must be at least 1, not {count}")
    if branch < 2:
        raise ValueError(f"max_branch must be at least 2, not {branch}")
    slots = max(bag.npartitions, count)
    stages = max(math.ceil(round(math.log(slots, branch), 9)), 1) if slots > 1 else 1
    base = max(math.ceil(round(slots ** (1 / stages), 9)), 1)
    while base**stages < slots:
        base += 1
    name = f"groupby-{tokenize(bag, token, count, branch)}"

    def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
        parts = list(nodes[0])
        moved: list[Any] = [
            Task(_with_keys, (grouper, count, node), None, "groupby-keys", f"{name}-keys-{at}", made.options)
            for at, node in enumerate(parts)
        ]
        moved += [None] * (base**stages - len(moved))
        for stage in range(stages):
            moved = _exchange(made, name, moved, base, stage)
        return [made.task(at, _group, (moved[at],)) for at in range(count)]

    return bag._new(Made(name, count, [bag._layer], make))


def _exchange(made: Layer, name: str, parts: list[Any], base: int, stage: int) -> list[Any]:
    """Exchange items between the partitions whose numbers differ only in one digit."""
    step = base**stage
    pieces: list[list[Any] | None] = []
    for at, node in enumerate(parts):
        if node is None:
            pieces.append(None)
            continue
        whole = Task(_split, (step, base, node), None, "groupby-split", f"{name}-split-{stage}-{at}", made.options)
        pieces.append(
            [
                Task(operator.itemgetter(digit), (whole,), None, "groupby-piece", f"{whole.key}-{digit}", made.options)
                for digit in range(base)
            ]
        )
    found: list[Any] = []
    for at in range(len(parts)):
        digit = at // step % base
        first = at - digit * step
        sources = [pieces[first + other * step] for other in range(base)]
        given = [one[digit] for one in sources if one is not None]
        key = f"{name}-join-{stage}-{at}"
        found.append(Task(_join, (given,), None, "groupby-join", key, made.options) if given else None)
    return found


def _with_keys(grouper: Any, count: int, part: Any) -> list[tuple[int, Any, Any]]:
    """Return each item with its key and the number of its new partition."""
    known: dict[Any, int] = {}
    found = []
    for item in part:
        key = grouper(item)
        kind = (type(key), key)
        target = known.get(kind)
        if target is None:
            target = known[kind] = stable_hash(key) % count
        found.append((target, key, item))
    return found


def _split(step: int, base: int, part: list[Any]) -> list[list[Any]]:
    pieces: list[list[Any]] = [[] for _ in range(base)]
    for one in part:
        pieces[one[0] // step % base].append(one)
    return pieces


def _join(pieces: list[list[Any]]) -> list[Any]:
    return [one for piece in pieces for one in piece]


def _group(part: Any) -> list[tuple[Any, list[Any]]]:
    found: dict[Any, list[Any]] = {}
    for _, key, item in part or ():
        found.setdefault(key, []).append(item)
    return list(found.items())
