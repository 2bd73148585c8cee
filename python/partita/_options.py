"""Annotations: how tasks run that are created within a context."""

from __future__ import annotations

import contextlib
import contextvars
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["annotate", "call_options", "current_options", "get_annotations", "task_options", "worker_names"]

_annotations: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("annotations", default={})  # noqa: B039

#: Annotations that are options of tasks, and the types of their values.
_OPTIONS: dict[str, tuple[type, ...]] = {
    "retries": (int,),
    "priority": (int, float),
    "resources": (dict,),
    "workers": (str, list, tuple, set),
    "allow_other_workers": (bool,),
    "pure": (bool,),
}


@contextlib.contextmanager
def annotate(**annotations: Any) -> Iterator[None]:
    """Context manager that sets options of the tasks created in it.

    Parameters
    ----------
    retries : int
        How often a failed task is started again.
    priority : int
        Tasks of higher priority run first.
    resources : dict
        Resources that a worker must have, such as ``{"GPU": 1}``.
    workers : str or list of str
        Addresses or host names of the workers that may run the tasks.
    allow_other_workers : bool
        Whether other workers may run them if none of `workers` is connected.
    **annotations
        Other annotations, returned by :func:`get_annotations`.

    Examples
    --------
    >>> with annotate(priority=1):
    ...     with annotate(retries=2):
    ...         get_annotations()
    {'priority': 1, 'retries': 2}
    """
    for name, value in annotations.items():
        kinds = _OPTIONS.get(name)
        if kinds is None or value is None:
            continue
        is_bool = isinstance(value, bool) and bool not in kinds
        if not isinstance(value, kinds) or is_bool:
            raise TypeError(f"annotate: {name} must be {' or '.join(one.__name__ for one in kinds)}, not {value!r}")
    token = _annotations.set({**_annotations.get(), **annotations})
    try:
        # Collections of Dask note its own annotations.
        dask = sys.modules.get("dask")
        with contextlib.nullcontext() if dask is None else dask.annotate(**annotations):
            yield
    finally:
        _annotations.reset(token)


def get_annotations() -> dict[str, Any]:
    """Return the annotations of the current context."""
    return dict(_annotations.get())


def current_options() -> dict[str, Any] | None:
    """Return the options of a task created now, or None."""
    annotations = _annotations.get()
    return task_options(annotations) if annotations else None


def call_options(
    workers: Any, allow_other_workers: bool, resources: Any, retries: Any, priority: int
) -> dict[str, Any] | None:
    """Return the options of calls, or None: the arguments of a method, and those of :func:`annotate` that they lack."""
    options = {
        "workers": workers,
        "allow_other_workers": allow_other_workers,
        "resources": resources,
        "retries": retries,
        "priority": priority,
    }
    given = {name: value for name, value in options.items() if value}
    return {**(current_options() or {}), **given} or None


def task_options(given: dict[str, Any]) -> dict[str, Any] | None:
    """Return those of the given values that are options of tasks, or None."""
    found = {name: value for name, value in given.items() if name in _OPTIONS and value is not None}
    if isinstance(found.get("workers"), str):
        found["workers"] = [found["workers"]]
    return found or None


def worker_names(workers: Any) -> list[str]:
    """Return names, addresses and hosts of workers as the scheduler compares them."""
    names = [workers] if isinstance(workers, str) else list(workers)
    return [str(name).removeprefix("tcp://").removeprefix("tls://") for name in names]
