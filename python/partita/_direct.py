"""Large values that travel straight between a client and the workers that hold them.

A value is pickled with its buffers out of band (PEP 574). The pickle and the buffers are its *parts*: they follow each
other in one column of bytes, and the metadata of the column's schema says how long each is.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from ._packing import dumps
from ._shared_memory import map_place, place_of

__all__ = ["UPLOAD_BYTES_MIN", "Mapped", "is_large", "join_parts", "map_parts", "split_parts", "to_table"]

#: Arrays, frames and texts of at least this many bytes are sent to a worker directly. Smaller ones are arguments of a
#: call, which the scheduler keeps, so that they survive the loss of a worker.
UPLOAD_BYTES_MIN = 4 << 20
#: The metadata of the schema that describes the bytes.
_HEADER = b"partita.payload"
#: Alignment of buffers that are used where they lie, in bytes. Others are copied.
_USED_ALIGNMENT = 8


class Mapped(NamedTuple):
    """A value in the memory of a worker of this node: its bytes, and the length of each part."""

    view: memoryview
    lengths: list[int]


def is_large(value: Any) -> bool:
    """Whether a value is an array, a frame or a text of at least :data:`UPLOAD_BYTES_MIN`."""
    size = getattr(value, "nbytes", None)
    if isinstance(value, (bytes, bytearray, str)):
        size = len(value)
    elif type(value).__name__ in ("DataFrame", "Series") and type(value).__module__.startswith("pandas."):
        used = value.memory_usage(deep=False)
        size = int(used.sum() if hasattr(used, "sum") else used)
    return isinstance(size, int) and size >= UPLOAD_BYTES_MIN


def split_parts(value: Any) -> list[memoryview]:
    """Return the parts of a value, which share its memory where its type allows.

    Raises
    ------
    NotPicklable
        If it cannot be pickled.
    """
    buffers: list[Any] = []
    head = dumps(value, f"a value of type {type(value).__name__}", buffers)
    return [memoryview(head), *(buffer.raw() for buffer in buffers)]


def to_table(parts: Sequence[memoryview]) -> pa.Table:
    """Return parts as a table of bytes, without a copy."""
    header = json.dumps({"Pickle": {"parts": [part.nbytes for part in parts]}}, separators=(",", ":"))
    schema = pa.schema([pa.field("bytes", pa.uint8(), nullable=False)], {_HEADER: header.encode()})
    chunks = [pa.Array.from_buffers(pa.uint8(), part.nbytes, [None, pa.py_buffer(part)]) for part in parts]
    return pa.Table.from_arrays([pa.chunked_array(chunks, pa.uint8())], schema=schema)


def map_parts(schema: pa.Schema) -> Mapped | None:
    """Map the value whose place the schema of an answer tells; None if its bytes follow.

    Raises
    ------
    OSError
        If this process cannot open the memory.
    """
    place = place_of(schema)
    return None if place is None else Mapped(map_place(place), _lengths(schema))


def join_parts(found: pa.Table | Mapped) -> Any:
    """Return the value of a table of bytes, or of mapped memory. Its buffers can be written to."""
    if isinstance(found, Mapped):
        parts = _slices(found)
    else:
        views = [memoryview(_bytes_of(chunk)).cast("B") for chunk in found.column(0).chunks]
        parts = _divide(views, _lengths(found.schema))
    return pickle.loads(parts[0], buffers=parts[1:])


def _lengths(schema: pa.Schema) -> list[int]:
    lengths: list[int] = json.loads(schema.metadata[_HEADER])["Pickle"]["parts"]
    return lengths


def _slices(mapped: Mapped) -> list[Any]:
    parts: list[Any] = []
    start = 0
    for length in mapped.lengths:
        part = mapped.view[start : start + length]
        parts.append(part if start % _USED_ALIGNMENT == 0 else bytearray(part))
        start += length
    return parts


def _bytes_of(chunk: pa.Array) -> pa.Buffer:
    buffer: pa.Buffer = chunk.buffers()[1].slice(chunk.offset, len(chunk))
    return buffer


def _divide(views: Iterable[memoryview], lengths: Sequence[int]) -> list[memoryview]:
    """Return the parts of these lengths of bytes that follow each other, each as a copy that is aligned."""
    parts = [memoryview(pa.allocate_buffer(length)).cast("B") for length in lengths]
    number = at = 0
    for view in views:
        while view.nbytes:
            while number < len(parts) and at == parts[number].nbytes:
                number, at = number + 1, 0
            size = min(view.nbytes, parts[number].nbytes - at)
            parts[number][at : at + size] = view[:size]
            at += size
            view = view[size:]
    return parts
