"""Exceptions of calls that ran on the workers, as the client raises them."""

from __future__ import annotations

import ast
import builtins
import contextlib
import types
from collections.abc import Iterable
from typing import Any

from ._errors import REMOTE_MARK, REMOTE_NOTE, Cancelled, ClusterError, KilledWorker, RemoteError
from ._session import Error, State

__all__ = ["make_exception", "remote_exception"]

#: The attribute that has the frames of an exception in a group while it travels.
_FRAMES_ATTRIBUTE = "_partita_frames"


def make_exception(error: Error, state: State) -> BaseException:
    """Return the exception of a call that has no result."""
    if error.kind == "cancelled":
        return Cancelled(f"{state.key}: {error.text}")
    return remote_exception(error)


def remote_exception(error: Error) -> BaseException:
    """Return the exception of a call that was not cancelled."""
    if error.exception is not None:
        found = _remote_exception(error)
        if found is not None:
            return found
    kinds: dict[str, type[Exception]] = {
        "memory": MemoryError,
        "lost": ClusterError if error.stage < 0 else KilledWorker,
        "refused": ClusterError,
        "raised": RemoteError,
    }
    return kinds.get(error.kind, RemoteError)(error.text)


def _remote_exception(error: Error) -> BaseException | None:
    """Return the exception that a function raised, with the lines of the function in its traceback."""
    import pickle

    try:
        exception, frames, causes = pickle.loads(error.exception)
    except Exception:
        return None
    if not isinstance(exception, BaseException):
        return None
    note = f"{REMOTE_NOTE}: {error.text.rpartition(' (task ')[2].rstrip(')')}"
    with contextlib.suppress(Exception):
        # Some classes refuse attributes, and Python 3.10 has no notes.
        exception.add_note(note)  # type: ignore[attr-defined]
    _set_frames_of_members(exception)
    _chain_causes(exception, causes)
    return _with_frames(exception, frames)


def _set_frames_of_members(exception: BaseException) -> None:
    """Set the tracebacks of the exceptions in a group, which came with their frames as an attribute."""
    waiting, seen = [exception], {id(exception)}
    while waiting:
        one = waiting.pop()
        frames = vars(one).pop(_FRAMES_ATTRIBUTE, None)
        if frames is not None:
            _with_frames(one, frames)
        members = one.exceptions if _is_group(one) else ()  # type: ignore[attr-defined]
        for other in (*members, one.__cause__, one.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def _is_group(exception: BaseException) -> bool:
    # Python has groups since 3.11.
    return isinstance(exception, getattr(builtins, "BaseExceptionGroup", ()))


def _chain_causes(exception: BaseException, causes: Iterable[tuple[Any, ...]]) -> None:
    """Set the causes of an exception: each is its pickle, or its text, its frames, and whether it is more than a context."""
    import pickle

    for pickled, text, frames, is_cause in causes:
        found: Any = None
        if pickled is not None:
            with contextlib.suppress(Exception):
                found = pickle.loads(pickled)
        if not isinstance(found, BaseException):
            found = RemoteError(text)
        _set_frames_of_members(found)
        _with_frames(found, frames)
        # Not as an attribute: some classes refuse to set these.
        link = BaseException.__cause__ if is_cause else BaseException.__context__
        link.__set__(exception, found)  # type: ignore[union-attr]
        exception = found


def _with_frames(exception: BaseException, frames: Iterable[tuple[Any, ...]]) -> BaseException:
    """Return an exception with a traceback of the given lines, if that can be built."""
    try:
        return exception.with_traceback(_rebuild_traceback(frames))
    except Exception:
        return exception


def _rebuild_traceback(frames: Iterable[tuple[Any, ...]]) -> types.TracebackType | None:
    """Return a traceback with the given lines: file, line number, name of the function."""
    built: types.TracebackType | None = None
    for frame in reversed(list(frames)):
        filename, line, name = frame[0], frame[1], frame[2]
        tree = ast.parse(f"raise {REMOTE_MARK}")
        for node in ast.walk(tree):
            if isinstance(node, (ast.stmt, ast.expr)):
                # Without columns, which would be marked below the line of the function.
                node.lineno = node.end_lineno = max(int(line), 1)
                node.col_offset = node.end_col_offset = -1
        code = compile(tree, filename, "exec").replace(co_name=name)
        try:
            exec(code, {REMOTE_MARK: _Marker(), "__name__": name, "__file__": filename})
        except _Marker as marker:
            inner = marker.__traceback__.tb_next if marker.__traceback__ is not None else None
            if inner is not None:
                built = types.TracebackType(built, inner.tb_frame, inner.tb_lasti, inner.tb_lineno)
    return built


class _Marker(Exception):
    """Raised to get a frame."""
