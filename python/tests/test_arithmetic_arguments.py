"""``axis=``, ``level=`` and ``fill_value=`` of the arithmetic methods, beside pandas."""

import numpy as np
import pandas as pd
import pytest

from partita import dataframe as dd

ARITHMETIC = ("add", "radd", "sub", "rsub", "mul", "truediv", "rtruediv", "floordiv", "mod", "rmod", "pow")
COMPARISONS = ("eq", "ne", "lt", "ge")
PDF = pd.DataFrame(
    {
        "a": [1.0, np.nan, 3.5, np.nan, -2.0],
        "b": [np.nan, 2.0, 0.5, np.nan, 4.0],
        "c": pd.array([1, None, 3, 4, None], "Int64"),
        "d": [5, 4, 3, 2, 1],
    }
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(PDF, npartitions=2, client=client)


@pytest.mark.parametrize("name", ARITHMETIC + COMPARISONS)
def test_fill_value_of_columns(frame, name):
    """A value takes the place of a missing one where only one of the two is missing."""
    for left, right in (("a", "b"), ("b", "d"), ("d", "a"), ("c", "c")):
        expected = getattr(PDF[left], name)(PDF[right], fill_value=2)
        found = getattr(frame[left], name)(frame[right], fill_value=2).compute()
        pd.testing.assert_series_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("name", ("add", "rsub", "mul", "le"))
def test_fill_value_beside_one_value(frame, name):
    for label in "abc":
        for other in (3, np.nan):
            expected = getattr(PDF[label], name)(other, fill_value=2)
            found = getattr(frame[label], name)(other, fill_value=2).compute()
            pd.testing.assert_series_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("name", ("add", "rsub", "mul"))
def test_fill_value_of_frames(frame, name):
    plain, pplain = frame[["a", "b"]], PDF[["a", "b"]]
    expected = getattr(pplain, name)(pplain * 2, fill_value=1)
    pd.testing.assert_frame_equal(getattr(plain, name)(plain * 2, fill_value=1).compute(), expected)
    expected = getattr(pplain, name)(3, fill_value=1)
    pd.testing.assert_frame_equal(getattr(plain, name)(3, fill_value=1).compute(), expected)


@pytest.mark.parametrize("name", ("add", "rsub", "truediv", "lt"))
@pytest.mark.parametrize("axis", (0, "index"))
def test_a_column_is_an_operand_of_each_column(frame, name, axis):
    expected = getattr(PDF[["a", "d"]], name)(PDF.b, axis=axis)
    found = getattr(frame[["a", "d"]], name)(frame.b, axis=axis).compute()
    pd.testing.assert_frame_equal(found, expected)


def test_a_frame_and_a_column_are_not_combined_by_position(frame):
    """pandas matches the labels of the column with those of the columns."""
    for combine in (
        lambda: frame + frame.a,
        lambda: frame.a * frame,
        lambda: frame < frame.a,
        lambda: frame.add(frame.a),
    ):
        with pytest.raises(ValueError, match="axis=0"):
            combine()


def test_operands_along_the_columns(frame):
    row = pd.Series({"a": 1.0, "b": 2.0})
    expected = PDF[["a", "b"]].add(row, axis="columns")
    pd.testing.assert_frame_equal(frame[["a", "b"]].add(row, axis="columns").compute(), expected)
    with pytest.raises(TypeError, match="cannot match an index of numbers with one of strings"):
        frame[["a", "b"]].add(row, axis=0)
    labels = pd.Series([1.0, 2.0], index=PDF.index[:2])
    expected = PDF[["a", "b"]].add(labels, axis=0)
    pd.testing.assert_frame_equal(frame[["a", "b"]].add(labels, axis=0).compute(), expected)
    with pytest.raises(NotImplementedError, match="matched with the index"):
        frame[["a", "b"]].add({"a": 1}, axis=0)


def test_unsupported_arguments_are_refused(frame):
    with pytest.raises(NotImplementedError, match="level must be None"):
        frame.a.add(frame.b, level=0)
    with pytest.raises(ValueError, match="no axis named 1"):
        frame.a.add(1, axis=1)
    with pytest.raises(ValueError, match="no axis named 2"):
        frame.add(1, axis=2)
    with pytest.raises(NotImplementedError, match="fill_value"):
        frame.add(pd.Series({"a": 1}), fill_value=1)


@pytest.mark.parametrize("name", ["add", "rsub", "mul", "truediv", "pow"])
def test_fill_values_of_a_frame_and_a_column(client, name):
    frame = pd.DataFrame({"a": [1, 2, None], "b": [1.5, None, None]})
    column = pd.Series([10, None, None, 4.0], name="z")
    got = getattr(dd.from_pandas(frame, npartitions=2), name)(
        dd.from_pandas(column, npartitions=2), axis=0, fill_value=2
    )
    pd.testing.assert_frame_equal(got.compute(), getattr(frame, name)(column, axis=0, fill_value=2))
