"""Functions whose `meta=` has the dtype object, which in Dask stands for any objects of Python."""

import datetime

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

ROWS = pd.DataFrame({"g": ["a", "b,c", "d"], "w": [1, 2, 3]})
META = ("x", object)

FUNCTIONS = {
    "strings": lambda value: f"<{value}>",
    "lists": lambda value: [value, value],
    "dicts": lambda value: {"a": value},
    "dates": lambda value: datetime.date(2024, 1, int(value)) if value in (1, 2, 3) else datetime.date(2024, 1, 9),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_of_functions(name):
    function = FUNCTIONS[name]
    frame = dd.from_pandas(ROWS, npartitions=2)
    for column in ROWS:
        expected = ROWS[column].map(function).rename("x")
        same(computed(frame[column].map(function, meta=META)), expected)
        same(computed(frame[column].apply(function, meta=META)), expected)
        parts = frame[column].map_partitions(lambda part: part.map(function), meta=META)
        same(computed(parts), expected)
    expected = ROWS.apply(lambda row: function(row.w), axis=1).rename("x")
    same(computed(frame.apply(lambda row: function(row.w), axis=1, meta=META)), expected)


GROUPS = {
    "lists": list,
    "dates": lambda values: datetime.date(2024, 1, len(values)),
    "strings": lambda values: "-".join(map(str, values)),
}


@pytest.mark.parametrize("name", GROUPS)
def test_values_of_groups(name):
    rows = ROWS.assign(g=["a", "b", "a"])
    found = dd.from_pandas(rows, npartitions=2).groupby("g").w.apply(GROUPS[name], meta=META)
    expected = pd.Series([GROUPS[name](rows.w[rows.g == key]) for key in "ab"], pd.Index(["a", "b"], name="g"))
    same(computed(found), expected.rename(computed(found).name))


def test_overlapping_partitions():
    column = dd.from_pandas(ROWS, npartitions=2).w
    found = column.map_overlap(lambda part: part.map(lambda value: [value]), 1, 0, meta=META)
    same(computed(found), ROWS.w.map(lambda value: [value]).rename("x"))


def test_exploded_lists():
    frame = dd.from_pandas(ROWS, npartitions=2)
    frame["x"] = frame.g.map(lambda text: text.split(","), meta=("x", "object"))
    same(computed(frame.explode("x").x), ROWS.assign(x=ROWS.g.str.split(",")).explode("x").x)


def test_a_function_that_fails_for_made_up_values_returns_strings():
    known = {"a": "A", "b,c": "B", "d": "D"}
    frame = dd.from_pandas(ROWS, npartitions=2)
    same(computed(frame.g.map(lambda text: known[text], meta=META)), ROWS.g.map(known).rename("x"))


def test_groups_of_a_column_by_level():
    rows = ROWS.assign(g=["a", "b", "a"]).set_index("g").w
    column = dd.from_pandas(rows, npartitions=2)
    same(computed(column.groupby(level=0).sum()), rows.groupby(level=0).sum())
    same(computed(column.groupby(level="g").agg(["sum", "max"])), rows.groupby(level="g").agg(["sum", "max"]))
