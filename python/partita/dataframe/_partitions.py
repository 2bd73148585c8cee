"""Partitions of frames, and hashes for sampling rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, SortKey, aggregate, call, cast
from ._sql import literal

__all__ = [
    "Partitions",
    "check_count",
    "check_divisions",
    "divide",
    "divide_later",
    "even_bounds",
    "format_split",
    "index_bounds",
    "kept_divisions",
    "parse_bytes",
    "parse_splits",
    "sampling_hash",
    "time_divisions",
]

#: Maximum number of partitions of a frame.
PARTITIONS_MAX = 10_000
#: Hexadecimal digits of the hash for sampling: fractions are exact to a millionth.
DIGITS = 6

_UNITS = {"": 1, "B": 1}
for _at, _letter in enumerate("KMGT", 1):
    _UNITS.update({f"{_letter}B": 1000**_at, f"{_letter}IB": 1024**_at, _letter: 1000**_at})


class Partitions:
    """The partitions of a frame, which can be selected as frames.

    A frame that is not persisted is persisted first. If the order of its rows is undefined, such as for files, they are
    divided into partitions of about the same size.

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
            # A random sort key assigns each row to a partition.
            frame = frame._reordered([SortKey(call("random"))])
        # Rows in their order keep their partitions.
        count = None if frame._rows.physical else frame._rows.partitions
        persisted = frame if frame._rows.persisted else frame._persist(count)
        rows = persisted._rows
        self._frame = persisted
        self._key = rows.order[0]
        self._kind = rows.type(self._key.expr)
        texts = persisted._client._connection.table(rows.persisted)["splits"]
        self._splits = parse_splits(texts, self._kind).tolist()

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
                raise IndexError(f"partition {at} is out of range: the frame has {count} partitions")
        wanted = sorted({at % count for at in wanted})
        conditions = [self._condition(at) for at in wanted]
        found = self._frame._narrowed(px.disjunction(*conditions))
        found._rows.partitions = max(len(wanted), 1)
        return self._finish(found)

    def one(self, number: int) -> Any:
        """Return a partition by its number.

        Raises
        ------
        ValueError
            If there is no such partition.
        """
        if not 0 <= number < len(self):
            raise ValueError(f"partition {number} does not exist: the frame has {len(self)} partitions")
        return self[number]

    def _condition(self, at: int) -> Expr:
        """Return the condition that a row is in a partition. Rows with a missing key are in the first or last one."""
        value, is_descending, nulls_first = self._key
        tests = []
        if at > 0:
            split = literal(self._splits[at - 1], self._kind)
            tests.append(px.comparison("le" if is_descending else "ge", value, split))
        if at < len(self._splits):
            split = literal(self._splits[at], self._kind)
            tests.append(px.comparison("gt" if is_descending else "lt", value, split))
        found = px.conjunction(*tests)
        has_missing = at == (0 if nulls_first else len(self._splits))
        return px.disjunction(found, px.is_null(value)) if has_missing else found


def parse_bytes(size: Any, what: str = "partition_size") -> int:
    """Convert a number of bytes or a string such as ``100MB`` or ``64MiB`` to bytes.

    Examples
    --------
    >>> parse_bytes("100MB"), parse_bytes("1.5 KiB"), parse_bytes(7)
    (100000000, 1536, 7)
    """
    found = re.fullmatch(r"([0-9.]+) *([A-Za-z]*)", str(size).strip())
    try:
        number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    except (ValueError, KeyError):
        number = 0
    if number < 1:
        raise ValueError(f"{what} must be a number of bytes or a string such as '100MB' or '64MiB', not {size!r}")
    return number


def kept_divisions(frame: Any) -> tuple[Any, ...] | None:
    """Return the divisions that are kept with the rows of a frame, if they are those of its index."""
    rows = frame._rows
    is_own = bool(frame._index) and rows.divided_by is frame._index[0].expr
    return rows.divisions if is_own else None


def divide(frame: Any, divisions: Sequence[Any]) -> None:
    """Keep divisions of the index with the rows of a frame."""
    frame._rows.divisions, frame._rows.divided_by = tuple(divisions), frame._index[0].expr


def divide_later(frame: Any, divisions: Sequence[Any] | None) -> None:
    """Keep divisions with the rows of a frame, which has these partitions as soon as it is persisted."""
    if divisions is None or any(label is None for label in divisions):
        return
    check_count(len(divisions) - 1, "the divisions of the result")
    divide(frame, divisions)
    frame._rows.partitions = len(divisions) - 1


