"""The display of frames that are not computed: types, partitions, divisions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._errors import PartitaError
from ._partitions import kept_divisions

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["column_text", "html", "info", "structure", "text"]

#: Maximum number of partitions that are shown individually.
PARTITIONS_SHOWN_MAX = 100


def _divisions(frame: DataFrame) -> list[Any]:
    """Return the divisions as far as they are known without a computation, abbreviated if there are many."""
    rows = frame._rows
    count = frame.npartitions
    known = kept_divisions(frame)
    if known is None and rows.persisted and frame.known_divisions:
        # A short query: the splits are known.
        known = frame.divisions
    labels = [""] * (count + 1) if known is None else list(known)
    if len(labels) > PARTITIONS_SHOWN_MAX:
        half = PARTITIONS_SHOWN_MAX // 2
        return [*labels[:half], "...", *labels[-half:]]
    return labels


def structure(frame: DataFrame) -> pd.DataFrame:
    """Return a pandas frame of strings: column types in the row of the first division, dots in the others."""
    divisions = _divisions(frame)
    index = pd.Index([str(label) for label in divisions], name=f"npartitions={frame.npartitions}")
    cells = {at: [str(kind), *["..."] * (len(divisions) - 1)] for at, kind in enumerate(frame.dtypes)}
    made = pd.DataFrame(cells, index=index, dtype=object)
    made.columns = frame.columns
    return made


def text(frame: DataFrame, kind: str, as_series: bool = False) -> str:
    """Return the text form of a plan. If the cluster is not reachable, it contains only the columns."""
    try:
        made = structure(frame)
    except PartitaError as error:
        return f"<{kind}: columns {list(frame._columns)}; {error}>"
    if not as_series:
        body = made.to_string() if len(made.columns) < 2 else repr(made).rsplit("\n\n[", 1)[0]
        return f"{kind}, not computed:\n{body}"
    column = made.iloc[:, 0]
    return f"{kind}, not computed:\n{column_text(column)}\nName: {column.name}"


def column_text(column: pd.Series, max_rows: int | None = None) -> str:
    """Return the text of the structure of a column: without its name, as pandas shows columns."""
    return f"{column.index.name}\n{column.to_string(header=False, max_rows=max_rows)}"


def html(frame: DataFrame, kind: str) -> str:
    """Return the HTML form of a plan."""
    try:
        made = structure(frame)
    except PartitaError:
        return f"<pre>{pd.io.formats.printing.pprint_thing(text(frame, kind))}</pre>"
    return f"<div><strong>{kind}</strong>, not computed</div>{made._repr_html_()}"


def info(frame: DataFrame, buf: Any = None, verbose: bool = False, has_memory: bool = False) -> None:
    """Print the columns and types of a frame; if `verbose`, also the numbers of rows and non-missing values."""
    out = sys.stdout if buf is None else buf
    labels = list(frame._columns)
    lines = [str(type(frame))]
    kinds = frame.dtypes
    if verbose:
        counts = frame.count().compute()
        lines.append(f"Rows: {len(frame)} entries")
        table = pd.DataFrame(
            {
                "Column": [str(label) for label in labels],
                "Non-Null Count": [f"{count} non-null" for count in counts],
                "Dtype": [str(kind) for kind in kinds],
            }
        )
        lines.append(f"Data columns (total {len(labels)} columns):")
        lines.append(table.to_string())
    elif labels:
        lines.append(f"Columns: {len(labels)} entries, {labels[0]} to {labels[-1]}")
    else:
        lines.append("Columns: 0 entries")
    counted = pd.Series([str(kind) for kind in kinds], dtype=object).value_counts()
    lines.append(f"dtypes: {', '.join(f'{kind}({counted[kind]})' for kind in sorted(counted.index))}")
    if has_memory:
        lines.append(f"memory usage: {int(frame.memory_usage().sum().compute())} bytes")
    out.write("\n".join(lines) + "\n")
