"""Nullable types, categories and ArrowDtype: result types equal those of pandas."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from comparison import computed, same
from pandas.testing import assert_frame_equal, assert_series_equal

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


_DECIMALS = pd.ArrowDtype(pa.decimal128(7, 2))


def frame():
    """Return columns of types that Arrow's type does not determine."""
    r = np.random.default_rng(3)
    n = 41
    some = r.random(n) < 0.2
    return pd.DataFrame(
        {
            "I": pd.array(np.where(some, None, r.integers(-9, 9, n)), dtype="Int64"),
            "K": pd.array(r.integers(1, 5, n), dtype="Int32"),
            "F": pd.array(np.where(r.random(n) < 0.2, None, r.normal(size=n).round(3)), dtype="Float64"),
            "B": pd.array(np.where(r.random(n) < 0.2, None, r.random(n) < 0.5), dtype="boolean"),
            "S": pd.array(np.where(r.random(n) < 0.2, None, r.choice(["ant", "Bee", "cat"], n)), dtype="string"),
            "A": pd.array(np.where(r.random(n) < 0.2, None, r.integers(-9, 9, n)), dtype="int64[pyarrow]"),
            "c": pd.Categorical(r.choice(["lo", "mid", "hi"], n), ["lo", "mid", "hi", "never"], ordered=True),
            "d": pd.Categorical(np.where(r.random(n) < 0.2, None, r.choice(["x", "y", "z"], n)), list("zyxw")),
            "z": pd.date_range("2024-03-30", periods=n, freq="53min", tz="Europe/Berlin"),
            "m": [decimal.Decimal(int(v)) / 100 for v in r.integers(-900, 900, n)],
            "D": pd.array([decimal.Decimal(int(v)) / 100 for v in r.integers(-900, 900, n)], _DECIMALS),
            "x": r.normal(size=n),
            "i": r.integers(0, 9, n),
        },
        index=pd.Index(range(10, 10 + n), name="id"),
    )


FRAME = frame()

