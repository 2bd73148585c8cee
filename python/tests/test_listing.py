"""Errors that name columns stay short, however many columns a frame has."""

import numpy as np
import pandas as pd
import pytest

from partita import dataframe as dd

WIDE = pd.DataFrame(np.zeros((2, 2_000)), columns=[f"c{number}" for number in range(2_000)])

MISTAKES = {
    "a column": lambda d: d["d1500"],
    "several columns": lambda d: d[["c1", "d1500"]],
    "groups": lambda d: d.groupby("d1500"),
    "columns of groups": lambda d: d.groupby("c1")[["d1500"]].sum(),
    "a merge": lambda d: d.merge(d, on="d1500"),
    "a query": lambda d: d.query("d1500 > 1"),
    "a sort": lambda d: d.sort_values("d1500"),
    "an index": lambda d: d.set_index("d1500"),
    "distinct rows": lambda d: d.drop_duplicates(subset=["d1500"]),
    "a removal": lambda d: d.drop(columns=["d1500"]),
    "lists": lambda d: d.explode("d1500"),
    "a position": lambda d: d.loc[:, "d1500"],
}


@pytest.fixture(scope="module")
def wide(client):
    return dd.from_pandas(WIDE, npartitions=1)


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_name_the_nearest_of_many_columns(wide, name):
    with pytest.raises(Exception) as raised:
        MISTAKES[name](wide)
    text = str(raised.value)
    assert "d1500" in text
    assert len(text) < 1_000
