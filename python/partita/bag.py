"""Stubs of ``dask.bag``: every name raises an error that names an alternative."""

from __future__ import annotations

from ._stubs import module_getattr

__all__: list[str] = []

__getattr__ = module_getattr(
    "partita.bag",
    {
        "read_text": "use partita.dataframe.read_json or read_csv",
        "from_sequence": "use partita.dataframe.from_dict",
    },
    "bags are not supported; use partita.dataframe",
)
