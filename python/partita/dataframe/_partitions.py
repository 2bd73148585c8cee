"""Which rows go where: the borders of partitions, and rows that are drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ._rows import direction, term
from ._sql import literal

__all__ = ["Partitions", "bytes_of", "check_divisions", "checked", "drawn", "ends", "evenly", "pieces", "split"]

#: Partitions that a frame is put into at most.
PARTITIONS_MAX = 10_000
#: Digits of a hash by which rows are drawn: shares are exact to a millionth.
DIGITS = 6

_UNITS = {"": 1, "B": 1}
for _at, _letter in enumerate("KMGT", 1):
    _UNITS.update({f"{_letter}B": 1000**_at, f"{_letter}IB": 1024**_at, _letter: 1000**_at})


class Partitions:
    """The partitions of a frame, each or some of them as a frame.

    They are those that the frame is persisted in. One that is not persisted is persisted first, and one in no order,
    such as that of files, then has its rows in partitions of about as many each.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(10)}), npartitions=5)
    >>> ddf.partitions[1].compute().a.tolist()
    [2, 3]
    >>> ddf.partitions[-2:].compute().a.tolist(), len(ddf.partitions)
    ([6, 7, 8, 9], 5)
    """

    def __init__(self, frame: Any, finish: Callable[[Any], Any] = lambda frame: frame) -> None:
        self._finish = finish
        if not frame._rows.order:
            # Something by which each row is in one of them.
            frame = frame._reordered(("random() ASC NULLS LAST",))
        persisted = frame if frame._rows.persisted else frame._persist()
        rows = persisted._rows
        self._frame = persisted
        self._term, self._way = term(rows.order[0]), direction(rows.order[0])
        self._kind = rows.type(self._term)
        texts = persisted._client._connection.table(rows.persisted)["splits"]
        self._splits = pa.array(texts, pa.string()).cast(self._kind).to_pandas().tolist()

    def __len__(self) -> int:
        return len(self._splits) + 1

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        count = len(self)
        if isinstance(key, slice):
            wanted = list(range(count))[key]
        else:
            wanted = [int(at) for at in (key if pd.api.types.is_list_like(key) else [key])]
        for at in wanted:
            if not -count <= at < count:
                raise IndexError(f"there are {count} partitions, and none is number {at}")
        wanted = sorted({at % count for at in wanted})
        conditions = [self._condition(at) for at in wanted]
        found = self._frame._narrowed(" OR ".join(f"({one})" for one in conditions) or "FALSE")
        found._rows.partitions = max(len(wanted), 1)
        return self._finish(found)

    def _condition(self, at: int) -> str:
        """Whether a row is in a partition: those whose key is missing are in the first or the last."""
        descending = "DESC" in self._way
        tests = []
        if at > 0:
            tests.append(f"{self._term} {'<=' if descending else '>='} {literal(self._splits[at - 1], self._kind)}")
        if at < len(self._splits):
            tests.append(f"{self._term} {'>' if descending else '<'} {literal(self._splits[at], self._kind)}")
        end = 0 if "NULLS FIRST" in self._way else len(self._splits)
        missing = f" OR {self._term} IS NULL" if at == end else ""
        return f"({' AND '.join(tests) or 'TRUE'}){missing}"


def bytes_of(size: Any) -> int:
    """A number of bytes, given as one or as a text such as ``100MB`` or ``64MiB``.

    Examples
    --------
    >>> bytes_of("100MB"), bytes_of("1.5 KiB"), bytes_of(7)
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


def checked(parts: int, what: str) -> int:
    """A number of partitions, if so many can be."""
    if not 1 <= parts <= PARTITIONS_MAX:
        raise ValueError(f"{what} would make {parts} partitions: 1 to {PARTITIONS_MAX} can be")
    return parts


def evenly(rows: int, parts: int) -> list[int]:
    """The borders of so many partitions, of as many rows each as can be, and at least one."""
    parts = max(min(parts, rows), 1)
    return [rows * at // parts for at in range(parts + 1)]


def ends(frame: Any) -> tuple[Any, Any]:
    """The first label of the index of a frame in its order, and the last one; ``None`` where there are none."""
    level = frame._index[0].sql
    first, last = frame._rows.values([f"min({level})", f"max({level})"]).to_pandas().iloc[0]
    return (None, None) if pd.isna(first) else (first, last)


def pieces(first: Any, last: Any, freq: Any) -> list[Any]:
    """The divisions that give each piece of time of an index a partition."""
    if first is not None and not isinstance(first, pd.Timestamp):
        raise ValueError(f"freq= needs an index of times, not of {type(first).__name__}: set_index first")
    if first is None:
        return [None, None]
    offset = pd.tseries.frequencies.to_offset(freq)
    try:
        start = first.floor(offset)
    except ValueError:
        # Months and years have no length: their pieces begin where the calendar says.
        start = offset.rollback(first.normalize())
    starts = pd.date_range(start, last, freq=offset)
    checked(len(starts), f"freq={freq!r}")
    return [first, *starts[1:], last]


def check_divisions(divisions: Sequence[Any], first: Any, last: Any) -> None:
    """Whether partitions can begin with these labels; the last label is of the last partition.

    Raises
    ------
    ValueError
        If there are less than two, they are not in order, or a label of the index is outside.
    """
    if len(divisions) < 2:
        raise ValueError("divisions are two labels at least: the first one and the last one")
    inner = list(divisions[:-1])
    if any(a >= b for a, b in zip(inner, inner[1:])) or inner[-1] > divisions[-1]:
        raise ValueError(f"divisions must be in order, each once: {list(divisions)!r}")
    if first is not None and (divisions[0] > first or divisions[-1] < last):
        raise ValueError(f"divisions must hold all labels, {first} to {last}: they are {list(divisions)!r}")
    checked(len(divisions) - 1, "divisions")


def split(label: Any) -> str:
    """A label between partitions, as an option of a table has it."""
    return literal(label.isoformat() if hasattr(label, "isoformat") else str(label))


def drawn(keys: Sequence[str], state: int) -> str:
    """The lot of each row, a number from 0 to 1: a hash of their keys decides, and a state."""
    key = " || '-' || ".join(f"coalesce(CAST({term(sql)} AS VARCHAR), '')" for sql in keys)
    digest = f"md5('{int(state)}-' || {key})"
    value = " + ".join(
        f"(strpos('0123456789abcdef', substr({digest}, {at + 1}, 1)) - 1) * {16 ** (DIGITS - 1 - at)}"
        for at in range(DIGITS)
    )
    return f"(CAST({value} AS DOUBLE) / {16**DIGITS})"
