"""Values that are too large for one message, sent in pieces."""

from __future__ import annotations

from typing import Any

from ._by_value import by_value
from ._packing import dumps

__all__ = ["is_too_large", "join_pieces", "split"]

#: Values of at least this many bytes are sent in pieces.
SPLIT_BYTES_MIN = 96 << 20
#: Bytes of a piece.
PIECE_BYTES = 64 << 20


def is_too_large(value: Any) -> bool:
    """Whether an array, a frame or a text is too large for one message."""
    size = getattr(value, "nbytes", None)
    if isinstance(value, (bytes, bytearray, str)):
        size = len(value)
    elif type(value).__name__ == "DataFrame" and type(value).__module__.startswith("pandas."):
        size = int(value.memory_usage(deep=True).sum())
    return isinstance(size, int) and size >= SPLIT_BYTES_MIN


def split(value: Any) -> tuple[list[int], list[bytes]]:
    """Return the lengths of the parts of a pickled value, and the pieces of all parts."""
    buffers: list[Any] = []
    head = dumps(value, "the value", buffers)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    pieces = [
        bytes(part[first : first + PIECE_BYTES]) for part in parts for first in range(0, part.nbytes, PIECE_BYTES)
    ]
    return [part.nbytes for part in parts], pieces


@by_value
def join_pieces(lengths: list[int], *pieces: bytes) -> Any:
    """Return the value of pieces."""
    import pickle

    left = iter(pieces)
    parts = []
    for length in lengths:
        part = bytearray(length)
        at = 0
        while at < length:
            piece = next(left)
            part[at : at + len(piece)] = piece
            at += len(piece)
        parts.append(part)
    return pickle.loads(parts[0], buffers=parts[1:])
