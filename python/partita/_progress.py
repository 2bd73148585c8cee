"""A progress bar for background computations."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ._callbacks import show_progress
from ._client import Client, current_client
from ._task_futures import TaskFuture, flat_futures

__all__ = ["count_tasks", "progress", "show_queries"]

#: Width of the bar, in characters.
_WIDTH = 40
#: Polling interval, in seconds.
_INTERVAL_S = 0.1


def progress(
    *work: Any, notebook: bool | None = None, multi: Any = None, complete: Any = None, group_by: Any = None
) -> None:
    """Show a progress bar until background computations have ended.

    A notebook shows the bar below the cell, a terminal in one line. If standard output is neither, only one line is
    printed at the end.

    Parameters
    ----------
    work : Future, persisted collection, or list of these
        Futures of :meth:`Client.submit`, :meth:`Client.map` and :meth:`Client.compute`. Persisted frames are already
        complete and are ignored.
    notebook : bool, optional
        Whether to show the bar below the cell of a notebook. By default, if this is one.
    multi, complete, group_by
        Accepted for compatibility with Dask; no effect.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> from partita.distributed import Client, progress
    >>> with Client(n_workers=1) as client:
    ...     ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    ...     progress(client.compute(ddf.a.sum()))
    [########################################] 100%
    """
    # Persisted frames are complete.
    futures = list(flat_futures(work))
    # The tasks of queries, beside which calls are tasks of their own.
    has_queries = any(not isinstance(one, TaskFuture) for one in futures)
    client = current_client() if has_queries else None
    show = (None if notebook is False else _in_notebook()) or _on_terminal()
    while True:
        ended = sum(future.done() for future in futures)
        is_done = ended == len(futures)
        if show is None and is_done:
            print(f"[{'#' * _WIDTH}] 100%")
        elif show is not None and client is None:
            show(ended / max(len(futures), 1), f"{ended} of {len(futures)} calls")
        elif show is not None and client is not None:
            done, total = count_tasks(client)
            share = (ended + (done / total if total else 0)) / max(len(futures), 1)
            show(1.0 if is_done else min(share, 0.99), "" if is_done else f"{done} of {total} tasks")
        if is_done:
            return
        time.sleep(_INTERVAL_S)


def count_tasks(client: Client) -> tuple[int, int]:
    """Return how many tasks of the running jobs are done, and how many these jobs have."""
    jobs = client._rest("jobs?state=running&limit=100")["jobs"]
    return sum(job["tasks"]["done"] for job in jobs), sum(sum(job["tasks"].values()) for job in jobs)


@contextlib.contextmanager
def show_queries(client: Client) -> Iterator[None]:
    """Context manager that shows the registered progress bars while queries of a client run."""

    def share() -> float:
        done, total = count_tasks(client)
        return done / total if total else 0.0

    with show_progress(share):
        yield


def _on_terminal() -> Callable[[float, str], None] | None:
    """Return a function that draws the bar in one line of the terminal; None if standard output is not a terminal."""
    if not sys.stdout.isatty():
        return None

    def show(share: float, text: str) -> None:
        filled = int(_WIDTH * share)
        line = f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {share:4.0%}  {text:<30}"
        print(f"\r{line}", end="\n" if share == 1.0 else "", flush=True)

    return show


def _in_notebook() -> Callable[[float, str], None] | None:
    """Return a function that draws the bar below the cell; None outside a notebook."""
    # In a notebook, IPython is already imported.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    notebook: Any = importlib.import_module("IPython.display")
    handle = notebook.display(notebook.HTML(""), display_id=True)

    def show(share: float, text: str) -> None:
        bar = f"<progress value='{share:.3f}' max='1' style='width: 24em'></progress>"
        handle.update(notebook.HTML(f"<div>{bar} {share:.0%} {text}</div>"))

    return show
