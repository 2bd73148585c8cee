"""Writing arrays to data that can be sliced, and to files."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import slices_from_chunks, starts
from ._core import Array, array_of, make_meta
from ._expression import Node
from ._lowering import lower
from ._store_locks import align_blocks, store_locks

__all__ = ["from_npy_stack", "store", "to_npy_stack"]


class Target:
    """What an array is written to. It can be pickled only if writes of other processes reach it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        if not is_shared(self.value):
            raise TypeError(
                f"cannot store on the cluster into an object of type {type(self.value).__name__} in the client's memory: writes of "
                "other processes would be lost; use compute=True without return_stored=True, or store into a file"
            )
        return Target, (self.value,)

    def __dask_tokenize__(self) -> Any:
        return "target", id(self.value), type(self.value).__name__


def is_shared(target: Any) -> bool:
    """Whether writes of other processes reach a target."""
    if type(target).__module__.startswith("zarr."):
        return not type(getattr(target, "store", None)).__name__.startswith("Memory")
    if type(target).__module__.startswith("xarray.backends.zarr"):
        return is_shared(getattr(target, "_array", None))
    # Other objects may keep what is written to them in memory, or have a file open that only one process writes.
    return False


def _within(region: Any, index: tuple[slice, ...]) -> tuple[Any, ...]:
    """Return where a block is in a target, of which a region is written."""
    if region is None:
        return index
    rest = iter(index)
    found: list[Any] = []
    for one in region:
        if not isinstance(one, slice):
            found.append(one)
            continue
        part = next(rest)
        begin, step = one.start or 0, one.step or 1
        found.append(slice(begin + part.start * step, begin + part.stop * step, one.step))
    return (*found, *rest)


@contextlib.contextmanager
def _held(lock: Any) -> Iterator[None]:
    """Context manager that holds a lock, which may have only `acquire` and `release`."""
    if not lock or hasattr(type(lock), "__enter__"):
        with lock or contextlib.nullcontext():
            yield
        return
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def store_block(
    block: Any, *index: Any, region: Any, lock: Any, returned: bool, loaded: bool, target: Target | None, ndim: int
) -> Any:
    """Write a block, and return it as the target has it if it is wanted."""
    where, rest = index[:ndim], index[ndim:]
    goal = rest[0] if target is None else target.value
    place = _within(region, tuple(where))
    with _held(lock):
        if np.size(block):
            goal[place] = np.asanyarray(block)
        if returned and loaded:
            return goal[place]
    return np.empty((0,) * ndim, dtype=block.dtype)


def load_block(*index: Any, region: Any, lock: Any, target: Target) -> Any:
    """Read a block of a target."""
    with _held(lock):
        return target.value[_within(region, tuple(index))]


def _index_tables(chunks: Any) -> list[Any]:
    return [
        (axis, [slice(begin, begin + size) for begin, size in zip(starts(sizes), sizes)])
        for axis, sizes in enumerate(chunks)
    ]


