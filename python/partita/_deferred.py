"""Tables whose partitions are results of Python functions, which run when a request first reads the table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .plan.relation import Relation, Table
from .plan.rewrite import substitute_tables
from .plan.wire import Request

__all__ = ["DeferredTable", "DeferredTables"]


class DeferredTable:
    """A table that does not exist yet.

    Parameters
    ----------
    stand_in : Relation
        A relation without rows that has the columns of the table.
    create : callable
        Creates the table.
    first : callable, optional
        Takes a number of partitions. Returns the rows of a table of only the first ones; None after the creation of the
        table itself, if it has no more.
    """

    def __init__(
        self, stand_in: Relation, create: Callable[[], None], first: Callable[[int], Any] | None = None
    ) -> None:
        self.stand_in = stand_in
        self.first = first
        self._create = create
        self._lock = threading.Lock()
        self._exists = False

    def create(self) -> None:
        """Create the table unless it exists. Several threads may call this. After an error, the next call retries."""
        with self._lock:
            if not self._exists:
                self._create()
                self._exists = True


class DeferredTables:
    """The deferred tables of a connection, by name."""

    def __init__(self) -> None:
        self._tables: dict[str, DeferredTable] = {}

    def add(self, name: str, table: DeferredTable) -> None:
        """Add a table."""
        self._tables[name] = table

    def remove(self, name: str) -> None:
        """Forget a table. The garbage collector may call this at any moment, on any thread."""
        self._tables.pop(name, None)

    def find(self, name: str | None) -> DeferredTable | None:
        """Return a table that does not exist yet."""
        return None if name is None else self._tables.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._tables

    def create(self, *names: str) -> None:
        """Create those of the tables that do not exist yet."""
        for name in names:
            table = self._tables.get(name)
            if table is not None:
                table.create()
                self._tables.pop(name, None)

    def create_for(self, request: Request) -> None:
        """Create the tables that a request reads."""
        if self._tables:
            self.create(*dict.fromkeys(request.tables()))

    def with_stand_ins(self, request: Request) -> Request:
        """Return a request with the stand-ins of the tables that do not exist yet, for its columns or its plan."""
        if not self._tables or not any(name in self._tables for name in request.tables()):
            return request
        return request.with_relation(self._stand_in(request.relation))

    def _stand_in(self, relation: Relation) -> Relation:
        def replaced(table: Table) -> Relation:
            found = self._tables.get(table.name)
            # A stand-in may read tables that do not exist either.
            return table if found is None else self._stand_in(found.stand_in)

        return substitute_tables(relation, replaced)
