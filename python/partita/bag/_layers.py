"""Layers: the lazy steps from which the tasks of bags are built when they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._options import current_options
from .._ordering import inputs_first
from .._tasks import Task, identity
from ..utils import key_split
from ._steps import as_list

__all__ = ["Build", "Elementwise", "Layer", "Made", "Parts"]

#: Maximum number of steps in one task. The iterators of the steps are nested, and each takes a part of the C stack.
STEPS_MAX = 50


class Layer:
    """A list of partitions, or a single value, which other layers compute.

    Attributes
    ----------
    name : str
        Identity of the results: layers of equal names have equal results.
    count : int
        The number of partitions.
    is_single : bool
        Whether the layer is a single value and not a list of partitions.
    inputs : tuple of Layer
        The layers that it reads.
    options : dict or None
        Options of its tasks.
    """

    def __init__(self, name: str, count: int, inputs: Sequence[Layer] = (), is_single: bool = False) -> None:
        self.name = name
        self.count = count
        self.inputs = tuple(inputs)
        self.is_single = is_single
        self.options = current_options()

    def key(self, at: int) -> str:
        """Return the key of a partition."""
        return self.name if self.is_single else f"{self.name}-{at}"

    def task(self, at: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Task:
        """Return the task of a partition."""
        return Task(function, args, None, key_split(self.name), self.key(at), self.options)


class Parts(Layer):
    """Partitions that exist: tasks, futures, or values."""

    def __init__(self, name: str, parts: Sequence[Any], is_value: bool = False, is_single: bool = False) -> None:
        super().__init__(name, len(parts), (), is_single)
        self.parts = parts
        self.is_value = is_value


class Elementwise(Layer):
    """A step whose partitions each need the same partition of another layer.

    Parameters
    ----------
    name : str
        The name.
    parent : Layer
        The other layer.
    step : callable
        Called with a partition and its further arguments.
    extras : list of pairs
        Further arguments: ``("each", layer)`` is the same partition of another layer, ``("list", values)`` one value
        for each partition, ``("layer", layer)`` a single value, and ``("value", value)`` the same for all partitions.
    """

    def __init__(
        self, name: str, parent: Layer, step: Callable[..., Any], extras: Sequence[tuple[str, Any]] = ()
    ) -> None:
        others = [value for kind, value in extras if kind in ("each", "layer")]
        super().__init__(name, parent.count, (parent, *others))
        self.step = step
        self.extras = tuple(extras)


class Made(Layer):
    """Partitions with any inputs.

    Parameters
    ----------
    make : callable
        Called with this layer and a list of tasks for each input. Returns the tasks.
    """

    def __init__(
        self,
        name: str,
        count: int,
        inputs: Sequence[Layer],
        make: Callable[..., list[Any]],
        is_single: bool = False,
    ) -> None:
        super().__init__(name, count, inputs, is_single)
        self.make = make


class Chain:
    """The function of a task that runs several steps on a partition, without lists between them."""

    __slots__ = ("__name__", "steps")

    def __init__(self, steps: tuple[tuple[Callable[..., Any], int, int], ...], name: str) -> None:
        self.steps = steps
        self.__name__ = name

    def __call__(self, part: Any, *extras: Any) -> Any:
        for step, first, last in self.steps:
            part = step(part, *extras[first:last])
        return as_list(part)

    def __reduce__(self) -> Any:
        return Chain, (self.steps, self.__name__)


class _Pending:
    """Partitions whose last steps are not in a task yet."""

    def __init__(
        self, sources: Sequence[Any], steps: tuple[Any, ...] = (), extras: list[tuple[Any, ...]] | None = None
    ):
        self.sources = sources
        self.steps = steps
        self.extras = extras if extras is not None else [()] * len(sources)

    def extend(self, layer: Elementwise, columns: list[Sequence[Any]]) -> _Pending:
        first = len(self.extras[0]) if self.extras else 0
        extras = [(*old, *[column[at] for column in columns]) for at, old in enumerate(self.extras)]
        step = (layer.step, first, first + len(columns))
        return _Pending(self.sources, (*self.steps, step), extras)

    def tasks(self, layer: Layer) -> list[Any]:
        if not self.steps:
            return [layer.task(at, identity, (value,)) for at, value in enumerate(self.sources)]
        # All partitions have the same function, so that it is sent to a worker once.
        function = Chain(self.steps, key_split(layer.name))
        return [
            layer.task(at, function, (source, *extra))
            for at, (source, extra) in enumerate(zip(self.sources, self.extras))
        ]


class Build:
    """Builds the tasks of several layers at once.

    A step becomes part of the task of the next step if nothing else needs its result.
    """

    def __init__(self, wanted: Sequence[Layer]) -> None:
        self._wanted = {layer.name for layer in wanted}
        self._nodes: dict[str, list[Any]] = {}
        self._pending: dict[str, _Pending] = {}
        self._readers: dict[str, int] = {}
        self._reader: dict[str, Layer] = {}
        #: The expressions of arrays that are computed together.
        self.wanted_arrays: list[Any] = []
        self._arrays: dict[str, list[Any]] | None = None
        order = inputs_first(wanted, lambda layer: layer.inputs)
        for layer in order:
            for one in layer.inputs:
                self._readers[one.name] = self._readers.get(one.name, 0) + 1
                self._reader[one.name] = layer
        for layer in order:
            self._add(layer)

    def nodes(self, layer: Layer) -> list[Any]:
        """Return the tasks or futures of a wanted layer."""
        return self._nodes[layer.name]

    def arrays(self, lower: Callable[[list[Any]], dict[str, list[Any]]]) -> dict[str, list[Any]]:
        """Return the tasks of all wanted arrays by name. `lower` is called once, so that they share their tasks."""
        if self._arrays is None:
            self._arrays = lower(self.wanted_arrays)
        return self._arrays

    def _add(self, layer: Layer) -> None:
        if isinstance(layer, Parts):
            if not layer.is_value:
                self._nodes[layer.name] = list(layer.parts)
                return
            pending = _Pending(layer.parts)
        elif isinstance(layer, Elementwise):
            parent = layer.inputs[0].name
            before = self._pending.pop(parent, None) or _Pending(self._nodes[parent])
            pending = before.extend(layer, [self._column(kind, value, layer.count) for kind, value in layer.extras])
        else:
            assert isinstance(layer, Made)
            self._nodes[layer.name] = layer.make(layer, [self._nodes[one.name] for one in layer.inputs])
            return
        if self._joins_reader(layer, pending):
            self._pending[layer.name] = pending
        else:
            self._nodes[layer.name] = pending.tasks(layer)

    def _column(self, kind: str, value: Any, count: int) -> Sequence[Any]:
        if kind == "each":
            return self._nodes[value.name]
        if kind == "list":
            return list(value)
        return [self._nodes[value.name][0] if kind == "layer" else value] * count

    def _joins_reader(self, layer: Layer, pending: _Pending) -> bool:
        reader = self._reader.get(layer.name)
        return (
            layer.name not in self._wanted
            and self._readers.get(layer.name) == 1
            and isinstance(reader, Elementwise)
            and reader.inputs[0].name == layer.name
            and (not pending.steps or reader.options == layer.options)
            and len(pending.steps) < STEPS_MAX
        )
