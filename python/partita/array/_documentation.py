"""Documentation that NumPy has of the functions that arrays follow."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["documentation_of"]


def documentation_of(function: Callable[..., Any] | None) -> str:
    """Return the documentation of a function of NumPy without its examples, which show arrays of NumPy."""
    text = inspect.cleandoc(getattr(function, "__doc__", None) or "")
    kept: list[str] = []
    skipping = False
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if at + 1 < len(lines) and line and set(lines[at + 1]) == {"-"}:
            skipping = line.strip() == "Examples"
        if not skipping and not line.lstrip().startswith((">>>", "...")):
            kept.append(line)
    return "\n".join(kept).strip()
