"""Values of workers of this node, used where they lie instead of a copy.

A large result of a function lies in a sealed ``memfd`` of its worker, which no process can change. Linux shows the open
files of a process to others of the same user below ``/proc/PID/fd``. A client tells its node when it asks for such a
result; a worker of that node answers where it lies (``worker/src/memory/shared.rs``), and the client maps it privately:
what it writes to is its own copy of these pages.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import json
import mmap
import os
import resource
import threading
import weakref
from typing import Any

import pyarrow as pa

__all__ = ["can_map", "map_place", "own_node", "place_of"]

#: Where Linux tells of the boot of the machine: another one for each boot, and so for each node.
_BOOT_FILE = "/proc/sys/kernel/random/boot_id"
#: Where Linux tells in which namespace the numbers of processes are meant.
_NAMESPACE_LINK = "/proc/self/ns/pid"
#: The metadata of a schema that says where the value lies, as JSON.
_PLACE = b"partita.place"
#: Command of `fcntl` that returns the seals of memory, and those without which it could change. Python lacks the names
#: where it was built for old systems.
_GET_SEALS, _SEALS = 1034, 0x2 | 0x4 | 0x8
#: The part of the descriptors of this process that values may have: each that is mapped has one as long as it lives.
_DESCRIPTORS_PART = 4

_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_lock = threading.Lock()


@functools.cache
def own_node() -> str | None:
    """Return what names this node and the namespace of its processes; None where the system does not tell."""
    try:
        with open(_BOOT_FILE) as file:
            boot = file.read().strip()
        return f"{boot} {os.readlink(_NAMESPACE_LINK)}"
    except OSError:
        return None


def can_map() -> bool:
    """Whether this process has a descriptor for one more value."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit == resource.RLIM_INFINITY or len(_mapped) < limit // _DESCRIPTORS_PART


def place_of(schema: pa.Schema) -> dict[str, Any] | None:
    """Return the place that an answer tells of; None if the rows follow."""
    text = (schema.metadata or {}).get(_PLACE)
    return None if text is None else dict(json.loads(text))


def map_place(place: dict[str, Any]) -> memoryview:
    """Map the memory at a place. Writing to it changes nothing outside.

    Raises
    ------
    OSError
        If the process has ended, is not shown to this one, or has another file open there; with ``EMFILE`` if this
        process has no descriptor for it.
    """
    with _lock:
        if not can_map():
            raise OSError(errno.EMFILE, "too many values are mapped")
        return _map(place)


def _map(place: dict[str, Any]) -> memoryview:
    # Another file there may be one whose opening waits.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(f"/proc/{place['process']}/fd/{place['descriptor']}", flags)
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino, found.st_size) != (place["device"], place["inode"], place["bytes"]):
            raise OSError("the memory was given up")
        if fcntl.fcntl(descriptor, _GET_SEALS) & _SEALS != _SEALS:
            raise OSError("the memory can still be written to")
        access = mmap.PROT_READ | mmap.PROT_WRITE
        mapped = mmap.mmap(descriptor, place["bytes"], flags=mmap.MAP_PRIVATE, prot=access)
        _mapped.add(mapped)
        return memoryview(mapped)
    finally:
        os.close(descriptor)
