"""The way to a cluster: Arrow Flight to its scheduler and its workers."""

from __future__ import annotations

import base64
import contextlib
import getpass
import json
import os
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from ._errors import Cancelled, ClusterError, PartitaError, QueryError
from ._wire import put_command, statement_query

__all__ = ["Connection", "Running"]

#: The version of the protocol that schedulers must speak.
PROTOCOL = "2"
#: How long a worker may take to be reached, in seconds, before its rows pass through the scheduler.
REACH_TIMEOUT_S = 5.0
#: Partitions that are read or brought at once.
STREAMS_MAX = 8
#: Bytes of one message of a partition that is brought, about.
MESSAGE_BYTES = 2 << 20


class _Messages:
    """What gRPC says, without what only gRPC knows."""

    @staticmethod
    def plain(error: BaseException) -> str:
        text = str(error)
        for mark in (". Detail:", ". gRPC client debug context:", ". Client context:"):
            text = text.split(mark, 1)[0]
        for prefix in ("Flight returned ", "gRPC returned "):
            if text.startswith(prefix):
                text = text.split("with message: ", 1)[-1]
        return text.strip()

    @classmethod
    def translate(cls, error: BaseException, query: str | None = None) -> PartitaError:
        text = cls.plain(error)
        if isinstance(error, flight.FlightUnavailableError):
            return ClusterError(f"the scheduler cannot be reached: {text}")
        if isinstance(error, flight.FlightUnauthenticatedError):
            return ClusterError(f"the scheduler does not take the token: {text}")
        if isinstance(error, flight.FlightCancelledError) or "the job was cancelled" in text:
            return Cancelled(text, query)
        return QueryError(text, query)


@contextlib.contextmanager
def _translated(query: str | None = None) -> Iterator[None]:
    try:
        yield
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        raise _Messages.translate(error, query) from None


def _whoami() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class Running:
    """A query whose rows are coming."""

    def __init__(self, reader: flight.FlightStreamReader, query: str, cancel: Callable[[], None]):
        self._reader = reader
        self._query = query
        self._cancel = cancel

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._reader.schema

    def table(self) -> pa.Table:
        """All rows. Ctrl-C stops the query on the cluster."""
        with _translated(self._query):
            if threading.current_thread() is not threading.main_thread():
                return self._reader.read_all()
            # Reading hears of no signal. Waiting for another thread does.
            work: Future[pa.Table] = Future()
            threading.Thread(target=self._read, args=(work,), name="partita-read", daemon=True).start()
            try:
                return work.result()
            except KeyboardInterrupt:
                self._cancel()
                self._reader.cancel()
                raise

    def _read(self, work: Future[pa.Table]) -> None:
        try:
            work.set_result(self._reader.read_all())
        except BaseException as error:
            work.set_exception(error)


