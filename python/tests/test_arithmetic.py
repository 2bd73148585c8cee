"""Arithmetic at the limits of types: values and types equal those of pandas, or an error is raised."""

import itertools
import operator
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")


def limits(dtype):
    """Return values of a type near its limits and near zero."""
    info = np.iinfo(dtype)
    near = {info.min, info.min + 1, info.max - 1, info.max, info.max // 2}
    return sorted(near | {v for v in (-7, -2, -1, 0, 1, 2, 3, 7) if v >= info.min})


def pairs(dtype):
    """Return all pairs of these values as a frame."""
    found = list(itertools.product(limits(dtype), limits(dtype)))
    return pd.DataFrame({"x": [x for x, _ in found], "y": [y for _, y in found]}).astype(dtype)


def all_of(frame, nullable=False):
    """Return the results of all operators for which pandas returns integers."""
    made = {name: getattr(frame.x, name)(frame.y) for name in ("add", "sub", "mul", "truediv")}
    divisor = frame.y if nullable else frame.y.where(frame.y != 0, 1)
    made |= {name: getattr(frame.x, name)(divisor) for name in ("floordiv", "mod")}
    made["pow"] = frame.x ** frame.y.where((frame.y > 0) & (frame.y < 70), 3)
    return frame.assign(**made)


@pytest.fixture(autouse=True)
def quiet():
    """Suppress NumPy's overflow warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("dtype", WHOLE)
def test_columns_near_their_limits(dtype):
    """Results near the limits of a type wrap around as in NumPy."""
    frame = pairs(dtype)
    assert_frame_equal(all_of(dd.from_pandas(frame, npartitions=2)).compute(), all_of(frame), rtol=1e-15)


@pytest.mark.parametrize("dtype", [name.replace("i", "I").replace("u", "U") for name in WHOLE])
def test_nullable_columns_near_their_limits(dtype):
    """Nullable integers also wrap around; division by zero is 0, and powers of a missing value may be 1."""
    frame = pairs(dtype.lower()).astype(dtype)
    frame.loc[::7, "x"] = pd.NA
    frame.loc[::5, "y"] = pd.NA
    frame.y = frame.y.fillna(0) if dtype.startswith("U") else frame.y
    loaded = dd.from_pandas(frame, npartitions=2)
    assert_frame_equal(all_of(loaded, True).compute(), all_of(frame, True), rtol=1e-15)
    assert_series_equal((loaded.x**0).compute(), frame.x**0)


@pytest.mark.parametrize("dtype", WHOLE)
def test_values_beside_columns(dtype):
    """A Python or NumPy value takes the column's type, on either side of an operator."""
    frame = pd.DataFrame({"x": limits(dtype)}).astype(dtype)
    frame["y"] = frame.x.where(frame.x != 0, 5)
    loaded = dd.from_pandas(frame, npartitions=2)
    for value in (*limits(dtype)[:2], *limits(dtype)[-2:], 2, np.int8(3), True):

        def beside(d, value=value):
            made = {name: getattr(d.x, name)(value) for name in ("add", "sub", "mul", "truediv")}
            made |= {f"r{name}": getattr(d.y, f"r{name}")(value) for name in OPERATORS if name != "pow"}
            made |= {name: getattr(d.x, name)(value) for name in ("floordiv", "mod") if value != 0}
            if 0 <= value < 2**63:
                made["pow"] = d.x**value
            return d.assign(**made)

        assert_frame_equal(beside(loaded).compute(), beside(frame), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "Int8"])
def test_values_that_do_not_fit(dtype):
    """A value out of the range of the type raises an error in arithmetic, as in NumPy, and is never equal."""
    frame = pd.DataFrame({"x": [1, 2]}, dtype=dtype)
    loaded = dd.from_pandas(frame, npartitions=1)
    for value in (2**64, -(2**63) - 1, 1000, -1):
        for name in ("add", "floordiv", "mod", "mul"):
            try:
                expected = getattr(frame.x, name)(value)
            except OverflowError:
                with pytest.raises(OverflowError):
                    getattr(loaded.x, name)(value)
            else:
                assert_series_equal(getattr(loaded.x, name)(value).compute(), expected)


@pytest.mark.parametrize("kind", [*WHOLE, "float32", "float64", "bool"])
def test_result_types(kind):
    """Result types equal those of NumPy, for all pairs of types."""
    kinds = [*WHOLE, "float32", "float64", "bool"]
    frame = pd.DataFrame({name: np.array([1, 1], dtype=name) for name in kinds})
    wanted = [pair for pair in itertools.product(OPERATORS, kinds) if pair != ("sub", "bool") or kind != "bool"]

    def made(d):
        return d.assign(**{f"{name} {other}": getattr(d[kind], name)(d[other]) for name, other in wanted})

    assert_frame_equal(made(dd.from_pandas(frame, npartitions=1)).compute(), made(frame))


