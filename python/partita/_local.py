"""Clusters on this machine, and the search for a running cluster."""

from __future__ import annotations

import atexit
import collections
import json
import logging
import os
import socket
import subprocess
import threading
import warnings
import weakref
from collections.abc import Generator, Mapping
from typing import IO, TYPE_CHECKING, Any

from ._awaiting import Ready, is_awaited
from ._binary import find_program
from ._connection import join_connections
from ._dashboard import page_link
from ._durations import parse_seconds
from ._errors import ClusterError, InvalidArgument, UnsupportedName
from ._tls import Trust
from .config import inherited_environment

if TYPE_CHECKING:
    from ._local_adaptive import LocalAdaptive
    from ._local_workers import LocalWorkers

__all__ = ["Link", "LocalCluster", "authorities", "check_arguments", "check_step", "find_access"]

#: Prints the address and the token of the cluster, then runs as long as its standard input is open. Thus the cluster
#: ends with the process that started it, even if that process crashes.
_KEEPER = 'printf "%s %s\\n" "$PARTITA_SCHEDULER" "$PARTITA_TOKEN"; exec cat >/dev/null'
#: Lines of a cluster's log that are kept for an error message.
LOG_LINES_MAX = 50
#: Maximum length of a kept line, in characters.
LOG_LINE_CHARACTERS_MAX = 1000
#: Exit code of the program for an invalid argument.
USAGE_CODE = 2
#: Exit code of ``partita access`` if no cluster is selected and none is running.
NO_CLUSTER_CODE = 3
#: Environment variables of a task in a Slurm step. Without them, a cluster consists of this task only.
_STEP_VARIABLES = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_STEP_ID", "SLURM_STEPID", "SLURM_PROCID")
#: Step ids from here on are reserved by Slurm, e.g. for the batch script and an interactive shell.
STEP_ID_SPECIAL_MIN = 0xFFFF_FFF0
#: Host names of the loopback interface, which only this machine can reach.
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


#: The clusters of this process that were not closed.
_running: weakref.WeakSet[LocalCluster] = weakref.WeakSet()


class Link(str):
    """The link to a dashboard. Its ``repr``, such as the output of a notebook cell, hides the token.

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
    """Reads all output of a process in a background thread, so that the process never blocks on a full pipe.

    Parameters
    ----------
    pipe : file
        The pipe, in binary mode.
    shown : bool
        Whether to copy the lines to standard error.
    """

    def __init__(self, pipe: IO[bytes], shown: bool) -> None:
        self._pipe = pipe
        self._to_pandas = shown
        self._lines: collections.deque[str] = collections.deque(maxlen=LOG_LINES_MAX)
        self._thread = threading.Thread(target=self._drain, name="partita-log", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._pipe:
            # Limit the size of a read, since a line may be endless.
            while line := self._pipe.readline(1 << 16):
                self._lines.append(line.decode(errors="replace")[:LOG_LINE_CHARACTERS_MAX])
                if self._to_pandas:
                    try:
                        # Not sys.stderr: its lock may be held during the shutdown of the interpreter.
                        os.write(2, line)
                    except OSError:
                        self._to_pandas = False

    def wait_lines(self) -> str:
        """Wait until the process has closed the pipe, and return the last lines."""
        self._thread.join()
        return self.text()

    def text(self) -> str:
        """Return the last lines."""
        return "".join(list(self._lines)).strip()


def _error_message(text: str) -> str:
    """Return the error message of the program, without hints for its command line and links with the token."""
    lines = [line for line in text.splitlines() if line.strip()]
    # The lines before the first error are log messages.
    begins = next((at for at, line in enumerate(lines) if line.startswith("error: ")), 0)
    lines = [line.removeprefix("error: ") for line in lines[begins:]]
    return "\n".join(line for line in lines if "try '--help'" not in line and "token=" not in line)


def _format_resources(resources: Mapping[str, float] | None) -> str | None:
    """Format the resources of a worker as a command line argument."""
    if not resources:
        return None
    if not isinstance(resources, Mapping):
        raise TypeError(f"resources must be a dict such as {{'GPU': 1}}, not {resources!r}")
    return ",".join([f"{name}={float(amount):g}" for name, amount in resources.items()])


def _format_count(name: str, value: Any) -> str:
    """Format a number of workers or threads as a command line argument."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if number < 1 or number != value:
        raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
    return str(number)


