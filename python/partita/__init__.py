"""Partitioned data frames over many cores and many nodes.

The package follows Dask in names and meaning: :mod:`partita.dataframe` and :mod:`partita.distributed` take the place
of ``dask.dataframe`` and ``dask.distributed``. A frame is a plan; :meth:`compute` sends it to a cluster, whose workers
run it on Apache Arrow and DataFusion, and brings the answer home as pandas has it.
"""

from __future__ import annotations

from typing import Any

from ._errors import Cancelled, ClusterError, PartitaError, QueryError
from ._version import __version__

__all__ = [
    "Cancelled",
    "ClusterError",
    "PartitaError",
    "QueryError",
    "__version__",
    "compute",
    "persist",
]


def compute(*collections: Any) -> tuple[Any, ...]:
    """Computes several collections, at once, and gives their results."""
    from ._client import current_client

    if len(collections) == 1:
        return (collections[0].compute(),)
    return tuple(current_client().compute(list(collections), sync=True))


def persist(*collections: Any) -> tuple[Any, ...]:
    """Keeps the results of several collections on the workers, and gives collections that read them there."""
    return tuple(one.persist() for one in collections)
