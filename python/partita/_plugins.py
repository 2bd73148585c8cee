"""Plugins: what runs in each Python process of the workers before functions do."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

from ._setup import once_per_worker, worker_folder

__all__ = ["Environ", "InstallPlugin", "PipInstall", "SetupFunction", "UploadDirectory", "UploadFile", "WorkerPlugin"]

#: Time to install packages, in seconds.
INSTALL_TIMEOUT_S = 1800.0
#: Lines of the output of pip in an error.
OUTPUT_LINES_MAX = 20


class WorkerPlugin:
    """Base class of plugins.

    ``Client.register_plugin`` sends an instance to the workers. Each of their Python processes calls :meth:`setup` before
    it runs functions that are submitted afterwards.

    Examples
    --------
    >>> class Model(WorkerPlugin):
    ...     def setup(self, worker):
    ...         worker.model = "loaded"
    """

    def setup(self, worker: Any) -> Any:
        """Prepare a Python process of a worker. It may be a coroutine function.

        Parameters
        ----------
        worker : WorkerView
            What :func:`get_worker` returns in functions.
        """

    def teardown(self, worker: Any) -> Any:
        """Undo the preparation, at the end of the process or after the plugin was replaced or unregistered."""


class SetupFunction(WorkerPlugin):
    """Calls a function.

    Parameters
    ----------
    function : callable
        The function. It is called with the worker if it has an argument ``dask_worker`` or ``worker``.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.name = f"setup-{os.urandom(8).hex()}"

    def setup(self, worker: Any) -> Any:
        try:
            known = set(inspect.signature(self._function).parameters)
        except (TypeError, ValueError):
            known = set()
        named = {name: worker for name in ("dask_worker", "worker") if name in known}
        return self._function(**named)


class Environ(WorkerPlugin):
    """Sets environment variables.

    Parameters
    ----------
    environ : dict
        The variables.
    """

    name = "environ"

    def __init__(self, environ: dict[str, Any] | None = None) -> None:
        self.environ = {name: str(value) for name, value in (environ or {}).items()}
        digest = hashlib.blake2b(repr(sorted(self.environ.items())).encode(), digest_size=8)
        self.name = f"environ-{digest.hexdigest()}"

    def setup(self, worker: Any) -> None:
        os.environ.update(self.environ)


class UploadFile(WorkerPlugin):
    """Uploads a file. Python files, eggs and zip archives can be imported on the workers.

    Parameters
    ----------
    filepath : str
        The file.
    load : bool
        Whether to import it at once, if it is a Python file.
    """

    def __init__(self, filepath: str, load: bool = True) -> None:
        self.filename = os.path.basename(filepath)
        self.load = load
        self.name = f"upload-file-{self.filename}"
        with open(filepath, "rb") as file:
            self.data = file.read()
        self._digest = hashlib.blake2b(self.data, digest_size=16).hexdigest()
        self._entry = ""

    def setup(self, worker: Any) -> None:
        folder = os.path.join(worker_folder(worker), f"partita-files-{self._digest}")
        path = os.path.join(folder, self.filename)
        with once_per_worker(worker, f"file-{self._digest}-{self.filename}") as is_new:
            if is_new:
                os.makedirs(folder, exist_ok=True)
                with open(path, "wb") as file:
                    file.write(self.data)
        stem, extension = os.path.splitext(self.filename)
        self._entry = path if extension in (".egg", ".zip") else folder
        _add_path(self._entry)
        if extension == ".py":
            # An earlier version may have been imported.
            _forget_module(stem, folder)
            if self.load:
                importlib.import_module(stem)

    def teardown(self, worker: Any) -> None:
        _remove_path(self._entry)


