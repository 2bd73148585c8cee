"""Drawings of plans."""

from __future__ import annotations

import os
from html import escape
from typing import Any

__all__ = ["Drawing", "visualize"]

_LINE_PX = 18
_INDENT_PX = 18
_CHAR_PX = 7.3


class Drawing:
    """A plan as SVG, with one line per operator, below the operator that reads its output."""

    def __init__(self, plan: str) -> None:
        lines = [line for line in plan.splitlines() if line.strip()]
        depths = [(len(line) - len(line.lstrip())) // 2 for line in lines]
        width = (
            max((depth * _INDENT_PX + len(line.strip()) * _CHAR_PX for depth, line in zip(depths, lines)), default=0)
            + 24
        )
        height = len(lines) * _LINE_PX + 16
        texts = "".join(
            f'<text x="{12 + depth * _INDENT_PX}" y="{(at + 1) * _LINE_PX}">{escape(line.strip())}</text>'
            for at, (depth, line) in enumerate(zip(depths, lines))
        )
        self.svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img" '
            f'aria-label="plan" font-family="monospace" font-size="12"><rect width="100%" height="100%" fill="white"/>'
            f"{texts}</svg>"
        )

    def _repr_svg_(self) -> str:
        return self.svg


#: Arguments of Dask that affect only the layout of its graph.
_TUNING = frozenset(
    ("optimize_graph", "color", "rankdir", "engine", "verbose", "cmap", "tasks", "format", "graph_attr")
)


def visualize(*collections: Any, filename: Any = None, **arguments: Any) -> Drawing:
    """Draw the plans of collections as one SVG image, for display in a notebook or written to a file.

    Parameters
    ----------
    collections : DataFrame, Series, Index or Scalar
        Collections to draw, one below the other.
    filename : str, optional
        Path of the image, with the extension ``.svg`` or none.

    Returns
    -------
    Drawing
        The image.

    Raises
    ------
    ValueError
        If the extension is that of another format.
    """
    form = arguments.get("format")
    for name in arguments:
        if name not in _TUNING:
            raise TypeError(f"visualize() does not support the argument {name!r}")
    given = [one for each in collections for one in (each if isinstance(each, (list, tuple)) else [each])]
    drawing = Drawing("\n".join(one.explain() for one in given))
    if filename is None:
        return drawing
    path = os.fspath(filename)
    ending = os.path.splitext(path)[1]
    if ending not in ("", ".svg") or form not in (None, "svg"):
        raise ValueError(
            f"cannot write {path!r} as {form or ending[1:]}: only SVG is supported; use the extension .svg"
        )
    with open(path if ending else f"{path}.svg", "w", encoding="utf-8") as file:
        file.write(drawing.svg)
    return drawing
