"""Operations of a lazy frame or column with objects of pandas, and of columns of unlike types."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import array as da
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"a": [1, 2, 3, 4], "b": [4.0, None, 6.0, 7.0], "s": list("wxyz")})
NUMBERS = FRAME[["a", "b"]]
OTHER = pd.DataFrame({"a": [9, 8, 7], "b": [1.0, 2.0, 3.0]}, index=[2, 3, 4])
CONDITIONS = pd.DataFrame({"a": [True, False, True, False], "b": [False, True, True, True]})
TURNED = pd.Series([5, 6, 7, 8], index=[3, 2, 1, 0])

OPERANDS = {
    "where": lambda d: d.where(CONDITIONS),
    "where by a series": lambda d: d.where(CONDITIONS.a, -d),
    "mask": lambda d: d.mask(CONDITIONS, OTHER),
    "mask by other rows": lambda d: d.mask(OTHER > 2, OTHER),
    "combine_first": lambda d: d.combine_first(OTHER),
    "combine_first of columns": lambda d: d.b.combine_first(OTHER.b),
    "combine": lambda d: d.combine(OTHER, np.minimum),
    "combine of columns": lambda d: d.b.combine(OTHER.b, max),
    "align": lambda d: d.align(OTHER)[0],
    "align of columns": lambda d: d.a.align(OTHER.a)[1],
    "rows of a series": lambda d: d.add(OTHER.a, axis=0),
    "entries of a series": lambda d: d * pd.Series([2, 3], index=["b", "a"]),
    "entries of other labels": lambda d: d + pd.Series([2, 3], index=["a", "c"]),
    "entries for some columns": lambda d: d.sub(pd.Series({"b": 2}), axis="columns"),
    "powers of columns without values": lambda d: d ** OTHER.rename(columns={"b": "c"}),
    "powers of entries without values": lambda d: d.pow(pd.Series({"b": 2})),
    "dot": lambda d: d.a.dot(TURNED),
    "dot of a frame": lambda d: d.a.dot(NUMBERS),
}
ARRAY = NUMBERS.to_numpy() + 1
MASK = np.array([True, False, True, True])
ARRAYS = {
    "a value for each row": lambda d: d.add([1, 2, 3, 4], axis=0),
    "with fill_value": lambda d: d.add(ARRAY, fill_value=1),
    "a condition": lambda d: d.where(ARRAY > 3),
    "a condition of a column": lambda d: d.a.where(MASK, np.arange(4)),
    "logical": lambda d: (d > 2) & (ARRAY > 3),
    "a function": lambda d: np.fmax(d, ARRAY),
    "a selection": lambda d: d[MASK],
    "a selection by a list": lambda d: d.a[MASK.tolist()],
}


@pytest.mark.parametrize("name", OPERANDS)
def test_operands_of_pandas(name):
    """Objects of pandas are operands like lazy ones."""
    same(computed(OPERANDS[name](dd.from_pandas(NUMBERS, npartitions=2))), OPERANDS[name](NUMBERS))


@pytest.mark.parametrize("name", ARRAYS)
def test_operands_that_are_arrays(name):
    """Arrays are operands, conditions and selections, as in pandas."""
    same(ARRAYS[name](dd.from_pandas(NUMBERS, npartitions=2)).compute(), ARRAYS[name](NUMBERS))


def test_lazy_arrays():
    """A lazy array with two axes is an operand, whether the sizes of its chunks are known or not."""
    ddf = dd.from_pandas(NUMBERS, npartitions=2)
    same((ddf + (ddf.values + 1)).compute(), NUMBERS + ARRAY)
    same((ddf[["b", "a"]] - da.from_array(ARRAY, chunks=3)).compute(), NUMBERS[["b", "a"]] - ARRAY)


def test_update_takes_pandas():
    """Values are replaced in place by those of a pandas object."""
    expected, ddf = NUMBERS.copy(), dd.from_pandas(NUMBERS, npartitions=2)
    expected.update(OTHER.astype({"a": "int64"}))
    ddf.update(OTHER)
    same(ddf.compute(), expected)


REFUSED = {
    "duplicate entries": lambda d: d + pd.Series([1, 2], index=["a", "a"]),
    "too many entries": lambda d: d + np.arange(4),
    "too many columns": lambda d: d + np.ones((4, 3)),
    "too few rows": lambda d: d + ARRAY[:3],
    "a condition of another shape": lambda d: d.where(MASK),
    "a column along the columns": lambda d: d.add(d.a, axis=1),
    "dot of other labels": lambda d: d.a.dot(OTHER.a),
    "dot of fewer labels": lambda d: d.a.dot(dd.from_pandas(TURNED[TURNED > 5], npartitions=1)),
    "dot of more labels": lambda d: d.a[d.a > 2].dot(TURNED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_do_not_match(name):
    """Labels that have no counterpart are an error where pandas has one."""
    with pytest.raises(ValueError):
        computed(REFUSED[name](dd.from_pandas(NUMBERS, npartitions=2)))


def test_lists_are_refused():
    """A list of values is not a column; an array is."""
    ddf = dd.from_pandas(FRAME, npartitions=2)
    with pytest.raises(TypeError, match=r"list.*an array with one axis"):
        ddf.assign(c=[1, 2, 3, 4])
    same(ddf.assign(c=np.arange(4)).compute(), FRAME.assign(c=np.arange(4)))


LOGIC = pd.DataFrame({"i": [0, 1, 2, 3], "q": [True, False, True, False]}).assign(
    u=lambda d: d.i.astype("uint8"), n=pd.array([1, None, 2, 0], "Int64"), m=lambda d: d.q.astype("boolean")
)
LOGICAL = {
    "integers and True": lambda d: d.i & True,
    "integers or False": lambda d: d.i | False,
    "True and integers": lambda d: True & d.i,
    "booleans and 2": lambda d: d.q & 2,
    "3 xor booleans": lambda d: 3 ^ d.q,
    "integers and booleans": lambda d: d.i & d.q,
    "booleans xor integers": lambda d: d.q ^ d.i,
    "bytes or booleans": lambda d: d.u | d.q,
    "nullable integers and True": lambda d: d.n & True,
    "nullable integers or booleans": lambda d: d.n | d.q,
    "booleans and nullable integers": lambda d: d.q & d.n,
    "nullable booleans and integers": lambda d: d.m & d.i,
    "a frame and True": lambda d: d[["i", "q"]] & True,
}


@pytest.mark.parametrize("name", LOGICAL)
def test_booleans_and_integers(name):
    """A logical operator of booleans and integers gives booleans: the truth of the bits."""
    same(LOGICAL[name](dd.from_pandas(LOGIC, npartitions=2)).compute(), LOGICAL[name](LOGIC))


SUMS = {
    "a column": lambda d: d.s.sum(),
    "a missing value": lambda d: d.s.where(d.a > 1).sum(),
    "a missing value that counts": lambda d: d.s.where(d.a > 1).sum(skipna=False),
    "too few": lambda d: d.s.sum(min_count=5),
    "no rows": lambda d: d.s[d.a > 9].sum(),
    "in another order": lambda d: d.sort_values("a", ascending=False).s.sum(),
    "nullable": lambda d: d.s.astype("string").sum(),
    "a frame": lambda d: d.sum(),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_strings(name):
    """The sum of strings is their concatenation in the order of the rows."""
    same(computed(SUMS[name](dd.from_pandas(FRAME, npartitions=2))), SUMS[name](FRAME))


def test_sums_of_strings_need_an_order(tmp_path):
    """Rows without an order have no concatenation."""
    FRAME.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(NotImplementedError, match="use sort_values"):
        dd.read_parquet(str(tmp_path)).s.sum()
