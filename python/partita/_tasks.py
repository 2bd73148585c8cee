"""Tasks: calls of Python functions that have not run, and the executor in this process."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._futures import Future
from ._packing import reduce_input

__all__ = [
    "Place",
    "Task",
    "Tracker",
    "execute",
    "find_inputs",
    "flatten",
    "identity",
    "is_future",
    "new_key",
    "replace_inputs",
    "sort_tasks",
    "unflatten",
    "with_options",
    "with_results",
]

#: The keyword arguments of a task without any. Nobody changes it.
_NO_KWARGS: dict[str, Any] = {}

#: Types whose values never contain a task; the most frequent types of arguments.
ATOMS: frozenset[type] = frozenset((int, float, complex, bool, str, bytes, bytearray, type(None), range, type))


class Task:
    """One call of a function that has not run.

    ``args`` and ``kwargs`` may contain other tasks and futures, at any depth of lists, tuples, dicts, sets, slices and
    dataclass instances. They stand for their results.

    Attributes
    ----------
    function : callable
        The function.
    args : tuple
        Its positional arguments.
    kwargs : dict
        Its keyword arguments.
    name : str
        A short label for display.
    key : str
        The identity of the result: tasks with equal keys have equal results.
    options : dict or None
        How to run it: ``retries``, ``priority``, ``resources``, ``workers``, ``allow_other_workers``, ``pure``.
    kernels : object or None
        What computes the same without a Python process: ``encode(args, places)`` returns it.
    """

    __slots__ = ("__weakref__", "args", "function", "kernels", "key", "kwargs", "name", "options")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        name: str = "",
        key: str = "",
        options: dict[str, Any] | None = None,
        kernels: Any = None,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs or _NO_KWARGS
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.key = key or new_key(self.name)
        self.options = options
        self.kernels = kernels

    def __repr__(self) -> str:
        return f"<Task {self.key}>"

    def __reduce__(self) -> Any:
        # A pickled task is an input of the task whose arguments are packed.
        return reduce_input(self)

    def __dask_tokenize__(self) -> Any:
        return ("task", self.key)


class Place:
    """Stands for a task in the arguments of another one: the place in a list of tasks."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> Any:
        return Place, (self.index,)


def identity(value: Any) -> Any:
    """Return the argument. A task of this function is a value that several tasks share."""
    return value


_counter = itertools.count()
_process = ""


def _new_process() -> None:
    global _process
    _process = os.urandom(8).hex()


_new_process()
if hasattr(os, "register_at_fork"):
    # Otherwise two processes would create equal keys.
    os.register_at_fork(after_in_child=_new_process)


def new_key(name: str) -> str:
    """Return a key that no other task has, in any process."""
    return f"{name}-{_process}{next(_counter):016x}"


def is_future(value: Any) -> bool:
    """Whether a value is the future of a computation, which stands for its result in arguments of a task."""
    return isinstance(value, Future)


def find_inputs(task: Task) -> list[Any]:
    """Return the tasks and futures in the arguments of a task, each once, in their order."""
    direct: list[Any] = []
    if not task.kwargs:
        for value in task.args:
            kind = type(value)
            if kind is Task:
                direct.append(value)
            elif kind not in ATOMS:
                break
        else:
            # Most tasks have no containers.
            return direct if len(direct) < 2 else list({id(value): value for value in direct}.values())
    found: dict[int, Any] = {}
    seen: set[int] = set()
    stack: list[Any] = list(reversed(task.args))
    if task.kwargs:
        stack[:0] = reversed(list(task.kwargs.values()))
    while stack:
        value = stack.pop()
        kind = type(value)
        if kind in ATOMS:
            continue
        if kind is Task:
            found[id(value)] = value
        elif kind in (list, tuple, set, frozenset):
            if id(value) not in seen:
                seen.add(id(value))
                stack += reversed(value) if kind in (list, tuple) else value
        elif kind is dict:
            if id(value) not in seen:
                seen.add(id(value))
                stack += reversed(list(value.values()))
                stack += reversed(list(value))
        elif kind is slice:
            stack += (value.step, value.stop, value.start)
        elif is_future(value):
            found[id(value)] = value
        elif isinstance(value, tuple):
            if hasattr(kind, "_fields") and id(value) not in seen:
                seen.add(id(value))
                stack += reversed(value)
        elif hasattr(kind, "__dataclass_fields__") and id(value) not in seen:
            seen.add(id(value))
            stack += [getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)]
    return list(found.values())


