"""Which rows go where: the borders of partitions, and rows that are drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ._rows import term

__all__ = ["borders", "drawn", "evenly", "of_size"]

#: Partitions that a frame is put into at most.
PARTITIONS_MAX = 10_000
#: Digits of a hash by which rows are drawn: shares are exact to a millionth.
DIGITS = 6

_UNITS = {"": 1, "B": 1}
for _at, _letter in enumerate("KMGT", 1):
    _UNITS.update({f"{_letter}B": 1000**_at, f"{_letter}IB": 1024**_at, _letter: 1000**_at})


def _bytes(size: Any) -> int:
    """A number of bytes, given as one or as a text such as ``100MB`` or ``64MiB``.

    Examples
    --------
    >>> _bytes("100MB"), _bytes("1.5 KiB"), _bytes(7)
    (100000000, 1536, 7)
    """
    found = re.fullmatch(r"([0-9.]+) *([A-Za-z]*)", str(size).strip())
    try:
        number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    except (ValueError, KeyError):
        number = 0
    if number < 1:
        raise ValueError(f"partition_size is a number of bytes such as 1000000, '100MB' or '64MiB', not {size!r}")
    return number


def _checked(parts: int, what: str) -> int:
    if not 1 <= parts <= PARTITIONS_MAX:
        raise ValueError(f"{what} would make {parts} partitions: 1 to {PARTITIONS_MAX} can be")
    return parts


def evenly(rows: int, parts: int) -> list[int]:
    """The borders of so many partitions, of as many rows each as can be, and at least one."""
    parts = max(min(parts, rows), 1)
    return [rows * at // parts for at in range(parts + 1)]


def of_size(frame: pd.DataFrame, size: Any) -> list[int]:
    """The borders of partitions of about so many bytes."""
    total = int(frame.memory_usage(deep=True).sum())
    return evenly(len(frame), _checked(max(-(-total // _bytes(size)), 1), f"partition_size={size!r}"))


def pieces(index: pd.Index, freq: Any) -> list[Any]:
    """The divisions that give each piece of time of an index a partition."""
    if not isinstance(index, pd.DatetimeIndex):
        raise ValueError(f"freq= needs an index of times, not of {index.dtype}: set_index first")
    if not len(index):
        return []
    offset = pd.tseries.frequencies.to_offset(freq)
    try:
        start = index[0].floor(offset)
    except ValueError:
        # Months and years have no length: their pieces begin where the calendar says.
        start = offset.rollback(index[0].normalize())
    starts = pd.date_range(start, index[-1], freq=offset)
    _checked(len(starts), f"freq={freq!r}")
    return [index[0], *starts[1:], index[-1]]


def borders(index: pd.Index, divisions: Sequence[Any]) -> list[int]:
    """The borders of partitions that begin with these labels; the last label is of the last partition."""
    given = list(divisions)
    if len(given) < 2:
        raise ValueError("divisions are two labels at least: the first one and the last one")
    if any(a > b for a, b in zip(given, given[1:])):
        raise ValueError(f"divisions must be in order: {given!r}")
    if len(index) and (given[0] > index[0] or given[-1] < index[-1]):
        raise ValueError(f"divisions must hold all labels, {index[0]} to {index[-1]}: they are {given!r}")
    _checked(len(given) - 1, "divisions")
    return [0, *(int(index.searchsorted(label, side="left")) for label in given[1:-1]), len(index)]


def drawn(keys: Sequence[str], share: float, state: int) -> str:
    """A condition that holds for a share of the rows: a hash of their keys decides, and a state."""
    key = " || '-' || ".join(f"coalesce(CAST({term(sql)} AS VARCHAR), '')" for sql in keys)
    digest = f"md5('{int(state)}-' || {key})"
    value = " + ".join(
        f"(strpos('0123456789abcdef', substr({digest}, {at + 1}, 1)) - 1) * {16 ** (DIGITS - 1 - at)}"
        for at in range(DIGITS)
    )
    return f"({value}) < {share * 16**DIGITS!r}"
