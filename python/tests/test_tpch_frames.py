"""The 22 questions of TPC-H, asked with data frames and in SQL of DuckDB over the same files."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import tpch_data
from partita import dataframe as dd
from tpch_frames import QUESTIONS

SQL = Path(__file__).parents[2] / "tests" / "queries" / "tpch"


@pytest.fixture(scope="module", params=["floats and times", "decimals and dates"])
def sources(client, tmp_path_factory, request):
    """The tables as frames by name, and a connection of DuckDB that has views of them."""
    folder = tmp_path_factory.mktemp("tpch")
    tpch_data.write(folder, exact=request.param == "decimals and dates")
    frames = {path.name: dd.read_parquet(str(path)) for path in folder.iterdir()}
    with duckdb.connect() as connection:
        for name in frames:
            connection.execute(f"create view {name} as select * from '{folder}/{name}/*.parquet'")
        yield frames, connection


def _plain(frame):
    """Floats instead of decimals, and times instead of dates."""
    frame = frame.reset_index(drop=True)
    for label, column in frame.items():
        first = column.iloc[0]
        if isinstance(first, Decimal):
            frame[label] = column.astype(float)
        elif isinstance(first, date):
            frame[label] = pd.to_datetime(column).astype("datetime64[us]")
    return frame


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_question(sources, name):
    frames, connection = sources
    got = QUESTIONS[name](frames).compute()
    expected = _plain(connection.execute((SQL / f"{name}.sql").read_text()).df())
    assert len(expected) > 0
    if isinstance(got, pd.DataFrame):
        pd.testing.assert_frame_equal(_plain(got), expected, check_dtype=False, rtol=1e-9)
    else:
        assert float(got) == pytest.approx(expected.iloc[0, 0], rel=1e-9)


def test_distinct_rows_without_an_order_need_no_window(sources):
    frames, _ = sources
    keys = frames["lineitem"][["l_shipmode", "l_shipinstruct"]].drop_duplicates()
    assert "Window" not in keys.explain()
    assert len(keys.compute().drop_duplicates()) == len(keys) == 28
