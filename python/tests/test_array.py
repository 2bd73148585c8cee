"""Arrays against NumPy: creation, elementwise functions, shape, indexing and assignment over several chunks."""

import operator
import pickle

import numpy as np
import pytest

import partita
import partita.array as da
from partita import config
from partita.array._expression import SMALL_BYTES

CHUNKS = [(4, 6), (2, 3), (3, 4), (1, (2, 4))]
DTYPES = ["i4", "f8", "c16", "bool"]


@pytest.fixture(autouse=True)
def synchronous():
    with config.set(scheduler="synchronous"):
        yield


def same(found, expected):
    value = found.compute() if isinstance(found, da.Array) else found
    if isinstance(found, da.Array):
        assert found.dtype == np.asarray(expected).dtype
        assert found.ndim == np.ndim(expected)
    assert np.asarray(value).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(value, expected)


def table(dtype="i8"):
    return (np.arange(24).reshape(4, 6) % 7).astype(dtype)


@pytest.fixture(params=CHUNKS, ids=str)
def pair(request):
    a = table()
    return a, da.from_array(a, chunks=request.param)


@pytest.mark.parametrize("dtype", DTYPES)
def test_creation(dtype):
    for name in ("ones", "zeros"):
        same(getattr(da, name)((4, 5), chunks=(2, 3), dtype=dtype), getattr(np, name)((4, 5), dtype=dtype))
    same(da.full((4,), 1, chunks=3, dtype=dtype), np.full((4,), 1, dtype=dtype))
    same(da.eye(5, chunks=2, k=1, dtype=dtype), np.eye(5, k=1, dtype=dtype))
    same(da.tri(4, 5, chunks=3, k=-1, dtype=dtype), np.tri(4, 5, k=-1, dtype=dtype))
    a = table(dtype)
    same(da.ones_like(da.from_array(a, chunks=2)), np.ones_like(a))


def test_sequences():
    same(da.arange(2, 20, 3, chunks=4), np.arange(2, 20, 3))
    same(da.linspace(0, 1, 11, chunks=4), np.linspace(0, 1, 11))
    same(da.indices((3, 4), chunks=2), np.indices((3, 4)))
    same(da.fromfunction(lambda i, j: i + j, shape=(3, 4), chunks=2), np.fromfunction(lambda i, j: i + j, (3, 4)))
    for found, expected in zip(da.meshgrid(da.arange(3), da.arange(2)), np.meshgrid(np.arange(3), np.arange(2))):
        same(found, expected)


@pytest.mark.parametrize("k", [-2, 0, 3])
def test_diagonals(pair, k):
    a, d = pair
    same(da.diag(d, k), np.diag(a, k))
    same(da.diagonal(d, k), np.diagonal(a, k))
    same(da.diag(d[0], k), np.diag(a[0], k))
    same(da.tril(d, k), np.tril(a, k))
    same(da.triu(d, k), np.triu(a, k))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["add", "mul", "truediv", "pow", "eq", "ge"])
def test_operators(dtype, name):
    function = getattr(operator, name)
    a, b = table(dtype), table("i4") + 1
    d, e = da.from_array(a, chunks=(3, 4)), da.from_array(b, chunks=(2, 5))
    same(function(d, e), function(a, b))
    same(function(d, e[0]), function(a, b[0]))
    same(function(d, 2), function(a, 2))
    same(function(2, e), function(2, b))


def test_promotion_follows_numpy():
    a = np.ones(4, dtype="f4")
    d = da.from_array(a, chunks=2)
    same(d + 1.5, a + 1.5)
    same(d + np.float64(1.5), a + np.float64(1.5))
    same(d * np.ones(4), a * np.ones(4))
    with pytest.raises(OverflowError):
        da.ones(4, dtype="u1", chunks=2) + 300


def test_ufuncs(pair):
    a, d = pair
    same(np.sin(d), np.sin(a))
    same(da.maximum(d, 3), np.maximum(a, 3))
    same(da.clip(d, 1, 4), np.clip(a, 1, 4))
    same(da.add.outer(d[0], d[1]), np.add.outer(a[0], a[1]))
    for found, expected in zip(da.divmod(d, 4), np.divmod(a, 4)):
        same(found, expected)
    same(da.where(d > 3, d, -1), np.where(a > 3, a, -1))
    out = da.zeros_like(d)
    da.add(d, 1, out=out)
    same(out, a + 1)


