"""Sorted rows and operations that depend on their order."""

import pandas as pd
import pytest
from comparison import computed, same
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

ROWS = pd.DataFrame({"g": list("uvuvwu"), "v": [3, 1, 2, 9, 4, 7], "s": list("abcabc")})

#: Operations whose sort keys contain an expression twice.
REPEATED = {
    "idxmax": lambda d: d.sort_values("v").groupby("g").v.idxmax(),
    "idxmin": lambda d: d.sort_values("v", ascending=False).groupby("g").v.idxmin(),
    "idxmax of all": lambda d: d.sort_values("v").v.idxmax(),
    "twice": lambda d: d.sort_values("v").sort_values("v").groupby("g").v.first(),
    "descending": lambda d: d.sort_values("v").sort_values("v", ascending=False).groupby("g").v.last(),
    "nlargest": lambda d: d.nlargest(3, "v").groupby("g").v.idxmax(),
    "nlargest of groups": lambda d: d.sort_values("v").groupby("g").v.nlargest(2),
    "sort_index": lambda d: d.set_index("v").sort_index().groupby("g").g.first(),
    "two then one": lambda d: d.sort_values(["g", "v"]).sort_values("g").groupby("s").v.first(),
    "same label twice": lambda d: d.sort_values(["v", "v"]).groupby("g").v.first(),
    "drop_duplicates": lambda d: d.sort_values("v").drop_duplicates(["g", "s"]).sort_values("v").groupby("g").s.first(),
    "agg": lambda d: d.sort_values("v").sort_values("v").groupby("g").agg({"s": ["nunique", "first"], "v": "last"}),
    "cumsum": lambda d: d.sort_values("v").sort_values("v").groupby("g").v.cumsum(),
    "rows": lambda d: d.sort_values("v").sort_values(["s", "v"], ascending=[True, False]),
}


@pytest.mark.parametrize("method", REPEATED)
def test_repeated_sort_keys(method):
    """Sorting by an expression again does not change the order among its equal values."""
    for parts in (1, 3):
        same(computed(REPEATED[method](dd.from_pandas(ROWS, npartitions=parts))), REPEATED[method](ROWS))


SLICES = {
    "counted": lambda d: d.loc[1:3],
    "filtered": lambda d: d[d.v > 1].loc[2:4],
    "descending": lambda d: d.sort_index(ascending=False).loc[4:2],
    "descending to the end": lambda d: d.sort_index(ascending=False).loc[2:],
    "set_index": lambda d: d.set_index("v").sort_index().loc[2:7],
    "sorted again": lambda d: d.sort_values("v").sort_index().loc[2:3],
    "series": lambda d: d.v.loc[1:3],
    "strings": lambda d: d.set_index("s").sort_index().g.loc["a":"b"].sort_values(),
}


@pytest.mark.parametrize("method", SLICES)
def test_slices_of_labels(method):
    """A slice selects labels in the order of a sorted index, also a descending one."""
    same(computed(SLICES[method](dd.from_pandas(ROWS, npartitions=2))), SLICES[method](ROWS))


def test_slices_of_unsorted_labels():
    """In other orders, a slice of labels depends on positions in pandas, and is refused."""
    ddf = dd.from_pandas(ROWS, npartitions=2)
    shuffled = dd.from_pandas(ROWS.sample(frac=1, random_state=1), npartitions=2, sort=False)
    for frame in (ddf.sort_values("v"), ddf.v.sort_values(), ddf.sort_values("v", ascending=False), shuffled):
        with pytest.raises(NotImplementedError, match="use sort_index"):
            frame.loc[0:2]
    categories = dd.from_pandas(ROWS.assign(c=ROWS.g.astype("category")).set_index("c").sort_index(), npartitions=1)
    with pytest.raises(NotImplementedError, match="categorical index"):
        categories.loc["u":"v"]
