"""Replacements of the helpers of distributed's tests: a plain cluster of Partita, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..clusters import SLOTS, WORKERS, servers_of, shared_cluster
from ..clusters import KnownClient as Client
from ..samples import *  # noqa: F403

#: The configuration without a part of Dask's scheduler that Partita does not have.
NO_AMM: dict[str, Any] = {}
#: Slots of each worker in tests that are not coroutines.
SLOTS_SYNC = 1
#: Time of one test at most, in seconds.
TEST_TIMEOUT_S = 30.0
#: Interval of a poll, in seconds.
POLL_S = 0.01


def _without_servers(function: Callable[..., Any], given: int) -> inspect.Signature:
    """Return the signature of a test without the arguments that the decorator gives it."""
    parameters = [
        one
        for one in list(inspect.signature(function).parameters.values())[given:]
        if one.kind is not inspect.Parameter.VAR_POSITIONAL
    ]
    return inspect.Signature([one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters])


def _as_test(function: Callable[..., Any], given: int, run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def test(**fixtures: Any) -> Any:
        # Tests that define further ones within them read what these return.
        return run(fixtures)

    del test.__wrapped__  # type: ignore[attr-defined]
    test.__signature__ = _without_servers(function, given)  # type: ignore[attr-defined]
    return test


def gen_cluster(
    nthreads: Any = None,
    scheduler: Any = None,
    timeout: float = TEST_TIMEOUT_S,
    client: bool = False,
    client_kwargs: dict[str, Any] | None = None,
    **_: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a coroutine that takes a client, a scheduler and workers, so that pytest runs it."""
    workers = WORKERS if nthreads is None else len(nthreads)
    slots = SLOTS if nthreads is None else max((one[1] for one in nthreads), default=0)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(fixtures: dict[str, Any]) -> Any:
            cluster = shared_cluster(workers, slots)
            found, others = servers_of(cluster)
            if not client:
                return await asyncio.wait_for(function(found, *others, **fixtures), TEST_TIMEOUT_S)
            connected = await Client(cluster, asynchronous=True, **(client_kwargs or {}))
            try:
                return await asyncio.wait_for(function(connected, found, *others, **fixtures), TEST_TIMEOUT_S)
            finally:
                await connected.close()

        has_rest = any(
            one.kind is inspect.Parameter.VAR_POSITIONAL for one in inspect.signature(function).parameters.values()
        )
        given = (1 if client else 0) + 1 + (0 if has_rest else workers)
        return _as_test(function, given, lambda fixtures: asyncio.run(run(fixtures)))

    return decorate


def gen_test(timeout: float = TEST_TIMEOUT_S, **_: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a coroutine, so that pytest runs it."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(fixtures: dict[str, Any]) -> None:
            await asyncio.wait_for(function(**fixtures), TEST_TIMEOUT_S)

        return _as_test(function, 0, lambda fixtures: asyncio.run(run(fixtures)))

    return decorate


@contextlib.contextmanager
def cluster(nworkers: int = WORKERS, **_: Any) -> Iterator[Any]:
    """Context manager of a cluster; yields what stands for the scheduler and for the workers."""
    yield servers_of(shared_cluster(nworkers, SLOTS_SYNC))


@pytest.fixture
def loop() -> None:
    """Nothing: clients of Partita need no event loop."""


@pytest.fixture
def loop_in_thread() -> None:
    """Nothing: clients of Partita need no event loop."""


@pytest.fixture
def cleanup() -> None:
    """Nothing: each test has its own cluster."""


@pytest.fixture
def cluster_fixture() -> Iterator[Any]:
    """Scheduler and workers of a cluster."""
    with cluster() as servers:
        yield servers


@pytest.fixture
def s(cluster_fixture: Any) -> Any:
    """The scheduler."""
    return cluster_fixture[0]


@pytest.fixture
def a(cluster_fixture: Any) -> Any:
    """The first worker."""
    return cluster_fixture[1][0]


@pytest.fixture
def b(cluster_fixture: Any) -> Any:
    """The second worker."""
    return cluster_fixture[1][1]


@pytest.fixture
def client(cluster_fixture: Any) -> Iterator[Any]:
    """A client."""
    with Client(cluster_fixture[0].address) as connected:
        yield connected


c = client_no_amm = pytest.fixture(name="c")(lambda client: client)


@pytest.fixture(name="client_no_amm")
def _client_no_amm(client: Any) -> Any:
    return client


def poll_for(predicate: Callable[[], Any], timeout: float = 5, fail_func: Any = None, period: float = POLL_S) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout
    while not predicate():
        time.sleep(period)
        if time.monotonic() > end:
            pytest.fail("timed out")


async def async_poll_for(
    predicate: Callable[[], Any], timeout: float = 5, fail_func: Any = None, period: float = POLL_S
) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout
    while not predicate():
        await asyncio.sleep(period)
        if time.monotonic() > end:
            pytest.fail("timed out")


@contextlib.contextmanager
def captured_logger(logger: Any, level: int = logging.INFO, propagate: Any = None) -> Iterator[io.StringIO]:
    """Context manager that collects what a logger writes."""
    found = logging.getLogger(logger) if isinstance(logger, str) else logger
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    before = found.level
    found.addHandler(handler)
    found.setLevel(level)
    try:
        yield text
    finally:
        found.removeHandler(handler)
        found.setLevel(before)


@contextlib.contextmanager
def save_sys_modules() -> Iterator[None]:
    """Context manager after which the modules and the path are as they were."""
    modules, path = dict(sys.modules), list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            del sys.modules[name]


def nodebug(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function."""
    return function


def nodebug_setup_module(module: Any) -> None:
    """Do nothing."""


def nodebug_teardown_module(module: Any) -> None:
    """Do nothing."""
