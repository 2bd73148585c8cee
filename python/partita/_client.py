"""The client: a connection to a cluster, and operations on the cluster itself."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import threading
import time
import types
import warnings
from collections.abc import Callable, Generator
from html import escape
from typing import Any

from . import config
from ._cluster_client import PAUSE_MAX_S, TIMEOUT_S, ClusterMethods, attempts
from ._collection_client import CollectionMethods
from ._connection import Connection
from ._coordination import Coordinator
from ._dashboard import page_address
from ._dataset_client import DatasetMethods
from ._durations import parse_seconds
from ._errors import ClusterError, TokenRefused, Unreachable, UnsupportedName, trim_traceback
from ._flight import check_process
from ._function_client import FunctionMethods
from ._functions import Submitter
from ._futures import Future, Futures
from ._inspection import InspectionMethods
from ._late_imports import register_with_joblib
from ._local import Link, LocalCluster, authorities, check_arguments, check_step, find_access
from ._log_forwarding import LoggingMethods
from ._profiling import ProfilingMethods
from ._replay_client import ReplayMethods
from ._setup_client import SetupMethods
from ._sharing_client import SharingMethods
from ._shipping import make_shipment
from ._sql_functions import SqlFunctionMethods
from ._state_dump import DumpMethods
from ._worker_view import is_in_runner, own_client
from .utils import format_bytes

__all__ = ["Client", "Future", "current_client", "default_client"]

#: Time to wait for a scheduler that was only found by its access file, in seconds.
FOUND_TIMEOUT_S = 3.0

_current: Client | None = None
#: Open clients that were the default before, the latest last.
_earlier: list[Client] = []
_lock = threading.RLock()
#: The client of the innermost block of `as_current` in this coroutine or thread.
_in_block: contextvars.ContextVar[Client | None] = contextvars.ContextVar("client", default=None)


#: Environment variables that select a cluster.
_NAMING = ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_CLUSTER")
#: Arguments of Dask's client that are accepted without effect.
_IGNORED = ("loop", "heartbeat_interval", "connection_limit")
_WRONG_ADDRESS = "Scheduler address must be a string or a Cluster instance"
#: The words of Dask, which scripts and answers on the web know, and that a client may start a cluster.
_NO_CLIENT = """No clients found
Start a client and point it to the scheduler address
  from partita.distributed import Client
  client = Client('ip-addr-of-scheduler:8786')
