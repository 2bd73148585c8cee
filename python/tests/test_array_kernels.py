"""Kernels of workers beside NumPy: here a call with kernels that a worker cannot run is an error."""

import numpy as np
import pytest

import partita.array as da
from partita import config
from partita._tasks import Task, find_inputs
from partita.array._lowering import lower
from partita.distributed import Client

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DTYPES = ["?", "i1", "i4", "i8", "u1", "u2", "u8", "f4", "f8"]
SHAPES = [((7,), (3,)), ((70, 90), (40, 90)), ((5, 6, 7), (2, 3, 7)), ((1, 300), (1, 128))]


@pytest.fixture(scope="module")
def only_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTITA_ARRAY_KERNELS", "only")
        client = Client(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def on_workers(only_kernels):
    with config.set(scheduler=only_kernels):
        yield only_kernels


def items(shape, dtype, seed=0):
    """Return items with the limits of a dtype, NaN, infinities and zeros among them."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f":
        found = rng.normal(size=shape).astype(dtype)
        special = [np.nan, np.inf, -np.inf, 0.0, np.finfo(dtype).max, np.finfo(dtype).tiny]
    else:
        info = np.iinfo(dtype)
        found = rng.integers(max(info.min, -100), min(info.max, 100), shape).astype(dtype)
        special = [info.min, info.max, 0, 1]
    flat = found.reshape(-1)
    places = rng.permutation(flat.size)[: len(special)]
    flat[places] = special[: len(places)]
    return found


def share_with_kernels(*arrays):
    """Return how many of the tasks of arrays have kernels, and how many there are."""
    tasks = [task for blocks in lower([array._node for array in arrays]).values() for task in blocks]
    seen = {}
    while tasks:
        task = tasks.pop()
        if type(task) is Task and id(task) not in seen:
            seen[id(task)] = task
            tasks += find_inputs(task)
    return sum(task.kernels is not None for task in seen.values()), len(seen)


def check(found, expected, all_tasks=True):
    """Assert that an array is computed by kernels, and that it is what NumPy has."""
    have, count = share_with_kernels(found)
    assert have == count if all_tasks else have > 0
    result = found.compute()
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result, expected)


def stored(a, chunks):
    """Return an array whose blocks are on the workers."""
    return da.from_array(a, chunks=chunks).persist()


ONE = [np.negative, np.absolute, np.square, np.sqrt, np.logical_not, np.isnan, np.isinf, np.isfinite]
TWO = [
    *(np.add, np.subtract, np.multiply, np.true_divide, np.minimum, np.maximum),
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_xor),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_on_items_equal_those_of_numpy(on_workers, dtype):
    shape, chunks = SHAPES[1]
    a, b = items(shape, dtype), items(shape, dtype, 1)
    x, y = stored(a, chunks), stored(b, chunks)
    used = 0
    for function in ONE + TWO:
        args, known = ((x, y), (a, b)) if function in TWO else ((x,), (a,))
        try:
            expected = function(*known)
        except TypeError:
            continue
        found = function(*args)
        if share_with_kernels(found)[0]:
            used += 1
            check(found, expected)
    # Not all are for each dtype, such as roots of integers that NumPy computes with another dtype.
    assert used >= (4 if dtype == "?" else 10)


@pytest.mark.parametrize(("shape", "chunks"), SHAPES)
def test_expressions_with_single_values_and_broadcasting(on_workers, shape, chunks):
    a = items(shape, "f4")
    x = stored(a, chunks)
    row = items(shape[-1:], "f8", 2)
    y = stored(row, -1)
    check((x * 2 + 1) ** 2 - x, (a * 2 + 1) ** 2 - a)
    check(x + y, a + row)
    check(da.where(x > 0, x, np.float32(-1.5)), np.where(a > 0, a, np.float32(-1.5)))
    check((x > 0.5) & ~(y == 0), (a > 0.5) & ~(row == 0))
    check(1 / x + x.astype("f8"), 1 / a + a.astype("f8"))


@pytest.mark.parametrize("dtype", [*DTYPES, "c8", "c16"])
def test_moved_items_are_the_same(on_workers, dtype):
    a = items((70, 90), dtype if dtype[0] != "c" else "f8").astype(dtype)
    x = stored(a, (40, 35))
    check(x.T.rechunk((90, 20)), np.ascontiguousarray(a.T))
    check(x[3:60:7, 80], a[3:60:7, 80])
    check(da.concatenate([x, x[:5]], axis=0).rechunk((30, 90)), np.concatenate([a, a[:5]]))
    check(da.roll(x, 3, axis=1), np.roll(a, 3, axis=1))
    check(x.rechunk((7, 90))[::2].T, a[::2].T)


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_in_either_order_are_read(on_workers, order):
    a = np.asarray(items((70, 90), "f8"), order=order)
    x = da.from_array(a, chunks=(35, 90)).map_blocks(lambda block: np.asarray(block, order=order), dtype="f8").persist()
    check(x + x[:, ::-1][:, ::-1].rechunk(x.chunks), a + a, all_tasks=False)
    check(abs(x), abs(a))


@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 2), (1, 2)])
@pytest.mark.parametrize("dtype", ["?", "i4", "u1", "f4", "f8"])
def test_reductions_equal_those_of_numpy(on_workers, dtype, axis):
    a = np.random.default_rng(0).integers(0, 50, (10, 33, 41)).astype(dtype)
    x = stored(a, (4, 20, 41))
    for name in ("sum", "min", "max", "any", "all", "mean", "std"):
        if dtype == "?" and name in ("min", "max"):
            continue
        found, expected = getattr(x, name)(axis=axis), getattr(a, name)(axis=axis)
        if name in ("any", "all") and dtype != "?":
            found, expected = getattr(x > 3, name)(axis=axis), getattr(a > 3, name)(axis=axis)
        assert share_with_kernels(found)[0] > 0, name
        result = found.compute()
        assert result.dtype == expected.dtype, name
        np.testing.assert_allclose(result, expected, rtol=1e-5 if dtype == "f4" else 1e-12, err_msg=name)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_missing_items_are_left_out(on_workers, axis):
    a = np.random.default_rng(0).normal(size=(60, 50))
    a[a > 0.3] = np.nan
    a[:, 7] = np.nan
    x = stored(a, (25, 50))
    for name in ("nanmean", "nanstd", "nanvar"):
        found = getattr(da, name)(x, axis=axis)
        assert share_with_kernels(found)[0] > 0
        np.testing.assert_allclose(found.compute(), getattr(np, name)(a, axis=axis), err_msg=name)
    assert np.isnan(x.max().compute())


def test_sums_are_as_exact_as_those_of_numpy(on_workers):
    a = np.full((1000, 1000), 0.1, dtype="f4")
    x = stored(a, (500, 1000))
    exact = float(a[0, 0]) * a.size
    assert abs(float(x.sum().compute()) - exact) <= 2 * abs(float(a.sum()) - exact) + 1e-6 * exact


def test_deep_expressions_run_in_one_task(on_workers):
    a = items((50, 40), "f8")
    x, expected = stored(a, (25, 40)), a
    found = x
    for _ in range(150):
        found, expected = found * 0.5 + x, expected * 0.5 + a
    check(found, expected)


def test_what_kernels_do_not_know_is_left_to_the_function(client):
    with config.set(scheduler=client):
        empty = stored(np.empty((0, 4)), -1)
        assert (empty + 1).compute().shape == (0, 4)
        masked = da.ma.masked_array(np.arange(6.0), mask=[0, 1] * 3)
        np.testing.assert_array_equal((masked + 1).compute().filled(-1), [1, -1, 3, -1, 5, -1])
        # The function of a user gives other items than it said.
        x = da.ones(4, chunks=2).map_blocks(lambda block: block.astype("i4"), dtype="f8").persist()
        assert (x + 1).compute().dtype == (x + 1).compute(scheduler="synchronous").dtype
        times = stored(np.array(["2026-01-01", "NaT"], dtype="M8[ns]"), 1)
        assert (times > np.datetime64("2025-01-01")).compute().tolist() == [True, False]


@pytest.mark.parametrize("setting", ["off", "auto"])
def test_results_do_not_depend_on_kernels(setting, monkeypatch):
    monkeypatch.setenv("PARTITA_ARRAY_KERNELS", setting)
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client, config.set(scheduler=client):
        a = items((70, 90), "f8")
        x = stored(a, (40, 35))
        np.testing.assert_array_equal((x * 2 - x.T.rechunk((40, 35)).sum()).compute(), a * 2 - a.T.sum())
