"""The methods of a client that describe the cluster, and that retire workers or end it."""

from __future__ import annotations

import contextlib
import http
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._awaiting import may_await
from ._binary import find_program
from ._connection import Connection
from ._dashboard import Dashboard, page_link
from ._durations import parse_seconds
from ._errors import ClusterError
from ._local import Link, LocalCluster
from ._wire import quote

__all__ = ["JOBS_PAGE_MAX", "PAUSE_MAX_S", "TIMEOUT_S", "ClusterMethods", "attempts"]

#: Default time to wait for the scheduler or the workers, in seconds.
TIMEOUT_S = 60.0
#: Pause before the first retry, in seconds; it doubles with each further retry up to the maximum.
PAUSE_FIRST_S = 0.02
PAUSE_MAX_S = 1.0
#: Levels of lines of a log.
LEVELS = frozenset(("ERROR", "WARN", "INFO", "DEBUG", "TRACE"))
#: Jobs in one page of the scheduler's REST API.
JOBS_PAGE_MAX = 1000


def _last(lines: list[str], n: int | None) -> list[str]:
    """Return the last lines; all without a number."""
    return lines if n is None else lines[max(len(lines) - n, 0) :]


def _leveled(line: str) -> tuple[str, str]:
    """Return the level of a line of a log, and the line."""
    level = next((word for word in line.split()[:2] if word in LEVELS), "INFO")
    return level, line


def attempts(wait: float) -> Iterator[None]:
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


