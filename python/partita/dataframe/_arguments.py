"""Arguments of Dask that tune how it computes, and have no meaning here."""

from __future__ import annotations

from typing import Any

__all__ = ["along_rows", "tuning"]

_TUNING = frozenset(
    (
        "split_every",
        "split_out",
        "shuffle_method",
        "shuffle",
        "optimize_graph",
        "traverse",
        "engine",
        "meta",
        "broadcast",
        "scheduler",
        "copy",
    )
)
#: What NumPy's functions hand on when they call a method, and what it must be.
_OF_NUMPY = {"dtype": None, "out": None, "initial": None, "keepdims": False, "where": True}


def tuning(name: str, given: dict[str, Any]) -> None:
    """Accepts the arguments that have no meaning here.

    Raises
    ------
    TypeError
        If there is another: an argument that is not heeded would make the answer a wrong one.
    """
    for argument, value in given.items():
        if argument in _TUNING or (argument in _OF_NUMPY and value is _OF_NUMPY[argument]):
            continue
        raise TypeError(f"{name}() has no argument {argument!r} here")


def along_rows(name: str, axis: Any) -> bool:
    """Whether an axis names the columns: the values of each row are put together.

    Raises
    ------
    ValueError
        If it is no axis.
    """
    if axis in (0, "index", "rows", None):
        return False
    if axis in (1, "columns"):
        return True
    raise ValueError(f"{name}: axis is 0 or 'index', 1 or 'columns', not {axis!r}")
