"""Performance reports: the jobs that a cluster ran, as an HTML file."""

from __future__ import annotations

import datetime
import os
import time
from html import escape
from typing import Any

from ._client import Client, current_client
from ._cluster_client import JOBS_PAGE_MAX
from ._errors import PartitaError, trim_traceback

__all__ = ["performance_report"]

#: Jobs whose stages are shown; of further jobs, a report shows only the summary.
JOBS_DETAILED_MAX = 200
#: Maximum length of a query in a report, in characters.
QUERY_CHARACTERS_MAX = 2000
#: Width of the bars that show when a job ran.
BAR_PX = 400

_STYLE = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border-bottom:1px solid #ddd;padding:.2em .6em;text-align:left;vertical-align:top}"
    "td.n{text-align:right}pre{white-space:pre-wrap;margin:0}.bar{background:#e8e8e8;height:.8em}"
    ".bar div{background:#2a78b5;height:.8em;min-width:1px}.failed{background:#c33!important}"
)


class performance_report:
    """Context manager that writes an HTML report of the jobs that the cluster runs inside the ``with`` block.

    The report contains the duration, rows and bytes of each job and of its stages, the plans of the stages, and the
    workers. It needs no server and contains no token. The dashboard, and a journal (``partita scheduler --journal
    FILE`` and ``partita report FILE``), also show the activity of each worker over time.

    Parameters
    ----------
    filename : str
        Path of the report.
    stacklevel, mode
        Accepted for compatibility with Dask; no effect.
    storage_options
        Not supported.
    client : Client, optional
        Client of the cluster. The default client if not given.

    Examples
    --------
    >>> import os, tempfile
    >>> from partita import dataframe as dd
    >>> from partita.distributed import Client, performance_report
    >>> with Client(n_workers=1), tempfile.TemporaryDirectory() as folder:
    ...     with performance_report(folder + "/report.html"):
    ...         total = dd.read_sql("SELECT value FROM generate_series(1, 10)").value.sum().compute()
    ...     "generate_series(1, 10)" in open(folder + "/report.html").read()
    True
    """

    def __init__(
        self,
        filename: Any = "partita-report.html",
        stacklevel: int = 1,
        mode: Any = None,
        storage_options: Any = None,
        client: Client | None = None,
    ) -> None:
        if storage_options:
            raise NotImplementedError("performance_report() does not support storage_options=; use a local path")
        self._path = os.fspath(filename)
        self._given = client

    @trim_traceback
    def __enter__(self) -> None:
        self._client = self._given or current_client()
        latest = self._client._rest("jobs?limit=1")["jobs"]
        self._last = latest[0]["id"] if latest else -1
        self._begun_s = time.time()

    @trim_traceback
    def __exit__(self, kind: object, *_: object) -> None:
        try:
            page = self._page(self._jobs(), time.time() - self._begun_s)
        except PartitaError:
            # An error inside the block takes precedence.
            if kind is None:
                raise
            return
        with open(self._path, "w", encoding="utf-8") as file:
            file.write(page)

    def _jobs(self) -> list[dict[str, Any]]:
        """Return the jobs that were submitted inside the block, oldest first."""
        jobs: list[dict[str, Any]] = []
        before = ""
        while True:
            page = self._client._rest(f"jobs?limit={JOBS_PAGE_MAX}{before}")
            jobs += [job for job in page["jobs"] if job["id"] > self._last]
            if page["next"] is None or len(jobs) < len(page["jobs"]) or jobs[-1]["id"] == self._last + 1:
                return jobs[::-1]
            before = f"&before={page['next']}"

    def _page(self, jobs: list[dict[str, Any]], elapsed_s: float) -> str:
        info = self._client._rest("cluster")
        begun = datetime.datetime.fromtimestamp(self._begun_s).astimezone().isoformat(timespec="seconds")
        summary = [
            ("Cluster", info["name"]),
            ("Start", begun),
            ("Duration", f"{elapsed_s:.3f} s"),
            ("Jobs", len(jobs)),
            ("Tasks", sum(sum(job["tasks"].values()) for job in jobs)),
            ("Workers", info["workers"]),
            ("Threads", info["slots"]),
            ("Memory", _bytes(info["memory_limit_bytes"])),
        ]
        workers = [
            [row["name"], row["host"], row["slots"], _bytes(row["memory_limit_bytes"]), row["finished"]]
            for row in self._client._workers()
        ]
        rows = [self._job(job, elapsed_s) for job in jobs]
        details = [self._stages(job) for job in jobs[-JOBS_DETAILED_MAX:]]
        jobs_head = ("job", "query", "state", "client", "duration", "timeline", "tasks", "rows", "bytes", "retries")
        return (
            f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Partita: {escape(begun)}</title>"
            f"<style>{_STYLE}</style></head><body><h1>Performance report</h1>"
            f"{_table((), summary)}<h2>Workers</h2>"
            f"{_table(('worker', 'host', 'threads', 'memory', 'finished tasks'), workers)}"
            f"<h2>Jobs</h2>{_table(jobs_head, rows)}<h2>Stages</h2>{''.join(details)}</body></html>"
        )

    def _job(self, job: dict[str, Any], elapsed_s: float) -> list[Any]:
        end_ms = job["ended_ms"] or time.time() * 1000
        duration_s = (end_ms - job["submitted_ms"]) / 1000
        # Clamp bars to the time of the report, since the clocks of two hosts may differ.
        left = min(max(job["submitted_ms"] / 1000 - self._begun_s, 0), elapsed_s)
        scale = BAR_PX / max(elapsed_s, 1e-3)
        width = min(duration_s, elapsed_s - left) * scale
        kind = " class='failed'" if job["state"] == "failed" else ""
        bar = (
            f"<div class='bar' style='width:{BAR_PX}px'>"
            f"<div{kind} style='margin-left:{left * scale:.1f}px;width:{width:.1f}px'></div></div>"
        )
        query = f"<pre>{escape(job['text'][:QUERY_CHARACTERS_MAX])}</pre>"
        state = job["state"] + (f": {job['error']}" if job["error"] else "")
        return [
            job["name"],
            _Html(query),
            state,
            job["client"],
            f"{duration_s:.3f} s",
            _Html(bar),
            sum(job["tasks"].values()),
            job["rows"],
            _bytes(job["bytes"]),
            job["retries"],
        ]

    def _stages(self, job: dict[str, Any]) -> str:
        steps = [
            [
                step["id"]["index"],
                step["name"],
                ", ".join(map(str, step["inputs"])),
                sum(step["tasks"].values()),
                step["rows"],
                _bytes(step["bytes"]),
                f"{step['busy_us'] / 1e6:.3f} s",
                _Html(f"<details><summary>plan</summary><pre>{escape(step['plan'])}</pre></details>"),
            ]
            for step in self._client._rest(f"jobs/{job['id']}/stages")["stages"]
        ]
        head = ("stage", "name", "inputs", "tasks", "rows", "bytes", "busy time", "")
        return f"<h3>{escape(job['name'])}</h3>{_table(head, steps)}"


class _Html(str):
    """HTML that is not escaped."""


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, _Html):
            return f"<td>{value}</td>"
        return f"<td{' class=n' if isinstance(value, int) else ''}>{escape(str(value))}</td>"

    top = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>" if head else ""
    return f"<table>{top}{''.join(f'<tr>{chr(10).join(map(cell, row))}</tr>' for row in rows)}</table>"
