"""Avro files, read and written with the package ``fastavro``."""

from __future__ import annotations

import functools
import io
from typing import Any

from .._tokens import tokenize
from ..delayed import _make
from ..utils import import_required, parse_bytes
from ._files import expand, file_size, infer_compression, open_binary, output_paths
from ._layers import Build, Elementwise, Parts

__all__ = ["read_avro", "to_avro"]

_INSTALL = "Avro files require the package fastavro"
#: Length of the mark between the blocks of a file, in bytes.
_MARK_BYTES = 16
#: Number of bytes that are read at once in search of a mark.
_SEARCH_BYTES = 1 << 16


def read_avro(
    urlpath: Any, blocksize: Any = 100_000_000, storage_options: dict[str, Any] | None = None, compression: Any = None
) -> Any:
    """Create a bag of the records of Avro files, as dicts. This requires the package ``fastavro``.

    Parameters
    ----------
    urlpath : str or list of str
        Paths, which may be patterns. URLs require ``fsspec``.
    blocksize : int or str, optional
        Size of a partition in bytes. With None, each file is a partition.
    storage_options : dict, optional
        Options of the file system of an URL.
    compression : str, optional
        Compression of the files as a whole, with which `blocksize` must be None.
    """
    import_required("fastavro", _INSTALL)
    specs: list[Any] = []
    for path in expand(urlpath, storage_options):
        kind = infer_compression(path, compression)
        if blocksize is None:
            specs.append((path, kind, 0, 0))
            continue
        if kind is not None:
            raise ValueError(f"cannot read {path!r} in blocks: it is compressed ({kind}); use blocksize=None")
        total = file_size(path, storage_options)
        count = max(total // max(parse_bytes(blocksize), 1), 1)
        bounds = [total * at // count for at in range(count)]
        specs += [(path, None, first, last) for first, last in zip(bounds, [*bounds[1:], total])]
    from ._bag import Bag

    source = Parts(f"read_avro-files-{tokenize(specs)}", specs, is_value=True)
    name = f"read_avro-{tokenize(specs)}"
    return Bag(Elementwise(name, source, functools.partial(_read, storage_options)), name, len(specs))


def _read(storage_options: Any, spec: tuple[str, Any, int, int]) -> list[Any]:
    fastavro = import_required("fastavro", _INSTALL)
    path, compression, first, last = spec
    with open_binary(path, "rb", compression, storage_options) as file:
        if not last:
            return list(fastavro.reader(file))
        # The reader stops after the header, which ends with the mark that follows each block.
        fastavro.reader(file)
        size = file.tell()
        file.seek(0)
        header = file.read(size)
        mark = header[-_MARK_BYTES:]
        start = size if first <= size else _after_mark(file, first, mark)
        end = _after_mark(file, last, mark) if last > size else size
        if end <= start:
            return []
        file.seek(start)
        return list(fastavro.reader(io.BytesIO(header + file.read(end - start))))


def _after_mark(file: Any, bound: int, mark: bytes) -> int:
    """Return the end of the first mark that ends at or after a byte of a file, or the end of the file."""
    start = max(bound - len(mark), 0)
    file.seek(start)
    data = b""
    while True:
        more = file.read(_SEARCH_BYTES)
        data += more
        at = data.find(mark)
        if at >= 0:
            return int(start + at + len(mark))
        if not more:
            return int(start + len(data))
        drop = max(len(data) - len(mark) + 1, 0)
        data, start = data[drop:], start + drop


def to_avro(
    bag: Any,
    filename: Any,
    schema: Any,
    name_function: Any = None,
    storage_options: Any = None,
    codec: str = "null",
    sync_interval: int = 16000,
    metadata: Any = None,
    compute: bool = True,
    **kwargs: Any,
) -> Any:
    """Write the items of a bag as Avro files: :meth:`Bag.to_avro`."""
    import_required("fastavro", _INSTALL)
    _check_schema(schema)
    paths = output_paths(filename, bag.npartitions, name_function, "avro")
    step = functools.partial(_write, schema, codec, sync_interval, metadata, storage_options)
    name = f"to_avro-{tokenize(bag, paths, schema, codec, sync_interval, metadata)}"
    layer = Elementwise(name, bag._layer, step, [("list", paths)])
    delayed = [_make(node) for node in Build([layer]).nodes(layer)]
    if not compute:
        return delayed
    from ..base import compute as run

    run(*delayed, **kwargs)
    return paths


def _check_schema(schema: Any) -> None:
    """Check the outline of a schema, so that an invalid one is an error before the computation."""
    problem = ""
    if not isinstance(schema, dict):
        problem = f"expected a dict, not {type(schema).__name__}"
    elif "name" not in schema:
        problem = "it has no name"
    elif schema.get("type") != "record":
        problem = f"the type must be 'record', not {schema.get('type')!r}"
    elif not isinstance(schema.get("fields"), list):
        problem = "it has no list of fields"
    elif not all(isinstance(one, dict) and "name" in one and "type" in one for one in schema["fields"]):
        problem = "each field must have a name and a type"
    if problem:
        # Callers of Dask catch this class.
        raise AssertionError(f"invalid Avro schema: {problem}")


def _write(
    schema: Any, codec: str, sync_interval: int, metadata: Any, storage_options: Any, part: Any, path: str
) -> None:
    fastavro = import_required("fastavro", _INSTALL)
    with open_binary(path, "wb", None, storage_options) as file:
        fastavro.writer(
            file, fastavro.parse_schema(schema), part, codec=codec, sync_interval=sync_interval, metadata=metadata
        )