METHODS = {
    "back": lambda d: d,
    "I+1": lambda d: d.I + 1,
    "I+x": lambda d: d.I + d.x,
    "I/2": lambda d: d.I / 2,
    "I//2": lambda d: d.I // 2,
    "I%3": lambda d: d.I % 3,
    "I*F": lambda d: d.I * d.F,
    "I>0": lambda d: d.I > 0,
    "I==K": lambda d: d.I == d.K,
    "I!=": lambda d: d.I != 3,
    "B&": lambda d: d.B & (d.x > 0),
    "B|": lambda d: d.B | (d.I > 0),
    "~B": lambda d: ~d.B,
    "filter": lambda d: d[d.I > 0],
    "filterB": lambda d: d[d.B.fillna(False)],
    "isna": lambda d: d.I.isna(),
    "fillna": lambda d: d.I.fillna(0),
    "sum": lambda d: d.I.sum(),
    "mean": lambda d: d.I.mean(),
    "sumskip": lambda d: d.I.sum(skipna=False),
    "max": lambda d: d.F.max(),
    "cumsum": lambda d: d.I.cumsum(),
    "shift": lambda d: d.I.shift(1),
    "diff": lambda d: d.I.diff(),
    "ffill": lambda d: d.I.ffill(),
    "roll": lambda d: d.F.rolling(3).mean(),
    "where": lambda d: d.I.where(d.x > 0),
    "clip": lambda d: d.I.clip(-2, 2),
    "abs": lambda d: d.I.abs(),
    "neg": lambda d: -d.I,
    "isin": lambda d: d.I.isin([1, 2]),
    "astype": lambda d: d.I.astype("Float64"),
    "toInt": lambda d: d.i.astype("Int64"),
    "toString": lambda d: d.i.astype("string"),
    "Sup": lambda d: d.S.str.upper(),
    "Slen": lambda d: d.S.str.len(),
    "Scont": lambda d: d.S.str.contains("a"),
    "S+": lambda d: d.S + "!",
    "gI": lambda d: d.groupby("K").I.sum(),
    "gmean": lambda d: d.groupby("K").I.mean(),
    "gcount": lambda d: d.groupby("K").I.count(),
    "gnun": lambda d: d.groupby("K").I.nunique(),
    "gsize": lambda d: d.groupby("K").size(),
    "gmin": lambda d: d.groupby("S").F.min(),
    "gstd": lambda d: d.groupby("K").F.std(),
    "gfirst": lambda d: d.groupby("K").S.first(),
    "gc": lambda d: d.groupby("c", observed=True).x.sum(),
    "gd": lambda d: d.groupby("d", observed=True)[["x", "I"]].max(),
    "gcd": lambda d: d.groupby(["c", "d"], observed=True).i.sum(),
    "cc": lambda d: d.c,
    "c>": lambda d: d.c > "lo",
    "c==": lambda d: d.c == "lo",
    "c<=": lambda d: d[d.c <= "mid"],
    "cmax": lambda d: d.c.max(),
    "cmin": lambda d: d.c.min(),
    "sortd": lambda d: d.sort_values(["d", "c"], ascending=[True, False]),
    "A+1": lambda d: d.A + 1,
    "A>0": lambda d: d.A > 0,
    "Asum": lambda d: d.A.sum(),
    "gA": lambda d: d.groupby("i").A.sum(),
    "zh": lambda d: d.z.dt.hour,
    "zmax": lambda d: d.z.max(),
    "zdiff": lambda d: d.z - d.z.shift(1),
    "msum": lambda d: d.m.sum(),
    "D*2": lambda d: (d.D + d.D) * 2,
    "D+A": lambda d: d.D + d.A,
    "3-D": lambda d: 3 - d.D,
    "mgrp": lambda d: d.groupby("i").m.max(),
    "dfsum": lambda d: d[["I", "K"]].sum(),
    "dfmean": lambda d: d[["I", "F"]].mean(),
    "dfcount": lambda d: d[["I", "F"]].count(),
    "dfmax": lambda d: d[["I", "x"]].max(),
    "sum1": lambda d: d[["i", "x"]].sum(axis=1),
    "mean1": lambda d: d[["i", "x"]].mean(axis=1),
    "max1": lambda d: d[["i", "x"]].max(axis=1),
    "std1": lambda d: d[["i", "x"]].std(axis=1),
    "I1": lambda d: d[["I", "K"]].sum(axis=1),
    "Imean1": lambda d: d[["I", "F"]].mean(axis=1),
    "dtypes": lambda d: d.dtypes,
    "reset": lambda d: d.reset_index(),
    "head": lambda d: d.head(5),
    "rnd": lambda d: d.F.round(1),
    "cov": lambda d: d.I.cov(d.x),
    "dropna": lambda d: d.dropna(),
    "drop_dup": lambda d: d.drop_duplicates(subset=["c"]),
    "dfill": lambda d: d.d.fillna("w"),
    "dwhere": lambda d: d.d.where(d.x > 0),
    "dshift": lambda d: d.d.shift(1),
    "dastype": lambda d: d.d.astype("str"),
    "dunique": lambda d: d.d.nunique(),
    "describeI": lambda d: d.I.describe(),
    "quantI": lambda d: d.I.quantile(0.3),
    "medI": lambda d: d.I.median(),
    "stdI": lambda d: d.I.std(),
    "log": lambda d: np.log(d.F.abs() + 1),
    "isin d": lambda d: d.d.isin(["x"]),
}


@pytest.fixture(scope="module")
def loaded(client):
    return {parts: dd.from_pandas(FRAME, npartitions=parts) for parts in (1, 3)}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_methods(loaded, method, parts):
    """Results equal those of pandas, including types."""
    expected = METHODS[method](FRAME)
    got = computed(METHODS[method](loaded[parts]))
    if expected is pd.NA:
        assert got is pd.NA
    else:
        same(got, expected)


def test_large_nullable_integers():
    """Nullable integers that a float cannot represent."""
    column = pd.Series([2**53 + 1, None, 3], dtype="Int64")
    assert_series_equal(dd.from_pandas(column, npartitions=2).compute(), column)


def test_order_of_categories(loaded):
    """Rows are sorted by the order of the categories, not by their values."""
    got = loaded[3].sort_values(["c", "d", "i"]).compute()
    assert_frame_equal(got, FRAME.sort_values(["c", "d", "i"], kind="stable"))


def many():
    return pd.DataFrame({"c": pd.Categorical([f"n{n % 700}" for n in range(2000)]), "v": range(2000)})


MANY = {
    "concat": lambda d: (dd if isinstance(d, dd.DataFrame) else pd).concat([d, d]),
    "assign": lambda d: d.assign(w=d.v.cumsum()),
    "drop_duplicates": lambda d: d.drop_duplicates("c", keep="last"),
    "shift": lambda d: d.c.shift(1),
    "group shift": lambda d: d.groupby("v").c.shift(1),
    "ffill": lambda d: d.c.ffill(),
    "group sum": lambda d: d.groupby("c", observed=True).v.sum(),
}


@pytest.mark.parametrize("method", MANY)
def test_many_categories(method):
    """More categories than int8 codes, in several partitions."""
    frame = many()
    same(computed(MANY[method](dd.from_pandas(frame, npartitions=5))), MANY[method](frame))
