"""Arrays of :mod:`partita.array` as the chunked arrays of xarray.

Importing this module registers the chunk manager ``"partita"``; the import of :mod:`partita.array` does so as well if xarray
is installed. It requires the package ``xarray``.

Examples
--------
>>> import partita.xarray
>>> import xarray
>>> x = xarray.DataArray([1.0, 2.0, 3.0], dims="x").chunk(x=2, chunked_array_type="partita")
>>> float(x.mean())
2.0
"""

from __future__ import annotations

from ._xarray_manager import PartitaManager

__all__ = ["PartitaManager", "register"]


def register() -> None:
    """Register the chunk manager ``"partita"``, if xarray has not found it by the entry point of the package."""
    from xarray.namedarray.parallelcompat import list_chunkmanagers

    # The dict is the one that xarray keeps.
    managers = list_chunkmanagers()
    if "partita" not in managers:
        managers["partita"] = PartitaManager()


register()
