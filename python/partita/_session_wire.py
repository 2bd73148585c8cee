"""The messages of the stream of calls between a client and the scheduler."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ._exchange import encode_message

if TYPE_CHECKING:
    from ._session import Call, Session

__all__ = [
    "ADOPT",
    "ARRANGE",
    "ARRANGED",
    "CANCEL",
    "DROP",
    "ENDED",
    "FOREIGN",
    "OPEN",
    "OPENED",
    "PLACE",
    "PLACED",
    "REFUSED",
    "RELEASE",
    "RETRY",
    "SETTLED",
    "SUBMIT",
    "WANT",
    "Batch",
    "find_ranges",
]

#: Kinds of messages to the scheduler, and from it.
OPEN, SUBMIT, RELEASE, CANCEL, RETRY, WANT, ADOPT, DROP, PLACE, ARRANGE = range(10)
OPENED, SETTLED, REFUSED, ENDED, FOREIGN, PLACED, ARRANGED = range(1, 8)

#: Calls in one message, at most.
MESSAGE_CALLS_MAX = 50_000
#: Bytes of the arguments in one message; a single call may have more.
MESSAGE_BYTES = 16 << 20


class Batch:
    """What is sent next."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []
        self.functions: list[bytes] = []
        self.calls: list[Call] = []
        self.bytes = 0
        self.released: list[tuple[int, int]] = []

    def add(self, item: tuple[str, Any, Any], writer: Any, session: weakref.ref[Session]) -> None:
        what, first, second = item
        if what == "stage":
            self.stages.append({**first, "function": len(second)})
            self.functions.append(second)
        elif what == "calls":
            for call in first:
                self.calls.append(call)
                self.bytes += len(call.arguments)
                if len(self.calls) >= MESSAGE_CALLS_MAX or self.bytes >= MESSAGE_BYTES:
                    self.send(writer, session)
        elif what == "release":
            self.released.append(first)
        else:
            self.send(writer, session)
            writer.write_metadata(encode_message(first, second))

    def send(self, writer: Any, session: weakref.ref[Session]) -> None:
        if self.calls or self.stages:
            self._send_calls(writer, session)
        if self.released:
            released, self.released = self.released, []
            writer.write_metadata(encode_message(RELEASE, {"ranges": find_ranges(released)}))

    def _send_calls(self, writer: Any, session: weakref.ref[Session]) -> None:
        alive = session()
        calls, self.calls = self.calls, []
        stages, self.stages = self.stages, []
        functions, self.functions = self.functions, []
        self.bytes = 0
        if alive is None or alive.is_refused:
            return
        alive._request += 1
        request = alive._request
        for call in calls:
            call.state.request = request
        groups, parts = _groups(alive, calls)
        wanted = find_ranges([(call.state.stage, call.state.index) for call in calls if call.state.is_wanted])
        header = {"request": request, "stages": stages, "groups": groups, "wanted": wanted}
        writer.write_metadata(encode_message(SUBMIT, header, functions + parts))


def find_ranges(tasks: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return tasks, each once, as ranges: stage, first, count."""
    ranges: list[tuple[int, int, int]] = []
    for stage, index in sorted(tasks):
        if ranges and ranges[-1][0] == stage and ranges[-1][1] + ranges[-1][2] == index:
            ranges[-1] = (stage, ranges[-1][1], ranges[-1][2] + 1)
        else:
            ranges.append((stage, index, 1))
    return ranges


def _groups(session: Session, calls: Sequence[Call]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return runs of calls of one stage, and the bytes that describe each."""
    groups: list[dict[str, Any]] = []
    parts: list[bytes] = []
    at = 0
    while at < len(calls):
        end = at + 1
        while end < len(calls) and calls[end].stage == calls[at].stage:
            end += 1
        _add_group(session, calls[at:end], groups, parts)
        at = end
    return groups, parts


def _add_group(session: Session, calls: Sequence[Call], groups: list[dict[str, Any]], parts: list[bytes]) -> None:
    number = calls[0].stage
    stage = session._all[number]
    new: list[int] = []
    for call in calls:
        for state in call.inputs:
            if state.stage not in stage.inputs:
                stage.inputs[state.stage] = len(stage.inputs)
                new.append(state.stage)
    if stage.is_upload:
        groups.append({"stage": number, "count": len(calls)})
        return
    offsets = [0]
    for call in calls:
        offsets.append(offsets[-1] + len(call.arguments))
    session.bytes += offsets[-1]
    parts.append(_numbers(offsets))
    parts += [call.arguments for call in calls]
    counts = []
    for source in stage.inputs:
        rows, targets = [0], []
        for call in calls:
            if call.inputs:
                targets += [state.index for state in call.inputs if state.stage == source]
            rows.append(len(targets))
        parts += [_numbers(rows), _numbers(targets)]
        counts.append(len(targets))
    group = {"stage": number, "count": len(calls), "inputs": new, "arguments": offsets[-1], "edges": counts}
    groups.append(group)


def _numbers(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)
