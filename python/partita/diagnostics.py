"""Diagnostics of computations: the replacement of ``dask.diagnostics``."""

from __future__ import annotations

from ._callbacks import Callback, Profiler, ProgressBar
from ._drawing import visualize
from ._progress import progress
from ._report import performance_report
from ._stubs import module_getattr

__all__ = ["Callback", "Profiler", "ProgressBar", "performance_report", "progress", "visualize"]

_PAGE = "use performance_report, or the dashboard's page of a job"

__getattr__ = module_getattr(
    "partita.diagnostics",
    {
        "ResourceProfiler": _PAGE,
        "CacheProfiler": _PAGE,
        "profile": _PAGE,
    },
)
