"""Calls of Python functions that write the partitions of frames, each on the worker that runs it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from .._frame_functions import PersistedPartitions
from .._tasks import Task
from ..base import is_synchronous, run_nodes
from ..delayed import _make
from ..utils import warn_caller

__all__ = ["PartCall", "part_names", "require_package", "run_writers", "writing_tasks"]

#: Maximum number of names that an error message shows.
NAMES_SHOWN = 5


def require_package(module: str, package: str, what: str) -> Any:
    """Return an optional module.

    Raises
    ------
    ImportError
        If it is not installed. The message names the package.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} requires the package {package}, also on the workers: pip install {package}"
        ) from error


class PartCall:
    """The function of the calls that write partitions.

    Parameters
    ----------
    write : callable
        Takes a partition and its number.
    takes_rows : bool
        Whether the partition is a table of Arrow with its index levels first, not a pandas object.
    """

    def __init__(self, write: Callable[[Any, int], Any], takes_rows: bool = False) -> None:
        self.write = write
        self.takes_rows = takes_rows
        self.__name__ = type(write).__name__.lstrip("_")

    def __call__(self, partitions: PersistedPartitions, number: int, before: Any = None) -> Any:
        read = partitions.read_rows if self.takes_rows else partitions.read
        return self.write(read(number), number)


def writing_tasks(
    plan: Any,
    make: Callable[[int], Callable[[Any, int], Any]],
    name: str,
    takes_rows: bool = False,
    serial: bool = False,
) -> list[Task]:
    """Persist a frame, and return the tasks that write its partitions.

    Parameters
    ----------
    plan : DataFrame or Series
        The rows.
    make : callable
        Returns the function that writes a partition, given the number of partitions.
    name : str
        Name of the tasks.
    takes_rows : bool
        Whether the function takes tables of Arrow.
    serial : bool
        Whether the partitions are written one after the other, because they share a file.
    """
    # Plans inherit the methods that write them.
    from ._partition_inputs import argument_of, persisted_partitions

    partitions, count = persisted_partitions(plan)
    argument, call = argument_of(partitions), PartCall(make(count), takes_rows)
    tasks: list[Task] = []
    for at in range(count):
        before = (tasks[-1],) if serial and tasks else ()
        tasks.append(Task(call, (argument, at, *before), None, name))
    return tasks


def run_writers(client: Any, tasks: Sequence[Task], compute: bool, single: bool = False) -> Any:
    """Run tasks and return their results, or return them as delayed values. With `single`, there is one task."""
    if not compute:
        made = [_make(task) for task in tasks]
        return made[0] if single else made
    found = run_nodes(list(tasks), None if is_synchronous() else client)
    return found[0] if single else found


def part_names(count: int, name_function: Callable[[int], Any] | None = None) -> list[str]:
    """Return what names the files of partitions, in the order of the partitions.

    Readers take files in the order of their names, so that a warning tells if another order results.

    Raises
    ------
    ValueError
        If a function does not return strings, or returns one of them twice: partitions would share a file.
    """
    if name_function is None:
        digits = len(str(max(count - 1, 0)))
        return [f"{at:0{digits}}" for at in range(count)]
    if not callable(name_function):
        raise ValueError(f"``name_function`` must be a callable with one argument, not {name_function!r}")
    names = [name_function(at) for at in range(count)]
    if not all(isinstance(one, str) for one in names) or len(set(names)) < count:
        raise ValueError(
            f"name_function= must return a different string for each partition, not {names[:NAMES_SHOWN]!r}"
        )
    if sorted(names) != names:
        warn_caller(
            "To preserve order between partitions name_function must preserve the order of its input: readers sort files by "
            f"their names, and {next(b for a, b in zip(names, names[1:]) if b < a)!r} comes too late"
        )
    return names


def ensure_folder(path: str) -> None:
    """Create a folder unless it exists; other calls may create it at the same time."""
    if path:
        os.makedirs(path, exist_ok=True)
