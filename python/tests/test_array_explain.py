"""What arrays tell of their computation before it runs."""

import re

import numpy as np
import pytest

import partita.array as da
from partita import visualize
from partita.array._explain import stages_of


def lines(x):
    return x.explain().splitlines()


def test_stages_tasks_and_bytes():
    x = da.random.random((4000, 3000), chunks=1000)
    found = lines((x + 1).sum(axis=0))
    assert found[1] == "2 stages, 15 tasks, the result has 23.44 kiB"
    assert re.fullmatch(r" +0 +12 tasks: .*add \+ sum-chunk", found[2])
    assert found[3].strip() == ("a task reads 0 B, computes 15.27 MiB, returns 7.81 kiB; all return 93.75 kiB")
    assert re.fullmatch(r" +1 +3 tasks of 0: sum", found[4])
    assert found[5].strip().startswith("a task reads 31.25 kiB")
    assert "most memory for one task: 7.63 MiB, in stage 0" in found


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda x: x.rechunk((200, 200)), 200 * 200 * 8),
        (lambda x: x.rechunk((30, 100)), 2 * 100 * 100 * 8),
        (lambda x: x + x.T, 2 * 100 * 100 * 8),
        (lambda x: x @ x, 2 * 200 * 100 * 8),
        (lambda x: da.concatenate([x, x]), 0),
        (lambda x: x.vindex[[0, 150], [0, 150]], 2 * 100 * 100 * 8),
    ],
    ids=["merge", "split", "transposed", "matmul", "alias", "points"],
)
def test_bytes_that_a_task_reads(make, read):
    x = (
        da.from_array(np.ones((200, 200)), chunks=100)
        .map_blocks(lambda block: block, dtype=float)
        .persist(scheduler="synchronous")
    )
    assert max(stage.read for stage in stages_of([make(x)._node])) == read


def test_small_and_unknown_arrays():
    assert "computed in the process of the client: it is small" in lines(da.ones(4) + 1)
    x = da.arange(10, chunks=5)
    assert "at least" in x[x > 3].explain()


def test_stages_are_drawn(tmp_path):
    x = (da.ones((400, 400), chunks=10) + 1).sum(axis=0)
    drawing = x.visualize(tmp_path / "x.svg")
    assert "1,600 x" in drawing.svg and (tmp_path / "x.svg").read_text() == drawing.svg
    assert visualize(x).svg == drawing.svg
    assert "ones_like-" in da.ones(4, chunks=2).visualize(tasks=True).svg
    assert "<svg" in x._repr_html_() and "<table>" in x._repr_html_()


def test_rechunk_in_steps_reads_few_blocks_at_once(monkeypatch):
    from partita.array import _rechunk_steps

    a = np.random.default_rng(0).normal(size=(24, 30))
    x = da.from_array(a, chunks=(1, 30)) + 0
    direct = stages_of([x.rechunk((24, 1))._node])[-1]
    monkeypatch.setattr(_rechunk_steps, "READ_BYTES", 1)
    y = x.rechunk((24, 1))
    assert max(stage.read for stage in stages_of([y._node])) < direct.read / 3
    assert y.chunks == ((24,), (1,) * 30)
    np.testing.assert_array_equal(y.compute(scheduler="synchronous"), a)
    z = x.rechunk((7, 11))
    np.testing.assert_array_equal(z.compute(scheduler="synchronous"), a)
