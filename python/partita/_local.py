"""A cluster on this machine, for a client that finds none."""

from __future__ import annotations

import collections
import json
import logging
import os
import socket
import subprocess
import threading
import warnings
from collections.abc import Mapping
from typing import IO, Any

from ._binary import program
from ._errors import ClusterError, InvalidArgument, NotThere

__all__ = ["Link", "LocalCluster", "check_arguments", "find", "refuse_in_steps"]

#: Prints what opens the cluster, then lives as long as its standard input is open: so the cluster ends with
#: the process that started it, however that ends.
_KEEPER = 'printf "%s %s\\n" "$PARTITA_SCHEDULER" "$PARTITA_TOKEN"; exec cat >/dev/null'
#: Lines of a cluster's log that are kept for an error.
LOG_LINES_MAX = 50
#: Characters of a line that are kept.
LOG_LINE_CHARACTERS_MAX = 1000
#: The code with which the program ends if it does not take an argument.
USAGE_CODE = 2
#: The code with which ``partita access`` ends if no cluster is named anywhere and none runs.
NO_CLUSTER_CODE = 3
#: What a process is in a Slurm step. A cluster without them is that of one process.
_STEP_VARIABLES = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_STEP_ID", "SLURM_STEPID", "SLURM_PROCID")
#: Ids of steps from here on are Slurm's own: the batch script, an interactive shell.
STEP_ID_SPECIAL_MIN = 0xFFFF_FFF0
#: Hosts at which the cluster is reached from this machine only.
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


class Link(str):
    """The link to a dashboard. Where it is shown as a value, as in a notebook's output, its token is not.

    Examples
    --------
    >>> link = Link("http://127.0.0.1:8786/#token=secret")
    >>> link
    'http://127.0.0.1:8786/#token=...'
    >>> print(link)
    http://127.0.0.1:8786/#token=secret
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.partition("=")[0] + "=...")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


class _Log:
    """Reads all that a process writes to a pipe, so that the process never waits for a reader.

    Parameters
    ----------
    pipe : file
        The pipe, of bytes.
    shown : bool
        Whether the lines go to standard error of this process.
    """

    def __init__(self, pipe: IO[bytes], shown: bool) -> None:
        self._pipe = pipe
        self._shown = shown
        self._lines: collections.deque[str] = collections.deque(maxlen=LOG_LINES_MAX)
        self._thread = threading.Thread(target=self._drain, name="partita-log", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._pipe:
            # A bound, since a line may have no end.
            while line := self._pipe.readline(1 << 16):
                self._lines.append(line.decode(errors="replace")[:LOG_LINE_CHARACTERS_MAX])
                if self._shown:
                    try:
                        # Not by sys.stderr: its lock may be held when the interpreter ends.
                        os.write(2, line)
                    except OSError:
                        self._shown = False

    def ended(self) -> str:
        """The last lines, once the process has closed the pipe."""
        self._thread.join()
        return "".join(self._lines).strip()


def _said(text: str) -> str:
    """What the program says, without what is about its command line, and without links that hold the token."""
    lines = [line for line in text.splitlines() if line.strip()]
    # What is before the first error is the log.
    begins = next((at for at, line in enumerate(lines) if line.startswith("error: ")), 0)
    lines = [line.removeprefix("error: ") for line in lines[begins:]]
    return "\n".join(line for line in lines if "try '--help'" not in line and "token=" not in line)


def _whole(name: str, value: Any) -> str:
    """A number of workers or threads, as the program takes it."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if number < 1 or number != value:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    return str(number)


def _size(value: Any) -> str:
    """A memory limit, as the program takes it: it reads numbers and texts as Dask does."""
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise TypeError(f"memory_limit must be a number of bytes, or a text such as '8GiB', not {value!r}")
    return str(value)


def _port(address: Any) -> tuple[str, int]:
    """The host and the port of ``dashboard_address``: ``8787``, ``":8787"`` or ``"host:8787"``."""
    host, _, port = str(address).rpartition(":")
    try:
        return host, int(port)
    except ValueError:
        raise ValueError(f"dashboard_address must be a port such as ':8787', not {address!r}") from None


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _level(silence_logs: Any) -> str:
    """How much the cluster writes to its log, for a level of ``logging`` below which it is silent."""
    if silence_logs is None or silence_logs is True:
        return "error"
    level = logging.INFO if silence_logs is False else silence_logs
    if isinstance(level, str):
        level = logging.getLevelName(level.upper())
    if not isinstance(level, int):
        raise TypeError(f"silence_logs must be a level of logging, or False, not {silence_logs!r}")
    for bound, name in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
        if level >= bound:
            return name
    return "debug"


