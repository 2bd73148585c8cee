"""Diagnostics of computations: the replacement of ``dask.diagnostics``."""

from __future__ import annotations

from ._draw import visualize
from ._missing import absent
from ._report import performance_report

__all__ = ["performance_report", "visualize"]

_PAGE = "use performance_report, or the dashboard's page of a job"

__getattr__ = absent(
    "partita.diagnostics",
    {
        "ProgressBar": "use partita.distributed.progress(client.compute(..))",
        "Profiler": _PAGE,
        "ResourceProfiler": _PAGE,
        "CacheProfiler": _PAGE,
        "Callback": "use Future.add_done_callback",
        "profile": _PAGE,
        "progress": "use partita.distributed.progress",
    },
)
