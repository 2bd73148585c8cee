"""Connections to a cluster: Arrow Flight to the scheduler and the workers."""

from __future__ import annotations

import base64
import collections
import contextlib
import getpass
import json
import os
import queue
import resource
import socket
import threading
import urllib.parse
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from ._deferred import DeferredTables
from ._errors import ClusterError, PartitaError, PartitionLost, TokenRefused, Unreachable, query_error
from ._futures import stoppable
from ._plaintext import CallProofs
from ._threads import join_threads, start_thread
from ._tls import CERTIFICATE_NAME, Trust
from ._wire import statement_query, upload_command

__all__ = ["Connection", "Running"]

#: Version of the protocol between client and scheduler.
PROTOCOL = "8"
#: Key of the schema metadata of a result that contains a notice for the user.
_NOTICE_KEY = b"partita.notice"
#: Timeout for connecting to a worker, in seconds; afterwards its rows pass through the scheduler.
REACH_TIMEOUT_S = 5.0
#: Timeout for connecting to the scheduler again, in seconds.
CONNECT_TIMEOUT_S = 10.0
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
#: Time for which released tables are collected into one message to the scheduler, in seconds.
RELEASE_DELAY_S = 0.05
#: Maximum number of tables in one release message.
RELEASE_NAMES_MAX = 1000
#: Attempts to send a release message to an unreachable scheduler, and the pause between them, in seconds.
RELEASE_ATTEMPTS_MAX = 5
RELEASE_PAUSE_S = 1.0
#: Time for which closing a connection waits for the last release message, in seconds.
RELEASE_END_S = 2.0
#: Start of statements that show a plan instead of running it.
EXPLAIN = "EXPLAIN "

_Result = TypeVar("_Result")


class _Messages:
    """Converts errors of Flight into exceptions of this package."""

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
        # The error kind that the scheduler sends beside the text. Errors of gRPC itself have none.
        kind = bytes(getattr(error, "extra_info", b""))
        if isinstance(error, flight.FlightUnavailableError):
            return Unreachable(f"cannot reach the scheduler: {text}")
        if isinstance(error, flight.FlightUnauthenticatedError):
            return TokenRefused(f"the scheduler rejected the token: {text}")
        if isinstance(error, flight.FlightCancelledError):
            return query_error(b"cancelled", "the computation was cancelled", query)
        return query_error(kind, text, query)


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


def _read_all(reader: flight.FlightStreamReader) -> pa.Table:
    """Read all rows of a stream.

    The reader's own ``read_all`` treats a cancelled stream as an interrupt and raises KeyboardInterrupt in the main
    thread, a second time if Ctrl-C was the reason for the cancellation.
    """
    return flight.MetadataRecordBatchReader.read_all(reader)


#: Threads of interrupted calls.
_abandoned: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def _interruptible(work: Callable[[], _Result], abandon: Callable[[Future[_Result]], None]) -> _Result:
    """Run a call of Flight so that Ctrl-C can interrupt it.

    A call of Flight does not react to signals, but waiting for another thread does. After Ctrl-C the call continues
    in that thread, and `abandon` receives its future.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[_Result] = Future()
    thread = start_thread(_finish, done, work, name="call")
    try:
        return done.result()
    except KeyboardInterrupt:
        _abandoned.add(thread)
        abandon(done)
        raise
    finally:
        # Otherwise an error would reference itself, and the frames of all callers, through this frame.
        del done


def _finish(done: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)
    finally:
        del done


#: The process that uses gRPC.
_process: int | None = None


def check_process() -> None:
    """Check that this process may use gRPC, which hangs in a fork of a process that has used it.

    Raises
    ------
    ClusterError
        If this is a fork of a process that has connected to a cluster.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise ClusterError(
            "this process was forked from one that is connected to a cluster, and such a connection does not work in two "
            "processes: start processes with multiprocessing.get_context('spawn'), or connect only after the fork"
        )


def _flight_client(trust: Trust, address: str, timeout: float, worker: str | None = None) -> flight.FlightClient:
    """Connect to the scheduler, or to the worker with this fingerprint.

    gRPC does not know fingerprints, but takes a certificate as the only one that it trusts.
    """
    check_process()
    if trust.is_plaintext:
        proofs = CallProofs(lambda: trust.session(address, timeout, worker))
        # Recognize the process before gRPC sends anything.
        proofs.authorization()
        return flight.FlightClient(f"grpc+tcp://{address}", middleware=[proofs])
    certificates = trust.certificate(address, timeout, worker)
    if trust.tls_ca_file is not None and worker is None:
        return flight.FlightClient(f"grpc+tls://{address}", tls_root_certs=certificates)
    return flight.FlightClient(f"grpc+tls://{address}", tls_root_certs=certificates, override_hostname=CERTIFICATE_NAME)


