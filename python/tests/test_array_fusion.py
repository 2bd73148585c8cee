"""Random programs of arrays against NumPy: fusion, sharing and lowering."""

import random

import numpy as np
import pytest

import partita
import partita.array as da
from partita import config
from partita.array._fusion import group_nodes
from partita.array._lowering import lower


@pytest.fixture(autouse=True)
def synchronous():
    with config.set(scheduler="synchronous"):
        yield


def chunks_of(shape, source):
    found = []
    for size in shape:
        parts = []
        while size:
            parts.append(source.randint(1, size))
            size -= parts[-1]
        found.append(tuple(parts) or (0,))
    return tuple(found)


def step(source, a, d):
    """Return the results of a random operation on an array and on one in chunks."""
    axis = source.randrange(a.ndim)
    part = source.choice([slice(1, None), slice(None, None, -1), slice(0, None, 2)])
    operations = [
        lambda: (a * 2 - 1, d * 2 - 1),
        lambda: (a + a[::-1], d + d[::-1]),
        lambda: (a.T, d.T),
        lambda: (a[part], d[part]),
        lambda: (a.sum(axis=axis, keepdims=True), d.sum(axis=axis, keepdims=True, split_every=2)),
        lambda: (a - a.min(), d - d.min()),
        lambda: (a.cumsum(axis=axis), d.cumsum(axis=axis)),
        lambda: (a.reshape(-1), d.reshape(-1)),
        lambda: (a, d.rechunk(chunks_of(a.shape, source))),
        lambda: (np.concatenate([a, a + 1], axis=axis), da.concatenate([d, d + 1], axis=axis)),
        lambda: (np.where(a > 0, a, 3), da.where(d > 0, d, 3)),
        lambda: (np.roll(a, 2), da.roll(d, 2)),
        lambda: (a[..., None], d[..., None]),
    ]
    return source.choice(operations)()


MATRICES = {
    "x @ x.T": lambda a: a @ a.T,
    "x.T @ x": lambda a: a.T @ a,
    "dot": lambda a: a.dot(a.T),
    "part": lambda a: (a @ a.T)[1:7:2, 2:],
    "two": lambda a: a.T @ (a * 2),
    "in an expression": lambda a: (a @ a.T).sum(axis=0) + 1,
    "squared": lambda a: (a.T @ a) @ (a.T @ a),
}


@pytest.mark.parametrize("chunks", [3, (5, 2), (9, 7), ((2, 7), (4, 2, 1))])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16"])
@pytest.mark.parametrize("name", MATRICES)
def test_products_with_transposes(name, dtype, chunks):
    a = (np.arange(63).reshape(9, 7) % 11 - 4).astype(dtype) * (1j if dtype == "c16" else 1)
    expected, found = MATRICES[name](a), MATRICES[name](da.from_array(a, chunks=chunks)).compute()
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_half_of_a_product_with_its_own_transpose_is_computed():
    """Blocks below the diagonal are those above it, transposed; the transpose of the array is not made."""
    x = da.ones((8, 8), chunks=2).persist()
    functions = [task.function for task in lower([(x @ x.T)._node])[(x @ x.T).name]]
    assert sum(function is np.transpose for function in functions) == 6
    assert len(group_nodes([(x @ x.T)._node])) == 2


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed):
    source = random.Random(seed)
    shape = tuple(source.randint(1, 6) for _ in range(source.randint(1, 3)))
    a = np.array([source.randint(-5, 5) for _ in range(int(np.prod(shape)))]).reshape(shape)
    pool = [(a, da.from_array(a, chunks=chunks_of(shape, source)))]
    for _ in range(6):
        found = step(source, *source.choice(pool))
        if 0 < found[0].size < 2000 and found[0].ndim < 5:
            pool.append(found)
    # Computed together, so that they share their tasks.
    for result, (expected, lazy) in zip(partita.compute(*[d for _, d in pool]), pool):
        assert lazy.shape == expected.shape and lazy.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)


def sizes(*arrays):
    """Return the number of operations in each kind of task."""
    groups = group_nodes([one._node for one in arrays])
    return sorted(len(group.members) for group in groups if len(group.members) > 1)


def test_chains_are_one_task():
    x = da.from_array(np.arange(8.0), chunks=4)
    assert sizes(((x + 1) * 2).sum()) == [3]
    assert sizes((x + 1) * (x - 1)) == [3]


def test_creation_is_repeated_and_other_work_is_not():
    x = da.ones((4, 4), chunks=2)
    assert len(group_nodes([(x + x.T)._node])) == 1
    y = da.from_array(np.ones((4, 4)), chunks=2) + 1
    # Each block of y is needed at two positions.
    assert len(group_nodes([(y + y.T)._node])) == 3


def test_wanted_results_are_computed_once():
    calls = []

    def note(block):
        calls.append(1)
        return block

    x = da.from_array(np.arange(4), chunks=2).map_blocks(note, dtype="i8")
    partita.compute(x.sum(), x.max(), x)
    assert len(calls) == 2
