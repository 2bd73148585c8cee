"""The form of the messages between a client and the scheduler on the streams of calls and of coordination.

A message is its kind in one byte, the length of a header in four, the header in JSON, and bytes that it describes.
Numbers are little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any

__all__ = ["encode_message", "read_message"]

_U32 = struct.Struct("<I")


def encode_message(kind: int, header: dict[str, Any], parts: Iterable[bytes] = ()) -> bytes:
    """Return a message as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([bytes((kind,)), _U32.pack(len(text)), text, *parts])


def read_message(message: Any) -> tuple[int, dict[str, Any], memoryview]:
    """Return the kind, the header and the rest of a message."""
    view = memoryview(message)
    (length,) = _U32.unpack_from(view, 1)
    return view[0], json.loads(bytes(view[5 : 5 + length])), view[5 + length :]
