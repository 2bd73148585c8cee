"""Workers of a cluster on this machine that follow the load."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ._errors import PartitaError
from ._threads import start_thread

if TYPE_CHECKING:
    from ._local import LocalCluster

__all__ = ["LocalAdaptive"]


class LocalAdaptive:
    """Starts workers while tasks wait for slots, and retires them when there is less to do for a while.

    Parameters
    ----------
    cluster : LocalCluster
        The cluster.
    minimum, maximum : int
        Bounds of the number of workers.
    interval : float
        Time between two looks at the load, in seconds.
    wait_count : int
        Looks in a row that must find less to do before workers are retired.
    """

    def __init__(self, cluster: LocalCluster, minimum: int, maximum: int, interval: float, wait_count: int) -> None:
        self.minimum, self.maximum = minimum, maximum
        self._wait_count = wait_count
        self._less = 0
        self._is_stopped = threading.Event()
        start_thread(_follow, weakref.ref(cluster), self, interval, name="adapt", stop=self.stop)

    def stop(self) -> None:
        """Leave the workers as they are from now on."""
        self._is_stopped.set()

    def wanted(self, load: dict[str, Any], rows: list[dict[str, Any]], slots: int) -> int | None:
        """Return the number of workers that there should be, or None if nothing changes.

        Parameters
        ----------
        load : dict
            The numbers of tasks by state.
        rows : list of dict
            The connected workers.
        slots : int
            The slots of a worker.
        """
        wanted = math.ceil((load["ready"] + load["running"]) / max(slots, 1))
        if any(row["metrics"]["partitions"] for row in rows):
            # Without a worker, the results that they hold would be lost.
            wanted = max(wanted, 1)
        wanted = min(max(wanted, self.minimum), self.maximum)
        self._less = self._less + 1 if wanted < len(rows) else 0
        if wanted > len(rows) or self._less >= self._wait_count:
            return wanted
        return None


def _follow(known: weakref.ref[LocalCluster], adaptive: LocalAdaptive, interval: float) -> None:
    while not adaptive._is_stopped.wait(interval):
        cluster = known()
        if cluster is None or cluster.status != "running":
            return
        # The scheduler may be busy: it is asked again.
        with contextlib.suppress(PartitaError, OSError):
            client = cluster._scaled_workers()._client
            rows = client._workers()
            slots = rows[0]["slots"] if rows else (cluster._threads or os.cpu_count() or 1)
            wanted = adaptive.wanted(client._rest("cluster")["tasks"], rows, slots)
            if wanted is not None and not adaptive._is_stopped.is_set():
                cluster._scaled_workers().scale(wanted)
        del cluster
