"""The client: a connection to a cluster, and operations on the cluster itself."""

from __future__ import annotations

import atexit
import contextlib
import http
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from html import escape
from typing import Any

from ._binary import find_program
from ._collection_client import CollectionMethods
from ._connection import Connection, quote
from ._dashboard import Dashboard
from ._durations import parse_seconds
from ._errors import ClusterError, TokenRefused, Unreachable, UnsupportedName, trim_traceback
from ._function_client import FunctionMethods
from ._functions import Submitter
from ._futures import Future, Futures
from ._inspection import InspectionMethods
from ._joblib_import import register_with_joblib
from ._local import Link, LocalCluster, authorities, check_arguments, check_step, find_access
from ._tls import page_token

__all__ = ["Client", "Future", "current_client", "default_client"]

#: Default time to wait for the scheduler or the workers, in seconds.
TIMEOUT_S = 60.0
#: Pause before the first retry, in seconds; it doubles with each further retry up to the maximum.
PAUSE_FIRST_S = 0.02
PAUSE_MAX_S = 1.0
#: Jobs in one page of the scheduler's REST API.
JOBS_PAGE_MAX = 1000
#: Time to wait for a scheduler that was only found by its access file, in seconds.
FOUND_TIMEOUT_S = 3.0

_current: Client | None = None
#: Open clients that were the default before, the latest last.
_earlier: list[Client] = []
_lock = threading.RLock()


def _attempts(wait: float) -> Iterator[None]:
    """Yield once per attempt, with growing pauses, until `wait` seconds have passed; at least once."""
    end = time.monotonic() + wait
    pause = PAUSE_FIRST_S
    while True:
        yield
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * 2, PAUSE_MAX_S)


#: Environment variables that select a cluster.
_NAMING = ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_CLUSTER")
#: Arguments of Dask's client that are accepted without effect.
_IGNORED = ("name", "direct_to_workers", "heartbeat_interval", "connection_limit")


