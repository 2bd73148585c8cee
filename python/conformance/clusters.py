"""The cluster of a test, and the objects that stand for its scheduler and workers."""

from __future__ import annotations

import atexit
import os
import tempfile
from typing import Any

from partita.distributed import Client, LocalCluster

from .inside import PUBLIC, LooksInside

__all__ = ["KnownClient", "Server", "close_clusters", "leave_cluster", "servers_of", "shared_cluster"]

#: Workers of a cluster at most: tests that need more do not count.
WORKERS_MAX = 5
#: The workers of Dask's own tests, and the slots of each.
WORKERS = 2
SLOTS = 2
#: Time for the workers to register, in seconds.
START_TIMEOUT_S = 60

#: The open clusters, by workers and slots of each; the one of the current test is the last.
_open: dict[tuple[int, int], LocalCluster] = {}
#: Open clusters at most.
OPEN_MAX = 2


class Server:
    """Stands for a scheduler or a worker. It has its address; what only exists in the server's process does not count."""

    def __init__(self, what: str, address: str) -> None:
        self._what = what
        self._address = address

    def __getattr__(self, name: str) -> Any:
        if name in PUBLIC:
            return self._address
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise LooksInside(f"uses the attribute {name} of a {self._what}")

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class KnownClient(Client):
    """A client of Partita that knows the tokens of the tests' clusters: Dask's clusters have none."""

    def __init__(self, address: Any = None, *args: Any, **kwargs: Any) -> None:
        for cluster in _open.values():
            if address == cluster.scheduler_address:
                kwargs.setdefault("token", cluster.token)
        super().__init__(address, *args, **kwargs)


def shared_cluster(workers: int = WORKERS, slots: int = SLOTS) -> LocalCluster:
    """Return the open cluster of a shape, or a new one if there is none or it has ended."""
    if not 0 < workers <= WORKERS_MAX:
        raise LooksInside(f"needs a cluster of {workers} workers")
    cluster = _open.pop((workers, slots), None)
    if cluster is None or cluster._process.poll() is not None:
        while len(_open) >= OPEN_MAX:
            _open.pop(next(iter(_open))).close()
        cluster = LocalCluster(n_workers=workers, threads_per_worker=slots)
        with Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=START_TIMEOUT_S)
            # The first call on a worker starts its Python, which tests with short timeouts do not wait for.
            client.run(int)
    _open[workers, slots] = cluster
    return cluster


def leave_cluster() -> None:
    """Close the cluster of the current test: names and calls may be left on it."""
    if _open:
        _open.popitem()[1].close()


def close_clusters() -> None:
    """Shut down all clusters."""
    while _open:
        leave_cluster()


def servers_of(cluster: LocalCluster) -> tuple[Server, list[Server]]:
    """Return what stands for the scheduler and for the workers."""
    with Client(cluster, set_as_default=False) as client:
        workers = [Server("worker", address) for address in client.nthreads()]
    return Server("scheduler", cluster.scheduler_address), workers


def use_own_home() -> None:
    """Let clients find no other clusters."""
    folder = tempfile.TemporaryDirectory(prefix="partita-conformance-")
    atexit.register(folder.cleanup)
    os.environ["PARTITA_HOME"] = folder.name
    for name in ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_TOKEN", "PARTITA_CLUSTER"):
        os.environ.pop(name, None)
    atexit.register(close_clusters)
