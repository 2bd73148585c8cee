"""What bags are made of, without their methods."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import _graphs
from .._collection import Collection
from .._tasks import Task, flatten, unflatten
from ..delayed import Delayed, _make
from ..utils import key_split
from . import _steps
from ._layers import Build, Elementwise, Layer, Parts

__all__ = ["SPLIT_EVERY", "BagCore", "random_seeds"]

#: Number of partitions whose results are combined by one task.
SPLIT_EVERY = 8


class BagCore(Collection):
    """A lazy list of Python objects in partitions."""

    def __init__(self, dsk: Any, name: str, npartitions: int) -> None:
        if not isinstance(dsk, Layer):
            keys = [(name, at) for at in range(npartitions)]
            tasks = _graphs.import_graph(dsk, keys)
            dsk = Parts(name, [tasks[key] for key in keys])
        self._layer: Layer = dsk
        self.name = name
        self.npartitions = npartitions

    def _new(self, layer: Layer) -> Any:
        return type(self)(layer, layer.name, layer.count)

    def _step(self, name: str, step: Callable[..., Any], extras: Sequence[tuple[str, Any]] = ()) -> Any:
        return self._new(Elementwise(name, self._layer, step, extras))

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    @property
    def _args(self) -> tuple[Any, str, int]:
        return self._layer, self.name, self.npartitions

    # Computing.

    @property
    def _partita_layers(self) -> tuple[Layer, ...]:
        return (self._layer,)

    def _partita_nodes(self, build: Build) -> list[Any]:
        return build.nodes(self._layer)

    def _partita_finish(self, results: list[Any]) -> Any:
        return _steps.concatenate(results)

    def _partita_rebuild(self, nodes: list[Any]) -> Any:
        return self._new(Parts(self.name, nodes))

    def _partita_task(self) -> Any:
        nodes = Build([self._layer]).nodes(self._layer)
        return Task(_steps.concatenate, (nodes,), None, "concatenate", f"concatenate-{self.name}")

    def __dask_layers__(self) -> tuple[str, ...]:
        return (self.name,)

    def __dask_tokenize__(self) -> Any:
        return self.name

    def __iter__(self) -> Iterator[Any]:
        return iter(self.compute())

    def __repr__(self) -> str:
        return f"partita.bag<{key_split(self.name)}, npartitions={self.npartitions}>"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        nodes = Build([self._layer]).nodes(self._layer)
        return _load, (type(self), flatten(nodes), self.name)

    def to_delayed(self, optimize_graph: bool = True) -> list[Delayed]:
        """Return the partitions as delayed values."""
        return [_make(node) for node in Build([self._layer]).nodes(self._layer)]


def _load(kind: Any, flat: Any, name: str) -> Any:
    layer = Parts(name, unflatten(*flat))
    return kind(layer, name, layer.count)


def random_seeds(count: int, random_state: Any = None) -> list[int]:
    """Return a seed for each partition."""
    if random_state is None:
        source: Any = random.SystemRandom()
    elif isinstance(random_state, random.Random):
        source = random_state
    elif hasattr(random_state, "randint"):
        return [int(random_state.randint(0, 2**31 - 1)) for _ in range(count)]
    elif isinstance(random_state, tuple):
        source = random.Random()
        source.setstate(random_state)
    else:
        source = random.Random(random_state)
    return [source.getrandbits(64) for _ in range(count)]
