"""Stacks of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._core import array_of
from ._expression import Node

__all__ = ["imread"]


def read_image(path: str, read: Callable[..., Any], preprocess: Callable[..., Any] | None) -> Any:
    """Read an image as a block with a first axis of size 1."""
    found = read(path)
    return np.asarray(found if preprocess is None else preprocess(found))[None]


def _default_reader(path: str) -> Callable[..., Any]:
    """Return the function that reads files such as one."""
    try:
        from skimage.io import imread as read_with_skimage
    except ImportError:
        if not path.lower().endswith((".tif", ".tiff")):
            raise ImportError(
                f"cannot read {path!r}: install the package scikit-image, or pass the function that reads a file as imread="
            ) from None
        try:
            from tifffile import imread as read_with_tifffile
        except ImportError:
            raise ImportError(
                f"cannot read {path!r}: install the package tifffile or scikit-image, or pass the function that reads a file as "
                "imread="
            ) from None
        return read_with_tifffile
    return read_with_skimage


def imread(
    filename: str, imread: Callable[..., Any] | None = None, preprocess: Callable[..., Any] | None = None
) -> Any:
    """Return an array of images, one chunk for each file.

    Parameters
    ----------
    filename : str
        A pattern of paths, such as ``"2015-*.png"``.
    imread : callable, optional
        Reads a file. By default ``skimage.io.imread`` of the package ``scikit-image``, and without it
        ``tifffile.imread`` of the package ``tifffile`` for files of TIFF.
    preprocess : callable, optional
        Called with each image.
    """
    paths = sorted(glob.glob(os.fspath(filename)))
    if not paths:
        raise ValueError(f"No files found under name {filename}")
    if imread is None:
        imread = _default_reader(paths[0])
    sample = read_image(paths[0], imread, preprocess)
    chunks = ((1,) * len(paths), *[(size,) for size in sample.shape[1:]])
    params = {"read": imread, "preprocess": preprocess}
    meta = np.empty((0,) * len(chunks), dtype=sample.dtype)
    token = (paths, [os.path.getmtime(path) for path in paths], params)
    tables = [(0, [os.path.abspath(path) for path in paths])]
    return array_of(Node("imread", chunks, meta, read_image, tables=tables, params=params, token=token, user=True))
