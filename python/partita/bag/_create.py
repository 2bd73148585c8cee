"""Creating bags."""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Iterable
from typing import Any

from .._collection import Collection, unpack
from .._graphs import is_foreign
from .._tasks import Task, is_future
from .._tokens import tokenize
from ._bag import Bag
from ._layers import Elementwise, Parts

__all__ = ["bag_range", "from_delayed", "from_sequence", "from_url"]

#: Number of items up to which each is a partition.
_SINGLE_MAX = 100


def from_sequence(seq: Iterable[Any], partition_size: int | None = None, npartitions: int | None = None) -> Bag:
    """Create a bag of Python objects.

    Parameters
    ----------
    seq : iterable
        The items.
    partition_size : int, optional
        Number of items of a partition.
    npartitions : int, optional
        Number of partitions. By default it grows with the number of items.

    Examples
    --------
    >>> from partita import bag
    >>> bag.from_sequence(["Alice", "Bob", "Chuck"], partition_size=2)
    partita.bag<from_sequence, npartitions=2>
    """
    items = list(seq)
    if npartitions is not None and partition_size is None:
        count = max(min(int(npartitions), len(items)), 1)
        # The first partitions have one more item if they cannot be of equal size.
        size, more = divmod(len(items), count)
        ends = [at * size + min(at, more) for at in range(count + 1)]
    else:
        if partition_size is None:
            partition_size = 1 if len(items) <= _SINGLE_MAX else math.ceil(math.sqrt(len(items) / _SINGLE_MAX))
        if partition_size < 1:
            raise ValueError(f"partition_size must be at least 1, not {partition_size}")
        ends = [*range(0, max(len(items), 1), partition_size), len(items)]
    parts = [items[first:last] for first, last in zip(ends, ends[1:])]
    name = f"from_sequence-{tokenize(items, ends)}"
    return Bag(Parts(name, parts, is_value=True), name, len(parts))


def bag_range(n: int, npartitions: int) -> Bag:
    """Create a bag of the numbers below `n`.

    Examples
    --------
    >>> from partita import bag
    >>> bag.range(5, npartitions=2).compute(scheduler="synchronous")
    [0, 1, 2, 3, 4]
    """
    size, more = divmod(n, npartitions)
    ends = [at * size + min(at, more) for at in range(npartitions + 1)]
    parts = [range(first, last) for first, last in zip(ends, ends[1:])]
    name = f"range-{tokenize(n, npartitions)}"
    return Bag(Parts(name, parts, is_value=True), name, npartitions)


def from_delayed(values: Any) -> Bag:
    """Create a bag whose partitions are the results of delayed values or futures.

    Parameters
    ----------
    values : Delayed, or list of Delayed
        The partitions, which are iterables.

    Examples
    --------
    >>> from partita import bag, delayed
    >>> bag.from_delayed([delayed(range)(2), delayed(range)(3)]).compute(scheduler="synchronous")
    [0, 1, 0, 1, 2]
    """
    if isinstance(values, Collection) or is_foreign(values) or is_future(values):
        values = [values]
    from ..delayed import delayed

    nodes = []
    for value in values:
        node = value if is_future(value) else unpack(value)
        nodes.append(node if type(node) is Task or is_future(node) else unpack(delayed(value)))
    names = [getattr(node, "key", id(node)) for node in nodes]
    source = f"from_delayed-parts-{tokenize(names)}"
    name = f"from_delayed-{tokenize(names)}"
    # Iterators become lists, since several tasks may read a partition.
    return Bag(Elementwise(name, Parts(source, nodes), _same), name, len(nodes))


def _same(part: Any) -> Any:
    return part


def from_url(urls: Any) -> Bag:
    """Create a bag of the lines of resources, as bytes, with one partition for each.

    Parameters
    ----------
    urls : str or list of str
        The addresses.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    source = Parts(f"from_url-parts-{tokenize(urls)}", [[url] for url in urls], is_value=True)
    name = f"from_url-{tokenize(urls)}"
    return Bag(Elementwise(name, source, _read_urls), name, len(urls))


def _read_urls(part: list[str]) -> list[bytes]:
    lines: list[bytes] = []
    for url in part:
        with urllib.request.urlopen(url) as response:
            lines += response.readlines()
    return lines
