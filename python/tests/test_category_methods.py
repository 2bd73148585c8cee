"""Methods of categorical columns beside pandas, and categories as an index."""

import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

COLUMN = pd.Series(pd.Categorical([*"bacbac", None]))
METHODS = {
    "add_categories": {"new_categories": ["d", "e"]},
    "as_ordered": {},
    "as_unordered": {},
    "remove_categories": {"removals": ["a"]},
    "rename_categories": {"new_categories": {"a": "x"}},
    "reorder_categories": {"new_categories": ["c", "a", "b"]},
    "set_categories": {"new_categories": ["c", "e", "b"]},
    "remove_unused_categories": {},
}
FRAME = pd.DataFrame(
    {"x": [1, 2, 3, 4], "y": pd.Categorical(list("abbc"), list("cba"), ordered=True), "z": list("zxzy")}
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


@pytest.mark.parametrize("name", METHODS)
def test_methods(client, name):
    got = getattr(dd.from_pandas(COLUMN, npartitions=2).cat, name)(**METHODS[name])
    expected = getattr(COLUMN.cat, name)(**METHODS[name])
    same(got.compute(), expected)
    same(got.cat.codes.compute(), expected.cat.codes)
    assert list(got.cat.categories) == list(expected.cat.categories)
    assert got.cat.ordered == expected.cat.ordered


def test_renamed_by_position(client):
    got = dd.from_pandas(COLUMN, npartitions=2).cat.set_categories(["x", "y"], rename=True)
    same(got.compute(), COLUMN.cat.set_categories(["x", "y"], rename=True))


def test_unknown_categories(frame):
    unknown = frame.assign(y=frame.y.cat.as_unknown())
    assert not unknown.y.cat.known
    with pytest.raises(NotImplementedError, match="unknown categories"):
        _ = unknown.y.cat.codes
    assert unknown.categorize().y.cat.known
    same(unknown.y.compute(), FRAME.y)


def test_categories_of_files(client, tmp_path):
    """The categories of files are unknown, as in Dask, until they are computed."""
    for at, part in enumerate((FRAME[:2], FRAME[2:])):
        part[["x", "z"]].to_csv(tmp_path / f"{at}.csv", index=False)
    read = dd.read_csv(str(tmp_path / "*.csv"), dtype={"z": "category"}).sort_values("x").set_index("x")
    expected = FRAME.z.astype("category").set_axis(FRAME.x)
    assert not read.z.cat.known and not read.z.cat.as_unknown().cat.known and not read.z.cat.ordered
    same(read.z.compute(), expected)
    for found in (read.z.cat.as_known(), read.categorize().z, read.categorize(columns=["z"]).z):
        assert found.cat.known and list(found.cat.categories) == ["x", "y", "z"]
        same(found.cat.codes.compute(), expected.cat.codes)
    for method in (
        lambda column: column.cat.codes,
        lambda column: column.cat.as_ordered(),
        lambda column: column.cat.rename_categories({"x": "a"}),
        lambda column: column.cat.set_categories(["x"]),
        lambda column: column.cat.remove_unused_categories(),
    ):
        with pytest.raises(NotImplementedError, match=r"unknown categories is not supported; use cat\.as_known"):
            method(read.z)


def test_only_categories_have_methods(frame):
    assert "cat" in dir(frame.y)
    assert "cat" not in dir(frame.x)
    assert not hasattr(frame.x, "cat")


def test_an_index_of_categories(frame):
    divided = frame.set_index("y", divisions=["c", "b", "a"])
    assert divided.divisions == ("c", "b", "a")
    assert [list(divided.get_partition(at).index.compute()) for at in (0, 1)] == [["c"], ["b", "b", "a"]]
    with pytest.raises(ValueError, match="not categories"):
        frame.set_index("y", divisions=["c", "q"])
    converted = dd.from_pandas(FRAME.set_index("z"), npartitions=2).categorize()
    assert list(converted.index.categories) == ["x", "y", "z"]


def test_setting_the_index(frame):
    changed = frame.copy()
    changed.index = changed.z
    same(changed.compute(), FRAME.set_index(pd.Index(FRAME.z)))
    appended = frame.set_index("z", sort=False, append=True)
    same(appended.compute(), FRAME.set_index("z", append=True))
