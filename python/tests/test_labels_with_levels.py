"""Labels with several levels, groups with keys as columns and arguments of sorts, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

ROWS = pd.DataFrame(
    {
        "k": ["b", "a", "A", None, "b"],
        "j": [1, 2, 1, 2, 1],
        "v": [3.0, 1.0, 2.0, 5.0, np.nan],
        "w": np.array([0.1, 0.2, 0.4, 0.7, 0.9], dtype="float32"),
    },
    index=[2.0, 0.0, np.nan, 3.0, 1.0],
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(ROWS, npartitions=2, sort=False).persist()


def _levels(frame):
    return frame.groupby("j").agg({"v": ["sum", "max"], "w": ["min"]})


def _flat(frame, by="j", **how):
    return frame.groupby(by, as_index=False, **how)


def _joined_labels(frame):
    made = _levels(frame).reset_index()
    made.columns = ["_".join(label) for label in made.columns]
    return made


LABELS = {
    "reset_index": lambda d: _levels(d).reset_index(),
    "reset column": lambda d: _levels(d).reset_index()["j"],
    "full label": lambda d: _levels(d).reset_index()[("j", "")],
    "frame of a first level": lambda d: _levels(d)["v"],
    "attribute": lambda d: _levels(d).v,
    "two steps": lambda d: _levels(d)["v"]["sum"],
    "list of first levels": lambda d: _levels(d).reset_index()[["j", "w"]],
    "set_index": lambda d: _levels(d).reset_index().set_index("j"),
    "groupby": lambda d: _levels(d).reset_index().groupby("j").sum(),
    "sort_values": lambda d: _levels(d).sort_values(("v", "sum"), ascending=False),
    "rename": lambda d: _levels(d).rename(columns={"v": "x", "max": "y"}),
    "joined": _joined_labels,
}


@pytest.mark.parametrize("case", LABELS)
def test_labels(frame, case):
    same(computed(LABELS[case](frame)), LABELS[case](ROWS))


def test_unknown_labels(frame):
    with pytest.raises(KeyError, match="no column 'nope'"):
        _levels(frame)["nope"]
    with pytest.raises(AttributeError, match="nope"):
        _levels(frame).nope  # noqa: B018


FLAT = {
    "sum": lambda d: _flat(d).sum(numeric_only=True),
    "column": lambda d: _flat(d).v.sum(),
    "columns": lambda d: _flat(d)[["v", "w"]].max(),
    "several keys": lambda d: _flat(d, ["k", "j"]).v.count(),
    "size": lambda d: _flat(d).size(),
    "size of a column": lambda d: _flat(d).v.size(),
    "missing keys": lambda d: _flat(d, "k", dropna=False).v.sum(),
    "order of rows": lambda d: _flat(d, "k", sort=False).v.sum(),
    "agg of names": lambda d: _flat(d).agg({"v": "sum", "w": "max"}),
    "agg of lists": lambda d: _flat(d).agg({"v": ["sum", "max"]}),
    "agg of results": lambda d: _flat(d).agg(total=("v", "sum"), most=("w", "max")),
    "the key itself": lambda d: _flat(d, "k").agg({"k": "count"}),
    "a named key": lambda d: _flat(d, (d.j % 2).rename("odd")).v.sum(),
    "cumsum": lambda d: _flat(d).v.cumsum(),
    "transform": lambda d: _flat(d).v.transform("sum"),
    "head": lambda d: _flat(d).head(1),
}


@pytest.mark.parametrize("case", FLAT)
def test_groups_with_keys_as_columns(frame, case):
    same(computed(FLAT[case](frame)), FLAT[case](ROWS))


def test_unsupported_groups_with_keys_as_columns(frame):
    with pytest.raises(AttributeError, match=r"use groupby\(\).apply and reset_index\(\)"):
        _flat(frame).apply(len)
    with pytest.raises(NotImplementedError, match="keys with names"):
        _flat(frame, (frame.j % 2).rename(None)).v.sum()


SORTS = {
    "key": lambda d: d.sort_values("k", key=lambda column: column.str.lower(), kind="stable"),
    "key of a column": lambda d: d.v.sort_values(key=lambda column: -column),
    "ignore_index": lambda d: d.sort_values("v", ignore_index=True),
    "missing labels first": lambda d: d.sort_index(na_position="first"),
    "missing labels last": lambda d: d.sort_index(ascending=False),
    "index of a column": lambda d: d.v.sort_index(ascending=False, na_position="first"),
    "index ignored": lambda d: d.sort_index(ignore_index=True),
}


@pytest.mark.parametrize("case", SORTS)
def test_sorts(frame, case):
    same(computed(SORTS[case](frame)), SORTS[case](ROWS))


def test_key_of_other_rows(frame):
    with pytest.raises(TypeError, match="key= must return a column of the same rows"):
        frame.sort_values("v", key=lambda column: 1)


MEANS = {
    "mean": lambda d: d.groupby("j").w.mean(),
    "agg": lambda d: d.groupby("j").agg({"w": "mean"}),
    "transform": lambda d: d.groupby("j").w.transform("mean"),
    "column": lambda d: d.w.mean(),
}


@pytest.mark.parametrize("case", MEANS)
def test_means_of_singles(frame, case):
    """They have the type of their values, as in pandas."""
    got = computed(MEANS[case](frame))
    assert np.asarray(got).dtype == np.float32
    exact = MEANS[case](ROWS.astype({"w": float}))
    assert np.allclose(np.asarray(got), np.asarray(exact), rtol=1e-6)


@pytest.mark.parametrize(("sign", "value"), [("!=", 1.0), ("<", 4.0), ("not in", [1.0]), ("in", [1.0, 2.0])])
def test_filters_of_missing_values(tmp_path, sign, value):
    pd.DataFrame({"v": [1.0, None, 3.0]}).to_parquet(tmp_path / "v.parquet")
    filters = [("v", sign, value)]
    same(
        dd.read_parquet(tmp_path / "v.parquet", filters=filters).compute().reset_index(drop=True),
        pd.read_parquet(tmp_path / "v.parquet", filters=filters).reset_index(drop=True),
    )
