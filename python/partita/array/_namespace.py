"""What the Python array API standard lets a program ask of a namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["API_VERSION", "NamespaceInfo", "check_device", "finfo", "iinfo"]

#: The version of the standard.
API_VERSION = "2025.12"


def check_device(device: Any) -> None:
    """Raise an error unless a device is the only one, ``"cpu"``, or None."""
    if device not in (None, "cpu"):
        raise ValueError(f"unsupported device {device!r}; only 'cpu' exists")


class NamespaceInfo:
    """Dtypes, devices and capabilities of :mod:`partita.array`.

    Examples
    --------
    >>> import partita.array as da
    >>> da.__array_namespace_info__().default_device()
    'cpu'
    """

    def capabilities(self) -> dict[str, Any]:
        """Return what the standard leaves open: sizes that depend on values are NaN until they are computed."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Return the device of new arrays."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Return all devices."""
        return ("cpu",)

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """Return the dtypes of new arrays for which none is given."""
        check_device(device)
        return dict(np.__array_namespace_info__().default_dtypes())

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Return the dtypes of a kind, such as ``"integral"``, or of several, by their names."""
        check_device(device)
        return dict(np.__array_namespace_info__().dtypes(kind=kind))

    def __repr__(self) -> str:
        return "partita.array.__array_namespace_info__()"


def _dtype_of(value: Any) -> Any:
    """Return the dtype of an array, or a dtype as it is. Types of NumPy have an attribute of this name as well."""
    return value if isinstance(value, type) else getattr(value, "dtype", value)


class finfo:
    """Limits of a dtype of floating point numbers, as ``numpy.finfo``, but as numbers of Python where the standard says so.

    Parameters
    ----------
    dtype : dtype or array
        The dtype.

    Examples
    --------
    >>> finfo("float32").bits
    32
    """

    def __init__(self, dtype: Any, /) -> None:
        self._known: Any = np.finfo(_dtype_of(dtype))
        self.bits = int(self._known.bits)
        self.eps = float(self._known.eps)
        self.max = float(self._known.max)
        self.min = float(self._known.min)
        self.smallest_normal = float(self._known.smallest_normal)
        self.dtype = self._known.dtype

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._known, name)

    def __repr__(self) -> str:
        return repr(self._known)


def iinfo(type: Any, /) -> Any:
    """Return the limits of a dtype of integers, as ``numpy.iinfo``.

    Parameters
    ----------
    type : dtype or array
        The dtype.
    """
    return np.iinfo(_dtype_of(type))
