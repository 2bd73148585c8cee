"""Text files that pandas writes on the workers, one for each partition or one for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pandas as pd

from .._tasks import Task
from ._pandas_metadata import absolute
from ._writing_calls import ensure_folder, part_names, run_writers, writing_tasks

__all__ = ["write_csv", "write_json"]


def _paths(path: Any, count: int, name_function: Any, extension: str) -> list[str]:
    """Return the files of partitions: in a folder, or of a pattern."""
    target = absolute(path).removeprefix("file://")
    folder, name = os.path.split(target)
    if "*" not in name:
        return [os.path.join(target, f"part-{at:05}-0.{extension}") for at in range(count)]
    if name.count("*") > 1:
        raise ValueError(f"only one * is supported in the name of the files, not in {name!r}")
    return [os.path.join(folder, name.replace("*", one)) for one in part_names(count, name_function)]


def _extension(plain: str, compression: Any) -> str:
    method: Any = compression.get("method") if isinstance(compression, dict) else compression
    endings: dict[Any, str] = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst", "zip": ".zip"}
    return plain + endings.get(method, "")


def write_csv(
    frame: Any,
    path: Any,
    single_file: bool,
    mode: str,
    name_function: Any,
    firsts: bool,
    compute: bool,
    arguments: dict[str, Any],
) -> Any:
    """Write a frame to CSV files with pandas; see :meth:`DataFrame.to_csv`."""
    shown: list[str] = []
    extension = _extension("csv", arguments.get("compression"))

    def make(count: int) -> Callable[[Any, int], str]:
        target = absolute(path).removeprefix("file://")
        shown.extend([target] * count if single_file else _paths(path, count, name_function, extension))
        return _CsvWriter(list(shown), mode.replace("t", ""), firsts or single_file, single_file, arguments)

    tasks = writing_tasks(frame, make, "to_csv", serial=single_file)
    if single_file:
        last = Task(_first, (tasks,), None, "to_csv-finish")
        found = run_writers(frame._client, [last], compute, single=True)
        return shown[:1] if compute else found
    return run_writers(frame._client, tasks, compute)


def _first(values: list[Any]) -> Any:
    return values[0]


class _CsvWriter:
    """The function that writes a partition."""

    def __init__(self, paths: list[str], mode: str, firsts: bool, shares: bool, arguments: dict[str, Any]) -> None:
        self.paths = paths
        self.mode = mode
        self.firsts = firsts
        self.shares = shares
        self.arguments = arguments

    def __call__(self, part: Any, number: int) -> str:
        path = self.paths[number]
        ensure_folder(os.path.dirname(path))
        header = False if self.firsts and number else self.arguments["header"]
        # Later partitions are added to the file of the first one.
        mode = "a" if self.shares and number else self.mode
        part.to_csv(path, mode=mode, **{**self.arguments, "header": header})
        return path


def write_json(
    frame: Any,
    path: Any,
    name_function: Any,
    encoding: str,
    errors: str,
    compression: Any,
    compute: bool,
    arguments: dict[str, Any],
) -> Any:
    """Write a frame to files of JSON with pandas; see :meth:`DataFrame.to_json`."""
    extension = _extension("json", compression)

    def make(count: int) -> Callable[[Any, int], str]:
        return _JsonWriter(_paths(path, count, name_function, extension), encoding, errors, compression, arguments)

    return run_writers(frame._client, writing_tasks(frame, make, "to_json"), compute)


class _JsonWriter:
    """The function that writes a partition."""

    def __init__(
        self, paths: list[str], encoding: str, errors: str, compression: Any, arguments: dict[str, Any]
    ) -> None:
        self.paths = paths
        self.encoding = encoding
        self.errors = errors
        self.compression = compression
        self.arguments = arguments

    def __call__(self, part: pd.DataFrame, number: int) -> str:
        from pandas.io.common import get_handle

        path = self.paths[number]
        ensure_folder(os.path.dirname(path))
        text = part.to_json(**self.arguments)
        with get_handle(path, "w", encoding=self.encoding, errors=self.errors, compression=self.compression) as opened:
            opened.handle.write(text)
        return path