@pytest.mark.parametrize("shape", [(24,), (6, 4), (2, 2, 6), (8, 3), (4, 3, 2), (1, 4, 6), (-1, 2)])
def test_reshape(pair, shape):
    a, d = pair
    same(d.reshape(shape), a.reshape(shape))


def test_shape_functions(pair):
    a, d = pair
    same(d.T, a.T)
    same(da.moveaxis(d[None], 0, 2), np.moveaxis(a[None], 0, 2))
    same(da.squeeze(d[None, :, None]), a)
    same(da.expand_dims(d, (0, 2)), np.expand_dims(a, (0, 2)))
    same(da.flip(d, 1), np.flip(a, 1))
    same(da.rot90(d), np.rot90(a))
    same(da.roll(d, (1, -2), (0, 1)), np.roll(a, (1, -2), (0, 1)))
    same(da.roll(d, 5), np.roll(a, 5))
    same(da.broadcast_to(d, (3, 4, 6)), np.broadcast_to(a, (3, 4, 6)))
    same(da.tile(d, (2, 3)), np.tile(a, (2, 3)))
    same(da.repeat(d, 2, axis=1), np.repeat(a, 2, axis=1))


def test_joining(pair):
    a, d = pair
    same(da.concatenate([d, d[:2] + 0.5]), np.concatenate([a, a[:2] + 0.5]))
    same(da.stack([d, d * 2], axis=1), np.stack([a, a * 2], axis=1))
    same(da.block([[d, d], [d, d]]), np.block([[a, a], [a, a]]))
    same(da.hstack([d, d]), np.hstack([a, a]))
    same(da.pad(d, ((1, 2), (0, 3)), mode="reflect"), np.pad(a, ((1, 2), (0, 3)), mode="reflect"))


@pytest.mark.parametrize("chunks", [(1, 1), (4, 3), ((1, 3), (5, 1)), -1, "auto"])
def test_rechunk(pair, chunks):
    a, d = pair
    found = d.rechunk(chunks)
    same(found, a)
    assert found.chunks == da.normalize_chunks(chunks, a.shape, dtype=a.dtype, previous_chunks=d.chunks)


@pytest.mark.parametrize(
    ("shape", "chunks", "limit", "expected"),
    [
        ((100, 1000, 1000), (1, 1000, 1000), 2**20, (1, 362, 362)),
        ((100, 1000, 1000), (10, 1000, 1000), 2**23, (4, 511, 511)),
        ((1000, 0), (1000, 1), 80, (10, 0)),
        ((10,), (5,), 1, (1,)),
    ],
)
def test_smaller_automatic_chunks(shape, chunks, limit, expected):
    """They keep to the limit also if the blocks along an axis cannot shrink, and use what rounding leaves of it."""
    d = da.zeros(shape, chunks=chunks).rechunk("auto", block_size_limit=limit)
    assert d.chunksize == expected


def test_tolerance_of_automatic_chunks():
    """Groups and blocks exceed the size that is wanted by at most this factor."""
    d = da.arange(8, chunks=4)
    with config.set({"array.chunk-size-tolerance": 1}):
        assert d.shuffle([[1, 5, 6], [0, 3], [4, 2, 7]], axis=0).chunks == ((3, 2, 3),)
    assert d.shuffle([[1, 5, 6], [0, 3], [4, 2, 7]], axis=0).chunks == ((5, 3),)


