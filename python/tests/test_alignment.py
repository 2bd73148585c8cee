"""Operations on frames and columns of different rows, beside pandas, for each kind of index."""

import datetime

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd
from partita.plan.relation import Join, postorder

pytestmark = pytest.mark.usefixtures("client")


def _times(*days):
    return pd.DatetimeIndex([datetime.datetime(2024, 1, day) for day in days])


#: The indexes of two frames. What pandas refuses for one of them must be refused here too.
KINDS = {
    "sorted": ([0, 1, 2, 3], [1, 2, 3, 4]),
    "equal": ([0, 1, 2], [0, 1, 2]),
    "equal, not sorted": ([2, 0, 1], [2, 0, 1]),
    "other order": ([2, 0, 1], [0, 1, 2]),
    "not sorted": ([5, 1, 3], [1, 7, 5]),
    "disjoint": ([3, 1], [0, 2]),
    "within": ([0, 1, 2, 3], [1, 3]),
    "equal duplicates": ([1, 1, 0], [1, 1, 0]),
    "duplicates on the left": ([1, 1, 0, 1], [1, 0]),
    "duplicates on the right": ([0, 1], [1, 1, 0]),
    "duplicates on both": ([0, 1, 1, 5], [1, 1, 7]),
    "strings": (["b", "c", "a"], ["a", "z", "b"]),
    "times": (_times(3, 1, 2), _times(2, 4, 3)),
    "missing": ([np.nan, 1.0, 0.0], [np.nan, 0.0]),
    "numbers": ([0, 1, 2], [0.0, 1.5, 2.0]),
    "empty": (pd.Index([2, 1]), pd.Index([], dtype="int64")),
    "levels": (
        pd.MultiIndex.from_tuples([(1, "b"), (0, "a"), (1, "a")]),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "a"), (1, "b")]),
    ),
}


def _frames(kind):
    left, right = KINDS[kind]
    a = pd.DataFrame({"x": np.arange(len(left)), "y": [1.5, None, 3.5, 4.5][: len(left)]}, index=left)
    b = pd.DataFrame({"x": np.arange(len(right)) * 10, "z": np.arange(len(right)) + 0.5}, index=right)
    return a, b


def _assigned(a, b):
    a = a.copy()
    a["new"] = b.x
    a["other"] = b.z + b.x
    return a


def _updated(a, b):
    a = a.copy()
    a.update(b)
    return a


OPERATIONS = {
    "arithmetic": lambda a, b: a.x + b.x * a.y,
    "twice": lambda a, b: (a.x + b.x) - a.y,
    "frames": lambda a, b: a + b,
    "fill_value": lambda a, b: a.y.add(b.x, fill_value=100),
    "axis": lambda a, b: a.mul(b.x, axis=0),
    "comparison": lambda a, b: a.x >= b.x,
    "method": lambda a, b: a.x.lt(b.x),
    "logical": lambda a, b: (a.x > 0) | (b.x > 0),
    "selection": lambda a, b: a[b.z > 1],
    "selection by comparison": lambda a, b: a[a.x <= b.x],
    "assignment": _assigned,
    "assign": lambda a, b: a.assign(new=b.z).assign(more=lambda d: d.new + b.x + a.x),
    "where": lambda a, b: a.y.where(a.x > 0, b.z),
    "mask": lambda a, b: a.y.mask(b.x > 5, -1.0),
    "fillna": lambda a, b: a.y.fillna(b.z),
    "frames where": lambda a, b: a.astype(float).where(a > 0, b),
    "combine_first": lambda a, b: a.y.combine_first(b.z),
    "frames combine_first": lambda a, b: a.combine_first(b)[["x", "y", "z"]],
    "align": lambda a, b: a.x.align(b.x)[1],
    "align left": lambda a, b: a.x.align(b.z, join="left")[1],
    "align right": lambda a, b: a.y.align(b.x, join="right")[0],
    "align inner": lambda a, b: a.x.align(b.x, join="inner")[0],
    "align filled": lambda a, b: a.y.align(b.z, fill_value=9.0)[0],
    "frames align": lambda a, b: a.align(b, join="inner", axis=0)[1],
    "concat": lambda a, b: _concat(a, b.rename(columns={"x": "w"})),
    "concat inner": lambda a, b: _concat(a.x, b.z, join="inner"),
    "update": _updated,
    "maximum": lambda a, b: np.maximum(a.y, b.z),
    "corr": lambda a, b: a.x.corr(b.x),
}
#: What pandas returns is not defined by its documents, or is an error only in some versions.
SKIPPED = {
    ("selection", "duplicates on the right"),
    ("update", "duplicates on both"),
    # The union with an empty index is not sorted.
    ("combine_first", "empty"),
    ("frames combine_first", "empty"),
    # Equal duplicate labels are an error in pandas although their rows match.
    ("update", "equal duplicates"),
    ("concat inner", "equal duplicates"),
    # Joins to the left of duplicate labels repeat rows in pandas; here they are refused.
    ("align left", "duplicates on the right"),
    ("align left", "duplicates on both"),
    ("align right", "duplicates on the left"),
    ("align right", "duplicates on both"),
}


def _concat(*parts, **arguments):
    module = pd if isinstance(parts[0], (pd.DataFrame, pd.Series)) else dd
    return module.concat(parts, axis=1, **arguments)