def _allow_open_files() -> None:
    """Raise the soft limit of open files to the hard limit: each connection to a worker needs a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems reject their own hard limit.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Running:
    """A running query, whose rows can be read."""

    def __init__(self, reader: flight.FlightStreamReader, query: str, cancel: Callable[[], None]):
        self._reader = reader
        self._query = query
        self._cancel = cancel

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""
        return self._reader.schema

    def table(self) -> pa.Table:
        """Read all rows. Ctrl-C cancels the query on the cluster."""
        with _translated(self._query), stoppable(self._stop):
            return self._emit_notice(_interruptible(lambda: _read_all(self._reader), lambda _: self._stop()))

    def last(self, count: int) -> tuple[pa.Table, int]:
        """Return the last `count` rows and the total number of rows. Earlier batches are dropped while reading."""
        kept: collections.deque[pa.RecordBatch] = collections.deque()
        rows = total = 0

        def read() -> pa.Table:
            nonlocal rows, total
            for chunk in self._reader:
                kept.append(chunk.data)
                rows += chunk.data.num_rows
                total += chunk.data.num_rows
                while rows - kept[0].num_rows >= count and len(kept) > 1:
                    rows -= kept.popleft().num_rows
            return pa.Table.from_batches(kept, self.schema)

        with _translated(self._query), stoppable(self._stop):
            table = self._emit_notice(_interruptible(read, lambda _: self._stop()))
        return table.slice(max(table.num_rows - max(count, 0), 0)), total

    def _emit_notice(self, table: pa.Table) -> pa.Table:
        """Emit the notice of a table, if it has one, as a warning, and return the table without it."""
        metadata = dict(table.schema.metadata or {})
        notice = metadata.pop(_NOTICE_KEY, None)
        if notice is None:
            return table
        warnings.warn(notice.decode(), stacklevel=4)
        return table.replace_schema_metadata(metadata or None)

    def _stop(self) -> None:
        self._cancel()
        self._reader.cancel()


class Releases:
    """Releases tables that are no longer read: a background thread sends their names to the scheduler in batches.

    Parameters
    ----------
    send : callable
        Sends a list of names. Raises `ClusterError` if the scheduler cannot be reached.
    """

    def __init__(self, send: Callable[[list[str]], None]) -> None:
        self._send = send
        # A reentrant queue: the garbage collector may call `add` at any moment, even during a call of `add`.
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = start_thread(self._run, name="release")

    def add(self, name: str) -> None:
        """Release a table soon. This may be called at any moment, on any thread."""
        self._names.put(name)

    def close(self) -> None:
        """Stop the thread. Tables that it has not sent are dropped with the session."""
        self._closed.set()
        self._names.put(None)
        self._thread.join(RELEASE_END_S)

    def _run(self) -> None:
        while not self._closed.is_set():
            names = [self._names.get()]
            self._closed.wait(RELEASE_DELAY_S)
            with contextlib.suppress(queue.Empty):
                while len(names) < RELEASE_NAMES_MAX:
                    names.append(self._names.get_nowait())
            self._try([name for name in names if name is not None])

    def _try(self, names: list[str]) -> None:
        for _ in range(RELEASE_ATTEMPTS_MAX):
            if self._closed.is_set():
                return
            try:
                self._send(names)
            except ClusterError:
                self._closed.wait(RELEASE_PAUSE_S)
            except PartitaError:
                return
            else:
                return


#: Time to wait at the end for threads that return from a call of Flight, in seconds.
ATTEND_END_S = 10.0
#: Connections that keep their session alive.
_attended: weakref.WeakSet[Connection] = weakref.WeakSet()


def join_connections(address: str) -> None:
    """Wait for the threads of connections to a scheduler that has ended.

    Their calls of Flight return then. An interpreter that exits at this moment crashes.
    """
    known = [one for one in list(_attended) if one.address == address.removeprefix("tcp://")]
    join_threads([one._attending for one in known if one._attending is not None], ATTEND_END_S)


class Connection:
    """A connection to a scheduler, with its own session.

    Parameters
    ----------
    address : str
        ``host:port``.
    token : str
        The cluster's token.
    tls_ca_file : str, optional
        File with the certificates of authorities (PEM) that vouch for the scheduler's certificate.
    session : str, optional
        The session of another connection, whose tables this one reads. A new session if not given.

    Raises
    ------
    TokenRefused
        If the token does not say how the scheduler is recognized.
    """

    def __init__(self, address: str, token: str, tls_ca_file: str | None = None, session: str | None = None) -> None:
        _allow_open_files()
        self.address = address
        self.token = token
        self.session = session or f"python-{uuid.uuid4().hex}"
        self.deferred = DeferredTables()
        self.trust = Trust(token, tls_ca_file)
        self._client: flight.FlightClient | None = None
        self._workers: dict[str, flight.FlightClient | None] = {}
        self._located: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._attending: threading.Thread | None = None
        headers = self._headers()
        self._options = flight.FlightCallOptions(headers=headers)
        # Frames rely on the column types that the scheduler reported, so the query must not change them.
        self._fixed = flight.FlightCallOptions(headers=[*headers, (b"x-partita-fixed-types", b"1")])
        self._closed = False
        self._releases: Releases | None = None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        directory = urllib.parse.quote(os.getcwd(), safe="/ ")
        shown = self.trust.authorization
        return [
            *([(b"authorization", shown.encode())] if shown else []),
            (b"x-partita-protocol", PROTOCOL.encode()),
            (b"x-partita-session", self.session.encode()),
            (b"x-partita-directory", directory.encode()),
            (b"x-partita-client", urllib.parse.quote(_whoami(), safe="@ ").encode()),
        ]

    def reach(self, timeout: float) -> None:
        """Check that the scheduler listens at the address.

        If packets are dropped, gRPC itself retries for much longer than `timeout`.

        Raises
        ------
        Unreachable
            If no connection is established within `timeout` seconds, or another process listens at the address.
        """
        try:
            self._client = _flight_client(self.trust, self.address, timeout)
        except Unreachable as error:
            raise Unreachable(str(error).replace("cannot reach", "cannot reach the scheduler at", 1)) from None

    @property
    def _scheduler(self) -> flight.FlightClient:
        """The Flight client of the scheduler, connected on first use."""
        check_process()
        if self._client is None:
            self.reach(CONNECT_TIMEOUT_S)
        assert self._client is not None
        return self._client

    def request(self, path: str, method: str, timeout: float) -> tuple[int, bytes]:
        """Send a request to the REST API and return the status and the body."""
        return self.trust.request(self.address, f"/api/v2/{path}", method, timeout)

    def attend(self) -> None:
        """Open a stream that keeps the session alive on the scheduler as long as this process lives.

        Raises
        ------
        ClusterError
            If the scheduler cannot be reached or rejects the session.
        """
        with _translated():
            answers = iter(self._scheduler.do_action(("partita.attend", b""), self._options))
            next(answers)

        def listen() -> None:
            with contextlib.suppress(Exception):
                for _ in answers:
                    pass

        self._attending = start_thread(listen, name="attend")
        _attended.add(self)
        self._releases = Releases(lambda names: self.action("partita.release", {"names": names}))

    def close(self) -> None:
        """End the session. The scheduler drops its unpublished tables."""
        if not self._closed and _process == os.getpid():
            self._closed = True
            if self._releases is not None:
                self._releases.close()
            if self._attending is not None:
                with contextlib.suppress(PartitaError):
                    # The scheduler ends the stream of the session soon. Its thread is joined at exit.
                    self.action("partita.leave", {})
            for client in [self._client, *self._workers.values()]:
                if client is not None:
                    with contextlib.suppress(Exception):
                        client.close()
            join_threads(list(_abandoned), ATTEND_END_S)

    def release(self, name: str) -> None:
        """Release a table of this session soon. This may be called at any moment, on any thread."""
        self.deferred.remove(name)
        if self._releases is not None:
            self._releases.add(name)

    @contextlib.contextmanager
    def release_on_error(self, name: str) -> Iterator[None]:
        """Release a table of this session if its creation fails or is interrupted."""
        try:
            yield
        except BaseException:
            self.release(name)
            raise

    def run(self, sql: str, fixed: bool = True) -> Running:
        """Start a statement; `fixed` means that it relies on the column types that the scheduler reported."""
        if sql.startswith(EXPLAIN):
            sql = self.deferred.with_stand_ins(sql)
        else:
            self.deferred.create_for(sql)
        with _translated(sql):
            info = _interruptible(lambda: self._info(sql, fixed), self._cancel_later)
            try:
                reader = self._scheduler.do_get(info.endpoints[0].ticket, self._options)
            except BaseException:
                self._cancel(info)
                raise
        return Running(reader, sql, lambda: self._cancel(info))

    def _info(self, sql: str, fixed: bool = True) -> flight.FlightInfo:
        descriptor = flight.FlightDescriptor.for_command(statement_query(sql))
        return self._scheduler.get_flight_info(descriptor, self._fixed if fixed else self._options)

    def _cancel_later(self, planned: Future[flight.FlightInfo]) -> None:
        """Cancel an abandoned statement as soon as it is planned."""
        planned.add_done_callback(lambda done: None if done.exception() else self._cancel(done.result()))

    def _cancel(self, info: flight.FlightInfo) -> None:
        with contextlib.suppress(Exception):
            self._scheduler.cancel_flight_info(flight.CancelFlightInfoRequest(info), self._options)

    def query(self, sql: str, fixed: bool = True) -> pa.Table:
        """Run a statement and return its rows."""
        return self.run(sql, fixed).table()

    def schema(self, sql: str) -> pa.Schema:
        """Return the schema of a query without running it."""
        sql = self.deferred.with_stand_ins(sql)
        descriptor = flight.FlightDescriptor.for_command(statement_query(sql))
        with _translated(sql):
            try:
                return self._scheduler.get_schema(descriptor, self._fixed).schema
            except (flight.FlightError, pa.ArrowException, OSError):
                # For this call pyarrow drops the error kind that the scheduler sends; another call reports it.
                self._cancel(self._info(sql))
                raise

    def table(self, name: str) -> dict[str, Any]:
        """Return the description of a persisted table of this session, or of a public one.

        Raises
        ------
        PartitaError
            If the table no longer exists.
        """
        self.deferred.create(name)
        found = [row for row in self.action("partita.tables", {}) if row["name"] == name]
        if not found:
            raise PartitaError(f"table {name} no longer exists on the cluster; compute it again")
        own = [row for row in found if row["session"] == self.session]
        table: dict[str, Any] = (own or found)[0]
        return table

    def exchange(self) -> tuple[Any, Any]:
        """Open a stream of messages in both directions: return its writer and its reader."""
        with _translated():
            descriptor = flight.FlightDescriptor.for_command(b"partita.functions")
            return self._scheduler.do_exchange(descriptor, self._options)

    def gather(self, job: int, places: Sequence[tuple[int, int]]) -> Iterator[Any]:
        """Yield the frames of results of functions."""
        text = json.dumps({"job": job, "tasks": list(places)}, separators=(",", ":"))
        with _translated():
            reader = self._scheduler.do_get(flight.Ticket(b"partita.gather:" + text.encode()), self._options)
            while True:
                try:
                    yield reader.read_chunk().app_metadata
                except StopIteration:
                    return

    def action(self, name: str, body: Any) -> Any:
        """Run an action of the scheduler, with JSON as request and response."""
        with _translated():
            action = flight.Action(name, json.dumps(body).encode())
            answers = list(self._scheduler.do_action(action, self._options))
        return json.loads(answers[0].body.to_pybytes()) if answers else None

    # Uploads and downloads of tables.

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
            firsts = self._each(list(enumerate(addresses)), send)
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
        place = {"job": job, "index": index, "address": address}
        command = upload_command(json.dumps(place).encode())
        descriptor = flight.FlightDescriptor.for_command(command)

        def send(client: flight.FlightClient) -> None:
            with _translated():
                writer, answers = client.do_put(descriptor, rows.schema, self._options)
                writer.write_table(rows, max(rows.num_rows * MESSAGE_BYTES // max(rows.nbytes, 1), 1))
                writer.done_writing()
                answers.read()
                writer.close()

        worker = self._worker(address)
        if worker is not None:
            return send(worker)
        return send(self._scheduler)

    def fetch(self, name: str) -> pa.Table | None:
        """Fetch all rows of a persisted table, each partition from a worker that holds it.

        Returns None if a partition is lost: reading the table through the scheduler recomputes it.
        """
        self.deferred.create(name)
        places = self.action("partita.locate", {"name": name})
        if not places or any(not place["address"] for place in places):
            return None
        try:
            return pa.concat_tables(self._each(places, self._fetch_partition))
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
            client = _flight_client(self.trust, host, REACH_TIMEOUT_S, fingerprint)
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


def quote(name: str) -> str:
    """Quote a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _first_values(rows: Sequence[pa.Table], column: str) -> pa.Table:
    """Return the split points of partitions: a column of the first rows of all partitions but the first."""
    return pa.concat_tables([row.select([column]) for row in rows[1:] or [rows[0].slice(0, 0)]])


def _encoded(table: pa.Table) -> str:
    """Encode a table as base64 of Arrow IPC."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()
