"""The cluster: where ``dask.distributed`` is, this is."""

from __future__ import annotations

from typing import Any

from ._client import Client, Future, current_client
from ._local import LocalCluster
from ._missing import FUNCTIONS, absent
from ._progress import progress
from ._report import performance_report

__all__ = [
    "Client",
    "Future",
    "LocalCluster",
    "current_client",
    "get_client",
    "performance_report",
    "progress",
    "wait",
]


def get_client(*_: Any, **__: Any) -> Client:
    """The client of frames that name none: the latest, or a new one."""
    return current_client()


def wait(futures: Future | list[Future], timeout: Any = None) -> None:
    """Waits until computations in the background have ended, well or not."""
    for future in futures if isinstance(futures, (list, tuple)) else [futures]:
        # Whoever asks for the result learns of an error. A frame that was persisted is complete.
        if isinstance(future, Future):
            future.exception(timeout)


_PROGRAM = "start one with the program: `partita scheduler`, `partita worker`"
_SHARED = "workers run plans, which share nothing but tables: Client.publish_dataset"

__getattr__ = absent(
    "partita.distributed",
    {
        "as_completed": "use Future.add_done_callback, or wait",
        "fire_and_forget": "use Client.compute and keep the future",
        "default_client": "use get_client",
        "futures_of": "Client.compute gives futures",
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
        "SSHCluster": "start `partita worker` on each host by ssh",
        "SpecCluster": "use LocalCluster, `partita run` or `partita slurm`",
        "SubprocessCluster": "use LocalCluster",
        "Adaptive": "on Slurm use `partita slurm adapt`",
        "Security": "every connection needs the cluster's token, which the access file has",
        "KilledWorker": "a task that ends its workers is a partita.QueryError",
        "CancelledError": "use partita.Cancelled",
        "TimeoutError": "use Python's own TimeoutError",
        "get_task_stream": "the dashboard's timeline shows every task; performance_report writes it to a file",
        "get_task_metadata": "the dashboard's page of a job shows every task",
        "span": "the dashboard lists each job by its query",
        "config": "options are arguments, or variables such as PARTITA_MEMORY_LIMIT",
        "Status": "scheduler_info() has the state of each worker",
    },
)
