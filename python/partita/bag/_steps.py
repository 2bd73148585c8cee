"""What the tasks of bags do with partitions."""

from __future__ import annotations

import copy
import functools
import heapq
import itertools
import operator
import random
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Sequence, ValuesView
from typing import Any

from ..utils import no_default, takes_multiple_arguments

__all__: list[str] = []

_VIEWS = (KeysView, ItemsView, ValuesView)


def as_list(part: Any) -> Any:
    """Return a partition that is an iterator as a list. Items of it that are iterators become lists, too."""
    if isinstance(part, (Iterator, *_VIEWS)):
        part = list(part)
        if part and isinstance(part[0], Iterator):
            part = [list(item) for item in part]
    return part


def concatenate(parts: Sequence[Any]) -> Any:
    """Return the items of all partitions. Partitions that are single values are the items."""
    if not parts:
        return []
    if isinstance(parts[0], Iterable) and not isinstance(parts[0], (str, bytes)):
        return list(itertools.chain.from_iterable(parts))
    return list(parts)


# Elements.

#: A partition or value that a step reads: its kind, and its number among the further arguments. -1 is the partition.
EACH, ALL, VALUE = "each", "all", "value"
_MISSING = object()


class Map:
    """Calls a function with the items of one or several partitions, and other arguments."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Any, args: Sequence[tuple[str, Any]], kwargs: dict[str, tuple[str, Any]]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self, part: Any, *extras: Any) -> Any:
        each = [kind for kind, _ in (*self.args, *self.kwargs.values()) if kind == EACH]
        if len(each) == 1 and all(kind != EACH for kind, _ in self.kwargs.values()):
            fixed = {name: _value(one, extras) for name, one in self.kwargs.items()}
            function = functools.partial(self.function, **fixed) if fixed else self.function
            # map() keeps no reference to an item while it computes the next one.
            return map(
                function,
                *[part if one[0] == EACH else itertools.repeat(_value(one, extras)) for one in self.args],
            )
        return _MapMany(self.function, self.args, self.kwargs, part, extras)


def _value(one: tuple[str, Any], extras: Sequence[Any]) -> Any:
    kind, value = one
    return extras[value] if kind == ALL else value


class _MapMany:
    """The iterator of a map over several partitions, which must have the same length."""

    def __init__(self, function: Any, args: Any, kwargs: dict[str, Any], part: Any, extras: Any) -> None:
        specs = (*args, *kwargs.values())
        self._function = function
        self._count = len(args)
        self._names = list(kwargs)
        self._is_each = [one[0] == EACH for one in specs]
        self._sources = [
            iter(part if one[1] < 0 else extras[one[1]]) if one[0] == EACH else itertools.repeat(_value(one, extras))
            for one in specs
        ]

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        values = []
        for at, source in enumerate(self._sources):
            value = next(source, _MISSING)
            if value is _MISSING:
                others = zip(self._is_each[at + 1 :], self._sources[at + 1 :])
                is_longer = any(is_each and next(other, _MISSING) is not _MISSING for is_each, other in others)
                if is_longer or any(self._is_each[:at]):
                    raise ValueError(
                        "map() was called with bags whose partitions have different numbers of items; "
                        "bags must be partitioned identically"
                    )
                raise StopIteration
            values.append(value)
        return self._function(*values[: self._count], **dict(zip(self._names, values[self._count :])))


class Starmap:
    """Calls a function with the items as its arguments."""

    __slots__ = ("function", "kwargs")

    def __init__(self, function: Any, kwargs: dict[str, tuple[str, Any]]) -> None:
        self.function = function
        self.kwargs = kwargs

    def __call__(self, part: Any, *extras: Any) -> Any:
        fixed = {name: _value(one, extras) for name, one in self.kwargs.items()}
        return itertools.starmap(functools.partial(self.function, **fixed) if fixed else self.function, part)


class MapPartitions:
    """Calls a function with partitions and other arguments."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Any, args: Sequence[tuple[str, Any]], kwargs: dict[str, tuple[str, Any]]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self, part: Any, *extras: Any) -> Any:
        # Functions may need the length of a partition, or read it twice.
        part = as_list(part)

        def argument(one: tuple[str, Any]) -> Any:
            if one[0] == EACH:
                return part if one[1] < 0 else extras[one[1]]
            return _value(one, extras)

        args = [argument(one) for one in self.args]
        return self.function(*args, **{name: argument(one) for name, one in self.kwargs.items()})


class Pluck:
    """Returns items of the items."""

    __slots__ = ("default", "key")

    def __init__(self, key: Any, default: Any) -> None:
        self.key = key
        self.default = default

    def __call__(self, part: Any) -> Any:
        if self.default is no_default:
            if isinstance(self.key, list):
                return map(functools.partial(_items, self.key), part)
            return map(operator.itemgetter(self.key), part)
        if isinstance(self.key, list):
            return (tuple([_item(item, key, self.default) for key in self.key]) for item in part)
        return map(self._one, part)

    def _one(self, item: Any) -> Any:
        return _item(item, self.key, self.default)


