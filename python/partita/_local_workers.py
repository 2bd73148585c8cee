"""Further workers of a cluster on this machine."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

from ._binary import find_program
from ._kept_process import KeptProcess

if TYPE_CHECKING:
    from ._local import LocalCluster

__all__ = ["LocalWorkers"]


class LocalWorkers:
    """Starts and retires workers until a cluster on this machine has a number of them.

    Parameters
    ----------
    cluster : LocalCluster
        The cluster.
    options : dict
        Options of ``partita worker`` by name, such as ``nthreads``. Those that are missing are as of the first worker.
    """

    def __init__(self, cluster: LocalCluster, options: dict[str, str]) -> None:
        from ._client import Client

        self._client = Client(cluster, set_as_default=False)
        self._options = options
        self._numbers = itertools.count()
        #: Processes by the name of the worker. A retired worker ends by itself.
        self._processes: dict[str, KeptProcess] = {}

    def scale(self, n: int) -> None:
        """Start or retire workers until there are `n` of them. Workers that were started last are retired first."""
        rows = sorted(self._client._workers(), key=lambda row: int(row["id"]))
        self._processes = {name: one for name, one in self._processes.items() if not one.has_ended()}
        connected = {row["name"] for row in rows}
        starting = [name for name in self._processes if name not in connected]
        for name in reversed(starting):
            if len(rows) + len(starting) <= n:
                break
            starting.remove(name)
            self._processes.pop(name).close()
        for _ in range(n - len(rows) - len(starting)):
            self._start(rows)
        if len(rows) > n:
            self._client.retire_workers([f"tcp://{row['address']}" for row in rows[n:]])

    def _start(self, rows: list[dict[str, Any]]) -> None:
        options = dict(self._options)
        if rows:
            options.setdefault("nthreads", str(rows[0]["slots"]))
            options.setdefault("memory-limit", str(rows[0]["memory_limit_bytes"]))
        name = f"local-{os.getpid()}-{next(self._numbers)}"
        connection = self._client._connection
        environment = {**os.environ, "PARTITA_SCHEDULER": connection.address, "PARTITA_TOKEN": connection.token}
        arguments = [f"--{option}={value}" for option, value in options.items()]
        command = [find_program(), "worker", f"--name={name}", *arguments]
        self._processes[name] = KeptProcess(command, environment, shown=False)

    def close(self) -> None:
        """Close the connection, and end the workers that have not ended with the cluster."""
        self._client.close()
        for process in self._processes.values():
            process.close()
