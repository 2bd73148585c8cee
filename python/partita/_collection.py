"""What lazy collections of Python objects have in common, and how they are found in arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _graphs
from ._tasks import ATOMS, Task, identity, is_future
from ._xarray_objects import arrays_in, fill_arrays, take_arrays

if TYPE_CHECKING:
    from ._drawing import Drawing

__all__ = ["Collection", "compute_frame", "has_frames", "is_collection", "is_frame", "materialize", "unpack"]


class Collection:
    """A lazy collection: tasks, and how their results become one value."""

    __slots__ = ()

    def _partita_nodes(self, build: Any) -> list[Any]:
        """Return the tasks, or futures, whose results are the parts of the value."""
        raise NotImplementedError

    def _partita_finish(self, results: list[Any]) -> Any:
        """Return the value from the results of the tasks."""
        raise NotImplementedError

    def _partita_rebuild(self, nodes: list[Any]) -> Any:
        """Return the same collection of other tasks or futures with the same results."""
        raise NotImplementedError

    def _partita_futures(self) -> list[Any]:
        """Return the futures of a persisted collection."""
        nodes = [_value_of(node) for node in materialize([self])[0]]
        return [node for node in nodes if not isinstance(node, Task)]

    def _partita_task(self) -> Any:
        """Return the task whose result is the value."""
        raise NotImplementedError

    def compute(self, **kwargs: Any) -> Any:
        """Compute the value.

        Parameters
        ----------
        scheduler : str, optional
            ``"synchronous"`` runs the tasks in this thread. By default they run on the cluster of the default client,
            or on a new one on this machine.
        **kwargs
            Arguments of :func:`partita.compute`.
        """
        from .base import compute

        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs: Any) -> Any:
        """Run the tasks and return a collection whose parts are their results, which stay on the workers."""
        from .base import persist

        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, filename: Any = None, **kwargs: Any) -> Drawing:
        """Draw the tasks as SVG, for display in a notebook or written to a file."""
        from ._drawing import visualize

        return visualize(self, filename=filename, **kwargs)

    # The protocol of Dask, with which its own functions accept this collection.

    def __dask_graph__(self) -> Any:
        return _graphs.export_graph(materialize([self])[0])

    def __dask_keys__(self) -> list[Any]:
        return [node.key for node in materialize([self])[0]]

    def __dask_postcompute__(self) -> Any:
        return self._partita_finish, ()

    def __dask_postpersist__(self) -> Any:
        return _rebuild_from_graph, (self,)

    def __dask_layers__(self) -> tuple[str, ...]:
        return tuple(self.__dask_keys__()[:1])

    def __dask_tokenize__(self) -> Any:
        return self.__dask_keys__()

    __dask_optimize__ = None
    __dask_scheduler__ = staticmethod(_graphs.get_synchronous)


def _value_of(node: Any) -> Any:
    """Return the future that a task stands for, or the task."""
    is_alias = isinstance(node, Task) and node.function is identity and is_future(node.args[0])
    return node.args[0] if is_alias else node


def _rebuild_from_graph(graph: Any, collection: Collection, *, rename: Any = None) -> Any:
    keys = collection.__dask_keys__()
    tasks = _graphs.import_graph(graph, keys)
    return collection._partita_rebuild([tasks[key] for key in keys])


def materialize(collections: list[Any]) -> list[list[Any]]:
    """Return the tasks of collections, which share those that several of them need."""
    from .bag._layers import Build

    build = Build([layer for one in collections for layer in getattr(one, "_partita_layers", ())])
    build.wanted_arrays = [node for one in collections for node in getattr(one, "_partita_expressions", ())]
    return [one._partita_nodes(build) for one in collections]


# Frames.

_made_frame_task = False


def is_frame(value: Any) -> bool:
    """Whether a value is a frame, column, index, scalar or other lazy result of partita.dataframe."""
    kind = type(value)
    return str(kind.__module__).startswith("partita.dataframe.") and hasattr(kind, "compute")


def compute_frame(frame: Any) -> Any:
    """Compute a frame."""
    return frame.compute() if is_frame(frame) else frame


def has_frames() -> bool:
    """Whether a task was created that computes a frame."""
    return _made_frame_task


def _frame_task(frame: Any) -> Task:
    global _made_frame_task
    _made_frame_task = True
    return Task(compute_frame, (frame,), None, type(frame).__name__)


# Arguments.

_LIST_ITERATOR: type = type(iter([0]))
_TUPLE_ITERATOR: type = type(iter((0,)))
_SET_ITERATOR: type = type(iter({0}))


def is_collection(value: Any) -> bool:
    """Whether a value is a lazy collection of this package or of Dask."""
    return isinstance(value, Collection) or is_frame(value) or bool(arrays_in(value)) or _graphs.is_foreign(value)


def unpack(value: Any) -> Any:
    """Return an argument with the tasks of the collections in it: in lists, tuples, dicts, sets and dataclasses."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if isinstance(value, Collection):
        return value._partita_task()
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        items = [unpack(item) for item in value]
        return value if all(map(_is, items, value)) else kind(items)
    if kind is dict:
        keys, items = [unpack(item) for item in value], [unpack(item) for item in value.values()]
        unchanged = all(map(_is, keys, value)) and all(map(_is, items, value.values()))
        return value if unchanged else dict(zip(keys, items))
    if kind is _LIST_ITERATOR:
        return unpack(list(value))
    if kind is _TUPLE_ITERATOR:
        return unpack(tuple(value))
    if kind is _SET_ITERATOR:
        return unpack(set(value))
    if kind is slice:
        parts = [unpack(item) for item in (value.start, value.stop, value.step)]
        return slice(*parts)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        items = [unpack(item) for item in value]
        return value if all(map(_is, items, value)) else Task(_make_tuple, (kind, items), None, kind.__name__)
    if hasattr(kind, "__dataclass_fields__") and not issubclass(kind, type):
        return _unpack_fields(value, kind)
    if is_frame(value):
        return _frame_task(value)
    if arrays_in(value):
        rest, arrays = take_arrays(value)
        return Task(fill_arrays, (rest, *[one._partita_task() for one in arrays]), None, kind.__name__)
    if _graphs.is_foreign(value):
        return _graphs.collection_task(value)
    return value


def _is(one: Any, other: Any) -> bool:
    return one is other


def _make_tuple(kind: Callable[..., Any], items: list[Any]) -> Any:
    return kind(*items)


def _make_instance(kind: Callable[..., Any], fields: dict[str, Any]) -> Any:
    return kind(**fields)


def _unpack_fields(value: Any, kind: type) -> Any:
    fields = {
        field.name: getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)
    }
    found = {name: unpack(item) for name, item in fields.items()}
    if all(map(_is, found.values(), fields.values())):
        return value
    try:
        # Constructing it here shows an unsupported class before the computation.
        dataclasses.replace(value, **fields)
    except ValueError as error:
        raise ValueError(
            f"cannot create an instance of {kind.__name__} from its fields: fields with `init=False` are not supported"
        ) from error
    except TypeError as error:
        if "init=False" in str(error):
            raise ValueError(
                f"cannot create an instance of {kind.__name__} from its fields: fields with `init=False` are not supported"
            ) from error
        raise TypeError(
            f"cannot create an instance of {kind.__name__} from its fields: a custom __init__ is not supported"
        ) from error
    return Task(_make_instance, (kind, found), None, kind.__name__)