INDICES = [
    (1,),
    (-1, 2),
    (slice(1, 3),),
    (slice(None), slice(5, None, -2)),
    (slice(3, 0, -1), None, slice(1, 6, 2)),
    (Ellipsis, 0),
    ([2, 0, 0],),
    (slice(None), np.array([5, 1, 3, 1])),
    (slice(1, 3), [True, False, True, False, False, True]),
    (0, slice(None, None, 2)),
    (slice(2, 2),),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(pair, index):
    a, d = pair
    same(d[index], a[index])


@pytest.mark.parametrize("index", INDICES[:4] + INDICES[5:10], ids=str)
@pytest.mark.parametrize("value", [-1, "array"])
def test_assignment(pair, index, value):
    a, d = pair
    if None in [one for one in index if not isinstance(one, np.ndarray)]:
        return
    value = np.arange(a[index].size).reshape(a[index].shape) if value == "array" else value
    expected = a.copy()
    expected[index] = value
    before = d.copy()
    d[index] = value
    same(d, expected)
    same(before, a)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("index", "value"),
    [
        ((True,), -1),
        ((False,), -1),
        ((True,), np.arange(6)),
        ((0, True), np.arange(6)),
        ((False, 0), -1),
        ((True, slice(1, 3)), np.arange(12).reshape(1, 2, 6)),
        ((slice(None), 0, True), -1),
        ((np.array(True), True, -1), -1),
    ],
    ids=str,
)
def test_assignment_to_truth_values(pair, index, value, lazy):
    """``True`` in an index selects all, and is not position 1."""
    a, d = pair
    a = a.copy()
    a[index] = value
    index = [da.asarray(one) if lazy and isinstance(one, (bool, np.ndarray)) else one for one in index]
    d[tuple(index)] = value
    same(d, a)


def test_truth_values_between_axes_of_a_value():
    """They are axes of the result, with which the axes of the value would have to be aligned."""
    d = da.zeros((4, 4), chunks=2)
    for index in [(slice(None), True), (True, slice(1, 3), [0, 1])]:
        with pytest.raises(NotImplementedError, match="if it comes first"):
            d[index] = np.arange(2)


def test_masks_and_points(pair):
    a, d = pair
    same(d[d > 3], a[a > 3])
    same(d[d[:, 0] > 0], a[a[:, 0] > 0])
    same(d.vindex[[0, 3, 1], [5, 0, 2]], a[[0, 3, 1], [5, 0, 2]])
    same(d[da.from_array(np.array([3, 0]), chunks=1)], a[[3, 0]])
    masked = d.copy()
    masked[masked > 3] = 0
    same(masked, np.where(a > 3, 0, a))
    unknown = d[d > 3]
    assert np.isnan(unknown.shape[0])
    assert unknown.compute_chunk_sizes().shape == a[a > 3].shape


@pytest.mark.parametrize("index", [(4,), (0, 0, 0), ([9],), ([True],)], ids=str)
def test_index_errors(pair, index):
    with pytest.raises(IndexError):
        pair[1][index]


def test_map_blocks():
    a, d = table(), da.from_array(table(), chunks=(2, 3))
    same(d.map_blocks(np.negative), -a)
    same(
        d.map_blocks(lambda block: block.sum(axis=1, keepdims=True), chunks=((2, 2), (1, 1)), dtype="i8").sum(axis=1),
        a.sum(axis=1),
    )
    numbers = d.map_blocks(lambda block, block_id: np.full(block.shape, 10 * block_id[0] + block_id[1]), dtype="i8")
    same(numbers, np.kron([[0, 1], [10, 11]], np.ones((2, 3), "i8")))
    places = d.map_blocks(lambda block, block_info=None: block * 0 + block_info[0]["array-location"][1][0], dtype="i8")
    same(places, np.kron([[0, 3], [0, 3]], np.ones((2, 3), "i8")))
    with pytest.raises(ValueError, match="dtype"):
        d.map_blocks(lambda block: 1 / 0)


@pytest.mark.parametrize("function", [lambda block: 5, lambda block: np.array(5), lambda block: block[None]])
def test_blocks_of_other_dimensions(function):
    """A number counts as a block without axes."""
    d = da.arange(4, chunks=2).map_blocks(function, dtype="i8", enforce_ndim=True)
    with pytest.raises(Exception, match="Dimension mismatch"):
        d.compute()


def test_block_info_is_that_of_the_mapped_array():
    d = da.arange(6, chunks=2)
    moved = d.map_blocks(lambda block, block_id: block * 0 + block_id[0], dtype="i8")[::-1] + 0
    same(moved, [2, 2, 1, 1, 0, 0])


