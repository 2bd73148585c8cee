"""Drawings of chunks, for notebooks."""

from __future__ import annotations

import itertools
import math
from typing import Any

from ..utils import format_bytes, key_split
from ._chunks import is_unknown

__all__ = ["html_of", "svg_of"]

#: Maximum number of lines along an axis.
LINES_MAX = 40
#: How far the third axis of a drawing goes to the right and down, as a share of its length.
_DEPTH = 0.45


def _lines(sizes: Any, length: float) -> list[float]:
    total = sum(sizes) or 1
    ends = [0.0, *[end / total * length for end in itertools.accumulate(sizes)]]
    if len(ends) > LINES_MAX:
        step = math.ceil(len(ends) / LINES_MAX)
        ends = [*ends[:-1:step], ends[-1]]
    return ends


def _lengths(shape: Any, size: float) -> list[float]:
    largest = max([*shape, 1])
    # A long side must not hide a short one.
    return [size * max((one / largest) ** 0.5 if largest > 50 * max(one, 1) else one / largest, 0.08) for one in shape]


def svg_of(chunks: Any, size: int = 200) -> str:
    """Return a drawing of the last three axes of chunks as SVG.

    Parameters
    ----------
    chunks : tuple
        Sizes of the blocks along each axis.
    size : int
        Size of the longest side in pixels.
    """
    shape = tuple([sum(sizes) for sizes in chunks])
    if is_unknown(shape):
        raise NotImplementedError("Can't generate SVG with unknown chunk sizes; call x.compute_chunk_sizes() first")
    if not all(shape):
        raise NotImplementedError("Can't generate SVG with 0-length dimensions")
    if not chunks:
        raise NotImplementedError("Can't generate SVG with 0 dimensions")
    axes = chunks[-3:] if len(chunks) > 1 else ((1,), chunks[0])
    lengths = _lengths([sum(sizes) for sizes in axes], size)
    depth = lengths[0] * _DEPTH if len(axes) == 3 else 0.0
    height, width = lengths[-2], lengths[-1]
    parts = []

    def line(x1: float, y1: float, x2: float, y2: float, is_edge: bool) -> None:
        style = ' style="stroke-width:2"' if is_edge else ""
        parts.append(f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"{style} />')

    rows, columns = _lines(axes[-2], height), _lines(axes[-1], width)
    parts.append(
        f'<polygon points="{depth:.0f},{depth:.0f} {depth + width:.0f},{depth:.0f} {depth + width:.0f},{depth + height:.0f} '
        f'{depth:.0f},{depth + height:.0f}" style="fill:#8B4903A0;stroke-width:0"/>'
    )
    for y in rows:
        line(depth, depth + y, depth + width, depth + y, y in (0, rows[-1]))
    for x in columns:
        line(depth + x, depth, depth + x, depth + height, x in (0, columns[-1]))
    if len(axes) == 3:
        for z in _lines(axes[0], depth):
            line(z, z, z + width, z, z == 0)
            line(z, z, z, z + height, z == 0)
        for x in columns:
            line(x, 0, x + depth, depth, x in (0, columns[-1]))
        for y in rows:
            line(0, y, depth, y + depth, y in (0, rows[-1]))
    labels = [
        f'<text x="{depth + width / 2:.0f}" y="{depth + height + 20:.0f}" font-size="1.0rem" text-anchor="middle">'
        f"{shape[-1]}</text>"
    ]
    if len(shape) > 1:
        x, y = depth + width + 20, depth + height / 2
        labels.append(
            f'<text x="{x:.0f}" y="{y:.0f}" font-size="1.0rem" text-anchor="middle" '
            f'transform="rotate({-90 if height > 35 else 0},{x:.0f},{y:.0f})">{shape[-2]}</text>'
        )
    if len(axes) == 3:
        x, y = depth / 2 - 10, depth / 2 + height + 20
        labels.append(
            f'<text x="{x:.0f}" y="{y:.0f}" font-size="1.0rem" text-anchor="middle" '
            f'transform="rotate(45,{x:.0f},{y:.0f})">{shape[-3]}</text>'
        )
    return (
        f'<svg width="{depth + width + 50:.0f}" height="{depth + height + 50:.0f}" '
        'style="stroke:rgb(0,0,0);stroke-width:1">\n' + "\n".join([*parts, *labels]) + "\n</svg>"
    )


def html_of(array: Any) -> str:
    """Return a table that describes an array, with a drawing of its chunks."""
    try:
        drawing = svg_of(array.chunks, size=160)
    except NotImplementedError:
        drawing = ""
    known = not is_unknown(array.shape) and array.dtype is not None and not array.dtype.hasobject
    total = format_bytes(int(array.nbytes)) if known else "unknown"
    block = format_bytes(int(math.prod(array.chunksize) * array.dtype.itemsize)) if known else "unknown"
    kind = type(array._meta)
    # Blocks of other types, such as sparse ones, have other sizes.
    sizes = [("Bytes", total, block)] if kind.__module__.partition(".")[0] != "sparse" else []
    rows = [
        *sizes,
        ("Shape", str(array.shape), str(array.chunksize)),
        ("Count", f"{array.npartitions} chunks", ""),
        ("Data type", f"{array.dtype} {kind.__module__.partition('.')[0]}.{kind.__name__}", ""),
    ]
    body = "".join(f"<tr><th>{name}</th><td>{whole}</td><td>{part}</td></tr>" for name, whole, part in rows)
    return (
        f"<table><tr><td><table><thead><tr><td>{key_split(array.name)}</td><th>Array</th><th>Chunk</th></tr></thead>"
        f"<tbody>{body}</tbody></table></td><td>{drawing}</td></tr></table>"
    )
