"""Graphs in Dask's format: dicts of tasks by key. They are read into tasks, and written for Dask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ._options import task_options
from ._tasks import Place, Task, execute, identity, is_future, replace_inputs, sort_tasks
from ._tokens import tokenize
from .utils import key_split

__all__ = [
    "LazyGraph",
    "collection_task",
    "export_graph",
    "get_synchronous",
    "graph_futures",
    "import_graph",
    "is_foreign",
    "nested_keys",
    "nested_nodes",
    "nested_results",
    "normalize_graph",
    "text_key",
]


def text_key(key: Any) -> str:
    """Return a key of Dask, which may be a tuple, as a text."""
    return key if isinstance(key, str) else str(key)


# Reading.


def _is_call(value: Any) -> bool:
    return type(value) is tuple and len(value) > 0 and callable(value[0])


def _is_node(value: Any) -> bool:
    """Whether a value is a node of Dask's newer format, which is called with the results of its dependencies."""
    return hasattr(type(value), "dependencies") and hasattr(type(value), "substitute") and callable(value)


def _needed(value: Any, graph: Mapping[Any, Any]) -> list[Any]:
    """Return the keys that the definition of a task refers to."""
    if _is_node(value):
        return list(value.dependencies)
    found: list[Any] = []
    stack = [value]
    while stack:
        one = stack.pop()
        if _is_call(one):
            stack += reversed(one[1:])
        elif type(one) is list:
            stack += reversed(one)
        elif type(one) is dict:
            stack += reversed(list(one.values()))
        elif _is_node(one):
            found += one.dependencies
        else:
            try:
                if one in graph:
                    found.append(one)
            except TypeError:
                continue
    return found


def _call_node(node: Any, inputs: dict[Any, Any]) -> Any:
    """Run a node of Dask's newer format."""
    return node(inputs)


def _import_value(value: Any, tasks: Mapping[Any, Task], graph: Mapping[Any, Any]) -> Any:
    if _is_call(value):
        args = tuple([_import_value(one, tasks, graph) for one in value[1:]])
        return Task(value[0], args)
    if _is_node(value):
        return Task(_call_node, (value, {key: tasks[key] for key in value.dependencies}), None, type(value).__name__)
    if type(value) is list:
        return [_import_value(one, tasks, graph) for one in value]
    if type(value) is dict:
        return {key: _import_value(one, tasks, graph) for key, one in value.items()}
    try:
        return tasks[value] if value in graph else value
    except TypeError:
        return value


def _annotated(graph: Any) -> dict[Any, dict[str, Any] | None]:
    """Return the options of the tasks in a graph of layers that were made with ``dask.annotate``, by key."""
    found: dict[Any, dict[str, Any] | None] = {}
    layers = getattr(graph, "layers", None)
    for layer in layers.values() if isinstance(layers, Mapping) else ():
        annotations = getattr(layer, "annotations", None)
        if annotations:
            for key in layer:
                # A value may be a function of the key.
                given = {name: value(key) if callable(value) else value for name, value in annotations.items()}
                found[key] = task_options(given)
    return found


def import_graph(graph: Mapping[Any, Any], keys: Iterable[Any]) -> dict[Any, Task]:
    """Return the tasks of keys of a graph, and of all that they need, by key.

    Examples
    --------
    >>> tasks = import_graph({"a": 1, "b": (sum, ["a", 2])}, ["b"])
    >>> execute([tasks["b"]])
    [3]
    """
    if not isinstance(graph, Mapping) and hasattr(graph, "__dask_graph__"):
        # An expression of Dask.
        graph = graph.__dask_graph__()
    options = _annotated(graph)
    graph = graph if type(graph) is dict else dict(graph)
    tasks: dict[Any, Task] = {}
    stack = list(keys)
    seen: set[Any] = set()
    while stack:
        key = stack[-1]
        if key in tasks:
            stack.pop()
            continue
        value = graph[key]
        missing = [one for one in _needed(value, graph) if one not in tasks]
        if missing:
            if key in seen:
                raise ValueError(f"the graph has a cycle at {key!r}")
            seen.add(key)
            stack += missing
            continue
        made = _import_value(value, tasks, graph)
        name, text = key_split(key), text_key(key)
        if type(made) is Task and (_is_call(value) or _is_node(value)):
            tasks[key] = Task(made.function, made.args, made.kwargs, name, text, options.get(key))
        else:
            tasks[key] = Task(identity, (made,), None, name, text)
        stack.pop()
    return tasks


def is_foreign(value: Any) -> bool:
    """Whether a value is a collection of Dask, or of a library with Dask's protocol."""
    kind = type(value)
    return (
        hasattr(kind, "__dask_graph__") and not hasattr(kind, "_partita_nodes") and value.__dask_graph__() is not None
    )


def graph_futures(value: Any) -> list[Any]:
    """Return the futures in the graph of a collection of Dask that was persisted."""
    graph = value.__dask_graph__()
    # A graph may have nodes of Dask's newer format around its values.
    nodes = [getattr(one, "value", one) if _is_node(one) else one for one in dict(graph).values()]
    return [one for one in nodes if is_future(one)]