def _slurm(*names: str) -> int | None:
    """A number that Slurm says under one of these names."""
    texts = (os.environ.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isdigit()), None)


def _step_tasks() -> int:
    """The tasks of the Slurm step that this process is one of; 1 outside a step of ``srun``."""
    step = _slurm("SLURM_STEP_ID", "SLURM_STEPID")
    if step is None or step >= STEP_ID_SPECIAL_MIN:
        return 1
    return _slurm("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") or 1


def refuse_in_steps() -> None:
    """Refuses to start a cluster without being asked in each of several tasks of ``srun``.

    Raises
    ------
    ClusterError
        If this process is one of several tasks.
    """
    tasks = _step_tasks()
    # In a script of `partita run` only one of the tasks runs it.
    if tasks > 1 and not os.environ.get("PARTITA_SCHEDULER"):
        task = os.environ.get("SLURM_PROCID", "?")
        raise ClusterError(
            f"this process is task {task} of {tasks} tasks of one srun, and each of them would start a cluster of its "
            "own and compute the same: write `srun partita run -- python ...` for one cluster over all tasks; "
            "Client(LocalCluster()) starts one in each task"
        )


class LocalCluster:
    """A scheduler and workers on this machine. They end with this process, or with :meth:`close`.

    Parameters
    ----------
    n_workers : int, optional
        Worker processes; one if not given.
    threads_per_worker : int, optional
        Tasks at once in each; the processors shared among the workers if not given.
    memory_limit : int, float or str, optional
        Memory of each worker: bytes, a text such as ``"4GiB"`` or ``"12 GB"``, a share up to 1 of what this process
        may use, or ``"auto"``, which shares it among the workers.
    local_directory : str, optional
        Where the workers put what does not fit in memory.
    processes : bool, optional
        As for Dask; without effect, since workers are always processes.
    host : str, optional
        The address to listen on; the loopback if not given, which only this machine reaches.
    scheduler_port : int, optional
        The port of the scheduler; any that is free if not given.
    dashboard_address : str or int, optional
        The port of the dashboard, such as ``":8787"``. The dashboard is on the scheduler's port, so this is another
        name of `scheduler_port`. If the port is in use, another one is taken, with a warning. ``None`` and ``":0"``
        stand for any port.
    silence_logs : int, str or bool, optional
        The level of ``logging`` below which the cluster writes no log to standard error; errors only if not given.
        ``False`` shows all but debug messages. The variable ``PARTITA_LOG`` goes before it.
    name : str, optional
        As for Dask; without effect.

    Raises
    ------
    ClusterError
        If it does not start. The text has what the program said.
    TypeError, ValueError
        If an argument has no meaning here.

    Examples
    --------
    >>> from partita.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=1, threads_per_worker=1) as cluster:
    ...     with Client(cluster) as client:
    ...         len(client.nthreads())
    1
    """

    def __init__(
        self,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        memory_limit: float | str | None = None,
        local_directory: str | None = None,
        processes: bool | None = None,
        host: str | None = None,
        scheduler_port: int | None = None,
        dashboard_address: str | int | None = None,
        silence_logs: Any = None,
        name: str | None = None,
        **arguments: Any,
    ) -> None:
        check_arguments("LocalCluster", arguments)
        command = [program(), "run", "--headless"]
        # None, and 0 as for Dask: what is usual.
        command += ["--workers", _whole("n_workers", n_workers or 1)]
        if threads_per_worker:
            command += ["--threads", _whole("threads_per_worker", threads_per_worker)]
        if memory_limit is not None:
            command.append(f"--memory-limit={_size(memory_limit)}")
        if local_directory:
            command += ["--local-directory", os.fspath(local_directory)]
        if host:
            command += ["--host", host]
        port = _chosen_port(host, scheduler_port, dashboard_address)
        if port:
            command += ["--port", str(port)]
        self._start(command, os.environ.get("PARTITA_LOG"), _level(silence_logs), silence_logs is not None)

    def _start(self, command: list[str], wanted: str | None, level: str, asked: bool) -> None:
        environment = {**os.environ, "PARTITA_LOG": wanted or level}
        if _step_tasks() > 1:
            # A cluster of this task only: the program would wait for those of the other tasks.
            for variable in _STEP_VARIABLES:
                environment.pop(variable, None)
        self._process = subprocess.Popen(
            [*command, "--", "sh", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        log = _Log(self._process.stderr, shown=bool(wanted) or asked)
        words = self._process.stdout.readline().decode().split()
        # Nothing more is expected, and nothing that comes may stop the cluster.
        _Log(self._process.stdout, shown=False)
        if len(words) != 2:
            said = _said(log.ended())
            kind = InvalidArgument if self._process.wait() == USAGE_CODE else ClusterError
            raise kind(f"cannot start a cluster on this machine: {said}")
        self.scheduler_address, self.token = words

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, with the token that opens it: keep it to yourself."""
        return Link(f"http://{self.scheduler_address.removeprefix('tcp://')}/#token={self.token}")

    def close(self, timeout: Any = None) -> None:
        """Ends the cluster, and waits until it has ended."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()

    def __getattr__(self, name: str) -> Any:
        if name in _OF_DASK:
            raise NotThere(f"LocalCluster.{name} is not supported: {_OF_DASK[name]}")
        raise AttributeError(f"a LocalCluster has no {name!r}")

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalCluster: {self.scheduler_address!r}>"


#: What Dask's clusters have and this one has not, and what to do instead.
_OF_DASK = {
    "scale": "LocalCluster(n_workers=N) starts N workers; on Slurm use `partita slurm scale N`",
    "adapt": "LocalCluster(n_workers=N) starts N workers; on Slurm use `partita slurm adapt`",
    "workers": "Client(cluster).scheduler_info() lists the workers",
    "scheduler": "Client(cluster).scheduler_info() describes the scheduler",
    "get_client": "use Client(cluster)",
    "logs": "PARTITA_LOG=info writes the log to standard error",
    "get_logs": "PARTITA_LOG=info writes the log to standard error",
    "wait_for_workers": "use Client(cluster).wait_for_workers(N)",
}
#: The same of its arguments.
_OF_DASK_ARGUMENTS = {
    "asynchronous": "the cluster is used by calls that wait; Client.compute gives futures",
    "protocol": "workers and clients speak Arrow Flight",
    "security": "every connection needs the cluster's token, which Client(cluster) knows",
    "interface": "use host=",
    "worker_class": "workers are processes of the program partita",
    "scheduler_kwargs": "there is one kind of scheduler",
    "worker_dashboard_address": "the scheduler's dashboard shows all workers",
    "blocked_handlers": "there are no handlers to block",
    "resources": "workers have slots and memory only: threads_per_worker=, memory_limit=",
    "preload": "functions in Python cannot run on the workers yet",
    "plugins": "functions in Python cannot run on the workers yet",
}


#: Arguments that say how the processes of a cluster are made, beside its size.
_ARGUMENTS = frozenset(("processes", "host", "scheduler_port", "dashboard_address", "silence_logs", "name"))


def check_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that :class:`LocalCluster` does not have."""
    for argument, value in arguments.items():
        if argument in _ARGUMENTS or (argument == "asynchronous" and not value):
            continue
        if argument in _OF_DASK_ARGUMENTS:
            raise NotImplementedError(f"{what}({argument}=) is not supported: {_OF_DASK_ARGUMENTS[argument]}")
        raise TypeError(f"{what}() has no argument {argument!r}")


def _chosen_port(host: str | None, scheduler_port: int | None, dashboard_address: Any) -> int:
    """The port of the scheduler, which is that of the dashboard too; 0 for any."""
    if scheduler_port:
        return int(scheduler_port)
    if dashboard_address is None:
        return 0
    named, port = _port(dashboard_address)
    if named != (host or "") and named not in _LOOPBACK:
        raise ValueError(f"dashboard_address={dashboard_address!r} names a host: give it as host={named!r} too")
    if port and not _is_free(host or "127.0.0.1", port):
        warnings.warn(f"port {port} is in use: the dashboard is on another one, see dashboard_link", stacklevel=4)
        return 0
    return port


def find(address: str | None, scheduler_file: str | None) -> tuple[str, str] | None:
    """The address and the token of the cluster that is meant, as the program finds them.

    None if none is named and none is there.
    """
    command = [program(), "access"]
    if address:
        command.append(address)
    if scheduler_file:
        command += ["--scheduler-file", os.fspath(scheduler_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        access = json.loads(done.stdout)
        return access["address"], access["token"]
    if done.returncode == NO_CLUSTER_CODE:
        return None
    raise ClusterError(_said(done.stderr))
