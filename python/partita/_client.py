"""The client: a connection to a cluster, and what is asked of the cluster itself."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

from ._binary import program
from ._connection import Connection, quote
from ._errors import ClusterError, NotThere, TokenRefused, Unreachable, thin
from ._futures import Future, Futures
from ._local import Link, LocalCluster, check_arguments, find, refuse_in_steps
from ._missing import FUNCTIONS
from ._units import seconds

__all__ = ["Client", "Future", "current_client"]

#: How long a scheduler may take to be there, in seconds, if nobody says.
TIMEOUT_S = 60.0
#: The first pause before something is tried again, in seconds; each next one is twice as long.
PAUSE_FIRST_S = 0.02
PAUSE_MAX_S = 1.0
#: Jobs in one answer of the scheduler.
JOBS_PAGE_MAX = 1000
#: How long a scheduler that nobody named, but whose access file was found, may take to answer, in seconds.
FOUND_TIMEOUT_S = 3.0

_current: Client | None = None
_lock = threading.RLock()


def _tries(wait: float) -> Iterator[None]:
    """Tries, with a longer pause after each, until so many seconds are over: one at least."""
    end = time.monotonic() + wait
    pause = PAUSE_FIRST_S
    while True:
        yield
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * 2, PAUSE_MAX_S)


#: Variables that name a cluster.
_NAMING = ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_CLUSTER")
#: Arguments of Dask's client that have no meaning here.
_IGNORED = ("name", "direct_to_workers", "heartbeat_interval", "connection_limit")


class Client:
    """A connection to a cluster.

    Parameters
    ----------
    address : str or LocalCluster, optional
        ``tcp://host:port``. Without one, and without a file, the cluster is that of the environment
        (``PARTITA_SCHEDULER``), of the Slurm job around, or the only one that runs; if there is none, one is
        started on this machine, which ends with this process.
    scheduler_file : str, optional
        The access file that a scheduler wrote.
    timeout : float or str, optional
        For how long a scheduler that does not answer yet is looked for: seconds, or a text such as ``"2s"``; 60 s if
        not given.
    token : str, optional
        The token of the scheduler at ``address``, if it is not to be taken from ``PARTITA_TOKEN`` or an access file.
    n_workers, threads_per_worker, memory_limit, local_directory
        Of the cluster that is started, as in :class:`LocalCluster`: with one of these, one is. Its other arguments,
        such as ``dashboard_address``, are taken too, and count if one is started.
    name
        As for Dask; without effect.

    Raises
    ------
    ClusterError
        If the cluster cannot be reached in time, or, at once, if it does not accept the token.

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
        address: str | LocalCluster | None = None,
        scheduler_file: str | None = None,
        timeout: float | str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        memory_limit: float | str | None = None,
        local_directory: str | None = None,
        set_as_default: bool = True,
        token: str | None = None,
        **arguments: Any,
    ) -> None:
        for name in _IGNORED:
            arguments.pop(name, None)
        check_arguments("Client", arguments)
        self._own: LocalCluster | None = None
        self._futures = Futures()
        wait = seconds(timeout)
        size = {
            "n_workers": n_workers,
            "threads_per_worker": threads_per_worker,
            "memory_limit": memory_limit,
            "local_directory": local_directory,
        }
        size = {name: value for name, value in size.items() if value is not None}
        local = {**size, **arguments}
        if isinstance(address, LocalCluster):
            self._connect(address.scheduler_address, address.token, wait)
        elif address is not None and not isinstance(address, str):
            raise TypeError(f"Client() takes an address such as 'tcp://host:8786' or a LocalCluster, not {address!r}")
        elif address is not None and token is not None:
            self._connect(address, token, wait)
        elif address is not None or scheduler_file is not None:
            if local:
                raise TypeError(f"Client({next(iter(local))}=) is for a cluster that it starts, not for one that runs")
            self._find(address, scheduler_file, wait)
        elif size or not self._find_any(wait):
            refuse_in_steps()
            self._own = LocalCluster(**local)
            self._connect(self._own.scheduler_address, self._own.token, None)
        if set_as_default:
            self.as_current()
        atexit.register(self.close)

    def _connect(self, address: str, token: str, wait: float | None) -> None:
        """Looks for a scheduler until it answers: it may be about to start."""
        self._try_until(lambda left: self._attend(address, token, left), wait)

    def _find(self, address: str | None, scheduler_file: str | None, wait: float | None) -> None:
        """The same for one whose token an access file has, which may be about to be written."""

        def attempt(left: float) -> None:
            found = find(address, scheduler_file)
            if found is None:
                raise ClusterError("no cluster was found")
            self._attend(*found, left)

        self._try_until(attempt, wait)

    def _find_any(self, wait: float | None) -> bool:
        """Connects to the cluster that is found without being named; false if there is none.

        One that does not answer has ended without removing its access file: it is named in a warning, unless the
        environment names it.
        """
        if any(os.environ.get(name) for name in _NAMING):
            self._find(None, None, wait)
            return True
        found = find(None, None)
        if found is None:
            return False
        try:
            self._connect(*found, FOUND_TIMEOUT_S if wait is None else wait)
        except Unreachable as error:
            warnings.warn(f"{error}; a cluster is started on this machine instead", stacklevel=4)
            return False
        return True

    def _attend(self, address: str, token: str, wait: float) -> None:
        connection = Connection(address.removeprefix("tcp://"), token)
        connection.reach(wait)
        connection.attend()
        self._connection = connection

    def _try_until(self, attempt: Callable[[float], None], wait: float | None) -> None:
        wait = TIMEOUT_S if wait is None else wait
        end = time.monotonic() + wait
        cause: ClusterError | None = None
        for _ in _tries(wait):
            try:
                attempt(max(end - time.monotonic(), PAUSE_MAX_S))
                return
            except TokenRefused:
                # No later attempt has another token.
                raise
            except ClusterError as error:
                cause = error
        kind = Unreachable if isinstance(cause, Unreachable) else ClusterError
        raise kind(f"no scheduler answered for {wait:g} s: {cause}")

    def as_current(self) -> Client:
        """Makes this the client of frames that name none."""
        global _current
        with _lock:
            _current = self
        return self

    # What there is.

    def _rest(self, path: str, method: str = "GET") -> Any:
        connection = self._connection
        headers = {"Authorization": f"Bearer {connection.token}"}
        url = f"http://{connection.address}/api/v1/{path}"
        request = urllib.request.Request(url, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            body = error.read().decode(errors="replace")
            try:
                text = json.loads(body)["error"]
            except (ValueError, KeyError):
                text = body
            raise ClusterError(text) from None
        except OSError as error:
            raise ClusterError(f"{url} cannot be reached: {error}") from None

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
        """The cluster in a few figures, and its workers by address."""
        info = self._rest("cluster")
        info["workers"] = {f"tcp://{row['address']}": row for row in self._workers()}
        return dict(info)

    def nthreads(self) -> dict[str, int]:
        """Tasks that each worker runs at once, by its address."""
        return {f"tcp://{row['address']}": row["slots"] for row in self._workers()}

    ncores = nthreads

    def wait_for_workers(self, n_workers: int = 1, timeout: float | str | None = None) -> None:
        """Waits until so many workers are there.

        Raises
        ------
        TimeoutError
            If they are not there in time; in one minute if no time is given.
        """
        given = seconds(timeout)
        wait = TIMEOUT_S if given is None else given
        there = 0
        for _ in _tries(wait):
            there = len(self._workers())
            if there >= n_workers:
                return
        raise TimeoutError(f"{there} of {n_workers} workers came in {wait:g} s")

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, with the token that opens it: keep it to yourself.

        ``print(client.dashboard_link)`` shows the token; a cell of a notebook that ends with the link does not.
        """
        return Link(f"http://{self._connection.address}/#token={self._connection.token}")

    # Computations.

    @thin
    def sql(self, query: str) -> Any:
        """The rows of a query, as a ``pyarrow.Table``."""
        return self._connection.query(query, fixed=False)

    @thin
    def compute(self, collections: Any, sync: bool = False) -> Any:
        """Computes in the background: a :class:`Future`, or a list of them for a list.

        With ``sync=True`` the results themselves.
        """
        many = isinstance(collections, (list, tuple))
        futures = [self._submit(one.compute) for one in (collections if many else [collections])]
        if sync:
            try:
                results = [future.result() for future in futures]
            finally:
                # After an error, or Ctrl-C, nobody wants the others.
                for future in futures:
                    future.cancel()
            return results if many else results[0]
        return futures if many else futures[0]

    @thin
    def persist(self, collections: Any) -> Any:
        """Computes and keeps the result on the workers: the same collections, which read it there."""
        if isinstance(collections, (list, tuple)):
            return [one.persist() for one in collections]
        return collections.persist()

    @thin
    def gather(self, futures: Any) -> Any:
        """Waits for futures, and gives their results in the same shape."""
        if isinstance(futures, Future):
            return futures.result()
        if isinstance(futures, dict):
            return {key: self.gather(value) for key, value in futures.items()}
        if isinstance(futures, (list, tuple, set)):
            return type(futures)(self.gather(one) for one in futures)
        return futures

    def _submit(self, work: Callable[[], Any]) -> Future:
        return self._futures.submit(work)

    def cancel(self, futures: Any, **_: Any) -> None:
        """Stops computations: a future, a list of them, or a job by its number or its name, such as ``job-7``.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     future = client.compute(dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2).a.sum())
        ...     client.cancel(future)
        """
        for one in futures if isinstance(futures, (list, tuple, set)) else [futures]:
            if isinstance(one, Future):
                one.cancel()
            elif isinstance(one, (str, int)):
                self._rest(f"jobs/{one}/cancel", "POST")
            else:
                raise TypeError(
                    f"cancel takes futures, or a job's number or name, not {type(one).__name__}: "
                    "what a persisted frame keeps on the workers goes when the frame is deleted"
                )

    # Tables that others see.

    @thin
    def publish_dataset(self, *args: Any, name: str | None = None, override: bool = False, **kwargs: Any) -> None:
        """Makes frames everyone's, under their names, until someone unpublishes them.

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
                raise TypeError("publish_dataset takes one frame and name=, or name=frame pairs")
            named[name] = args[0]
        there = [] if override else self.list_datasets()
        for public, frame in named.items():
            if public in there:
                raise ClusterError(f"the dataset {public!r} is there already: override=True puts this one in its place")
            frame._publish(self, public, override)

    @thin
    def get_dataset(self, name: str) -> Any:
        """A published frame.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        from .dataframe._io import from_table

        if name not in self.list_datasets():
            raise KeyError(f"no dataset {name!r}: there are {', '.join(self.list_datasets()) or 'none'}")
        return from_table(name, client=self)

    def list_datasets(self) -> list[str]:
        """The names of the tables that everyone sees."""
        rows = self._connection.action("partita.tables", {})
        return [row["name"] for row in rows if row["session"] is None]

    @thin
    def unpublish_dataset(self, name: str) -> None:
        """Takes a published table away."""
        self._connection.query(f"DROP TABLE {quote(name)}")

    # The cluster's end.

    def _program(self, *arguments: str) -> None:
        connection = self._connection
        environment = {
            **os.environ,
            "PARTITA_SCHEDULER": connection.address,
            "PARTITA_TOKEN": connection.token,
        }
        done = subprocess.run([program(), *arguments], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise ClusterError(done.stderr.strip().removeprefix("error: "))

    def retire_workers(self, workers: Sequence[str]) -> list[str]:
        """Has workers leave, by their addresses, and waits until they have; gives the addresses.

        They finish what they run and take no more; what they hold goes to workers that stay.

        Raises
        ------
        ClusterError
            If one of them is not there. Then all stay.

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
            raise ValueError("retire_workers takes a list of addresses: client.nthreads() has those of all workers")
        there = {row["address"]: str(row["id"]) for row in self._workers()}
        asked = [address.removeprefix("tcp://") for address in workers]
        for address in asked:
            if address not in there:
                known = ", ".join(f"tcp://{one}" for one in there)
                raise ClusterError(f"no worker tcp://{address}: there are {known or 'none'}")
        self._program("retire", *(there[address] for address in asked))
        return list(workers)

    def restart(self) -> Client:
        """Stops all jobs of the cluster, whoever's they are, and drops what this client holds and has not published.

        Frames that read persisted ones cannot be computed any more. Unlike with Dask the workers' processes go on:
        they keep nothing beyond their jobs and what they hold, so a new process would be no other.
        """
        for state in ("planning", "queued", "running"):
            for job in self._rest(f"jobs?state={state}&limit={JOBS_PAGE_MAX}")["jobs"]:
                # One that has ended meanwhile need not be stopped.
                with contextlib.suppress(ClusterError):
                    self.cancel(job["name"])
        connection = self._connection
        for table in connection.action("partita.tables", {}):
            if table["session"] == connection.session:
                connection.query(f"DROP TABLE IF EXISTS {quote(table['name'])}")
        return self

    def shutdown(self) -> None:
        """Ends the cluster: scheduler and workers, whoever started them."""
        if self._own is None:
            self._program("shutdown")
        self.close()

    def close(self) -> None:
        """Ends the connection. What this client holds and has not published goes; a cluster that it started ends."""
        global _current
        with _lock:
            if _current is self:
                _current = None
        self._futures.close()
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
        if self._own is not None:
            self._own.close()
        atexit.unregister(self.close)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_DASK:
            raise NotThere(f"Client.{name} is not there: {_OF_DASK[name]}")
        raise AttributeError(f"a Client has no {name!r}")

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
        # Without the token: outputs are saved with a notebook, and shown to others.
        link = escape(f"http://{self._connection.address}/", quote=True)
        how = "<code>print(client.dashboard_link)</code> shows the link with its token"
        return (
            f"<div><strong>Client</strong><table>{cells}</table>"
            f"<a href='{link}' target='_blank'>Dashboard</a>: {how}</div>"
        )


#: What Dask's clients have and this one has not, and what to do instead.
_OF_DASK = {
    "submit": FUNCTIONS,
    "map": FUNCTIONS,
    "run": FUNCTIONS,
    "run_on_scheduler": FUNCTIONS,
    "get_task_stream": "the dashboard's timeline shows every task",
    "profile": "the dashboard's page of a job says where its time goes",
    "scatter": "dataframe.from_pandas uploads rows to the workers",
    "who_has": "the dashboard's page of data says what lies where",
    "has_what": "the dashboard's page of data says what lies where",
    "rebalance": "partitions are spread when they are made",
    "replicate": "dataframe.from_pandas(.., replicas=2) makes copies",
    "upload_file": FUNCTIONS,
    "register_plugin": FUNCTIONS,
    "get_versions": "scheduler_info() has the version; workers of another one are refused",
}


def current_client() -> Client:
    """The client of frames that name none: the latest, or a new one."""
    with _lock:
        if _current is not None:
            return _current
        return Client()
