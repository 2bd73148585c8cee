"""The worker jobs of a cluster on Slurm: their options, as ``dask_jobqueue`` names them, and their script."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ._durations import parse_seconds

__all__ = ["WorkerJobs", "parse_memory", "worker_lines"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_BINARY_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}

#: Options of ``partita worker`` that a job may have, and the environment variables that set them.
_WORKER_VARIABLES = {
    "nthreads": "PARTITA_NTHREADS",
    "memory-limit": "PARTITA_MEMORY_LIMIT",
    "local-directory": "PARTITA_LOCAL_DIRECTORY",
    "death-timeout": "PARTITA_DEATH_TIMEOUT",
    "interface": "PARTITA_INTERFACE",
    "host": "PARTITA_HOST",
    "lifetime": "PARTITA_LIFETIME",
    "python": "PARTITA_PYTHON",
}
#: Options of Dask's workers that do not exist here, each with an alternative.
_OF_DASK_WORKERS = {
    "nworkers": "use processes=",
    "nprocs": "use processes=",
    "lifetime-stagger": "leave it out: workers migrate their partitions before they leave",
    "lifetime-restart": "leave it out: adapt() submits new jobs",
    "preload": "put the lines into job_script_prologue=, or import the module in the function",
    "resources": "options of Client.submit choose workers",
    "no-dashboard": "leave it out: workers do not serve a dashboard",
    "no-nanny": "leave it out: workers are processes without a nanny",
}
#: Options of sbatch that the cluster itself sets, each with the argument to use.
_OWN_OPTIONS = {
    ("-J", "--job-name"): "use job_name=",
    ("-a", "--array"): "use scale(jobs=N)",
    ("", "--wrap"): "the job runs workers; use job_script_prologue= for further commands",
    ("", "--parsable"): "leave it out",
    ("-W", "--wait"): "leave it out",
    ("-h", "--help"): "leave it out",
}


def parse_memory(value: Any, what: str = "memory") -> int:
    """Convert a number of bytes or a string such as ``"16GB"`` or ``"16 GiB"`` to bytes.

    Examples
    --------
    >>> parse_memory("16GB"), parse_memory("1.5 GiB"), parse_memory(100)
    (16000000000, 1610612736, 100)
    """
    found = re.fullmatch(r"([0-9.]+(?:e[+-]?[0-9]+)?) *([kmgtp]?)(i?)b?", str(value).strip().lower())
    try:
        if found is None or isinstance(value, bool) or (found[3] and not found[2]):
            raise ValueError
        size = math.ceil(float(found[1]) * (_BINARY_UNITS if found[3] else _UNITS)[found[2]])
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise ValueError(f"{what} must be a number of bytes or a string such as '16GB' or '16GiB', not {value!r}")
    return size


def _positive(name: str, value: Any) -> int:
    """Return a number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
    return value


def _strings(name: str, value: Sequence[str] | None) -> list[str]:
    """Return a list of strings."""
    if value is None:
        return []
    if isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"{name} must be a list of strings, not {value!r}")
    return list(value)


def _named_options(arguments: Sequence[str]) -> dict[str, str]:
    """Return options such as ``--lifetime 55m`` by name."""
    found: dict[str, str] = {}
    rest = [word for argument in arguments for word in shlex.split(argument)]
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise TypeError(f"worker_extra_args must consist of options such as '--lifetime=55m', not {name!r}")
        name = name[2:]
        if name in _OF_DASK_WORKERS:
            raise TypeError(f"worker_extra_args does not support '--{name}': {_OF_DASK_WORKERS[name]}")
        if name not in _WORKER_VARIABLES:
            known = ", ".join(f"--{one}" for one in sorted(_WORKER_VARIABLES))
            raise TypeError(f"worker_extra_args does not support '--{name}'; supported: {known}")
        if not equals:
            if not rest:
                raise TypeError(f"worker_extra_args: '--{name}' needs a value")
            value = rest.pop(0)
        found[name] = value
    return found


def worker_lines(options: Mapping[str, Any]) -> list[str]:
    """Return lines of a shell script that set options of ``partita worker``; None stands for the default."""
    return [
        f"export {_WORKER_VARIABLES[name]}={shlex.quote(str(value))}"
        for name, value in options.items()
        if value is not None
    ]


def _check_directives(directives: Sequence[str]) -> None:
    """Raise an error for options of sbatch that the cluster sets."""
    for directive in directives:
        word = directive.split("=")[0].split()[0] if directive.strip() else ""
        for (short, long), remedy in _OWN_OPTIONS.items():
            if word == long or (short and word.startswith(short) and not word.startswith("--")):
                raise TypeError(f"job_extra_directives does not support {directive!r}: {remedy}")


