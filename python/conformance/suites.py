"""The suites: which files of a peer have the tests, and on which scheduler they run."""

from __future__ import annotations

import dataclasses
import importlib.util
import os

__all__ = ["SUITES", "Suite", "find_files"]


@dataclasses.dataclass(frozen=True)
class Suite:
    """A set of test files of one peer.

    Attributes
    ----------
    name : str
        The name on the command line and in the table.
    what : str
        The name of the peer's module in the table.
    package : str
        The package that has the files, or whose checkout has them.
    files : tuple of str
        Files, or folders of test files, below the package's parent.
    schedulers : tuple of str
        Each test runs with each of these; it passes if it passes with all.
    fresh : tuple of str
        Files in which each test has a cluster of its own, since tests use the same names on it.
    has_folders : bool
        Whether files of several folders have equal names: they are named after their folders, as in
        `test_dataframe_io__csv.py`.
    """

    name: str
    what: str
    package: str
    files: tuple[str, ...]
    schedulers: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    has_folders: bool = False

    def name_of(self, path: str) -> str:
        """Return the name of a test file of the peer in lists and tables."""
        if not self.has_folders:
            return os.path.basename(path)
        folders, file = os.path.split(path)
        parts = folders.split(os.sep)
        inner = [part for part in parts[parts.index("dask") + 1 :] if part != "tests"]
        return f"test_{'_'.join(inner)}__{file.removeprefix('test_')}"


#: Tests of clients and futures, which leave nothing on a cluster that others find.
_CLIENTS = ("as_completed", "client", "client_executor", "client_loop", "joblib")
#: Tests of what clients and functions share by name, and of clients within functions.
_COORDINATION = (
    "actor",
    "events",
    "locks",
    "multi_locks",
    "publish",
    "queues",
    "semaphore",
    "variable",
    "worker_client",
)


#: The folders with the tests of frames.
_FRAMES = ("dataframe/tests", "dataframe/dask_expr/tests", "dataframe/io/tests", "dataframe/tseries/tests")


def _distributed(name: str, files: tuple[str, ...], is_fresh: bool) -> Suite:
    paths = tuple([f"distributed/tests/test_{file}.py" for file in files])
    fresh = tuple([f"test_{file}" for file in files]) if is_fresh else ()
    return Suite(name, "distributed", "distributed", paths, ("distributed",), fresh)


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bag", "dask.bag", "dask", ("dask/bag/tests",), ("synchronous", "distributed")),
        Suite("delayed", "dask.delayed", "dask", ("dask/tests/test_delayed.py",), ("synchronous", "distributed")),
        Suite(
            "frames",
            "dask.dataframe",
            "dask",
            tuple([f"dask/{folder}" for folder in _FRAMES]),
            ("distributed",),
            has_folders=True,
        ),
        Suite("arrays", "dask.array", "dask", ("dask/array/tests",), ("distributed",), has_folders=True),
        _distributed("distributed", _CLIENTS, is_fresh=False),
        _distributed("coordination", _COORDINATION, is_fresh=True),
    )
}


def find_files(suite: Suite, checkout: str | None) -> list[str]:
    """Return the paths of the test files of a suite that exist, sorted.

    Parameters
    ----------
    suite : Suite
        The suite.
    checkout : str or None
        A checkout of the peer's repository, which is used if the installed package has no tests.
    """
    spec = importlib.util.find_spec(suite.package)
    installed = [] if spec is None or spec.origin is None else [os.path.dirname(os.path.dirname(spec.origin))]
    for root in [*installed, *([checkout] if checkout else [])]:
        found: list[str] = []
        for name in suite.files:
            path = os.path.join(root, name)
            if os.path.isdir(path):
                tests = [one for one in os.listdir(path) if one.startswith("test_") and one.endswith(".py")]
                found += [os.path.join(path, one) for one in sorted(tests)]
            elif os.path.isfile(path):
                found.append(path)
        if found:
            return found
    return []
