"""Memory that a runner shares with its worker, maps, and gives back."""

import contextlib
import fcntl
import mmap
import os

try:
    import ctypes

    libc = ctypes.CDLL(None)
except Exception:
    libc = None

#: Alignment of buffers that are used where they are, in bytes. Others are copied.
USED_ALIGNMENT = 8
#: Command and flags of `fcntl` that seal memory: nobody can change its length or its content. Python lacks the names
#: where it was built for old systems.
ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x8
#: Flags of `memfd_create`: closed in programs that are executed, and sealable.
MEMFD_FLAGS = 0x1 | 0x2


def map_parts(descriptor, lengths):
    """Map the parts of a value that are in the memory of a descriptor. Writing to them changes nothing outside."""
    access = mmap.PROT_READ | mmap.PROT_WRITE
    view = memoryview(mmap.mmap(descriptor, sum(lengths), flags=mmap.MAP_PRIVATE, prot=access))
    parts, start = [], 0
    for length in lengths:
        part = view[start : start + length]
        parts.append(part if start % USED_ALIGNMENT == 0 else bytearray(part))
        start += length
    return parts


def give_memory_back():
    """Give memory that was freed back to the system, where the allocator can."""
    with contextlib.suppress(Exception):
        libc.malloc_trim(0)


def create_memory():
    """Return the descriptor of new memory without a name in the file system."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("partita", MEMFD_FLAGS)
    # A Python that was built for old systems, on one that is not.
    descriptor = libc.memfd_create(b"partita", MEMFD_FLAGS)
    if descriptor < 0:
        raise OSError("cannot create memory")
    return descriptor


def write_memory(parts):
    """Return the descriptor of sealed memory with these parts, or None where that is not possible."""
    try:
        descriptor = create_memory()
    except Exception:
        return None
    try:
        for part in parts:
            view = memoryview(part)
            while len(view):
                view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, ADD_SEALS, SEALS)
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
