"""The client's side of ``Client(environment="ship")``: it answers workers that lack a module."""

from __future__ import annotations

import contextlib
import pickle
import threading
import weakref
from typing import Any

from ._coordination import Coordinator, Refused
from ._errors import ClusterError
from ._module_archives import MISSING, MODULE, Found, find_module, hash_archive
from ._packing import pack_value
from ._setup import PIECE_BYTES
from ._shipped_modules import ShippedModules
from ._threads import start_thread
from ._worker_view import is_in_runner

__all__ = ["Shipment", "make_shipment"]

#: Names of modules whose answers are remembered.
ANSWERS_MAX = 10_000
#: Time to wait before the stream of requests is opened again after it was lost, in seconds.
REOPEN_PAUSE_S = 1.0


class Shipment:
    """Answers the requests of workers for modules.

    What was answered for a name once is answered to all workers, so that they do not run different contents.

    Parameters
    ----------
    coordinator : Coordinator
        The client's stream to the scheduler.
    session : str
        Identifies the client.
    """

    def __init__(self, coordinator: Coordinator, session: str) -> None:
        self._coordinator = coordinator
        self._session = session
        #: The queue of the requests. It ends with the stream of this client.
        self.queue = f"environment/{session}"
        self._answers: dict[str, tuple[Any, ...]] = {}
        #: Pieces at the scheduler by the name of their archive there.
        self._uploads: dict[str, int] = {}
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def plugin(self) -> ShippedModules:
        """The plugin of the workers that asks for modules."""
        return ShippedModules(self.queue)

    def start(self) -> None:
        """Begin to answer."""
        with self._lock:
            if self._thread is None:
                self._open()
                self._thread = start_thread(_serve, weakref.ref(self), name="environment")

    def _open(self) -> None:
        self._coordinator.call("queue", name=self.queue, do="open", maxsize=0, own=True)

    def close(self) -> None:
        """Delete at the scheduler what was sent, and stop to answer."""
        self._is_closed = True
        with contextlib.suppress(ClusterError):
            for key, pieces in self._uploads.items():
                for piece in range(pieces):
                    self._coordinator.start("setup", do="delete", name=f"{key}/{piece}")

    def answer(self, name: str) -> tuple[Any, ...]:
        """Return the answer for the name of a module: its kind, and what belongs to it."""
        known = self._answers.get(name)
        if known is None:
            known = self._upload(find_module(name))
            if known[0] != MISSING or len(self._answers) < ANSWERS_MAX:
                self._answers[name] = known
        return known

    def _upload(self, found: Found) -> tuple[Any, ...]:
        if found.kind != MODULE:
            return found.kind, found.text
        digest = hash_archive(found.archive)
        key = f"{self._session}/module-{digest}"
        if key not in self._uploads:
            starts = range(0, len(found.archive), PIECE_BYTES)
            requests = [
                self._coordinator.start(
                    "setup", found.archive[at : at + PIECE_BYTES], do="put", name=f"{key}/{number}", override=True
                )
                for number, at in enumerate(starts)
            ]
            for request in requests:
                request.wait()
            self._uploads[key] = len(starts)
        return found.kind, digest, key, self._uploads[key]


def make_shipment(environment: str | None, coordinator: Coordinator, session: str) -> Shipment | None:
    """Return what answers the workers for a client with this argument ``environment``.

    Raises
    ------
    ValueError
        If there is no such environment, or the client is of a function on a worker.
    """
    if environment is None:
        return None
    if environment != "ship":
        raise ValueError(f"environment must be 'ship' or None, not {environment!r}")
    if is_in_runner():
        raise ValueError(
            "environment='ship' is not supported in functions on a worker: calls that these submit have the environment "
            "of the function"
        )
    return Shipment(coordinator, session)


def _serve(this: weakref.ref[Shipment]) -> None:
    """Answer requests until the client is closed."""
    pause = threading.Event()
    while True:
        shipment = this()
        if shipment is None or shipment._is_closed:
            return
        coordinator, queue = shipment._coordinator, shipment.queue
        del shipment
        try:
            answer = coordinator.call("queue", name=queue, do="get", timeout=None, batch=None)
            ((_, body),) = answer.values
            shipment = this()
            if shipment is None:
                return
            _reply(shipment, *pickle.loads(body))
        except ClusterError:
            # The stream was lost, and the queue with it. A client that is closed ends this thread.
            shipment = this()
            if shipment is None or shipment._is_closed:
                return
            del shipment
            pause.wait(REOPEN_PAUSE_S)
            shipment = this()
            if shipment is not None and not shipment._is_closed:
                with contextlib.suppress(ClusterError):
                    shipment._open()
        del shipment


def _reply(shipment: Shipment, name: str, queue: str) -> None:
    """Answer one request."""
    try:
        answer = shipment.answer(name)
    except Refused as refused:
        answer = ("refused", f"the module {name} of the client cannot be sent to the workers: {refused}")
    except ClusterError:
        raise
    except Exception as error:
        answer = ("refused", f"the module {name} of the client cannot be sent to the workers: {error!r}")
    body, _ = pack_value(answer)
    # A worker that is gone does not need the answer.
    with contextlib.suppress(Refused):
        shipment._coordinator.stream().send(
            "queue", {"name": queue, "do": "put", "timeout": None, "existing": True}, body
        ).wait()
