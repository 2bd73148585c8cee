"""Partitioned data frames over many cores and many nodes.

Names and semantics are Dask's: :mod:`partita.dataframe` and :mod:`partita.distributed` replace ``dask.dataframe`` and
``dask.distributed``. A frame is a query plan. :meth:`compute` sends it to a cluster, whose workers run it on Apache
Arrow and DataFusion, and returns the result as a pandas object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import Cancelled, ClusterError, PartitaError, QueryError, trim_traceback
from ._stubs import FUNCTIONS, module_getattr
from ._version import __version__

if TYPE_CHECKING:
    from ._drawing import Drawing

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


@trim_traceback
def compute(*collections: Any) -> tuple[Any, ...]:
    """Compute several collections in parallel and return their results as a tuple."""
    from ._client import current_client

    if len(collections) == 1:
        return (collections[0].compute(),)
    return tuple(current_client().compute(list(collections), sync=True))


@trim_traceback
def persist(*collections: Any) -> tuple[Any, ...]:
    """Persist several collections on the workers and return collections that read the persisted results."""
    return tuple(one.persist() for one in collections)


def visualize(*collections: Any, filename: str | None = None, **arguments: Any) -> Drawing:
    """Draw the plans of collections as one SVG image, for display in a notebook or written to a file."""
    from ._drawing import visualize as draw

    return draw(*collections, filename=filename, **arguments)


__getattr__ = module_getattr(
    "partita",
    {
        "delayed": FUNCTIONS,
        "optimize": "the scheduler optimises plans; explain() shows the result",
        "annotate": "annotations are not supported; `partita sql --priority` and PARTITA_PRIORITY set a job's priority",
        "get_annotations": "annotations are not supported",
        "config": "options are arguments or environment variables such as PARTITA_MEMORY_LIMIT",
        "get": "Python has no task graphs; use compute",
        "is_dask_collection": "test for instances of partita.dataframe.DataFrame, Series, Index or Scalar",
        "istask": "Python has no task graphs",
        "base": "use partita.compute, partita.persist or partita.visualize",
        "tokenize": "plans have no tokens",
        "Expr": "use explain() to show the plan of a frame",
    },
    submodules=("array", "bag", "dataframe", "datasets", "diagnostics", "distributed"),
)
