"""Computing lazy collections: the replacement of ``dask.base``."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import traceback
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import config
from ._callbacks import active_tracker, show_progress
from ._collection import Collection, compute_frame, has_frames, is_collection, is_frame, materialize
from ._errors import ClusterError, trim_traceback
from ._frame_inputs import frame_call
from ._functions import is_lost_value
from ._graphs import collection_task, export_graph, get_synchronous, import_graph, nested_keys
from ._options import annotate, get_annotations, task_options
from ._tasks import Task, execute, find_inputs, identity, sort_tasks, with_options
from ._tokens import TokenizationError, normalize_token, tokenize
from ._xarray_objects import arrays_in, replace_arrays

if TYPE_CHECKING:
    from ._drawing import Drawing

__all__ = [
    "DaskMethodsMixin",
    "TokenizationError",
    "annotate",
    "compute",
    "get_annotations",
    "get_scheduler",
    "is_dask_collection",
    "normalize_token",
    "optimize",
    "persist",
    "tokenize",
    "unpack_collections",
    "visualize",
]

#: How often values that were lost with a worker are sent again.
RESENDS_MAX = 3
#: Schedulers that run tasks in this thread.
_SYNCHRONOUS = frozenset(("sync", "synchronous", "single-threaded"))
#: Schedulers of Dask in whose place the cluster runs the tasks.
_CLUSTER = frozenset(
    ("threads", "threading", "threaded", "processes", "multiprocessing", "distributed", "dask.distributed", "cluster")
)


def is_dask_collection(x: Any) -> bool:
    """Whether a value is a lazy collection: a frame, bag or delayed value, or a collection of Dask."""
    return not isinstance(x, type) and is_collection(x)


# Collections in arguments.


def unpack_collections(*args: Any, traverse: bool = True) -> tuple[list[Any], Callable[[Iterable[Any]], Any]]:
    """Return the collections in arguments, and a function that puts their results in their place.

    Parameters
    ----------
    *args
        Any values.
    traverse : bool
        Whether collections are searched in lists, tuples, dicts, sets and dataclass instances.

    Examples
    --------
    >>> from partita import delayed
    >>> one = delayed(1)
    >>> found, repack = unpack_collections([one, 2], {"a": one})
    >>> len(found), repack([7])
    (1, ([7, 2], {'a': 7}))
    """
    found: list[Any] = []
    places: dict[int, int] = {}

    def search(value: Any) -> Callable[[list[Any]], Any] | None:
        """Return the function of the results that rebuilds a value, or None if the value has no collections."""
        arrays = arrays_in(value)
        if arrays:
            return _rebuilder(arrays, search, lambda items: replace_arrays(value, items))
        if is_dask_collection(value):
            if id(value) not in places:
                places[id(value)] = len(found)
                found.append(value)
            at = places[id(value)]
            return lambda results: results[at]
        kind = type(value)
        if not traverse:
            return None
        if kind in (type(iter([])), type(iter(())), type(iter(set()))):
            value = list(value)
            kind = list
        if kind in (list, tuple, set, frozenset):
            return _rebuilder(list(value), search, kind)
        if kind is dict:
            return _rebuilder([list(item) for item in value.items()], search, dict)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return _rebuilder(list(value), search, lambda items: kind(*items))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
            values = [getattr(value, name) for name in names]
            return _rebuilder(values, search, lambda items: dataclasses.replace(value, **dict(zip(names, items))))
        return None

    rebuilders = [search(value) for value in args]

    def repack(results: Iterable[Any]) -> Any:
        values = list(results)
        return tuple([value if rebuild is None else rebuild(values) for value, rebuild in zip(args, rebuilders)])

    return found, repack


def _rebuilder(
    items: list[Any], search: Callable[[Any], Any], construct: Callable[[list[Any]], Any]
) -> Callable[[list[Any]], Any] | None:
    rebuilders = [search(item) for item in items]
    if all(one is None for one in rebuilders):
        return None
    return lambda results: construct(
        [item if rebuild is None else rebuild(results) for item, rebuild in zip(items, rebuilders)]
    )


# Computing.


@trim_traceback
def compute(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    get: Any = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute collections together and return their values as a tuple.

    Parameters
    ----------
    *args : object
        Frames, bags, delayed values, and lists, tuples, dicts and sets of them. Other values are returned as they are.
    traverse : bool
        Whether collections in lists, tuples, dicts and sets are computed.
    optimize_graph : bool
        Accepted for compatibility with Dask; no effect.
    scheduler : str or Client, optional
        ``"synchronous"`` runs tasks in this thread, and a client on its cluster. By default they run on the cluster of
        the default client, or on a new one on this machine. The configuration value ``scheduler`` is another default.
    retries, priority, resources, workers, allow_other_workers
        Options of the tasks, as in :func:`annotate`.
    **kwargs
        Other arguments of Dask, without effect.

    Examples
    --------
    >>> import partita
    >>> one = partita.delayed(abs)(-1)
    >>> partita.compute(one, [one + 1, "text"], scheduler="synchronous")
    (1, [2, 'text'])
    """
    found, repack = unpack_collections(*args, traverse=traverse)
    if not found:
        return args
    values: tuple[Any, ...] = repack(_compute(found, get or scheduler, task_options(kwargs)))
    return values


