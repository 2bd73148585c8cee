"""Exceptions."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, TypeVar, cast

__all__ = [
    "OF_VALUES",
    "REMOTE_MARK",
    "REMOTE_NOTE",
    "Cancelled",
    "ClusterError",
    "InvalidArgument",
    "KilledWorker",
    "PartitaError",
    "PartitionLost",
    "QueryError",
    "RemoteError",
    "TokenRefused",
    "UnknownSortColumn",
    "Unreachable",
    "UnsupportedName",
    "UnsupportedReduction",
    "UnsupportedType",
    "query_error",
    "remote_traceback",
    "trim_traceback",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: A global of the frames that stand for those of a function on a worker.
REMOTE_MARK = "_partita_error"
#: The beginning of the note in exceptions of such functions.
REMOTE_NOTE = "raised on a worker"


class PartitaError(Exception):
    """Base class of all exceptions of this package."""

    def __str__(self) -> str:
        # Some subclasses are also a KeyError, which would show the text in quotes.
        return Exception.__str__(self)


class ClusterError(PartitaError):
    """A cluster cannot be found, reached or started."""


class InvalidArgument(ClusterError, ValueError):
    """A cluster cannot be started because of an invalid argument."""


class Unreachable(ClusterError, ConnectionError):
    """A scheduler does not answer."""


class PartitionLost(ClusterError):
    """No worker holds a partition of a persisted frame."""


class TokenRefused(ClusterError, PermissionError):
    """The scheduler rejected the token."""


class QueryError(PartitaError):
    """A computation failed. The message names the task, the worker and the cause.

    If Python has an exception for the cause, such as ``FileNotFoundError`` or ``ValueError``, the error is also an
    instance of it.

    Attributes
    ----------
    query : str or None
        The SQL query.
    """

    def __init__(self, text: str, query: str | None = None) -> None:
        super().__init__(text)
        self.query = query

    def about(self, what: str) -> QueryError:
        """Return the same error with a prefix that names its subject."""
        return type(self)(f"{what}: {self}", self.query)


class Cancelled(QueryError, CancelledError):
    """A computation was cancelled."""


class QueryFileNotFoundError(QueryError, FileNotFoundError):
    """A file of a computation does not exist."""


class QueryPermissionError(QueryError, PermissionError):
    """A computation lacks the permission to read or write a file."""


class QueryFileExistsError(QueryError, FileExistsError):
    """A file or folder that a computation would write already exists."""


class QueryKeyError(QueryError, KeyError):
    """A computation uses a column that does not exist."""


class QueryValueError(QueryError, ValueError):
    """A value cannot be read or converted."""


class QueryZeroDivisionError(QueryError, ZeroDivisionError):
    """An integer was divided by zero."""


class QueryOverflowError(QueryError, OverflowError):
    """A result does not fit in its type."""


class QueryMemoryError(QueryError, MemoryError):
    """A computation needs more memory than its worker may use."""


class QueryNotImplementedError(QueryError, NotImplementedError):
    """A computation uses an unsupported feature."""


#: Errors caused by a value of a column.
OF_VALUES = (QueryValueError, QueryZeroDivisionError, QueryOverflowError)

#: Exception class by the error kind that the scheduler sends beside the text.
_OF_KIND: dict[bytes, type[QueryError]] = {
    b"cancelled": Cancelled,
    b"file-not-found": QueryFileNotFoundError,
    b"permission-denied": QueryPermissionError,
    b"file-exists": QueryFileExistsError,
    b"column-not-found": QueryKeyError,
    b"value": QueryValueError,
    b"divide-by-zero": QueryZeroDivisionError,
    b"overflow": QueryOverflowError,
    b"memory": QueryMemoryError,
    b"unsupported": QueryNotImplementedError,
}


#: A failed check of values, which is a conversion of its message to an integer.
_CHECK = re.compile(r"Cast error: Cannot cast string 'check: (.*?)' to value of Int64 type", re.DOTALL)
#: Clearer texts of errors of Arrow.
_CLEAR = {
    "Cast error: Cannot cast timezone to different timezone": "a local time is ambiguous or does not exist, because "
    "clocks change to or from daylight saving time",
}


def query_error(kind: bytes, text: str, query: str | None) -> QueryError:
    """Return the exception for an error kind that the scheduler sent."""
    text = _CHECK.sub(r"\1", text)
    for found, clear in _CLEAR.items():
        text = text.replace(found, clear)
    return _OF_KIND.get(kind, QueryError)(text, query)


class UnsupportedReduction(TypeError, ValueError):
    """A reduction that the values of a column do not have, for which pandas raises a type error and Dask a value error."""


class UnsupportedName(NotImplementedError, AttributeError):
    """A name of pandas or Dask that is not supported. ``hasattr`` returns False for it."""


class UnsupportedType(TypeError, NotImplementedError):
    """An operation does not support the type of a column. pandas raises a TypeError, Dask a NotImplementedError."""


class UnknownSortColumn(NotImplementedError, KeyError):
    """No column has the label to sort by, which is not a text. pandas raises a KeyError, Dask a NotImplementedError."""


def trim_traceback(function: _Function) -> _Function:
    """Decorate a function so that tracebacks of this package's errors end at its call.

    Computations fail on the cluster, so the frames inside this package do not help to find the cause.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PartitaError as error:
            raise error.with_traceback(None)  # noqa: B904
        except Exception as error:
            raise error.with_traceback(remote_traceback(error))  # noqa: B904

    return cast("_Function", call)


def remote_traceback(error: BaseException) -> types.TracebackType | None:
    """Return the part of a traceback that a function on a worker left; all of it if no such part exists."""
    found = error.__traceback__
    while found is not None and REMOTE_MARK not in found.tb_frame.f_globals:
        found = found.tb_next
    if found is None and any(str(note).startswith(REMOTE_NOTE) for note in getattr(error, "__notes__", ())):
        # A function that is not written in Python left no line.
        return None
    return found or error.__traceback__


class KilledWorker(PartitaError):
    """A call ended its Python process or its worker each time it was tried."""


class RemoteError(PartitaError):
    """A function raised an exception that cannot be pickled. The text names its type and message."""
