"""Frames to try things with: where ``dask.datasets`` is, this is."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._missing import absent

if TYPE_CHECKING:
    from ._client import Client
    from .dataframe import DataFrame

__all__ = ["timeseries"]

#: The names that columns of texts have, as in Dask.
NAMES = np.array(
    [
        "Alice",
        "Bob",
        "Charlie",
        "Dan",
        "Edith",
        "Frank",
        "George",
        "Hannah",
        "Ingrid",
        "Jerry",
        "Kevin",
        "Laura",
        "Michael",
        "Norbert",
        "Oliver",
        "Patricia",
        "Quinn",
        "Ray",
        "Sarah",
        "Tim",
        "Ursula",
        "Victor",
        "Wendy",
        "Xavier",
        "Yvonne",
        "Zelda",
    ],
    dtype=object,
)
#: The mean of columns of whole numbers, as in Dask.
WHOLE_MEAN = 1000


def timeseries(
    start: Any = "2000-01-01",
    end: Any = "2000-01-31",
    freq: Any = "1s",
    partition_freq: Any = "1D",
    dtypes: Any = None,
    seed: Any = None,
    client: Client | None = None,
    **arguments: Any,
) -> DataFrame:
    """A frame of random values by time, which is persisted on the workers.

    Parameters
    ----------
    start, end : datetime or str
        The first time, and the one at which the last partition ends.
    freq : str
        The time between two rows, such as ``"2s"`` or ``"1h"``.
    partition_freq : str
        The time of each partition, such as ``"1D"`` or ``"1ME"``.
    dtypes : dict, optional
        The types of the columns: numbers, ``str`` or ``"category"`` for names, ``bool``. Floats are evenly spread
        from -1 to 1, whole numbers are of a Poisson distribution around 1000. ``name``, ``id``, ``x`` and ``y`` if
        not given.
    seed : int, optional
        The same seed gives the same values, in whatever cluster; they are not those that Dask draws.

    Examples
    --------
    >>> import partita
    >>> ddf = partita.datasets.timeseries(end="2000-01-03", freq="1h", seed=1)
    >>> ddf.npartitions, len(ddf), list(ddf.columns)
    (2, 48, ['name', 'id', 'x', 'y'])
    """
    from .dataframe._io import from_parts

    if arguments:
        raise TypeError(f"timeseries() has no argument {next(iter(arguments))!r} here")
    kinds = {"name": str, "id": int, "x": float, "y": float} if dtypes is None else dict(dtypes)
    bounds = pd.date_range(start=start, end=end, freq=partition_freq)
    parts = _Parts(bounds, freq, kinds, np.random.SeedSequence(seed).entropy)
    if not len(parts):
        raise ValueError(f"no partition of {partition_freq!r} with rows lies between {start} and {end}")
    return from_parts(parts, client)


class _Parts(Sequence[pd.DataFrame]):
    """The partitions, each made when it is asked for: together they may be larger than this process's memory."""

    def __init__(self, bounds: pd.DatetimeIndex, freq: Any, kinds: dict[Any, Any], entropy: Any) -> None:
        self._freq = pd.tseries.frequencies.to_offset(freq)
        self._kinds = {label: pd.api.types.pandas_dtype(kind) for label, kind in kinds.items()}
        self._entropy = entropy
        pairs = list(zip(bounds, bounds[1:]))
        if not isinstance(self._freq, pd.tseries.offsets.Tick):
            # Months and their like may begin in none of them.
            pairs = [pair for pair in pairs if len(self._times(*pair))]
        self._pairs = pairs

    def _times(self, low: Any, high: Any) -> pd.DatetimeIndex:
        return pd.date_range(low, high, freq=self._freq, inclusive="left", name="timestamp")

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, at: Any) -> Any:
        times = self._times(*self._pairs[at])
        columns = {}
        for label, kind in self._kinds.items():
            # A column's values depend on no other column.
            random = np.random.default_rng([self._entropy, at, zlib.crc32(repr(label).encode())])
            columns[label] = _values(random, label, kind, len(times))
        return pd.DataFrame(columns, index=times)


def _values(random: np.random.Generator, label: Any, kind: Any, count: int) -> Any:
    types = pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        names = NAMES if kind.categories is None else kind.categories
        return pd.Categorical.from_codes(random.integers(0, len(names), count), categories=names, ordered=kind.ordered)
    if types.is_bool_dtype(kind):
        return pd.array(random.integers(0, 2, count).astype(bool), dtype=kind)
    if types.is_integer_dtype(kind):
        most = 2 ** (8 * kind.itemsize - (not types.is_unsigned_integer_dtype(kind))) - 1
        return pd.array(np.minimum(random.poisson(WHOLE_MEAN, count), most), dtype=kind)
    if types.is_float_dtype(kind):
        return pd.array(random.uniform(-1, 1, count), dtype=kind)
    if types.is_object_dtype(kind) or types.is_string_dtype(kind):
        return pd.array(NAMES[random.integers(0, len(NAMES), count)], dtype="str")
    raise TypeError(f"timeseries: column {label!r} cannot be {kind}: use a number, a text, a category or a bool")


__getattr__ = absent("partita.datasets", {"make_people": "there are no bags; use timeseries"})
