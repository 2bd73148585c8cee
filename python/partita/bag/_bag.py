"""Bags and items."""

from __future__ import annotations

import fnmatch
import functools
import itertools
import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import _graphs
from .._collection import Collection, unpack
from .._tasks import Task, find_inputs, flatten, identity, unflatten
from .._tokens import tokenize
from ..delayed import Delayed, _make
from ..utils import funcname, key_split, no_default
from . import _repartition, _shuffle, _steps
from ._layers import Build, Elementwise, Layer, Made, Parts

__all__ = ["Bag", "Item", "bag_map", "bag_zip", "concat", "map_partitions"]

#: The type, in a class whose attribute has the same name.
_Text = str
#: Number of partitions whose results are combined by one task.
SPLIT_EVERY = 8


class Item(Collection):
    """A single lazy value, such as the sum of a bag.

    Examples
    --------
    >>> from partita import bag
    >>> total = bag.from_sequence([1, 2, 3]).sum()
    >>> total.apply(str).compute(scheduler="synchronous")
    '6'
    """

    def __init__(self, dsk: Any, key: Any, layer: Any = None) -> None:
        if hasattr(dsk, "layers") and (layer or key) not in dsk.layers:
            raise ValueError(f"layer {layer or key!r} is not in the graph: {list(dsk.layers)}")
        if not isinstance(dsk, Layer):
            dsk = Parts(_graphs.text_key(key), [_graphs.import_graph(dsk, [key])[key]], is_single=True)
        self._layer: Layer = dsk
        self.key = key

    @property
    def name(self) -> str:
        """The key."""
        return self._layer.name

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    @property
    def _args(self) -> tuple[Any, Any]:
        return self._layer, self.key

    @property
    def _partita_layers(self) -> tuple[Layer, ...]:
        return (self._layer,)

    def _partita_nodes(self, build: Build) -> list[Any]:
        return build.nodes(self._layer)

    def _partita_finish(self, results: list[Any]) -> Any:
        return results[0]

    def _partita_rebuild(self, nodes: list[Any]) -> Item:
        return Item(Parts(self._layer.name, nodes, is_single=True), self.key)

    def _partita_task(self) -> Any:
        return Build([self._layer]).nodes(self._layer)[0]

    def __dask_tokenize__(self) -> Any:
        return self._layer.name

    @staticmethod
    def from_delayed(value: Any) -> Item:
        """Return a delayed value as an item."""
        task = unpack(value)
        return Item(Parts(task.key, [task], is_single=True), task.key)

    def apply(self, func: Callable[[Any], Any]) -> Item:
        """Return the result of a function of the value."""
        name = f"{funcname(func)}-{tokenize(self, func, 'apply')}"
        layer = Made(name, 1, [self._layer], lambda made, nodes: [made.task(0, func, (nodes[0][0],))], is_single=True)
        return Item(layer, name)

    def to_delayed(self, optimize_graph: bool = True) -> Delayed:
        """Return the value as a delayed value."""
        return _make(self._partita_task())

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __repr__(self) -> str:
        return f"partita.bag.Item<{key_split(self.key)}>"

    def __reduce__(self) -> Any:
        return _load, (Item, flatten([self._partita_task()]), self.key, True)


def _load(kind: Any, flat: Any, name: Any, is_single: bool) -> Any:
    layer = Parts(_graphs.text_key(name), unflatten(*flat), is_single=is_single)
    return kind(layer, name) if is_single else kind(layer, name, layer.count)


