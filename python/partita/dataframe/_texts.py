"""CSV files whose columns have the types that somebody said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._expressions import kind_of
from ._rows import held_name
from ._sql import arrow_name, is_plain_text, literal, quote

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["Texts"]

#: What stands for a missing value in a column that is no text, beside nothing at all.
_MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None")


class Texts:
    """A table over CSV files, all of whose columns are read as texts, and the query that gives them their types.

    A reader that was told the types would take ``NA`` in a column of numbers for an error.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        options: dict[str, str],
        names: Any,
        dtype: Any,
        dates: Sequence[Any],
        missing: Sequence[str],
    ) -> None:
        words = [*_MISSING, *missing]
        forgiving = {"format.null_regex": f"^({'|'.join(re.escape(word) for word in words)})?$"}
        found = _create(client, path, {**options, **forgiving})
        schema = client._connection.schema(f"SELECT * FROM {quote(found)}")
        client._connection.query(f"DROP TABLE {quote(found)}")
        labels = list(schema.names) if names is None else [str(label) for label in names]
        if len(labels) != len(schema.names):
            raise ValueError(f"{path} has {len(schema.names)} columns, and names= has {len(labels)}")
        kinds = dict(zip(labels, schema.types))
        wanted = dtype if isinstance(dtype, dict) else {} if dtype is None else dict.fromkeys(labels, dtype)
        dates = list(dates) if isinstance(dates, (list, tuple)) else []
        for label in [*wanted, *dates]:
            if label not in kinds:
                raise KeyError(f"no column {label!r}: there are {', '.join(labels)}")
        kinds |= {label: kind_of(kind) for label, kind in wanted.items()}
        kinds |= {label: pa.timestamp("us") for label in dates}
        columns = ", ".join(f"{quote(label)} VARCHAR" for label in labels)
        #: The table's name, to be dropped.
        self.name = _create(client, path, options, f" ({columns})")
        cells = [f"{_typed(quote(label), kind, words, missing)} AS {quote(label)}" for label, kind in kinds.items()]
        self.query = f"SELECT {', '.join(cells)} FROM {quote(self.name)}"


def _create(client: Client, path: str, options: dict[str, str], columns: str = "") -> str:
    name = held_name()
    given = ", ".join(f"{literal(key)} {literal(value)}" for key, value in options.items())
    client._connection.query(
        f"CREATE EXTERNAL TABLE {quote(name)}{columns} STORED AS CSV LOCATION {literal(path)} OPTIONS ({given})"
    )
    return name


def _typed(sql: str, kind: pa.DataType, words: Sequence[str], missing: Sequence[str]) -> str:
    text = is_plain_text(kind) or pa.types.is_null(kind)
    gone = ["", *(missing if text else words)]
    value = f"CASE WHEN {sql} NOT IN ({', '.join(map(literal, gone))}) THEN {sql} END"
    return value if text else f"arrow_cast({value}, '{arrow_name(kind)}')"
