"""The workers' side of ``Client(environment="ship")``: a finder that asks the client for modules that are missing here."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.metadata
import io
import os
import pickle
import shutil
import sys
import threading
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ._coordination import Refused
from ._errors import ClusterError
from ._module_archives import MISSING, MODULE, NAMESPACE, hash_archive, is_standard
from ._packing import pack_value
from ._setup import fetch_pieces, once_per_worker, worker_folder

__all__ = ["ShippedFinder", "ShippedModules"]

#: Time to wait for the client's answer, in seconds.
ANSWER_TIMEOUT_S = 60.0
#: Names of modules whose answers are remembered.
ANSWERS_MAX = 10_000
#: Packages that the finder itself needs.
_OWN = frozenset({"partita", "pyarrow", "_partita_inputs", "_partita_runner"})
#: Frames from `find_spec` of a finder to the function that looks for a module or imports it.
_FRAMES_TO_CALLER = 2


class ShippedModules:
    """The plugin that lets a process ask its client for modules.

    Parameters
    ----------
    queue : str
        The queue of the requests to the client.
    """

    name = "partita-environment"

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self._finder: ShippedFinder | None = None

    def setup(self, worker: Any) -> None:
        """Add the finder behind all others: what this Python has is never replaced."""
        self._finder = ShippedFinder(self.queue, worker)
        sys.meta_path.append(self._finder)

    def teardown(self, worker: Any) -> None:
        """Remove the finder."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self._finder)  # type: ignore[arg-type]


class ShippedFinder(importlib.metadata.DistributionFinder):
    """Finds modules that only the client has.

    Parameters
    ----------
    queue : str
        The queue of the requests to the client.
    worker : WorkerView
        The worker, in whose folder the modules are stored once for all of its processes.
    """

    def __init__(self, queue: str, worker: Any) -> None:
        self._queue = queue
        self._worker = worker
        #: For each name, the answer: its kind and a folder or a text.
        self._known: dict[str, tuple[str, str]] = {}
        #: The folders that contain modules, in the order in which they came.
        self._folders: dict[str, None] = {}
        self._here = threading.local()
        self._pid = os.getpid()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module that no other finder has found."""
        top = fullname.partition(".")[0]
        if is_standard(top) or top in _OWN or (path is not None and not _is_in_namespace(fullname)):
            return None
        kind, value = self._answer(fullname)
        if kind == MISSING:
            return None
        if kind == NAMESPACE:
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        if kind == MODULE:
            return importlib.machinery.PathFinder.find_spec(fullname, [value])
        if _is_only_looked_for():
            return None
        raise ModuleNotFoundError(value, name=fullname)

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        """Find the metadata of packages that came from the client."""
        name = getattr(context, "name", None)
        search = importlib.metadata.DistributionFinder.Context(name=name, path=list(self._folders))
        return importlib.metadata.MetadataPathFinder.find_distributions(search)

    def invalidate_caches(self) -> None:
        """Do nothing: answers hold for the session of the client."""

    def _answer(self, name: str) -> tuple[str, str]:
        known = self._known.get(name)
        if known is not None:
            return known
        # Connections do not work in forks. Imports of the request itself must not wait for its answer.
        if os.getpid() != self._pid or getattr(self._here, "is_asking", False):
            return MISSING, ""
        self._here.is_asking = True
        try:
            kind, *rest = self._ask(name)
            answer = (kind, self._store(*rest) if kind == MODULE else rest[0])
        except (ClusterError, TimeoutError, OSError) as error:
            raise ModuleNotFoundError(
                f"No module named {name!r}; the client was asked for it, without success: {error}", name=name
            ) from None
        finally:
            self._here.is_asking = False
        if kind != MISSING or len(self._known) < ANSWERS_MAX:
            self._known[name] = answer
        return answer

    def _ask(self, name: str) -> tuple[Any, ...]:
        """Ask the client for a module and return its answer."""
        from ._worker_view import get_client

        coordinator = get_client()._coordinator
        replies = f"environment-answers/{uuid.uuid4().hex}"
        coordinator.call("queue", name=replies, do="open", maxsize=0, own=True)
        try:
            body, _ = pack_value((name, replies))
            stream = coordinator.stream()
            try:
                stream.send("queue", {"name": self._queue, "do": "put", "timeout": None, "existing": True}, body).wait()
            except Refused as refused:
                if refused.kind != "gone":
                    raise
                raise ClusterError("it was closed, or lost its connection") from None
            try:
                answer = coordinator.call("queue", name=replies, do="get", timeout=ANSWER_TIMEOUT_S, batch=None)
            except TimeoutError:
                raise TimeoutError(f"no answer after {ANSWER_TIMEOUT_S:g} s") from None
            ((_, value),) = answer.values
            found: tuple[Any, ...] = pickle.loads(value)
            return found
        finally:
            coordinator.tell("queue", name=replies, do="close")

    def _store(self, digest: str, key: str, pieces: int) -> str:
        """Return the folder with a module. The first process of the worker that needs it fetches it."""
        folder = os.path.join(worker_folder(self._worker), f"partita-module-{digest}")
        with once_per_worker(self._worker, f"module-{digest}") as is_new:
            if is_new:
                archive = fetch_pieces(key, pieces)
                if hash_archive(archive) != digest:
                    raise ClusterError("what came is damaged")
                # Left by a process that ended in the middle.
                shutil.rmtree(folder, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                    opened.extractall(folder)
        self._folders[folder] = None
        return folder


def _is_in_namespace(name: str) -> bool:
    """Whether the parent of a module is a namespace package: its parts may be in several places."""
    parent = sys.modules.get(name.rpartition(".")[0])
    spec = getattr(parent, "__spec__", None)
    return spec is not None and spec.origin is None and spec.submodule_search_locations is not None


def _callers() -> Iterator[Any]:
    frame = sys._getframe(_FRAMES_TO_CALLER)
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]


def _is_only_looked_for() -> bool:
    """Whether a library asks whether a module exists, with ``importlib.util.find_spec``, and does not import it."""
    for frame in _callers():
        code = frame.f_code
        if code.co_filename != "<frozen importlib._bootstrap>" and code.co_filename != __file__:
            return code.co_name == "find_spec"
    return False
