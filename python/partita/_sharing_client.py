"""The methods of a client for what all clients share: metadata, events, and copies of results."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._awaiting import may_await
from ._coordination import Coordinator, Refused, Steps, all_answers, run_steps
from ._errors import ClusterError, trim_traceback
from ._foreign import unpack_value
from ._functions import Submitter
from ._options import worker_names
from ._session import State
from ._task_futures import TaskFuture, flat_futures, wait
from ._worker_view import is_in_runner, show_print, show_warning

__all__ = ["SharingMethods"]

_MISSING = object()


class SharingMethods:
    """Metadata, events, and copies of results."""

    _coordinator: Coordinator
    _submitter: Submitter
    gather: Callable[..., Any]
    _awaitable: Callable[[Any], Any]

    # Metadata.

    @trim_traceback
    def set_metadata(self, key: Any, value: Any) -> Any:
        """Set a value that all clients and functions of the cluster can read.

        Parameters
        ----------
        key : str or list of str
            The name, or a path of names: ``["model", "version"]`` is the entry ``"version"`` of ``"model"``.
        value : object
            Any object that can be pickled. Dicts become paths, whose values are set one after the other.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.set_metadata("model", {"version": 2, "name": "x"})
        ...     client.set_metadata(["model", "name"], "y")
        ...     client.get_metadata("model") == {"version": 2, "name": "y"}
        True
        """
        path = _path(key)

        def steps() -> Steps:
            leaves = list(_leaves(value, path))
            if len(leaves) > 1 or leaves[0][0] != path:
                # Replaces all below the path.
                leaves.insert(0, (path, {}))
            start = self._coordinator.start
            yield from all_answers([start("metadata", one, do="set", keys=keys) for keys, one in leaves])

        return run_steps(self, steps())

    @trim_traceback
    def get_metadata(self, keys: Any, default: Any = _MISSING) -> Any:
        """Return a value that a client set.

        Parameters
        ----------
        keys : str or list of str
            The name, or a path of names.
        default : optional
            Returned if nothing is set there.

        Raises
        ------
        KeyError
            If nothing is set there and there is no `default`.
        """
        path = _path(keys)

        def steps() -> Steps:
            try:
                answer = yield self._coordinator.start("metadata", do="get", keys=path)
                entries = answer.values
            except Refused as refused:
                if refused.kind != "gone":
                    raise
                entries = []
            if entries:
                return _nest([(entry["keys"], unpack_value(value, self)) for entry, value in entries])
            if default is _MISSING:
                raise KeyError(keys)
            return default

        return run_steps(self, steps())

    # Events.

    @trim_traceback
    def log_event(self, topic: Any, msg: Any) -> Any:
        """Log an event.

        Parameters
        ----------
        topic : str or list of str
            The topics under which it is kept. The last thousand events of each are kept.
        msg : object
            Any object that can be pickled.
        """
        topics = [topic] if isinstance(topic, str) else list(topic)

        def steps() -> Steps:
            yield self._coordinator.start("log", msg, topics=topics)

        return run_steps(self, steps())

    @trim_traceback
    def get_events(self, topic: str | None = None) -> Any:
        """Return the events of a topic, each with its time in seconds since 1970; of all topics, a dict by topic."""

        def steps() -> Steps:
            answer = yield self._coordinator.start("events", topic=topic)
            found: dict[str, list[Any]] = {}
            for entry, value in answer.values:
                found.setdefault(entry["topic"], []).append((entry["time"], unpack_value(value, self)))
            if topic is not None:
                return tuple(found.get(topic, ()))
            return {name: tuple(events) for name, events in found.items()}

        return run_steps(self, steps())

    def subscribe_topic(self, topic: str, handler: Callable[[Any], Any]) -> Any:
        """Call a function with each later event of a topic, in a thread of this process.

        Parameters
        ----------
        topic : str
            The topic.
        handler : callable
            Called with a tuple: the time in seconds since 1970, and the message. It may be a coroutine function.
        """

        def handle(event: Any) -> Any:
            time, value = event
            return handler((time, unpack_value(value, self)))

        def steps() -> Steps:
            yield self._coordinator.follow(topic, handle)

        return run_steps(self, steps())

    def unsubscribe_topic(self, topic: str) -> Any:
        """Stop to call the function of a topic.

        Raises
        ------
        ValueError
            If the topic has none.
        """
        request = self._coordinator.unfollow(topic)

        def steps() -> Steps:
            yield request

        return run_steps(self, steps())

    def _follow_prints(self) -> None:
        """Show here what functions print with ``partita.distributed.print``, without waiting for the scheduler."""
        if not is_in_runner():
            with contextlib.suppress(ClusterError):
                for topic, handler in (("print", show_print), ("warn", show_warning)):
                    if topic not in self._coordinator.topics:
                        self._coordinator.follow(topic, self._unpacking(handler))

    def _unpacking(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda event: handler((event[0], unpack_value(event[1], self)))

    # Copies of results.

    @may_await
    @trim_traceback
    def replicate(self, futures: Any, n: int | None = None, workers: Any = None, branching_factor: int = 2) -> None:
        """Have several workers hold the results of futures, and wait until they do.

        Calls that read such a result are run by any of these workers without fetching it, and when one of them is lost or
        retires, nothing is recomputed. The scheduler keeps the number while futures refer to the result: it has a lost copy
        replaced, if another of the workers can hold it. When no future refers to the result any more, all copies are
        dropped. A later call for the same result replaces the earlier one, also with a smaller `n`.

        Parameters
        ----------
        futures : Future or collection of these
            The futures, also in persisted collections. Those that fail are left out.
        n : int, optional
            How many workers shall hold each result, at most all; all by default. Copies that are too many are dropped.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers that shall hold them. All by default, and then also copies that are
            made later, in the place of lost ones, are on any worker.
        branching_factor : int
            How many workers may copy a result from the same worker at a time. Those that have it pass it on.

        Raises
        ------
        ValueError
            If `n` or `branching_factor` is not positive, or `workers` is empty.
        TypeError
            If a future has no result on the workers that could be copied, such as that of an actor.
        ClusterError
            If one of `workers` is not connected, or too many copies are asked for.

        Notes
        -----
        A worker that is paused, since it has no memory, gets its copies when it has some again; the call does not wait for
        that. :meth:`who_has` tells which workers hold a result.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.wait_for_workers(2)
        ...     future = client.submit(pow, 2, 3)
        ...     client.replicate(future)
        ...     len(client.who_has(future)[future.key])
        2
        """
        self._copy_results(futures, n, workers, branching_factor)

    def _copy_results(self, futures: Any, n: int | None, workers: Any, branching_factor: int = 2) -> None:
        """Do what :meth:`replicate` does, also where its result would be awaited."""
        if n is not None and n <= 0:
            raise ValueError(f"n must be a number of copies of at least 1, not {n!r}")
        if branching_factor <= 0:
            raise ValueError(f"branching_factor must be at least 1, not {branching_factor!r}")
        names = [] if workers is None else worker_names(workers)
        if workers is not None and not names:
            raise ValueError("workers must name at least one worker; without it, results are copied to all")
        states = self._finished_states(futures)
        for state in states:
            if state.running is not state:
                raise TypeError(f"cannot replicate {state.key}: an actor stays where it was created")
        if states:
            count = None if n is None else operator.index(n)
            replicas = {"count": count, "readers_max": operator.index(branching_factor)}
            self._submitter.session().arrange(states, names, replicas)

    @may_await
    @trim_traceback
    def rebalance(self, futures: Any = None, workers: Any = None) -> None:
        """Move results from the workers that hold the most bytes to those that hold the least, and wait until that is done.

        The largest results are moved first, as long as neither worker passes the mean of the workers: so few are moved, and
        none again by the next call. Workers that are paused, since they have no memory, get none.

        Parameters
        ----------
        futures : Future or collection of these, optional
            The futures whose results may be moved; all of this client by default. Dask moves those of all clients.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers between which they are moved; all by default.

        Raises
        ------
        TypeError
            If a future has no result on the workers.
        ClusterError
            If one of `workers` is not connected.

        Notes
        -----
        Partitions of persisted frames are not moved.
        """
        names = [] if workers is None else worker_names(workers)
        if futures is None:
            states = [one for one in self._submitter.states() if one.is_wanted and one.status == "finished"]
        else:
            states = self._finished_states(futures)
        states = [state for state in states if state.running is state]
        if states and (names or workers is None):
            self._submitter.session().arrange(states, names)

    def _finished_states(self, futures: Any) -> list[State]:
        """Wait for futures, and return the calls that have results."""
        found = list(flat_futures(futures))
        if not found and not isinstance(futures, (list, tuple, set, frozenset, dict)):
            raise TypeError(
                f"expected a future or several, not an object of type {type(futures).__name__}; persist a collection first, "
                "and upload a frame with from_pandas(replicas=2)"
            )
        states = []
        for one in found:
            if not isinstance(one, TaskFuture):
                raise TypeError(f"{one!r} is of a computation whose result is not on the workers: persist it instead")
            states.append(one._state)
        wait(found)
        return [state for state in states if state.status == "finished"]


def _path(keys: Any) -> list[str]:
    path = list(keys) if isinstance(keys, (list, tuple)) else [keys]
    for key in path:
        if not isinstance(key, str):
            raise TypeError(f"the keys of metadata must be strings, not {key!r}")
    if not path:
        raise ValueError("metadata needs at least one key")
    return path


def _leaves(value: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Yield the values in nested dicts, each with its path."""
    if type(value) is dict and value and all(isinstance(key, str) for key in value):
        for key, one in value.items():
            yield from _leaves(one, [*path, key])
    else:
        yield path, value


def _nest(leaves: Sequence[tuple[list[str], Any]]) -> Any:
    """Return the nested dicts of values with their paths."""
    found: dict[str, Any] = {}
    for path, value in leaves:
        if not path:
            return value
        at = found
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
    return found
