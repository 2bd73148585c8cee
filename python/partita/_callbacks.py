"""Callbacks of computations: progress bars and profiles."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from ._errors import PartitaError
from ._tasks import Task, Tracker
from .utils import format_time, key_split

__all__ = ["Callback", "Profiler", "ProgressBar", "TaskData", "active_tracker", "show_progress"]

#: Width of a progress bar, in characters.
_WIDTH = 40
#: Polling interval of computations on the cluster, in seconds.
_INTERVAL_S = 0.1


class Callback:
    """Functions that are called while tasks run in this process.

    Use it as a context manager, or :meth:`register` it for good. The functions are arguments, or methods of a subclass.

    Parameters
    ----------
    start : callable
        Called with the graph, before the first task.
    start_state : callable
        Called with the graph and the state, before the first task.
    pretask : callable
        Called with key, graph and state before each task.
    posttask : callable
        Called with key, result, graph, state and the identity of the thread after each task.
    finish : callable
        Called with the graph, the state and whether a task failed, at the end.

    Examples
    --------
    >>> import partita
    >>> with Callback(pretask=lambda key, graph, state: print(partita.utils.key_split(key))):
    ...     partita.delayed(abs)(-1).compute(scheduler="synchronous")
    abs
    1
    """

    active: ClassVar[list[Callback]] = []

    def __init__(
        self, start: Any = None, start_state: Any = None, pretask: Any = None, posttask: Any = None, finish: Any = None
    ) -> None:
        for name, function in (
            ("_start", start),
            ("_start_state", start_state),
            ("_pretask", pretask),
            ("_posttask", posttask),
            ("_finish", finish),
        ):
            if function is not None:
                setattr(self, name, function)

    def __enter__(self) -> Any:
        self.register()
        return self

    def __exit__(self, *_: Any) -> None:
        self.unregister()

    def register(self) -> None:
        """Call the functions in all later computations."""
        Callback.active.append(self)

    def unregister(self) -> None:
        """Call the functions no longer."""
        with contextlib.suppress(ValueError):
            Callback.active.remove(self)


class _CallbackTracker(Tracker):
    """Calls callbacks with the arguments that Dask's have."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks
        self._graph: dict[str, Task] = {}
        self._state: dict[str, set[str]] = {}

    def _call(self, name: str, *args: Any) -> None:
        for callback in self._callbacks:
            function = getattr(callback, name, None)
            if function is not None:
                function(*args)

    def start(self, tasks: Sequence[Task]) -> None:
        """Call ``start`` and ``start_state``."""
        self._graph = {task.key: task for task in tasks}
        self._state = {"waiting": set(self._graph), "ready": set(), "running": set(), "finished": set()}
        self._call("_start", self._graph)
        self._call("_start_state", self._graph, self._state)

    def before(self, task: Task) -> None:
        """Call ``pretask``."""
        self._state["waiting"].discard(task.key)
        self._state["running"].add(task.key)
        self._call("_pretask", task.key, self._graph, self._state)

    def after(self, task: Task, result: Any) -> None:
        """Call ``posttask``."""
        self._state["running"].discard(task.key)
        self._state["finished"].add(task.key)
        self._call("_posttask", task.key, result, self._graph, self._state, threading.get_ident())

    def finish(self, failed: bool) -> None:
        """Call ``finish``."""
        self._call("_finish", self._graph, self._state, failed)


def active_tracker() -> Tracker | None:
    """Return what calls the registered callbacks, or None if there are none."""
    return _CallbackTracker(list(Callback.active)) if Callback.active else None


def format_bar(share: float, elapsed_s: float, width: int = _WIDTH) -> str:
    """Return the text of a progress bar."""
    filled = int(width * share)
    return f"[{'#' * filled}{' ' * (width - filled)}] | {share:4.0%} Completed | {format_time(elapsed_s)}"


