"""Partitioned data frames over many cores and many nodes.

Names and semantics are Dask's: :mod:`partita.dataframe` and :mod:`partita.distributed` replace ``dask.dataframe`` and
``dask.distributed``. A frame is a query plan. :meth:`compute` sends it to a cluster, whose workers run it on Apache
Arrow and DataFusion, and returns the result as a pandas object.
"""

from __future__ import annotations

from . import base, config, utils
from ._errors import Cancelled, ClusterError, PartitaError, QueryError
from ._graphs import get_synchronous as get
from ._stubs import module_getattr
from ._version import __version__
from .base import (
    annotate,
    compute,
    get_annotations,
    is_dask_collection,
    optimize,
    persist,
    tokenize,
    visualize,
)
from .delayed import delayed

__all__ = [
    "Cancelled",
    "ClusterError",
    "PartitaError",
    "QueryError",
    "__version__",
    "annotate",
    "base",
    "compute",
    "config",
    "delayed",
    "get",
    "get_annotations",
    "is_dask_collection",
    "optimize",
    "persist",
    "tokenize",
    "utils",
    "visualize",
]

__getattr__ = module_getattr(
    "partita",
    {
        "istask": "tasks are objects, not tuples",
        "Expr": "use explain() to show the plan of a frame",
    },
    submodules=("array", "bag", "dataframe", "datasets", "diagnostics", "distributed", "threaded"),
)
