"""Types and errors of reductions, cumulative functions and operators of numbers."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {
        "g": list("abab"),
        "u8": np.array([100, 200, 3, 2], dtype="uint8"),
        "u32": np.array([4, 3, 2, 1], dtype="uint32"),
        "i8": np.array([100, -128, 3, 2], dtype="int8"),
        "i16": np.array([100, -128, 3, 2], dtype="int16"),
        "i32": np.array([100, -128, 3, 2], dtype="int32"),
        "f": [1.0, None, 2.0, None],
        "I": pd.array([1, None, 3, 4], dtype="Int64"),
        "I8": pd.array([1, None, 3, 4], dtype="Int8"),
        "Q": pd.array([True, None, False, True], dtype="boolean"),
        "F": pd.array([1.5, None, 3, 4], dtype="Float64"),
        "q": [True, False, True, True],
        "t": pd.to_datetime(["2020", "2021", "2022", None]),
        "td": pd.to_timedelta([1, 2, None, 4], unit="h"),
        "s": list("wxyz"),
        "b": pd.Categorical([True, False, None, True]),
        "c": pd.Categorical(["m", "z", None, "m"], categories=["z", "q", "m"]),
    }
)
METHODS = {
    "cumprod of unsigned": lambda d: d.u8.cumprod(),
    "group cumprod of unsigned": lambda d: d.groupby("g").u8.cumprod(),
    "diff int8": lambda d: d.i8.diff(),
    "diff int16": lambda d: d.i16.diff(),
    "diff int32": lambda d: d.i32.diff(),
    "diff Int8": lambda d: d.I8.diff(),
    "group diff int8": lambda d: d.groupby("g").i8.diff(),
    "diff of frame": lambda d: d[["i8", "i16", "i32", "f"]].diff(),
    "size Int64": lambda d: d.groupby("g").I.size(),
    "size boolean": lambda d: d.groupby("g").Q.size(),
    "size Float64": lambda d: d.groupby("g").F.size(),
    "size int8": lambda d: d.groupby("g").i8.size(),
    "size of frame": lambda d: d.groupby("g").size(),
    "agg size": lambda d: d.groupby("g").agg({"I": "size", "i8": "size"}),
    "agg size and count": lambda d: d.groupby("g").I.agg(["size", "count"]),
    "quantiles Int64": lambda d: d.I.quantile([0.3, 0.5]),
    "quantiles Float64": lambda d: d.F.quantile([0.25, 0.5]),
    "invert int8": lambda d: ~d.i8,
    "invert uint8": lambda d: ~d.u8,
    "xor of types": lambda d: d.i8 ^ d.i16,
    "groups of boolean categories": lambda d: d.groupby("b", observed=True).f.sum(),
    "sort by boolean categories": lambda d: d.sort_values("b").i32,
    "count boolean categories": lambda d: d.b.value_counts(),
    "count unsorted categories": lambda d: d.c.value_counts(sort=False),
    "count unsorted missing": lambda d: d.c.value_counts(sort=False, dropna=False),
    "idxmin of groups": lambda d: d.groupby("g").I.idxmin(),
}
for _name in ("i8", "u8", "i16", "i32", "I8", "u32"):
    METHODS[f"{_name} and"] = lambda d, name=_name: d[name] & 3
    METHODS[f"{_name} or"] = lambda d, name=_name: 3 | d[name]
    METHODS[f"{_name} xor"] = lambda d, name=_name: d[name] ^ 3


@pytest.mark.parametrize("method", METHODS)
def test_types(method):
    """Values and types equal those of pandas."""
    same(computed(METHODS[method](dd.from_pandas(FRAME, npartitions=2))), METHODS[method](FRAME))


REFUSED = {
    "cumprod of times": (TypeError, lambda d: d.t.cumprod()),
    "cumsum of times": (TypeError, lambda d: d.t.cumsum()),
    "cumprod of durations": (TypeError, lambda d: d.td.cumprod()),
    "cumprod of strings": (TypeError, lambda d: d.s.cumprod()),
    "group cumprod of times": (TypeError, lambda d: d.groupby("g").t.cumprod()),
    "group cumsum of strings": (TypeError, lambda d: d.groupby("g").s.cumsum()),
    "quantile of booleans": (TypeError, lambda d: d.q.quantile(0.3)),
    "quantiles of booleans": (TypeError, lambda d: d.q.quantile([0.3, 0.5])),
    "group quantile of booleans": (TypeError, lambda d: d.groupby("g").q.quantile()),
    "pct_change of booleans": ((TypeError, ZeroDivisionError), lambda d: d.q.pct_change()),
    "idxmin of no values": (ValueError, lambda d: d[d.g == "b"].f.idxmin()),
    "group idxmin of no values": (ValueError, lambda d: d.groupby("g").f.idxmin()),
    "group idxmax of no values": (ValueError, lambda d: d.groupby("g")[["f"]].idxmax()),
    "too large": (OverflowError, lambda d: d.i8 & 300),
}


@pytest.mark.parametrize("method", REFUSED)
def test_errors(method):
    """What pandas refuses is refused with the same class of error."""
    kind, function = REFUSED[method]
    with pytest.raises(kind):
        function(FRAME)
    with pytest.raises(kind) as found:
        computed(function(dd.from_pandas(FRAME, npartitions=2)))
    assert "Cast error" not in str(found.value)


def test_description_of_groups():
    """Descriptions of groups have statistics of numbers only."""
    ddf = dd.from_pandas(FRAME, npartitions=1)
    for label in ("q", "s"):
        with pytest.raises(NotImplementedError, match="only numeric columns"):
            ddf.groupby("g")[label].describe()


@pytest.mark.parametrize("error", [TypeError, ValueError])
@pytest.mark.parametrize("name", ["mean", "std", "median"])
def test_reductions_of_strings(name, error, client):
    """The error is that of pandas, and that of Dask."""
    column = dd.from_pandas(pd.Series(["a", "b"]), npartitions=1)
    with pytest.raises(error, match=f"`{name}` not supported with str series"):
        getattr(column, name)()


@pytest.mark.parametrize("columns", [["f", "i", "b"], ["i", "b"], ["b"]])
@pytest.mark.parametrize("name", ["min", "max"])
def test_extremes_of_rows_with_booleans(name, columns):
    rows = pd.DataFrame({"f": [1.5, None, 0.5], "i": [1, 2, 0], "b": [True, False, True]})[columns]
    found = getattr(dd.from_pandas(rows, npartitions=2), name)(axis=1).compute()
    assert found.tolist() == getattr(rows, name)(axis=1).tolist()


#: An integer that float32 does not have.
LARGE = 2**24 + 1
PAIRS = [("int64", "float32"), ("int32", "float32"), ("uint64", "float32"), ("Int64", "float32"), ("int64", "uint64")]
COMBINED = {
    "melt": lambda d: d.melt().value,
    "concat": lambda d: (pd if isinstance(d, pd.DataFrame) else dd).concat([d.a.rename("x"), d.b.rename("x")]),
    "equal": lambda d: d.a == d.b,
    "less": lambda d: d.b < d.a,
    "maximum": lambda d: np.maximum(d.a, d.b),
    "largest of rows": lambda d: d.max(axis=1),
    "smallest of rows": lambda d: d.min(axis=1),
    "merge": lambda d: d[["a"]].merge(d[["b"]], left_on="a", right_on="b").a,
    "outer merge": lambda d: d[["a"]].merge(d[["b"]].rename(columns={"b": "a"}), on="a", how="outer").a,
}


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("name", COMBINED)
def test_integers_beside_other_numbers_keep_their_digits(name, a, b):
    """The cluster would convert them to float32, or to decimals."""
    rows = pd.DataFrame({"a": pd.array([LARGE, 1], dtype=a), "b": pd.array([LARGE - 1, 1], dtype=b)})
    found = COMBINED[name](dd.from_pandas(rows, npartitions=2)).compute()
    expected = COMBINED[name](rows)
    assert sorted(found.astype("float64")) == sorted(expected.astype("float64"))
    assert "object" not in str(found.dtype)


@pytest.mark.parametrize("how", ["inner", "outer", "left"])
def test_keys_of_booleans_and_numbers_are_merged(how):
    a, b = pd.DataFrame({"k": [True, False], "x": [1, 2]}), pd.DataFrame({"k": [1, 2], "y": [3, 4]})
    found = dd.from_pandas(a, npartitions=2).merge(dd.from_pandas(b, npartitions=2), on="k", how=how).compute()
    expected = a.merge(b, on="k", how=how)
    assert sorted(found[["x", "y"]].fillna(0).values.tolist()) == sorted(expected[["x", "y"]].fillna(0).values.tolist())