or start a cluster on this machine with Client()"""
#: Arguments of Dask's client that choose how values are sent.
_SERIALIZERS = ("serializers", "deserializers")


class Client(
    ClusterMethods,
    FunctionMethods,
    CollectionMethods,
    InspectionMethods,
    ProfilingMethods,
    SharingMethods,
    DatasetMethods,
    SetupMethods,
    SqlFunctionMethods,
    ReplayMethods,
    LoggingMethods,
    DumpMethods,
):
    """A connection to a cluster.

    Parameters
    ----------
    address : str, LocalCluster, SLURMCluster or SLURMRunner, optional
        ``tcp://host:port``, or a cluster. Without `address` and `scheduler_file`, the client connects to the
        cluster of the environment (``PARTITA_SCHEDULER``), of the surrounding Slurm job, or to the only running
        cluster of this user. If none is found, it starts one on this machine, which ends with this process.
    scheduler_file : str, optional
        Access file that a scheduler wrote.
    timeout : float or str, optional
        Time to wait for a scheduler that does not answer yet: seconds, or a string such as ``"2s"``. 60 s by default.
    token : str, optional
        Token of the scheduler at `address`. By default it is taken from ``PARTITA_TOKEN`` or an access file.
    tls_ca_file : str, optional
        File with the certificates of authorities (PEM). The client recognizes the scheduler by a certificate for its
        host that they vouch for. By default it is taken from ``PARTITA_TLS_CA_FILE`` or the access file; without one,
        the scheduler is recognized by the fingerprint in the token.
    python : str, optional
        Path of the Python that runs functions on the workers. By default it is this one where it exists, else another
        of the same version.
    asynchronous : bool
        Whether results are awaited: ``await future``, ``await client.gather(..)``.
    environment : str, optional
        ``"ship"`` sends pure Python modules that the workers' Python lacks to the workers, when functions import them.
    n_workers, threads_per_worker, memory_limit, local_directory
        Arguments of :class:`LocalCluster`. With one of these, the client always starts a cluster. The other arguments
        of :class:`LocalCluster`, such as ``dashboard_address``, are also accepted and apply if a cluster is started.
    set_as_default : bool
        Whether frames without an explicit client use this one.
    name : str, optional
        The attribute `name` of the client.
    loop, heartbeat_interval, connection_limit, direct_to_workers
        Accepted for compatibility with Dask; no effect.
    serializers, deserializers : list of str
        Accepted if ``"pickle"`` is among them: values are always pickled.

    Raises
    ------
    ClusterError
        If the cluster cannot be reached in time or rejects the token. A rejected token is not retried.

    Examples
    --------
    >>> from partita.distributed import Client
    >>> with Client(n_workers=2, threads_per_worker=1) as client:
    ...     client.wait_for_workers(2)
    ...     sum(client.nthreads().values())
    2
    """

    def __init__(
        self,
        address: Any = None,
        scheduler_file: str | None = None,
        timeout: float | str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        memory_limit: float | str | None = None,
        local_directory: str | None = None,
        set_as_default: bool = True,
        token: str | None = None,
        tls_ca_file: str | None = None,
        python: str | None = None,
        asynchronous: bool = False,
        environment: str | None = None,
        **arguments: Any,
    ) -> None:
        #: The name that the client was given, or that of its session.
        self.name = arguments.pop("name", None)
        for argument in _IGNORED:
            arguments.pop(argument, None)
        for name in _SERIALIZERS:
            _check_serializers(name, arguments.pop(name, None))
        self._is_direct = bool(arguments.pop("direct_to_workers", None))
        check_arguments("Client", arguments)
        self._own: LocalCluster | None = None
        #: Whether the client was closed.
        self.is_closed = False
        self._futures = Futures()
        wait = parse_seconds(timeout)
        size = {
            "n_workers": n_workers,
            "threads_per_worker": threads_per_worker,
            "memory_limit": memory_limit,
            "local_directory": local_directory,
        }
        size = {name: value for name, value in size.items() if value is not None}
        local = {**size, **arguments}
        #: The cluster that this client was created with or for; None if it was found by its address.
        self.cluster: Any = None
        if isinstance(address, type):
            # A class of clusters has the attributes of its objects, too.
            raise TypeError(f"{_WRONG_ADDRESS}, not the class {address.__name__}: use {address.__name__}()")
        if hasattr(address, "scheduler_address") and hasattr(address, "token"):
            self.cluster = address
            tls_ca_file = tls_ca_file or getattr(address, "tls_ca_file", None)
            self._connect(address.scheduler_address, address.token, wait, tls_ca_file)
        elif address is not None and not isinstance(address, str):
            raise TypeError(f"{_WRONG_ADDRESS}, such as 'tcp://host:8786' or LocalCluster(), not {address!r}")
        elif address is not None and token is not None:
            self._connect(address, token, wait, tls_ca_file)
        elif address is not None or scheduler_file is not None:
            if local:
                raise TypeError(
                    f"Client() does not support the argument {next(iter(local))!r} with an address or a scheduler file: "
                    "it applies only to a cluster that the client starts"
                )
            self._find(address, scheduler_file, wait, tls_ca_file)
        elif size or not self._find_any(wait, tls_ca_file):
            check_step()
            self._own = self.cluster = LocalCluster(**local)
            self._connect(self._own.scheduler_address, self._own.token, None)
        self.name = self.name or self.id
        self._coordinator = Coordinator(self._connection.exchange, self._connection.cluster)
        self._shipment = make_shipment(environment, self._coordinator, self._connection.session)
        self._submitter = Submitter(self, python, None if environment is None else self._connection.session)
        self._is_asynchronous = asynchronous
        if set_as_default:
            self.as_current()
        register_with_joblib()
        atexit.register(self.close)

    def _connect(self, address: str, token: str, wait: float | None, tls_ca_file: str | None = None) -> None:
        """Connect to a scheduler, waiting for it if it is still starting."""
        tls_ca_file = tls_ca_file or authorities()
        self._try_until(lambda left: self._open_connection(address, token, tls_ca_file, left), wait)

    def _find(
        self, address: str | None, scheduler_file: str | None, wait: float | None, tls_ca_file: str | None
    ) -> None:
        """Find the access file of a cluster and connect to it, waiting for both."""

        def attempt(left: float) -> None:
            found = find_access(address, scheduler_file, tls_ca_file)
            if found is None:
                raise ClusterError("no cluster found")
            self._open_connection(*found, left)

        self._try_until(attempt, wait, is_named=address is not None)

    def _find_any(self, wait: float | None, tls_ca_file: str | None) -> bool:
        """Connect to a cluster of the environment or a running one; return whether one was found.

        A cluster that does not answer probably ended without removing its access file. This is an error if the
        environment names the cluster, otherwise a warning.
        """
        if any(os.environ.get(name) for name in _NAMING):
            self._find(None, None, wait, tls_ca_file)
            return True
        found = find_access(None, None, tls_ca_file)
        if found is None:
            return False
        try:
            address, token, tls_ca_file = found
            self._connect(address, token, FOUND_TIMEOUT_S if wait is None else wait, tls_ca_file)
        except Unreachable as error:
            warnings.warn(f"{error}; starting a cluster on this machine instead", stacklevel=4)
            return False
        return True

    def _open_connection(self, address: str, token: str, tls_ca_file: str | None, wait: float) -> None:
        connection = Connection(address.removeprefix("tcp://"), token, tls_ca_file)
        connection.reach(wait)
        connection.attend()
        self._connection = connection

    def _try_until(self, attempt: Callable[[float], None], wait: float | None, is_named: bool = False) -> None:
        """Try to connect until the time is over. For an address that the caller gave, the error is an `OSError`, as with Dask."""
        check_process()
        wait = TIMEOUT_S if wait is None else wait
        end = time.monotonic() + wait
        cause: ClusterError | None = None
        for _ in attempts(wait):
            try:
                attempt(max(end - time.monotonic(), PAUSE_MAX_S))
                return
            except TokenRefused:
                # A retry would send the same token.
                raise
            except ClusterError as error:
                cause = error
        kind = Unreachable if is_named or isinstance(cause, Unreachable) else ClusterError
        raise kind(f"cannot connect to a scheduler within {wait:g} s: {cause}")

    def as_current(self) -> contextlib.AbstractContextManager[Client]:
        """Make this the default client, which frames without an explicit client use.

        Returns
        -------
        context manager
            At the end of its block the client that was the default before is the default again. Without a block this
            client stays the default.
        """
        global _current
        with _lock:
            if _current is not None and _current is not self:
                _earlier[:] = [client for client in _earlier if client not in (self, _current)]
                _earlier.append(_current)
            _current = self
        return _AsCurrent(self)

    def _leave_current(self) -> None:
        """Make the client before this one the default again, as with Dask."""
        global _current
        with _lock:
            _earlier[:] = [client for client in _earlier if client is not self]
            if _current is self:
                _current = _earlier.pop() if _earlier else None

    @classmethod
    def current(cls, allow_global: bool = True) -> Client:
        """Return the default client.

        Raises
        ------
        ValueError
            If no client exists.
        """
        return default_client()

    @property
    def id(self) -> str:
        """The name of the client's session, which no other client has."""
        return self._connection.session

    @property
    def scheduler(self) -> types.SimpleNamespace:
        """What a client knows of its scheduler: the ``address``."""
        return types.SimpleNamespace(address=f"tcp://{self._connection.address}")

    @property
    def direct_to_workers(self) -> bool:
        """Whether the client was created with ``direct_to_workers=True``, or is one of a function on a worker.

        It has no effect: large results come straight from the workers in any case, if these can be reached.
        """
        return self._is_direct or is_in_runner()

    @property
    def status(self) -> str:
        """The state of the client: ``running`` or ``closed``."""
        return "closed" if self.is_closed else "running"

    def start(self, **_: Any) -> None:
        """Do nothing: a client is connected from its creation on."""

    # Computations.

    @trim_traceback
    def sql(self, query: str) -> Any:
        """Run a SQL query and return its rows as a ``pyarrow.Table``."""
        return self._connection.query(query, fixed=False)

    def get_executor(self, **options: Any) -> Any:
        """Return a ``concurrent.futures.Executor`` whose functions run on the workers.

        Parameters
        ----------
        **options
            Options of :meth:`submit` for all functions: ``pure``, ``retries``, ``priority``, ``resources``, ``workers``,
            ``allow_other_workers``.
        """
        from ._executor import ClientExecutor

        return ClientExecutor(self, **options)

    def close(self, timeout: Any = None) -> Any:
        """Close the connection. This drops the client's unpublished tables and ends a cluster that it started."""
        self._leave_current()
        self._futures.close()
        if not self.is_closed and "_submitter" in vars(self):
            self._drop_setups()
            if self._hub is not None:
                self._hub.close()
            self._submitter.close()
            self._coordinator.close()
        self.is_closed = True
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
        self._futures.join()
        if self._own is not None:
            self._own.close()
        atexit.unregister(self.close)
        return self._awaitable(None)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_DASK:
            raise UnsupportedName(f"Client.{name} is not supported: {_OF_DASK[name]}")
        raise AttributeError(f"'Client' object has no attribute {name!r}")

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __await__(self) -> Generator[Any, None, Client]:
        return self
        yield

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Client: closed>"
        try:
            rows = self._workers()
        except ClusterError as error:
            return f"<Client: {self._connection.address}, {error}>"
        address = self._connection.address
        threads = sum(row["slots"] for row in rows)
        memory = format_bytes(sum(row["memory_limit_bytes"] or 0 for row in rows))
        return f"<Client: 'tcp://{address}' workers={len(rows)} threads={threads}, memory={memory}>"

    def _shown_link(self) -> str:
        """Return the link to the dashboard without its token, or the one that a class derived from a cluster has."""
        own = getattr(self.cluster, "dashboard_link", None)
        known = isinstance(own, str) and not isinstance(own, Link)
        return str(own) if known else page_address(self._connection.address)

    def _repr_html_(self) -> str:
        if self.is_closed:
            return "<p><strong>Client</strong>: No scheduler connected. The client is closed.</p>"
        try:
            info = self._rest("cluster")
        except ClusterError as error:
            return f"<p><strong>Client</strong>: {escape(str(error))}</p>"
        rows = [
            ("Scheduler", f"tcp://{self._connection.address}"),
            ("Cluster", info["name"]),
            ("Workers", str(info["workers"])),
            ("Threads", str(info["slots"])),
            ("Memory", f"{info['memory_limit_bytes'] / 2**30:.1f} GiB"),
        ]
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows
        )
        # Without the token: notebooks are saved with their outputs and shared.
        link = escape(self._shown_link(), quote=True)
        how = "<code>print(client.dashboard_link)</code> shows the link with the token"
        return (
            f"<div><strong>Client</strong><table>{cells}</table>"
            f"<a href='{link}' target='_blank'>Dashboard</a>: {how}</div>"
        )


