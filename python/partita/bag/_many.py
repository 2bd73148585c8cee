"""Functions of one or several bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .._collection import unpack
from .._tasks import Task, find_inputs, identity
from .._tokens import tokenize
from ..utils import funcname
from . import _steps
from ._core import BagCore
from ._item import Item
from ._layers import Layer, Made

__all__ = ["bag_map", "bag_zip", "concat", "map_partitions", "step_arguments"]


def step_arguments(
    args: Any, kwargs: dict[str, Any], parent: Any = None
) -> tuple[tuple[Any, Any], list[tuple[str, Any]]]:
    """Return how a step finds its arguments, and those that are not known yet."""
    extras: list[tuple[str, Any]] = []
    used = [False]

    def spec(value: Any) -> tuple[str, Any]:
        if value is parent and parent is not None and not used[0]:
            used[0] = True
            return _steps.EACH, -1
        if isinstance(value, BagCore):
            extras.append(("each", value._layer))
            return _steps.EACH, len(extras) - 1
        if isinstance(value, Item):
            extras.append(("layer", value._layer))
            return _steps.ALL, len(extras) - 1
        found = unpack(value)
        if type(found) is Task or find_inputs(Task(identity, (found,))):
            extras.append(("value", found))
            return _steps.ALL, len(extras) - 1
        return _steps.VALUE, found

    return ([spec(value) for value in args], {name: spec(value) for name, value in kwargs.items()}), extras


def _parent(function: str, args: Any, kwargs: dict[str, Any]) -> BagCore:
    bags = [value for value in (*args, *kwargs.values()) if isinstance(value, BagCore)]
    if not bags:
        raise ValueError(f"{function}() requires at least one bag")
    if len({bag.npartitions for bag in bags}) > 1:
        raise ValueError(
            f"{function}() requires bags with the same number of partitions, not "
            f"{', '.join(str(bag.npartitions) for bag in bags)}"
        )
    return bags[0]


def bag_map(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with each item of one or several bags.

    Parameters
    ----------
    func : callable
        The function.
    *args, **kwargs
        Its arguments. The items of bags are passed one by one, so the bags must be partitioned identically; items and
        delayed values are computed first.

    Examples
    --------
    >>> from partita import bag
    >>> numbers = bag.from_sequence([1, 2, 3])
    >>> bag.map(lambda x, y=0: x + y, numbers, y=numbers.max()).compute(scheduler="synchronous")
    [4, 5, 6]
    """
    parent = _parent("map", args, kwargs)
    (positional, named), extras = step_arguments(args, kwargs, parent)
    name = f"{funcname(func)}-{tokenize(func, 'map', args, kwargs)}"
    return parent._step(name, _steps.Map(func, positional, named), extras)


def map_partitions(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with each partition of one or several bags, and return its results as partitions.

    Parameters
    ----------
    func : callable
        The function.
    *args, **kwargs
        Its arguments. Partitions of bags are lists; items and delayed values are computed first.

    Examples
    --------
    >>> from partita import bag
    >>> bag.from_sequence(range(5), npartitions=2).map_partitions(len).compute(scheduler="synchronous")
    [3, 2]
    """
    token = kwargs.pop("token", None)
    parent = _parent("map_partitions", args, kwargs)
    (positional, named), extras = step_arguments(args, kwargs, parent)
    name = f"{token or funcname(func)}-{tokenize(func, 'map-partitions', args, kwargs)}"
    return parent._step(name, _steps.MapPartitions(func, positional, named), extras)


def bag_zip(*bags: Any) -> Any:
    """Return tuples of the items of several bags, which must be partitioned identically.

    Examples
    --------
    >>> from partita import bag
    >>> bag.zip(bag.range(3, npartitions=1), bag.from_sequence("abc", npartitions=1)).compute(scheduler="synchronous")
    [(0, 'a'), (1, 'b'), (2, 'c')]
    """
    return bag_map(_tuple, *bags)


def _tuple(*values: Any) -> tuple[Any, ...]:
    return values


def concat(bags: Iterable[Any]) -> Any:
    """Return a bag of the partitions of several bags.

    Examples
    --------
    >>> from partita import bag
    >>> bag.concat([bag.from_sequence([1, 2]), bag.from_sequence([3])]).compute(scheduler="synchronous")
    [1, 2, 3]
    """
    bags = list(bags)

    def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
        return [node for part in nodes for node in part]

    count = sum(bag.npartitions for bag in bags)
    if not bags:
        raise ValueError("concat() requires at least one bag")
    layer = Made(f"concat-{tokenize(*bags)}", count, [bag._layer for bag in bags], make)
    return bags[0]._new(layer)
