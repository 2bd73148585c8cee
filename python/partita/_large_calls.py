"""Functions and arguments that are too large for a call: they are sent to a worker as values, which the call reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._by_value import by_value
from ._direct import UPLOAD_BYTES_MIN, split_parts
from ._packing import ARGUMENTS_MAX, TooLarge, pack_arguments

__all__ = ["VALUE_BYTES_MAX", "call_pickled", "pack_large_arguments"]

#: Maximum size of an argument that is sent with its call, so that it outlives the worker that got it.
VALUE_BYTES_MAX = ARGUMENTS_MAX // 2


@by_value
def call_pickled(pickled: Any, digest: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function that is given as its pickle, which each process reads once."""
    import pickle
    import sys
    import types

    known = sys.modules.setdefault("_partita_large_functions", types.ModuleType("_partita_large_functions")).__dict__
    if digest not in known:
        # Only the latest one stays in memory.
        known.clear()
        known[digest] = pickle.loads(pickled)
    return known[digest](*args, **kwargs)


def pack_large_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], name: str, send: Callable[[Any], Any]
) -> tuple[bytes, list[Any], list[Any]]:
    """Pickle the arguments of a call, as `pack_arguments`; large ones are sent if they are too large together.

    `send` sends a value and returns its future.
    """
    try:
        return pack_arguments(args, kwargs, name)
    except TooLarge:
        args = tuple([send(one) if _is_large(one) else one for one in args])
        kwargs = {key: send(one) if _is_large(one) else one for key, one in kwargs.items()}
        return pack_arguments(args, kwargs, name)


def _is_large(value: Any) -> bool:
    """Whether a value takes much space as a pickle. One with futures in it cannot be sent by itself."""
    try:
        return sum(part.nbytes for part in split_parts(value)) >= UPLOAD_BYTES_MIN
    except Exception:
        return False
