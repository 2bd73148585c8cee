"""Encoding of calls and of their results.

The arguments of a call are a pickle in which its inputs, which are other calls' results, stand as places in a list.
A result is a *packed value*: the number of its parts, the length of each, and the parts, which are a pickle and its
out-of-band buffers (PEP 574). The worker's Python side (``worker/src/python/runner``) reads and writes the same.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import io
import pickle
import struct
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._errors import PartitaError

__all__ = [
    "CALL",
    "NotPicklable",
    "TooLarge",
    "keep",
    "loading_inputs",
    "pack_arguments",
    "pack_function",
    "pack_value",
    "packing_cluster",
    "reduce_input",
    "unpack",
    "unpack_result",
]

#: The name of the module that both sides register, so that pickles refer to its functions.
_MODULE = "_partita_inputs"
#: What a pickle contains that refers to the user's script, which workers do not have.
_MAIN = b"__main__"
_U32 = struct.Struct("<I")
#: Maximum size of a pickled function, with the values that it captured, in bytes. The scheduler refuses larger ones.
FUNCTION_MAX = 8 << 20
#: Maximum size of the arguments of a call, in bytes.
ARGUMENTS_MAX = 128 << 20


class TooLarge(ValueError):
    """A function, or the arguments of a call, take more space than a message may."""


class NotPicklable(TypeError):
    """A function, an argument or a result cannot be sent to another process."""


def _load(place: int) -> Any:
    results = getattr(_packing, "results", None)
    if results is None:
        raise RuntimeError("an input of a call can be loaded only where the call runs")
    return results[place]


def _call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _register() -> tuple[Callable[[int], Any], Callable[..., Any]]:
    """Register the module of the inputs, unless this process is a worker's, which has its own."""
    module = sys.modules.get(_MODULE)
    if module is None:
        module = sys.modules[_MODULE] = types.ModuleType(_MODULE)
    for name, function in (("load", _load), ("call", _call)):
        if not hasattr(module, name):
            function.__module__, function.__qualname__, function.__name__ = _MODULE, name, name
            setattr(module, name, function)
    return module.load, module.call


_load_input, CALL = _register()
_packing = threading.local()


@contextlib.contextmanager
def _collecting() -> Iterator[list[Any]]:
    """Context manager in which pickled tasks and futures become inputs; yields the list of these."""
    before = getattr(_packing, "inputs", None), getattr(_packing, "kept", None), getattr(_packing, "values", None)
    inputs: list[Any] = []
    _packing.inputs, _packing.kept, _packing.values = inputs, [], None
    _packing.places = {}
    try:
        yield inputs
    finally:
        _packing.inputs, _packing.kept, _packing.values = before


@contextlib.contextmanager
def loading_inputs(results: Sequence[Any]) -> Iterator[None]:
    """Context manager in which this thread unpickles the arguments of a call, whose inputs have these results."""
    _packing.results = results
    try:
        yield
    finally:
        _packing.results = None


def keep(value: Any) -> None:
    """Keep an object until the call has ended whose arguments this thread packs."""
    kept = getattr(_packing, "kept", None)
    if kept is not None:
        kept.append(value)


def is_packing_value() -> bool:
    """Whether this thread pickles a value for other clients."""
    return getattr(_packing, "values", None) is not None


def add_place(place: tuple[int, int, int]) -> None:
    """Add the place of a future to those of the value that this thread pickles."""
    _packing.values.append(place)


def packing_cluster() -> tuple[str, ...]:
    """Return what tells the cluster from others to which the value goes that this thread pickles; empty if unknown."""
    return getattr(_packing, "cluster", ())


