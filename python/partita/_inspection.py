"""The methods of a client that call a function on each worker, and that show where results are."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._awaiting import may_await
from ._by_value import call_with_worker
from ._errors import trim_traceback
from ._functions import Submitter, function_name
from ._session import State
from ._task_futures import TaskFuture, fire_and_forget, flat_futures
from ._version import __version__
from .utils import has_keyword, key_split

__all__ = ["InspectionMethods"]

#: Tasks in one page of the scheduler's REST API.
TASKS_PAGE_MAX = 200


class InspectionMethods:
    """Calls on each worker, and the places of results."""

    _submitter: Submitter
    _rest: Callable[..., Any]
    _workers: Callable[[], list[dict[str, Any]]]

    @may_await
    @trim_traceback
    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Call a function once on each worker.

        Parameters
        ----------
        function : callable
            The function. It runs in one of the worker's Python processes, as soon as a slot is free. It is called with the
            worker, as of :func:`get_worker`, if it has an argument ``dask_worker``.
        *args, **kwargs
            Its arguments.
        workers : str or list of str, optional
            Addresses or names of the workers; all by default.
        wait : bool
            Whether to wait for the results. Otherwise nothing is returned.
        on_error : str
            ``"raise"`` raises an exception of the function, ``"return"`` returns it in the place of the result, and
            ``"ignore"`` leaves the worker out.

        Returns
        -------
        dict
            The result of each worker, by its address.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.wait_for_workers(2)
        ...     list(client.run(pow, 2, 3).values())
        [8, 8]
        """
        if nanny:
            raise NotImplementedError("run(nanny=True) is not supported: workers have no nanny")
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', not {on_error!r}")
        futures: dict[str, TaskFuture] = {}
        name, call = function_name(function), (args, kwargs)
        if "dask_worker" not in kwargs and has_keyword(function, "dask_worker"):
            function, call = call_with_worker, ((function, args, kwargs), {})
        for address in self._addresses(workers):
            options = {"workers": [address]}
            (futures[address],) = self._submitter.submit(function, [call], options, name=name, pure=False)
        if not wait:
            fire_and_forget(list(futures.values()))
            return None
        results = {}
        for address, future in futures.items():
            error = future.exception()
            if error is None:
                results[address] = future.result()
            elif on_error == "raise":
                raise error
            elif on_error == "return":
                results[address] = error
        return results

    def _addresses(self, workers: Any) -> list[str]:
        """Return the addresses of workers that are given by address or name; of all by default."""
        rows = self._workers()
        if workers is None:
            return [f"tcp://{row['address']}" for row in rows]
        known = {row["name"]: row["address"] for row in rows}
        known.update((row["address"], row["address"]) for row in rows)
        found = []
        for one in [workers] if isinstance(workers, str) else workers:
            address = known.get(str(one).removeprefix("tcp://"))
            if address is None:
                raise ValueError(f"no worker {one!r}; connected: {', '.join(sorted(known)) or 'none'}")
            found.append(f"tcp://{address}")
        return found

    # Where results are.

    def _located(self, futures: Any) -> Iterator[tuple[State, dict[str, Any]]]:
        """Yield calls, and what the scheduler tells of each."""
        if futures is None:
            states = self._submitter.states()
        else:
            found = (one._state.running for one in flat_futures(futures) if isinstance(one, TaskFuture))
            states = list(dict.fromkeys(found))
        wanted: dict[tuple[int, int], dict[int, State]] = {}
        for state in states:
            wanted.setdefault((state.job, state.stage), {})[state.index] = state
        for (job, stage), by_index in wanted.items():
            left = sorted(by_index)
            while left:
                after = f"&after={stage}.{left[0] - 1}" if left[0] else ""
                rows = self._rest(f"jobs/{job}/tasks?stage={stage}&limit={TASKS_PAGE_MAX}{after}")["tasks"]
                for row in rows:
                    if row["id"]["index"] in by_index:
                        yield by_index[row["id"]["index"]], row
                last = rows[-1]["id"]["index"] if rows else left[-1]
                left = [index for index in left if index > last]

    @may_await
    def who_has(self, futures: Any = None) -> dict[str, tuple[str, ...]]:
        """Return the addresses of the workers that hold each result, by the key of its future.

        Other workers read a result from the first of them. Copies that a worker fetched for a call, and keeps for a
        moment, are not listed.

        Parameters
        ----------
        futures : Future or collection of these, optional
            All live futures of this client by default.
        """
        addresses = {row["id"]: f"tcp://{row['address']}" for row in self._workers()}
        found: dict[str, tuple[str, ...]] = {}
        for state, row in self._located(futures):
            holders = [row["worker"], *row["replicas"]] if row["state"] == "done" else ()
            found[state.key] = tuple(addresses[worker] for worker in holders if worker in addresses)
        return found

    @may_await
    def has_what(self, workers: Any = None) -> dict[str, tuple[str, ...]]:
        """Return the keys of this client's results that each worker holds, by the address of the worker."""
        found: dict[str, list[str]] = {address: [] for address in self._addresses(workers)}
        for key, holders in self.who_has().items():
            for address in holders:
                if address in found:
                    found[address].append(key)
        return {address: tuple(keys) for address, keys in found.items()}

    @may_await
    def processing(self, workers: Any = None) -> dict[str, tuple[str, ...]]:
        """Return the keys of this client's calls that each worker runs, by the address of the worker."""
        found: dict[str, list[str]] = {address: [] for address in self._addresses(workers)}
        addresses = {row["id"]: f"tcp://{row['address']}" for row in self._workers()}
        for state, row in self._located(None):
            if row["state"] == "running" and addresses.get(row["worker"]) in found:
                found[addresses[row["worker"]]].append(state.key)
        return {address: tuple(keys) for address, keys in found.items()}

    @may_await
    def nbytes(self, keys: Sequence[str] | None = None, summary: bool = True) -> dict[str, int]:
        """Return the bytes of this client's results on the workers.

        Parameters
        ----------
        keys : list of str, optional
            The keys of the futures; all by default.
        summary : bool
            Whether to add up the results of each function.
        """
        found: dict[str, int] = {}
        for state, row in self._located(None):
            if row["state"] == "done" and (keys is None or state.key in keys):
                name = key_split(state.key) if summary else state.key
                found[name] = found.get(name, 0) + row["bytes"]
        return found

    @may_await
    def get_versions(self, check: bool = False, packages: Sequence[str] = ()) -> dict[str, Any]:
        """Return the versions of Python, of this package, and of the cluster.

        Parameters
        ----------
        check : bool
            Accepted: the scheduler rejects clients and workers of other versions.
        packages : list of str
            Further packages of this process.
        """
        from importlib import metadata

        versions = {"python": platform.python_version(), "partita": __version__}
        for name in packages:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                versions[name] = "not installed"
        cluster = self._rest("cluster")["version"]
        return {
            "client": {"host": {"python": sys.executable}, "packages": versions},
            "scheduler": {"packages": {"partita": cluster}},
            # Workers of other versions cannot join.
            "workers": {address: {"packages": {"partita": cluster}} for address in self._addresses(None)},
        }
