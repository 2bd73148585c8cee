"""The way to a cluster: Arrow Flight to its scheduler and its workers."""

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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from ._errors import ClusterError, PartitaError, TokenRefused, Unreachable, query_error
from ._futures import stoppable
from ._wire import statement_query, upload_command

__all__ = ["Connection", "Running"]

#: The version of the protocol that schedulers must speak.
PROTOCOL = "3"
#: The key under which the metadata of a result's schema has what people should know of it.
_NOTICE_KEY = b"partita.notice"
#: How long a worker may take to be reached, in seconds, before its rows pass through the scheduler.
REACH_TIMEOUT_S = 5.0
#: Partitions that are read or uploaded at once.
STREAMS_MAX = 8
#: Bytes of one message of a partition that is uploaded, about.
MESSAGE_BYTES = 2 << 20
#: Workers whose connections are kept.
WORKERS_MAX = 1024
#: How long tables that nobody reads any more are gathered, in seconds, before the scheduler hears of them.
RELEASE_DELAY_S = 0.05
#: Tables in one message to the scheduler.
RELEASE_NAMES_MAX = 1000
#: How often a message is sent to a scheduler that cannot be reached, and the pause before the next time, in seconds.
RELEASE_ATTEMPTS_MAX = 5
RELEASE_PAUSE_S = 1.0
#: How long the end of a connection waits for the last message, in seconds.
RELEASE_END_S = 2.0

_Result = TypeVar("_Result")


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
        # What the scheduler says of an error for programs; what gRPC itself says has none.
        kind = bytes(getattr(error, "extra_info", b""))
        if isinstance(error, flight.FlightUnavailableError):
            return Unreachable(f"the scheduler cannot be reached: {text}")
        if isinstance(error, flight.FlightUnauthenticatedError):
            return TokenRefused(f"the scheduler does not accept the token: {text}")
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
    """All rows of a stream.

    The reader's own ``read_all`` takes a stream that was cancelled for Ctrl-C, and has the main thread interrupted, a
    second time if Ctrl-C was the reason.
    """
    return flight.MetadataRecordBatchReader.read_all(reader)


