"""The methods of a client that register plugins and upload files."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from typing import Any

from ._connection import Connection
from ._coordination import Coordinator, Request, Steps, all_answers, run_steps
from ._errors import ClusterError, trim_traceback
from ._packing import dumps
from ._plugins import UploadFile
from ._setup import PIECE_BYTES, Need, applied_needs
from ._shipping import Shipment

__all__ = ["SetupMethods"]


class SetupMethods:
    """Plugins and uploaded files."""

    _connection: Connection
    _coordinator: Coordinator
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
        same name is replaced. An exception of ``setup`` is that of the first function that runs there.

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

        return run_steps(self, steps())

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

    @trim_traceback
    def upload_file(self, filename: str, load: bool = True) -> Any:
        """Upload a file to the workers. Functions that are submitted afterwards can import it.

        Parameters
        ----------
        filename : str
            A Python file, an egg, a zip archive, or any other file, which functions find beside ``__file__`` of a module
            or in ``sys.path[0]``.
        load : bool
            Whether the workers import a Python file at once.
        """
        return self.register_plugin(UploadFile(filename, load))

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
