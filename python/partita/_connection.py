"""Connections to a cluster: Arrow Flight to the scheduler and the workers."""

from __future__ import annotations

import collections
import contextlib
import getpass
import json
import os
import queue
import socket
import threading
import urllib.parse
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from ._deferred import DeferredTables
from ._errors import ClusterError, PartitaError, Unreachable
from ._flight import (
    abandoned_calls,
    allow_open_files,
    check_process,
    flight_client,
    interruptible,
    is_own_process,
    read_all,
    translated,
)
from ._futures import stoppable
from ._threads import join_threads, start_thread
from ._tls import Trust
from ._transfers import Transfers
from ._wire import statement_query
from .plan.wire import Request

__all__ = ["Connection", "Running"]

#: Version of the protocol between client and scheduler.
PROTOCOL = "15"
#: Key of the schema metadata of a result that contains a notice for the user.
_NOTICE_KEY = b"partita.notice"
#: Timeout for connecting to the scheduler again, in seconds.
CONNECT_TIMEOUT_S = 10.0
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

_Result = TypeVar("_Result")


def _working_folder() -> str:
    """Return the working directory; the root folder if it was deleted, which connections of functions do not need."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _whoami() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _encoded(query: str | Request) -> bytes:
    return statement_query(query) if isinstance(query, str) else query.encoded()


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
        with translated(self._query), stoppable(self._stop):
            return self._emit_notice(interruptible(lambda: read_all(self._reader), lambda _: self._stop()))

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

        with translated(self._query), stoppable(self._stop):
            table = self._emit_notice(interruptible(read, lambda _: self._stop()))
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


class Connection(Transfers):
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
        allow_open_files()
        self.address = address
        self.token = token
        self.session = session or f"python-{uuid.uuid4().hex}"
        self.deferred = DeferredTables()
        self.trust = Trust(token, tls_ca_file)
        self._client: flight.FlightClient | None = None
        self._workers: dict[str, flight.FlightClient | None] = {}
        #: Workers of this node whose memory cannot be opened.
        self._apart: set[str] = set()
        self._located: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._attending: threading.Thread | None = None
        headers = self._headers()
        self._options = flight.FlightCallOptions(headers=headers)
        # Frames rely on the column types that the scheduler reported, so the query must not change them.
        self._fixed = flight.FlightCallOptions(headers=[*headers, (b"x-partita-fixed-types", b"1")])
        self._closed = False
        self._releases: Releases | None = None

    @property
    def cluster(self) -> tuple[str, str]:
        """What tells this cluster from others: the address and the token, which each cluster makes for itself."""
        return self.address, self.token

    def _headers(self) -> list[tuple[bytes, bytes]]:
        directory = urllib.parse.quote(_working_folder(), safe="/ ")
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
            self._client = flight_client(self.trust, self.address, timeout)
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
        with translated():
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
        if not self._closed and is_own_process():
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
            join_threads(list(abandoned_calls), ATTEND_END_S)

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

    def run(self, query: str | Request, fixed: bool = True) -> Running:
        """Start a statement in SQL or a request; `fixed` means that it relies on the column types that were reported."""
        if isinstance(query, Request):
            if query.reads_rows:
                self.deferred.create_for(query)
            else:
                query = self.deferred.with_stand_ins(query)
        started = query
        with translated(str(query)):
            info = interruptible(lambda: self._info(started, fixed), self._cancel_later)
            try:
                reader = self._scheduler.do_get(info.endpoints[0].ticket, self._options)
            except BaseException:
                self._cancel(info)
                raise
        return Running(reader, str(query), lambda: self._cancel(info))

    def _info(self, query: str | Request, fixed: bool = True) -> flight.FlightInfo:
        descriptor = flight.FlightDescriptor.for_command(_encoded(query))
        return self._scheduler.get_flight_info(descriptor, self._fixed if fixed else self._options)

    def _cancel_later(self, planned: Future[flight.FlightInfo]) -> None:
        """Cancel an abandoned statement as soon as it is planned."""
        planned.add_done_callback(lambda done: None if done.exception() else self._cancel(done.result()))

    def _cancel(self, info: flight.FlightInfo) -> None:
        with contextlib.suppress(Exception):
            self._scheduler.cancel_flight_info(flight.CancelFlightInfoRequest(info), self._options)

    def query(self, query: str | Request, fixed: bool = True) -> pa.Table:
        """Run a statement in SQL or a request, and return its rows."""
        return self.run(query, fixed).table()

    def schema(self, query: str | Request) -> pa.Schema:
        """Return the schema of a query without running it."""
        if isinstance(query, Request):
            query = self.deferred.with_stand_ins(query)
        descriptor = flight.FlightDescriptor.for_command(_encoded(query))
        with translated(str(query)):
            try:
                return self._scheduler.get_schema(descriptor, self._fixed).schema
            except (flight.FlightError, pa.ArrowException, OSError):
                # For this call pyarrow drops the error kind that the scheduler sends; another call reports it.
                self._cancel(self._info(query))
                raise

    def table(self, name: str) -> dict[str, Any]:
        """Return the description of a persisted table of this session, or of a public one.

        Raises
        ------
        PartitaError
            If the table no longer exists.
        """
        self.deferred.create(name)
        return self.existing_table(name)

    def existing_table(self, name: str) -> dict[str, Any]:
        """Return the description of a table that is not deferred; see :meth:`table`."""
        found = [row for row in self.action("partita.tables", {}) if row["name"] == name]
        if not found:
            raise PartitaError(f"table {name} no longer exists on the cluster; compute it again")
        own = [row for row in found if row["session"] == self.session]
        table: dict[str, Any] = (own or found)[0]
        return table

    def exchange(self) -> tuple[Any, Any]:
        """Open a stream of messages in both directions: return its writer and its reader."""
        with translated():
            descriptor = flight.FlightDescriptor.for_command(b"partita.functions")
            return self._scheduler.do_exchange(descriptor, self._options)

    def gather(self, job: int, places: Sequence[tuple[int, int]]) -> Iterator[Any]:
        """Yield the frames of results of functions."""
        text = json.dumps({"job": job, "tasks": list(places)}, separators=(",", ":"))
        with translated():
            reader = self._scheduler.do_get(flight.Ticket(b"partita.gather:" + text.encode()), self._options)
            while True:
                try:
                    yield reader.read_chunk().app_metadata
                except StopIteration:
                    return

    def action(self, name: str, body: Any) -> Any:
        """Run an action of the scheduler, with JSON as request and response."""
        with translated():
            action = flight.Action(name, json.dumps(body).encode())
            answers = list(self._scheduler.do_action(action, self._options))
        return json.loads(answers[0].body.to_pybytes()) if answers else None
