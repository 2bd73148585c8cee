"""Temporary files and folders as context managers."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["changed_cwd", "filetext", "filetexts", "tmp_cwd", "tmpdir", "tmpfile"]


@contextlib.contextmanager
def tmpfile(extension: str = "", dir: str | None = None) -> Iterator[str]:
    """Context manager with the path of a temporary file that does not exist yet, removed at the end."""
    extension = f".{extension.lstrip('.')}" if extension else ""
    handle, path = tempfile.mkstemp(extension, dir=dir)
    os.close(handle)
    os.remove(path)
    try:
        yield path
    finally:
        _remove(path)


@contextlib.contextmanager
def tmpdir(dir: str | None = None) -> Iterator[str]:
    """Context manager with the path of a temporary folder, removed at the end."""
    path = tempfile.mkdtemp(dir=dir)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


@contextlib.contextmanager
def changed_cwd(new_cwd: str) -> Iterator[None]:
    """Context manager in which another folder is the current one."""
    old = os.getcwd()
    os.chdir(new_cwd)
    try:
        yield
    finally:
        os.chdir(old)


@contextlib.contextmanager
def tmp_cwd(dir: str | None = None) -> Iterator[str]:
    """Context manager in which a temporary folder is the current one."""
    with tmpdir(dir) as path, changed_cwd(path):
        yield path


@contextlib.contextmanager
def filetexts(d: Mapping[str, Any], open: Any = open, mode: str = "t", use_tmpdir: bool = True) -> Iterator[list[str]]:
    """Context manager with files of these contents, by name, in a temporary folder that is the current one."""
    with tmp_cwd() if use_tmpdir else contextlib.nullcontext():
        for name, text in d.items():
            folder = os.path.dirname(name)
            if folder:
                os.makedirs(folder, exist_ok=True)
            with open(name, f"w{mode}") as file:
                file.write(text)
        yield list(d)
        if not use_tmpdir:
            for name in d:
                _remove(name)


@contextlib.contextmanager
def filetext(text: Any, extension: str = "", open: Any = open, mode: str = "w") -> Iterator[str]:
    """Context manager with the path of a temporary file of this content."""
    with tmpfile(extension) as path:
        with open(path, mode) as file:
            file.write(text)
        yield path
