"""Drawings in the formats of matplotlib, such as PNG and PDF."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .utils import import_optional

if TYPE_CHECKING:
    from ._layout import Layout

__all__ = ["write_graph", "write_text"]

#: Pixels of a drawing in an inch, and of an image in an inch.
DRAWING_DPI = 96
IMAGE_DPI = 192
#: Maximum width and height of an image, in pixels. Larger drawings are scaled down.
IMAGE_PX_MAX = 20_000
_FONT_PX = 12
_LINE_PX = 18


def _figure(width: float, height: float, path: str) -> tuple[Any, Any, int]:
    """Return a figure, its only axes with the coordinates of a drawing, and the resolution of its image."""
    if import_optional("matplotlib") is None:
        raise ValueError(
            f"cannot write {path!r}: the format {os.path.splitext(path)[1]} needs matplotlib; install it with `pip "
            "install matplotlib`, or use the extension .svg"
        )
    # Without pyplot, which would open a window or show the figure in the notebook once more.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DRAWING_DPI, height / DRAWING_DPI))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes, max(1, min(IMAGE_DPI, int(IMAGE_PX_MAX * DRAWING_DPI / max(width, height))))


def _points(pixels: float) -> float:
    return pixels * 72 / DRAWING_DPI


def write_text(text: str, path: str) -> None:
    """Write text as an image."""
    lines = text.splitlines() or [""]
    width = 24 + max(map(len, lines)) * _FONT_PX * 0.62
    figure, axes, dpi = _figure(width, len(lines) * _LINE_PX + 16, path)
    for at, line in enumerate(lines):
        axes.text(12, (at + 1) * _LINE_PX, line, family="monospace", size=_points(_FONT_PX), parse_math=False)
    figure.savefig(path, dpi=dpi)


def write_graph(layout: Layout, path: str) -> None:
    """Write a graph as an image."""
    figure, axes, dpi = _figure(layout.width, layout.height, path)
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.path import Path

    from ._layout import BOX_PX

    # One shape for all edges: shapes of their own would take a second for each hundred.
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for edge in layout.edges:
        curve = [edge[0], *(point for piece in layout.curve(edge) for point in piece)]
        points += curve
        codes += [Path.MOVETO, *[Path.CURVE4] * (len(curve) - 1)]
    if points:
        axes.add_patch(PathPatch(Path(points, codes), fc="none", ec="#777", linewidth=_points(1)))
    axes.add_collection(PolyCollection([layout.arrow(edge) for edge in layout.edges], fc="#555", ec="none"))
    for node, (x, y, width) in zip(layout.nodes, layout.boxes):
        radius, fill = (BOX_PX / 2, "#eef4fb") if node.is_round else (3.0, "#f4f4f4")
        style = f"round,pad=0,rounding_size={radius - 0.1}"
        corner = (x - width / 2, y - BOX_PX / 2)
        axes.add_patch(
            FancyBboxPatch(corner, width, BOX_PX, boxstyle=style, fc=fill, ec="#555", linewidth=_points(1), zorder=2)
        )
        axes.text(
            x,
            y,
            node.label,
            ha="center",
            va="center",
            family="monospace",
            size=_points(_FONT_PX),
            zorder=3,
            parse_math=False,
        )
    figure.savefig(path, dpi=dpi)
