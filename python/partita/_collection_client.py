"""The methods of a client that compute lazy collections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._collection import Collection, is_frame, materialize
from ._errors import trim_traceback
from ._functions import Submitter
from ._futures import Future, Futures
from ._graphs import collection_task, is_foreign, normalize_graph
from ._options import call_options
from ._task_futures import TaskFuture
from ._tasks import with_results

__all__ = ["CollectionMethods"]


#: Arguments that are computed as a whole if they contain collections.
_CONTAINERS = (list, tuple, set, frozenset, dict, Iterator)


class CollectionMethods:
    """Computations of frames, delayed values, bags, and collections of Dask."""

    _futures: Futures
    _submitter: Submitter

    @trim_traceback
    def compute(
        self,
        collections: Any,
        sync: bool = False,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: dict[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        traverse: bool = True,
        **arguments: Any,
    ) -> Any:
        """Compute collections in the background.

        Parameters
        ----------
        collections : DataFrame, Series, Index, Scalar, Delayed, Bag, or list of these
            What to compute. Other objects are returned as they are; in a list, lists and dicts with collections in them
            are computed to one future each, and so is a single dict.
        sync : bool
            Whether to wait and return the results instead of futures.
        workers, allow_other_workers, resources, retries
            Options of the tasks, as for :meth:`submit`. They do not apply to frames.
        optimize_graph
            Accepted for compatibility with Dask; no effect.
        traverse : bool
            Whether lists and dicts with collections in them are computed.

        Returns
        -------
        Future or list of Future
            A future for a single collection, a list of futures for a list.

        Examples
        --------
        >>> import partita
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     future = client.compute(partita.delayed(sum)([1, 2]))
        ...     future.result()
        3
        """
        from .delayed import delayed

        # It tunes Dask's scheduler.
        arguments.pop("fifo_timeout", None)
        if arguments:
            raise TypeError(f"compute() does not support the argument {next(iter(arguments))!r}")
        many = isinstance(collections, (list, tuple, set, frozenset))
        given = list(collections) if many else [collections]
        if traverse:
            given = [delayed(one) if isinstance(one, _CONTAINERS) else one for one in given]
        options = call_options(workers, allow_other_workers, resources, retries, priority)
        futures = self._start(given, options)
        if sync:
            try:
                results = [one.result() if isinstance(one, Future) else one for one in futures]
            finally:
                # After an error or Ctrl-C the other results are not needed.
                for future in futures:
                    if isinstance(future, Future) and not future.done():
                        future.cancel()
            return results if many else results[0]
        return futures if many else futures[0]

    def _start(self, collections: list[Any], options: dict[str, Any] | None) -> list[Any]:
        """Return futures of collections, and other values as they are."""
        from .base import check_arrays, submit_nodes

        check_arrays(collections, self)
        tasks = []
        for one in collections:
            if isinstance(one, Collection):
                tasks.append(one._partita_task())
            elif not is_frame(one) and not isinstance(one, type) and is_foreign(one):
                tasks.append(collection_task(one))
        submitted = iter(submit_nodes(tasks, self, options) if tasks else ())
        futures: list[Any] = []
        for one in collections:
            if is_frame(one):
                futures.append(self._submit(one.compute))
            elif isinstance(one, Collection) or (not isinstance(one, type) and is_foreign(one)):
                futures.append(next(submitted))
            else:
                futures.append(one)
        return futures

    def _submit(self, work: Any) -> Future:
        return self._futures.submit(work)

    @trim_traceback
    def normalize_collection(self, collection: Any) -> Any:
        """Return a collection that reads results which this client has already, instead of computing them again.

        Parameters
        ----------
        collection : Delayed, Bag, or a collection of Dask
            The collection, which is not changed. Frames are returned as they are: they read what is persisted in any case.

        Returns
        -------
        Delayed, Bag, or a collection of Dask
            The same collection, with futures in the place of tasks whose results live.

        Examples
        --------
        >>> import partita
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     one = partita.delayed(abs)(-1)
        ...     total = one + 1
        ...     persisted = one.persist()
        ...     client.normalize_collection(total).compute()
        2
        """
        if isinstance(collection, Collection):
            nodes = materialize([collection])[0]
            return collection._partita_rebuild(with_results(nodes, self._find_future))
        if not is_frame(collection) and not isinstance(collection, type) and is_foreign(collection):
            return normalize_graph(collection, self._find_future)
        return collection

    def _find_future(self, key: str) -> TaskFuture | None:
        """Return the future of the call with a key, if its result is wanted."""
        state = self._submitter.session().find(key)
        return TaskFuture(state, self) if state is not None and state.is_wanted else None

    @trim_traceback
    def persist(self, collections: Any, **options: Any) -> Any:
        """Persist collections on the workers and return collections that read the persisted results.

        Parameters
        ----------
        collections : DataFrame, Series, Delayed, Bag, or list of these
            What to compute. Delayed values and bags are returned at once, while their tasks run.
        **options
            Options of the tasks, as for :meth:`compute`.

        Examples
        --------
        >>> from partita import bag
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     numbers = client.persist(bag.from_sequence([1, 2, 3]))
        ...     numbers.sum().compute()
        6
        """
        from .base import persist

        options.pop("optimize_graph", None)
        if isinstance(collections, (list, tuple, set, frozenset)):
            return list(persist(*collections, traverse=False, scheduler=self, **options))
        return persist(collections, traverse=False, scheduler=self, **options)[0]
