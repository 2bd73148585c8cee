"""Pickles of results: the parts of a packed value."""

import contextlib
import pickle
import sys

from . import exceptions
from .exceptions import Reduction, dump_with


def contiguous(value):
    """Return an array of NumPy whose items do not lie together as one whose do: the pickles of others have no buffers."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.dtype.hasobject:
        return value
    flags = value.flags
    return value if flags.c_contiguous or flags.f_contiguous else numpy.ascontiguousarray(value)


def pack(value):
    """Pickle a value. Return its parts: the pickle, and its buffers as memory views."""
    if isinstance(value, BaseException):
        with contextlib.suppress(Exception):
            return [dump_with(Reduction(None, False), value)]
    buffers = []
    value = contiguous(value)
    try:
        first = pickle.dumps(value, 5, buffer_callback=buffers.append)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException:
        # Also functions and classes of the user's `__main__`, which pickle does not find.
        if exceptions.cloudpickle is None:
            raise
        buffers = []
        first = exceptions.cloudpickle.dumps(value, 5, buffer_callback=buffers.append)
    return [first, *(buffer.raw() for buffer in buffers)] if buffers else [first]
