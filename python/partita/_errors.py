"""What goes wrong, as exceptions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, TypeVar, cast

__all__ = [
    "OF_VALUES",
    "Cancelled",
    "ClusterError",
    "InvalidArgument",
    "NotThere",
    "PartitaError",
    "QueryError",
    "TokenRefused",
    "Unreachable",
    "query_error",
    "thin",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class PartitaError(Exception):
    """The root of all exceptions of this package."""

    def __str__(self) -> str:
        # KeyError, which some are too, would show the text in quotes.
        return Exception.__str__(self)


class ClusterError(PartitaError):
    """No cluster could be found, reached or started."""


class InvalidArgument(ClusterError, ValueError):
    """A cluster cannot be started with an argument."""


class Unreachable(ClusterError, ConnectionError):
    """Nobody answers at the address of a scheduler."""


class TokenRefused(ClusterError, PermissionError):
    """The scheduler does not accept the token."""


class QueryError(PartitaError):
    """A computation failed. The text names the task, the worker and the cause.

    Where Python has an exception for the cause, such as ``FileNotFoundError`` or ``ValueError``, the error is one of
    those too.

    Attributes
    ----------
    query : str or None
        The SQL that was sent.
    """

    def __init__(self, text: str, query: str | None = None) -> None:
        super().__init__(text)
        self.query = query

    def about(self, what: str) -> QueryError:
        """The same error, which says what it is about."""
        return type(self)(f"{what}: {self}", self.query)


class Cancelled(QueryError, CancelledError):
    """A computation was stopped."""


class QueryFileNotFoundError(QueryError, FileNotFoundError):
    """A file of a computation does not exist."""


class QueryPermissionError(QueryError, PermissionError):
    """A file of a computation may not be read or written."""


class QueryFileExistsError(QueryError, FileExistsError):
    """What a computation would write exists."""


class QueryKeyError(QueryError, KeyError):
    """A computation names a column that does not exist."""


class QueryValueError(QueryError, ValueError):
    """A value cannot be read or converted."""


class QueryZeroDivisionError(QueryError, ZeroDivisionError):
    """An integer is divided by zero."""


class QueryOverflowError(QueryError, OverflowError):
    """A result does not fit into its type."""


class QueryMemoryError(QueryError, MemoryError):
    """A computation needs more memory than its worker may use."""


class QueryNotImplementedError(QueryError, NotImplementedError):
    """A computation asks for what is not supported."""


#: Errors of values, which are some column's.
OF_VALUES = (QueryValueError, QueryZeroDivisionError, QueryOverflowError)

#: By the kind of error that the scheduler sends beside the text.
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


def query_error(kind: bytes, text: str, query: str | None) -> QueryError:
    """The error of a computation, of the class that fits the kind that the scheduler sent."""
    return _OF_KIND.get(kind, QueryError)(text, query)


class NotThere(NotImplementedError, AttributeError):
    """What pandas or Dask have and this has not. To ``hasattr`` it is absent."""


def thin(function: _Function) -> _Function:
    """Has the traceback of an error of ours show the call of a function, and not what happens inside it.

    What fails in a computation fails on the cluster: the functions of this package between the call and the
    connection say nothing about it.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PartitaError as error:
            raise error.with_traceback(None)  # noqa: B904

    return cast("_Function", call)
