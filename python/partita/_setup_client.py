"""The methods of a client that register plugins and upload files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

from ._awaiting import is_awaited
from ._connection import Connection
from ._coordination import Coordinator, Request, Steps, all_answers, run_steps, run_steps_async
from ._errors import ClusterError, trim_traceback
from ._functions import Submitter
from ._packing import dumps
from ._plugins import SetupFunction, UploadFile
from ._remote_errors import make_exception
from ._session import Error, wait_states
from ._setup import PIECE_BYTES, Need, applied_needs
from ._shipping import Shipment
from ._task_futures import TaskFuture

__all__ = ["SetupMethods"]

#: Time to wait until a process of each worker has set a plugin up, in seconds. All slots may be busy.
SETUP_WAIT_S = 10.0
#: Workers that set a plugin up when it is registered. Others do so later.
SETUP_WORKERS_MAX = 64


class SetupMethods:
    """Plugins and uploaded files."""

    _connection: Connection
    _coordinator: Coordinator
    _submitter: Submitter
    _workers: Callable[[], list[dict[str, Any]]]
    _located: Callable[[Any], Iterator[tuple[Any, dict[str, Any]]]]
    #: What the functions of this client need, by name; None until it is first used.
    _needs: dict[str, Need] | None = None
    #: What answers workers that lack a module.
    _shipment: Shipment | None = None

    def _function_needs(self) -> dict[str, Need]:
        if self._needs is None:
            # Functions on a worker pass on what they needed themselves.
            needs = applied_needs()
            if self._shipment is not None:
                self._shipment.start()
                plugin = self._shipment.plugin
                need, requests = self._upload(plugin, plugin.name)
                for request in requests:
                    request.wait()
                needs[need.name] = need
            self._needs = needs
        return self._needs

    def _upload(self, plugin: Any, name: str) -> tuple[Need, list[Request]]:
        """Send a plugin to the scheduler. Return what functions need, when the requests have been answered."""
        content = dumps(plugin, f"the plugin {name}")
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        key = f"{self._connection.session}/{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}-{digest}"
        pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
        requests = [
            self._coordinator.start("setup", piece, do="put", name=f"{key}/{number}", override=True)
            for number, piece in enumerate(pieces)
        ]
        return Need(name, digest, key, len(pieces)), requests

    @trim_traceback
    def register_plugin(self, plugin: Any, name: str | None = None) -> Any:
        """Register a plugin, which each Python process of the workers sets up before it runs functions.

        It applies to the functions that this client submits afterwards, and to those that they submit. A plugin of the
        same name is replaced. One process of each worker sets it up at once, unless all its slots are busy for 10 s; an
        exception of ``setup`` there is raised, and the plugin is not registered. Later it is that of the function.

        Parameters
        ----------
        plugin : WorkerPlugin
            The plugin.
        name : str, optional
            Its name. By default, its attribute ``name``, or a random one.

        Examples
        --------
        >>> import os
        >>> from partita.distributed import Client, Environ
        >>> with Client(n_workers=1) as client:
        ...     client.register_plugin(Environ({"MODE": "fast"}))
        ...     client.submit(os.getenv, "MODE").result()
        'fast'
        """
        if isinstance(plugin, type):
            raise TypeError(f"register_plugin() takes an instance, not the class {plugin.__name__}")
        if not hasattr(plugin, "setup"):
            raise TypeError(
                f"cannot register an object of type {type(plugin).__name__}: expected a WorkerPlugin, with a method setup"
            )
        name = name or getattr(plugin, "name", None) or f"{type(plugin).__name__}-{uuid.uuid4().hex}"
        need, requests = self._upload(plugin, name)

        def steps() -> Steps:
            yield from all_answers(requests)
            needs = self._function_needs()
            # At the end: plugins are set up in the order of their registration.
            needs.pop(name, None)
            self._needs = {**needs, name: need}

        if is_awaited(self):
            return self._register_async(steps(), need)
        run_steps(self, steps())
        return self._try_setup(need)

    async def _register_async(self, steps: Steps, need: Need) -> None:
        await run_steps_async(steps)
        await asyncio.get_running_loop().run_in_executor(None, self._try_setup, need)

    def _try_setup(self, need: Need) -> None:
        """Set up a plugin in a process of each worker that has a free slot. After an exception it is unregistered."""
        addresses = [f"tcp://{row['address']}" for row in self._workers()[:SETUP_WORKERS_MAX]]
        futures: list[TaskFuture] = []
        for address in addresses:
            # A function without an effect.
            options = {"workers": [address]}
            futures += self._submitter.submit(int, [((), {})], options, name=f"setup of {need.name}", pure=False)
        states = [one._state for one in futures]
        # One that has a slot is set up, however long that takes: packages may have to be built.
        while not wait_states(states, SETUP_WAIT_S, until_error=True):
            if not any(row["state"] == "running" for _, row in self._located(futures)):
                break
        failed = next((one for one in futures if one.status == "error"), None)
        if failed is not None:
            # Processes in which it was set up tear it down.
            self._needs = {**self._function_needs(), need.name: need._replace(pieces=0)}
            self._delete(need)
            raise make_exception(cast("Error", failed._state.error), failed._state)

    @trim_traceback
    def unregister_worker_plugin(self, name: str, nanny: Any = None) -> Any:
        """Unregister a plugin. Processes that have set it up tear it down before they run the next function.

        Parameters
        ----------
        name : str
            The name of the plugin.

        Raises
        ------
        ValueError
            If no plugin of this name is registered.
        """
        needs = self._function_needs()
        need = needs.get(name)
        if need is None or not need.pieces:
            known = ", ".join(one.name for one in needs.values() if one.pieces)
            raise ValueError(f"no plugin {name!r} is registered; registered: {known or 'none'}")
        self._needs = {**needs, name: need._replace(pieces=0)}
        requests = self._delete(need)
        return run_steps(self, all_answers(requests))

    def register_worker_callbacks(self, setup: Callable[..., Any]) -> Any:
        """Call a function in each Python process of the workers before it runs functions: :meth:`register_plugin`.

        Parameters
        ----------
        setup : callable
            The function. It is called with the worker if it has an argument ``dask_worker`` or ``worker``.

        Examples
        --------
        >>> import os
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.register_worker_callbacks(lambda: os.environ.update(MODE="fast"))
        ...     client.submit(os.getenv, "MODE").result()
        'fast'
        """
        return self.register_plugin(SetupFunction(setup))

    @trim_traceback
    def upload_file(self, filename: str, load: bool = True) -> Any:
        """Upload a file to the workers. Functions that are submitted afterwards can import it.

        An exception of a Python file when it is imported, such as a SyntaxError or an ImportError, is raised at once, as
        with :meth:`register_plugin`.

        Parameters
        ----------
        filename : str
            A Python file, an egg, a zip archive, or any other file, which functions find beside ``__file__`` of a module
            or in ``sys.path[0]``.
        load : bool
            Whether the workers import a Python file at once.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     with open("offset.py", "w") as file:
        ...         _ = file.write("def shift(x): return x + 10")
        ...     client.upload_file("offset.py")
        ...     client.submit(lambda x: __import__("offset").shift(x), 1).result()
        11
        """
        plugin = UploadFile(filename, load)
        if load and filename.endswith(".py"):
            # Without waiting for a worker.
            compile(plugin.data, filename, "exec", dont_inherit=True)
        return self.register_plugin(plugin)

    def _delete(self, need: Need) -> list[Request]:
        names = [f"{need.key}/{number}" for number in range(need.pieces)]
        return [self._coordinator.start("setup", do="delete", name=name) for name in names]

    def _drop_setups(self) -> None:
        """Delete at the scheduler what this client registered."""
        if self._shipment is not None:
            self._shipment.close()
        prefix = f"{self._connection.session}/"
        for need in (self._needs or {}).values():
            if need.key.startswith(prefix):
                with contextlib.suppress(ClusterError):
                    self._delete(need)
