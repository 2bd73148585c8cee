"""Example datasets: the replacement of ``dask.datasets``."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ._client import Client
    from .bag import Bag
    from .dataframe import DataFrame

__all__ = ["make_people", "timeseries"]

#: Values of string columns, as in Dask.
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
#: Mean of integer columns, as in Dask.
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
    """Create a frame of random time series data. The workers create it when the frame is first computed.

    Parameters
    ----------
    start, end : datetime or str
        Start of the first partition and end of the last one.
    freq : str
        Time between two rows, such as ``"2s"`` or ``"1h"``.
    partition_freq : str
        Time span of a partition, such as ``"1D"`` or ``"1ME"``.
    dtypes : dict, optional
        Types of the columns: numeric types, ``bool``, and ``str`` or ``"category"`` for names. Floats are uniformly
        distributed between -1 and 1. Integers have a Poisson distribution with the mean 1000. By default the columns
        are ``name``, ``id``, ``x`` and ``y``.
    seed : int, optional
        Seed of the random numbers. The values are reproducible on any cluster, but differ from those of Dask.
    client : Client, optional
        Client of the cluster. The default client if not given. With it, the data is created here and uploaded.
    **arguments
        ``NAME_lam``: the mean of a column of integers. ``types``: another name of `dtypes`.

    Returns
    -------
    DataFrame
        The frame, with an index named ``timestamp``.

    Raises
    ------
    TypeError
        If a column type is not supported.
    ValueError
        If the time range contains no partition with rows.

    Examples
    --------
    >>> import partita
    >>> ddf = partita.datasets.timeseries(end="2000-01-03", freq="1h", seed=1)
    >>> ddf.npartitions, len(ddf), list(ddf.columns)
    (2, 48, ['name', 'id', 'x', 'y'])
    """
    from .dataframe import from_map
    from .dataframe._io import from_parts

    types = arguments.pop("types", None)
    if types is not None and dtypes is not None:
        raise TypeError("timeseries() takes either dtypes= or types=, not both")
    dtypes = types if dtypes is None else dtypes
    kinds = {"name": str, "id": int, "x": float, "y": float} if dtypes is None else dict(dtypes)
    bounds = pd.date_range(start=start, end=end, freq=partition_freq)
    parts = _Parts(bounds, freq, kinds, np.random.SeedSequence(seed).entropy, _means(kinds, arguments))
    if not len(parts):
        raise ValueError(f"no partition of {partition_freq!r} with rows between {start} and {end}")
    if client is not None:
        return from_parts(parts, client)
    divisions = (*[low for low, _ in parts.pairs], parts.pairs[-1][1])
    made: DataFrame = from_map(
        parts.__getitem__, range(len(parts)), meta=parts.sample, divisions=divisions, label="timeseries"
    )
    return made


def _means(kinds: dict[Any, Any], arguments: dict[str, Any]) -> dict[Any, float]:
    """Return the means of columns of integers that arguments name."""
    means = {}
    for name, value in arguments.items():
        label = name.removesuffix("_lam")
        if label == name or label not in kinds or not pd.api.types.is_integer_dtype(kinds[label]):
            raise TypeError(
                f"timeseries() does not support the argument {name!r}; supported: the name of a column of integers, and _lam"
            )
        means[label] = float(value)
    return means


class _Parts(Sequence[pd.DataFrame]):
    """The partitions, generated on access, since together they may exceed the memory of this process."""

    def __init__(
        self, bounds: pd.DatetimeIndex, freq: Any, kinds: dict[Any, Any], entropy: Any, means: dict[Any, float]
    ) -> None:
        self._means = means
        self._freq = pd.tseries.frequencies.to_offset(freq)
        self._kinds = {label: pd.api.types.pandas_dtype(kind) for label, kind in kinds.items()}
        self._entropy = entropy
        pairs = list(zip(bounds, bounds[1:]))
        if not isinstance(self._freq, pd.tseries.offsets.Tick):
            # With calendar offsets such as months, a partition may contain no row.
            pairs = [pair for pair in pairs if len(self._times(*pair))]
        #: The bounds of the partitions.
        self.pairs = pairs

    @property
    def sample(self) -> pd.DataFrame:
        """The first partition without rows."""
        return self._part(0, self._times(*self.pairs[0])[:0])

    def _times(self, low: Any, high: Any) -> pd.DatetimeIndex:
        return pd.date_range(low, high, freq=self._freq, inclusive="left", name="timestamp")

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: Any) -> Any:
        return self._part(at, self._times(*self.pairs[at]))

    def _part(self, at: int, times: pd.DatetimeIndex) -> pd.DataFrame:
        columns = {}
        for label, kind in self._kinds.items():
            # Each column has its own random generator, so its values do not depend on the other columns.
            random = np.random.default_rng([self._entropy, at, zlib.crc32(repr(label).encode())])
            columns[label] = _values(random, label, kind, len(times), self._means.get(label, WHOLE_MEAN))
        return pd.DataFrame(columns, index=times)


def _values(random: np.random.Generator, label: Any, kind: Any, count: int, mean: float) -> Any:
    types = pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        names = NAMES if kind.categories is None else kind.categories
        return pd.Categorical.from_codes(random.integers(0, len(names), count), categories=names, ordered=kind.ordered)
    if types.is_bool_dtype(kind):
        return pd.array(random.integers(0, 2, count).astype(bool), dtype=kind)
    if types.is_integer_dtype(kind):
        most = 2 ** (8 * kind.itemsize - (not types.is_unsigned_integer_dtype(kind))) - 1
        return pd.array(np.minimum(random.poisson(mean, count), most), dtype=kind)
    if types.is_float_dtype(kind):
        return pd.array(random.uniform(-1, 1, count), dtype=kind)
    if types.is_object_dtype(kind) or types.is_string_dtype(kind):
        return pd.array(NAMES[random.integers(0, len(NAMES), count)], dtype="str")
    raise TypeError(f"column {label!r} cannot be {kind}; use a numeric, string, categorical or boolean type")


_SURNAMES = (
    "Adams",
    "Brown",
    "Clark",
    "Davis",
    "Evans",
    "Garcia",
    "Hughes",
    "Klein",
    "Martin",
    "Novak",
    "Smith",
    "Young",
)
_OCCUPATIONS = (
    "Baker",
    "Carpenter",
    "Driver",
    "Engineer",
    "Gardener",
    "Lawyer",
    "Nurse",
    "Painter",
    "Pilot",
    "Teacher",
)
_CITIES = ("Athens", "Berlin", "Boston", "Cairo", "Geneva", "Lima", "Lyon", "Oslo", "Porto", "Quito", "Tokyo", "Turin")
_STREETS = ("Church Street", "High Street", "Lake Road", "Mill Lane", "Oak Avenue", "Park Road", "Station Road")


def make_people(npartitions: int = 10, records_per_partition: int = 1000, seed: Any = None, locale: str = "en") -> Bag:
    """Create a bag of random records of people, as nested dicts.

    Parameters
    ----------
    npartitions : int
        Number of partitions.
    records_per_partition : int
        Number of records in a partition.
    seed : int, optional
        Seed of the random numbers. The records differ from those of Dask.
    locale : {"en"}
        Language of the records.

    Examples
    --------
    >>> import partita
    >>> people = partita.datasets.make_people(npartitions=2, records_per_partition=5, seed=1)
    >>> people.count().compute(scheduler="synchronous"), sorted(people.take(1)[0])  # doctest: +SKIP
    (10, ['address', 'age', 'credit-card', 'name', 'occupation', 'telephone'])
    """
    from .bag import from_sequence
    from .bag._core import random_seeds

    if locale != "en":
        raise NotImplementedError(f"make_people() does not support locale={locale!r}; use 'en'")
    seeds = from_sequence(random_seeds(npartitions, seed), npartitions=npartitions)
    people: Bag = seeds.map_partitions(_people, records_per_partition)
    return people


def _people(seeds: list[int], count: int) -> list[dict[str, Any]]:
    source = random.Random(seeds[0])
    return [_person(source) for _ in range(count)]


def _person(source: random.Random) -> dict[str, Any]:
    def digits(count: int) -> str:
        return "".join(source.choices("0123456789", k=count))

    return {
        "age": source.randrange(18, 90),
        "name": (str(source.choice(NAMES)), source.choice(_SURNAMES)),
        "occupation": source.choice(_OCCUPATIONS),
        "telephone": f"555-{digits(7)}",
        "address": {
            "address": f"{source.randrange(1, 200)} {source.choice(_STREETS)}",
            "city": source.choice(_CITIES),
        },
        "credit-card": {
            "number": " ".join(digits(4) for _ in range(4)),
            "expiration-date": f"{source.randrange(1, 13):02}/{source.randrange(20, 40)}",
        },
    }