def _interruptible(work: Callable[[], _Result], abandon: Callable[[Future[_Result]], None]) -> _Result:
    """What a call of Flight gives. Ctrl-C ends the waiting for it, after which it is abandoned.

    Such a call hears of no signal. Waiting for another thread does.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[_Result] = Future()
    threading.Thread(target=_finish, args=(done, work), name="partita-call", daemon=True).start()
    try:
        return done.result()
    except KeyboardInterrupt:
        abandon(done)
        raise
    finally:
        # An error would keep itself, and what its callers have, by this frame.
        del done


def _finish(done: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)
    finally:
        del done


def _allow_open_files() -> None:
    """Raises this process's soft limit of open files to the hard one: each worker that is read takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems refuse what they call their limit.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
        with _translated(self._query), stoppable(self._stop):
            return self._told(_interruptible(lambda: _read_all(self._reader), lambda _: self._stop()))

    def last(self, count: int) -> tuple[pa.Table, int]:
        """The last rows, and the number of all. Of the others no more than a batch is kept."""
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
            table = self._told(_interruptible(read, lambda _: self._stop()))
        return table.slice(max(table.num_rows - max(count, 0), 0)), total

    def _told(self, table: pa.Table) -> pa.Table:
        """The table, after its notice was given as a warning if it has one."""
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
    """Tells the scheduler which tables nobody reads any more: soon, many at once, on a thread of its own.

    Parameters
    ----------
    send : callable
        Sends a list of names. Raises `ClusterError` if the scheduler cannot be reached.
    """

    def __init__(self, send: Callable[[list[str]], None]) -> None:
        self._send = send
        # This queue may be put into while it is being put into: the garbage collector runs at any moment.
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="partita-release", daemon=True)
        self._thread.start()

    def add(self, name: str) -> None:
        """Has a table released. This may be called at any moment, on any thread."""
        self._names.put(name)

    def close(self) -> None:
        """Ends the thread. What it has not sent by then goes with the session."""
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
        _allow_open_files()
        self.address = address
        self.token = token
        self.session = f"python-{uuid.uuid4().hex}"
        self._scheduler = flight.FlightClient(f"grpc://{address}")
        self._workers: dict[str, flight.FlightClient | None] = {}
        self._lock = threading.Lock()
        self._attending: threading.Thread | None = None
        headers = self._headers()
        self._options = flight.FlightCallOptions(headers=headers)
        # Frames are built on the types that the scheduler says.
        self._fixed = flight.FlightCallOptions(headers=[*headers, (b"x-partita-fixed-types", b"1")])
        self._closed = False
        self._releases: Releases | None = None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        directory = urllib.parse.quote(os.getcwd(), safe="/ ")
        return [
            (b"authorization", f"Bearer {self.token}".encode()),
            (b"x-partita-protocol", PROTOCOL.encode()),
            (b"x-partita-session", self.session.encode()),
            (b"x-partita-directory", directory.encode()),
            (b"x-partita-client", urllib.parse.quote(_whoami(), safe="@ ").encode()),
        ]

    def reach(self, timeout: float) -> None:
        """Proves that somebody listens at the address.

        gRPC would try for longer than anyone waits where packets are dropped.

        Raises
        ------
        Unreachable
            If nobody answers within `timeout` seconds.
        """
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout).close()
        except (OSError, ValueError) as error:
            raise Unreachable(f"the scheduler at {self.address} cannot be reached: {error}") from None

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
        self._releases = Releases(lambda names: self.action("partita.release", {"names": names}))

    def close(self) -> None:
        """Ends the session: its unpublished tables go."""
        if not self._closed:
            self._closed = True
            if self._releases is not None:
                self._releases.close()
            if self._attending is not None:
                with contextlib.suppress(PartitaError):
                    self.action("partita.leave", {})
            for client in [self._scheduler, *self._workers.values()]:
                if client is not None:
                    with contextlib.suppress(Exception):
                        client.close()

    def forget(self, name: str) -> None:
        """Has a table of this session released soon: this may be called at any moment, on any thread."""
        if self._releases is not None:
            self._releases.add(name)

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[None]:
        """Has a table of this session released if making it fails or is interrupted."""
        try:
            yield
        except BaseException:
            self.forget(name)
            raise

    def run(self, sql: str, fixed: bool = True) -> Running:
        """Begins a statement; one that is `fixed` was built on the types of columns that the scheduler said."""
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
        """Cancels a statement that nobody waits for any more, when it has been planned."""
        planned.add_done_callback(lambda done: None if done.exception() else self._cancel(done.result()))

    def _cancel(self, info: flight.FlightInfo) -> None:
        with contextlib.suppress(Exception):
            self._scheduler.cancel_flight_info(flight.CancelFlightInfoRequest(info), self._options)

    def query(self, sql: str, fixed: bool = True) -> pa.Table:
        """The rows of a statement."""
        return self.run(sql, fixed).table()

    def schema(self, sql: str) -> pa.Schema:
        """The columns that a query would give. Nothing is run."""
        descriptor = flight.FlightDescriptor.for_command(statement_query(sql))
        with _translated(sql):
            try:
                return self._scheduler.get_schema(descriptor, self._fixed).schema
            except (flight.FlightError, pa.ArrowException, OSError):
                # pyarrow does not say of this call, unlike of others, what kind of error the scheduler sent.
                self._cancel(self._info(sql))
                raise

    def table(self, name: str) -> dict[str, Any]:
        """What the scheduler says of a persisted table of this session, or of everyone's.

        Raises
        ------
        PartitaError
            If it does not exist any more.
        """
        found = [row for row in self.action("partita.tables", {}) if row["name"] == name]
        if not found:
            raise PartitaError(f"the table {name} does not exist any more")
        own = [row for row in found if row["session"] == self.session]
        table: dict[str, Any] = (own or found)[0]
        return table

    def action(self, name: str, body: Any) -> Any:
        """Asks for an action, with JSON there and back."""
        with _translated():
            action = flight.Action(name, json.dumps(body).encode())
            answers = list(self._scheduler.do_action(action, self._options))
        return json.loads(answers[0].body.to_pybytes()) if answers else None

    # Tables that clients upload, and those that they fetch.

    def upload(
        self,
        name: str,
        parts: Sequence[pa.Table],
        public: bool = False,
        replicas: int = 1,
        order: Sequence[str] = (),
    ) -> pa.Schema:
        """Uploads a table, partition by partition, straight to the workers where they can be reached.

        Parameters
        ----------
        parts : sequence of pyarrow.Table
            The partitions. Each is asked for when it is sent: a sequence may make them.
        order : sequence of str
            Columns by which all rows are in order, rising. No value of the first one is missing or in two parts.

        Returns
        -------
        pyarrow.Schema
            The columns.
        """
        if not parts:
            raise ValueError("a table has at least one partition")

        def send(work: tuple[int, str]) -> pa.Table:
            at, address = work
            rows = parts[at]
            self._upload_partition(job, at, address, rows)
            # A copy, since a slice would keep all rows.
            return rows.slice(0, 1).take(pa.array(range(min(rows.num_rows, 1)), pa.int64()))

        with self.making(name):
            places = self.action("partita.upload_begin", {"name": name, "partitions": len(parts), "replicas": replicas})
            job = places["job"]
            firsts = self._each(list(enumerate(places["addresses"])), send)
            schema = firsts[0].schema
            text = base64.b64encode(schema.serialize().to_pybytes()).decode()
            end = {"job": job, "name": name, "public": public, "schema": text}
            if order:
                end.update(order=list(order), splits=_splits(firsts, order[0]))
            self.action("partita.upload_end", end)
        return schema

    def _upload_partition(self, job: int, index: int, address: str, rows: pa.Table) -> None:
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

    def get(self, name: str) -> pa.Table | None:
        """All rows of a persisted table, its partitions one after the other, each from where it lies.

        None if one lies nowhere: what was lost is made again by those who read it through the scheduler.
        """
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
            while len(self._workers) >= WORKERS_MAX:
                del self._workers[next(iter(self._workers))]
            self._workers[address] = client
        return client


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _splits(rows: Sequence[pa.Table], column: str) -> str:
    """The values of a column in the first rows of all parts but the first one, as an Arrow IPC stream in base64."""
    firsts = pa.concat_tables([row.select([column]) for row in rows[1:] or [rows[0].slice(0, 0)]])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, firsts.schema) as writer:
        writer.write_table(firsts)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()
