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
    """

    name: str
    what: str
    package: str
    files: tuple[str, ...]
    schedulers: tuple[str, ...]
    fresh: tuple[str, ...] = ()


_DISTRIBUTED = (
    "actor",
    "as_completed",
    "client",
    "client_executor",
    "client_loop",
    "events",
    "joblib",
    "locks",
    "multi_locks",
    "publish",
    "queues",
    "semaphore",
    "variable",
    "worker_client",
)

#: Files whose tests leave nothing on a cluster that others find.
_SHARING = ("as_completed", "client", "client_executor", "client_loop", "joblib")

SUITES = {
    suite.name: suite
    for suite in (
        Suite("bag", "dask.bag", "dask", ("dask/bag/tests",), ("synchronous", "distributed")),
        Suite("delayed", "dask.delayed", "dask", ("dask/tests/test_delayed.py",), ("synchronous", "distributed")),
        Suite(
            "distributed",
            "distributed",
            "distributed",
            tuple([f"distributed/tests/test_{name}.py" for name in _DISTRIBUTED]),
            ("distributed",),
            fresh=tuple([f"test_{name}" for name in _DISTRIBUTED if name not in _SHARING]),
        ),
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
