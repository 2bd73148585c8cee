"""Functions of this package that run on the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["by_value", "call", "call_chunk", "call_with_worker"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def by_value(function: _Function) -> _Function:
    """Mark a function to be sent with its code, since this package may not be installed for the Python of a worker.

    cloudpickle sends functions of ``__main__`` that way. The function must import what it uses in its body.
    """
    function.__module__ = "__main__"
    function.__qualname__ = f"_partita_{function.__name__}"
    return function


@by_value
def call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function whose keyword arguments are also options of ``Client.submit``."""
    return function(*args, **kwargs)


@by_value
def call_chunk(function: Callable[..., Any], calls: Any) -> list[Any]:
    """Call a function once for each tuple of arguments."""
    return [function(*args) for args in calls]


@by_value
def call_with_worker(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function with the worker that runs it as its argument ``dask_worker``."""
    from partita.distributed import get_worker

    return function(*args, **kwargs, dask_worker=get_worker())
