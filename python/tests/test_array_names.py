"""Names of arrays: what the user says, and never which array is meant."""

import threading

import numpy as np
import pytest

import partita
import partita.array as da
from partita import config, delayed


@pytest.fixture(autouse=True)
def synchronous():
    with config.set(scheduler="synchronous"):
        yield


def mapped(function, **name):
    return da.arange(6, chunks=3).map_blocks(function, dtype="i8", **name)


def by_blockwise(function):
    return da.blockwise(function, "i", da.arange(6, chunks=3), "i", dtype="i8", name="given")


def by_from_array(function):
    return da.from_array(function(np.arange(6)), chunks=3, name="given")


class Source:
    """Data that is read in blocks."""

    shape, dtype, ndim = (6,), np.dtype("i8"), 1

    def __init__(self, function):
        self.values = function(np.arange(6))

    def __getitem__(self, index):
        return self.values[index]


MAKERS = {
    "map_blocks": lambda function: mapped(function, name="given"),
    "blockwise": by_blockwise,
    "elemwise": lambda function: da.elemwise(function, da.arange(6, chunks=3), dtype="i8", name="given"),
    "from_array": by_from_array,
    "source": lambda function: da.from_array(Source(function), chunks=3, name="given"),
    "from_delayed": lambda function: da.from_delayed(delayed(function)(np.arange(6)), (6,), dtype="i8", name="given"),
}


def one(block):
    return block + 1


def other(block):
    return block * 100


@pytest.mark.parametrize("name", MAKERS)
def test_arrays_of_one_name_are_computed_apart(name):
    a, b = MAKERS[name](one), MAKERS[name](other)
    assert a.name == b.name == "given"
    expected = one(np.arange(6)), other(np.arange(6))
    np.testing.assert_array_equal((a + b).compute(), expected[0] + expected[1])
    np.testing.assert_array_equal((a * 2 + b * 2).compute(), 2 * (expected[0] + expected[1]))
    found = partita.compute(a, b)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    kept = partita.persist(a, b)
    assert [array.name for array in kept] == ["given", "given"]
    np.testing.assert_array_equal((kept[0] + kept[1]).compute(), expected[0] + expected[1])
    np.testing.assert_array_equal(kept[1][2:4].compute(), expected[1][2:4])


def test_filled_arrays_of_one_name_are_computed_apart():
    a, b = da.full(4, 1, chunks=2, name="given"), da.full(4, 2, chunks=2, name="given")
    np.testing.assert_array_equal((a + b).compute(), np.full(4, 3))


@pytest.mark.filterwarnings("ignore:The token= keyword")
def test_a_token_is_the_beginning_of_a_name():
    a, b = mapped(one, token="given"), mapped(other, token="given")
    assert a.name.startswith("given-")
    assert a.name != b.name
    assert a.name == mapped(one, token="given").name
    np.testing.assert_array_equal((a + b).compute(), one(np.arange(6)) + other(np.arange(6)))


def test_arrays_of_one_name_are_stored_apart():
    a, b = MAKERS["from_array"](one), MAKERS["from_array"](other)
    targets = np.zeros(6), np.zeros(6)
    da.store([a, b], list(targets))
    np.testing.assert_array_equal(targets[0], one(np.arange(6)))
    np.testing.assert_array_equal(targets[1], other(np.arange(6)))


class Lock:
    """A lock that is not a context manager."""

    def __init__(self):
        self.inner = threading.Lock()
        self.count = 0

    def acquire(self):
        self.count += 1
        return self.inner.acquire()

    def release(self):
        self.inner.release()


class Broken:
    """A target that cannot be written."""

    shape = (6,)

    def __setitem__(self, index, value):
        raise RuntimeError("broken")


def test_locks_need_only_acquire_and_release():
    lock, target = Lock(), np.zeros(6)
    da.store(da.arange(6, chunks=2), target, lock=lock)
    np.testing.assert_array_equal(target, np.arange(6))
    assert lock.count == 3
    with pytest.raises(RuntimeError, match="broken"):
        da.store(da.arange(6, chunks=2), Broken(), lock=lock)
    assert not lock.inner.locked()
