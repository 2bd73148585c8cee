"""What goes wrong, as exceptions."""

from __future__ import annotations

__all__ = ["Cancelled", "ClusterError", "NotThere", "PartitaError", "QueryError"]


class PartitaError(Exception):
    """The root of all exceptions of this package."""


class ClusterError(PartitaError):
    """No cluster could be found, reached or started."""


class QueryError(PartitaError):
    """A computation failed. The text names the task, the worker and the cause.

    Attributes
    ----------
    query : str or None
        The SQL that was sent.
    """

    def __init__(self, text: str, query: str | None = None) -> None:
        super().__init__(text)
        self.query = query


class Cancelled(QueryError):
    """A computation was stopped."""


class NotThere(NotImplementedError, AttributeError):
    """What pandas or Dask have and this has not. To ``hasattr`` it is absent."""
