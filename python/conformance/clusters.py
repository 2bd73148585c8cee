"""The cluster of a test, and the objects that stand for its scheduler and workers."""

from __future__ import annotations

import atexit
import os
import tempfile
from typing import Any

from partita.distributed import Client, LocalCluster

from .inside import PUBLIC, LooksInside

__all__ = ["KnownClient", "Server", "close_cluster", "fresh_cluster", "servers_of", "shared_cluster"]

#: Workers of a cluster at most: tests that need more do not count.
WORKERS_MAX = 5
#: The workers of Dask's own tests, and the slots of each.
WORKERS = 2
SLOTS = 2
#: Time for the workers to register, in seconds.
START_TIMEOUT_S = 60

_current: LocalCluster | None = None
_shape = (0, 0)
_is_used = False


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
    """A client of Partita that knows the token of the current cluster: Dask's clusters have none."""

    def __init__(self, address: Any = None, *args: Any, **kwargs: Any) -> None:
        if _current is not None and address == _current.scheduler_address:
            kwargs.setdefault("token", _current.token)
        super().__init__(address, *args, **kwargs)


def fresh_cluster(workers: int = WORKERS, slots: int = SLOTS) -> LocalCluster:
    """Start a cluster in the place of the current one."""
    global _current, _shape, _is_used
    if not 0 < workers <= WORKERS_MAX:
        raise LooksInside(f"needs a cluster of {workers} workers")
    close_cluster()
    _current = LocalCluster(n_workers=workers, threads_per_worker=slots)
    _shape, _is_used = (workers, slots), False
    return _current


def shared_cluster(workers: int = WORKERS, slots: int = SLOTS) -> LocalCluster:
    """Return the current cluster, or a new one if it has ended, has another shape, or has something left on it."""
    is_usable = _current is not None and _current._process.poll() is None and not _is_used
    if _current is not None and is_usable and _shape == (workers, slots):
        return _current
    return fresh_cluster(workers, slots)


def leave_cluster() -> None:
    """Have the next test start a cluster of its own: names and calls of this one may be left on it."""
    global _is_used
    _is_used = True


def close_cluster() -> None:
    """Shut down the current cluster."""
    global _current
    cluster, _current = _current, None
    if cluster is not None:
        cluster.close()


def servers_of(cluster: LocalCluster) -> tuple[Server, list[Server]]:
    """Return what stands for the scheduler and for the workers, once all are connected."""
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(_shape[0], timeout=START_TIMEOUT_S)
        workers = [Server("worker", address) for address in client.nthreads()]
    return Server("scheduler", cluster.scheduler_address), workers


def use_own_home() -> None:
    """Let clients find no other clusters."""
    folder = tempfile.TemporaryDirectory(prefix="partita-conformance-")
    atexit.register(folder.cleanup)
    os.environ["PARTITA_HOME"] = folder.name
    for name in ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_TOKEN", "PARTITA_CLUSTER"):
        os.environ.pop(name, None)
    atexit.register(close_cluster)
