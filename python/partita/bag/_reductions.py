"""Reductions of bags."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from .._tasks import Task
from .._tokens import tokenize
from ..utils import funcname, key_split, no_default
from . import _steps
from ._core import SPLIT_EVERY, BagCore
from ._item import Item
from ._layers import Elementwise, Layer, Made

__all__ = ["Reductions"]


class Reductions(BagCore):
    """Reductions of a bag to a value, or to one partition."""

    def reduction(
        self,
        perpartition: Callable[..., Any],
        aggregate: Callable[..., Any],
        split_every: Any = None,
        out_type: Any = Item,
        name: Any = None,
    ) -> Any:
        """Reduce the partitions, and then their results.

        Parameters
        ----------
        perpartition : callable
            Called with each partition.
        aggregate : callable
            Called with lists of results.
        split_every : int, optional
            Number of results that one task reduces. False reduces all at once.
        out_type : {Item, Bag}
            Whether the result is a value or a bag.
        name : _Text, optional
            Name of the tasks.

        Examples
        --------
        >>> from partita import bag
        >>> bag.from_sequence(range(10)).reduction(sum, sum).compute(scheduler="synchronous")
        45
        """
        every = self.npartitions if split_every is False else SPLIT_EVERY if split_every is None else int(split_every)
        if every < 2 and self.npartitions > 1:
            raise ValueError(f"split_every must be at least 2, not {split_every!r}")
        token = tokenize(self, perpartition, aggregate, every)
        label = name or funcname(perpartition)
        is_last = self.npartitions == 1
        parts = Elementwise(f"{label}-part-{token}", self._layer, _steps.Reduce(perpartition, is_last))
        final = f"{name or funcname(aggregate)}-aggregate-{token}"
        is_item = out_type is Item
        make = functools.partial(_reduce_tree, aggregate, every)
        layer = Made(final, 1, [parts], make, is_single=is_item)
        return Item(layer, final) if is_item else self._new(layer)

    def fold(
        self,
        binop: Callable[[Any, Any], Any],
        combine: Any = None,
        initial: Any = no_default,
        split_every: Any = None,
        out_type: Any = Item,
    ) -> Any:
        """Combine all items with a function of two arguments.

        Parameters
        ----------
        binop : callable
            Combines a result with an item. The first result of a partition is its first item, or `initial`.
        combine : callable, optional
            Combines two results; `binop` if not given.
        initial : object, optional
            The first result of each partition.
        split_every : int, optional
            Number of results that one task combines.
        out_type : {Item, Bag}
            Whether the result is a value or a bag.

        Examples
        --------
        >>> from operator import add
        >>> from partita import bag
        >>> bag.from_sequence(range(5)).fold(add).compute(scheduler="synchronous")
        10
        """
        first = _steps.Streaming(_steps.fold, binop, initial)
        last = _steps.Streaming(_steps.fold_results, combine or binop, initial)
        return self.reduction(first, last, split_every, out_type, funcname(binop))

    def _reduced(self, name: Any, first: Any, last: Any, split_every: Any = None, out_type: Any = Item) -> Any:
        return self.reduction(first, last, split_every, out_type, name)

    def sum(self, split_every: Any = None) -> Item:
        """Return the sum of the items."""
        return self._reduced("sum", sum, sum, split_every)

    def max(self, split_every: Any = None) -> Item:
        """Return the largest item."""
        return self._reduced("max", max, max, split_every)

    def min(self, split_every: Any = None) -> Item:
        """Return the smallest item."""
        return self._reduced("min", min, min, split_every)

    def any(self, split_every: Any = None) -> Item:
        """Return whether any item is true."""
        return self._reduced("any", any, any, split_every)

    def all(self, split_every: Any = None) -> Item:
        """Return whether all items are true."""
        return self._reduced("all", all, all, split_every)

    def count(self, split_every: Any = None) -> Item:
        """Return the number of items."""
        return self._reduced("count", _steps.Streaming(_steps.count), sum, split_every)

    def mean(self) -> Item:
        """Return the mean of the items."""
        return self._reduced("mean", _steps.Streaming(_steps.total_and_count), _steps.mean, False)

    def var(self, ddof: int = 0) -> Item:
        """Return the variance of the items."""
        last = _steps.Streaming(_steps.variance, ddof)
        return self._reduced("var", _steps.Streaming(_steps.moments), last, False)

    def std(self, ddof: int = 0) -> Item:
        """Return the standard deviation of the items."""
        return self.var(ddof).apply(math.sqrt)

    def frequencies(self, split_every: Any = None, sort: bool = False) -> Any:
        """Return pairs of each distinct item and the number of its occurrences.

        Parameters
        ----------
        split_every : int, optional
            Number of results that one task combines.
        sort : bool
            Whether the most frequent items come first.
        """
        first = _steps.Streaming(_steps.frequencies)
        found = self._reduced("frequencies", first, _steps.merge_frequencies, split_every, type(self))
        pairs = found._step(f"frequencies-items-{tokenize(found)}", _steps.items)
        return pairs._step(f"frequencies-sorted-{tokenize(found)}", _steps.sorted_by_number) if sort else pairs

    def topk(self, k: int, key: Any = None, split_every: Any = None) -> Any:
        """Return the `k` largest items, the largest first.

        Parameters
        ----------
        k : int
            The number of items.
        key : callable or object, optional
            A function of an item, or the key or index of its part, by which items are compared.
        split_every : int, optional
            Number of results that one task combines.
        """
        key = None if key is None else _steps.key_function(key, spread=True)
        first, last = _steps.Streaming(_steps.topk, k, key), _steps.Streaming(_steps.merge_topk, k, key)
        return self._reduced("topk", first, last, split_every, type(self))

    def distinct(self, key: Any = None) -> Any:
        """Return the distinct items.

        Parameters
        ----------
        key : callable or object, optional
            A function of an item, or the key or index of its part, by which items are compared.
        """
        key = None if key is None else _steps.key_function(key)
        first, last = _steps.Streaming(_steps.distinct, key), _steps.Streaming(_steps.merge_distinct, key)
        return self._reduced("distinct", first, last, None, type(self))

    def foldby(
        self,
        key: Any,
        binop: Callable[[Any, Any], Any],
        initial: Any = no_default,
        combine: Any = None,
        combine_initial: Any = no_default,
        split_every: Any = None,
    ) -> Any:
        """Combine the items of each key, and return pairs of key and result.

        Unlike :meth:`groupby`, this does not move the items between partitions.

        Parameters
        ----------
        key : callable or object
            A function of an item, or the key or index of its part.
        binop : callable
            Combines a result with an item.
        initial : object, optional
            The first result of each key in each partition, or a function that returns it.
        combine : callable, optional
            Combines two results; `binop` if not given.
        combine_initial : object, optional
            With what the results of each key are combined first.
        split_every : int, optional
            Number of results that one task combines.

        Examples
        --------
        >>> from operator import add
        >>> from partita import bag
        >>> numbers = bag.from_sequence(range(6), npartitions=2)
        >>> numbers.foldby(lambda x: x % 2, add).compute(scheduler="synchronous")
        [(0, 6), (1, 9)]
        """
        key = _steps.key_function(key)
        combine = combine or binop
        first = _steps.Streaming(_steps.reduce_by, key, binop, initial)
        # The initial value is used once for each key, whatever the number of partitions.
        merge = _steps.Streaming(_steps.merge_by, combine, no_default)
        token = tokenize(self, key, binop, initial, combine, combine_initial, split_every)
        merged = self._reduced(f"foldby-{token}", first, merge, split_every, type(self))
        if combine_initial is not no_default:
            step = functools.partial(_merge_once, combine, combine_initial)
            merged = merged._step(f"foldby-combine-{token}", step)
        return merged._step(f"foldby-items-{token}", _steps.items)


def _merge_once(combine: Any, initial: Any, part: Any) -> Any:
    return _steps.merge_by(combine, initial, [part])


def _reduce_tree(aggregate: Any, every: int, made: Layer, nodes: list[list[Any]]) -> list[Any]:
    """Return the task that reduces the results of all partitions, through further ones if they are many."""
    level = nodes[0]
    depth = 0
    while len(level) > every:
        groups = [level[at : at + every] for at in range(0, len(level), every)]
        level = [
            Task(
                _steps.aggregate,
                (aggregate, False, group),
                None,
                key_split(made.name),
                f"{made.name}-level{depth}-{at}",
                made.options,
            )
            for at, group in enumerate(groups)
        ]
        depth += 1
    return [made.task(0, _steps.aggregate, (aggregate, True, level))]