def _compute(collections: list[Any], scheduler: Any, options: dict[str, Any] | None) -> list[Any]:
    frames = [one for one in collections if is_frame(one)]
    if len(frames) == len(collections):
        return _compute_frames(frames)
    others = [one for one in collections if not is_frame(one)]
    results = iter(_compute_frames(frames) if frames else [])
    computed = iter(_compute_tasks(others, scheduler, options))
    return [next(results) if is_frame(one) else next(computed) for one in collections]


def _compute_frames(frames: list[Any]) -> list[Any]:
    if len(frames) == 1:
        return [frames[0].compute()]
    from ._client import current_client
    from ._progress import show_queries

    client = current_client()
    with show_queries(client):
        return list(client.compute(frames, sync=True))


class _Foreign:
    """A collection of Dask, as one task."""

    def __init__(self, collection: Any) -> None:
        self._task = collection_task(collection)

    def _partita_nodes(self, build: Any) -> list[Any]:
        return [self._task]

    def _partita_finish(self, results: list[Any]) -> Any:
        return results[0]


def _compute_tasks(collections: list[Any], scheduler: Any, options: dict[str, Any] | None) -> list[Any]:
    known = [one if isinstance(one, Collection) else _Foreign(one) for one in collections]
    parts = materialize(known)
    if scheduler is None and config.get("scheduler", None) is None and _are_small(known):
        # Less work than a message to the cluster.
        scheduler = get_synchronous
    check_arrays(known, scheduler)
    results = iter(run_nodes([node for nodes in parts for node in nodes], scheduler, options))
    values = []
    for one, nodes in zip(known, parts):
        values.append(one._partita_finish([next(results) for _ in nodes]))
    return values


def _are_small(collections: list[Any]) -> bool:
    """Whether all collections are small arrays, which are computed in this process."""
    return all(hasattr(one, "_partita_is_small") and one._partita_is_small() for one in collections)


def check_arrays(collections: list[Any], scheduler: Any) -> None:
    """Refuse arrays one task of which cannot fit in a worker of the cluster that would compute them."""
    expressions = [node for one in collections for node in getattr(one, "_partita_expressions", ())]
    if not expressions:
        return
    from ._client import current_client
    from .array._explain import check_memory, needs_check

    client = _client_of(scheduler)
    is_cluster = client is not None or _find_scheduler(scheduler) is _run_on_cluster
    if is_cluster and needs_check(expressions):
        check_memory(expressions, client or current_client())


def run_nodes(nodes: list[Any], scheduler: Any = None, options: dict[str, Any] | None = None) -> list[Any]:
    """Run tasks with a scheduler, and return their results and those of futures."""
    run = _find_scheduler(scheduler)
    if options:
        nodes = with_options(nodes, options)
    return run(nodes)


def is_synchronous() -> bool:
    """Whether the configuration says that tasks run in the calling thread."""
    found = config.get("scheduler", None)
    return found is get_synchronous or (isinstance(found, str) and found.lower() in _SYNCHRONOUS)


def _find_scheduler(given: Any) -> Callable[[list[Any]], list[Any]]:
    scheduler = config.get("scheduler", None) if given is None else given
    if isinstance(scheduler, str):
        if scheduler.lower() in _SYNCHRONOUS:
            return _run_here
        if scheduler.lower() in _CLUSTER:
            return _run_on_cluster
        raise ValueError(
            f"unknown scheduler {scheduler!r}; use 'synchronous', or 'threads' or 'processes', which run on the cluster"
        )
    if scheduler is None:
        return _run_on_cluster
    if scheduler is get_synchronous:
        return _run_here
    from ._client import Client

    if isinstance(scheduler, Client):
        return lambda nodes: _run_on_cluster(nodes, scheduler)
    if getattr(scheduler, "runs_on_cluster", False):
        # `partita.threaded.get`, which asks here itself.
        return _run_on_cluster
    if callable(scheduler):
        return lambda nodes: _run_with(scheduler, nodes)
    raise TypeError(f"scheduler must be a name, a client or a function, not {scheduler!r}")


