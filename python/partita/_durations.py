"""Durations given as strings, and times to wait."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

__all__ = ["Deadline", "parse_seconds"]

_UNITS_S = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_seconds(value: Any, what: str = "timeout") -> float | None:
    """Convert a number, a ``timedelta`` or a string such as ``"2s"`` or ``"500ms"`` to seconds.

    Examples
    --------
    >>> parse_seconds("2s"), parse_seconds("500 ms"), parse_seconds(1.5), parse_seconds(None)
    (2.0, 0.5, 1.5, None)
    """
    if value is None:
        return None
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    found = re.fullmatch(r"([0-9.]+(?:e[+-]?[0-9]+)?) *([a-z]*)", str(value).strip().lower())
    try:
        number = float(found[1]) * _UNITS_S[found[2]] if found else float("nan")
    except (ValueError, KeyError):
        number = float("nan")
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError(f"{what} must be seconds or a string such as '2s', '500ms' or '5m', not {value!r}")
    return number


class Deadline:
    """The end of a time to wait, which begins now.

    Parameters
    ----------
    seconds : float or None
        The time; None if it is unlimited.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0; None if the time is unlimited."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)
