"""Running graphs in Dask's format: the replacement of ``dask.threaded``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._graphs import import_graph, nested_keys, nested_results
from .base import run_nodes

__all__ = ["get"]


def get(dsk: Mapping[Any, Any], keys: Any, scheduler: Any = None, **_: Any) -> Any:
    """Run a graph on the cluster, and return the results of keys in their nested lists.

    Parameters
    ----------
    dsk : mapping
        The tasks by key, such as ``{"a": 1, "b": (abs, "a")}``.
    keys : object or list
        A key, or nested lists of keys.
    scheduler : str or Client, optional
        As in :func:`partita.compute`.

    Examples
    --------
    >>> get({"a": -1, "b": (abs, "a")}, "b", scheduler="synchronous")
    1
    """
    wanted = nested_keys(keys)
    tasks = import_graph(dsk, wanted)
    return nested_results(keys, dict(zip(wanted, run_nodes([tasks[key] for key in wanted], scheduler))))


#: As the configuration value ``scheduler``, it stands for the cluster.
get.runs_on_cluster = True  # type: ignore[attr-defined]
