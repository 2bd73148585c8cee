"""Drawings of plans and tasks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import Any

from ._layout import Layout, Node
from ._tasks import Task, find_inputs, identity, sort_tasks
from .utils import key_split

__all__ = ["Drawing", "describe_tasks", "lay_out", "visualize"]

_LINE_PX = 18
_INDENT_PX = 18
_CHAR_PX = 7.3


class Drawing:
    """A picture of plans and tasks, which a notebook shows.

    Attributes
    ----------
    plan : str
        The plan or the tasks as text.
    svg : str
        The image.
    """

    def __init__(self, plan: str, layout: Layout | None = None) -> None:
        self.plan = plan
        self._layout = layout
        self.svg = _draw_text(plan) if layout is None else layout.svg()

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return self.plan

    def write(self, path: str) -> None:
        """Write the image into a file, in the format of its extension."""
        if path.endswith(".svg"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.svg)
            return
        from ._raster import write_graph, write_text

        if self._layout is None:
            write_text(self.plan, path)
        else:
            write_graph(self._layout, path)


def _draw_text(plan: str) -> str:
    """Return text as SVG, with indented lines."""
    lines = [line for line in plan.splitlines() if line.strip()]
    depths = [(len(line) - len(line.lstrip())) // 2 for line in lines]
    width = (
        max((depth * _INDENT_PX + len(line.strip()) * _CHAR_PX for depth, line in zip(depths, lines)), default=0) + 24
    )
    height = len(lines) * _LINE_PX + 16
    texts = "".join(
        f'<text x="{12 + depth * _INDENT_PX}" y="{(at + 1) * _LINE_PX}">{escape(line.strip())}</text>'
        for at, (depth, line) in enumerate(zip(depths, lines))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img" '
        f'aria-label="plan" font-family="monospace" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{texts}</svg>"
    )


#: Maximum number of tasks in a drawing.
_TASKS_MAX = 1000


def _describe(collection: Any) -> str:
    from ._collection import Collection, materialize

    explain = getattr(type(collection), "explain", None)
    if explain is not None:
        return str(explain(collection))
    if not isinstance(collection, Collection):
        return f"{type(collection).__name__}"
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


def lay_out(outputs: Sequence[Any], direction: str) -> Layout | None:
    """Return the graph of tasks, or None if it is too large for a drawing."""
    numbers: dict[str, int] = {}
    nodes: list[Node] = []
    for task in sort_tasks(outputs)[0]:
        if len(nodes) >= _TASKS_MAX:
            return None
        inputs = find_inputs(task)
        for one in inputs:
            _add_future(one, numbers, nodes)
        numbers[task.key] = len(nodes)
        places = [numbers[one.key] for one in inputs if hasattr(one, "key")]
        nodes.append(Node(task.name, task.key, places, task.function is not identity))
    for one in outputs:
        _add_future(one, numbers, nodes)
    return Layout(nodes, direction)


def _add_future(value: Any, numbers: dict[str, int], nodes: list[Node]) -> None:
    if type(value) is not Task and hasattr(value, "key") and value.key not in numbers:
        numbers[value.key] = len(nodes)
        nodes.append(Node(key_split(value.key), repr(value), is_round=False))


#: Arguments of Dask that affect only the look of its graph.
_TUNING = frozenset(
    (
        "cmap",
        "collapse_outputs",
        "color",
        "concentrate",
        "edge_attr",
        "engine",
        "graph_attr",
        "maxval",
        "node_attr",
        "optimize_graph",
        "show",
        "splines",
        "verbose",
    )
)
_DIRECTIONS = ("BT", "TB", "LR", "RL")
#: Extensions of images, of which matplotlib writes all but the first.
_FORMATS = ("svg", "png", "pdf", "jpg", "jpeg")


def visualize(
    *collections: Any,
    filename: Any = None,
    format: str | None = None,
    rankdir: str = "BT",
    tasks: bool = False,
    **arguments: Any,
) -> Drawing:
    """Draw the tasks of collections as a graph, and the plans of frames as text.

    A notebook shows the image. Round boxes are calls of functions, and the others are values. In the text of a plan,
    each operator stands above its inputs, which are indented.

    Parameters
    ----------
    collections : DataFrame, Series, Index, Scalar, Delayed, Bag or Item
        Collections to draw together.
    filename : str, optional
        Path of the image, with the extension ``.svg`` or none. Other formats, such as ``.png`` and ``.pdf``, need
        matplotlib.
    format : str, optional
        Format of the image, if the path has no extension.
    rankdir : {"BT", "TB", "LR", "RL"}
        The direction of the graph: from the bottom to the top, and so on.
    tasks : bool
        Whether to draw each task of arrays. By default their stages are drawn.

    Returns
    -------
    Drawing
        The image.

    Raises
    ------
    ValueError
        If the extension is that of another format.
    """
    for name in arguments:
        if name not in _TUNING:
            raise TypeError(f"visualize() does not support the argument {name!r}")
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(_DIRECTIONS)}, not {rankdir!r}")
    path = None if filename is None else _choose_path(os.fspath(filename), format)
    given = [one for each in collections for one in (each if isinstance(each, (list, tuple)) else [each])]
    drawing = _draw(given, rankdir, tasks)
    if path is not None:
        drawing.write(path)
    return drawing


def _choose_path(path: str, format: str | None) -> str:
    ending = os.path.splitext(path)[1]
    kind = (ending or f".{format or 'svg'}")[1:].lower()
    if kind not in _FORMATS:
        raise ValueError(f"cannot write {path!r} as {kind}; use one of the extensions .{', .'.join(_FORMATS)}")
    return path if ending else f"{path}.{kind}"


def _draw(collections: list[Any], rankdir: str, tasks: bool) -> Drawing:
    from ._collection import Collection, materialize

    if not tasks and collections and all(hasattr(one, "_partita_expressions") for one in collections):
        from .array._explain import draw_stages

        return draw_stages(collections, rankdir)
    text = "\n".join(_describe(one) for one in collections)
    if not collections or not all(isinstance(one, Collection) for one in collections):
        return Drawing(text)
    return Drawing(text, lay_out([node for nodes in materialize(collections) for node in nodes], rankdir))
