"""Drawings of plans."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import Any

from ._tasks import Task, find_inputs

__all__ = ["Drawing", "describe_tasks", "visualize"]

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
        self.plan = plan
        self.svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img" '
            f'aria-label="plan" font-family="monospace" font-size="12"><rect width="100%" height="100%" fill="white"/>'
            f"{texts}</svg>"
        )

    def _repr_svg_(self) -> str:
        return self.svg


#: Maximum number of tasks in a drawing.
_TASKS_MAX = 1000


def _describe(collection: Any) -> str:
    from ._collection import Collection, materialize

    if not isinstance(collection, Collection):
        return str(collection.explain())
    return describe_tasks(materialize([collection])[0])


def describe_tasks(outputs: Sequence[Any]) -> str:
    """Return tasks as text, with one line for each and its inputs indented below it."""
    lines: list[str] = []
    seen: set[str] = set()
    stack = [(node, 0) for node in reversed(outputs)]
    while stack and len(lines) < _TASKS_MAX:
        node, depth = stack.pop()
        if type(node) is not Task:
            lines.append(f"{'  ' * depth}{node!r}")
            continue
        inputs = find_inputs(node)
        is_known = node.key in seen
        seen.add(node.key)
        lines.append(f"{'  ' * depth}{node.name} {node.key}{' (see above)' if is_known and inputs else ''}")
        if not is_known:
            stack += [(one, depth + 1) for one in reversed(inputs)]
    if stack:
        lines.append("...")
    return "\n".join(lines)


#: Arguments of Dask that affect only the layout of its graph.
_TUNING = frozenset(
    ("optimize_graph", "color", "rankdir", "engine", "verbose", "cmap", "tasks", "format", "graph_attr")
)


def visualize(*collections: Any, filename: Any = None, **arguments: Any) -> Drawing:
    """Draw the plans of frames and the tasks of other collections as one SVG image.

    A notebook shows the image. Each task stands above its inputs, which are indented.

    Parameters
    ----------
    collections : DataFrame, Series, Index, Scalar, Delayed, Bag or Item
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
    drawing = Drawing("\n".join(_describe(one) for one in given))
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
