"""Bags are not supported: each name says so, and what to use instead."""

from __future__ import annotations

from ._missing import absent

__all__: list[str] = []

__getattr__ = absent(
    "partita.bag",
    {
        "read_text": "partita.dataframe.read_json reads a record from each line, read_csv a row",
        "from_sequence": "partita.dataframe.from_dict uploads rows to the workers",
    },
    "there are frames only, not bags; use partita.dataframe",
)
