"""The methods of a client for what all clients share: metadata, events, and copies of results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._coordination import Coordinator, Refused, Steps, all_answers, run_steps
from ._errors import ClusterError, trim_traceback
from ._foreign import unpack_value
from ._functions import Submitter
from ._task_futures import flat_futures
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

    @trim_traceback
    def replicate(self, futures: Any, n: int | None = None, workers: Any = None, **_: Any) -> Any:
        """Wait until the results of futures are on the workers.

        Copies are not made in advance: a worker gets a copy when a call needs it there, and a result that is lost with its
        worker is recomputed. ``dataframe.from_pandas(.., replicas=2)`` uploads data to several workers.

        Parameters
        ----------
        futures : Future or collection of these
            The futures.
        n, workers
            Accepted for compatibility with Dask; no effect.

        Raises
        ------
        ValueError
            If `n` is not positive.
        """
        from ._task_futures import wait

        if n is not None and n <= 0:
            raise ValueError(f"n must be a number of copies of at least 1, not {n!r}")
        return wait(list(flat_futures(futures)))

    @trim_traceback
    def rebalance(self, futures: Any = None, workers: Any = None, **_: Any) -> Any:
        """Wait until the results of futures are on the workers.

        Results are not moved afterwards: the scheduler chooses the workers by their free memory when calls start, and
        results beyond the memory of a worker are written to its disk.

        Parameters
        ----------
        futures : Future or collection of these, optional
            The futures; none by default.
        workers
            Accepted for compatibility with Dask; no effect.
        """
        from ._task_futures import wait

        return wait(list(flat_futures(futures or [])))


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
