"""Methods of the accessors .str and .dt."""

import pandas as pd
import pytest
from comparison import computed, same
from test_frame import FRAMES

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


def frame():
    made = FRAMES["mixed"].copy()
    made["z"] = made.t.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    made["u"] = made.t.astype("str")
    made["n"] = made.i.astype("str")
    texts = ["ab1", "12", "AB", " ", "x_y-z", "ÄÖ"] * 9 + ["a", "b", "c"]
    made["w"] = pd.Series(texts, index=made.index)
    made["td"] = made.t - made.t.iloc[20]
    return made


FRAME = frame()


def is_pandas(d):
    return isinstance(d, (pd.DataFrame, pd.Series))


METHODS = {
    "slice": lambda d: d.s.str.slice(1, -1),
    "neg": lambda d: d.s.str[-2:],
    "get": lambda d: d.s.str[0],
    "get-1": lambda d: d.s.str[-1],
    "fullmatch": lambda d: d.w.str.fullmatch(r"[a-z]+\d"),
    "count": lambda d: d.w.str.count("[a-z]"),
    "extract": lambda d: d.w.str.extract(r"(\d+)", expand=False),
    "repeat": lambda d: d.w.str.repeat(2),
    "pad": lambda d: d.w.str.pad(6),
    "pad both": lambda d: d.w.str.pad(6, side="both", fillchar="*"),
    "pad both odd": lambda d: d.w.str.pad(7, side="both", fillchar="*"),
    "pad both narrow": lambda d: d.w.str.pad(2, side="both"),
    "center": lambda d: d.w.str.center(7),
    "ljust": lambda d: d.w.str.ljust(6, "*"),
    "rmp": lambda d: d.w.str.removeprefix("a"),
    "rms": lambda d: d.w.str.removesuffix("B"),
    "isdigit": lambda d: d.w.str.isdigit(),
    "isalpha": lambda d: d.w.str.isalpha(),
    "isalnum": lambda d: d.w.str.isalnum(),
    "isspace": lambda d: d.w.str.isspace(),
    "isupper": lambda d: d.w.str.isupper(),
    "islower": lambda d: d.w.str.islower(),
    "tzc": lambda d: d.z.dt.tz_convert("America/New_York"),
    "tzcN": lambda d: d.z.dt.tz_convert(None),
    "tzlN": lambda d: d.z.dt.tz_localize(None),
    "tzl": lambda d: d.t.dt.tz_localize("Asia/Tokyo"),
    "days": lambda d: d.td.dt.days,
    "secs": lambda d: d.td.dt.total_seconds(),
    "doy": lambda d: d.t.dt.day_of_year,
    "todt": lambda d: (pd if is_pandas(d) else dd).to_datetime(d.u),
    "tonum": lambda d: (pd if is_pandas(d) else dd).to_numeric(d.n).astype("float64"),
    "todtunit": lambda d: (pd if is_pandas(d) else dd).to_datetime(d.j, unit="D"),
    "todtf": lambda d: (pd if is_pandas(d) else dd).to_datetime(
        d.t.dt.strftime("%d/%m/%Y %H:%M:%S"), format="%d/%m/%Y %H:%M:%S"
    ),
    "coerce": lambda d: (pd if is_pandas(d) else dd).to_numeric(d.w, errors="coerce"),
    "tdsum": lambda d: d.td.sum(),
    "tdmean": lambda d: d.td.max(),
    "tdcmp": lambda d: d.td > pd.Timedelta("1D"),
    "meantime": lambda d: d.t.mean(),
    "split": lambda d: d.w.str.split("_").dropna(),
    "td / 2": lambda d: d.td / 2,
    "td * 2": lambda d: d.td * 2,
    "td + td": lambda d: d.td + d.td,
    "td / h": lambda d: d.td / pd.Timedelta("1h"),
    "td // h": lambda d: d.td // pd.Timedelta("2h"),
    "-td": lambda d: -d.td,
    "abs td": lambda d: d.td.abs(),
    "td mean": lambda d: d.td.mean(),
    "td median": lambda d: d.td.median(),
    "td cumsum": lambda d: d.td.cumsum(),
    "t str": lambda d: d.t.astype("str"),
    "contains na": lambda d: d.s.str.contains("a", na=False),
    "startswith several": lambda d: d.w.str.startswith(("a", "x")),
    "days_in_month": lambda d: d.t.dt.days_in_month,
    "t round": lambda d: d.t.dt.round("6h"),
    "a & 3": lambda d: d.i & 3,
    "i ** 2": lambda d: d.i**2,
    "b + b": lambda d: d.b + (d.i > 0),
}


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(FRAME, npartitions=3)


@pytest.mark.parametrize("method", METHODS)
def test_methods(loaded, method):
    """Results equal those of pandas."""
    same(computed(METHODS[method](loaded)), METHODS[method](FRAME))