class Connection:
    """A connection to a scheduler, with a session of its own.

    Parameters
    ----------
    address : str
        ``host:port``.
    token : str
        The cluster's token.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.token = token
        self.session = f"python-{uuid.uuid4().hex}"
        self._scheduler = flight.FlightClient(f"grpc://{address}")
        self._workers: dict[str, flight.FlightClient | None] = {}
        self._lock = threading.Lock()
        self._attending: threading.Thread | None = None
        self._options = flight.FlightCallOptions(headers=self._headers())
        self._closed = False
        self._forgotten: list[str] = []

    def _headers(self) -> list[tuple[bytes, bytes]]:
        directory = urllib.parse.quote(os.getcwd(), safe="/ ")
        return [
            (b"authorization", f"Bearer {self.token}".encode()),
            (b"x-partita-protocol", PROTOCOL.encode()),
            (b"x-partita-session", self.session.encode()),
            (b"x-partita-directory", directory.encode()),
            (b"x-partita-client", urllib.parse.quote(_whoami(), safe="@ ").encode()),
        ]

    def attend(self) -> None:
        """Has the scheduler keep what belongs to this session as long as this process lives.

        Raises
        ------
        ClusterError
            If the scheduler cannot be reached or refuses.
        """
        with _translated():
            answers = iter(self._scheduler.do_action(("partita.attend", b""), self._options))
            next(answers)

        def listen() -> None:
            with contextlib.suppress(Exception):
                for _ in answers:
                    pass

        self._attending = threading.Thread(target=listen, name="partita-attend", daemon=True)
        self._attending.start()

    def close(self) -> None:
        """Ends the session: its unpublished tables go."""
        if not self._closed:
            self._closed = True
            if self._attending is not None:
                with contextlib.suppress(PartitaError):
                    self.action("partita.leave", {})
            for client in [self._scheduler, *self._workers.values()]:
                if client is not None:
                    with contextlib.suppress(Exception):
                        client.close()

    def forget(self, name: str) -> None:
        """Has a held table dropped with the next statement: this may be called at any moment, on any thread."""
        self._forgotten.append(name)

    def _drop_forgotten(self) -> None:
        while self._forgotten:
            name = self._forgotten.pop()
            with contextlib.suppress(flight.FlightError, pa.ArrowException):
                self._info(f"DROP TABLE IF EXISTS {quote(name)}")

    def run(self, sql: str) -> Running:
        """Begins a statement."""
        self._drop_forgotten()
        with _translated(sql):
            info = self._info(sql)
            reader = self._scheduler.do_get(info.endpoints[0].ticket, self._options)
        return Running(reader, sql, lambda: self._cancel(info))

    def _info(self, sql: str) -> flight.FlightInfo:
        descriptor = flight.FlightDescriptor.for_command(statement_query(sql))
        return self._scheduler.get_flight_info(descriptor, self._options)

    def _cancel(self, info: flight.FlightInfo) -> None:
        with contextlib.suppress(Exception):
            self._scheduler.cancel_flight_info(flight.CancelFlightInfoRequest(info), self._options)

    def query(self, sql: str) -> pa.Table:
        """The rows of a statement."""
        return self.run(sql).table()

    def schema(self, sql: str) -> pa.Schema:
        """The columns that a query would give. Nothing is run."""
        with _translated(sql):
            descriptor = flight.FlightDescriptor.for_command(statement_query(sql))
            return self._scheduler.get_schema(descriptor, self._options).schema

    def table(self, name: str) -> dict[str, Any]:
        """What the scheduler says of a held table of this session, or of everyone's.

        Raises
        ------
        PartitaError
            If it is not held any more.
        """
        found = [row for row in self.action("partita.tables", {}) if row["name"] == name]
        if not found:
            raise PartitaError(f"the table {name} is not held any more")
        own = [row for row in found if row["session"] == self.session]
        table: dict[str, Any] = (own or found)[0]
        return table

    def action(self, name: str, body: Any) -> Any:
        """Asks for an action, with JSON there and back."""
        with _translated():
            action = flight.Action(name, json.dumps(body).encode())
            answers = list(self._scheduler.do_action(action, self._options))
        return json.loads(answers[0].body.to_pybytes()) if answers else None

    # Tables that clients bring, and those that they take home.

    def put(
        self,
        name: str,
        parts: Sequence[pa.Table],
        public: bool = False,
        replicas: int = 1,
        order: Sequence[str] = (),
    ) -> int:
        """Brings a table, partition by partition, straight to the workers where they can be reached.

        Parameters
        ----------
        order : sequence of str
            Columns by which all rows are in order, rising. No value of the first one is missing or in two parts.

        Returns
        -------
        int
            The number of rows.
        """
        if not parts:
            raise ValueError("a table has at least one partition")
        schema = parts[0].schema
        places = self.action("partita.put_begin", {"name": name, "partitions": len(parts), "replicas": replicas})
        job = places["job"]
        work = list(zip(range(len(parts)), places["addresses"], parts))
        self._each(work, lambda one: self._put_one(job, *one))
        text = base64.b64encode(schema.serialize().to_pybytes()).decode()
        end = {"job": job, "name": name, "public": public, "schema": text}
        if order:
            end.update(order=list(order), splits=_splits(parts, order[0]))
        return int(self.action("partita.put_end", end)["rows"])

    def _put_one(self, job: int, index: int, address: str, rows: pa.Table) -> None:
        place = {"job": job, "index": index, "address": address}
        command = put_command(json.dumps(place).encode())
        descriptor = flight.FlightDescriptor.for_command(command)

        def bring(client: flight.FlightClient) -> None:
            with _translated():
                writer, answers = client.do_put(descriptor, rows.schema, self._options)
                writer.write_table(rows, max(rows.num_rows * MESSAGE_BYTES // max(rows.nbytes, 1), 1))
                writer.done_writing()
                answers.read()
                writer.close()

        worker = self._worker(address)
        if worker is not None:
            return bring(worker)
        return bring(self._scheduler)

    def get(self, name: str) -> pa.Table | None:
        """All rows of a held table, its partitions one after the other, each from where it lies.

        None if one lies nowhere: what was lost is made again by those who read it through the scheduler.
        """
        self._drop_forgotten()
        places = self.action("partita.locate", {"name": name})
        if not places or any(not place["address"] for place in places):
            return None
        try:
            return pa.concat_tables(self._each(places, self._get_one))
        except PartitaError:
            # Workers may have gone, or handed it over, since.
            return None

    def _get_one(self, place: dict[str, Any]) -> pa.Table:
        worker = self._worker(place["address"])
        with _translated():
            if worker is not None:
                ticket = flight.Ticket(base64.b64decode(place["ticket"]))
                return worker.do_get(ticket, self._options).read_all()
            text = json.dumps({"address": place["address"], "ticket": place["ticket"]})
            ticket = flight.Ticket(b"partita.fetch:" + text.encode())
            return self._scheduler.do_get(ticket, self._options).read_all()

    def _each(self, work: Sequence[Any], one: Callable[[Any], Any]) -> list[Any]:
        if len(work) == 1:
            return [one(work[0])]
        pool = ThreadPoolExecutor(max_workers=min(STREAMS_MAX, len(work)))
        try:
            return list(pool.map(one, work))
        finally:
            # Ctrl-C does not wait for what is on its way.
            pool.shutdown(wait=False, cancel_futures=True)

    def _worker(self, address: str) -> flight.FlightClient | None:
        """The way to a worker; none if it cannot be reached from here."""
        with self._lock:
            if address in self._workers:
                return self._workers[address]
        client: flight.FlightClient | None = flight.FlightClient(f"grpc://{address}")
        try:
            assert client is not None
            # A ticket that nobody understands: an answer of any kind proves the way.
            headers = self._headers()
            options = flight.FlightCallOptions(timeout=REACH_TIMEOUT_S, headers=headers)
            client.do_get(flight.Ticket(b""), options).read_all()
        except (flight.FlightUnavailableError, flight.FlightTimedOutError):
            client = None
        except (flight.FlightError, pa.ArrowException):
            pass
        with self._lock:
            self._workers[address] = client
        return client


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _splits(parts: Sequence[pa.Table], column: str) -> str:
    """The first values of a column in all parts but the first one, as an Arrow IPC stream in base64."""
    firsts = pa.concat_tables(
        [part.select([column]).slice(0, 1) for part in parts][1:] or [parts[0].slice(0, 0).select([column])]
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, firsts.schema) as writer:
        writer.write_table(firsts)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()