def _items(keys: list[Any], item: Any) -> tuple[Any, ...]:
    return tuple([item[key] for key in keys])


def _item(item: Any, key: Any, default: Any) -> Any:
    try:
        return item[key]
    except (KeyError, IndexError, TypeError):
        return default


def flatten(part: Any) -> Any:
    """Return the items of the items."""
    return itertools.chain.from_iterable(part)


def random_sample(probability: float, part: Any, seed: int) -> Any:
    """Return each item with a probability."""
    draw = random.Random(seed).random
    return (item for item in part if draw() < probability)


def key_function(key: Any, spread: bool = False) -> Any:
    """Return a function of an item: the given one, or one that returns the item's item.

    A function that needs several arguments gets the parts of an item; with `spread`, also one that can take several.
    """
    if not callable(key):
        return operator.itemgetter(key) if not isinstance(key, list) else functools.partial(_items, key)
    needs_one = not spread and any(key is one for one in (map, zip, min, max))
    return functools.partial(_spread, key) if takes_multiple_arguments(key, spread) and not needs_one else key


def _spread(function: Any, item: Any) -> Any:
    return function(*item)


# Reductions.


class _NoResult:
    """The type of the result of an empty partition."""

    def __reduce__(self) -> str:
        return "no_result"


#: The result of a reduction of an empty partition, which is left out.
no_result = _NoResult()

#: Functions that read their argument once, so that no list is needed.
_STREAMING: tuple[Any, ...] = (sum, max, min, any, all, set, frozenset, list, tuple, sorted)


class Reduce:
    """Reduces a partition to one value. Empty partitions have none, unless there are no others."""

    __slots__ = ("function", "is_last", "is_streaming")

    def __init__(self, function: Any, is_last: bool) -> None:
        self.function = function
        self.is_last = is_last
        self.is_streaming = any(function is one for one in _STREAMING) or getattr(function, "is_streaming", False)

    def __call__(self, part: Any) -> Any:
        if isinstance(part, (Iterator, *_VIEWS)):
            part = iter(part)
            first = next(part, no_result)
            if first is no_result:
                return self.function([]) if self.is_last else no_result
            part = itertools.chain([first], part)
            del first
            if not self.is_streaming:
                part = as_list(part)
        elif not self.is_last and _is_empty(part):
            return no_result
        return self.function(part)


def _is_empty(part: Any) -> bool:
    try:
        return len(part) == 0
    except TypeError:
        return getattr(part, "nnz", None) == 0


def aggregate(function: Any, is_last: bool, results: Sequence[Any]) -> Any:
    """Reduce the results of several partitions."""
    found = [one for one in results if one is not no_result]
    if not found and not is_last:
        return no_result
    result = function(found)
    return as_list(result) if is_last else result


class Streaming:
    """A function that reads its argument once."""

    is_streaming = True
    __slots__ = ("args", "function")

    def __init__(self, function: Any, *args: Any) -> None:
        self.function = function
        self.args = args

    def __call__(self, part: Any) -> Any:
        return self.function(*self.args, part)

    def __reduce__(self) -> Any:
        return Streaming, (self.function, *self.args)


def count(part: Any) -> int:
    """Return the number of items."""
    return len(part) if hasattr(part, "__len__") else sum(1 for _ in part)


def fold(binop: Any, initial: Any, part: Any) -> Any:
    """Combine the items of a partition."""
    if initial is no_default:
        return functools.reduce(binop, part)
    # The function may change the initial value, which all partitions share.
    return functools.reduce(binop, part, _fresh(initial))


def fold_results(combine: Any, initial: Any, results: list[Any]) -> Any:
    """Combine the results of partitions."""
    if not results and initial is not no_default:
        return _fresh(initial)
    return functools.reduce(combine, results)


