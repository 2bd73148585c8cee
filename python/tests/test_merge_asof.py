"""merge_asof, merges by index levels and joins of several frames beside pandas."""

import pandas as pd
import pytest
from comparison import same
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

LEFT = pd.DataFrame({"v": [1, 2, 3, 4], "g": list("aaba")}, index=pd.Index([10, 20, 30, 40], name="t"))
RIGHT = pd.DataFrame({"u": [5, 15, 15, 25, 44], "w": [1, 2, None, 3, 4], "g": list("aabab")})
PAIRS = {
    "both columns": (LEFT.reset_index(), RIGHT.rename(columns={"u": "t"}), {"on": "t"}),
    "other names": (LEFT.reset_index(), RIGHT, {"left_on": "t", "right_on": "u", "by": "g"}),
    "other groups": (
        LEFT.reset_index(),
        RIGHT.rename(columns={"g": "h"}),
        {"left_on": "t", "right_on": "u", "left_by": "g", "right_by": "h"},
    ),
    "a column with an index": (LEFT.reset_index(), RIGHT.set_index("u"), {"left_on": "t", "right_index": True}),
    "both indexes": (LEFT, RIGHT.set_index("u"), {"left_index": True, "right_index": True}),
}


@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
@pytest.mark.parametrize("is_exact", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_nearest_rows(client, name, is_exact, direction):
    left, right, keys = PAIRS[name]
    a, b = dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=3)
    for tolerance in (None, 5):
        options = {"direction": direction, "allow_exact_matches": is_exact, "tolerance": tolerance, **keys}
        expected = pd.merge_asof(left, right, **options)
        got = dd.merge_asof(a, b, **options).compute()
        pd.testing.assert_frame_equal(got, expected, check_dtype=False)


def test_a_frame_with_itself(client):
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01"] * 3), "v": [1, 2, 3]})
    both = dd.from_pandas(frame, npartitions=2)
    same(dd.merge_asof(both, both, on="t").compute(), pd.merge_asof(frame, frame, on="t"))


def test_a_tolerance_of_time(client):
    a = pd.DataFrame({"t": pd.to_datetime(["2020-01-01 00:00:01", "2020-01-01 00:00:05"]), "x": [1, 2]})
    b = pd.DataFrame({"t": pd.to_datetime(["2020-01-01 00:00:00", "2020-01-01 00:00:02"]), "y": [1.0, 2.0]})
    got = dd.merge_asof(dd.from_pandas(a, 2), dd.from_pandas(b, 1), on="t", tolerance=pd.Timedelta("2s"))
    same(got.compute(), pd.merge_asof(a, b, on="t", tolerance=pd.Timedelta("2s")))


ERRORS = {
    "no keys": ({}, ValueError, "requires either on="),
    "two kinds of keys": ({"on": "t", "left_on": "v"}, ValueError, "combination of both"),
    "other types": ({"left_on": "t", "right_on": "w"}, ValueError, "cannot merge keys"),
    "strings": ({"left_on": "g", "right_on": "g"}, ValueError, "numbers or times"),
    "a direction": ({"on": "t", "direction": "up"}, ValueError, "direction must be"),
    "a column": ({"on": "t", "by": "q"}, KeyError, "no columns"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(client, name):
    options, kind, message = ERRORS[name]
    a, b = dd.from_pandas(LEFT.reset_index(), 2), dd.from_pandas(RIGHT.rename(columns={"u": "t"}), 2)
    with pytest.raises(kind, match=message):
        dd.merge_asof(a, b, **options)


def test_missing_keys_are_an_error(client):
    a = dd.from_pandas(pd.DataFrame({"t": [1.0, None]}), 1)
    with pytest.raises(ValueError, match="left keys are missing"):
        dd.merge_asof(a, a, on="t").compute()


A = pd.DataFrame({"k": [1, 2, 3], "v": [1, 2, 3]}, index=pd.Index([1, 1, 2], name="i"))
B = pd.DataFrame({"k": [1, 2, 3], "w": [1, 2, 3]}, index=pd.Index([1, 2, 5], name="i"))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("on", ["i", ["k", "i"]])
@pytest.mark.parametrize("sides", ["levels", "a level and a column", "a column and a level"])
def test_merges_by_names_of_index_levels(client, sides, on, how):
    left = A.reset_index() if sides.startswith("a column") else A
    right = B.reset_index() if sides.endswith("a column") else B
    expected = left.merge(right, on=on, how=how)
    got = dd.from_pandas(left, 2).merge(dd.from_pandas(right, 2), on=on, how=how).compute()
    assert list(got.columns) == list(expected.columns)
    assert got.index.names == expected.index.names
    if expected.index.name is not None:
        got, expected = got.reset_index(), expected.reset_index()
    by = list(expected.columns)
    got, expected = (one.sort_values(by).reset_index(drop=True) for one in (got, expected))
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)


@pytest.mark.parametrize("how", ["left", "outer", "inner"])
def test_joins_of_several_frames(client, how):
    frames = [
        pd.DataFrame({name: [1, 2]}, index=index) for name, index in (("x", [1, 2]), ("y", [2, 3]), ("z", [2, 3]))
    ]
    first, *others = (dd.from_pandas(one, npartitions=2) for one in frames)
    got, expected = first.join(others, how=how).compute(), frames[0].join(frames[1:], how=how)
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)
    with pytest.raises(ValueError, match="two columns"):
        first.join([first], how=how)


def test_without_common_columns_indexes_are_merged(client):
    a, b = A[["v"]].set_axis([1, 2, 3]), B[["w"]].set_axis([2, 3, 4])
    got = dd.from_pandas(a, 2).merge(dd.from_pandas(b, 2), how="outer")
    pd.testing.assert_frame_equal(got.compute(), a.join(b, how="outer"), check_dtype=False)