class ProgressBar(Callback):
    """A progress bar in the terminal, for computations in this process and on the cluster.

    Parameters
    ----------
    minimum : float
        Time in seconds before the bar appears.
    width : int
        Width of the bar, in characters.
    dt : float
        Time in seconds between two updates.
    out : file, optional
        Where the bar is written; standard output if not given.

    Examples
    --------
    >>> import partita
    >>> with ProgressBar():  # doctest: +SKIP
    ...     partita.compute(partita.delayed(sum)([1, 2]))
    [########################################] | 100% Completed | 101.12 ms
    """

    def __init__(self, minimum: float = 0, width: int = _WIDTH, dt: float = _INTERVAL_S, out: Any = None) -> None:
        super().__init__()
        self._minimum = minimum
        self._width = width
        self._dt = dt
        self._file = out
        self.last_duration = 0.0
        self._timer: threading.Thread | None = None
        self._stopped = threading.Event()
        self._share: Callable[[], float] = lambda: 0.0
        self._begin = 0.0
        self._last = 0.0

    @property
    def is_shown(self) -> bool:
        """Whether the bar shows a computation."""
        return self._timer is not None

    def begin(self, share: Callable[[], float]) -> None:
        """Start to show the value of a function: the share of the work that is done."""
        self._share = share
        self._last = 0.0
        self._begin = time.perf_counter()
        self._stopped = threading.Event()
        self._timer = threading.Thread(target=self._work, args=(self._stopped,), name="partita-bar", daemon=True)
        self._timer.start()

    def end(self, failed: bool) -> None:
        """Show the final state."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.join()
            self._timer = None
        self.last_duration = time.perf_counter() - self._begin
        if self.last_duration >= self._minimum:
            self._draw(min(self._last, 0.99) if failed else 1.0, "\n")

    def _work(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._dt):
            if time.perf_counter() - self._begin >= self._minimum:
                # The scheduler may be gone; the computation itself raises its error.
                with contextlib.suppress(PartitaError):
                    self._draw(min(self._share(), 0.99), "")

    def _draw(self, share: float, end: str) -> None:
        self._last = share
        file = self._file or sys.stdout
        with contextlib.suppress(ValueError):
            file.write(f"\r{format_bar(share, time.perf_counter() - self._begin, self._width)}{end}")
            file.flush()

    def _start_state(self, graph: Any, state: Any) -> None:
        self.begin(lambda: len(state["finished"]) / max(len(graph), 1))

    def _finish(self, graph: Any, state: Any, failed: bool) -> None:
        self.end(failed)


@contextlib.contextmanager
def show_progress(share: Callable[[], float]) -> Iterator[None]:
    """Context manager that shows the registered progress bars during a computation on the cluster.

    Within another computation, such as of a frame that an argument of a task contains, it does nothing.
    """
    bars = [one for one in Callback.active if isinstance(one, ProgressBar) and not one.is_shown]
    for bar in bars:
        bar.begin(share)
    failed = True
    try:
        yield
        failed = False
    finally:
        for bar in bars:
            bar.end(failed)


TaskData = namedtuple("TaskData", ("key", "task", "start_time", "end_time", "worker_id"))


class Profiler(Callback):
    """Records when each task ran in this process.

    Attributes
    ----------
    results : list of TaskData
        Key, task, start, end and thread of each task.

    Examples
    --------
    >>> import partita
    >>> with Profiler() as profiler:
    ...     partita.delayed(abs)(-1).compute(scheduler="synchronous")
    1
    >>> len(profiler.results)
    1
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Any] = []
        self._starts: dict[str, float] = {}

    def __enter__(self) -> Profiler:
        self.clear()
        self.register()
        return self

    def _pretask(self, key: str, graph: Any, state: Any) -> None:
        self._starts[key] = time.perf_counter()

    def _posttask(self, key: str, result: Any, graph: Any, state: Any, identity: int) -> None:
        start = self._starts.pop(key)
        self.results.append(TaskData(key, graph[key], start, time.perf_counter(), identity))

    def clear(self) -> None:
        """Forget the results."""
        self.results.clear()
        self._starts.clear()

    def summary(self) -> dict[str, float]:
        """Return the seconds that the tasks of each name took."""
        total: dict[str, float] = {}
        for one in self.results:
            name = key_split(one.key)
            total[name] = total.get(name, 0.0) + one.end_time - one.start_time
        return total