def test_divisors_of_zero():
    """Division by a literal zero gives floats; division by a zero in an integer column raises an error."""
    frame = pd.DataFrame({"x": [7, -7, 0], "y": [0, 0, 2], "z": [0, 1, 0]})
    loaded = dd.from_pandas(frame, npartitions=2)
    for of in (
        lambda d: d.x // 0,
        lambda d: d.x % 0,
        lambda d: d.x % d.y,
        lambda d: 0 % d.z,
        lambda d: d.x / d.y,
        lambda d: d.x.astype("float64") // d.y,
        lambda d: d.x // d.y.astype("float64"),
        lambda d: d.x.astype("int8") // 0,
    ):
        assert_series_equal(of(loaded).compute(), of(frame))
    with pytest.raises(Exception, match=r"integer division by zero.*astype"):
        (loaded.x // loaded.y).compute()


def test_negative_powers():
    """Negative powers of integers raise NumPy's error, immediately if the exponent is a literal."""
    frame = pd.DataFrame({"x": [1, 2], "y": [1, -1]})
    loaded = dd.from_pandas(frame, npartitions=1)
    words = "Integers to negative integer powers are not allowed"
    for of in (lambda d: d.x**-1, lambda d: d.x.astype("Int64") ** -2, lambda d: d.x.astype("int8") ** -1):
        with pytest.raises(ValueError, match=words):
            of(frame)
        with pytest.raises(ValueError, match=words):
            of(loaded)
    for of in (lambda d: d.x**d.y, lambda d: 2**d.y):
        with pytest.raises(Exception, match=words):
            of(loaded).compute()
    assert_series_equal((loaded.x.astype("float64") ** -1).compute(), frame.x.astype("float64") ** -1)


FLOATS = [0.0, -0.0, 1.0, -1.0, 2.5, -7.5, 0.3, 1e300, -1e-300, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats(dtype):
    """Floor division, remainder and power of all pairs of floats."""
    found = list(itertools.product(FLOATS, FLOATS))
    frame = pd.DataFrame({"x": [x for x, _ in found], "y": [y for _, y in found]}).astype(dtype)
    loaded = dd.from_pandas(frame, npartitions=2)

    def made(d):
        return d.assign(**{name: getattr(d.x, name)(d.y) for name in ("truediv", "floordiv", "mod", "pow")})

    assert_frame_equal(made(loaded).compute(), made(frame), rtol=1e-6)


def test_arrow_columns():
    """Overflow in columns of ArrowDtype raises an error, as in pandas."""
    frame = pd.DataFrame({"x": [2**63 - 1, 5], "y": [2, 3]}, dtype="int64[pyarrow]")
    loaded = dd.from_pandas(frame, npartitions=1)
    for of in (
        lambda d: d.x + 1,
        lambda d: d.x * d.y,
        lambda d: d.x**2,
        lambda d: d.x // 0,
        lambda d: d.y // (d.y - 2),
    ):
        with pytest.raises(Exception, match=r"overflow|divide by zero"):
            of(frame)
        with pytest.raises(Exception, match=r"(?i)overflow|division by zero"):
            of(loaded).compute()
    for of in (lambda d: d.x - 1, lambda d: d.x // d.y, lambda d: d.y**2, lambda d: d.y / 2):
        assert_series_equal(of(loaded).compute(), of(frame))


NAMES = {"//": operator.floordiv, "%": operator.mod, "**": operator.pow, "+": operator.add, "-": operator.sub}


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "float32", "float64"])
def test_single_values(dtype):
    """Arithmetic on reductions follows NumPy's scalars: integers remain integers."""
    frame = pd.DataFrame({"a": [3, 4], "b": [1, 2]}, dtype=dtype)
    loaded = dd.from_pandas(frame, npartitions=2)
    for of in (
        lambda d: d.a.sum() // 2,
        lambda d: d.a.sum() % 4,
        lambda d: d.a.sum() ** 2,
        lambda d: 50 // d.a.max(),
        lambda d: d.a.max() + 1,
        lambda d: d.a.mean() // 2,
        lambda d: d.a.sum() / 0,
        lambda d: d.a.sum() // d.b.sum(),
        lambda d: d.a.count() // 2,
        lambda d: (d.a.sum() - d.b.sum()) // 2 > 1,
        lambda d: d.a.min() // 2.5,
        lambda d: d.a.sum() // 0,
        lambda d: d.a - d.a.min(),
        lambda d: d.a // d.b.max(),
        lambda d: d.a // (d.b.max() - 1),
    ):
        got, expected = of(loaded).compute(), of(frame)
        if isinstance(expected, pd.Series):
            assert_series_equal(got, expected)
        else:
            assert np.asarray(got).dtype == np.asarray(expected).dtype
            assert got == expected or (np.isnan(got) and np.isnan(expected))
    if dtype.startswith("int"):
        with pytest.raises(ValueError, match="negative integer powers"):
            loaded.a.sum() ** -1


@st.composite
def near_limits(draw):
    """Draw values of a type, mostly near its limits, an operator, and nonzero operands."""
    dtype = draw(st.sampled_from(WHOLE))
    info = np.iinfo(dtype)
    one = st.one_of(
        st.integers(info.min, info.max),
        st.integers(info.max - 3, info.max),
        st.integers(info.min, info.min + 3),
        st.integers(max(-3, info.min), 3),
    )
    name = draw(st.sampled_from(list(NAMES)))
    values = draw(st.lists(st.tuples(one, one.filter(bool)), min_size=1, max_size=12))
    frame = pd.DataFrame({"x": [x for x, _ in values], "y": [y for _, y in values]}).astype(dtype)
    if name == "**":
        frame["y"] = (frame.y.astype("object").map(abs) % 100).astype(dtype)
    return name, frame


@settings(max_examples=60, deadline=None)
@given(near_limits())
def test_against_python_integers(example):
    """Results in the range of the type equal those of Python integers; all results equal those of pandas."""
    name, frame = example
    loaded = dd.from_pandas(frame, npartitions=1)
    got = NAMES[name](loaded.x, loaded.y).compute()
    assert_series_equal(got, NAMES[name](frame.x, frame.y))
    info = np.iinfo(frame.x.dtype)
    for x, y, found in zip(frame.x.tolist(), frame.y.tolist(), got.tolist()):
        exact = NAMES[name](x, y)
        if info.min <= exact <= info.max:
            assert found == exact, (x, name, y)
