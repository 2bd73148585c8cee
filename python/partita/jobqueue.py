"""Clusters on Slurm: the replacement of ``dask_jobqueue``."""

from __future__ import annotations

import atexit
import contextlib
import getpass
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ._binary import find_program
from ._connection import join_connections
from ._dashboard import page_link
from ._errors import ClusterError, UnsupportedName
from ._kept_process import KeptProcess
from ._local import Link, LocalCluster, _error_message, _slurm_integer, _step_tasks
from ._slurm_jobs import WorkerJobs, format_duration

__all__ = ["SLURMCluster", "SLURMRunner"]

#: Time for a scheduler to start, in seconds.
START_TIMEOUT_S = 60.0
#: Pause between two looks for the access file of a scheduler that starts, in seconds.
START_PAUSE_S = 0.05
#: Time for one of Slurm's programs, in seconds.
SLURM_TIMEOUT_S = 60.0
#: Environment variables that select another cluster, or are for one process only.
_SELECTING = ("PARTITA_SCHEDULER", "PARTITA_SCHEDULER_FILE", "PARTITA_TOKEN", "PARTITA_CLUSTER", "PARTITA_NAME")

_numbers = itertools.count(1)

#: Unsupported arguments of the clusters of dask_jobqueue, each with an alternative.
_OF_DASK_ARGUMENTS = {
    "project": "use account=",
    "extra": "use worker_extra_args=",
    "env_extra": "use job_script_prologue=",
    "job_extra": "use job_extra_directives=",
    "header_skip": "use job_directives_skip=",
    "nanny": "leave it out: worker processes that die are started again",
    "asynchronous": "leave it out: calls are synchronous",
    "loop": "leave it out",
    "security": "leave it out: every connection is encrypted and authenticated by the cluster's token",
    "protocol": "leave it out: workers and clients always use Arrow Flight",
    "shared_temp_directory": "leave it out: set PARTITA_HOME to a folder that all nodes can read",
    "scheduler_cls": "leave it out: the scheduler is the program `partita scheduler`",
    "worker_command": "leave it out: the workers are the program `partita worker`",
    "worker_class": "leave it out: the workers are the program `partita worker`",
    "shebang": "leave it out: the job script is run by bash",
    "config_name": "pass the options as arguments",
    "name": "use job_name=",
    "silence_logs": "use log_directory= for the logs of the workers",
    "dashboard_address": "use scheduler_options={'port': 8787}: the scheduler serves the dashboard on its port",
    "host": "use scheduler_options={'host': ...}",
    "scheduler_file": "leave it out: jobs find the access file in ~/.partita, or in PARTITA_HOME",
}
#: Unsupported attributes of the clusters of dask_jobqueue, each with an alternative.
_OF_DASK = {
    "workers": "use Client(cluster).scheduler_info()",
    "requested": "`squeue --me` lists the jobs",
    "plan": "`squeue --me` lists the jobs",
    "observed": "use Client(cluster).scheduler_info()",
    "scheduler": "use Client(cluster).scheduler_info()",
    "logs": "use log_directory= for the logs of the workers",
    "get_logs": "use log_directory= for the logs of the workers",
    "job_header": "use job_script()",
    "wait_for_workers": "use Client(cluster).wait_for_workers(N)",
    "recommendations": "adapt() follows the load",
}
#: Options of the scheduler, and those of the program.
_SCHEDULER_OPTIONS = {"host": "--host", "interface": "--interface", "port": "--port", "idle_timeout": "--idle-timeout"}


def _environment() -> dict[str, str]:
    """Return the environment of programs that are told which cluster to use."""
    return {name: value for name, value in os.environ.items() if name not in _SELECTING}


def _access_folder() -> str:
    """Return the folder of access files, as the program finds it."""
    return os.environ.get("PARTITA_HOME") or os.path.expanduser("~/.partita")


def _scheduler_command(options: Mapping[str, Any] | None, interface: str | None) -> list[str]:
    """Return the command of a scheduler."""
    options = {"port": 0, **({"interface": interface} if interface else {}), **(options or {})}
    if "host" in options:
        # A host is more precise, and the program takes one of the two.
        options.pop("interface", None)
    command = [find_program(), "scheduler", "--no-journal"]
    for name, value in options.items():
        if name not in _SCHEDULER_OPTIONS:
            known = ", ".join(sorted(_SCHEDULER_OPTIONS))
            raise TypeError(f"scheduler_options does not support {name!r}; supported: {known}")
        if value is not None:
            value = format_duration(value, name) if name == "idle_timeout" else value
            command.append(f"{_SCHEDULER_OPTIONS[name]}={value}")
    return command


