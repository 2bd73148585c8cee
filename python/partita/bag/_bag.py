"""Bags."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from .._collection import is_collection, unpack
from .._tasks import Task
from .._tokens import tokenize
from ..utils import funcname, no_default
from . import _repartition, _shuffle, _steps
from ._core import random_seeds
from ._layers import Elementwise, Layer, Made, Parts
from ._many import bag_map, map_partitions, step_arguments
from ._reductions import Reductions
from ._strings import StringAccessor

__all__ = ["Bag"]

#: The type, in a class whose attribute has the same name.
_Text = str


class Bag(Reductions):
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
        specs, extras = step_arguments([], kwargs)
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
        if not is_collection(other):
            if not isinstance(other, Iterable):
                raise TypeError(f"join() takes an iterable, a delayed value or a bag, not {type(other).__name__}")
            other = list(other)
        name = f"join-{tokenize(self, other, on_self, on_other)}"
        if isinstance(other, Bag):
            if other.npartitions != 1:
                raise NotImplementedError(
                    f"join() supports only bags with one partition, not {other.npartitions}; use repartition(1)"
                )
            extra: tuple[_Text, Any] = ("layer", other._layer)
        elif is_collection(other):
            extra = ("value", unpack(other))
        else:
            # One task, so that the items are sent to each worker once.
            extra = ("layer", Parts(f"{name}-other", [other], is_value=True, is_single=True))
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


def _take_all(k: int, parts: list[list[Any]]) -> list[Any]:
    return _steps.take(k, itertools.chain.from_iterable(parts))
