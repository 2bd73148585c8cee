"""HDF5: datasets of files as arrays. This requires the package ``h5py``."""

from __future__ import annotations

import os
from typing import Any

from ._core import Array
from ._from_array import FileArray, from_array, open_hdf5
from ._store import store

__all__ = ["from_hdf5", "to_hdf5"]


def _import_h5py() -> Any:
    from ..utils import import_required

    return import_required("h5py", "from_hdf5() and to_hdf5() need the package h5py: install it with pip install h5py")


def from_hdf5(filename: Any, datapath: str, chunks: Any = "auto", **kwargs: Any) -> Array:
    """Return an array of a dataset of an HDF5 file. Each process that reads it opens the file itself.

    ``from_array(file[datapath])`` does the same for a file that is open for reading.

    Parameters
    ----------
    filename : str
        Path of the file, which the workers must be able to read.
    datapath : str
        Path of the dataset in the file.
    chunks : int, tuple or str
        The chunks, as in :func:`normalize_chunks`; by default multiples of those of the file.
    **kwargs
        Arguments of :func:`from_array`.
    """
    h5py = _import_h5py()
    path = os.path.abspath(os.fspath(filename))
    with h5py.File(path, "r") as file:
        if datapath not in file:
            raise KeyError(f"{path!r} has no dataset {datapath!r}; it has {sorted(file)}")
        found = file[datapath]
        if not isinstance(found, h5py.Dataset):
            raise ValueError(f"{datapath!r} in {path!r} is a group; name one of its datasets: {sorted(found)}")
        source = FileArray(open_hdf5, (path, datapath), shape=found.shape, dtype=found.dtype, chunks=found.chunks)
    return from_array(source, chunks, **kwargs)


def to_hdf5(filename: Any, *args: Any, chunks: Any = True, **kwargs: Any) -> None:
    """Write arrays into an HDF5 file. This requires the package ``h5py``.

    Parameters
    ----------
    filename : str
        Path of the file.
    *args
        The path in the file and the array, or a dict of these.
    chunks : tuple or bool
        Chunks of the file; True stands for those of the array.
    **kwargs
        Arguments of ``h5py.File.create_dataset``.
    """
    h5py = _import_h5py()
    if len(args) == 1 and isinstance(args[0], dict):
        data = args[0]
    elif len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Array):
        data = {args[0]: args[1]}
    else:
        raise ValueError("Please provide {'/data/path': array} dictionary")
    compute_options = {name: kwargs.pop(name) for name in ("scheduler",) if name in kwargs}
    with h5py.File(filename, mode="a") as file:
        targets = [
            file.require_dataset(
                path,
                shape=x.shape,
                dtype=x.dtype,
                chunks=tuple([one[0] for one in x.chunks]) if chunks is True else chunks,
                **kwargs,
            )
            for path, x in data.items()
        ]
        store(list(data.values()), targets, **compute_options)


def to_hdf5_array(x: Any, filename: Any, datapath: str, **kwargs: Any) -> None:
    """Write an array into an HDF5 file: the method ``to_hdf5``."""
    to_hdf5(filename, datapath, x, **kwargs)