def _check_serializers(name: str, names: Any) -> None:
    """Raise an error for a list of serializers that excludes the only one."""
    if names is not None and "pickle" not in names:
        raise NotImplementedError(
            f"Client({name}={names!r}) is not supported: values are always pickled; add 'pickle', or leave the argument out"
        )


class _AsCurrent(contextlib.AbstractContextManager[Client]):
    """The block in which a client is the default one. Its end does not close the client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> Client:
        # Other coroutines and threads have their own.
        self._token = _in_block.set(self._client)
        return self._client

    def __exit__(self, *_: object) -> None:
        _in_block.reset(self._token)
        self._client._leave_current()


#: Unsupported attributes of Dask's client, each with an alternative.
_OF_DASK = {
    "benchmark_hardware": "time functions of your own with Client.run",
    "get_scheduler_logs": "the scheduler writes its log to standard error; Client.get_worker_logs has those of workers",
    "run_on_scheduler": "use Client.run to call a function on each worker",
    "write_scheduler_file": "partita scheduler and partita run write an access file: see Client(scheduler_file=)",
}


def current_client() -> Client:
    """Return the client of the configuration value ``scheduler``, else the default one, or a new one if none exists.

    Raises
    ------
    ClusterError
        If a function on a worker asks for a client, and the worker does not tell how to reach the scheduler.
    """
    given = config.get("scheduler", None)
    # A client, or a method of one.
    given = getattr(given, "__self__", given)
    if isinstance(given, Client):
        return given
    here = _in_block.get()
    if here is not None:
        return here
    with _lock:
        if _current is not None:
            return _current
        return own_client() if is_in_runner() else Client()


def default_client(c: Client | None = None) -> Client:
    """Return the given client, or the default one.

    Raises
    ------
    ValueError
        If none exists.
    """
    found = c or _in_block.get() or _current
    if found is None:
        raise ValueError(_NO_CLIENT)
    return found