def test_blockwise():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    d, e = da.from_array(a, chunks=(1, 2)), da.from_array(b, chunks=2)
    found = da.blockwise(lambda x, y: x @ y, "i", d, "ij", e, "j", concatenate=True, dtype="f8")
    same(found, a @ b)
    lists = da.blockwise(lambda x, y: sum(p @ q for p, q in zip(x, y)), "i", d, "ij", e, "j", dtype="f8")
    same(lists, a @ b)


def test_blocks_are_not_made_before_they_are_needed():
    x = da.ones((10**6, 10**6), chunks=1000)
    y = (x + 1)[::2].T.sum(axis=0)
    assert x.npartitions == 10**6
    assert y.shape == (500_000,)


def test_one_task_computes_a_chain():
    x = da.from_array(np.arange(8.0), chunks=4)
    y = ((x + 1) * 2)[1:].sum()
    tasks = list(y.dask.values())
    # One for each block, and one that adds.
    assert len(tasks) == 3
    shared = (x - x.mean()) ** 2
    same(shared, (np.arange(8.0) - 3.5) ** 2)


def test_collections():
    x = da.arange(6, chunks=2)
    total, (first, double) = partita.compute(x.sum(), [x[0], partita.delayed(lambda v: v * 2)(x)])
    assert (total, first, double.tolist()) == (15, 0, [0, 2, 4, 6, 8, 10])
    same(x.persist() + 1, np.arange(1, 7))
    same(pickle.loads(pickle.dumps(x * 2)), np.arange(6) * 2)
    assert partita.is_dask_collection(x)
    assert partita.tokenize(x + 1) == partita.tokenize(da.arange(6, chunks=2) + 1)
    assert "svg" in x._repr_html_()
    assert x.visualize().svg
    delayed = x.to_delayed()
    same(da.concatenate([da.from_delayed(one, (2,), dtype="i8") for one in delayed]), np.arange(6))


def test_items_that_are_objects():
    a = np.array(["x", None, 3], dtype=object)
    same(da.from_array(a, chunks=2)[::-1], a[::-1])
    assert da.from_array(np.array("word", dtype=object)).compute() == "word"
    same(da.asarray(3) + da.arange(2), np.arange(2) + 3)


def test_items_are_scalars():
    for x in (da.zeros(3), da.from_array(np.zeros(3), chunks=2), da.arange(3.0, chunks=2), da.zeros(3) + 0):
        item = x[0]
        assert isinstance(item.compute(), np.generic)
        item[()] = 2
        same(item, np.float64(2))


def test_long_chains():
    x = da.ones(4, chunks=2)
    for _ in range(3000):
        x = x + 1
    same(pickle.loads(pickle.dumps(x)), np.full(4, 3001.0))


def test_results_do_not_share_memory():
    x = da.from_array(np.arange(4), chunks=4)
    x.compute()[0] = 9
    same(x, np.arange(4))


def test_small_arrays_are_computed_here(monkeypatch):
    import partita.base

    def fail(*_, **__):
        raise AssertionError("sent to the cluster")

    monkeypatch.setattr(partita.base, "_run_on_cluster", fail)
    with config.set(scheduler=None):
        assert da.ones(10, chunks=5).sum().compute() == 10
        assert partita.compute(da.arange(3), da.arange(2).sum())[1] == 1
        with pytest.raises(AssertionError, match="sent"):
            da.ones(SMALL_BYTES, chunks=SMALL_BYTES).sum().compute()
        with pytest.raises(AssertionError, match="sent"):
            da.ones(4, chunks=2).map_blocks(lambda block: block).compute()


def test_unsupported_names_have_a_hint():
    with pytest.raises((AttributeError, NotImplementedError), match="map_blocks"):
        da.nothing  # noqa: B018
    with pytest.raises(ImportError, match="argtopk"):
        from partita.array import lexsort  # noqa: F401


def test_import_is_lazy():
    import subprocess
    import sys

    code = "import sys, partita; assert 'numpy' not in sys.modules or 'partita.array' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
