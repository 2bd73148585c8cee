"""Errors that tell what is not supported, and notations of pandas that are."""

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {
        "g": list("abab"),
        "v": [1, 2, 3, 4],
        "s": ["x_1", None, "y_2", "z"],
        "t": pd.date_range("2020", periods=4, freq="D"),
    }
)
OTHER = pd.DataFrame({"w": [10, 20]}, index=pd.Index(["a", "b"], name="k"))


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(FRAME, npartitions=2)


NOTATIONS = {
    "level number": lambda d: d.set_index("g").groupby(level=0).v.sum(),
    "level name": lambda d: d.set_index("g").groupby(level="g").v.sum(),
    "level of default index": lambda d: d.groupby(level=0).v.max(),
    "grouper": lambda d: d.groupby(pd.Grouper(key="g")).v.sum(),
    "replace lists": lambda d: d.v.replace([1, 2], [2, 1]),
    "replace lists of frames": lambda d: d[["v"]].replace([1, 2], [2, 1]),
    "replace list": lambda d: d.v.replace([1, 2], 9),
    "resample on": lambda d: d[["t", "v"]].resample("2D", on="t").v.sum(),
    "join on": lambda d: (
        d.join(OTHER if isinstance(d, pd.DataFrame) else dd.from_pandas(OTHER, npartitions=1), on="g")
        .sort_values("v")
        .reset_index(drop=True)
    ),
}


@pytest.mark.parametrize("method", NOTATIONS)
def test_notations(loaded, method):
    same(computed(NOTATIONS[method](loaded)), NOTATIONS[method](FRAME))


REFUSED = {
    "grouper": (NotImplementedError, "resample", lambda d: d.groupby(pd.Grouper(key="t", freq="D"))),
    "no key": (TypeError, "by= or level=", lambda d: d.groupby()),
    "unknown level": (KeyError, "no index level 'x'", lambda d: d.groupby(level="x")),
    "replace lists": (ValueError, "same length", lambda d: d.v.replace([1, 2], [1])),
    "fillna": (ValueError, "missing values of column 's' of strings with 0", lambda d: d.s.fillna(0).compute()),
    "rolling on": (NotImplementedError, "use set_index", lambda d: d.rolling("2D", on="t")),
    "hdfs": (NotImplementedError, "hdfs:// is not supported", lambda d: dd.read_parquet("hdfs://host/key.parquet")),
    "write CSV to s3": (NotImplementedError, "s3:// is not supported here", lambda d: d.to_csv("s3://bucket/key")),
    "write to the web": (NotImplementedError, "web servers take no files", lambda d: d.to_parquet("https://a.b/c")),
}


@pytest.mark.parametrize("method", REFUSED)
def test_refused_notations(loaded, method):
    kind, message, function = REFUSED[method]
    with pytest.raises(kind, match=message) as found:
        function(loaded)
    assert "Cast error" not in str(found.value)


def test_readers_of_other_formats(client, tmp_path):
    """A file of another format is refused, and rows without an index have no labels."""
    FRAME.to_csv(tmp_path / "f.csv", index=False)
    FRAME.to_parquet(tmp_path / "f.parquet", index=False)
    with pytest.raises(ValueError, match="use read_csv"):
        dd.read_parquet(tmp_path / "f.csv")
    with pytest.raises(ValueError, match="use read_parquet"):
        dd.read_csv(tmp_path / "f.parquet")
    for labels in ([3, 1], 3):
        with pytest.raises(NotImplementedError, match="the rows have none"):
            dd.read_parquet(tmp_path / "f.parquet").loc[labels]
    with pytest.raises(NotImplementedError, match=r"Client\.run_on_scheduler is not supported: use Client\.run"):
        client.run_on_scheduler()