class _Scheduler:
    """A scheduler that this process starts."""

    def __init__(self, command: list[str], access_file: str, environment: Mapping[str, str]) -> None:
        self.access_file = access_file
        self._process = KeptProcess([*command, f"--scheduler-file={access_file}"], environment, shown=False)
        end = time.monotonic() + START_TIMEOUT_S
        while not os.path.exists(access_file):
            if self._process.has_ended():
                raise ClusterError(f"cannot start a scheduler: {_error_message(self._process.output())}")
            if time.monotonic() > end:
                self._process.close()
                raise ClusterError(
                    f"cannot start a scheduler: it did not write its access file within {START_TIMEOUT_S:g} s"
                )
            time.sleep(START_PAUSE_S)
        access = json.loads(run_program("access", f"--scheduler-file={access_file}"))
        self.address: str = access["address"]
        self.token: str = access["token"]
        self.tls_ca_file: str | None = access.get("tls_ca_file")

    def close(self) -> None:
        """Shut down the scheduler and its workers."""
        # It may have ended already, with the job that it runs in.
        with contextlib.suppress(ClusterError):
            run_program("shutdown", f"--scheduler-file={self.access_file}")
        self._process.close()
        # Its name is never used again.
        for ending in (".json", ".identity", ".pem"):
            with contextlib.suppress(OSError):
                os.remove(self.access_file.removesuffix(".json") + ending)


