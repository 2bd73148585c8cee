"""Partitioned data frames over many cores and many nodes.

The package follows Dask in names and meaning: :mod:`partita.dataframe` and :mod:`partita.distributed` take the place
of ``dask.dataframe`` and ``dask.distributed``. A frame is a plan; :meth:`compute` sends it to a cluster, whose workers
run it on Apache Arrow and DataFusion, and brings the answer home as pandas has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import Cancelled, ClusterError, PartitaError, QueryError, thin
from ._missing import FUNCTIONS, absent
from ._version import __version__

if TYPE_CHECKING:
    from ._draw import Drawing

__all__ = [
    "Cancelled",
    "ClusterError",
    "PartitaError",
    "QueryError",
    "__version__",
    "compute",
    "persist",
    "visualize",
]


@thin
def compute(*collections: Any) -> tuple[Any, ...]:
    """Computes several collections, at once, and gives their results."""
    from ._client import current_client

    if len(collections) == 1:
        return (collections[0].compute(),)
    return tuple(current_client().compute(list(collections), sync=True))


@thin
def persist(*collections: Any) -> tuple[Any, ...]:
    """Keeps the results of several collections on the workers, and gives collections that read them there."""
    return tuple(one.persist() for one in collections)


def visualize(*collections: Any, filename: str | None = None, **arguments: Any) -> Drawing:
    """The plans of collections as one picture, SVG: shown by a notebook, or written to a file."""
    from ._draw import visualize as draw

    return draw(*collections, filename=filename, **arguments)


__getattr__ = absent(
    "partita",
    {
        "delayed": FUNCTIONS,
        "optimize": "plans are optimised where they run; explain() shows the result",
        "annotate": "there are no annotations; `partita sql --priority` and PARTITA_PRIORITY set a job's priority",
        "get_annotations": "there are no annotations",
        "config": "options are arguments, or variables such as PARTITA_MEMORY_LIMIT",
        "get": "there are no task graphs in Python; use compute",
        "is_dask_collection": "frames are instances of partita.dataframe.DataFrame, Series, Index, Scalar",
        "istask": "there are no task graphs in Python",
        "base": "use partita.compute, partita.persist, partita.visualize",
        "tokenize": "plans have no tokens",
        "Expr": "the plan of a frame is shown by explain()",
    },
    parts=("array", "bag", "dataframe", "datasets", "diagnostics", "distributed"),
)
