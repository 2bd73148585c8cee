"""Checks of arguments. Arguments that only tune Dask are accepted without effect."""

from __future__ import annotations

import numbers
import operator
from typing import Any

__all__ = ["check_split_every", "is_columns_axis", "reject_unsupported", "whole_periods", "without_tuning"]

#: Least number of results that one task combines.
SPLIT_EVERY_MIN = 2

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
        "max_branch",
        "upsample",
        "fuse",
    )
)
#: Arguments that NumPy's functions pass to methods, and their only supported values.
_OF_NUMPY = {"dtype": None, "out": None, "initial": None, "keepdims": False, "where": True}


def reject_unsupported(name: str, given: dict[str, Any]) -> None:
    """Accept arguments that only tune Dask.

    Raises
    ------
    TypeError
        If there is another argument: ignoring it could give a wrong result.
    """
    check_split_every(given.get("split_every"))
    for argument, value in given.items():
        if argument in _TUNING or (argument in _OF_NUMPY and value is _OF_NUMPY[argument]):
            continue
        raise TypeError(f"{name}() does not support the argument {argument!r}")


def check_split_every(value: Any, least: int = SPLIT_EVERY_MIN) -> None:
    """Check how many results one task combines; None and False leave that to the cluster.

    Raises
    ------
    ValueError
        If it is not an integer of at least `least`.
    """
    if value is None or value is False:
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"split_every must be an integer >= {least}, or False, not {value!r}")


def without_tuning(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without those that only tune Dask."""
    check_split_every(given.get("split_every"))
    return {name: value for name, value in given.items() if name not in _TUNING}


def whole_periods(name: str, periods: Any, takes_floats: bool = False) -> int:
    """Return a number of rows as an integer.

    Raises
    ------
    TypeError
        If it is not one. As in pandas, a float is one only for some methods, and only if it has no fraction.
    """
    if takes_floats and isinstance(periods, float) and periods.is_integer():
        return int(periods)
    try:
        return operator.index(periods)
    except TypeError:
        raise TypeError(f"{name}: periods must be an integer, not {periods!r}") from None


def is_columns_axis(name: str, axis: Any, takes_none: bool = True) -> bool:
    """Whether `axis` is 1 or ``"columns"``, so that the values of each row are combined.

    None stands for the axis of the rows, unless `takes_none` is false: some methods of pandas do not accept it.

    Raises
    ------
    ValueError
        If the axis is invalid.
    """
    if axis is None and not takes_none:
        raise ValueError(f"{name}: axis must be 0, 'index', 1 or 'columns', not None")
    if axis in (0, "index", "rows", None):
        return False
    if axis in (1, "columns"):
        return True
    raise ValueError(f"{name}: axis must be 0, 'index', 1 or 'columns', not {axis!r}")