#: Kinds of indexes for which all operations are tested, and operations that are tested for all kinds.
THOROUGH = ("not sorted", "duplicates on both")
ESSENTIAL = ("arithmetic", "comparison", "logical", "selection", "assignment", "concat")


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for kind in KINDS for name in OPERATIONS if kind in THOROUGH or name in ESSENTIAL],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_operations(name, kind):
    """Results, their order and their index are those of pandas, and so are errors."""
    if (name, kind) in SKIPPED:
        pytest.skip("not defined by pandas")
    frames = _frames(kind)
    ours = [dd.from_pandas(frame, npartitions=2, sort=False) for frame in frames]
    operation = OPERATIONS[name]
    try:
        expected = operation(*frames)
    except (ValueError, pd.errors.IndexingError, pd.errors.InvalidIndexError, IndexError, TypeError):
        with pytest.raises((ValueError, TypeError)):
            operation(*ours).compute()
        return
    same(operation(*ours).compute(), expected)


def _three():
    """Return three frames with known unique labels."""
    parts = [pd.DataFrame({"x": [1, 2, 3], "y": [4, 5, 6]}, index=index) for index in ([0, 1, 2], [1, 2, 3], [2, 3, 4])]
    return parts, [dd.from_pandas(part, npartitions=2) for part in parts]


def _joins(plan):
    return sum(isinstance(node, Join) for node in postorder([plan._full_relation()]))


CHAINS = {
    "the same rows": (lambda a, b, c: (a.x + a.y) * a.y, 0),
    "one pair": (lambda a, b, c: (a.x + b.x) * (b.y - a.y), 1),
    "a chain": (lambda a, b, c: a.x + b.x + c.x + a.y + b.y, 2),
    "the other side": (lambda a, b, c: a.y - (a.x + b.x), 1),
    "assignments": (lambda a, b, c: a.assign(u=b.x).assign(v=b.y, w=lambda d: d.u + a.x).assign(z=c.x), 2),
    "a selection": (lambda a, b, c: a.assign(u=a[a.x > 1].y), 0),
    "a selection and a sum": (lambda a, b, c: a.x + a[a.x > 1].y, 0),
    "a window": (lambda a, b, c: (a.x + b.x) - b.y.cumsum(), 1),
    "conditions": (lambda a, b, c: a.assign(u=b.x / 2)[a.x > 1].u, 1),
}


@pytest.mark.parametrize("name", CHAINS)
def test_pairs_are_joined_once(name):
    """Expressions over the same frames share a join."""
    parts, frames = _three()
    operation, joins = CHAINS[name]
    plan = operation(*frames)
    assert _joins(plan) == joins
    same(plan.compute(), operation(*parts))


def test_rows_in_another_order():
    """Columns of one frame in different orders are matched without a join."""
    pdf = pd.DataFrame({"x": [3, 1, 2], "y": [1, 2, 3]})
    ddf = dd.from_pandas(pdf, npartitions=2)
    ddf["rank"] = ddf.sort_values("x").y.cumsum()
    pdf["rank"] = pdf.sort_values("x").y.cumsum()
    assert _joins(ddf) == 0
    same(ddf.compute(), pdf)
    total = ddf.sort_values("x").x + ddf.y
    assert _joins(total) == 0
    same(total.compute(), pdf.sort_values("x").x + pdf.y)


def test_numbered_rows():
    """Without an index, rows are matched by their numbers."""
    parts = [pd.DataFrame({"x": [3, 1, 2]}), pd.DataFrame({"x": [10, 20]})]
    a, b = (dd.from_pandas(part, npartitions=2).sort_values("x").reset_index(drop=True) for part in parts)
    c, d = (part.sort_values("x").reset_index(drop=True) for part in parts)
    same((a.x + b.x).compute(), c.x + d.x)
    with pytest.raises(NotImplementedError, match="reset_index"):
        (a[a.x > 1].x + b.x).compute()


def test_rows_without_an_order(tmp_path):
    """Rows of files are not matched by their numbers, which are unknown."""
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "a.parquet", index=False)
    a, b = (dd.read_parquet(str(tmp_path / "a.parquet")) for _ in range(2))
    with pytest.raises(NotImplementedError, match="order of this frame is undefined"):
        a.x + b.x
    a["y"] = a[a.x > 1].x
    assert a.y.sum().compute() == 2


def test_unlike_labels():
    """Labels of different sorts are not matched."""
    a, b = (dd.from_pandas(pd.Series([1], index=index), npartitions=1) for index in ([0], ["a"]))
    with pytest.raises(TypeError, match="index of numbers with one of strings"):
        a + b


def test_overflow_is_an_error():
    """Where labels may be missing, pandas computes with floats if they are; integers do not wrap around."""
    a, b = (dd.from_pandas(pd.Series([100, 1], index=index, dtype="int8"), npartitions=1) for index in ([0, 1], [0, 2]))
    with pytest.raises((OverflowError, ValueError, ArithmeticError)):
        (a + b).compute()


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_concat_of_several(join):
    """Columns of several frames and columns are side by side, in the order of the first frame."""
    parts = [
        pd.DataFrame({"x": [1, 2]}, index=[5, 1]),
        pd.Series([1.5, 2.5, 3.5], index=[1, 0, 5]),
        pd.Series([7], index=[1], name="s"),
    ]
    frames = [dd.from_pandas(part, npartitions=2, sort=False) for part in parts]
    same(dd.concat(frames, axis=1, join=join).compute(), pd.concat(parts, axis=1, join=join))
    same(dd.concat([frames[0], frames[0]], axis=1).compute(), pd.concat([parts[0], parts[0]], axis=1))
