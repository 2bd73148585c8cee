"""Modules of this process's Python as archives: what ``Client(environment="ship")`` sends to the workers."""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import os
import sys
import sysconfig
import zipfile
import zipimport
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = [
    "COMPILED",
    "MISSING",
    "MODULE",
    "NAMESPACE",
    "REFUSED",
    "Found",
    "find_module",
    "hash_archive",
    "is_standard",
]

#: What was found for the name of a module: nothing; a file or package with its archive; a namespace package, whose
#: parts are found by their own names; or what cannot be sent.
MISSING, MODULE, NAMESPACE, REFUSED = "missing", "module", "namespace", "refused"

#: Maximum size of the files of a module, in bytes, as of the arguments of a call.
MODULE_BYTES_MAX = 128 << 20
#: Maximum number of the files of a module.
MODULE_FILES_MAX = 20_000
#: Ends of the names of files with machine code, which may not run on the workers.
COMPILED = (*importlib.machinery.EXTENSION_SUFFIXES, ".so", ".pyd", ".dylib")
#: Files of the metadata of a package that it may read about itself when it is imported.
_METADATA = ("METADATA", "PKG-INFO", "entry_points.txt")


class Found(NamedTuple):
    """What was found for the name of a module.

    Attributes
    ----------
    kind : str
        ``missing``, ``module``, ``namespace`` or ``refused``.
    text : str
        Why it is refused.
    archive : bytes
        The files of a module, as a zip archive.
    """

    kind: str
    text: str = ""
    archive: bytes = b""


class _TooLarge(Exception):
    """A module has too many files or bytes."""


def is_standard(name: str) -> bool:
    """Whether a module belongs to the standard library, of which each Python has its own."""
    top = name.partition(".")[0]
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return top in known
    # Python 3.9 does not list them.
    folder = sysconfig.get_paths()["stdlib"]
    return top in sys.builtin_module_names or any(
        os.path.exists(os.path.join(folder, path)) for path in (top, f"{top}.py")
    )


def find_module(name: str) -> Found:
    """Find a module by its full name and pack it.

    Parameters
    ----------
    name : str
        The name of a module at the top level, or of one in a namespace package.

    Returns
    -------
    Found
        What was found. Modules of the standard library are missing: workers have their own.
    """
    if is_standard(name):
        return Found(MISSING)
    try:
        spec = _spec(name)
    except Exception:
        # Whatever the search path of this process raises, such as for a parent that cannot be imported.
        spec = None
    if spec is None:
        return Found(MISSING)
    if spec.origin is None and spec.submodule_search_locations is not None:
        return Found(NAMESPACE)
    try:
        files = _files(name, spec)
    except _TooLarge:
        return Found(
            REFUSED,
            f"the module {name} of the client is not sent to the workers, since its files take more than "
            f"{MODULE_BYTES_MAX >> 20} MiB or are more than {MODULE_FILES_MAX:,}: install it in the Python of the workers",
        )
    except OSError as error:
        return Found(REFUSED, f"the module {name} of the client cannot be sent to the workers: {error}")
    if files is None:
        return Found(MISSING)
    compiled = sorted(path for path in files if _is_compiled(path))
    if compiled:
        return Found(
            REFUSED,
            f"the module {name} of the client is not sent to the workers, since it is compiled ({compiled[0]}): install it "
            "in the Python of the workers, or give them the same Python with Client(python=)",
        )
    return Found(MODULE, archive=_pack({**_metadata(name), **files}))


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    known = getattr(sys.modules.get(name), "__spec__", None)
    return known if known is not None else importlib.util.find_spec(name)


def _is_compiled(path: str) -> bool:
    name = os.path.basename(path)
    return name.endswith(COMPILED) or ".so." in name


def _files(name: str, spec: importlib.machinery.ModuleSpec) -> dict[str, bytes] | None:
    """Return the content of the files of a module, by their paths; None if it is not in files."""
    last = name.rpartition(".")[2]
    loader, origin = spec.loader, spec.origin or ""
    is_package = spec.submodule_search_locations is not None
    if isinstance(loader, zipimport.zipimporter):
        return _zipped_files(loader, last, is_package)
    if not os.path.isfile(origin):
        return None
    if not is_package:
        return _read([(last + _suffix(origin), origin)])
    return _read(_walk(os.path.dirname(origin), last, set()))


def _suffix(path: str) -> str:
    """Return the suffix of a module's file: all of ``.cpython-311-x86_64-linux-gnu.so``."""
    return next((one for one in COMPILED if path.endswith(one)), os.path.splitext(path)[1])


def _read(paths: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    for name, path in paths:
        size += os.stat(path).st_size
        if size > MODULE_BYTES_MAX or len(files) >= MODULE_FILES_MAX:
            raise _TooLarge
        with open(path, "rb") as file:
            files[name] = file.read()
    return files


def _is_left_out(name: str) -> bool:
    return name == "__pycache__" or name.startswith(".")


def _walk(folder: str, name: str, above: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the files below a folder: their names in the archive, and their paths. Links are followed, but not in circles."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir():
            if not _is_left_out(entry.name):
                yield from _walk(entry.path, f"{name}/{entry.name}", above | {real})
        elif entry.is_file() and not _is_left_out(entry.name):
            yield f"{name}/{entry.name}", entry.path


def _zipped_files(loader: zipimport.zipimporter, last: str, is_package: bool) -> dict[str, bytes]:
    """Return the files of a module in a wheel, an egg or another zip archive."""
    start = f"{loader.prefix.replace(os.sep, '/')}{last}"
    files: dict[str, bytes] = {}
    size = 0
    with zipfile.ZipFile(loader.archive) as archive:
        for entry in archive.infolist():
            own = entry.filename[len(start) :]
            if entry.is_dir() or not entry.filename.startswith(start):
                continue
            if not (own.startswith("/") if is_package else own in (".py", ".pyc")):
                continue
            if any(map(_is_left_out, own.split("/"))) and is_package:
                continue
            size += entry.file_size
            if size > MODULE_BYTES_MAX or len(files) >= MODULE_FILES_MAX:
                raise _TooLarge
            files[last + own] = archive.read(entry)
    return files


@functools.lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    find = getattr(importlib.metadata, "packages_distributions", None)
    return {} if find is None else dict(find())


def _metadata(name: str) -> dict[str, bytes]:
    """Return the metadata of the packages that have a module, as files: many read their own version from them."""
    files: dict[str, bytes] = {}
    for known in dict.fromkeys(_distributions().get(name.partition(".")[0], [])):
        try:
            distribution = importlib.metadata.distribution(known)
            folder = f"{known.replace('-', '_')}-{distribution.version}.dist-info"
        except Exception:
            # Metadata that cannot be read here cannot be read there.
            continue
        for one in _METADATA:
            text = distribution.read_text(one)
            if text:
                files.setdefault(f"{folder}/{'METADATA' if one == 'PKG-INFO' else one}", text.encode())
    return files


def _pack(files: Mapping[str, bytes]) -> bytes:
    """Return files as a zip archive. Equal files give equal bytes."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in sorted(files):
                entry: Any = zipfile.ZipInfo(name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, files[name])
        return file.getvalue()


def hash_archive(archive: bytes) -> str:
    """Return what identifies the content of an archive."""
    return hashlib.blake2b(archive, digest_size=16).hexdigest()
