"""Clients and clusters: the replacement of ``dask.distributed``."""

from __future__ import annotations

from typing import Any

from ._client import Client, Future, current_client
from ._local import LocalCluster
from ._progress import progress
from ._report import performance_report
from ._stubs import FUNCTIONS, module_getattr
from ._task_futures import as_completed, futures_of, wait

__all__ = [
    "Client",
    "Future",
    "LocalCluster",
    "as_completed",
    "current_client",
    "futures_of",
    "get_client",
    "performance_report",
    "progress",
    "wait",
]


def get_client(*_: Any, **__: Any) -> Client:
    """Return the default client: the latest one, or a new one if none exists."""
    return current_client()


_PROGRAM = "use the program: `partita scheduler`, `partita worker`"
_SHARED = "tasks share only tables; see Client.publish_dataset"

__getattr__ = module_getattr(
    "partita.distributed",
    {
        "fire_and_forget": "use Client.compute and keep a reference to the future",
        "default_client": "use get_client",
        "worker_client": FUNCTIONS,
        "local_client": FUNCTIONS,
        "get_worker": FUNCTIONS,
        "secede": FUNCTIONS,
        "rejoin": FUNCTIONS,
        "print": FUNCTIONS,
        "warn": FUNCTIONS,
        "Actor": FUNCTIONS,
        "ActorFuture": FUNCTIONS,
        "Reschedule": FUNCTIONS,
        "WorkerPlugin": FUNCTIONS,
        "SchedulerPlugin": FUNCTIONS,
        "NannyPlugin": FUNCTIONS,
        "InstallPlugin": FUNCTIONS,
        "PipInstall": FUNCTIONS,
        "CondaInstall": FUNCTIONS,
        "UploadFile": FUNCTIONS,
        "UploadDirectory": FUNCTIONS,
        "Environ": FUNCTIONS,
        "Lock": _SHARED,
        "MultiLock": _SHARED,
        "Event": _SHARED,
        "Queue": _SHARED,
        "Variable": _SHARED,
        "Semaphore": _SHARED,
        "Pub": _SHARED,
        "Sub": _SHARED,
        "Scheduler": _PROGRAM,
        "Worker": _PROGRAM,
        "Nanny": _PROGRAM,
        "SSHCluster": "start `partita worker` on each host with ssh",
        "SpecCluster": "use LocalCluster, `partita run` or `partita slurm`",
        "SubprocessCluster": "use LocalCluster",
        "Adaptive": "on Slurm use `partita slurm adapt`",
        "Security": "every connection is authenticated by the cluster's token, which the access file contains",
        "KilledWorker": "use partita.QueryError",
        "CancelledError": "use partita.Cancelled",
        "TimeoutError": "use Python's own TimeoutError",
        "get_task_stream": "the dashboard's timeline shows every task; performance_report summarizes them in a file",
        "get_task_metadata": "the dashboard's page of a job shows every task",
        "span": "the dashboard lists each job by its query",
        "config": "options are arguments or environment variables such as PARTITA_MEMORY_LIMIT",
        "Status": "scheduler_info() contains the state of each worker",
    },
)
