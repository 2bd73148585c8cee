"""Random samples of bags: the replacement of ``dask.bag.random``."""

from __future__ import annotations

import functools
import random as _random
from collections.abc import Callable
from typing import Any

from .._tasks import Task
from .._tokens import tokenize
from ..utils import key_split
from ._core import SPLIT_EVERY, random_seeds
from ._layers import Elementwise, Layer, Made

__all__ = ["choices", "sample"]


def sample(population: Any, k: int, split_every: int | None = None) -> Any:
    """Return a bag of `k` items of a bag, chosen at random without replacement.

    Parameters
    ----------
    population : Bag
        The bag.
    k : int
        The number of items. Computing the result raises an error if the bag has fewer.
    split_every : int, optional
        Number of partitions whose samples one task combines.

    Examples
    --------
    >>> from partita import bag
    >>> from partita.bag import random
    >>> len(set(random.sample(bag.from_sequence(range(5)), 3).compute(scheduler="synchronous")))
    3
    """
    return _sampled(population, k, split_every, "sample", _sample_part, _merge_samples)


def choices(population: Any, k: int = 1, split_every: int | None = None) -> Any:
    """Return a bag of `k` items of a bag, chosen at random with replacement.

    Parameters
    ----------
    population : Bag
        The bag.
    k : int
        The number of items.
    split_every : int, optional
        Number of partitions whose choices one task combines.
    """
    return _sampled(population, k, split_every, "choices", _choose_part, _merge_choices)


def _sampled(
    bag: Any, k: int, split_every: int | None, label: str, first: Callable[..., Any], merge: Callable[..., Any]
) -> Any:
    if k < 0:
        raise ValueError(f"k must not be negative, not {k}")
    every = max(SPLIT_EVERY if split_every is None else int(split_every), 2)
    # Recomputing a lost partition must give the same sample, so the seeds are part of the tasks.
    seeds = random_seeds(bag.npartitions)
    name = f"{label}-{tokenize(bag, k, every, seeds)}"
    parts = Elementwise(f"{name}-part", bag._layer, functools.partial(first, k), [("list", seeds)])

    def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
        level, depth = nodes[0], 0
        while len(level) > 1:
            groups = [level[at : at + every] for at in range(0, len(level), every)]
            level = [
                Task(
                    merge,
                    (k, seeds[0] + depth * len(seeds) + at, group),
                    None,
                    key_split(name),
                    f"{name}-level{depth}-{at}",
                )
                for at, group in enumerate(groups)
            ]
            depth += 1
        return [made.task(0, _finish, (k, label, level[0]))]

    return bag._new(Made(name, 1, [parts], make))


def _choose_part(k: int, part: Any, seed: int) -> tuple[list[Any], int]:
    items = part if isinstance(part, list) else list(part)
    return (_random.Random(seed).choices(items, k=k) if items else []), len(items)


def _sample_part(k: int, part: Any, seed: int) -> tuple[list[Any], int]:
    items = part if isinstance(part, list) else list(part)
    return _random.Random(seed).sample(items, min(k, len(items))), len(items)


def _merge_choices(k: int, seed: int, parts: list[tuple[list[Any], int]]) -> tuple[list[Any], int]:
    sizes = [size for _, size in parts]
    if not sum(sizes):
        return [], 0
    # The choices of a partition are independent of each other, so each of them may stand for any draw from it.
    drawn = _random.Random(seed).choices(range(len(parts)), weights=sizes, k=k)
    return [parts[one][0][at] for at, one in enumerate(drawn)], sum(sizes)


def _merge_samples(k: int, seed: int, parts: list[tuple[list[Any], int]]) -> tuple[list[Any], int]:
    source = _random.Random(seed)
    total = sum(size for _, size in parts)
    left = [size for _, size in parts]
    used = [0] * len(parts)
    found: list[Any] = []
    for _ in range(min(k, total)):
        # One item of those that are left, all with the same probability.
        number = source.randrange(sum(left))
        at = 0
        while number >= left[at]:
            number -= left[at]
            at += 1
        left[at] -= 1
        # The sample of a partition is in random order.
        found.append(parts[at][0][used[at]])
        used[at] += 1
    return found, total


def _finish(k: int, label: str, result: tuple[list[Any], int]) -> list[Any]:
    found, total = result
    if label == "sample" and total < k:
        raise ValueError(f"Sample larger than population: {k} of {total} items")
    if label == "choices" and k and not total:
        raise IndexError("cannot choose from an empty bag")
    return found