class WorkerJobs:
    """The options of the worker jobs of a cluster.

    Attributes
    ----------
    options : list of str
        Options of ``sbatch``.
    prologue : list of str
        Lines of the job script before the workers start.
    cores, memory, processes : int
        Processors, bytes of memory and worker processes of each job. The memory is None if the job has the default of
        its partition.
    """

    def __init__(
        self,
        *,
        cores: Any,
        memory: Any,
        processes: Any,
        walltime: str | None,
        account: str | None,
        queue: str | None,
        job_cpu: int | None,
        job_mem: str | None,
        job_extra_directives: Sequence[str] | None,
        job_directives_skip: Sequence[str] | None,
        job_script_prologue: Sequence[str] | None,
        log_directory: str | None,
        worker_extra_args: Sequence[str] | None,
        worker_options: Mapping[str, Any],
    ) -> None:
        if cores is None:
            raise TypeError("SLURMCluster() needs the number of processors of each job: pass cores=")
        self.cores = _positive("cores", cores)
        self.processes = _positive("processes", 1 if processes is None else processes)
        if self.processes > self.cores:
            raise ValueError(f"processes={self.processes} is more than cores={self.cores}: a worker needs a processor")
        self.memory = None if memory is None else parse_memory(memory)
        extra = [
            directive.strip().removeprefix("#SBATCH").strip()
            for directive in _strings("job_extra_directives", job_extra_directives)
        ]
        _check_directives(extra)
        generated = [
            "--ntasks=1",
            f"--cpus-per-task={_positive('job_cpu', job_cpu) if job_cpu is not None else self.cores}",
        ]
        if job_mem is not None or self.memory is not None:
            # Slurm's M is a mebibyte.
            generated.append(f"--mem={job_mem or f'{math.ceil((self.memory or 0) / (1 << 20))}M'}")
        generated += [f"--time={walltime}"] if walltime else []
        generated += [f"--account={account}"] if account else []
        generated += [f"--partition={queue}"] if queue else []
        self.log_directory = os.path.abspath(os.path.expanduser(log_directory)) if log_directory else None
        if self.log_directory:
            generated.append(f"--output={self.log_directory}/partita-worker-%j.out")
        skipped = _strings("job_directives_skip", job_directives_skip)
        directives = [one for one in [*generated, *extra] if one and not any(skip in one for skip in skipped)]
        self._directives = directives
        self.options = [word for one in directives for word in (shlex.split(one) if one in extra else [one])]
        options = {**worker_options, **_named_options(_strings("worker_extra_args", worker_extra_args))}
        self.prologue = worker_lines(options) + _strings("job_script_prologue", job_script_prologue)

    def script(self, job_name: str, program: str, access_file: str) -> str:
        """Return the script of a job, with the options of sbatch as comments."""
        directives = [f"--job-name={job_name}"]
        if not self.log_directory:
            directives.append("--output=partita-worker-%j.out")
        lines = ["#!/bin/bash", *(f"#SBATCH {one}" for one in [*directives, *self._directives]), *self.prologue]
        lines += [
            "# srun does not take the processors of a task from the job by itself.",
            "exec srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK} \\",
            f"  {_quoted(program)} worker --scheduler-file={_quoted(access_file)} --nworkers={self.processes}",
        ]
        return "\n".join(lines) + "\n"

    def count(self, n: int | None, jobs: int | None, memory: Any, cores: int | None) -> int:
        """Return the number of jobs for a number of workers, of jobs, of bytes or of processors."""
        counts = []
        if n is not None:
            counts.append(math.ceil(_number("n", n) / self.processes))
        if jobs is not None:
            counts.append(_number("jobs", jobs))
        if cores is not None:
            counts.append(math.ceil(_number("cores", cores) / self.cores))
        if memory is not None:
            if self.memory is None:
                raise TypeError("scale(memory=) needs the memory of each job: pass memory= to SLURMCluster")
            counts.append(math.ceil(parse_memory(memory) / self.memory))
        if not counts:
            raise TypeError("scale() needs one of n=, jobs=, memory= and cores=")
        return max(counts)


def _number(name: str, value: Any) -> int:
    """Return a number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, not {value!r}")
    return value


def _quoted(text: str) -> str:
    """Quote a word of a shell's command line, always."""
    return "'" + text.replace("'", "'\\''") + "'"


def format_duration(value: Any, what: str) -> str | None:
    """Format a duration as an argument of the program."""
    seconds = parse_seconds(value, what)
    return None if seconds is None else f"{max(1, round(seconds * 1000))}ms"
