"""Calls of Arrow Flight: their connections, their errors, and Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from ._errors import ClusterError, PartitaError, TokenRefused, Unreachable, query_error
from ._plaintext import CallProofs
from ._threads import start_thread
from ._tls import CERTIFICATE_NAME, Trust

__all__ = [
    "abandoned_calls",
    "allow_open_files",
    "check_process",
    "flight_client",
    "interruptible",
    "is_own_process",
    "read_all",
    "translated",
]

_Result = TypeVar("_Result")


class _Messages:
    """Converts errors of Flight into exceptions of this package."""

    @staticmethod
    def plain(error: BaseException) -> str:
        text = str(error)
        for mark in (". Detail:", ". gRPC client debug context:", ". Client context:"):
            text = text.split(mark, 1)[0]
        for prefix in ("Flight returned ", "gRPC returned "):
            if text.startswith(prefix):
                text = text.split("with message: ", 1)[-1]
        return text.strip()

    @classmethod
    def translate(cls, error: BaseException, query: str | None = None) -> PartitaError:
        text = cls.plain(error)
        # The error kind that the scheduler sends beside the text. Errors of gRPC itself have none.
        kind = bytes(getattr(error, "extra_info", b""))
        if isinstance(error, flight.FlightUnavailableError):
            return Unreachable(f"cannot reach the scheduler: {text}")
        if isinstance(error, flight.FlightUnauthenticatedError):
            return TokenRefused(f"the scheduler rejected the token: {text}")
        if isinstance(error, flight.FlightCancelledError):
            return query_error(b"cancelled", "the computation was cancelled", query)
        return query_error(kind, text, query)


@contextlib.contextmanager
def translated(query: str | None = None) -> Iterator[None]:
    try:
        yield
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        raise _Messages.translate(error, query) from None


def read_all(reader: flight.FlightStreamReader) -> pa.Table:
    """Read all rows of a stream.

    The reader's own ``read_all`` treats a cancelled stream as an interrupt and raises KeyboardInterrupt in the main
    thread, a second time if Ctrl-C was the reason for the cancellation.
    """
    return flight.MetadataRecordBatchReader.read_all(reader)


#: Threads of interrupted calls.
abandoned_calls: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def interruptible(work: Callable[[], _Result], abandon: Callable[[Future[_Result]], None]) -> _Result:
    """Run a call of Flight so that Ctrl-C can interrupt it.

    A call of Flight does not react to signals, but waiting for another thread does. After Ctrl-C the call continues
    in that thread, and `abandon` receives its future.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[_Result] = Future()
    thread = start_thread(_finish, done, work, name="call")
    try:
        return done.result()
    except KeyboardInterrupt:
        abandoned_calls.add(thread)
        abandon(done)
        raise
    finally:
        # Otherwise an error would reference itself, and the frames of all callers, through this frame.
        del done


def _finish(done: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)
    finally:
        del done


#: The process that uses gRPC.
_process: int | None = None


def check_process() -> None:
    """Check that this process may use gRPC, which hangs in a fork of a process that has used it.

    Raises
    ------
    ClusterError
        If this is a fork of a process that has connected to a cluster.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise ClusterError(
            "this process was forked from one that is connected to a cluster, and such a connection does not work in two "
            "processes: start processes with multiprocessing.get_context('spawn'), or connect only after the fork"
        )


def is_own_process() -> bool:
    """Whether this is the process that uses gRPC."""
    return _process == os.getpid()


def flight_client(trust: Trust, address: str, timeout: float, worker: str | None = None) -> flight.FlightClient:
    """Connect to the scheduler, or to the worker with this fingerprint.

    gRPC does not know fingerprints, but takes a certificate as the only one that it trusts.
    """
    check_process()
    if trust.is_plaintext:
        proofs = CallProofs(lambda: trust.session(address, timeout, worker))
        # Recognize the process before gRPC sends anything.
        proofs.authorization()
        return flight.FlightClient(f"grpc+tcp://{address}", middleware=[proofs])
    certificates = trust.certificate(address, timeout, worker)
    if trust.tls_ca_file is not None and worker is None:
        return flight.FlightClient(f"grpc+tls://{address}", tls_root_certs=certificates)
    return flight.FlightClient(f"grpc+tls://{address}", tls_root_certs=certificates, override_hostname=CERTIFICATE_NAME)


def allow_open_files() -> None:
    """Raise the soft limit of open files to the hard limit: each connection to a worker needs a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems reject their own hard limit.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