def pack_value(value: Any, what: str = "", cluster: tuple[str, ...] = ()) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Pickle a value for other clients. Return the pickle, and the job, stage and index of each future in it.

    Parameters
    ----------
    value : object
        The value.
    what : str, optional
        What it is, for an error.
    cluster : tuple of str, optional
        The cluster to which it goes: futures of others are refused.

    Raises
    ------
    NotPicklable
        If it cannot be pickled.
    ClusterError
        If it refers to a future of another cluster.
    """
    before = getattr(_packing, "inputs", None), getattr(_packing, "kept", None), getattr(_packing, "values", None)
    places: list[tuple[int, int, int]] = []
    _packing.inputs, _packing.kept, _packing.values = None, None, places
    _packing.cluster = cluster
    try:
        pickled = dumps(value, what or f"a value of type {type(value).__name__}")
        return pickled, list(dict.fromkeys(places))
    finally:
        _packing.inputs, _packing.kept, _packing.values = before
        _packing.cluster = ()


def is_packing() -> bool:
    """Whether this thread pickles the arguments of a call."""
    return getattr(_packing, "inputs", None) is not None


def reduce_input(value: Any) -> Any:
    """Return what stands for a task or future in the pickle of the arguments of a call.

    Raises
    ------
    NotPicklable
        If no arguments are being packed: a task has no meaning elsewhere.
    """
    inputs = getattr(_packing, "inputs", None)
    if inputs is None and is_packing_value():
        raise NotPicklable(f"{value!r} cannot be sent to other clients: persist or compute it first")
    if inputs is None:
        raise NotPicklable(f"{value!r} can be pickled only as an argument of a call")
    # Each input once, also if it occurs several times.
    place = _packing.places.setdefault(id(value), len(inputs))
    if place == len(inputs):
        inputs.append(value)
    return _load_input, (place,)


def _cloudpickle() -> Any:
    try:
        return importlib.import_module("cloudpickle")
    except ImportError:
        raise NotPicklable(
            "functions and classes of a script or notebook are sent with the package cloudpickle, which is not "
            "installed: pip install cloudpickle"
        ) from None


@functools.lru_cache(maxsize=1)
def _by_value_pickler() -> Any:
    """Return the pickler that writes functions and classes of the script with their code."""
    cloudpickle = _cloudpickle()
    table = cloudpickle.CloudPickler.dispatch_table
    reduce_code = table.get(types.CodeType)

    def reduce_with_file(code: types.CodeType) -> Any:
        # Otherwise tracebacks would not show the lines of the script. A copy, since equal strings that are one object
        # are pickled in another way, and equal functions must have equal pickles.
        name = "".join(list(code.co_filename))
        constructor, args = reduce_code(code)
        return constructor, tuple([name if one == _NO_FILE else one for one in args])

    if reduce_code is None:
        return cloudpickle.CloudPickler
    own = {"dispatch_table": collections.ChainMap({types.CodeType: reduce_with_file}, table)}
    return type("Pickler", (cloudpickle.CloudPickler,), own)


#: The name of the file of all functions that cloudpickle writes.
_NO_FILE = "<dynamic-code>"


def _is_by_value(pickled: bytes) -> bool:
    """Whether a pickle refers to a module that the user registered with ``cloudpickle.register_pickle_by_value``."""
    cloudpickle = sys.modules.get("cloudpickle")
    registry = getattr(cloudpickle, "list_registry_pickle_by_value", set)
    return any(name.encode() in pickled for name in registry())


#: Number of arguments that are examined.
_EXAMINED_MAX = 20


def _is_of_script(value: Any) -> bool:
    """Whether a value, or one of the arguments of a call, is of a class that is sent with its code.

    Then it is not pickled without the code first: pickling may take long.
    """
    cloudpickle = sys.modules.get("cloudpickle")
    modules = {"__main__", *getattr(cloudpickle, "list_registry_pickle_by_value", set)()}
    found = [value]
    if type(value) is tuple:
        for one in value[:_EXAMINED_MAX]:
            found += one[:_EXAMINED_MAX] if type(one) is tuple else one.values() if type(one) is dict else [one]
    return any(type(one).__module__ in modules for one in found[:_EXAMINED_MAX])


def _has_module(value: Any) -> bool:
    """Whether the module of a function is imported here.

    A function that came here by value may name a module that pickle would import, which may take long, or be another one.
    """
    return not isinstance(value, types.FunctionType) or value.__module__ is None or value.__module__ in sys.modules


def dumps(value: Any, what: str, buffers: list[Any] | None = None) -> bytes:
    """Pickle a value, with functions and classes of the script by value.

    Raises
    ------
    NotPicklable
        If it cannot be pickled; `what` names it.
    """
    callback = None if buffers is None else buffers.append
    try:
        if _has_module(value) and not _is_of_script(value):
            pickled = pickle.dumps(value, protocol=5, buffer_callback=callback)
            if _MAIN not in pickled and not _is_by_value(pickled):
                return pickled
    except Exception:
        pass
    if buffers is not None:
        buffers.clear()
    inputs = getattr(_packing, "inputs", None)
    if inputs is not None:
        inputs.clear()
        _packing.kept.clear()
        _packing.places.clear()
    if is_packing_value():
        _packing.values.clear()
    pickler = _by_value_pickler()
    try:
        with io.BytesIO() as file:
            pickler(file, protocol=5, buffer_callback=callback).dump(value)
            return file.getvalue()
    except Exception as error:
        if isinstance(error, (NotPicklable, PartitaError)):
            raise
        raise NotPicklable(f"{what} cannot be pickled: {type(error).__name__}: {error}") from error


def pack_function(function: Callable[..., Any], name: str) -> bytes:
    """Pickle a function."""
    pickled = dumps(function, f"the function {name}")
    if len(pickled) > FUNCTION_MAX:
        raise TooLarge(
            f"the function {name} takes {len(pickled) >> 20} MiB when it is pickled, with the values that it captured; at "
            f"most {FUNCTION_MAX >> 20} MiB can be sent: pass large values as arguments"
        )
    return pickled


def pack_arguments(args: Sequence[Any], kwargs: dict[str, Any], name: str) -> tuple[bytes, list[Any], list[Any]]:
    """Pickle the arguments of a call.

    Return the pickle, the tasks and futures that it refers to by their place, and what must exist until the call ends.
    """
    if not args and not kwargs:
        return _NO_ARGUMENTS, [], []
    with _collecting() as inputs:
        pickled = dumps((tuple(args), kwargs), f"an argument of {name}")
        kept = _packing.kept
    if len(pickled) > ARGUMENTS_MAX:
        raise TooLarge(
            f"the arguments of {name} take {len(pickled) >> 20} MiB when they are pickled; at most "
            f"{ARGUMENTS_MAX >> 20} MiB can be sent with a call: send larger arrays and frames with Client.scatter "
            "first, write the data to a file that the workers can read, or compute it on the workers"
        )
    return pickled, inputs, kept


#: Types of arguments that are pickled in the same way everywhere and stand for themselves.
_PLAIN_TYPES = frozenset((int, float, bool, complex, type(None)))
#: Length of texts below which they are pickled with each call.
_PLAIN_LENGTH_MAX = 1_000


def _is_plain(value: Any) -> bool:
    kind = type(value)
    return kind in _PLAIN_TYPES or ((kind is str or kind is bytes) and len(value) < _PLAIN_LENGTH_MAX)


def pack_plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """Pickle the arguments of a call if they are numbers and short texts. Return None if there are others.

    This is what :func:`pack_arguments` returns, in a fraction of the time.
    """
    for value in args:
        if not _is_plain(value):
            return None
    for value in kwargs.values():
        if not _is_plain(value):
            return None
    return pickle.dumps((args, kwargs), protocol=5)


_NO_ARGUMENTS = pickle.dumps(((), {}), protocol=5)


def with_places(pickled: bytes, places: Sequence[tuple[int, int]], kernels: bytes | None = None) -> bytes:
    """Return the arguments of a call as they are sent.

    They are the number of inputs, the stage and index of each, and the pickle. Before it are the length and the bytes
    of a program of kernels, if the number has the flag for that.
    """
    if not places:
        return _NO_PLACES + pickled
    numbers = [number for place in places for number in place]
    if kernels is None:
        return struct.pack(f"<I{len(numbers)}I", len(places), *numbers) + pickled
    head = struct.pack(f"<I{len(numbers)}II", len(places) | _HAS_KERNELS, *numbers, len(kernels))
    return b"".join((head, kernels, pickled))


_NO_PLACES = _U32.pack(0)
#: Flag of the number of inputs: a program of kernels follows their places.
_HAS_KERNELS = 1 << 31


def unpack(value: Any) -> Any:
    """Return the object of a packed value."""
    view = memoryview(value)
    (count,) = _U32.unpack_from(view)
    lengths = struct.unpack_from(f"<{count}Q", view, 4)
    return load_parts(view[4 + 8 * count :], lengths)


def unpack_result(value: bytes) -> Any:
    """Return the object of a packed result, in memory of its own: arrays in it can be written to."""
    return unpack(bytearray(value))


def load_parts(view: memoryview, lengths: Sequence[int]) -> Any:
    """Return the object whose parts, of these lengths, lie one after the other."""
    at = lengths[0]
    buffers = []
    for length in lengths[1:]:
        buffers.append(view[at : at + length])
        at += length
    return pickle.loads(view[: lengths[0]], buffers=buffers)