def _format_memory(value: Any) -> str:
    """Format a memory limit as a command line argument. The program parses numbers and strings like Dask."""
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise TypeError(f"memory_limit must be a number of bytes or a string such as '8GiB', not {value!r}")
    return str(value)


def _parse_port(address: Any) -> tuple[str, int]:
    """Parse the host and the port of ``dashboard_address``: ``8787``, ``":8787"`` or ``"host:8787"``."""
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


def _log_level(silence_logs: Any) -> str:
    """Return the log level of the cluster for a level of ``logging`` below which it is silent."""
    if silence_logs is None or silence_logs is True:
        return "error"
    level = logging.INFO if silence_logs is False else silence_logs
    if isinstance(level, str):
        level = logging.getLevelName(level.upper())
    if not isinstance(level, int):
        raise TypeError(f"silence_logs must be a level of logging or False, not {silence_logs!r}")
    for bound, name in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
        if level >= bound:
            return name
    return "debug"


def _slurm_integer(*names: str) -> int | None:
    """Return the integer value of the first of these Slurm variables that is set."""
    texts = (os.environ.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isdigit()), None)


def _step_tasks() -> int:
    """Return the number of tasks of this process's Slurm step; 1 outside a step of ``srun``."""
    step = _slurm_integer("SLURM_STEP_ID", "SLURM_STEPID")
    if step is None or step >= STEP_ID_SPECIAL_MIN:
        return 1
    return _slurm_integer("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") or 1


def check_step() -> None:
    """Raise an error instead of implicitly starting one cluster per task of ``srun``.

    Raises
    ------
    ClusterError
        If this process is one of several tasks.
    """
    tasks = _step_tasks()
    # Only one task runs the script of `partita run`.
    if tasks > 1 and not os.environ.get("PARTITA_SCHEDULER"):
        task = os.environ.get("SLURM_PROCID", "?")
        raise ClusterError(
            f"cannot start a cluster: this process is task {task} of {tasks} tasks of an srun step, and each task would "
            "start its own cluster and repeat the computation; use `srun partita run -- python ...` for one cluster "
            "across all tasks, or Client(LocalCluster()) for one cluster per task"
        )


