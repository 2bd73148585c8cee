"""Stubs of ``dask.bag``: every name raises an error that names an alternative."""

from __future__ import annotations

from ._missing import absent

__all__: list[str] = []

__getattr__ = absent(
    "partita.bag",
    {
        "read_text": "use partita.dataframe.read_json or read_csv",
        "from_sequence": "use partita.dataframe.from_dict",
    },
    "bags are not supported; use partita.dataframe",
)
