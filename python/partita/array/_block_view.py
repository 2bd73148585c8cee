"""The blocks of an array as an array of blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np

from .._tasks import identity
from ._axis_maps import Axis, Read
from ._core import Array, array_of
from ._expression import Node

__all__ = ["BlockView"]


class BlockView:
    """The blocks of an array, indexed by their numbers along each axis.

    Examples
    --------
    >>> import partita.array as da
    >>> x = da.arange(6, chunks=2)
    >>> x.blocks[1:].compute()
    array([2, 3, 4, 5])
    """

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Any:
        x = self._array
        key = index if isinstance(index, tuple) else (index,)
        if sum(isinstance(one, (np.ndarray, list)) for one in key) > 1:
            raise ValueError("Can only slice with a single list")
        if any(one is None for one in key):
            raise ValueError("Slicing with np.newaxis or None is not supported")
        dots = [at for at, one in enumerate(key) if one is Ellipsis]
        if dots:
            key = (*key[: dots[0]], *[slice(None)] * (x.ndim - len(key) + 1), *key[dots[0] + 1 :])
        if len(key) > x.ndim:
            raise IndexError(f"too many indices for an array of blocks with {x.ndim} dimensions")
        key = (*key, *[slice(None)] * (x.ndim - len(key)))
        maps, chunks = [], []
        for axis, (one, count) in enumerate(zip(key, x.numblocks)):
            if isinstance(one, Array):
                raise TypeError("blocks are indexed by numbers, not by lazy arrays")
            numbers = np.arange(count)
            if isinstance(one, Integral):
                if not -count <= one < count:
                    raise IndexError(f"Index {one} is out of bounds for axis {axis} with size {count}")
                numbers = numbers[[int(one)]]
            else:
                numbers = numbers[one]
            chosen = [int(at) for at in np.atleast_1d(numbers)]
            if not chosen:
                raise ValueError(f"no blocks are selected along axis {axis}")
            maps.append(Axis(axis, chosen))
            chunks.append(tuple([x.chunks[axis][at] for at in chosen]))
        return array_of(Node("blocks", tuple(chunks), x._meta, identity, [Read(x._node, maps)]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockView) and self._array is other._array

    __hash__ = object.__hash__

    @property
    def size(self) -> int:
        """The number of blocks."""
        return math.prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of blocks along each axis."""
        return self._array.numblocks

    def ravel(self) -> list[Any]:
        """Return the blocks as a list, row-major."""
        return [self[index] for index in np.ndindex(*self.shape)]

    def __iter__(self) -> Iterator[Any]:
        for at in range(self.shape[0]):
            yield self[at]
