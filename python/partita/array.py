"""Arrays are not supported: each name says so, and what to use instead."""

from __future__ import annotations

from ._missing import absent

__all__: list[str] = []

__getattr__ = absent("partita.array", {}, "there are frames only, not arrays; use partita.dataframe, or NumPy")
