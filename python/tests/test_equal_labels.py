"""Frames in which several columns have the same label, beside pandas: what finds a column by its label is refused."""

import numpy as np
import pandas as pd
import pytest

import partita.dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(np.arange(30).reshape(10, 3) % 7 - 2.5, columns=["a", "b", "b"])
PLAIN = pd.DataFrame({"a": range(10), "b": range(10)})


@pytest.fixture(scope="module")
def equal(client):
    return dd.from_pandas(FRAME, npartitions=3)


@pytest.fixture(scope="module")
def plain(client):
    return dd.from_pandas(PLAIN, npartitions=2)


def same(found, expected):
    found = found.compute() if hasattr(found, "compute") else found
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    else:
        assert list(found) == list(expected)


SUPPORTED = {
    "rows": lambda d, e, m: d,
    "labels": lambda d, e, m: d.columns,
    "iteration": lambda d, e, m: list(d),
    "types": lambda d, e, m: d.dtypes,
    "sums so far": lambda d, e, m: d.cumsum(),
    "sums so far along rows": lambda d, e, m: d.cumsum(axis=1),
    "arithmetic": lambda d, e, m: -d * 2,
    "comparison": lambda d, e, m: d > 0,
    "function of NumPy": lambda d, e, m: np.abs(d),
    "missing": lambda d, e, m: d.isna(),
    "sum": lambda d, e, m: d.sum(),
    "counts": lambda d, e, m: d.count(),
    "shift": lambda d, e, m: d.shift(1),
    "first rows": lambda d, e, m: d.head(3),
    "another column": lambda d, e, m: d["a"],
    "one by position": lambda d, e, m: d.iloc[:, [1]],
    "functions of partitions": lambda d, e, m: d if m is pd else d.map_partitions(lambda part: part),
    "a column twice": lambda d, e, m: e[["a", "b", "a"]],
    "side by side": lambda d, e, m: m.concat([e, e], axis=1),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported(equal, plain, name):
    same(SUPPORTED[name](equal, plain, dd), SUPPORTED[name](FRAME, PLAIN, pd))


REFUSED = {
    "the columns of the label": lambda d, e: d["b"],
    "a new column of the label": lambda d, e: d.assign(b=1),
    "another frame": lambda d, e: e + d,
    "itself": lambda d, e: d + d,
    "a value for each label": lambda d, e: d + pd.Series({"a": 1, "b": 2}),
    "the means": lambda d, e: d - d.mean(),
    "method of a frame": lambda d, e: e.eq(d),
    "comparison with a frame": lambda d, e: e == d,
    "merge": lambda d, e: e.merge(d, left_index=True, right_index=True),
    "join": lambda d, e: e.join(d, lsuffix="l"),
    "concat": lambda d, e: dd.concat([e, d]),
    "groups": lambda d, e: d.groupby("a").sum(),
    "rename": lambda d, e: d.rename(columns={"b": "c"}),
    "filled from a frame": lambda d, e: e.fillna(d),
    "combined": lambda d, e: e.combine_first(d),
    "aligned": lambda d, e: e.align(d),
    "melt": lambda d, e: dd.melt(d),
    "dummies": lambda d, e: dd.get_dummies(d),
    "files": lambda d, e: d.to_parquet("never"),
    "a condition": lambda d, e: d[d > 0],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(equal, plain, name):
    with pytest.raises(NotImplementedError, match="label"):
        REFUSED[name](equal, plain)


def test_distinct_labels(equal):
    """A frame whose labels are set to distinct ones is like any other."""
    named = equal.map_partitions(lambda part: part)
    named.columns = ["x", "y", "z"]
    assert float(named.assign(w=named.y - named.z).w.sum().compute()) == float(
        (FRAME.iloc[:, 1] - FRAME.iloc[:, 2]).sum()
    )


def test_values_of_other_labels(plain):
    """isin of a frame takes no frames and columns, whose values pandas matches by their labels."""
    for values in (plain, PLAIN, plain.a, PLAIN.a):
        with pytest.raises(NotImplementedError, match="isin"):
            plain.isin(values)
