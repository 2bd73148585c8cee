"""Clients and clusters: the replacement of ``dask.distributed``."""

from __future__ import annotations

import builtins
from concurrent.futures import CancelledError

from ._actors import Actor, ActorFuture
from ._client import Client, Future, current_client, default_client
from ._errors import KilledWorker
from ._futures import BaseActorFuture
from ._local import LocalCluster
from ._locks import Lock, MultiLock, Semaphore
from ._plugins import Environ, InstallPlugin, PipInstall, UploadDirectory, UploadFile, WorkerPlugin
from ._progress import progress
from ._report import performance_report
from ._shared_values import Event, Queue, Variable
from ._stubs import module_getattr
from ._task_futures import as_completed, fire_and_forget, futures_of, wait
from ._task_stream import get_task_stream
from ._worker_view import get_client, get_worker, local_client, print, rejoin, secede, warn, worker_client

__all__ = [
    "Actor",
    "ActorFuture",
    "BaseActorFuture",
    "CancelledError",
    "Client",
    "Environ",
    "Event",
    "Future",
    "InstallPlugin",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "MultiLock",
    "PipInstall",
    "Queue",
    "Semaphore",
    "TimeoutError",
    "UploadDirectory",
    "UploadFile",
    "Variable",
    "WorkerPlugin",
    "as_completed",
    "current_client",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_task_stream",
    "get_worker",
    "local_client",
    "performance_report",
    "print",
    "progress",
    "rejoin",
    "secede",
    "wait",
    "warn",
    "worker_client",
]

#: Python's own exceptions, under the names that Dask has for them.
TimeoutError = builtins.TimeoutError


_PROGRAM = "use the program: `partita scheduler`, `partita worker`"
_TOPICS = "use Queue, or Client.log_event and Client.subscribe_topic"

__getattr__ = module_getattr(
    "partita.distributed",
    {
        "Reschedule": "use retries=",
        "SchedulerPlugin": "plugins are not supported; Client.run calls a function on each worker",
        "NannyPlugin": "plugins are not supported; Client.run calls a function on each worker",
        "CondaInstall": "install packages in the Python of the workers; see Client(python=)",
        "Pub": _TOPICS,
        "Sub": _TOPICS,
        "Scheduler": _PROGRAM,
        "Worker": _PROGRAM,
        "Nanny": _PROGRAM,
        "SSHCluster": "start `partita worker` on each host with ssh",
        "SpecCluster": "use LocalCluster, `partita run` or `partita slurm`",
        "SubprocessCluster": "use LocalCluster",
        "Adaptive": "on Slurm use `partita slurm adapt`",
        "Security": "every connection is authenticated by the cluster's token, which the access file contains",
        "get_task_metadata": "the dashboard's page of a job shows every task",
        "span": "the dashboard lists each job by its query",
        "config": "options are arguments or environment variables such as PARTITA_MEMORY_LIMIT",
        "Status": "scheduler_info() contains the state of each worker",
    },
)
