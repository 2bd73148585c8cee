"""Frames in other partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ..plan.dtype import is_text
from ..plan.expr import SortKey, aggregate
from ._columns import sort_value
from ._partitions import (
    check_count,
    check_divisions,
    divide,
    even_bounds,
    format_split,
    index_bounds,
    parse_bytes,
    time_divisions,
)
from ._rows import place_of

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["repartition"]


def repartition(
    frame: DataFrame, divisions: Any, npartitions: Any, partition_size: Any, freq: Any, force: bool = False
) -> DataFrame:
    """Persist a frame in other partitions, which exactly one of the first arguments describes.

    With `force`, divisions may be wider than the labels.
    """
    given = [one for one in (divisions, npartitions, partition_size, freq) if one is not None]
    if len(given) != 1:
        raise ValueError("repartition() takes exactly one of divisions=, npartitions=, partition_size= and freq=")
    if npartitions is not None and npartitions < 1:
        raise ValueError(f"npartitions must be at least 1, not {npartitions}")
    if npartitions is not None:
        return _repartition_evenly(frame, check_count(npartitions, "npartitions="))
    if partition_size is not None:
        wanted = parse_bytes(partition_size)
        frame = frame if frame._rows.persisted else frame.persist()
        parts = check_count(max(-(-_bytes_of(frame) // wanted), 1), f"partition_size={partition_size!r}")
        return frame._persist(parts)
    if not frame._index:
        raise ValueError("cannot repartition a frame without an index by divisions; use set_index first")
    origin = frame._index[0].origin
    if isinstance(origin, pd.CategoricalDtype):
        return _repartition_categories(frame, divisions, origin)
    if freq is None and not frame.known_divisions:
        raise ValueError(
            "Cannot repartition on divisions with unknown divisions: the rows are not known to be sorted by the index; use "
            "sort_index or set_index first"
        )
    frame = frame if frame.known_divisions else frame.sort_index()
    first, last = index_bounds(frame)
    known = list(divisions) if freq is None else time_divisions(first, last, freq)
    if first is not None or divisions is not None:
        check_divisions(known, first, last)
    if freq is None and not force and first is not None and (known[0] != first or known[-1] != last):
        raise ValueError(
            f"divisions must begin with the first index label {first} and end with the last one {last}, not {known!r}; wider "
            "divisions require force=True"
        )
    made = frame._persist(splits=[format_split(label) for label in known[1:-1]])
    divide(made, known)
    return made


def _repartition_evenly(frame: DataFrame, wanted: int) -> DataFrame:
    """Persist a frame in a number of partitions.

    Rows with the same label stay together if their divisions are numbers or times. Otherwise they are divided if there would
    be fewer partitions, whose divisions are then unknown, as in Dask.
    """
    made = frame._persist(wanted)
    kind = frame._rows.type(frame._index[0].expr) if frame.known_divisions else None
    if made.npartitions >= wanted or not frame._rows.order or (kind is not None and not is_text(kind)):
        return made
    bounds = even_bounds(len(made), wanted)
    if len(bounds) - 1 <= made.npartitions:
        return made
    numbered = frame._reordered((SortKey(place_of(frame._rows)),))
    if frame._rows.numbers == frame._rows.order:
        # Rows without an index are still numbered in their order.
        numbered._rows.numbers = numbered._rows.order
    return numbered._persist(splits=[format_split(place) for place in bounds[1:-1]])


#: Bytes of a partition on the workers below which they are mostly those of its buffers, whatever the number of rows.
_SMALL_PARTITION = 2**20


def _bytes_of(frame: DataFrame) -> int:
    """Return the bytes of a persisted frame: those on the workers, or of pandas objects if its partitions are small."""
    table = frame._client._connection.table(str(frame._rows.persisted))
    if table["bytes"] > _SMALL_PARTITION * max(int(table["partitions"]), 1):
        return int(table["bytes"])
    return int(frame.memory_usage_per_partition(deep=True).compute().sum())


def _repartition_categories(frame: DataFrame, divisions: Any, origin: pd.CategoricalDtype) -> DataFrame:
    """Persist a frame in partitions between categories of its index, which sort by their position."""
    if divisions is None:
        raise ValueError("repartition(freq=) requires an index of times, not of categories; use set_index first")
    unknown = [label for label in divisions if label not in origin.categories]
    if unknown:
        raise ValueError(f"divisions: {unknown} are not categories of the index, which are {list(origin.categories)}")
    places = [int(origin.categories.get_loc(label)) for label in divisions]
    key = sort_value(frame._index[0].expr, origin)
    if not frame._rows.order or frame._rows.order[0].expr is not key:
        frame = frame.sort_index()
    bounds = frame._rows.values([aggregate("min", key), aggregate("max", key)])
    first, last = (column[0].as_py() for column in bounds.columns)
    check_divisions(places, first, last)
    made = frame._persist(splits=[format_split(place) for place in places[1:-1]])
    divide(made, divisions)
    return made
