"""Opening files: local ones, and others if ``fsspec`` is installed."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import warnings
from collections.abc import Callable
from typing import Any

from ..utils import import_optional

__all__ = ["expand", "file_size", "has_compression", "infer_compression", "open_binary", "output_paths"]

_EXTENSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".lzma": "lzma", ".zst": "zstd", ".lz4": "lz4", ".zip": "zip"}
_OPENERS: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


def is_url(path: str) -> bool:
    """Whether a path names another file system."""
    return "://" in path and not path.startswith("file://")


def _fsspec(path: str) -> Any:
    module = import_optional("fsspec")
    if module is None:
        raise ImportError(f"cannot open {path!r}: install the package fsspec, and the one of its file system")
    return module


def _local(path: str) -> str:
    if is_url(path):
        return path
    return os.path.expanduser(path[len("file://") :] if path.startswith("file://") else path)


def expand(paths: Any, options: dict[str, Any] | None = None) -> list[str]:
    """Return the paths that patterns match, in alphabetical order.

    Raises
    ------
    ValueError
        If a pattern matches no file, or there are no paths.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[str] = []
    for path in given:
        path = _local(os.fspath(path))
        if not glob.has_magic(path):
            found.append(path if is_url(path) else os.path.abspath(path))
            continue
        if is_url(path):
            system, inner = _fsspec(path).core.url_to_fs(path, **(options or {}))
            matches = [system.unstrip_protocol(one) for one in sorted(system.glob(inner))]
        else:
            matches = sorted(os.path.abspath(one) for one in glob.glob(path, recursive=True) if os.path.isfile(one))
        if not matches:
            raise ValueError(f"no files match {path!r}")
        found += matches
    if not found:
        raise ValueError("no files found: the list of paths is empty")
    return found


def infer_compression(path: str, compression: Any) -> Any:
    """Return the compression of a file, by its extension if it is ``"infer"``."""
    return _EXTENSIONS.get(os.path.splitext(path)[1].lower()) if compression == "infer" else compression


def has_compression(compression: Any) -> None:
    """Raise an error if a compression is not supported."""
    if compression is None or compression in _OPENERS:
        return
    module = import_optional("fsspec.compression")
    if module is None or compression not in module.compr:
        raise ValueError(f"the compression {compression!r} is not supported, or its package is not installed")


def open_binary(path: str, mode: str, compression: Any = None, options: dict[str, Any] | None = None) -> Any:
    """Open a file for reading or writing of bytes, ``"rb"`` or ``"wb"``."""
    if is_url(path):
        return _fsspec(path).open(path, mode, compression=compression, **(options or {})).open()
    if compression is None:
        return open(path, mode)
    if compression in _OPENERS:
        return _OPENERS[compression](path, mode)
    has_compression(compression)
    return _fsspec(path).open(path, mode, compression=compression).open()


def file_size(path: str, options: dict[str, Any] | None = None) -> int:
    """Return the size of a file in bytes."""
    if is_url(path):
        system, inner = _fsspec(path).core.url_to_fs(path, **(options or {}))
        return int(system.size(inner))
    return os.path.getsize(path)


def output_paths(path: Any, count: int, name_function: Any, extension: str) -> list[str]:
    """Return a path for each partition.

    Parameters
    ----------
    path : str or list of str
        A folder, which is created, a path in which ``*`` stands for the number, or the paths.
    count : int
        The number of partitions.
    name_function : callable, optional
        Returns what stands for ``*`` from the number of a partition.
    extension : str
        Extension of files in a folder.
    """
    if isinstance(path, (list, tuple, set)):
        paths = [_local(os.fspath(one)) for one in path]
        if len(paths) != count:
            raise ValueError(f"expected a path for each of the {count} partitions, not {len(paths)} paths")
    elif isinstance(path, (str, os.PathLike)):
        pattern = _local(os.fspath(path))
        if "*" not in pattern:
            pattern = os.path.join(pattern, f"*.{extension}")
        if pattern.count("*") > 1:
            raise ValueError(f"the path {pattern!r} contains more than one '*'")
        width = len(str(max(count - 1, 0)))
        name = name_function or (lambda at: str(at).zfill(width))
        paths = [pattern.replace("*", name(at)) for at in range(count)]
        if paths != sorted(paths):
            warnings.warn(
                "the paths of name_function do not sort like the partitions; readers return the items in another order",
                stacklevel=3,
            )
    else:
        raise TypeError(f"the path must be a string, a path or a list of these, not {type(path).__name__}")
    if len(set(paths)) != len(paths):
        raise ValueError("name_function returns the same path for several partitions")
    for one in paths:
        folder = os.path.dirname(one)
        if folder and not is_url(one):
            os.makedirs(folder, exist_ok=True)
    return [one if is_url(one) else os.path.abspath(one) for one in paths]
