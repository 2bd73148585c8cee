"""Results in the number of partitions that the caller chose: split_out= and npartitions=."""

import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {"k": list("xyzxyz") * 4, "n": [3, 1, 2, 3, 1, 2] * 4, "f": [0.5, 1.5, 2.5] * 8, "v": range(24)},
    index=pd.Index(range(24), name="i"),
)
OTHER = pd.DataFrame({"n": [1, 2, 3], "w": [10, 20, 30]})


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=3)


#: Functions of a frame and of further arguments, which pandas does not get.
CASES = {
    "sum of groups": lambda f, **o: f.groupby("k").v.sum(**o),
    "groups of numbers": lambda f, **o: f.groupby("n")[["v"]].mean(**o),
    "groups of floats": lambda f, **o: f.groupby("f").v.max(**o),
    "agg": lambda f, **o: f.groupby("k").agg({"v": ["min", "max"]}, **o),
    "size": lambda f, **o: f.groupby(["k", "n"]).size(**o),
    "value_counts": lambda f, **o: f.k.value_counts(**o),
    "drop_duplicates": lambda f, **o: f.drop_duplicates(subset=["k"], **o),
    "drop_duplicates of a column": lambda f, **o: f.n.drop_duplicates(**o),
}


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("case", CASES)
def test_split_out(case, count, frame):
    """The result has the number of partitions, also if there are fewer rows, and the same rows in the same order."""
    made = CASES[case](frame, split_out=count)
    assert made.npartitions == count
    same(made.compute(), CASES[case](FRAME))
    assert made.npartitions == count == len(made.to_delayed())


@pytest.mark.parametrize("count", [None, True])
def test_the_cluster_chooses(count, frame):
    """None and True leave the number to the cluster."""
    same(frame.groupby("k").v.sum(split_out=count).compute(), FRAME.groupby("k").v.sum())


def test_unique(frame):
    made = frame.k.unique(split_out=2)
    assert made.npartitions == 2 and made.compute().tolist() == list("xyz")


def test_of_a_result(frame):
    """A plan of the result reads its partitions, which are persisted once."""
    made = frame.groupby("k").v.sum(split_out=2)
    assert made.map_partitions(len).compute().sum() == 3
    same((made + 1).compute(), FRAME.groupby("k").v.sum() + 1)
    same(made[made > 80].compute(), FRAME.groupby("k").v.sum().loc[lambda v: v > 80])


def test_merge(frame):
    """npartitions= of merge and join."""
    other = dd.from_pandas(OTHER, npartitions=1)
    made = frame.merge(other, on="n", npartitions=5)
    assert made.npartitions == 5
    same(made.compute(), FRAME.merge(OTHER, on="n"), ordered=False)
    joined = frame.clear_divisions().join(other[["w"]].clear_divisions(), npartitions=2)
    assert joined.npartitions == 2
    # Divisions of both frames determine those of the result.
    divided = frame.join(other[["w"]], npartitions=2)
    assert divided.npartitions == len(divided.divisions) - 1
    for one in (joined, divided):
        same(one.compute().sort_index(), FRAME.join(OTHER[["w"]]))


@pytest.mark.parametrize(("options", "error"), [({"split_out": 0}, ValueError), ({"split_out": "2"}, TypeError)])
def test_wrong_numbers(options, error, frame):
    with pytest.raises(error, match="split_out="):
        frame.groupby("k").v.sum(**options)


@pytest.mark.parametrize("value", [1, 0, -2, True, "2"])
def test_split_every(value, frame):
    """split_every= has no effect, but must be a number that Dask takes."""
    with pytest.raises(ValueError, match="split_every must be an integer >= 2"):
        frame.groupby("k").v.sum(split_every=value)
    with pytest.raises(ValueError, match="split_every must be an integer >= 2"):
        frame.v.sum(split_every=value)


@pytest.mark.parametrize("case", ["sum of groups", "agg", "drop_duplicates"])
def test_split_every_of_several_partitions(case, frame):
    """Several partitions are shuffled: no task combines results, and Dask takes 1 too."""
    same(CASES[case](frame, split_out=2, split_every=1).compute(), CASES[case](FRAME))
    with pytest.raises(ValueError, match="split_every must be an integer >= 1"):
        CASES[case](frame, split_out=2, split_every=0)
    with pytest.raises(ValueError, match="split_every must be an integer >= 2"):
        CASES[case](frame, split_out=1, split_every=1)


def test_tables_of_the_source(frame):
    """The table of a function's results exists until the result in other partitions was computed, without a frame of it."""
    made = frame.map_partitions(lambda part: part.assign(v=part.v * 2)).groupby("k").v.sum(split_out=2)
    same(made.compute(), FRAME.assign(v=FRAME.v * 2).groupby("k").v.sum())
