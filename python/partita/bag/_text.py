"""Bags of the lines of text files."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterator
from typing import Any

from .._tokens import tokenize
from ..delayed import _make
from ..utils import parse_bytes
from ._files import expand, file_size, has_compression, infer_compression, open_binary, output_paths
from ._layers import Build, Elementwise, Parts

__all__ = ["read_text", "to_textfiles"]

#: Line breaks that Python's text files know.
_LINE_BREAKS = (None, "", "\n", "\r", "\r\n")
#: Number of bytes that are read at once in search of a delimiter.
_SEARCH_BYTES = 1 << 16


def read_text(
    urlpath: Any,
    blocksize: Any = None,
    compression: Any = "infer",
    encoding: str | None = None,
    errors: str = "strict",
    linedelimiter: str | None = None,
    collection: bool = True,
    storage_options: dict[str, Any] | None = None,
    files_per_partition: int | None = None,
    include_path: bool = False,
) -> Any:
    r"""Create a bag of the lines of text files, with their line breaks.

    Parameters
    ----------
    urlpath : str or list of str
        Paths, which may be patterns such as ``"logs/*.gz"``. URLs require ``fsspec``.
    blocksize : int or str, optional
        Size of a partition in bytes. Without it, each file is a partition.
    compression : str, optional
        ``"gzip"``, ``"bz2"``, ``"xz"``, or None. By default it follows from the extension.
    encoding : str
        Encoding of the files; UTF-8 by default.
    errors : str
        What happens with invalid bytes, as in :meth:`bytes.decode`.
    linedelimiter : str, optional
        What ends a line. By default, line breaks of all systems do, and become ``"\n"``.
    collection : bool
        Whether to return a bag, or a list of delayed values.
    storage_options : dict, optional
        Options of the file system of an URL.
    files_per_partition : int, optional
        Number of files in a partition.
    include_path : bool
        Whether the items are pairs of a line and the path of its file.

    Examples
    --------
    >>> from partita import bag
    >>> lines = bag.read_text("logs/*.txt", blocksize="64MB")  # doctest: +SKIP
    """
    encoding = encoding or "utf-8"
    if blocksize is not None and files_per_partition is not None:
        raise ValueError("read_text() takes either blocksize or files_per_partition")
    paths = expand(urlpath, storage_options)
    kinds = {path: infer_compression(path, compression) for path in paths}
    for kind in set(kinds.values()):
        has_compression(kind)
    options = (encoding, errors, linedelimiter, storage_options, include_path)
    specs: list[Any]
    if blocksize is None:
        size = files_per_partition or 1
        files = [(path, kinds[path]) for path in paths]
        specs = [files[at : at + size] for at in range(0, len(files), size)]
        step: Any = functools.partial(_read_files, options)
    else:
        specs = _blocks(paths, kinds, parse_bytes(blocksize), encoding, linedelimiter, storage_options)
        step = functools.partial(_read_block, options)
    source = Parts(f"read_text-files-{tokenize(specs)}", specs, is_value=True)
    name = f"read_text-{tokenize(specs, options)}"
    layer = Elementwise(name, source, step)
    if collection:
        from ._bag import Bag

        return Bag(layer, name, len(specs))
    return [_make(node) for node in Build([layer]).nodes(layer)]


def _blocks(
    paths: list[str],
    kinds: dict[str, Any],
    size: int,
    encoding: str,
    delimiter: str | None,
    storage_options: dict[str, Any] | None,
) -> list[Any]:
    """Return the blocks of files: path, first and last byte."""
    if size < 1:
        raise ValueError(f"blocksize must be at least 1 byte, not {size}")
    if len("\n".encode(encoding)) != 1:
        raise ValueError(f"read_text() does not support blocksize= with the encoding {encoding!r}")
    blocks: list[Any] = []
    for path in paths:
        if kinds[path] is not None:
            raise ValueError(f"cannot read {path!r} in blocks: it is compressed ({kinds[path]}); use blocksize=None")
        total = file_size(path, storage_options)
        count = max(total // size, 1)
        bounds = [total * at // count for at in range(count + 1)]
        blocks += [(path, first, last, total) for first, last in zip(bounds, bounds[1:])]
    return blocks


def _read_files(options: tuple[Any, ...], files: list[tuple[str, Any]]) -> Iterator[Any]:
    encoding, errors, delimiter, storage_options, include_path = options
    for path, compression in files:
        with open_binary(path, "rb", compression, storage_options) as binary:
            newline = delimiter if delimiter in _LINE_BREAKS else ""
            with io.TextIOWrapper(binary, encoding, errors, newline) as text:
                for line in text if delimiter in _LINE_BREAKS else _split(text.read(), delimiter):
                    yield (line, path) if include_path else line


def _split(text: str, delimiter: str) -> list[str]:
    """Return the parts of a text that end with a delimiter, and the rest if there is one."""
    *parts, rest = text.split(delimiter)
    return [part + delimiter for part in parts] + ([rest] if rest else [])


def _read_block(options: tuple[Any, ...], block: tuple[str, int, int, int]) -> Iterator[Any]:
    encoding, errors, delimiter, storage_options, include_path = options
    path, first, last, total = block
    mark = ("\n" if delimiter in (None, "") else delimiter).encode(encoding)
    with open_binary(path, "rb", None, storage_options) as file:
        start, end = (_line_start(file, bound, total, mark) for bound in (first, last))
        file.seek(start)
        data = file.read(end - start)
    text = data.decode(encoding, errors)
    lines = io.StringIO(text, newline=delimiter) if delimiter in _LINE_BREAKS else _split(text, delimiter)
    for line in lines:
        yield (line, path) if include_path else line


def _line_start(file: Any, bound: int, total: int, mark: bytes) -> int:
    """Return where the first line starts that begins at or after a byte of a file."""
    if bound <= 0 or bound >= total:
        return min(max(bound, 0), total)
    # A mark that ends at this byte counts. Where one mark may begin within another, as in "aaa" for the mark "aa", only
    # a search from the start of the file finds those that end a line.
    is_ambiguous = any(mark.startswith(mark[at:]) for at in range(1, len(mark)))
    start = 0 if is_ambiguous else max(bound - len(mark), 0)
    file.seek(start)
    data = b""
    while True:
        more = file.read(_SEARCH_BYTES)
        data += more
        at = data.find(mark)
        while at >= 0 and start + at + len(mark) < bound:
            data, start = data[at + len(mark) :], start + at + len(mark)
            at = data.find(mark)
        if at >= 0:
            return start + at + len(mark)
        if not more:
            return total
        # The mark may begin in what was read.
        drop = max(len(data) - len(mark) + 1, 0)
        data, start = data[drop:], start + drop


def to_textfiles(
    b: Any,
    path: Any,
    name_function: Any = None,
    compression: Any = "infer",
    encoding: str = "utf-8",
    compute: bool = True,
    storage_options: Any = None,
    last_endline: bool = False,
    **kwargs: Any,
) -> Any:
    """Write the items of a bag as lines of text files: :meth:`Bag.to_textfiles`."""
    paths = output_paths(path, b.npartitions, name_function, "part")
    kinds = [infer_compression(one, compression) for one in paths]
    for kind in set(kinds):
        has_compression(kind)
    step = functools.partial(_write, encoding, last_endline, storage_options)
    layer = Elementwise(
        f"to_textfiles-{tokenize(b, paths, kinds, encoding, last_endline)}",
        b._layer,
        step,
        [("list", list(zip(paths, kinds)))],
    )
    delayed = [_make(node) for node in Build([layer]).nodes(layer)]
    if not compute:
        return delayed
    from ..base import compute as run

    run(*delayed, **kwargs)
    return paths


def _write(encoding: str, last_endline: bool, storage_options: Any, part: Any, target: tuple[str, Any]) -> None:
    path, compression = target
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the path must be a string, not {type(path).__name__}")
    with (
        open_binary(path, "wb", compression, storage_options) as binary,
        io.TextIOWrapper(binary, encoding, newline="") as file,
    ):
        is_first = True
        for line in part:
            if not is_first:
                file.write("\n")
            file.write(line.decode(encoding) if isinstance(line, bytes) else line)
            is_first = False
        if last_endline:
            file.write("\n")
