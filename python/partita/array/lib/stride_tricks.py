"""Names of ``numpy.lib.stride_tricks``."""

from __future__ import annotations

from .._shape import broadcast_to
from ..overlap import sliding_window_view

__all__ = ["broadcast_to", "sliding_window_view"]