class Bag(Collection):
    """A lazy list of Python objects in partitions, with functions of functional programming.

    Bags are created by functions such as :func:`from_sequence` and :func:`read_text`, and by operations on bags. Steps
    such as :meth:`map` and :meth:`filter` of a partition run in one task.

    Parameters
    ----------
    dsk : mapping
        A graph in Dask's format that contains the partitions.
    name : _Text
        Name of the partitions, whose keys are ``(name, 0)``, ``(name, 1)``, ...
    npartitions : int
        The number of partitions.

    Examples
    --------
    >>> from partita import bag
    >>> numbers = bag.from_sequence(range(6), npartitions=2)
    >>> numbers.filter(lambda x: x % 2).map(lambda x: x * 10).compute(scheduler="synchronous")
    [10, 30, 50]
    """

    def __init__(self, dsk: Any, name: _Text, npartitions: int) -> None:
        if not isinstance(dsk, Layer):
            keys = [(name, at) for at in range(npartitions)]
            tasks = _graphs.import_graph(dsk, keys)
            dsk = Parts(name, [tasks[key] for key in keys])
        self._layer: Layer = dsk
        self.name = name
        self.npartitions = npartitions

    def _new(self, layer: Layer) -> Any:
        return type(self)(layer, layer.name, layer.count)

    def _step(self, name: _Text, step: Callable[..., Any], extras: Sequence[tuple[_Text, Any]] = ()) -> Any:
        return self._new(Elementwise(name, self._layer, step, extras))

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    @property
    def _args(self) -> tuple[Any, _Text, int]:
        return self._layer, self.name, self.npartitions

    # Computing.

    @property
    def _partita_layers(self) -> tuple[Layer, ...]:
        return (self._layer,)

    def _partita_nodes(self, build: Build) -> list[Any]:
        return build.nodes(self._layer)

    def _partita_finish(self, results: list[Any]) -> Any:
        return _steps.concatenate(results)

    def _partita_rebuild(self, nodes: list[Any]) -> Any:
        return self._new(Parts(self.name, nodes))

    def _partita_task(self) -> Any:
        nodes = Build([self._layer]).nodes(self._layer)
        return Task(_steps.concatenate, (nodes,), None, "concatenate", f"concatenate-{self.name}")

    def __dask_layers__(self) -> tuple[_Text, ...]:
        return (self.name,)

    def __dask_tokenize__(self) -> Any:
        return self.name

    def __iter__(self) -> Iterator[Any]:
        return iter(self.compute())

    def __repr__(self) -> _Text:
        return f"partita.bag<{key_split(self.name)}, npartitions={self.npartitions}>"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        nodes = Build([self._layer]).nodes(self._layer)
        return _load, (type(self), flatten(nodes), self.name, False)

    def to_delayed(self, optimize_graph: bool = True) -> list[Delayed]:
        """Return the partitions as delayed values."""
        return [_make(node) for node in Build([self._layer]).nodes(self._layer)]

    # Elements.

    @property
    def str(self) -> StringAccessor:
        """Methods of strings, applied to each item.

        Examples
        --------
        >>> from partita import bag
        >>> bag.from_sequence(["a b", "c"]).str.upper().compute(scheduler="synchronous")
        ['A B', 'C']
        """
        return StringAccessor(self)

    def map(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function with each item.

        Parameters
        ----------
        func : callable
            The function.
        *args, **kwargs
            Further arguments. The items of other bags are passed one by one, so the bags must be partitioned
            identically; items and delayed values are computed first.
        """
        return bag_map(func, self, *args, **kwargs)

    def starmap(self, func: Callable[..., Any], **kwargs: Any) -> Any:
        """Call a function with the items as its positional arguments.

        Parameters
        ----------
        func : callable
            The function.
        **kwargs
            Further arguments. Items and delayed values are computed first.
        """
        specs, extras = _specs([], kwargs)
        name = f"{funcname(func)}-{tokenize(self, func, 'starmap', kwargs)}"
        return self._step(name, _steps.Starmap(func, specs[1]), extras)

    def filter(self, predicate: Callable[[Any], Any] | None) -> Any:
        """Keep the items for which a function returns true."""
        name = f"filter-{funcname(predicate)}-{tokenize(self, predicate)}"
        return self._step(name, functools.partial(filter, predicate))

    def remove(self, predicate: Callable[[Any], Any]) -> Any:
        """Remove the items for which a function returns true."""
        name = f"remove-{funcname(predicate)}-{tokenize(self, predicate)}"
        return self._step(name, functools.partial(itertools.filterfalse, predicate))

    def map_partitions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function with each partition, a list, and return its results as partitions.

        Parameters
        ----------
        func : callable
            The function.
        *args, **kwargs
            Further arguments. Other bags must have as many partitions; items and delayed values are computed first.
        """
        return map_partitions(func, self, *args, **kwargs)

    def pluck(self, key: Any, default: Any = no_default) -> Any:
        """Return an item of each item, or several ones as a tuple.

        Parameters
        ----------
        key : object or list
            Key or index, or a list of them.
        default : object, optional
            The result for items that do not have it.
        """
        return self._step(f"pluck-{tokenize(self, key, default)}", _steps.Pluck(key, default))

    def unzip(self, n: int) -> tuple[Any, ...]:
        """Return bags of the first, second, ... of the `n` items of each item."""
        return tuple([self.pluck(at) for at in range(n)])

    def flatten(self) -> Any:
        """Return the items of all items."""
        return self._step(f"flatten-{tokenize(self)}", _steps.flatten)

    def random_sample(self, prob: float, random_state: Any = None) -> Any:
        """Return each item with a probability.

        Parameters
        ----------
        prob : float
            The probability.
        random_state : int or random.Random, optional
            Makes the result reproducible.
        """
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must be between 0 and 1, not {prob!r}")
        seeds = random_seeds(self.npartitions, random_state)
        name = f"random-sample-{tokenize(self, prob, seeds)}"
        return self._step(name, functools.partial(_steps.random_sample, prob), [("list", seeds)])

    # Reductions.

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
        found = self._reduced("frequencies", first, _steps.merge_frequencies, split_every, Bag)
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
        key = None if key is None else _steps.key_function(key)
        first, last = _steps.Streaming(_steps.topk, k, key), _steps.Streaming(_steps.merge_topk, k, key)
        return self._reduced("topk", first, last, split_every, Bag)

    def distinct(self, key: Any = None) -> Any:
        """Return the distinct items.

        Parameters
        ----------
        key : callable or object, optional
            A function of an item, or the key or index of its part, by which items are compared.
        """
        key = None if key is None else _steps.key_function(key)
        first, last = _steps.Streaming(_steps.distinct, key), _steps.Streaming(_steps.merge_distinct, key)
        return self._reduced("distinct", first, last, None, Bag)

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
        merged = self._reduced(f"foldby-{token}", first, merge, split_every, Bag)
        if combine_initial is not no_default:
            step = functools.partial(_merge_once, combine, combine_initial)
            merged = merged._step(f"foldby-combine-{token}", step)
        return merged._step(f"foldby-items-{token}", _steps.items)

    def take(self, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True) -> Any:
        """Return the first `k` items as a tuple.

        Parameters
        ----------
        k : int
            The number of items.
        npartitions : int
            The number of partitions that are read; -1 for all.
        compute : bool
            Whether to compute the items, or return a bag of them.
        warn : bool
            Whether to warn if the partitions have fewer items.
        """
        if npartitions <= -1:
            npartitions = self.npartitions
        if npartitions > self.npartitions:
            raise ValueError(f"cannot take from {npartitions} partitions: the bag has {self.npartitions}")
        token = tokenize(self, k, npartitions)
        parts = Elementwise(f"take-part-{token}", self._layer, functools.partial(_steps.take, k))

        def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
            return [made.task(0, _take_all, (k, nodes[0][:npartitions]))]

        bag = self._new(Made(f"take-{token}", 1, [parts], make))
        if not compute:
            return bag
        found = tuple(bag.compute())
        if warn and len(found) < k:
            warnings.warn(
                f"take() found only {len(found)} of {k} items in {npartitions} partitions; use npartitions= to read more",
                stacklevel=2,
            )
        return found

    # Several bags.

    def join(self, other: Any, on_self: Any, on_other: Any = None) -> Any:
        """Return pairs of the items of another collection and of this bag with equal keys.

        Parameters
        ----------
        other : iterable, Delayed, or Bag with one partition
            The other collection, which every task reads.
        on_self, on_other : callable or object
            A function of an item, or the key or index of its part. `on_other` is `on_self` if not given.

        Examples
        --------
        >>> from partita import bag
        >>> people = bag.from_sequence(["Alice", "Bob", "Charlie"])
        >>> people.join(["fruit", "plum"], len, lambda word: len(word)).compute(scheduler="synchronous")
        [('fruit', 'Alice')]
        """
        on_self, on_other = _steps.key_function(on_self), _steps.key_function(on_self if on_other is None else on_other)
        name = f"join-{tokenize(self, other, on_self, on_other)}"
        if isinstance(other, Bag):
            if other.npartitions != 1:
                raise NotImplementedError(
                    f"join() supports only bags with one partition, not {other.npartitions}; use repartition(1)"
                )
            extra: tuple[_Text, Any] = ("layer", other._layer)
        elif isinstance(other, Collection):
            extra = ("value", unpack(other))
        elif isinstance(other, Iterable):
            extra = ("value", list(other))
        else:
            raise TypeError(f"join() takes an iterable, a delayed value or a bag, not {type(other).__name__}")
        return self._step(name, functools.partial(_steps.join, on_other, on_self), [extra])

    def product(self, other: Bag) -> Any:
        """Return all pairs of an item of this bag and an item of another one."""

        def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
            pairs = itertools.product(nodes[0], nodes[1])
            return [made.task(at, _steps.product, pair) for at, pair in enumerate(pairs)]

        count = self.npartitions * other.npartitions
        return self._new(Made(f"product-{tokenize(self, other)}", count, [self._layer, other._layer], make))

    def groupby(
        self,
        grouper: Any,
        method: Any = None,
        npartitions: int | None = None,
        blocksize: Any = None,
        max_branch: int | None = None,
        shuffle: Any = None,
    ) -> Any:
        """Return pairs of key and list of items. This moves all items between partitions.

        :meth:`foldby` is faster if the items of a key are reduced.

        Parameters
        ----------
        grouper : callable or object
            A function of an item, or the key or index of its part.
        npartitions : int, optional
            The number of partitions of the result.
        max_branch : int, optional
            The number of partitions into which one task splits another one.
        method, shuffle, blocksize
            Accepted for compatibility with Dask. Items are always moved by tasks.

        Examples
        --------
        >>> from partita import bag
        >>> groups = bag.from_sequence(range(6), npartitions=2).groupby(lambda x: x % 2)
        >>> sorted(groups.compute(scheduler="synchronous"))
        [(0, [0, 2, 4]), (1, [1, 3, 5])]
        """
        if method is not None:
            raise TypeError("groupby() does not support method=; use shuffle=")
        if shuffle not in (None, "disk", "tasks", "p2p"):
            raise NotImplementedError(f"groupby() does not support shuffle={shuffle!r}; use 'tasks'")
        return _shuffle.groupby(self, _steps.key_function(grouper), npartitions, max_branch, tokenize(grouper))

    def accumulate(self, binop: Callable[[Any, Any], Any], initial: Any = no_default) -> Any:
        """Combine each item with the result of the items before it.

        Parameters
        ----------
        binop : callable
            Combines a result with an item.
        initial : object, optional
            The first result.

        Examples
        --------
        >>> from operator import add
        >>> from partita import bag
        >>> bag.from_sequence([1, 2, 3]).accumulate(add).compute(scheduler="synchronous")
        [1, 3, 6]
        """

        def make(made: Layer, nodes: list[list[Any]]) -> list[Any]:
            found: list[Any] = []
            carry: Any = initial
            for at, node in enumerate(nodes[0]):
                both = Task(
                    _steps.accumulate, (binop, at == 0, node, carry), None, "accumulate", f"{made.key(at)}-both"
                )
                found.append(made.task(at, _first, (both,)))
                carry = Task(_second, (both,), None, "accumulate", f"{made.key(at)}-carry")
            return found

        name = f"accumulate-{funcname(binop)}-{tokenize(self, binop, initial)}"
        return self._new(Made(name, self.npartitions, [self._layer], make))

    # Partitions and other formats.

    def repartition(self, npartitions: int | None = None, partition_size: Any = None) -> Any:
        """Change the partitions.

        Parameters
        ----------
        npartitions : int, optional
            Their number.
        partition_size : int or str, optional
            Their maximum size in bytes, such as ``"100MB"``. To find out the sizes, this computes the bag.
        """
        if (npartitions is None) == (partition_size is None):
            raise ValueError("repartition() takes either npartitions or partition_size")
        if npartitions is not None:
            return _repartition.to_count(self, npartitions)
        return _repartition.to_size(self, partition_size)

    def to_dataframe(self, meta: Any = None, columns: Any = None, optimize_graph: bool = True) -> Any:
        """Return the items as rows of a frame, which is uploaded to the workers.

        Parameters
        ----------
        meta : DataFrame, dict or list of pairs, optional
            Column names and types. By default they are those of the first items.
        columns : list, optional
            Column names.
        """
        from ._frames import to_dataframe

        return to_dataframe(self, meta, columns)

    def to_textfiles(
        self,
        path: Any,
        name_function: Any = None,
        compression: Any = "infer",
        encoding: Any = "utf-8",
        compute: bool = True,
        storage_options: Any = None,
        last_endline: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Write the items as lines of text files, one file for each partition.

        Parameters
        ----------
        path : _Text or list of str
            A folder, a path in which ``*`` stands for the number of the partition, or a path for each partition.
        name_function : callable, optional
            Returns what stands for ``*`` from the number.
        compression : _Text, optional
            ``"gzip"``, ``"bz2"``, ``"xz"``, or None. By default it follows from the extension.
        encoding : _Text
            Encoding of the files.
        compute : bool
            Whether to write the files now, or return a list of delayed values.
        last_endline : bool
            Whether the last line ends with a line break.
        storage_options, **kwargs
            Options of the file system of an URL.

        Returns
        -------
        list of str or list of Delayed
            The paths.
        """
        from ._text import to_textfiles

        return to_textfiles(
            self, path, name_function, compression, encoding, compute, storage_options, last_endline, **kwargs
        )

    def to_avro(
        self,
        filename: Any,
        schema: Any,
        name_function: Any = None,
        storage_options: Any = None,
        codec: _Text = "null",
        sync_interval: int = 16000,
        metadata: Any = None,
        compute: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Write the items, which are dicts, as Avro files. This requires the package ``fastavro``.

        Parameters
        ----------
        filename : _Text or list of str
            A folder, a path in which ``*`` stands for the number of the partition, or a path for each partition.
        schema : dict
            The Avro schema of a record.
        name_function, storage_options, compute
            As in :meth:`to_textfiles`.
        codec, sync_interval, metadata
            Arguments of ``fastavro.writer``.
        """
        from ._avro import to_avro

        return to_avro(
            self, filename, schema, name_function, storage_options, codec, sync_interval, metadata, compute, **kwargs
        )


def _first(pair: Any) -> Any:
    return pair[0]


def _second(pair: Any) -> Any:
    return pair[1]


def _merge_once(combine: Any, initial: Any, part: Any) -> Any:
    return _steps.merge_by(combine, initial, [part])


def _take_all(k: int, parts: list[list[Any]]) -> list[Any]:
    return _steps.take(k, itertools.chain.from_iterable(parts))


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


def random_seeds(count: int, random_state: Any = None) -> list[int]:
    """Return a seed for each partition."""
    if random_state is None:
        source: Any = random.SystemRandom()
    elif isinstance(random_state, random.Random):
        source = random_state
    elif hasattr(random_state, "randint"):
        return [int(random_state.randint(0, 2**31 - 1)) for _ in range(count)]
    elif isinstance(random_state, tuple):
        source = random.Random()
        source.setstate(random_state)
    else:
        source = random.Random(random_state)
    return [source.getrandbits(64) for _ in range(count)]


class StringAccessor:
    """Methods of strings, applied to each item of a bag."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(str)})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not callable(getattr(str, name, None)):
            raise AttributeError(f"strings have no method {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._bag.map(functools.partial(_steps.string_method, name, args, kwargs))

        method.__doc__ = getattr(str, name).__doc__
        return method

    def match(self, pattern: str) -> Any:
        """Keep the strings that match a pattern with ``*`` and ``?``.

        Examples
        --------
        >>> from partita import bag
        >>> bag.from_sequence(["Alice Smith", "Bob Jones"]).str.match("*Smith").compute(scheduler="synchronous")
        ['Alice Smith']
        """
        return self._bag.filter(functools.partial(_matches, pattern))


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatch(text, pattern)


# Functions of several bags.


def _specs(args: Any, kwargs: dict[str, Any], parent: Any = None) -> tuple[tuple[Any, Any], list[tuple[str, Any]]]:
    """Return how a step finds its arguments, and those that are not known yet."""
    extras: list[tuple[str, Any]] = []
    used = [False]

    def spec(value: Any) -> tuple[str, Any]:
        if value is parent and parent is not None and not used[0]:
            used[0] = True
            return _steps.EACH, -1
        if isinstance(value, Bag):
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


def _parent(function: str, args: Any, kwargs: dict[str, Any]) -> Bag:
    bags = [value for value in (*args, *kwargs.values()) if isinstance(value, Bag)]
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
    (positional, named), extras = _specs(args, kwargs, parent)
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
    (positional, named), extras = _specs(args, kwargs, parent)
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
    layer = Made(f"concat-{tokenize(*bags)}", count, [bag._layer for bag in bags], make)
    return bags[0]._new(layer) if bags else Bag(Parts("concat", []), "concat", 0)