def store(
    sources: Any,
    targets: Any,
    lock: Any = True,
    regions: Any = None,
    compute: bool = True,
    return_stored: bool = False,
    load_stored: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Write arrays to objects with ``target[slices] = block``, such as arrays of NumPy, h5py and zarr.

    Objects in the memory of the client, and files that h5py has open, are written by the client, block after block.

    Parameters
    ----------
    sources : array or sequence of array
        The arrays.
    targets : object or sequence of object
        The objects, or delayed ones.
    lock : bool or lock
        A lock that is held while a block is written. True stands for one for each object. Arrays of zarr of which two
        tasks would write one chunk or shard have a lock of the whole cluster in any case.
    regions : tuple of slices or sequence of these, optional
        The parts of the objects that are written.
    compute : bool
        Whether to write now. Otherwise arrays are returned whose computation writes.
    return_stored : bool
        Whether to return arrays that read what was written.
    load_stored : bool, optional
        Whether the blocks of these arrays are the values; only for ``compute=False``.
    **kwargs
        Arguments of :func:`partita.compute`.
    """
    from ..base import compute as compute_all

    if isinstance(sources, Array):
        sources, targets = [sources], [targets]
    sources, targets = list(sources), list(targets)
    if any(not isinstance(one, Array) for one in sources):
        raise ValueError("All sources must be dask array objects")
    if len(sources) != len(targets):
        raise ValueError(f"Different number of sources [{len(sources)}] and targets [{len(targets)}]")
    if isinstance(regions, tuple) or regions is None:
        regions = [regions] * len(sources)
    regions = list(regions)
    if len(regions) != len(sources):
        raise ValueError(
            f"Different number of sources [{len(sources)}] and targets [{len(targets)}] than regions [{len(regions)}]"
        )
    loaded = (return_stored and not compute) if load_stored is None else load_stored
    if compute and not return_stored:
        sources = [align_blocks(*one) for one in zip(sources, targets, regions)]
    locks = store_locks(sources, targets, regions, lock)
    if compute:
        if not return_stored and not _all_here(sources, kwargs) and not all(map(_can_travel, targets)):
            _write_here(sources, targets, regions, locks, kwargs)
            return None
        written = _stores(sources, targets, regions, locks, False, False)
        compute_all(*written, **kwargs)
        if not return_stored:
            return None
        found = [_loads(*one) for one in zip(sources, targets, regions, locks)]
    else:
        found = _stores(sources, targets, regions, locks, return_stored, loaded)
    return found[0] if len(found) == 1 else tuple(found)


def _can_travel(target: Any) -> bool:
    from ..delayed import Delayed

    return isinstance(target, Delayed) or is_shared(target)


def _all_here(sources: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether the computation runs in this process."""
    from .. import config
    from ..base import is_synchronous

    given = kwargs.get("scheduler")
    if given is None and config.get("scheduler", None) is None:
        return all(one._partita_is_small() for one in sources)
    if given is None:
        return is_synchronous()
    with config.set(scheduler=given):
        return is_synchronous()


def _stores(sources: Any, targets: Any, regions: Any, locks: Any, returned: bool, loaded: bool) -> list[Any]:
    from ..delayed import Delayed

    found = []
    for source, target, region, lock in zip(sources, targets, regions, locks):
        is_lazy = isinstance(target, Delayed)
        params = {
            "region": region,
            "lock": lock,
            "returned": returned,
            "loaded": loaded,
            "target": None if is_lazy else Target(target),
            "ndim": source.ndim,
        }
        reads = [Read(source._node, [Axis(axis) for axis in range(source.ndim)])]
        values = (target._task,) if is_lazy else ()
        tables = _index_tables(source.chunks)
        node = Node(
            "store-map",
            source.chunks,
            source._meta,
            store_block,
            reads,
            tables,
            values=values,
            params=params,
            user=is_lazy,
        )
        found.append(array_of(node))
    return found


def _loads(source: Any, target: Any, region: Any, lock: Any) -> Any:
    from ..delayed import Delayed

    if isinstance(target, Delayed):
        raise NotImplementedError("store() into delayed targets does not support return_stored=True with compute=True")
    params = {"region": region, "lock": lock, "target": Target(target)}
    tables = _index_tables(source.chunks)
    meta = make_meta(source._meta, getattr(target, "dtype", source.dtype), source.ndim)
    return array_of(Node("load-stored", source.chunks, meta, load_block, tables=tables, params=params))


def _write_here(sources: Any, targets: Any, regions: Any, locks: Any, kwargs: dict[str, Any]) -> None:
    """Compute blocks on the cluster, and write them in this process."""
    from ..base import persist_nodes

    nodes = lower([one._node for one in sources])
    jobs = []
    for source, target, region, lock in zip(sources, targets, regions, locks):
        for index, node in zip(slices_from_chunks(source.chunks), nodes[source._node.name]):
            jobs.append((node, target, _within(region, index), lock))
    results = persist_nodes([job[0] for job in jobs], kwargs.get("scheduler"))
    nodes.clear()
    for at, (_, target, place, lock) in enumerate(jobs):
        part = results[at]
        # Blocks that were written are released.
        results[at] = jobs[at] = None  # type: ignore[call-overload]
        block = part.result() if hasattr(part, "result") else part.args[0]
        with _held(lock):
            if np.size(block):
                target[place] = np.asanyarray(block)


def store_array(x: Any, target: Any, **kwargs: Any) -> Any:
    """Write an array: the method ``store``, with the arguments of :func:`store`."""
    return store([x], [target], **kwargs)


# Stacks of files of NumPy.


def save_block(block: Any, number: int, folder: str, ndim: int) -> Any:
    """Write a block into a file of NumPy."""
    np.save(os.path.join(folder, f"{number}.npy"), block)
    return np.empty((0,) * ndim, dtype=block.dtype)


def to_npy_stack(dirname: Any, x: Any, axis: int = 0) -> None:
    """Write an array as files of NumPy, one for each block along an axis.

    Parameters
    ----------
    dirname : str
        The folder.
    x : Array
        The array.
    axis : int
        The axis.
    """
    axis %= max(x.ndim, 1)
    chunks = tuple([sizes if at == axis else (sum(sizes),) for at, sizes in enumerate(x.chunks)])
    x = x.rechunk(chunks)
    os.makedirs(dirname, exist_ok=True)
    with open(os.path.join(dirname, "info"), "wb") as file:
        pickle.dump({"chunks": chunks, "dtype": x.dtype, "axis": axis}, file)
    reads = [Read(x._node, [Axis(at) for at in range(x.ndim)])]
    params = {"folder": os.path.abspath(dirname), "ndim": x.ndim}
    tables = [(axis, range(x.numblocks[axis]))]
    array_of(Node("to-npy-stack", chunks, x._meta, save_block, reads, tables, params=params)).compute()


def read_npy(number: int, folder: str, mmap_mode: Any) -> Any:
    """Read a file of NumPy."""
    return np.load(os.path.join(folder, f"{number}.npy"), mmap_mode=mmap_mode)


def from_npy_stack(dirname: Any, mmap_mode: Any = "r") -> Any:
    """Return an array of files that :func:`to_npy_stack` has written.

    Parameters
    ----------
    dirname : str
        The folder.
    mmap_mode : str, optional
        Whether the files are mapped into memory.
    """
    with open(os.path.join(dirname, "info"), "rb") as file:
        info = pickle.load(file)
    chunks, axis = info["chunks"], info["axis"]
    meta = np.empty((0,) * len(chunks), dtype=info["dtype"])
    params = {"folder": os.path.abspath(dirname), "mmap_mode": mmap_mode}
    stamps = [os.stat(os.path.join(dirname, f"{at}.npy")).st_mtime_ns for at in range(len(chunks[axis]))]
    token = ("npy-stack", params, stamps)
    return array_of(
        Node(
            "from-npy-stack",
            chunks,
            meta,
            read_npy,
            tables=[(axis, range(len(chunks[axis])))],
            params=params,
            token=token,
        )
    )
