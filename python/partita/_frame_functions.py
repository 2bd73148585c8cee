"""Functions over partitions of persisted frames, as they run on the workers."""

from __future__ import annotations

import os
import threading
from typing import Any

import pyarrow as pa

from ._connection import Connection
from ._errors import ClusterError, PartitionLost

__all__ = [
    "PersistedPartitions",
    "fetch_partition",
    "read_partition",
    "read_partitions",
    "upload_partition",
    "worker_connection",
]

#: Maximum number of cached connections to the scheduler, one for each client whose frames are read.
CONNECTIONS_MAX = 16

_connections: dict[tuple[str, str], Connection] = {}
_lock = threading.Lock()


class PersistedPartitions:
    """The partitions of a persisted frame or column, as an argument of a call.

    In the client it keeps the frame persisted. It is pickled without the frame: a worker fetches the partitions from
    those that hold them.

    Parameters
    ----------
    table : str
        Name of the persisted table.
    columns : list of str
        The columns of the table that make up the index and the values.
    plan : Plan
        The frame or column.
    """

    def __init__(self, table: str, columns: list[str], plan: Any) -> None:
        self.table = table
        self.columns = columns
        self._plan = plan
        self._session: str | None = None

    def read(self, number: int) -> Any:
        """Return a partition as a pandas object: what `compute` returns for its rows."""
        return self._plan._to_pandas(self.read_rows(number))

    def read_all(self, count: int) -> Any:
        """Return all partitions as one pandas object, given their number: what `compute` returns."""
        return self._plan._to_pandas(pa.concat_tables([self.read_rows(number) for number in range(count)]))

    def read_rows(self, number: int) -> pa.Table:
        """Return a partition as a table of Arrow, with the index levels first."""
        rows = fetch_partition(self._connection(), self.table, number)
        return rows.select(self.columns).rename_columns(self._plan._names())

    def _connection(self) -> Connection:
        return self._plan._client._connection if self._session is None else worker_connection(self._session)

    def __reduce__(self) -> Any:
        session = self._session or self._plan._client._connection.session
        return _load_partitions, (self.table, self.columns, self._plan._outline(), session)


def _load_partitions(table: str, columns: list[str], outline: tuple[Any, ...], session: str) -> PersistedPartitions:
    from .dataframe._partition_inputs import plan_of_outline

    made = PersistedPartitions(table, columns, plan_of_outline(outline))
    made._session = session
    return made


def worker_connection(session: str = "") -> Connection:
    """Return a connection of this process to the scheduler; with a session, one that reads its tables.

    A worker tells its Python processes in the environment how to reach the scheduler.

    Raises
    ------
    ClusterError
        If the worker does not.
    """
    from ._client import current_client
    from ._worker_view import is_in_runner

    address, token = os.environ.get("PARTITA_SCHEDULER", ""), os.environ.get("PARTITA_TOKEN", "")
    authorities = os.environ.get("PARTITA_TLS_CA_FILE") or None
    if not is_in_runner():
        known = current_client()._connection
        address, token, authorities = known.address, known.token, known.trust.tls_ca_file
    elif not address or not token:
        raise ClusterError(
            "cannot read or write partitions of frames: the worker does not tell its Python processes how to reach the "
            "scheduler; start workers of the version of this package"
        )
    address = address.removeprefix("tcp://")
    with _lock:
        found = _connections.get((address, session))
        if found is None or found.token != token:
            while len(_connections) >= CONNECTIONS_MAX:
                del _connections[next(iter(_connections))]
            found = _connections[address, session] = Connection(address, token, authorities, session or None)
        return found


def fetch_partition(connection: Connection, table: str, number: int) -> Any:
    """Return the rows of a partition of a persisted table. Lost partitions are recomputed."""
    from ._worker_view import without_slot

    try:
        return connection.fetch_partition(table, number)
    except PartitionLost:
        # All slots may be needed for what it waits for.
        with without_slot():
            connection.recompute(table)
        return connection.fetch_partition(table, number)


def read_partition(partitions: PersistedPartitions, number: int) -> Any:
    """Return a partition of a persisted frame as a pandas object."""
    return partitions.read(number)


def read_partitions(partitions: PersistedPartitions, count: int) -> Any:
    """Return a persisted frame as a pandas object."""
    return partitions.read_all(count)


def upload_partition(rows: Any, job: int, number: int, address: str) -> int:
    """Upload a partition of a table from this process to the worker at an address. Return the number of rows."""
    worker_connection().upload_partition(job, number, address, rows)
    return int(rows.num_rows)
