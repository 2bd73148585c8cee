"""A cluster on this machine, for a client that finds none."""

from __future__ import annotations

import json
import os
import subprocess

from ._binary import program
from ._errors import ClusterError

__all__ = ["LocalCluster", "find"]

#: Prints what opens the cluster, then lives as long as its standard input is open: so the cluster ends with
#: the process that started it, however that ends.
_KEEPER = 'printf "%s %s\\n" "$PARTITA_SCHEDULER" "$PARTITA_TOKEN"; exec cat >/dev/null'


class LocalCluster:
    """A scheduler and workers on this machine. They end with this process, or with :meth:`close`.

    Parameters
    ----------
    n_workers : int, optional
        Worker processes; one if not given.
    threads_per_worker : int, optional
        Tasks at once in each; the processors shared among the workers if not given.
    memory_limit : str, optional
        Of each worker, such as ``"4GiB"``; shared if not given.
    local_directory : str, optional
        Where the workers put what does not fit in memory.

    Raises
    ------
    ClusterError
        If it does not start. The text has what the program said.

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
        memory_limit: str | None = None,
        local_directory: str | None = None,
    ) -> None:
        command = [program(), "run", "--headless", "--workers", str(n_workers or 1)]
        if threads_per_worker:
            command += ["--threads", str(threads_per_worker)]
        if memory_limit:
            command += ["--memory-limit", memory_limit]
        if local_directory:
            command += ["--local-directory", os.fspath(local_directory)]
        environment = {**os.environ, "PARTITA_LOG": os.environ.get("PARTITA_LOG", "error")}
        # Not under the name of the Slurm job around it, if there is one: this is another cluster.
        self._process = subprocess.Popen(
            [*command, "--", "sh", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if len(words) != 2:
            assert self._process.stderr is not None
            said = self._process.stderr.read().strip()
            self._process.wait()
            raise ClusterError(f"a cluster on this machine did not start: {said}")
        self.scheduler_address, self.token = words

    def close(self) -> None:
        """Ends the cluster, and waits until it has ended."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
    said = done.stderr.strip().removeprefix("error: ")
    named = address or scheduler_file or os.environ.get("PARTITA_SCHEDULER")
    if named or "no cluster" not in said:
        raise ClusterError(said)
    return None
