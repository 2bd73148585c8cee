"""A file with what the scheduler knows of the cluster, for reports of faults."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ._awaiting import may_await
from ._cluster_client import JOBS_PAGE_MAX
from ._errors import ClusterError, trim_traceback
from ._inspection import TASKS_PAGE_MAX

__all__ = ["DumpMethods"]

#: Tasks of each job that are written; the numbers of all are among the stages.
TASKS_MAX = 10_000
#: Formats of the file.
FORMATS = ("json", "yaml")


class DumpMethods:
    """A file with the state of the cluster."""

    _rest: Callable[..., Any]
    _pages: Callable[..., list[dict[str, Any]]]
    get_versions: Callable[..., Any]

    @may_await
    @trim_traceback
    def dump_cluster_state(
        self,
        filename: Any = "partita-cluster-dump",
        write_from_scheduler: bool | None = None,
        exclude: Collection[str] = (),
        format: str = "json",
        **storage_options: Any,
    ) -> None:
        """Write what the scheduler knows of the cluster to a file: workers, jobs, stages and tasks.

        Parameters
        ----------
        filename : str or path
            The file on this machine, to which the format is appended as its extension.
        write_from_scheduler : bool, optional
            Not supported if true.
        exclude : collection of str
            What to leave out: ``"versions"``, ``"cluster"``, ``"workers"``, ``"jobs"``, ``"stages"`` or ``"tasks"``.
        format : str
            ``"json"``, or ``"yaml"``, which needs the package PyYAML.

        Raises
        ------
        ValueError
            If the format is unknown.

        Examples
        --------
        >>> import json
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.dump_cluster_state("dump")
        >>> with open("dump.json") as file:
        ...     len(json.load(file)["workers"])
        1
        """
        path = os.fspath(filename).removeprefix("file://")
        if format not in FORMATS:
            raise ValueError(f"Unsupported format {format!r}; supported: {', '.join(FORMATS)}")
        if write_from_scheduler or storage_options or "://" in path:
            raise NotImplementedError("dump_cluster_state() writes only to files of this machine")
        if isinstance(exclude, str):
            raise TypeError(f"exclude must be a collection of names, not {exclude!r}")
        state = self._cluster_state(frozenset(exclude))
        extension = f".{format}"
        with open(path if path.endswith(extension) else path + extension, "w", encoding="utf-8") as file:
            if format == "yaml":
                import yaml  # type: ignore[import-untyped]

                yaml.safe_dump(state, file, sort_keys=False)
            else:
                json.dump(state, file, indent=1)

    def _cluster_state(self, exclude: frozenset[str]) -> dict[str, Any]:
        """Return the state without parts that have these names."""
        state: dict[str, Any] = {}
        parts: dict[str, Callable[[], Any]] = {
            "cluster": lambda: self._rest("cluster"),
            "versions": lambda: self.get_versions()["client"],
            "workers": lambda: self._pages("workers", "after", "workers?limit=1000"),
            "jobs": lambda: list(self._described_jobs(exclude)),
        }
        for name, get in parts.items():
            if name not in exclude:
                state[name] = get()
        return state

    def _described_jobs(self, exclude: frozenset[str]) -> Iterator[dict[str, Any]]:
        for row in self._pages("jobs", "before", f"jobs?limit={JOBS_PAGE_MAX}"):
            job: dict[str, Any] = {"job": row}
            for part in ("stages", "tasks"):
                if part in exclude:
                    continue
                limit = f"?limit={TASKS_PAGE_MAX}" if part == "tasks" else ""
                try:
                    job[part] = self._pages(part, "after", f"jobs/{row['id']}/{part}{limit}", TASKS_MAX)
                except ClusterError:
                    # The tasks of a job that has ended are not kept.
                    job[part] = None
            yield job