def _run_here(nodes: list[Any]) -> list[Any]:
    return execute(nodes, active_tracker())


def _run_with(get: Callable[..., Any], nodes: list[Any]) -> list[Any]:
    """Run tasks with a function that takes a graph in Dask's format and a list of keys."""
    keys = [node.key for node in nodes if type(node) is Task]
    results = iter(get(export_graph(nodes), keys) if keys else ())
    return [next(results) if type(node) is Task else node.result() for node in nodes]


def submit_nodes(nodes: list[Any], client: Any, options: dict[str, Any] | None = None) -> list[Any]:
    """Submit tasks to the cluster of a client, and return their futures."""
    return _submit(with_options(nodes, options) if options else nodes, client)[1]


def _submit(nodes: list[Any], client: Any = None, suffix: str = "") -> tuple[Any, list[Any]]:
    """Submit tasks to a cluster, and return its client and the futures. A suffix of their keys makes them others."""
    from . import _functions
    from ._client import current_client

    client = client or current_client()
    if has_frames():
        _replace_frames(nodes, client)
    tasks = [node for node in nodes if type(node) is Task]
    futures = iter(_functions.submit(client, tasks, suffix=suffix) if tasks else ())
    return client, [next(futures) if type(node) is Task else node for node in nodes]


def _replace_frames(nodes: list[Any], client: Any) -> None:
    """Persist the frames in arguments of tasks, since workers run them as queries and not as Python functions."""
    for task in sort_tasks(nodes)[0]:
        if task.function is compute_frame:
            function, task.args = frame_call(task.args[0], client)
            task.function = identity if function is None else function


def _is_constant(node: Any) -> bool:
    """Whether a task is a value that nothing computes, such as that of ``delayed(5)``."""
    return type(node) is Task and node.function is identity and not node.kwargs and not find_inputs(node)


def _run_on_cluster(nodes: list[Any], client: Any = None) -> list[Any]:
    is_constant = [_is_constant(node) for node in nodes]
    others = [node for node, known in zip(nodes, is_constant) if not known]
    results = iter(_gather_from_cluster(others, client) if others else ())
    # The values themselves, as with schedulers in this process: a cluster would return copies.
    return [node.args[0] if known else next(results) for node, known in zip(nodes, is_constant)]


def _gather_from_cluster(nodes: list[Any], client: Any) -> list[Any]:
    client, futures = _submit(nodes, client)

    def share() -> float:
        return sum(one.done() for one in futures) / max(len(futures), 1)

    for attempt in range(RESENDS_MAX + 1):
        try:
            with show_progress(share):
                return list(client.gather(futures, asynchronous=False))
        except BaseException as error:
            # After an error or Ctrl-C nobody needs the other results. The frames of the traceback, which a notebook keeps,
            # would let their tasks run to the end.
            _clear_frames(error)
            if attempt == RESENDS_MAX or not is_lost_value(error):
                futures.clear()
                raise
        # Workers cannot recompute a value of this process that was lost with one of them: it is sent again, and what
        # has no result runs once more, under other keys than the tasks that failed.
        left = [at for at, one in enumerate(futures) if not (one.done() and one.status == "finished")]
        for at in left:
            futures[at] = nodes[at]
        _, again = _submit([nodes[at] for at in left], client, f"-resent-{attempt + 1}")
        for at, future in zip(left, again):
            futures[at] = future
        again.clear()
    raise ClusterError("internal error: values were sent again too often")


def _clear_frames(error: BaseException) -> None:
    """Clear the variables of the frames between the caller and where an exception was raised."""
    caller = sys._getframe(1)
    for one, _ in traceback.walk_tb(error.__traceback__):
        # The frames of lines on a worker refer to those in which they were created.
        frame: types.FrameType | None = one
        while frame is not None and frame is not caller:
            with contextlib.suppress(RuntimeError):
                frame.clear()
            frame = frame.f_back


