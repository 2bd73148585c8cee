"""Comparisons of the peers' tests, for results of Partita."""

from __future__ import annotations

from typing import Any

__all__ = ["assert_eq"]


def _computed(value: Any) -> Any:
    return value.compute() if hasattr(value, "compute") and not isinstance(value, type) else value


def assert_eq(a: Any, b: Any, *_: Any, **__: Any) -> None:
    """Raise an ``AssertionError`` if two values, computed if they are lazy, differ."""
    import pandas as pd

    a, b = _computed(a), _computed(b)
    if isinstance(b, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_dtype=False)
    elif isinstance(b, pd.Series):
        pd.testing.assert_series_equal(a, b, check_dtype=False)
    else:
        assert a == b, f"{a!r} != {b!r}"