def _flat(keys: Any) -> Iterable[Any]:
    stack = [keys]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack += reversed(one)
        else:
            yield one


def nested_nodes(keys: Any, nodes: Mapping[Any, Any]) -> Any:
    """Return tasks or futures in the same lists as their keys."""
    return [nested_nodes(one, nodes) for one in keys] if isinstance(keys, list) else nodes[keys]


def _finish(results: Any, finish: Callable[..., Any], extra: tuple[Any, ...]) -> Any:
    return finish(results, *extra)


def collection_task(value: Any) -> Task:
    """Return the task that computes a collection of Dask."""
    keys = value.__dask_keys__()
    graph = value.__dask_graph__()
    optimize = getattr(value, "__dask_optimize__", None)
    # Optimized graphs of two arrays do not share the tasks that both need. A frame needs it, such as for reading only
    # some columns.
    if optimize is not None and hasattr(value, "expr"):
        graph = optimize(graph, keys)
    tasks = import_graph(graph, _flat(keys))
    finish, extra = value.__dask_postcompute__()
    name = type(value).__name__
    key = f"{name}-{tokenize(value, [text_key(one) for one in _flat(keys)])}"
    return Task(_finish, (nested_nodes(keys, tasks), finish, tuple(extra)), None, name, key)


def normalize_graph(value: Any, find: Callable[[str], Any]) -> Any:
    """Return a collection of Dask with futures in the place of tasks for whose key `find` returns one."""
    keys = nested_keys(value.__dask_keys__())
    graph = dict(value.__dask_graph__())
    made: dict[Any, Any] = {}
    stack = list(keys)
    while stack:
        key = stack.pop()
        if key not in made:
            future = find(text_key(key))
            if future is not None and not isinstance(key, str):
                future._given_key = key
            made[key] = graph[key] if future is None else future
            stack += [] if future is not None else _needed(graph[key], graph)
    rebuild, extra = value.__dask_postpersist__()
    return rebuild(made, *extra)


# Writing.


class _Call:
    """The call of a task, whose inputs are given as positional arguments."""

    def __init__(self, task: Task, inputs: list[Any]) -> None:
        places = {id(one): Place(at) for at, one in enumerate(inputs)}

        def place(node: Any) -> Any:
            return places[id(node)]

        self.function = task.function
        self.args = tuple([replace_inputs(one, place) for one in task.args])
        self.kwargs = {name: replace_inputs(one, place) for name, one in task.kwargs.items()}
        self.__name__ = task.name

    def __call__(self, *inputs: Any) -> Any:
        def fill(place: Any) -> Any:
            value = inputs[place.index] if type(place) is Place else place
            return value.result() if is_future(value) else value

        args = [replace_inputs(one, fill) for one in self.args]
        return self.function(*args, **{name: replace_inputs(one, fill) for name, one in self.kwargs.items()})


class LazyGraph(Mapping[Any, Any]):
    """A graph in Dask's format that is made when it is read: Dask asks for it to find out whether a value is a collection."""

    def __init__(self, make: Callable[[], dict[Any, Any]]) -> None:
        self._make = make
        self._graph: dict[Any, Any] | None = None

    def _read(self) -> dict[Any, Any]:
        if self._graph is None:
            self._graph = self._make()
        return self._graph

    def __getitem__(self, key: Any) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def copy(self) -> dict[Any, Any]:
        """Return the graph as a dict."""
        return dict(self._read())

    def __reduce__(self) -> Any:
        return dict, (self._read(),)


def export_graph(outputs: Iterable[Any]) -> dict[Any, Any]:
    """Return tasks as a graph in Dask's format."""
    outputs = list(outputs)
    order, needed = sort_tasks(outputs)
    graph: dict[Any, Any] = {one.key: one for one in outputs if type(one) is not Task and hasattr(one, "key")}
    for task in order:
        inputs = needed[task.key]
        # Futures of calls have keys, too. Others, which are rare, stand for themselves.
        futures = {one.key: one for one in inputs if type(one) is not Task and hasattr(one, "key")}
        graph.update(futures)
        named = [getattr(one, "key", one) for one in inputs]
        graph[task.key] = (_Call(task, inputs), *named)
    return graph


def nested_keys(keys: Any) -> list[Any]:
    """Return the keys in nested lists, each once."""
    return list(dict.fromkeys(_flat(keys)))


def nested_results(keys: Any, results: Mapping[Any, Any]) -> Any:
    """Return the results of keys in nested lists, as nested tuples."""
    return tuple([nested_results(one, results) for one in keys]) if isinstance(keys, list) else results[keys]


def get_synchronous(dsk: Mapping[Any, Any], keys: Any, **_: Any) -> Any:
    """Run a graph in Dask's format in this thread, and return the results of keys in their nested lists."""
    wanted = nested_keys(keys)
    tasks = import_graph(dsk, wanted)
    return nested_results(keys, dict(zip(wanted, execute([tasks[key] for key in wanted]))))