def check_count(parts: int, what: str) -> int:
    """Return a number of partitions, after checking that it is in range."""
    if not 1 <= parts <= PARTITIONS_MAX:
        raise ValueError(f"{what} requires {parts} partitions; supported: 1 to {PARTITIONS_MAX}")
    return parts


def even_bounds(rows: int, parts: int) -> list[int]:
    """Return the bounds of partitions of equal size, with at least one row each; as in Dask, the first ones are larger."""
    parts = max(min(parts, rows), 1)
    size, larger = divmod(rows, parts)
    return [at * size + min(at, larger) for at in range(parts + 1)]


def index_bounds(frame: Any) -> tuple[Any, Any]:
    """Compute the smallest and largest index label of a frame; ``None`` if it has no rows."""
    level = frame._index[0].expr
    first, last = frame._rows.values([aggregate("min", level), aggregate("max", level)]).to_pandas().iloc[0]
    return (None, None) if pd.isna(first) else (first, last)


def time_divisions(first: Any, last: Any, freq: Any) -> list[Any]:
    """Return the divisions with one partition per time interval of an index."""
    if first is not None and not isinstance(first, pd.Timestamp):
        raise TypeError(
            f"freq= is only for timeseries: the index has no times, but {type(first).__name__}; use set_index first"
        )
    if first is None:
        return [None, None]
    offset = pd.tseries.frequencies.to_offset(freq)
    try:
        start = first.floor(offset)
    except ValueError:
        # Months and years have no fixed length; start at a calendar boundary.
        start = offset.rollback(first.normalize())
    starts = pd.date_range(start, last, freq=offset)
    check_count(len(starts), f"freq={freq!r}")
    return [first, *starts[1:], last]


def check_divisions(divisions: Sequence[Any], first: Any, last: Any) -> None:
    """Check divisions of an index with these first and last labels.

    Raises
    ------
    ValueError
        If there are fewer than two divisions, they are not strictly increasing, or an index label is outside.
    """
    if len(divisions) < 2:
        raise ValueError("divisions must contain at least two labels, the first and the last one")
    inner = list(divisions[:-1])
    if any(a >= b for a, b in zip(inner, inner[1:])) or inner[-1] > divisions[-1]:
        raise ValueError(f"divisions must be strictly increasing, not {list(divisions)!r}")
    if first is not None and (divisions[0] > first or divisions[-1] < last):
        raise ValueError(f"divisions must include all index labels from {first} to {last}, not {list(divisions)!r}")
    check_count(len(divisions) - 1, "divisions")


def format_split(label: Any) -> str:
    """Return the text of a split point."""
    label = label.start_time if isinstance(label, pd.Period) else label
    return str(label.isoformat() if hasattr(label, "isoformat") else label)


def parse_splits(texts: Sequence[str], kind: pa.DataType) -> pd.Series:
    """Return the values of the split points of a persisted table.

    Examples
    --------
    >>> parse_splits(["-1 days -2 hours 0 mins -0.500 secs"], pa.duration("ms")).tolist()
    [Timedelta('-2 days +21:59:59.500000')]
    """
    if pa.types.is_duration(kind):
        # Each part has a sign of its own, which pandas does not read.
        parts = [
            [pd.Timedelta(f"{number} {unit}") for number, unit in re.findall(r"(\S+) (day|hour|min|sec)", one)]
            for one in texts
        ]
        spans = [sum(one, pd.Timedelta(0)) for one in parts]
        return pd.Series(spans, dtype=kind.to_pandas_dtype())
    found: pd.Series = pa.array(texts, pa.string()).cast(kind).to_pandas()
    return found


def sampling_hash(keys: Sequence[Expr], state: int) -> Expr:
    """Return a pseudorandom number between 0 and 1 for each row: a hash of its keys and a seed."""
    parts = [px.literal(f"{int(state)}-")]
    for at, key in enumerate(keys):
        text = call("coalesce", cast(key, pa.string()), "")
        parts += [px.literal("-"), text] if at else [text]
    digest = call("md5", call("concatenate", *parts))
    value: Expr = px.literal(0)
    for at in range(DIGITS):
        digit = call("strpos", "0123456789abcdef", call("substr", digest, at + 1, 1)) - 1
        value = value * 16 + digit
    return cast(value, pa.float64()) / 16**DIGITS
