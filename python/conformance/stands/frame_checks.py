"""Comparisons of the peer's tests of frames, for results of Partita: those of the peer, of values that are computed before."""

from __future__ import annotations

import importlib
from typing import Any

from partita.dataframe.utils import make_meta

__all__ = ["assert_eq", "has_known_categories", "list_eq", "make_meta"]

#: Arguments that only say how the peer computes its graph, or what its divisions are.
_OF_GRAPHS = ("check_divisions", "check_partitions", "scheduler", "serialize_graph")


def _computed(value: Any) -> Any:
    return value.compute() if hasattr(value, "compute") and not isinstance(value, type) else value


def assert_eq(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Raise an ``AssertionError`` if two values, computed if they are lazy, differ."""
    peer = importlib.import_module("dask.dataframe.utils")
    known = {name: value for name, value in kwargs.items() if name not in _OF_GRAPHS}
    return peer.assert_eq(_computed(a), _computed(b), *args, scheduler="sync", check_divisions=False, **known)


def list_eq(a: Any, b: Any) -> None:
    """Raise an ``AssertionError`` if two values do not have the same rows, in any order."""
    peer = importlib.import_module("dask.dataframe.tests.test_multi")
    peer.list_eq(_computed(a), _computed(b))


def has_known_categories(value: Any) -> bool:
    """Whether the categories of a column are known."""
    return bool(value.cat.known) if hasattr(value, "compute") else True