def _fresh(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def distinct(key: Any, part: Any) -> list[Any]:
    """Return the distinct items, in order of their first appearance."""
    if key is None:
        return list(dict.fromkeys(part))
    found: dict[Any, Any] = {}
    for item in part:
        found.setdefault(key(item), item)
    return list(found.values())


def merge_distinct(key: Any, parts: list[Any]) -> list[Any]:
    """Return the distinct items of several partitions."""
    return distinct(key, itertools.chain.from_iterable(parts))


def frequencies(part: Any) -> dict[Any, int]:
    """Return the number of occurrences of each item."""
    found: dict[Any, int] = {}
    for item in part:
        found[item] = found.get(item, 0) + 1
    return found


def merge_frequencies(parts: list[dict[Any, int]]) -> dict[Any, int]:
    """Add up numbers of occurrences."""
    found: dict[Any, int] = {}
    for part in parts:
        for item, number in part.items():
            found[item] = found.get(item, 0) + number
    return found


def items(part: Any) -> list[Any]:
    """Return the items of a dict."""
    return list(part.items())


def sorted_by_number(part: list[Any]) -> list[Any]:
    """Return pairs by their second value, the largest first."""
    return sorted(part, key=operator.itemgetter(1), reverse=True)


def topk(k: int, key: Any, part: Any) -> list[Any]:
    """Return the `k` largest items, the largest first."""
    return heapq.nlargest(k, part, key=key)


def merge_topk(k: int, key: Any, parts: list[Any]) -> list[Any]:
    """Return the `k` largest items of several partitions."""
    return heapq.nlargest(k, itertools.chain.from_iterable(parts), key=key)


def total_and_count(part: Any) -> tuple[Any, int]:
    """Return the sum and the number of items."""
    total, number = 0, 0
    for item in part:
        total += item
        number += 1
    return total, number


def mean(parts: list[tuple[Any, int]]) -> Any:
    """Return the mean from sums and numbers."""
    totals, numbers = [one[0] for one in parts], [one[1] for one in parts]
    return sum(totals) / sum(numbers)


def moments(part: Any) -> tuple[Any, ...]:
    """Return the number of items, and what their variance follows from."""
    values = list(part)
    if all(isinstance(value, int) for value in values):
        # Exact.
        return ("exact", len(values), sum(values), sum(value * value for value in values))
    average = sum(values) / len(values)
    return ("moments", len(values), average, sum((value - average) * (value - average) for value in values))


def variance(ddof: int, parts: list[tuple[Any, ...]]) -> Any:
    """Return the variance from the moments of partitions."""
    if all(one[0] == "exact" for one in parts):
        number, total, squares = (sum(one[at] for one in parts) for at in (1, 2, 3))
        return (number * squares - total * total) / (number * (number - ddof))
    number, average, deviation = 0, 0, 0
    for one in parts:
        kind, n, a, d = one
        if kind == "exact":
            a, d = a / n, (n * d - a * a) / n
        delta = a - average
        both = number + n
        average = average + delta * n / both
        deviation = deviation + d + delta * delta * number * n / both
        number = both
    return deviation / (number - ddof)


def take(k: int, part: Any) -> list[Any]:
    """Return the first `k` items."""
    return list(itertools.islice(part, k))


# Keys.


def reduce_by(key: Any, binop: Any, initial: Any, part: Any) -> dict[Any, Any]:
    """Combine the items of each key."""
    found: dict[Any, Any] = {}
    for item in part:
        label = key(item)
        if label in found:
            found[label] = binop(found[label], item)
        elif initial is no_default:
            found[label] = item
        else:
            found[label] = binop(initial() if callable(initial) else _fresh(initial), item)
    return found


def merge_by(combine: Any, initial: Any, parts: list[dict[Any, Any]]) -> dict[Any, Any]:
    """Combine the results of each key of several partitions."""
    found: dict[Any, Any] = {}
    for part in parts:
        for label, value in part.items():
            if label in found:
                found[label] = combine(found[label], value)
            elif initial is no_default:
                found[label] = value
            else:
                found[label] = combine(initial() if callable(initial) else _fresh(initial), value)
    return found


def join(on_other: Any, on_self: Any, part: Any, other: Any) -> Any:
    """Return the pairs of items with equal keys."""
    found: dict[Any, list[Any]] = {}
    for item in other:
        found.setdefault(on_other(item), []).append(item)
    return ((match, item) for item in part for match in found.get(on_self(item), ()))


def product(one: Any, other: Any) -> list[Any]:
    """Return all pairs of items of two partitions."""
    return list(itertools.product(one, other))


def accumulate(binop: Any, is_first: bool, part: Any, carry: Any) -> tuple[list[Any], Any]:
    """Return the accumulated items of a partition, and the last one."""
    found = [carry] if is_first and carry is not no_default else []
    for item in part:
        carry = item if carry is no_default else binop(carry, item)
        found.append(carry)
    return found, carry


# Partitions.


def split(part: Any, pieces: int) -> list[list[Any]]:
    """Return a partition in pieces of about the same size."""
    part = part if isinstance(part, list) else list(part)
    bounds = [len(part) * at // pieces for at in range(pieces + 1)]
    return [part[first:last] for first, last in zip(bounds, bounds[1:])]


def string_method(method: str, args: tuple[Any, ...], kwargs: dict[str, Any], item: Any) -> Any:
    """Call a method of an item."""
    return getattr(item, method)(*args, **kwargs)
