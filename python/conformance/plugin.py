"""The plugin of pytest that runs the rewritten tests and writes how each ended.

Environment: ``CONFORMANCE_OUT`` names the file, ``CONFORMANCE_SCHEDULER`` the scheduler. With ``CONFORMANCE_OWN``, tests have
clients of their own, and those of the modules ``CONFORMANCE_FRESH`` clusters of their own.
"""

from __future__ import annotations

import json
import os
import socket
import urllib.error
from collections.abc import Iterator
from typing import Any

import cloudpickle
import pytest

from partita import config
from partita.distributed import Client

from . import clusters, stands
from .inside import LooksInside
from .stands import utils_test

pytest_plugins: list[str] = []

#: How a test ended.
PASSED, FAILED, INSIDE, SKIPPED = "passed", "failed", "inside", "skipped"
#: Characters of an error that are kept.
TEXT_MAX = 300

#: The client of tests that have none of their own.
_clients: list[Client] = []

for _name in ("loop", "loop_in_thread", "cleanup", "cluster_fixture", "s", "a", "b", "client", "c", "_client_no_amm"):
    globals()[_name] = getattr(utils_test, _name)


def pytest_configure(config: Any) -> None:
    for marker in ("slow", "leaking", "ci1", "ipython", "gpu", "avoid_ci", "flaky", "extra_packages"):
        config.addinivalue_line("markers", f"{marker}: of the peer")
    clusters.use_own_home()
    if not os.environ.get("CONFORMANCE_OWN") and os.environ["CONFORMANCE_SCHEDULER"] != "synchronous":
        # Before the modules of tests make frames.
        _clients.append(Client(clusters.shared_cluster()))
    stands.distributed.Client = clusters.KnownClient  # type: ignore[attr-defined]


@pytest.fixture(autouse=True, scope="session")
def _scheduler() -> Iterator[None]:
    name = os.environ["CONFORMANCE_SCHEDULER"]
    if name == "synchronous":
        with config.set(scheduler=name):
            yield
    else:
        yield
        for client in _clients:
            client.close()


@pytest.fixture(params=["tasks"])
def shuffle_method(request: pytest.FixtureRequest) -> Any:
    """The method of Dask's shuffles, of which Partita has one."""
    return request.param


@pytest.fixture
def xfail(request: pytest.FixtureRequest) -> Any:
    """What marks a test as one that is expected to fail."""
    return lambda reason: request.applymarker(pytest.mark.xfail(reason=reason))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    known: dict[str, dict[str, str]] = {}
    for item in items:
        # Workers do not import the file of the tests, which imports more than its functions need.
        cloudpickle.register_pickle_by_value(item.module)
        path = f"{item.fspath}.inside"
        if path not in known:
            with open(path, encoding="utf-8") as file:
                known[path] = json.load(file)
        if item.originalname in known[path]:
            item.add_marker(pytest.mark.skip(reason=f"INSIDE {known[path][item.originalname]}"))
        elif item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow"))


def _outcome(report: Any, call: Any) -> tuple[str, str]:
    if hasattr(report, "wasxfail"):
        return SKIPPED, "expected to fail"
    if report.passed or str(report.longrepr).startswith("[XPASS(strict)]"):
        return PASSED, ""
    if report.skipped:
        text = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = text.removeprefix("Skipped: ")
        return (INSIDE, text.removeprefix("INSIDE ")) if text.startswith("INSIDE") else (SKIPPED, text)
    error = call.excinfo.value if call.excinfo else None
    causes = [error]
    while causes[-1] is not None and len(causes) < TEXT_MAX:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)
    for cause in causes:
        if isinstance(cause, LooksInside):
            return INSIDE, str(cause)
        if isinstance(cause, (urllib.error.URLError, socket.gaierror)):
            return SKIPPED, f"needs the internet: {cause}"
    return FAILED, f"{type(error).__name__}: {error}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "teardown" or (report.when == "setup" and report.passed):
        return
    kind, text = _outcome(report, call)
    is_fresh = item.module.__name__ in os.environ.get("CONFORMANCE_FRESH", "").split(",")
    if os.environ.get("CONFORMANCE_OWN") and (kind == FAILED or is_fresh):
        clusters.leave_cluster()
    _write(os.path.basename(str(item.fspath)), item.originalname, item.name, kind, text)


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        _write(os.path.basename(str(report.fspath)), "(whole file)", "", FAILED, str(report.longrepr)[-TEXT_MAX:])


def _write(*row: str) -> None:
    with open(os.environ["CONFORMANCE_OUT"], "a", encoding="utf-8") as file:
        file.write(json.dumps([*row[:-1], " ".join(row[-1].split())[:TEXT_MAX]]) + "\n")
