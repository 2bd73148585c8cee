"""Slices of arrays that are created or read: only the part is created or read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tasks import identity
from ..utils import key_split
from ._axis_maps import At, Read
from ._chunks import is_unknown
from ._core import array_of, make_meta
from ._creation import fill_block, size_tables
from ._expression import Node, sizes_token
from ._from_array import get_block

__all__ = ["push_slices", "with_chunks_of_fill"]


def push_slices(x: Any, parts: list[Any], slice_axis: Callable[..., Any]) -> Any:
    """Return a slice of an array as an array of its own, or None if it is neither created nor read from a source.

    Parameters
    ----------
    x : Array
        The array.
    parts : list
        A slice, an integer or None for each axis, as :func:`normalize_index` returns them.
    slice_axis : callable
        Divides a slice into blocks.
    """
    node = x._node
    if is_unknown(node.shape):
        return None
    if node.function is fill_block:
        return _fill_part(node, parts, slice_axis)
    if node.function is get_block and all(
        isinstance(one, slice) and (one.step is None or one.step > 0) for one in parts
    ):
        return _source_part(node, parts, slice_axis)
    return None


def _fill_part(node: Node, parts: list[Any], slice_axis: Callable[..., Any]) -> Any:
    chunks: list[Any] = []
    axis = 0
    for one in parts:
        if one is None:
            chunks.append((1,))
            continue
        if isinstance(one, slice):
            chunks.append(node.chunks[axis] if one == slice(None) else slice_axis(node.chunks[axis], one)[0])
        axis += 1
    if chunks or not node.ndim:
        return with_chunks_of_fill(node, tuple(chunks))
    # As in NumPy: an item is a scalar, and not an array without axes.
    one = with_chunks_of_fill(node, ((1,),) * node.ndim)
    meta = make_meta(node.meta, node.dtype, 0)
    return array_of(Node("getitem", (), meta, identity, [Read(one._node, [At(0, 0)] * node.ndim)]))


def with_chunks_of_fill(node: Node, chunks: Any) -> Any:
    """Return an array of one value with other chunks."""
    label = key_split(node.name)
    token = ("fill", node.params, [sizes_token(one) for one in chunks])
    meta = make_meta(node.meta, node.dtype, len(chunks))
    tables = size_tables(chunks)
    return array_of(Node(label, chunks, meta, fill_block, tables=tables, params=node.params, cheap=True, token=token))


def _source_part(node: Node, parts: list[Any], slice_axis: Callable[..., Any]) -> Any:
    chunks: list[Any] = []
    tables: list[Any] = []
    for axis, one in enumerate(parts):
        known = node.tables[axis][1]
        if one == slice(None):
            chunks.append(node.chunks[axis])
            tables.append((axis, known))
            continue
        sizes, blocks, boxes = slice_axis(node.chunks[axis], one)
        chunks.append(sizes)
        tables.append((axis, [_within(known[block], box) for block, box in zip(blocks, boxes)]))
    token = ("source-part", node.name, [(one.start, one.stop, one.step) for one in parts])
    return array_of(
        Node("getitem", tuple(chunks), node.meta, get_block, tables=tables, params=node.params, token=token)
    )


def _within(whole: slice, box: slice | None) -> slice:
    """Return a part of a part."""
    if box is None:
        return whole
    outer = whole.step or 1
    step = outer * (box.step or 1)
    begin = whole.start + box.start * outer
    # The last item is the same, whatever the step.
    count = len(range(box.start, box.stop, box.step or 1))
    return slice(begin, begin + (count - 1) * step + 1 if count else begin, None if step == 1 else step)
