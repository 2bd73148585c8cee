"""Diagnostics of computations: the replacement of ``dask.diagnostics``."""

from __future__ import annotations

from ._drawing import visualize
from ._report import performance_report
from ._stubs import module_getattr

__all__ = ["performance_report", "visualize"]

_PAGE = "use performance_report, or the dashboard's page of a job"

__getattr__ = module_getattr(
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
