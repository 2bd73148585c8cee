"""Distinct labels, their classes, functions of indexes, joins by names of indexes, and products by labels."""

import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"x": range(12), "y": [at // 4 for at in range(12)]})


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


DISTINCT = {
    "a range": lambda d: d.index.unique(),
    "a range without duplicates": lambda d: d.index.drop_duplicates(),
    "labels": lambda d: d.set_index("y").index.unique(),
    "labels without duplicates": lambda d: d.set_index("y").index.drop_duplicates(),
}


@pytest.mark.parametrize("name", DISTINCT)
def test_distinct_labels(frame, name):
    """Labels that were not a range do not become one."""
    got, expected = DISTINCT[name](frame).compute(), DISTINCT[name](FRAME)
    assert type(got) is type(expected)
    same(got.sort_values(), expected)


def test_functions_return_labels(frame):
    labels = frame.set_index("y").index
    assert isinstance(labels.persist(), dd.Index)
    found = labels.map_partitions(lambda part: part.drop_duplicates())
    assert isinstance(found, dd.Index)
    assert found.name == "y"
    assert sorted(set(found.compute())) == [0, 1, 2]


def test_bytes_of_an_index(frame):
    assert frame.index.memory_usage().compute() > 0
    with pytest.raises(TypeError, match="unexpected keyword"):
        frame.index.memory_usage(index=True)


def test_first_labels_and_values(frame):
    same(frame.x.head(3, npartitions=2), FRAME.x.head(3))
    with pytest.raises(ValueError, match="2 partitions"):
        frame.x.head(3, npartitions=5)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_merge_by_the_name_of_both_indexes(how):
    left = pd.DataFrame({"a": [1, 2, 3, 4]}, index=pd.Index([3, 1, 2, 4], name="k"))
    right = pd.DataFrame({"c": [1, 2, 3]}, index=pd.Index([1, 3, 9], name="k"))
    made = dd.from_pandas(left, npartitions=2).merge(dd.from_pandas(right, npartitions=2), on="k", how=how)
    assert made.known_divisions
    same(made.compute(), left.merge(right, on="k", how=how).sort_index())


PRODUCTS = {
    "columns": lambda one, other: one.dot(other),
    "a column and a frame": lambda one, other: one.dot(other.to_frame("v")),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_other_rows(name):
    one, other = pd.Series([1, 2, 3, 4], name="n"), pd.Series([4, 5, 6, 6])
    got = PRODUCTS[name](dd.from_pandas(one, npartitions=2), dd.from_pandas(other, npartitions=1))
    same(got.compute(), PRODUCTS[name](one, other))


def test_products_of_other_labels():
    one = dd.from_pandas(pd.Series([1, 2, 3, 4]), npartitions=2)
    with pytest.raises(ValueError, match="matrices are not aligned"):
        one.dot(pd.Series([1, 2, 3])).compute()
    with pytest.raises(TypeError, match="takes a frame or column"):
        one.dot([1, 2, 3, 4])


def test_strings_of_pandas_are_joined():
    texts = pd.Series(["a", "b", None])
    got = dd.from_pandas(texts, npartitions=2).str.cat([texts.str.upper(), texts], sep=":", na_rep="-")
    same(got.compute(), texts.str.cat([texts.str.upper(), texts], sep=":", na_rep="-"))


def test_labels_in_an_extension_array(client):
    """loc takes labels in an array of an extension type; a lazy array of labels must be computed first."""
    frame = pd.DataFrame({"v": range(4)}, index=pd.Index(list("abcd")))
    lazy = dd.from_pandas(frame, npartitions=2)
    labels = pd.array(["d", "b"], dtype="string")
    assert sorted(lazy.loc[labels].compute().v.tolist()) == [1, 3]
    with pytest.warns(UserWarning, match="object dtype"):
        values = lazy.assign(s="a").s.values
    with pytest.raises(KeyError, match="Try passing computed values"):
        lazy.loc[values]
