"""Tables and large values on their way between a client and the workers that hold them."""

from __future__ import annotations

import base64
import errno
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from ._deferred import DeferredTables
from ._direct import Mapped, map_parts
from ._errors import PartitaError, PartitionLost, Unreachable
from ._flight import flight_client, translated
from ._shared_memory import can_map, own_node
from ._tls import Trust
from ._wire import quote, upload_command

__all__ = ["Transfers"]

#: Timeout for connecting to a worker, in seconds; afterwards its rows pass through the scheduler.
REACH_TIMEOUT_S = 5.0
#: Partitions that are downloaded or uploaded in parallel.
STREAMS_MAX = 8
#: Approximate size of one message of an upload, in bytes.
MESSAGE_BYTES = 2 << 20
#: Maximum number of cached connections to workers.
WORKERS_MAX = 1024
#: Maximum number of tables for which the locations of their partitions are cached.
LOCATED_MAX = 16
#: Attempts to fetch a partition, which may be migrated meanwhile.
FETCH_ATTEMPTS_MAX = 3


class Transfers:
    """The part of a connection that uploads and downloads."""

    trust: Trust
    deferred: DeferredTables
    release_on_error: Callable[[str], AbstractContextManager[None]]
    action: Callable[[str, Any], Any]
    query: Callable[[str], pa.Table]
    _headers: Callable[[], list[tuple[bytes, bytes]]]
    _lock: Any
    _options: flight.FlightCallOptions
    _scheduler: flight.FlightClient
    _workers: dict[str, flight.FlightClient | None]
    _apart: set[str]
    _located: dict[str, list[dict[str, Any]]]

    # Tables.

    def upload(
        self,
        name: str,
        parts: Sequence[pa.Table],
        public: bool = False,
        replicas: int = 1,
        order: Sequence[str] = (),
    ) -> pa.Schema:
        """Upload a table, partition by partition, directly to the workers if they are reachable.

        Parameters
        ----------
        name : str
            Name of the table.
        parts : sequence of pyarrow.Table
            The partitions. Each is read from the sequence only when it is sent, so the sequence may generate them.
        public : bool
            Whether all clients can read the table.
        replicas : int
            Number of workers that store each partition.
        order : sequence of str
            Columns by which all rows are sorted in ascending order. The first column has no missing values, and none
            of its values occurs in two partitions.

        Returns
        -------
        pyarrow.Schema
            The schema of the table.
        """
        if not parts:
            raise ValueError("cannot upload a table without partitions")

        def send(work: tuple[int, str]) -> pa.Table:
            at, address = work
            rows = parts[at]
            self.upload_partition(job, at, address, rows)
            # A copy, since a slice would keep all rows in memory.
            return rows.slice(0, 1).take(pa.array(range(min(rows.num_rows, 1)), pa.int64()))

        with self.release_on_error(name):
            job, addresses = self.begin_upload(name, len(parts), replicas)
            firsts = self.each(list(enumerate(addresses)), send)
            schema = firsts[0].schema
            self.end_upload(job, name, schema, order, _first_values(firsts, order[0]) if order else None, public)
        return schema

    def begin_upload(self, name: str, partitions: int, replicas: int = 1) -> tuple[int, list[str]]:
        """Begin the upload of a table. Return its job, and the address of a worker for each partition."""
        places = self.action("partita.upload_begin", {"name": name, "partitions": partitions, "replicas": replicas})
        return places["job"], places["addresses"]

    def end_upload(
        self,
        job: int,
        name: str,
        schema: pa.Schema,
        order: Sequence[str] = (),
        splits: pa.Table | None = None,
        public: bool = False,
    ) -> None:
        """Name a table whose partitions are uploaded.

        Parameters
        ----------
        job, name, schema
            The job of the upload, the name and the columns of the table.
        order : sequence of str
            Columns by which all rows are sorted in ascending order.
        splits : pyarrow.Table, optional
            The split points: values of the first of these columns, one less than partitions.
        public : bool
            Whether all clients can read the table.
        """
        text = base64.b64encode(schema.serialize().to_pybytes()).decode()
        end = {"job": job, "name": name, "public": public, "schema": text}
        if order and splits is not None:
            end.update(order=list(order), splits=_encoded(splits))
        self.action("partita.upload_end", end)

    def upload_partition(self, job: int, index: int, address: str, rows: pa.Table) -> None:
        """Upload one partition of a table."""
        self._upload({"job": job, "index": index, "address": address}, rows)

    def _upload(self, place: dict[str, Any], rows: pa.Table) -> None:
        command = upload_command(json.dumps(place).encode())
        descriptor = flight.FlightDescriptor.for_command(command)

        def send(client: flight.FlightClient) -> None:
            with translated():
                writer, answers = client.do_put(descriptor, rows.schema, self._options)
                writer.write_table(rows, max(rows.num_rows * MESSAGE_BYTES // max(rows.nbytes, 1), 1))
                writer.done_writing()
                answers.read()
                writer.close()

        worker = self._worker(place["address"])
        send(self._scheduler if worker is None else worker)

    def fetch(self, name: str) -> pa.Table | None:
        """Fetch all rows of a persisted table, each partition from a worker that holds it.

        Returns None if a partition is lost: reading the table through the scheduler recomputes it.
        """
        self.deferred.create(name)
        places = self.action("partita.locate", {"name": name})
        if not places or any(not place["address"] for place in places):
            return None
        try:
            return pa.concat_tables(self.each(places, self._fetch_partition))
        except PartitaError:
            # Since then, workers may have left or partitions may have been migrated.
            return None

    def fetch_partition(self, name: str, number: int) -> pa.Table:
        """Fetch the rows of one partition of a persisted table of this session from a worker that holds it.

        Raises
        ------
        PartitionLost
            If no worker holds the partition.
        """
        self.deferred.create(name)
        for attempt in range(FETCH_ATTEMPTS_MAX):
            with self._lock:
                places = self._located.get(name) if attempt == 0 else None
            if places is None:
                places = self.action("partita.locate", {"name": name})
                with self._lock:
                    while len(self._located) >= LOCATED_MAX:
                        del self._located[next(iter(self._located))]
                    self._located[name] = places
            place = places[number]
            try:
                # The empty address of a lost partition may be an old one.
                if place["address"]:
                    return self._fetch_partition(place)
            except PartitaError:
                if attempt + 1 == FETCH_ATTEMPTS_MAX:
                    raise
        raise PartitionLost(f"partition {number} of a persisted frame is lost: no worker holds it")

    def recompute(self, name: str) -> None:
        """Recompute the lost partitions of a persisted table."""
        # A condition that reads all partitions, is never true, and cannot be decided when the query is planned.
        self.query(f"SELECT count(*) FROM {quote(name)} WHERE random() < 0")

    def _fetch_partition(self, place: dict[str, Any]) -> pa.Table:
        worker = self._worker(place["address"])
        with translated():
            if worker is not None:
                ticket = flight.Ticket(base64.b64decode(place["ticket"]))
                return worker.do_get(ticket, self._options).read_all()
            text = json.dumps({"address": place["address"], "ticket": place["ticket"]})
            ticket = flight.Ticket(b"partita.fetch:" + text.encode())
            return self._scheduler.do_get(ticket, self._options).read_all()

    # Values of functions.

    def locate_results(self, job: int, places: Sequence[tuple[int, int]]) -> list[dict[str, Any] | None]:
        """Return where large results of functions are; ``None`` for others."""
        wanted = {"job": job, "tasks": list(places), "node": own_node()}
        found: list[dict[str, Any] | None] = self.action("partita.locate_results", wanted)
        return found

    def fetch_results(self, places: Sequence[dict[str, Any]]) -> list[pa.Table | Mapped | None]:
        """Fetch large results from the workers that hold them. Those that are not there any more are ``None``."""

        def fetch(place: dict[str, Any]) -> pa.Table | Mapped | None:
            try:
                mapped = self._map_result(place)
                return self._fetch_partition(place) if mapped is None else mapped
            except PartitaError:
                return None

        return self.each(places, fetch)

    def _map_result(self, place: dict[str, Any]) -> pa.Table | Mapped | None:
        """Map a result in the memory of a worker of this node; None if it is not there or cannot be opened."""
        address, ticket = place["address"], place.get("shared")
        if ticket is None or address in self._apart or not can_map():
            return None
        worker = self._worker(address)
        if worker is None:
            return None
        with translated():
            reader = worker.do_get(flight.Ticket(base64.b64decode(ticket)), self._options)
            try:
                mapped = map_parts(reader.schema)
                if mapped is None:
                    return reader.read_all()
            except OSError as error:
                mapped = None
                with self._lock:
                    if error.errno != errno.EMFILE and len(self._apart) < WORKERS_MAX:
                        self._apart.add(address)
            # The worker keeps the memory until then.
            reader.cancel()
            return mapped

    def upload_value(self, task: tuple[int, int, int], address: str, value: pa.Table) -> None:
        """Send a value, which is a table of bytes, to a worker, for a call with this job, stage and index."""
        job, stage, index = task
        self._upload({"job": job, "stage": stage, "index": index, "address": address}, value)

    # Connections.

    def each(self, work: Sequence[Any], one: Callable[[Any], Any]) -> list[Any]:
        """Call a function with each item, several at once, and return its results in order."""
        if len(work) == 1:
            return [one(work[0])]
        pool = ThreadPoolExecutor(max_workers=min(STREAMS_MAX, len(work)))
        try:
            return list(pool.map(one, work))
        finally:
            # Ctrl-C does not wait for transfers in progress.
            pool.shutdown(wait=False, cancel_futures=True)

    def _worker(self, address: str) -> flight.FlightClient | None:
        """Return the cached connection to a worker; None if it cannot be reached from here.

        An address is ``host:port#fingerprint``, with the fingerprint of the worker's certificate.
        """
        with self._lock:
            if address in self._workers:
                return self._workers[address]
        client: flight.FlightClient | None = None
        try:
            host, _, fingerprint = address.partition("#")
            client = flight_client(self.trust, host, REACH_TIMEOUT_S, fingerprint)
            # An invalid ticket: any response, even an error, proves that the worker is reachable.
            headers = self._headers()
            options = flight.FlightCallOptions(timeout=REACH_TIMEOUT_S, headers=headers)
            client.do_get(flight.Ticket(b""), options).read_all()
        except (Unreachable, flight.FlightUnavailableError, flight.FlightTimedOutError):
            client = None
        except (flight.FlightError, pa.ArrowException):
            pass
        with self._lock:
            while len(self._workers) >= WORKERS_MAX:
                del self._workers[next(iter(self._workers))]
            self._workers[address] = client
        return client


def _first_values(rows: Sequence[pa.Table], column: str) -> pa.Table:
    """Return the split points of partitions: a column of the first rows of all partitions but the first."""
    return pa.concat_tables([row.select([column]) for row in rows[1:] or [rows[0].slice(0, 0)]])


def _encoded(table: pa.Table) -> str:
    """Encode a table as base64 of Arrow IPC."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()