class LocalCluster:
    """A scheduler and workers on this machine. The cluster ends with this process or with :meth:`close`.

    Parameters
    ----------
    n_workers : int, optional
        Number of worker processes. 1 by default; 0 stands for none until :meth:`scale` is called.
    threads_per_worker : int, optional
        Number of slots of each worker. By default, the processors are divided among the workers.
    memory_limit : int, float or str, optional
        Memory limit of each worker: bytes, a string such as ``"4GiB"`` or ``"12 GB"``, a fraction (up to 1) of the
        memory available to this process, or ``"auto"``, which divides this memory among the workers.
    local_directory : str, optional
        Scratch directory of the workers, for data that does not fit in memory.
    processes : bool, optional
        Accepted for compatibility with Dask; no effect, since workers are always processes.
    host : str, optional
        Listen address. By default the loopback interface, which only this machine can reach.
    scheduler_port : int, optional
        Port of the scheduler. By default any free port.
    dashboard_address : str or int, optional
        Port of the dashboard, such as ``":8787"``. The scheduler serves the dashboard on its own port, so this is an
        alias of `scheduler_port`. If the port is in use, the cluster warns and uses another one. ``None`` and ``":0"``
        stand for any free port.
    silence_logs : int, str or bool, optional
        Level of ``logging`` below which the cluster writes no log to standard error. By default, only errors are
        written. ``False`` shows all but debug messages. The environment variable ``PARTITA_LOG`` takes precedence.
    name : str, optional
        Accepted for compatibility with Dask; no effect.
    asynchronous : bool
        Whether the cluster is awaited: ``async with LocalCluster(asynchronous=True) as cluster``.
    resources : dict, optional
        Resources that each worker has, such as ``{"GPU": 1}``: see ``resources=`` of :meth:`Client.submit`.

    Raises
    ------
    ClusterError
        If the cluster does not start. The message contains the error of the program.
    TypeError, ValueError
        If an argument is invalid or not supported.

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
        asynchronous: bool = False,
        resources: Mapping[str, float] | None = None,
        **arguments: Any,
    ) -> None:
        check_arguments("LocalCluster", arguments)
        self.asynchronous = asynchronous
        command = [find_program(), "run", "--headless"]
        # The program starts at least one.
        command += ["--workers", _format_count("n_workers", n_workers or 1)]
        if threads_per_worker:
            command += ["--threads", _format_count("threads_per_worker", threads_per_worker)]
        if memory_limit is not None:
            command.append(f"--memory-limit={_format_memory(memory_limit)}")
        if local_directory:
            command += ["--local-directory", os.fspath(local_directory)]
        if host:
            command += ["--host", host]
        port = _choose_port(host, scheduler_port, dashboard_address)
        if port:
            command += ["--port", str(port)]
        #: Started when the cluster is scaled first.
        self._workers: LocalWorkers | None = None
        self._adaptive: LocalAdaptive | None = None
        self._threads = threads_per_worker
        options = {
            "nthreads": str(threads_per_worker) if threads_per_worker else None,
            "memory-limit": None if memory_limit is None else _format_memory(memory_limit),
            "local-directory": os.fspath(local_directory) if local_directory else None,
            "host": host or "127.0.0.1",
            "resources": _format_resources(resources),
        }
        self._worker_options = {option: value for option, value in options.items() if value is not None}
        self._start(command, os.environ.get("PARTITA_LOG"), _log_level(silence_logs), silence_logs is not None)
        if n_workers == 0:
            self.wait_for_workers(1)
            self.scale(0)

    def _start(self, command: list[str], log_filter: str | None, level: str, is_explicit: bool) -> None:
        environment = {**os.environ, **inherited_environment(), "PARTITA_LOG": log_filter or level}
        if "resources" in self._worker_options:
            environment["PARTITA_RESOURCES"] = self._worker_options["resources"]
        if _step_tasks() > 1:
            # The cluster consists of this task only; otherwise the program would wait for the other tasks of the step.
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
        log = self._log = _Log(self._process.stderr, shown=bool(log_filter) or is_explicit)
        words = self._process.stdout.readline().decode().split()
        # No further output is expected; if there is any, it must not block the cluster.
        _Log(self._process.stdout, shown=False)
        if len(words) != 2:
            message = _error_message(log.wait_lines())
            kind = InvalidArgument if self._process.wait() == USAGE_CODE else ClusterError
            raise kind(f"cannot start a cluster on this machine: {message}")
        self.scheduler_address, self.token = words
        _running.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    @property
    def dashboard_link(self) -> str:
        """The link to the dashboard, including its token, which opens the dashboard and nothing else."""
        return Link(page_link(self.scheduler_address, self.token))

    @property
    def name(self) -> str:
        """The address of the cluster, by which its other processes know it."""
        return self.scheduler_address

    @property
    def status(self) -> str:
        """The state of the cluster: ``running`` or ``closed``."""
        return "running" if self._process.poll() is None else "closed"

    def wait_for_workers(self, n_workers: int = 1, timeout: float | str | None = None) -> None:
        """Wait until at least `n_workers` workers are connected.

        Parameters
        ----------
        n_workers : int
            Number of workers.
        timeout : float or str, optional
            Time to wait: seconds, or a string such as ``"2s"``. 60 s by default.

        Raises
        ------
        TimeoutError
            If fewer workers are connected when the time is over.

        Examples
        --------
        >>> from partita.distributed import LocalCluster
        >>> with LocalCluster(n_workers=2) as cluster:
        ...     cluster.wait_for_workers(2, timeout="1m")
        """
        from ._client import Client

        with Client(self, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout)

    def scale(self, n: int) -> None:
        """Start or retire workers until there are `n` of them.

        Each worker has the threads and the memory limit of the first one. New workers connect later:
        ``Client.wait_for_workers`` waits for them. A retired worker migrates its partitions to the remaining ones.

        Parameters
        ----------
        n : int
            The number of workers.

        Examples
        --------
        >>> from partita.distributed import Client, LocalCluster
        >>> with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster) as client:
        ...     cluster.scale(2)
        ...     client.wait_for_workers(2)
        ...     len(client.nthreads())
        2
        """
        if isinstance(n, bool) or int(n) != n or n < 0:
            raise ValueError(f"n must be the number of workers, not {n!r}")
        self._stop_adapting()
        self._scaled_workers().scale(int(n))

    def _scaled_workers(self) -> LocalWorkers:
        if self._process.poll() is not None:
            raise ClusterError("the cluster has been closed")
        if self._workers is None:
            from ._local_workers import LocalWorkers

            self._workers = LocalWorkers(self, self._worker_options)
        return self._workers

    def adapt(
        self,
        minimum: int = 0,
        maximum: int | None = None,
        interval: float | str = "1s",
        wait_count: int = 3,
    ) -> LocalAdaptive:
        """Follow the load: start workers while tasks wait for slots, and retire them when there is less to do.

        A later call of :meth:`scale` ends it.

        Parameters
        ----------
        minimum, maximum : int
            Bounds of the number of workers. By default there are at most as many as this machine has processors.
        interval : float or str
            Time between two looks at the load.
        wait_count : int
            Looks in a row that must find less to do before workers are retired.

        Examples
        --------
        >>> from partita.distributed import Client, LocalCluster
        >>> with LocalCluster(n_workers=0, threads_per_worker=1) as cluster, Client(cluster) as client:
        ...     adaptive = cluster.adapt(maximum=2, interval="100ms")
        ...     client.submit(pow, 2, 3).result()
        8
        """
        from ._local_adaptive import LocalAdaptive

        maximum = max(minimum, os.cpu_count() or 1) if maximum is None else maximum
        for name, value in (("minimum", minimum), ("maximum", maximum), ("wait_count", wait_count)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a number, not {value!r}")
        if maximum < max(minimum, 1):
            raise ValueError(
                f"the maximum of {maximum} workers must be at least 1 and not below the minimum of {minimum}"
            )
        seconds = parse_seconds(interval)
        if not seconds:
            raise ValueError(f"interval must be a time, not {interval!r}")
        self._stop_adapting()
        self._scaled_workers()
        self._adaptive = LocalAdaptive(self, minimum, maximum, seconds, wait_count)
        return self._adaptive

    def _stop_adapting(self) -> None:
        if self._adaptive is not None:
            self._adaptive.stop()
            self._adaptive = None

    def get_client(self) -> Any:
        """Return a client of the cluster."""
        from ._client import Client

        return Client(self)

    def get_logs(self) -> dict[str, str]:
        """Return the last lines of the log of the cluster. By default, the log contains only errors."""
        lines = self._log.text().splitlines()
        return {"Cluster": "\n".join(line for line in lines if "token=" not in line)}

    def close(self, timeout: Any = None) -> Any:
        """Shut down the cluster and wait until its processes have ended."""
        self._stop_adapting()
        _running.discard(self)
        workers, self._workers = self._workers, None
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
        if workers is not None:
            workers.close()
        join_connections(self.scheduler_address)
        return Ready(None) if is_awaited(self) else None

    def __getattr__(self, name: str) -> Any:
        if name in _OF_DASK:
            raise UnsupportedName(f"LocalCluster.{name} is not supported: {_OF_DASK[name]}")
        raise AttributeError(f"'LocalCluster' object has no attribute {name!r}")

    def __await__(self) -> Generator[Any, None, LocalCluster]:
        return self
        yield

    async def __aenter__(self) -> LocalCluster:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalCluster: {self.scheduler_address!r}>"


def _close_at_exit(reference: weakref.ref[LocalCluster]) -> None:
    cluster = reference()
    if cluster is not None:
        cluster.close()


#: Unsupported attributes of Dask's clusters, each with an alternative.
_OF_DASK = {
    "workers": "use Client(cluster).scheduler_info()",
    "scheduler": "use Client(cluster).scheduler_info()",
    "logs": "use get_logs, or set PARTITA_LOG=info to write the log to standard error",
}
#: Unsupported arguments of Dask's clusters, each with an alternative.
_OF_DASK_ARGUMENTS = {
    "protocol": "workers and clients always use Arrow Flight",
    "security": "every connection is encrypted and authenticated by the cluster's token, which Client(cluster) uses; the options "
    "of `partita run` are read from the environment: PARTITA_TLS_CERT, PARTITA_TLS_KEY, PARTITA_TLS_CA_FILE, "
    "PARTITA_PLAINTEXT",
    "interface": "use host=",
    "worker_class": "workers are always processes of the program `partita`",
    "scheduler_kwargs": "the scheduler has no further arguments",
    "worker_dashboard_address": "the dashboard of the scheduler shows all workers",
    "blocked_handlers": "workers have no handlers",
    "preload": "use Client.run to call a function on each worker",
    "plugins": "use Client.run to call a function on each worker",
}


#: Supported arguments besides the size of the cluster.
_ARGUMENTS = frozenset(
    ("processes", "host", "scheduler_port", "dashboard_address", "silence_logs", "name", "resources")
)


def check_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    """Raise an error for arguments that :class:`LocalCluster` does not support."""
    for argument in arguments:
        if argument in _ARGUMENTS or argument == "asynchronous":
            continue
        if argument in _OF_DASK_ARGUMENTS:
            raise NotImplementedError(f"{what}({argument}=) is not supported: {_OF_DASK_ARGUMENTS[argument]}")
        raise TypeError(f"{what}() does not support the argument {argument!r}")


def _choose_port(host: str | None, scheduler_port: int | None, dashboard_address: Any) -> int:
    """Return the port of the scheduler and the dashboard; 0 for any free port."""
    if scheduler_port:
        return int(scheduler_port)
    if dashboard_address is None:
        return 0
    named, port = _parse_port(dashboard_address)
    if named != (host or "") and named not in _LOOPBACK:
        raise ValueError(f"dashboard_address={dashboard_address!r} names a host; pass host={named!r} as well")
    if port and not _is_free(host or "127.0.0.1", port):
        warnings.warn(f"port {port} is in use; the dashboard uses another port, see dashboard_link", stacklevel=4)
        return 0
    return port


def find_access(
    address: str | None, scheduler_file: str | None, tls_ca_file: str | None = None
) -> tuple[str, str, str | None] | None:
    """Return the address, the token and the file of authorities of the selected cluster, as the program finds them.

    Returns None if no cluster is selected and none is running.
    """
    token = os.environ.get("PARTITA_TOKEN")
    if address and not scheduler_file and not token:
        # A cluster of this process has no access file: its token is known here only.
        for cluster in list(_running):
            if cluster.scheduler_address == f"tcp://{address.strip().removeprefix('tcp://')}":
                return cluster.scheduler_address, cluster.token, tls_ca_file
    if token and not scheduler_file and (address or os.environ.get("PARTITA_SCHEDULER")):
        # An invalid token is an error at once: a retry would read the same one.
        Trust(token, tls_ca_file or authorities())
    command = [find_program(), "access"]
    if address:
        command.append(address)
    if scheduler_file:
        command += ["--scheduler-file", os.fspath(scheduler_file)]
    if tls_ca_file:
        command += ["--tls-ca-file", os.fspath(tls_ca_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        access = json.loads(done.stdout)
        return access["address"], access["token"], access.get("tls_ca_file")
    if done.returncode == NO_CLUSTER_CODE:
        return None
    raise ClusterError(_error_message(done.stderr))


def authorities() -> str | None:
    """Return the file with the certificates of authorities that the environment names."""
    return os.environ.get("PARTITA_TLS_CA_FILE") or None
