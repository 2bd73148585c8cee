"""Small parts of blocks, which are cut where the blocks are."""

import numpy as np
import pytest

import partita.array as da
from partita.array import _pieces
from partita.array._lowering import lower

VALUES = np.arange(64 * 96, dtype="int32").reshape(64, 96)


@pytest.fixture
def small(monkeypatch):
    """Blocks of some kilobytes are large."""
    monkeypatch.setattr(_pieces, "SAVED_BYTES_MIN", 256)


def pieces_of(array):
    """Return the tasks that cut parts out of blocks, which the tasks of an array read."""
    found, todo = {}, list(lower([array._node])[array.name])
    while todo:
        task = todo.pop()
        if isinstance(task, (list, tuple)):
            todo.extend(task)
        elif hasattr(task, "args"):
            if task.name == "cut":
                found[task.key] = task
            todo.extend(task.args)
    return found


def blocks():
    """Return an array whose blocks are results of tasks."""
    return da.from_array(VALUES, chunks=(32, 32)).map_blocks(np.negative)


def neighbours(block):
    return np.roll(block, 1, axis=0) + np.roll(block, -1, axis=1)


CASES = {
    "overlap": lambda x: x.map_overlap(neighbours, depth=1, boundary="reflect"),
    "uneven overlap": lambda x: x.map_overlap(neighbours, depth={0: (1, 0), 1: (0, 2)}, boundary="none"),
    "many chunks": lambda x: x.rechunk((64, 1)),
    "other borders": lambda x: x.rechunk(((31, 33), (33, 31, 32))),
    "pointwise": lambda x: da.diff(x, axis=1),
}


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_whole_blocks(case, monkeypatch, scheduler):
    whole = CASES[case](blocks()).compute()
    monkeypatch.setattr(_pieces, "SAVED_BYTES_MIN", 256)
    assert np.array_equal(CASES[case](blocks()).compute(), whole)


@pytest.mark.parametrize("case", ["overlap", "many chunks", "other borders"])
def test_small_parts_are_tasks(case, small):
    assert pieces_of(CASES[case](blocks()))


def test_workers_cut_small_parts(client, small):
    held = blocks().persist(scheduler=client)
    found = held.map_overlap(neighbours, depth=1, boundary="reflect")
    assert pieces_of(found)
    assert np.array_equal(found.persist(scheduler=client).compute(), CASES["overlap"](blocks()).compute())


def test_equal_parts_are_cut_once(small):
    """Each of the edges of six blocks that a neighbour needs is cut out of it once."""
    x = blocks().rechunk({1: 96})
    assert len(pieces_of(x.map_overlap(neighbours, depth={0: 1, 1: 0}, boundary="none"))) == 2


def test_large_parts_are_read_with_their_blocks(small):
    assert not pieces_of(blocks().rechunk((48, 48)))


def test_there_are_not_too_many(small, monkeypatch, scheduler):
    """Beyond a number, the tasks that need the parts cut them."""
    monkeypatch.setattr(_pieces, "PIECES_MAX", 5)
    thin = blocks().rechunk((64, 1))
    assert len(pieces_of(thin)) == 5
    assert np.array_equal(thin.compute(), -VALUES)