class UploadDirectory(WorkerPlugin):
    """Uploads a folder into the folder of each worker, ``get_worker().local_directory``.

    Its parent folder is added to the module search path, so that packages can be imported.

    Parameters
    ----------
    path : str
        The folder.
    restart_workers : bool
        Accepted for compatibility with Dask: functions that are submitted later see the files in any case.
    update_path : bool
        Whether the folder itself is added to the module search path, too.
    skip_words : iterable of str
        Names of folders and files to leave out.
    skip : iterable of callable
        Functions of a path that return whether to leave the file out.
    mode : str
        ``"workers"``, the only supported one.
    """

    def __init__(
        self,
        path: Any,
        restart_workers: bool = False,
        update_path: bool = False,
        skip_words: Iterable[str] = (".git", ".github", ".pytest_cache", "tests", "docs"),
        skip: Iterable[Callable[[str], bool]] = (lambda name: name.endswith(".pyc"),),
        mode: str = "workers",
    ) -> None:
        if mode not in ("workers", "scheduler", "all"):
            raise ValueError(f"mode must be 'workers', not {mode!r}")
        if mode != "workers":
            raise NotImplementedError(f"mode={mode!r} is not supported: files are uploaded to the workers only")
        path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        if not os.path.isdir(path):
            raise FileNotFoundError(f"cannot upload '{path}': no such folder")
        self.path = os.path.basename(path)
        self.update_path = update_path
        self.name = f"upload-directory-{self.path}"
        self.data = _archive(path, set(skip_words), list(skip))
        self._digest = hashlib.blake2b(self.data, digest_size=16).hexdigest()
        self._entries: list[str] = []

    def setup(self, worker: Any) -> None:
        shared = worker_folder(worker)
        folder = os.path.join(shared, f"partita-files-{self._digest}")
        with once_per_worker(worker, f"folder-{self._digest}") as is_new:
            if is_new:
                with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
                    archive.extractall(folder)
                _link(os.path.join(folder, self.path), os.path.join(shared, self.path))
        self._entries = [folder, *([os.path.join(folder, self.path)] if self.update_path else [])]
        for entry in self._entries:
            _add_path(entry)
        _forget_module(self.path, folder)

    def teardown(self, worker: Any) -> None:
        for entry in self._entries:
            _remove_path(entry)


class InstallPlugin(WorkerPlugin):
    """Calls a function once on each worker, such as one that installs software.

    Parameters
    ----------
    install_fn : callable
        The function.
    restart_workers : bool
        Accepted for compatibility with Dask; no effect.
    """

    def __init__(self, install_fn: Callable[[], Any], restart_workers: bool = False) -> None:
        self._install = install_fn
        self.name = f"install-{os.urandom(8).hex()}"

    def setup(self, worker: Any) -> None:
        with once_per_worker(worker, self.name) as is_new:
            if is_new:
                self._install()
        importlib.invalidate_caches()


class PipInstall(InstallPlugin):
    """Installs packages with pip into the Python of the workers, once on each worker.

    Parameters
    ----------
    packages : list of str
        The packages, as pip takes them.
    pip_options : list of str, optional
        Further arguments of ``pip install``, such as ``["--upgrade"]``.
    restart_workers : bool
        Accepted for compatibility with Dask. Processes that have imported an older version continue with it.
    """

    def __init__(
        self, packages: list[str], pip_options: list[str] | None = None, restart_workers: bool = False
    ) -> None:
        self.packages = sorted(packages)
        self.pip_options = list(pip_options or [])
        super().__init__(self._run_pip)
        text = repr((self.packages, self.pip_options)).encode()
        self.name = f"pip-install-{hashlib.blake2b(text, digest_size=8).hexdigest()}"

    def _run_pip(self) -> None:
        command = [sys.executable, "-m", "pip", "install", *self.pip_options, *self.packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()[-OUTPUT_LINES_MAX:]
            raise RuntimeError(f"cannot install {', '.join(self.packages)}: " + "\n".join(lines))


def _archive(path: str, skip_words: set[str], skip: list[Callable[[str], bool]]) -> bytes:
    """Return the files of a folder as a zip archive. Equal files give equal bytes."""
    parent = os.path.dirname(path)
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for root, folders, names in os.walk(path):
                folders[:] = sorted(set(folders) - skip_words)
                for name in sorted(set(names) - skip_words):
                    found = os.path.join(root, name)
                    if not any(function(found) for function in skip):
                        with open(found, "rb") as source:
                            entry = zipfile.ZipInfo(os.path.relpath(found, parent))
                            entry.external_attr = (os.stat(found).st_mode & 0xFFFF) << 16
                            entry.compress_type = zipfile.ZIP_DEFLATED
                            archive.writestr(entry, source.read())
        return file.getvalue()


def _link(source: str, target: str) -> None:
    """Make a folder known under another name, in the place of an earlier link."""
    temporary = tempfile.mktemp(dir=os.path.dirname(target))
    os.symlink(source, temporary)
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    os.replace(temporary, target)


def _add_path(entry: str) -> None:
    if entry in sys.path:
        sys.path.remove(entry)
    sys.path.insert(0, entry)
    importlib.invalidate_caches()


def _remove_path(entry: str) -> None:
    """Remove a folder or an archive from the module search path, and forget the modules that were imported from it."""
    with contextlib.suppress(ValueError):
        sys.path.remove(entry)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(entry + os.sep):
            del sys.modules[name]
    sys.path_importer_cache.pop(entry, None)
    importlib.invalidate_caches()


def _forget_module(name: str, folder: str) -> None:
    """Forget a module, with its submodules, that was imported from another folder."""
    module = sys.modules.get(name)
    if module is None or str(getattr(module, "__file__", None) or "").startswith(folder + os.sep):
        return
    for known in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        del sys.modules[known]
    importlib.invalidate_caches()
