"""Locks of arrays in files: two tasks must not write into one chunk of a file at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..utils import SerializableLock
from ._chunks import is_unknown, starts

__all__ = ["StoreLock", "align_blocks", "store_locks"]


class StoreLock(SerializableLock):
    """A lock of all processes of a cluster: in functions on the workers it is the scheduler's lock of this name."""

    def __enter__(self) -> Any:
        from .._worker_view import is_in_runner

        if not is_in_runner():
            return super().__enter__()
        from .._locks import Lock

        self._shared = Lock(f"partita-store-{self.token}")
        return self._shared.__enter__()

    def __exit__(self, *details: Any) -> Any:
        shared = self.__dict__.pop("_shared", None)
        return super().__exit__(*details) if shared is None else shared.__exit__(*details)

    def __reduce__(self) -> Any:
        return StoreLock, (self.token,)


def store_locks(sources: Sequence[Any], targets: Sequence[Any], regions: Sequence[Any], lock: Any) -> list[Any]:
    """Return the lock, or None, that is held while a block of each source is written.

    Arrays of zarr need none if each of their chunks is written by one task. Otherwise there is always one, since a task
    would undo what another one writes.
    """
    groups: dict[Any, list[int]] = {}
    for at, target in enumerate(targets):
        groups.setdefault(_identity(target), []).append(at)
    found: list[Any] = [None] * len(targets)
    for places in groups.values():
        grid = _grid(targets[places[0]])
        own = lock if lock is not True else None
        if grid is None:
            made = SerializableLock() if lock is True else (lock or None)
        elif all(_is_aligned(sources[at], regions[at], grid, targets[at].shape, len(places) > 1) for at in places):
            made = own or None
        else:
            made = own if own and not isinstance(own, SerializableLock) else StoreLock()
        for at in places:
            found[at] = made
    return found


def align_blocks(source: Any, target: Any, region: Any) -> Any:
    """Return a source in blocks that end where chunks of a target of zarr do, so that tasks write without a lock."""
    grid = _grid(target)
    if grid is None or len(grid) != source.ndim or is_unknown(source.shape):
        return source
    parts = _parts(region, grid)
    if not all(map(_is_plain, parts)):
        return source
    found = []
    for sizes, part, unit in zip(source.chunks, parts, grid):
        begin, end = part.start or 0, (part.start or 0) + sum(sizes)
        edges = {min(-(-(begin + one) // unit) * unit, end) for one in starts(sizes)[1:]}
        bounds = [begin, *sorted(edges - {begin, end}), end]
        found.append(tuple([after - before for before, after in zip(bounds, bounds[1:])]))
    return source.rechunk(tuple(found))


def _parts(region: Any, grid: tuple[int, ...]) -> list[Any]:
    """Return the part of each axis of a target that a region has: all of the axes that it does not name."""
    given = [] if region is None else list(region)
    return given + [slice(None)] * (len(grid) - len(given))


def _is_plain(part: Any) -> bool:
    return isinstance(part, slice) and part.step in (None, 1) and (part.start or 0) >= 0


def _identity(target: Any) -> Any:
    """Return what two objects for one array of zarr have in common."""
    path = getattr(target, "path", None)
    return id(target) if _grid(target) is None or path is None else (str(getattr(target, "store", "")), str(path))


def _grid(target: Any) -> tuple[int, ...] | None:
    """Return the sizes of what is written at once into an array of zarr, its shards or chunks; else None."""
    if not type(target).__module__.startswith("zarr."):
        return None
    sizes = getattr(target, "shards", None) or getattr(target, "chunks", None)
    return tuple(sizes) if isinstance(sizes, tuple) else None


def _is_aligned(source: Any, region: Any, grid: tuple[int, ...], shape: tuple[int, ...], has_others: bool) -> bool:
    """Whether no two blocks of a source are in one chunk of the target, nor one with blocks of other sources."""
    parts = _parts(region, grid)
    blocks = iter(source.chunks)
    for part, unit, size in zip(parts, grid, shape):
        if not isinstance(part, slice):
            if has_others:
                return False
            continue
        sizes = next(blocks, ())
        begin = part.start or 0
        if not _is_plain(part):
            return False
        edges = [begin + one for one in starts(sizes)]
        end = begin + sum(sizes)
        inner = edges if has_others else edges[1:]
        if any(edge % unit for edge in inner) or (has_others and end % unit and end != size):
            return False
    return True