class Client(FunctionMethods, CollectionMethods, InspectionMethods):
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
    n_workers, threads_per_worker, memory_limit, local_directory
        Arguments of :class:`LocalCluster`. With one of these, the client always starts a cluster. The other arguments
        of :class:`LocalCluster`, such as ``dashboard_address``, are also accepted and apply if a cluster is started.
    set_as_default : bool
        Whether frames without an explicit client use this one.
    name
        Accepted for compatibility with Dask; no effect.

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
        **arguments: Any,
    ) -> None:
        for name in _IGNORED:
            arguments.pop(name, None)
        check_arguments("Client", arguments)
        self._own: LocalCluster | None = None
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
        if hasattr(address, "scheduler_address") and hasattr(address, "token"):
            self.cluster = address
            tls_ca_file = tls_ca_file or getattr(address, "tls_ca_file", None)
            self._connect(address.scheduler_address, address.token, wait, tls_ca_file)
        elif address is not None and not isinstance(address, str):
            raise TypeError(f"address must be a string such as 'tcp://host:8786' or a cluster, not {address!r}")
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
        self._submitter = Submitter(self, python)
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

        self._try_until(attempt, wait)

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

    def _try_until(self, attempt: Callable[[float], None], wait: float | None) -> None:
        wait = TIMEOUT_S if wait is None else wait
        end = time.monotonic() + wait
        cause: ClusterError | None = None
        for _ in _attempts(wait):
            try:
                attempt(max(end - time.monotonic(), PAUSE_MAX_S))
                return
            except TokenRefused:
                # A retry would send the same token.
                raise
            except ClusterError as error:
                cause = error
        kind = Unreachable if isinstance(cause, Unreachable) else ClusterError
        raise kind(f"no scheduler answered within {wait:g} s: {cause}")

    def as_current(self) -> Client:
        """Make this the default client, which frames without an explicit client use."""
        global _current
        with _lock:
            if _current is not None and _current is not self:
                _earlier[:] = [client for client in _earlier if client not in (self, _current)]
                _earlier.append(_current)
            _current = self
        return self

    # Cluster state.

    def _rest(self, path: str, method: str = "GET") -> Any:
        connection = self._connection
        status, body = connection.request(path, method, TIMEOUT_S)
        if status == http.HTTPStatus.OK:
            return json.loads(body)
        text = body.decode(errors="replace")
        with contextlib.suppress(ValueError, KeyError):
            text = json.loads(text)["error"]
        raise ClusterError(text)

    def _workers(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self._rest(f"workers?state=up&limit=1000{after}")
            rows += page["workers"]
            if page["next"] is None:
                return rows
            after = f"&after={page['next']}"

    def scheduler_info(self) -> dict[str, Any]:
        """Return a summary of the cluster, with its workers by address."""
        info = self._rest("cluster")
        info["workers"] = {f"tcp://{row['address']}": row for row in self._workers()}
        return dict(info)

    def nthreads(self) -> dict[str, int]:
        """Return the number of slots of each worker, by its address."""
        return {f"tcp://{row['address']}": row["slots"] for row in self._workers()}

    ncores = nthreads

    def wait_for_workers(self, n_workers: int = 1, timeout: float | str | None = None) -> None:
        """Wait until at least `n_workers` workers are connected.

        Parameters
        ----------
        n_workers : int
            Number of workers.
        timeout : float or str, optional
            Time to wait: seconds, or a string such as ``"2s"``. 60 s by default.

        Raises
        ------
        TimeoutError
            If fewer workers are connected when the time is over.
        """
        given = parse_seconds(timeout)
        wait = TIMEOUT_S if given is None else given
        connected = 0
        for _ in _attempts(wait):
            connected = len(self._workers())
            if connected >= n_workers:
                return
        raise TimeoutError(f"timed out: {connected} of {n_workers} workers connected after {wait:g} s")

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, including its token, which opens the dashboard and nothing else.

        ``print(client.dashboard_link)`` shows the token. The output of a notebook cell that ends with the link does
        not.
        """
        return Link(f"http://{self._connection.address}/#token={page_token(self._connection.token)}")

    def dashboard(self, panel: str = "overview", height: int = 480) -> Dashboard:
        """Show a panel of the dashboard in a notebook.

        Parameters
        ----------
        panel : str
            ``"overview"``, ``"progress"``, ``"timeline"``, ``"workers"``, ``"memory"``, ``"tables"``, ``"tasks"``,
            ``"jobs"``, ``"attention"``, ``"data"``, ``"events"``, or ``"scheduler"``.
        height : int
            The height of the frame in pixels.

        Returns
        -------
        Dashboard
            A notebook shows it as a frame, or as a link where the browser reaches the scheduler only directly. It does
            not contain the token: the panel takes it from another tab of the dashboard, or asks for it.

        Notes
        -----
        Behind a JupyterHub the address is that of the hub's proxy. Elsewhere ``PARTITA_DASHBOARD_LINK`` names it, such
        as ``/rnode/{host}/{port}/`` for Open OnDemand.
        """
        host, _, port = self._connection.address.rpartition(":")
        return Dashboard(panel, host.strip("[]"), int(port), height)

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

    def cancel_job(self, job: int | str) -> None:
        """Cancel a job, given its id or name, such as ``7`` or ``"job-7"``."""
        self._rest(f"jobs/{job}/cancel", "POST")

    # Public tables.

    @trim_traceback
    def publish_dataset(self, *args: Any, name: str | None = None, override: bool = False, **kwargs: Any) -> None:
        """Publish frames as tables that all clients of the cluster can read, until they are unpublished.

        Parameters
        ----------
        *args : DataFrame or Series
            A single frame, published as `name`.
        name : str, optional
            Name of the single frame.
        override : bool
            Whether to replace existing datasets of the same names.
        **kwargs : DataFrame or Series
            Frames by name.

        Raises
        ------
        ClusterError
            If a dataset of the name exists and `override` is false.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
        ...     client.publish_dataset(numbers=frame)
        ...     int(client.get_dataset("numbers").a.sum().compute())
        3
        """
        named = dict(kwargs)
        if args:
            if name is None or len(args) != 1:
                raise TypeError("publish_dataset() takes one frame with name=, or frames as keyword arguments")
            named[name] = args[0]
        existing = [] if override else self.list_datasets()
        for public, frame in named.items():
            if public in existing:
                raise ClusterError(f"dataset {public!r} already exists; unpublish it or use override=True")
            frame._publish(self, public, override)

    @trim_traceback
    def get_dataset(self, name: str) -> Any:
        """Return a published dataset as a frame.

        Raises
        ------
        KeyError
            If no dataset has this name.
        """
        from .dataframe._io import from_table

        if name not in self.list_datasets():
            raise KeyError(f"no dataset {name!r}; published: {', '.join(self.list_datasets()) or 'none'}")
        return from_table(name, client=self)

    def list_datasets(self) -> list[str]:
        """Return the names of the published datasets."""
        rows = self._connection.action("partita.tables", {})
        return [row["name"] for row in rows if row["session"] is None]

    @trim_traceback
    def unpublish_dataset(self, name: str) -> None:
        """Drop a published dataset."""
        self._connection.query(f"DROP TABLE {quote(name)}")

    # Cluster lifetime.

    def _program(self, *arguments: str) -> None:
        connection = self._connection
        environment = {
            **os.environ,
            "PARTITA_SCHEDULER": connection.address,
            "PARTITA_TOKEN": connection.token,
        }
        if connection.trust.tls_ca_file is not None:
            environment["PARTITA_TLS_CA_FILE"] = connection.trust.tls_ca_file
        done = subprocess.run(
            [find_program(), *arguments], capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            raise ClusterError(done.stderr.strip().removeprefix("error: "))

    def retire_workers(self, workers: Sequence[str]) -> list[str]:
        """Retire workers and wait until they have left the cluster.

        A retiring worker finishes its running tasks, takes no new ones, and migrates its partitions to the remaining
        workers.

        Parameters
        ----------
        workers : list of str
            Addresses of the workers, as in :meth:`nthreads`.

        Returns
        -------
        list of str
            The addresses.

        Raises
        ------
        ClusterError
            If one of the workers is not connected. In this case no worker is retired.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.wait_for_workers(2)
        ...     first, second = client.nthreads()
        ...     retired = client.retire_workers([first])
        ...     (retired == [first], list(client.nthreads()) == [second])
        (True, True)
        """
        if isinstance(workers, str) or not workers:
            raise ValueError(
                "retire_workers() takes a list of addresses; client.nthreads() returns those of all workers"
            )
        ids = {row["address"]: str(row["id"]) for row in self._workers()}
        addresses = [address.removeprefix("tcp://") for address in workers]
        for address in addresses:
            if address not in ids:
                known = ", ".join(f"tcp://{one}" for one in ids)
                raise ClusterError(f"no worker at tcp://{address}; connected: {known or 'none'}")
        self._program("retire", *(ids[address] for address in addresses))
        return list(workers)

    def restart(self) -> Client:
        """Cancel all jobs of the cluster, including those of other clients, and drop this client's unpublished tables.

        Frames that read these tables cannot be computed afterwards. Unlike in Dask, the worker processes are not
        restarted: they have no state besides their jobs and their partitions.
        """
        for state in ("planning", "queued", "running"):
            for job in self._rest(f"jobs?state={state}&limit={JOBS_PAGE_MAX}")["jobs"]:
                # A job that has ended meanwhile cannot be cancelled.
                with contextlib.suppress(ClusterError):
                    self.cancel_job(job["name"])
        connection = self._connection
        for table in connection.action("partita.tables", {}):
            if table["session"] == connection.session:
                connection.query(f"DROP TABLE IF EXISTS {quote(table['name'])}")
        return self

    def shutdown(self) -> None:
        """Shut down the scheduler and all workers, even if another process started them."""
        if self._own is None:
            self._program("shutdown")
        self.close()

    def close(self, timeout: Any = None) -> Any:
        """Close the connection. This drops the client's unpublished tables and ends a cluster that it started."""
        global _current
        with _lock:
            _earlier[:] = [client for client in _earlier if client is not self]
            if _current is self:
                # As with Dask, the one before it is the default again.
                _current = _earlier.pop() if _earlier else None
        self._futures.close()
        submitter = getattr(self, "_submitter", None)
        if submitter is not None:
            submitter.close()
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
        try:
            threads = self.nthreads()
        except ClusterError as error:
            return f"<Client: {self._connection.address}, {error}>"
        address = self._connection.address
        return f"<Client: 'tcp://{address}' workers={len(threads)} threads={sum(threads.values())}>"

    def _repr_html_(self) -> str:
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
        link = escape(f"http://{self._connection.address}/", quote=True)
        how = "<code>print(client.dashboard_link)</code> shows the link with the token"
        return (
            f"<div><strong>Client</strong><table>{cells}</table>"
            f"<a href='{link}' target='_blank'>Dashboard</a>: {how}</div>"
        )


#: Unsupported attributes of Dask's client, each with an alternative.
_OF_DASK = {
    "run_on_scheduler": "use Client.run to call a function on each worker",
    "get_task_stream": "the dashboard's timeline shows every task",
    "profile": "the dashboard's page of a job shows where its time is spent",
    "call_stack": "the dashboard shows the running tasks of each worker",
    "rebalance": "partitions are placed when they are computed",
    "replicate": "use dataframe.from_pandas(.., replicas=2)",
    "upload_file": "functions of a script travel with their calls; put modules into a folder that the workers share",
    "register_plugin": "use Client.run to call a function on each worker",
}


def current_client() -> Client:
    """Return the default client: the latest one, or a new one if none exists.

    Raises
    ------
    ClusterError
        If a function on a worker asks for a client, and the worker does not tell how to reach the scheduler.
    """
    with _lock:
        if _current is not None:
            return _current
        if not _is_in_call():
            return Client()
        address, token = os.environ.get("PARTITA_SCHEDULER"), os.environ.get("PARTITA_TOKEN")
        if not address or not token:
            raise ClusterError(
                "functions on a worker have no client of their own: pass futures as arguments, and submit further calls "
                "from the script"
            )
        return Client(address, token=token)


def default_client(c: Client | None = None) -> Client:
    """Return the given client, or the default one.

    Raises
    ------
    ValueError
        If none exists.
    """
    found = _current if c is None else c
    if found is None:
        raise ValueError("no client exists; create one with partita.distributed.Client()")
    return found


def _is_in_call() -> bool:
    """Whether this process runs a call on a worker."""
    return getattr(sys.modules.get("_partita_runner"), "current", None) is not None
