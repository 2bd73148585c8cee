"""Categories of intervals, as `pd.cut` and `pd.qcut` make them, beside pandas."""

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

BINS = [0, 50, 80, 100, 120]
ROWS = pd.DataFrame({"a": [20, 70, 30, 90, 40, None], "v": [1, 2, 3, 4, 5, 6], "g": list("xyxyxx")})
FIRST = pd.Interval(0, 50)


def is_lazy(d):
    return not isinstance(d, pd.DataFrame)


CASES = {
    "values": lambda d: d,
    "sums of groups": lambda d: d.groupby("c", observed=True).v.sum(),
    "sums of all categories": lambda d: d.groupby("c", observed=False).v.sum(),
    "with another key": lambda d: d.groupby(["g", "c"], observed=False).v.sum(),
    "several aggregates": lambda d: d.groupby("c", observed=False).agg({"v": ["sum", "mean"]}),
    "sizes": lambda d: d.groupby("c", observed=False).size(),
    "first of groups": lambda d: d.groupby("g").c.first(),
    "counts": lambda d: d.c.value_counts().sort_index(),
    "order": lambda d: d.sort_values(["c", "v"]),
    "missing": lambda d: d.c.isna(),
    "codes": lambda d: d.c.cat.codes,
    "equal to an interval": lambda d: d.c == FIRST,
    "less than an interval": lambda d: d[d.c <= pd.Interval(50, 80)],
    "in intervals": lambda d: d[d.c.isin([FIRST, pd.Interval(80, 100)])],
    "no such interval": lambda d: d[d.c.isin([pd.Interval(0, 51)])],
    "filled": lambda d: d.c.fillna(FIRST),
    "masked": lambda d: d.c.where(d.v > 2),
    "shifted": lambda d: d.c.shift(),
    "mapped": lambda d: d.c.astype(object).map({FIRST: 1.0}) if not is_lazy(d) else d.c.map({FIRST: 1.0}),
    "renamed": lambda d: d.c.cat.rename_categories(["p", "q", "r", "s"]),
    "fewer": lambda d: d.c.cat.remove_unused_categories(),
    "in a function": lambda d: (d.map_partitions if is_lazy(d) else d.pipe)(lambda p: p.assign(m=p.c.cat.codes)),
    "label": lambda d: d.dropna().set_index("c").loc[[FIRST]],
    "twice": lambda d: dd.concat([d, d]) if is_lazy(d) else pd.concat([d, d]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("npartitions", [1, 3])
@pytest.mark.parametrize("is_cut_by_workers", [False, True])
def test_as_in_pandas(is_cut_by_workers, npartitions, case):
    cut = ROWS.assign(c=pd.cut(ROWS.a, BINS))
    if is_cut_by_workers:
        frame = dd.from_pandas(ROWS, npartitions=npartitions)
        frame = frame.assign(c=frame.a.map_partitions(pd.cut, BINS))
    else:
        frame = dd.from_pandas(cut, npartitions=npartitions)
    same(computed(CASES[case](frame)), CASES[case](cut))


def test_bounds_of_times_and_fractions():
    rows = pd.DataFrame({"f": [0.05, 0.15, 0.25], "t": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"])})
    rows = rows.assign(c=pd.cut(rows.f, 3), q=pd.qcut(rows.f, 2), d=pd.cut(rows.t, 2))
    frame = dd.from_pandas(rows, npartitions=2)
    same(frame.compute(), rows)
    same(frame.groupby("d", observed=True).f.sum().compute(), rows.groupby("d", observed=True).f.sum())


def test_values_do_not_become_intervals():
    frame = dd.from_pandas(ROWS, npartitions=2)
    with pytest.raises(NotImplementedError, match=r"pd\.cut"):
        frame.a.astype(pd.cut(ROWS.a, BINS).dtype)
