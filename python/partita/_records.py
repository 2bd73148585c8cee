"""What a client keeps of the calls that it submitted, so that they can run once more in its process."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._session import Call

__all__ = ["RECORDED_BYTES_MAX", "CallRecord", "CallRecords"]

#: Bytes of the arguments of the latest calls of a session that are kept.
RECORDED_BYTES_MAX = 32 << 20
#: Bytes of the latest functions of a session that are kept.
FUNCTIONS_BYTES_MAX = 32 << 20
#: Memory that a record takes besides its arguments, in bytes, about.
OVERHEAD_BYTES = 200
#: Share of the limit that is left after the oldest entries were dropped.
KEPT_SHARE = 0.75
_U32 = struct.Struct("<I")


class CallRecord(NamedTuple):
    """A call as it was sent.

    Attributes
    ----------
    function : bytes
        The pickled function.
    arguments : memoryview
        The pickled arguments, in which inputs are places of the list of these.
    inputs : list of tuple
        The stage and the index of each call whose result it reads.
    """

    function: bytes
    arguments: memoryview
    inputs: list[tuple[int, int]]


class CallRecords:
    """The latest calls of a session. The oldest ones are dropped beyond a number of bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[int, bytes] = {}
        self._functions_bytes = 0
        self._calls: dict[tuple[int, int], bytes] = {}
        self._calls_bytes = 0

    def add_function(self, stage: int, pickled: bytes) -> None:
        """Keep the function of a stage."""
        with self._lock:
            self._functions[stage] = pickled
            self._functions_bytes += len(pickled)
            self._functions_bytes -= _drop_oldest(self._functions, self._functions_bytes, FUNCTIONS_BYTES_MAX, 0)

    def add_calls(self, calls: Iterable[Call]) -> None:
        """Keep the arguments of calls. The bytes are those that are sent."""
        with self._lock:
            for call in calls:
                size = len(call.arguments) + OVERHEAD_BYTES
                if size <= RECORDED_BYTES_MAX:
                    self._calls[call.stage, call.state.index] = call.arguments
                    self._calls_bytes += size
            self._calls_bytes -= _drop_oldest(self._calls, self._calls_bytes, RECORDED_BYTES_MAX, OVERHEAD_BYTES)

    def find(self, stage: int, index: int) -> CallRecord | None:
        """Return a call, if it is kept."""
        with self._lock:
            function, sent = self._functions.get(stage), self._calls.get((stage, index))
        if function is None or sent is None:
            return None
        (count,) = _U32.unpack_from(sent)
        numbers = struct.unpack_from(f"<{2 * count}I", sent, _U32.size)
        places = list(zip(numbers[::2], numbers[1::2]))
        return CallRecord(function, memoryview(sent)[_U32.size + 8 * count :], places)


def _drop_oldest(kept: dict[Any, bytes], size: int, limit: int, overhead: int) -> int:
    """Drop the oldest entries if the size exceeds a limit. Return the number of dropped bytes.

    More are dropped than necessary: finding the first entry of a dict takes long after many were removed before it.
    """
    if size <= limit:
        return 0
    dropped, keys = 0, []
    for key, value in kept.items():
        if size - dropped <= limit * KEPT_SHARE:
            break
        dropped += len(value) + overhead
        keys.append(key)
    for key in keys:
        del kept[key]
    return dropped
