"""Stubs of ``dask.array``: every name raises an error that names an alternative."""

from __future__ import annotations

from ._missing import absent

__all__: list[str] = []

__getattr__ = absent("partita.array", {}, "arrays are not supported; use partita.dataframe or NumPy")
