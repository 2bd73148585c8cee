"""Axis maps: which blocks of a source one block of a reader needs, said for each axis of the source's grid.

A grid is the number of blocks along each axis, and blocks are numbered row-major. The set of blocks that is read is the
product of what the maps of all axes name. Tables have the size of an axis, so nothing is stored for an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["All", "At", "Axis", "Listed", "Read", "identity_axes"]


class Axis:
    """The blocks depend on the index of the reader along one of its axes.

    Parameters
    ----------
    of : int
        The axis of the reader.
    ranges : sequence, optional
        For each index along that axis the block that is read, or a ``range`` or tuple of blocks. By default the block
        with the same index.
    boxes : sequence, optional
        For each index along that axis the part of the block, or of each block, that is read: a slice, an integer, which
        drops the axis, or an array of positions.
    """

    __slots__ = ("boxes", "of", "ranges")

    def __init__(self, of: int, ranges: Sequence[Any] | None = None, boxes: Sequence[Any] | None = None) -> None:
        self.of = of
        self.ranges = ranges
        self.boxes = boxes

    @property
    def is_single(self) -> bool:
        """Whether each index reads exactly one block."""
        return self.ranges is None or len(self.ranges) == 0 or isinstance(self.ranges[0], int)

    def __dask_tokenize__(self) -> Any:
        return "axis", self.of, self.ranges, self.boxes


class All:
    """All blocks along the axis are read."""

    __slots__ = ()

    is_single = False

    def __dask_tokenize__(self) -> Any:
        return "all"


class At:
    """The same block is read by all readers.

    Parameters
    ----------
    index : int
        The index of the block along the axis.
    box : slice or int, optional
        The part of it that is read.
    """

    __slots__ = ("box", "index")

    is_single = True

    def __init__(self, index: int, box: Any = None) -> None:
        self.index = index
        self.box = box

    def __dask_tokenize__(self) -> Any:
        return "at", self.index, self.box


class Listed:
    """The blocks are listed, for what no product of axes describes: pointwise indexing and row-major order of blocks.

    Parameters
    ----------
    rows : sequence
        For each block of the reader, row-major, the number of the block that is read, or a list of numbers.
    """

    __slots__ = ("rows",)

    is_single = False

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __dask_tokenize__(self) -> Any:
        return "listed", self.rows


class Read:
    """One input of a node: a source, a map for each of its axes, and how several blocks are passed.

    Parameters
    ----------
    source : Node
        The array that is read.
    axes : sequence of Axis, All or At, or Listed
        A map for each axis of the source, or the list of the blocks.
    join : bool
        Whether several blocks are joined to one array. Otherwise they are passed as nested lists, one level for each
        axis along which several blocks may be read.
    domain : tuple of int, optional
        ``(axis, start, stop)``: only readers with an index in this range along an axis have the input; the maps get the
        index less `start`.
    """

    __slots__ = ("axes", "domain", "join", "listed", "source")

    def __init__(
        self,
        source: Any,
        axes: Sequence[Axis | All | At] | Listed,
        join: bool = False,
        domain: tuple[int, int, int] | None = None,
    ) -> None:
        self.source = source
        self.listed = axes if isinstance(axes, Listed) else None
        self.axes: tuple[Any, ...] = () if isinstance(axes, Listed) else tuple(axes)
        self.join = join
        self.domain = domain

    @property
    def is_single(self) -> bool:
        """Whether each reader needs exactly one block."""
        return self.domain is None and self.listed is None and all(one.is_single for one in self.axes)

    @property
    def is_whole(self) -> bool:
        """Whether blocks are passed as they are."""
        return self.listed is None and all(
            one.is_single and getattr(one, "boxes", getattr(one, "box", None)) is None for one in self.axes
        )

    def __dask_tokenize__(self) -> Any:
        return self.source.name, self.axes, self.listed, self.join, self.domain


def identity_axes(ndim: int) -> list[Axis]:
    """Return the maps with which each block reads the block of the same index."""
    return [Axis(at) for at in range(ndim)]
