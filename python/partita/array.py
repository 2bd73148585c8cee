"""Stubs of ``dask.array``: every name raises an error that names an alternative."""

from __future__ import annotations

from ._stubs import module_getattr

__all__: list[str] = []

__getattr__ = module_getattr("partita.array", {}, "arrays are not supported; use partita.dataframe or NumPy")