def run_program(*arguments: str) -> str:
    """Run the program and return its output."""
    done = subprocess.run([find_program(), *arguments], capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        raise ClusterError(_error_message(done.stderr))
    return done.stdout


class SLURMCluster:
    """A scheduler on this machine, and workers in jobs of Slurm.

    The scheduler runs as long as this object, on the machine of this process: a login node, or a node of a job. Workers
    are added with :meth:`scale` or :meth:`adapt`. The arguments are those of ``dask_jobqueue.SLURMCluster``.

    Parameters
    ----------
    cores : int
        Number of processors of each job.
    memory : int or str, optional
        Memory of each job: bytes, or a string such as ``"16GB"``. By default, that of the partition.
    processes : int
        Number of worker processes of each job, which share its processors and its memory. 1 by default.
    walltime : str, optional
        Time limit of each job, such as ``"01:00:00"``.
    account : str, optional
        Account that is charged.
    queue : str, optional
        Partition of Slurm.
    job_name : str, optional
        Name of the jobs. They are called ``partita-NAME-HOST-PID``: the cluster finds its jobs by their name, so that no
        two clusters may have the same.
    job_extra_directives : list of str, optional
        Further options of ``sbatch``, such as ``"--constraint=gpu"``.
    job_directives_skip : list of str, optional
        Options of ``sbatch`` that contain one of these texts are left out.
    job_cpu, job_mem : int, str, optional
        Values of ``--cpus-per-task`` and ``--mem``, if they differ from `cores` and `memory`.
    job_script_prologue : list of str, optional
        Lines of the job script before the workers start, such as ``"module load python"``.
    log_directory : str, optional
        Folder for the logs of the jobs. By default the working directory.
    local_directory : str, optional
        Scratch directory of the workers, for data that does not fit in memory.
    interface : str, optional
        Network interface of the scheduler and the workers, such as ``"ib0"``.
    death_timeout : float or str, optional
        Time after which workers that do not reach the scheduler end. 60 s by default.
    worker_extra_args : list of str, optional
        Further options of ``partita worker``, such as ``"--lifetime=55m"``.
    python : str, optional
        Python interpreter that runs functions on the workers. By default the one of this process.
    scheduler_options : dict, optional
        Options of the scheduler: ``host``, ``interface``, ``port``, ``idle_timeout``.
    n_workers : int, optional
        Number of workers to start with, as in :meth:`scale`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid or not supported. The message names an alternative.
    ClusterError
        If the scheduler does not start.

    Examples
    --------
    >>> from partita.distributed import Client
    >>> from partita.jobqueue import SLURMCluster
    >>> with SLURMCluster(cores=6, memory="16GB", walltime="01:00:00") as cluster:  # doctest: +SKIP
    ...     cluster.scale(jobs=4)
    ...     client = Client(cluster)
    """

    def __init__(
        self,
        n_workers: int | None = None,
        cores: int | None = None,
        memory: int | str | None = None,
        processes: int | None = None,
        walltime: str | None = None,
        account: str | None = None,
        queue: str | None = None,
        job_name: str | None = None,
        job_cpu: int | None = None,
        job_mem: str | None = None,
        job_extra_directives: Sequence[str] | None = None,
        job_directives_skip: Sequence[str] | None = None,
        job_script_prologue: Sequence[str] | None = None,
        log_directory: str | None = None,
        local_directory: str | None = None,
        interface: str | None = None,
        death_timeout: float | str | None = None,
        worker_extra_args: Sequence[str] | None = None,
        python: str | None = None,
        scheduler_options: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        _check_arguments("SLURMCluster", arguments)
        self._jobs = WorkerJobs(
            cores=cores,
            memory=memory,
            processes=processes,
            walltime=walltime,
            account=account,
            queue=queue,
            job_cpu=job_cpu,
            job_mem=job_mem,
            job_extra_directives=job_extra_directives,
            job_directives_skip=job_directives_skip,
            job_script_prologue=job_script_prologue,
            log_directory=log_directory,
            worker_extra_args=worker_extra_args,
            worker_options={
                "local-directory": local_directory,
                "interface": interface,
                "death-timeout": format_duration(death_timeout, "death_timeout"),
                # By default, workers find the interpreter of the client.
                "python": None if python == sys.executable else python,
            },
        )
        command = _scheduler_command(scheduler_options, interface)
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", job_name or "workers").strip("-") or "workers"
        host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname().split(".")[0])
        #: The name of the cluster, which is part of the names of its jobs.
        self.name = f"{stem}-{host}-{os.getpid()}-{next(_numbers)}"
        self._has_jobs = False
        self._is_closed = False
        self._adapting: KeptProcess | None = None
        if self._jobs.log_directory:
            os.makedirs(self._jobs.log_directory, exist_ok=True)
        file = os.path.join(_access_folder(), f"{self.name}.json")
        self._scheduler = _Scheduler([*command, f"--name={self.name}"], file, _environment())
        atexit.register(self.close)
        if n_workers:
            try:
                self.scale(n_workers)
            except BaseException:
                self.close()
                raise

    @property
    def scheduler_address(self) -> str:
        """The address of the scheduler."""
        return f"tcp://{self._scheduler.address.removeprefix('tcp://')}"

    @property
    def token(self) -> str:
        """The token of the cluster, which :class:`Client` uses."""
        return self._scheduler.token

    @property
    def tls_ca_file(self) -> str | None:
        """The file with the authorities that vouch for the scheduler's certificate, if it has one of a site."""
        return self._scheduler.tls_ca_file

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, including its token, which opens the dashboard and nothing else."""
        return Link(page_link(self.scheduler_address, self.token))

    @property
    def job_name(self) -> str:
        """The name of the jobs."""
        return f"partita-{self.name}"

    def job_script(self) -> str:
        """Return the script of a worker job, with the options of ``sbatch`` as comments."""
        return self._jobs.script(self.job_name, find_program(), self._scheduler.access_file)

    def scale(
        self,
        n: int | None = None,
        jobs: int | None = None,
        memory: int | str | None = None,
        cores: int | None = None,
    ) -> None:
        """Submit or cancel jobs until there are enough of them. Jobs may wait in Slurm's queue.

        Before jobs are cancelled, their workers migrate the partitions that are still needed. The last job whose workers
        hold such partitions stays. This ends :meth:`adapt`.

        Parameters
        ----------
        n : int, optional
            Number of workers: processes, not jobs. Jobs are not divided: their number is rounded up.
        jobs : int, optional
            Number of jobs.
        memory : int or str, optional
            Memory of all jobs together.
        cores : int, optional
            Number of processors of all jobs together.

        Raises
        ------
        ClusterError
            If Slurm refuses a job. The message contains the reason.
        """
        count = self._jobs.count(n, jobs, memory, cores)
        self._check_open()
        self._stop_adapting()
        self._has_jobs = self._has_jobs or count > 0
        if self._has_jobs:
            run_program("slurm", "scale", str(count), *self._job_arguments())

    def adapt(
        self,
        minimum: int | None = None,
        maximum: int | None = None,
        minimum_jobs: int | None = None,
        maximum_jobs: int | None = None,
        interval: float | str | None = None,
        idle: float | str | None = None,
        **arguments: Any,
    ) -> None:
        """Follow the load: submit jobs when tasks wait for slots, and cancel jobs whose workers are idle.

        Parameters
        ----------
        minimum, maximum : int, optional
            Bounds of the number of workers: processes, not jobs.
        minimum_jobs, maximum_jobs : int, optional
            Bounds of the number of jobs. One of `maximum` and `maximum_jobs` is needed.
        interval : float or str, optional
            Time between two looks at the load. 5 s by default.
        idle : float or str, optional
            Time after which an idle job is cancelled. 60 s by default.
        """
        for name in arguments:
            remedy = _OF_ADAPT.get(name)
            raise TypeError(f"adapt() does not support the argument {name!r}" + (f": {remedy}" if remedy else ""))
        if maximum is None and maximum_jobs is None:
            raise TypeError("adapt() needs maximum= or maximum_jobs=, so that it never submits jobs without limit")
        most = self._jobs.count(maximum, maximum_jobs, None, None)
        least = 0 if minimum is None and minimum_jobs is None else self._jobs.count(minimum, minimum_jobs, None, None)
        if most < 1:
            raise ValueError("adapt() needs a maximum of at least 1; scale(0) cancels all jobs")
        if least > most:
            raise ValueError(f"the minimum of {least} jobs is greater than the maximum of {most} jobs")
        self._check_open()
        command = [find_program(), "slurm", "adapt", f"--min={least}", f"--max={most}"]
        for name, value in (("interval", interval), ("idle", idle)):
            formatted = format_duration(value, name)
            if formatted is not None:
                command.append(f"--{name}={formatted}")
        self._stop_adapting()
        self._has_jobs = True
        # Its messages say why Slurm refuses a job.
        self._adapting = KeptProcess([*command, *self._job_arguments()], _environment(), shown=True)

    def get_client(self) -> Any:
        """Return a client of the cluster."""
        from .distributed import Client

        return Client(self)

    def close(self, timeout: Any = None) -> None:
        """Cancel the jobs and shut down the scheduler. Persisted tables are lost."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        try:
            self._stop_adapting()
            # Running jobs end with their workers, before Slurm stops them.
            self._scheduler.close()
            join_connections(self._scheduler.address)
        finally:
            self._cancel_jobs()

    def _job_arguments(self) -> list[str]:
        """Return the arguments of ``partita slurm`` for all commands."""
        jobs = self._jobs
        prologue = [f"--prologue={line}" for line in jobs.prologue]
        file = f"--scheduler-file={self._scheduler.access_file}"
        return [file, f"--nworkers={jobs.processes}", *prologue, "--", *jobs.options]

    def _stop_adapting(self) -> None:
        adapting, self._adapting = self._adapting, None
        if adapting is not None:
            adapting.close()

    def _cancel_jobs(self) -> None:
        if not self._has_jobs:
            return
        command = ["scancel", f"--name={self.job_name}", f"--user={getpass.getuser()}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SLURM_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClusterError(f"cannot cancel the jobs named '{self.job_name}': {error}") from None
        if done.returncode:
            raise ClusterError(f"cannot cancel the jobs named '{self.job_name}': {done.stderr.strip()}")

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClusterError("the cluster is closed")

    def __getattr__(self, name: str) -> Any:
        if name in _OF_DASK:
            raise UnsupportedName(f"SLURMCluster.{name} is not supported: {_OF_DASK[name]}")
        raise AttributeError(f"'SLURMCluster' object has no attribute {name!r}")

    def __enter__(self) -> SLURMCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SLURMCluster: {self.scheduler_address!r}, jobs {self.job_name!r}>"


#: Unsupported arguments of `adapt`, each with an alternative.
_OF_ADAPT = {
    "wait_count": "use idle=, the time after which an idle job is cancelled",
    "target_duration": "leave it out: the number of jobs follows the tasks that wait",
    "worker_key": "leave it out: jobs are cancelled as a whole",
    "minimum_cores": "use minimum= or minimum_jobs=",
    "maximum_cores": "use maximum= or maximum_jobs=",
    "minimum_memory": "use minimum= or minimum_jobs=",
    "maximum_memory": "use maximum= or maximum_jobs=",
}


def _check_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    """Raise an error for arguments that are not supported."""
    for name, value in arguments.items():
        if name == "asynchronous" and not value:
            continue
        remedy = _OF_DASK_ARGUMENTS.get(name)
        raise TypeError(f"{what}() does not support the argument {name!r}" + (f": {remedy}" if remedy else ""))


class SLURMRunner:
    """A cluster of the tasks of one step: for a script that is started with ``srun python script.py``.

    Every task of the step creates this object. In the first task it starts a scheduler, and the script continues. All
    other tasks become workers: in them, the call does not return, and the lines after it do not run. With one task, a
    worker is started beside the script.

    Parameters
    ----------
    worker_options : dict, optional
        Options of the workers: ``nthreads``, ``memory_limit``, ``local_directory``, ``interface``, ``lifetime``.
    scheduler_options : dict, optional
        Options of the scheduler: ``host``, ``interface``, ``port``.

    Raises
    ------
    ClusterError
        If this process was not started by ``srun``.

    Examples
    --------
    >>> from partita.distributed import Client
    >>> from partita.jobqueue import SLURMRunner
    >>> with SLURMRunner() as runner, Client(runner) as client:  # doctest: +SKIP
    ...     client.wait_for_workers(runner.n_workers)
    """

    def __init__(
        self,
        worker_options: Mapping[str, Any] | None = None,
        scheduler_options: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        _check_arguments("SLURMRunner", arguments)
        job, step = _slurm_integer("SLURM_JOB_ID", "SLURM_JOBID"), _slurm_integer("SLURM_STEP_ID", "SLURM_STEPID")
        if job is None or step is None:
            raise ClusterError(
                "SLURMRunner needs a step of Slurm; start the script with `srun --ntasks=N python script.py`"
            )
        tasks = _step_tasks()
        options = _worker_options(worker_options)
        restarts = _slurm_integer("SLURM_RESTART_COUNT") or 0
        file = os.path.join(_access_folder(), f"slurm-runner-{job}.{step}-{restarts}.json")
        #: Number of workers.
        self.n_workers = max(tasks - 1, 1)
        self._scheduler: _Scheduler | LocalCluster
        if tasks > 1 and _slurm_integer("SLURM_PROCID"):
            _become_worker(options, file)
        if tasks > 1:
            command = _scheduler_command(scheduler_options, None)
            self._scheduler = scheduler = _Scheduler(command, file, _environment())
            self.scheduler_address = f"tcp://{scheduler.address.removeprefix('tcp://')}"
            self.tls_ca_file = scheduler.tls_ca_file
        else:
            arguments = {_LOCAL_NAMES[name]: value for name, value in options.items() if name in _LOCAL_NAMES}
            self._scheduler = local = LocalCluster(**arguments)
            self.scheduler_address = local.scheduler_address
            self.tls_ca_file = None
        self.token = self._scheduler.token
        atexit.register(self.close)

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, including its token, which opens the dashboard and nothing else."""
        return Link(page_link(self.scheduler_address, self.token))

    def close(self) -> None:
        """Shut down the scheduler and the workers, which ends the other tasks."""
        atexit.unregister(self.close)
        scheduler = self.__dict__.pop("_scheduler", None)
        if scheduler is not None:
            scheduler.close()

    def __enter__(self) -> SLURMRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SLURMRunner: {self.scheduler_address!r}>"


#: Options of the workers of a runner, and the arguments of a local cluster.
_LOCAL_NAMES = {"nthreads": "threads_per_worker", "memory-limit": "memory_limit", "local-directory": "local_directory"}
_RUNNER_OPTIONS = frozenset((*_LOCAL_NAMES, "interface", "lifetime"))


def _worker_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check the options of the workers of a runner, and return them by the names of the program."""
    found = {name.replace("_", "-"): value for name, value in (options or {}).items() if value is not None}
    for name in found:
        if name not in _RUNNER_OPTIONS:
            known = ", ".join(sorted(one.replace("-", "_") for one in _RUNNER_OPTIONS))
            raise TypeError(f"worker_options does not support {name.replace('-', '_')!r}; supported: {known}")
    return found


def _become_worker(options: Mapping[str, Any], access_file: str) -> None:
    """Replace this process by a worker. Does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    program = find_program()
    arguments = [program, "worker", f"--scheduler-file={access_file}"]
    arguments += [f"--{name}={value}" for name, value in options.items()]
    os.execve(program, arguments, _environment())
