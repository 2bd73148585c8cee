"""Single lazy values of bags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _graphs
from .._collection import Collection, unpack
from .._tasks import flatten, unflatten
from .._tokens import tokenize
from ..delayed import Delayed, _make
from ..utils import funcname, key_split
from ._layers import Build, Layer, Made, Parts

__all__ = ["Item"]


class Item(Collection):
    """A single lazy value, such as the sum of a bag.

    Examples
    --------
    >>> from partita import bag
    >>> total = bag.from_sequence([1, 2, 3]).sum()
    >>> total.apply(str).compute(scheduler="synchronous")
    '6'
    """

    def __init__(self, dsk: Any, key: Any, layer: Any = None) -> None:
        if hasattr(dsk, "layers") and (layer or key) not in dsk.layers:
            raise ValueError(f"layer {layer or key!r} is not in the graph: {list(dsk.layers)}")
        if not isinstance(dsk, Layer):
            dsk = Parts(_graphs.text_key(key), [_graphs.import_graph(dsk, [key])[key]], is_single=True)
        self._layer: Layer = dsk
        self.key = key

    @property
    def name(self) -> str:
        """The key."""
        return self._layer.name

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    @property
    def _args(self) -> tuple[Any, Any]:
        return self._layer, self.key

    @property
    def _partita_layers(self) -> tuple[Layer, ...]:
        return (self._layer,)

    def _partita_nodes(self, build: Build) -> list[Any]:
        return build.nodes(self._layer)

    def _partita_finish(self, results: list[Any]) -> Any:
        return results[0]

    def _partita_rebuild(self, nodes: list[Any]) -> Item:
        return Item(Parts(self._layer.name, nodes, is_single=True), self.key)

    def _partita_task(self) -> Any:
        return Build([self._layer]).nodes(self._layer)[0]

    def __dask_tokenize__(self) -> Any:
        return self._layer.name

    @staticmethod
    def from_delayed(value: Any) -> Item:
        """Return a delayed value as an item."""
        task = unpack(value)
        return Item(Parts(task.key, [task], is_single=True), task.key)

    def apply(self, func: Callable[[Any], Any]) -> Item:
        """Return the result of a function of the value."""
        name = f"{funcname(func)}-{tokenize(self, func, 'apply')}"
        layer = Made(name, 1, [self._layer], lambda made, nodes: [made.task(0, func, (nodes[0][0],))], is_single=True)
        return Item(layer, name)

    def to_delayed(self, optimize_graph: bool = True) -> Delayed:
        """Return the value as a delayed value."""
        return _make(self._partita_task())

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __repr__(self) -> str:
        return f"partita.bag.Item<{key_split(self.key)}>"

    def __reduce__(self) -> Any:
        return _load, (flatten([self._partita_task()]), self.key)


def _load(flat: Any, key: Any) -> Item:
    return Item(Parts(_graphs.text_key(key), unflatten(*flat), is_single=True), key)