def _with_names_of_dask(row: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a worker also under the names that Dask has for them."""
    metrics = row["metrics"]
    return {
        **row,
        "type": "Worker",
        "nthreads": row["slots"],
        "memory_limit": row["memory_limit_bytes"],
        "last_seen": row["last_seen_ms"] / 1000,
        "status": "running" if row["state"] == "up" else row["state"],
        "metrics": {**metrics, "cpu": metrics["cpu_milli"] / 10, "memory": metrics["resident_bytes"]},
    }


class ClusterMethods:
    """The cluster: its workers, its dashboard, and its end."""

    _connection: Connection
    _own: LocalCluster | None
    close: Callable[..., Any]
    _submitter: Any
    _addresses: Callable[[Any], list[str]]

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

    def _pages(self, what: str, after: str, path: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of all pages of a listing, up to a number of rows."""
        page = self._rest(path)
        rows = list(page[what])
        while page.get("next") is not None and (limit is None or len(rows) < limit):
            page = self._rest(f"{path}&{after}={page['next']}")
            rows += page[what]
        return rows[:limit]

    def _workers(self) -> list[dict[str, Any]]:
        return self._pages("workers", "after", "workers?state=up&limit=1000")

    def scheduler_info(self, n_workers: int = -1) -> dict[str, Any]:
        """Return a summary of the cluster, with its workers by address.

        It has the figures of the REST API, and besides them the names of Dask: ``nthreads``, ``memory_limit``, ``status``
        and ``last_seen`` of a worker, ``total_threads`` and ``total_memory`` of all.

        Parameters
        ----------
        n_workers : int
            Number of workers to describe; all by default.
        """
        info = self._rest("cluster")
        rows = self._workers()
        port = int(info["address"].rpartition(":")[2])
        of_dask = {
            "type": "Scheduler",
            "id": info["name"],
            "address": f"tcp://{info['address']}",
            "services": {"dashboard": port},
            "started": info["started_ms"] / 1000,
            "n_workers": len(rows),
            "total_threads": sum(row["slots"] for row in rows),
            "total_memory": sum(row["memory_limit_bytes"] for row in rows),
        }
        shown = rows if n_workers < 0 else rows[:n_workers]
        return {**info, **of_dask, "workers": {f"tcp://{row['address']}": _with_names_of_dask(row) for row in shown}}

    @may_await
    def nthreads(self, workers: Any = None) -> Any:
        """Return the number of slots of each worker, by its address.

        Parameters
        ----------
        workers : str or list of str, optional
            Addresses or names of the workers; all by default.
        """
        slots = {f"tcp://{row['address']}": row["slots"] for row in self._workers()}
        return slots if workers is None else {address: slots[address] for address in self._addresses(workers)}

    ncores = nthreads

    @may_await
    def get_worker_logs(self, n: int | None = None, workers: Any = None) -> Any:
        """Return the last lines of the logs of workers, by their addresses.

        What functions print is part of the log of workers that log at the level ``info``, as `partita worker` does.

        Parameters
        ----------
        n : int, optional
            Maximum number of lines of each; all that a worker keeps (200) by default.
        workers : str or list of str, optional
            Addresses or names of the workers; all by default.

        Returns
        -------
        dict
            For each address, a tuple of pairs: the level of a line, such as ``"INFO"``, and the line.
        """
        if n is not None and (not isinstance(n, int) or n < 0):
            raise ValueError(f"n must be a number of lines, not {n!r}")
        ids = {f"tcp://{row['address']}": row["id"] for row in self._workers()}
        wanted = ids if workers is None else self._addresses(workers)
        logs = {address: self._rest(f"workers/{ids[address]}/log")["lines"] for address in wanted}
        return {address: tuple(map(_leveled, _last(lines, n))) for address, lines in logs.items()}

    @may_await
    def wait_for_workers(self, n_workers: int = 1, timeout: float | str | None = None) -> Any:
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
        if not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"n_workers must be a number of workers of at least 1, not {n_workers!r}")
        given = parse_seconds(timeout)
        wait = TIMEOUT_S if given is None else given
        connected = 0
        for _ in attempts(wait):
            connected = len(self._workers())
            if connected >= n_workers:
                return
        raise TimeoutError(f"timed out: {connected} of {n_workers} workers connected after {wait:g} s")

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, including its token, which opens the dashboard and nothing else.

        ``print(client.dashboard_link)`` shows the token. The output of a notebook cell that ends with the link does
        not. On a JupyterHub, and with ``PARTITA_DASHBOARD_LINK``, it goes through the proxy, as :meth:`dashboard` does.
        """
        return Link(page_link(self._connection.address, self._connection.token))

    def dashboard(self, panel: str = "overview", height: int | None = None) -> Dashboard:
        """Show a panel of the dashboard in a notebook.

        Parameters
        ----------
        panel : str
            ``"overview"``, ``"progress"``, ``"timeline"``, ``"workers"``, ``"memory"``, ``"tables"``, ``"tasks"``,
            ``"jobs"``, ``"attention"``, ``"data"``, ``"events"``, or ``"scheduler"``.
        height : int, optional
            The height of the frame in pixels; by default that of the panel.

        Returns
        -------
        Dashboard
            A notebook shows it as a frame, or as a link where the browser reaches the scheduler only directly. It does
            not contain the token, but a ticket that opens the dashboard once, within two minutes. A notebook that is
            opened again takes the token from another tab of the dashboard, or asks for it; if its cluster has ended, it
            says so in place of the panel.

        Notes
        -----
        Behind a JupyterHub the address is that of the hub's proxy. Elsewhere ``PARTITA_DASHBOARD_LINK`` names it, such
        as ``/rnode/{host}/{port}/`` for Open OnDemand.
        """
        return Dashboard(panel, self._connection.address, height, self._page_ticket)

    def _page_ticket(self) -> str | None:
        """Return a ticket that opens the dashboard once, or None from a cluster that cannot be reached or has none."""
        try:
            ticket: str = self._rest("page/ticket", "POST")["ticket"]
        except ClusterError:
            return None
        return ticket

    def cancel_job(self, job: int | str) -> None:
        """Cancel a job, given its id or name, such as ``7`` or ``"job-7"``."""
        self._rest(f"jobs/{job}/cancel", "POST")

    # Cluster lifetime.

    def _program(self, *arguments: str, timeout: float | None = None) -> None:
        connection = self._connection
        environment = {
            **os.environ,
            "PARTITA_SCHEDULER": connection.address,
            "PARTITA_TOKEN": connection.token,
        }
        if connection.trust.tls_ca_file is not None:
            environment["PARTITA_TLS_CA_FILE"] = connection.trust.tls_ca_file
        try:
            done = subprocess.run(
                [find_program(), *arguments],
                capture_output=True,
                text=True,
                env=environment,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"`partita {arguments[0]}` took longer than {timeout:g} s") from None
        if done.returncode:
            raise ClusterError(done.stderr.strip().removeprefix("error: "))

    @may_await
    def retire_workers(
        self, workers: Sequence[str] | None = None, close_workers: bool = True, names: Sequence[str] | None = None
    ) -> list[str]:
        """Retire workers and wait until they have left the cluster.

        A retiring worker finishes its running tasks, takes no new ones, and migrates its partitions to the remaining
        workers.

        Parameters
        ----------
        workers : list of str
            Addresses of the workers, as in :meth:`nthreads`.
        close_workers : bool
            Accepted for compatibility with Dask if true: retired workers exit.
        names : list of str, optional
            Names of the workers, instead of their addresses.

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
        if not close_workers:
            raise NotImplementedError("retire_workers(close_workers=False) is not supported: retired workers exit")
        if workers is None and names is not None and not isinstance(names, str):
            workers = self._addresses(list(names))
        self._program("retire", *self._worker_ids("retire_workers", workers))
        return list(workers or ())

    def _worker_ids(self, method: str, workers: Sequence[str] | None, by_name: bool = False) -> list[str]:
        """Return the identifiers of workers, given their addresses, or also their names, as arguments of a method."""
        if isinstance(workers, str) or not workers:
            raise ValueError(f"{method}() takes a list of addresses; client.nthreads() returns those of all workers")
        rows = self._workers()
        if by_name:
            names = {row["name"]: row["address"] for row in rows}
            workers = [names.get(worker, worker) for worker in workers]
        ids = {row["address"]: str(row["id"]) for row in rows}
        addresses = [address.removeprefix("tcp://") for address in workers]
        for address in addresses:
            if address not in ids:
                known = ", ".join(f"tcp://{one}" for one in ids)
                raise ClusterError(f"no worker at tcp://{address}; connected: {known or 'none'}")
        return [ids[address] for address in addresses]

    @may_await
    def restart_workers(
        self, workers: Sequence[str], timeout: float | str | None = None, raise_for_error: bool = True
    ) -> dict[str, str]:
        """Restart worker processes and wait until they are connected again.

        What they hold is lost, and what they run begins anew elsewhere; results that are still wanted are computed
        again. A worker in a batch job stays in its job.

        Parameters
        ----------
        workers : list of str
            Addresses of the workers, as in :meth:`nthreads`, or their names.
        timeout : float or str, optional
            How long to wait, by default and at most a minute.
        raise_for_error : bool
            Whether to raise an error if not all are back in time.

        Returns
        -------
        dict
            ``"OK"`` or ``"timed out"`` for each of `workers`.

        Raises
        ------
        ClusterError
            If one of the workers is not connected. In this case none is restarted.
        TimeoutError
            If not all are back in time.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.wait_for_workers(2)
        ...     first, second = client.nthreads()
        ...     restarted = client.restart_workers([first])
        ...     (restarted == {first: "OK"}, len(client.nthreads()))
        (True, 2)
        """
        ids = self._worker_ids("restart_workers", workers, by_name=True)
        try:
            self._program("restart", *ids, timeout=parse_seconds(timeout))
        except TimeoutError:
            if raise_for_error:
                raise
            return dict.fromkeys(workers, "timed out")
        return dict.fromkeys(workers, "OK")

    @may_await
    def restart(self, timeout: float | str | None = None, wait_for_workers: bool = True) -> Any:
        """Cancel all jobs of the cluster, including those of other clients, and drop this client's unpublished tables.

        Frames that read these tables cannot be computed afterwards, and the futures of this client are cancelled. Functions
        run in new Python processes. Unlike in Dask, the worker processes are not restarted: they have no state besides their
        jobs and their partitions.

        Parameters
        ----------
        timeout, wait_for_workers
            Accepted for compatibility with Dask; no effect.
        """
        for state in ("planning", "queued", "running"):
            for job in self._rest(f"jobs?state={state}&limit={JOBS_PAGE_MAX}")["jobs"]:
                # A job that has ended meanwhile cannot be cancelled.
                with contextlib.suppress(ClusterError):
                    self.cancel_job(job["name"])
        for session in self._submitter.sessions():
            session.forget("the cluster was restarted")
        connection = self._connection
        for table in connection.action("partita.tables", {}):
            if table["session"] == connection.session:
                connection.query(f"DROP TABLE IF EXISTS {quote(table['name'])}")
        return self

    @may_await
    def shutdown(self) -> None:
        """Shut down the scheduler and all workers, even if another process started them."""
        if self._own is None:
            self._program("shutdown")
        self.close()
