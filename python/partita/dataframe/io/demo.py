"""Frames of random data: the replacement of ``dask.dataframe.io.demo``."""

from __future__ import annotations

from typing import Any

from ...datasets import timeseries

__all__ = ["make_timeseries"]


def make_timeseries(
    start: Any = "2000-01-01",
    end: Any = "2000-12-31",
    dtypes: Any = None,
    freq: Any = "10s",
    partition_freq: Any = "1ME",
    seed: Any = None,
    **arguments: Any,
) -> Any:
    """Create a frame of random time series data; see :func:`partita.datasets.timeseries`.

    Parameters
    ----------
    start, end : datetime or str
        Start of the first partition and end of the last one.
    dtypes : dict, optional
        Types of the columns; by default those of ``timeseries``.
    freq, partition_freq : str
        Time between two rows, and time span of a partition.
    seed : int, optional
        Seed of the random numbers.
    **arguments
        ``NAME_lam``: the mean of a column of integers.

    Examples
    --------
    >>> from partita import dataframe as dd
    >>> ddf = dd.demo.make_timeseries("2000", "2001", {"a": int, "b": str}, "1D", "6ME", seed=1, a_lam=5)
    >>> ddf.npartitions, list(ddf.columns)
    (1, ['a', 'b'])
    """
    return timeseries(start, end, freq, partition_freq, dtypes, seed, **arguments)