def replace_inputs(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a value in which each task and future is replaced. Values without any are returned as they are."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is Task or kind is Place:
        return replace(value)
    if kind in (list, tuple, set, frozenset):
        items = [replace_inputs(item, replace) for item in value]
        return value if _same(items, value) else kind(items)
    if kind is dict:
        keys = [replace_inputs(item, replace) for item in value]
        items = [replace_inputs(item, replace) for item in value.values()]
        return value if _same(keys, value) and _same(items, value.values()) else dict(zip(keys, items))
    if kind is slice:
        items = [replace_inputs(item, replace) for item in (value.start, value.stop, value.step)]
        return slice(*items)
    if is_future(value):
        return replace(value)
    if isinstance(value, tuple):
        if not hasattr(kind, "_fields"):
            return value
        items = [replace_inputs(item, replace) for item in value]
        return value if _same(items, value) else kind(*items)
    if hasattr(kind, "__dataclass_fields__"):
        return _replace_fields(value, replace)
    return value


def _same(one: list[Any], other: Iterable[Any]) -> bool:
    return all(a is b for a, b in zip(one, other))


def _replace_fields(value: Any, replace: Callable[[Any], Any]) -> Any:
    changed = {}
    for field in dataclasses.fields(value):
        if hasattr(value, field.name):
            old = getattr(value, field.name)
            new = replace_inputs(old, replace)
            if new is not old:
                changed[field.name] = new
    if not changed:
        return value
    # As after pickling: without a call of __init__ and __post_init__.
    made = copy.copy(value)
    for name, new in changed.items():
        object.__setattr__(made, name, new)
    return made


def sort_tasks(outputs: Iterable[Any]) -> tuple[list[Task], dict[str, list[Any]]]:
    """Return all tasks that the outputs need, inputs first and depth first, and the inputs of each by its key.

    Of several tasks with equal keys, only the first is returned.
    """
    order: list[Task] = []
    inputs: dict[str, list[Any]] = {}
    # No recursion, since chains may be long. None marks the end of the inputs of the task before it.
    stack: list[Any] = [one for one in reversed(list(outputs)) if type(one) is Task]
    open_tasks: list[Task] = []
    while stack:
        task = stack.pop()
        if task is None:
            order.append(open_tasks.pop())
            continue
        if task.key in inputs:
            continue
        needed = inputs[task.key] = find_inputs(task)
        waiting = [one for one in needed if type(one) is Task and one.key not in inputs]
        if not waiting:
            order.append(task)
            continue
        open_tasks.append(task)
        stack.append(None)
        waiting.reverse()
        stack += waiting
    return order, inputs


class Tracker:
    """Told of each step of :func:`execute`: the base of diagnostics."""

    def start(self, tasks: Sequence[Task]) -> None:
        """Called before the first task."""

    def before(self, task: Task) -> None:
        """Called before a task runs."""

    def after(self, task: Task, result: Any) -> None:
        """Called with the result of a task."""

    def finish(self, failed: bool) -> None:
        """Called at the end."""


def execute(outputs: Sequence[Any], tracker: Tracker | None = None) -> list[Any]:
    """Run tasks in this thread and return their results.

    Each task runs once, also if several outputs need it or tasks have equal keys. Results are freed when nothing needs
    them any more.

    Parameters
    ----------
    outputs : list of Task or Future
        The tasks whose results are returned.
    tracker : Tracker, optional
        What is told of each step.

    Examples
    --------
    >>> one = Task(identity, (1,))
    >>> execute([Task(sum, ([one, one, 3],)), one])
    [5, 1]
    """
    order, inputs = sort_tasks(outputs)
    readers = dict.fromkeys(inputs, 0)
    for needed in inputs.values():
        for one in needed:
            if type(one) is Task:
                readers[one.key] += 1
    for output in outputs:
        if type(output) is Task:
            readers[output.key] += 1
    results: dict[str, Any] = {}

    def load(node: Any) -> Any:
        return results[node.key] if type(node) is Task else node.result()

    if tracker is not None:
        tracker.start(order)
    failed = True
    try:
        # Each task is dropped once it has run.
        order.reverse()
        while order:
            task = order.pop()
            args, kwargs = task.args, task.kwargs
            needed = inputs.pop(task.key)
            if needed:
                args = tuple(
                    [results[value.key] if type(value) is Task else replace_inputs(value, load) for value in args]
                )
                kwargs = {name: replace_inputs(value, load) for name, value in kwargs.items()} if kwargs else kwargs
                for one in needed:
                    if type(one) is Task:
                        readers[one.key] -= 1
                        if not readers[one.key]:
                            del results[one.key]
            if tracker is not None:
                tracker.before(task)
            result = task.function(*args, **kwargs)
            if tracker is not None:
                tracker.after(task, result)
            results[task.key] = result
            # The arguments and the result must not outlive the next task's start.
            del args, kwargs, needed, result
        failed = False
    finally:
        if tracker is not None:
            tracker.finish(failed)
    return [load(output) for output in outputs]


def flatten(outputs: Sequence[Any]) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Return tasks as a flat list, which can be pickled whatever the length of their chains, and the outputs' places."""
    order, _ = sort_tasks(outputs)
    places = {task.key: at for at, task in enumerate(order)}

    def place(node: Any) -> Any:
        return Place(places[node.key]) if type(node) is Task else node

    rows = [
        (
            task.function,
            tuple([replace_inputs(value, place) for value in task.args]),
            {name: replace_inputs(value, place) for name, value in task.kwargs.items()},
            task.name,
            task.key,
            task.options,
        )
        for task in order
    ]
    return rows, [place(output) for output in outputs]


def unflatten(rows: list[tuple[Any, ...]], outputs: list[Any]) -> list[Any]:
    """Return the tasks of :func:`flatten`."""
    tasks: list[Task] = []

    def task_at(value: Any) -> Any:
        return tasks[value.index] if type(value) is Place else value

    for function, args, kwargs, name, key, options in rows:
        args = tuple([replace_inputs(value, task_at) for value in args])
        kwargs = {label: replace_inputs(value, task_at) for label, value in kwargs.items()}
        tasks.append(Task(function, args, kwargs, name, key, options))
    return [task_at(output) for output in outputs]


def with_results(outputs: Sequence[Any], find: Callable[[str], Any]) -> list[Any]:
    """Return the tasks with futures in the place of those for whose key `find` returns one."""
    made: dict[str, Any] = {}

    def replace(node: Any) -> Any:
        return made[node.key] if type(node) is Task else node

    for task in sort_tasks(outputs)[0]:
        future = find(task.key)
        if future is not None:
            made[task.key] = future
            continue
        args = tuple([replace_inputs(value, replace) for value in task.args])
        kwargs = {label: replace_inputs(value, replace) for label, value in task.kwargs.items()}
        made[task.key] = Task(task.function, args, kwargs, task.name, task.key, task.options)
    return [replace(output) for output in outputs]


def with_options(outputs: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    """Return the tasks, and all that they need, with further options. Options that a task has take precedence."""
    rows, places = flatten(outputs)
    rows = [(*row[:5], {**options, **(row[5] or {})}) for row in rows]
    return unflatten(rows, places)
