"""Events, queues and variables that all clients and workers of a cluster share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._coordination import Answer, Steps, unless_gone
from ._durations import parse_seconds
from ._foreign import load_values
from ._locks import Named

__all__ = ["Event", "Queue", "Variable"]

#: Time to wait for the scheduler to take a variable, in seconds.
SET_TIMEOUT_S = 30.0


class Event(Named):
    """A flag that all clients and functions of a cluster share, and for which they can wait.

    Parameters
    ----------
    name : str, optional
        Name of the event. A random one by default.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.

    Examples
    --------
    >>> from partita.distributed import Client, Event
    >>> with Client(n_workers=1) as client:
    ...     event = Event("loaded")
    ...     event.set()
    ...     event.wait()
    True
    """

    def __init__(self, name: str | None = None, client: Any = None) -> None:
        super().__init__("event", name, client)

    def _do(self, do: str, timeout: float | None = None) -> Steps:
        try:
            return (yield self._start("event", name=self._known_name, do=do, timeout=timeout)).result
        except TimeoutError:
            return False

    def _change(self, do: str) -> Steps:
        yield from self._do(do)

    def wait(self, timeout: Any = None) -> Any:
        """Wait until the event is set. Return False if it is not set in time.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        """
        return self._run(self._do("wait", parse_seconds(timeout)))

    def set(self) -> Any:
        """Set the event: all that wait for it continue."""
        return self._run(self._change("set"))

    def clear(self) -> Any:
        """Clear the event."""
        return self._run(self._change("clear"))

    def is_set(self) -> Any:
        """Whether the event is set."""
        return self._run(self._do("is_set"))

    def __reduce__(self) -> Any:
        return Event, (self.name,)


class Queue(Named):
    """A queue of values that all clients and functions of a cluster share.

    Values are any objects that can be pickled, also with futures in them. The results of these stay on the workers while
    the queue holds the value.

    Parameters
    ----------
    name : str, optional
        Name of the queue. A random one by default.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.
    maxsize : int
        Number of values at which :meth:`put` waits. Unlimited if 0.

    Examples
    --------
    >>> from partita.distributed import Client, Queue
    >>> with Client(n_workers=1) as client:
    ...     queue = Queue("work")
    ...     queue.put({"a": 1})
    ...     queue.get()
    {'a': 1}
    """

    def __init__(self, name: str | None = None, client: Any = None, maxsize: int = 0) -> None:
        super().__init__("queue", name, client)
        self.maxsize = maxsize
        self._is_open = False

    def _open(self) -> Steps:
        if not self._is_open:
            yield self._start("queue", name=self._known_name, do="open", maxsize=self.maxsize)
            self._is_open = True
        return self

    def put(self, value: Any, timeout: Any = None, **_: Any) -> Any:
        """Add a value, waiting while the queue is full.

        Parameters
        ----------
        value : object
            The value.
        timeout : float or str, optional
            Time to wait. Unlimited by default.

        Raises
        ------
        TimeoutError
            If the queue is still full when the time is over.
        """
        seconds = parse_seconds(timeout)

        def steps() -> Steps:
            yield from self._open()
            yield self._start("queue", value, name=self._known_name, do="put", timeout=seconds)

        return self._run(steps())

    def get(self, timeout: Any = None, batch: bool | int = False, **_: Any) -> Any:
        """Remove the first value and return it, waiting for one.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        batch : bool or int
            ``True`` returns a list of all values at once, which may be empty. A number waits for this number of values.

        Raises
        ------
        TimeoutError
            If no value comes in time.
        """
        seconds = parse_seconds(timeout)
        count = batch if batch is not False else None
        if count is not None and count is not True and seconds is not None:
            raise NotImplementedError("get() does not support a timeout with a number as batch")

        def steps() -> Steps:
            yield from self._open()
            client = self.client
            undo = _put_back(client._coordinator, self._known_name)
            answer = yield self._start(
                "queue", name=self._known_name, do="get", timeout=seconds, batch=count, undo=undo
            )
            values = yield from load_values([value for _, value in answer.values], client)
            return values[0] if count is None else values

        return self._run(steps())

    def qsize(self, **_: Any) -> Any:
        """Return the number of values."""

        def steps() -> Steps:
            yield from self._open()
            return (yield self._start("queue", name=self._known_name, do="size")).result

        return self._run(steps())

    def close(self) -> Any:
        """Delete the queue with its values."""

        self._is_open = False
        return self._run(unless_gone(lambda: self._start("queue", name=self._known_name, do="close")))

    def __reduce__(self) -> Any:
        return Queue, (self.name, None, self.maxsize)


def _put_back(coordinator: Any, name: str) -> Callable[[Answer], None]:
    """Return a function that puts the values of an answer back, since nobody took them."""

    def undo(answer: Answer) -> None:
        for entry, value in reversed(answer.values):
            coordinator.tell(
                "queue", value, name=name, do="put", timeout=None, front=True, futures=entry.get("futures") or []
            )

    return undo


class Variable(Named):
    """A value that all clients and functions of a cluster share.

    It is any object that can be pickled, also with futures in it. The results of these stay on the workers while the
    variable holds the value.

    Parameters
    ----------
    name : str, optional
        Name of the variable. A random one by default.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.

    Examples
    --------
    >>> from partita.distributed import Client, Variable
    >>> with Client(n_workers=1) as client:
    ...     stop = Variable("stop")
    ...     stop.set(False)
    ...     stop.get()
    False
    """

    def __init__(self, name: str | None = None, client: Any = None) -> None:
        super().__init__("variable", name, client)

    def set(self, value: Any, timeout: Any = SET_TIMEOUT_S, **_: Any) -> Any:
        """Set the value."""
        seconds = parse_seconds(timeout)

        def steps() -> Steps:
            yield self._start("variable", value, name=self._known_name, do="set", timeout=seconds)

        return self._run(steps())

    def get(self, timeout: Any = None, **_: Any) -> Any:
        """Return the value, waiting until one is set.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.

        Raises
        ------
        TimeoutError
            If none is set in time.
        """
        seconds = parse_seconds(timeout)

        def steps() -> Steps:
            client = self.client
            answer = yield self._start("variable", name=self._known_name, do="get", timeout=seconds)
            ((_, value),) = answer.values
            (found,) = yield from load_values([value], client)
            return found

        return self._run(steps())

    def delete(self) -> Any:
        """Delete the variable."""
        return self._run(unless_gone(lambda: self._start("variable", name=self._known_name, do="delete")))

    def __reduce__(self) -> Any:
        return Variable, (self.name,)
