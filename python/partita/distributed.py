"""Clients and clusters: the replacement of ``dask.distributed``."""

from __future__ import annotations

import builtins
from concurrent.futures import CancelledError
from typing import Any

from ._client import Client, Future, current_client, default_client
from ._errors import KilledWorker
from ._local import LocalCluster
from ._progress import progress
from ._report import performance_report
from ._stubs import module_getattr
from ._task_futures import as_completed, fire_and_forget, futures_of, wait

__all__ = [
    "CancelledError",
    "Client",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "TimeoutError",
    "as_completed",
    "current_client",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "performance_report",
    "progress",
    "wait",
]

#: Python's own exceptions, under the names that Dask has for them.
TimeoutError = builtins.TimeoutError


def get_client(address: Any = None, timeout: Any = None, resolve_address: bool = True) -> Client:
    """Return the default client: the latest one, or a new one if none exists."""
    return current_client() if address is None else Client(address, timeout=timeout, set_as_default=False)


_PROGRAM = "use the program: `partita scheduler`, `partita worker`"
_CALLS = "submit further calls from the script, with futures as arguments"
_SHARED = "calls share only their arguments and results"

__getattr__ = module_getattr(
    "partita.distributed",
    {
        "worker_client": _CALLS,
        "local_client": _CALLS,
        "get_worker": "use Client.run to call a function on each worker",
        "secede": _CALLS,
        "rejoin": _CALLS,
        "print": "print in a function writes to the log of its worker",
        "warn": "warnings in a function are written to the log of its worker",
        "Actor": "actors are not supported yet; pass state as arguments and results",
        "ActorFuture": "actors are not supported yet; pass state as arguments and results",
        "Reschedule": "use retries=",
        "WorkerPlugin": "plugins are not supported; Client.run calls a function on each worker",
        "SchedulerPlugin": "plugins are not supported; Client.run calls a function on each worker",
        "NannyPlugin": "plugins are not supported; Client.run calls a function on each worker",
        "InstallPlugin": "install packages in the Python of the workers; see Client(python=)",
        "PipInstall": "install packages in the Python of the workers; see Client(python=)",
        "CondaInstall": "install packages in the Python of the workers; see Client(python=)",
        "UploadFile": "functions of a script travel with their calls; put modules into a folder that the workers share",
        "UploadDirectory": "functions of a script travel with their calls; put modules into a folder that the workers share",
        "Environ": "set environment variables where the workers start",
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
        "get_task_stream": "the dashboard's timeline shows every task; performance_report summarizes them in a file",
        "get_task_metadata": "the dashboard's page of a job shows every task",
        "span": "the dashboard lists each job by its query",
        "config": "options are arguments or environment variables such as PARTITA_MEMORY_LIMIT",
        "Status": "scheduler_info() contains the state of each worker",
    },
)