@trim_traceback
def persist(
    *args: Any, traverse: bool = True, optimize_graph: bool = True, scheduler: Any = None, **kwargs: Any
) -> tuple[Any, ...]:
    """Compute collections and return collections of the results, which stay on the workers.

    Parameters
    ----------
    *args, traverse, optimize_graph, scheduler, **kwargs
        As in :func:`compute`.
    """
    found, repack = unpack_collections(*args, traverse=traverse)
    if not found:
        return args
    ours = [one for one in found if isinstance(one, Collection)]
    parts = materialize(ours)
    nodes = [node for part in parts for node in part]
    check_arrays(ours, scheduler)
    options = task_options(kwargs)
    if options:
        nodes = with_options(nodes, options)
    results = iter(persist_nodes(nodes, scheduler))
    made = iter([one._partita_rebuild([next(results) for _ in part]) for one, part in zip(ours, parts)])
    persisted: tuple[Any, ...] = repack(
        [next(made) if isinstance(one, Collection) else _persist(one, scheduler, options) for one in found]
    )
    return persisted


def _persist(collection: Any, scheduler: Any, options: dict[str, Any] | None) -> Any:
    """Persist a frame, or a collection of Dask, whose graph then has futures."""
    if is_frame(collection):
        # Small results, such as those of `describe`, are not persisted.
        return collection.persist() if hasattr(type(collection), "persist") else collection
    keys = nested_keys(collection.__dask_keys__())
    tasks = import_graph(collection.__dask_graph__(), keys)
    nodes = [tasks[key] for key in keys]
    parts = persist_nodes(with_options(nodes, options) if options else nodes, scheduler)
    for key, part in zip(keys, parts):
        if type(part) is not Task:
            part._given_key = key
    rebuild, extra = collection.__dask_postpersist__()
    # A call instead of a value, which may look like a task.
    graph = {key: (_Constant(part.args[0]),) if type(part) is Task else part for key, part in zip(keys, parts)}
    return rebuild(graph, *extra)


class _Constant:
    """A function without arguments that returns a value."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self) -> Any:
        return self._value


class DaskMethodsMixin:
    """Methods of classes that implement Dask's protocol of collections."""

    __slots__ = ("__weakref__",)

    def compute(self, **kwargs: Any) -> Any:
        """Compute the value: :func:`compute`."""
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs: Any) -> Any:
        """Compute the parts: :func:`persist`."""
        return persist(self, traverse=False, **kwargs)[0]


def persist_nodes(nodes: list[Any], scheduler: Any = None) -> list[Any]:
    """Run tasks, and return futures, or tasks that have the results."""
    run = _find_scheduler(scheduler)
    if run is _run_here or not nodes:
        results = run(nodes) if nodes else []
        return [
            Task(identity, (result,), None, node.name, node.key) if type(node) is Task else node
            for node, result in zip(nodes, results)
        ]
    return _submit(nodes, _client_of(scheduler))[1]


def _client_of(scheduler: Any) -> Any:
    """Return the client that a scheduler is, or whose method it is; else None, which stands for the default client."""
    from ._client import Client

    given = config.get("scheduler", None) if scheduler is None else scheduler
    given = getattr(given, "__self__", given)
    return given if isinstance(given, Client) else None


def optimize(*args: Any, traverse: bool = True, **kwargs: Any) -> tuple[Any, ...]:
    """Return the collections: tasks and plans are optimized when they are computed."""
    return args


def visualize(*args: Any, filename: Any = None, traverse: bool = True, **kwargs: Any) -> Drawing:
    """Draw the tasks and plans of collections as one SVG image, for display in a notebook or written to a file.

    Parameters
    ----------
    *args : object
        Collections to draw, one below the other.
    filename : str, optional
        Path of the image, with the extension ``.svg`` or none.
    """
    from ._drawing import visualize as draw

    return draw(*unpack_collections(*args, traverse=traverse)[0], filename=filename, **kwargs)


def get_scheduler(get: Any = None, scheduler: Any = None, collections: Any = None, cls: Any = None) -> Any:
    """Return the function that runs graphs in Dask's format: in this thread, or on the cluster of the default client.

    It is None if no client exists: a computation starts a cluster.
    """
    from ._client import Client, default_client

    found = get or scheduler or config.get("scheduler", None)
    if isinstance(found, Client):
        return found.get
    if callable(found):
        return found
    if found is None or (isinstance(found, str) and found.lower() in _CLUSTER):
        try:
            return default_client().get
        except ValueError:
            return None
    return get_synchronous if isinstance(found, str) and found.lower() in _SYNCHRONOUS else None
