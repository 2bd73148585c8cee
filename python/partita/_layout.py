"""Layered drawings of graphs: where each node is, and the paths of the edges."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["Layout", "Node"]

#: Width of a character, height of a box, and the space inside a box, between boxes and between layers, in pixels.
CHAR_PX = 7.3
BOX_PX = 26.0
PADDING_PX = 9.0
GAP_PX = 14.0
LAYER_GAP_PX = 34.0
MARGIN_PX = 8.0
#: Length of the head of an edge, in pixels.
ARROW_PX = 7.0
#: Maximum length of a label, in characters.
LABEL_CHARACTERS_MAX = 40
#: Passes over the layers that reduce the crossings of edges.
ORDER_PASSES = 6
#: Bends of all edges together. Further edges are straight lines, whatever is in their way.
BENDS_MAX = 20_000


class Node:
    """A node of a graph.

    Attributes
    ----------
    label, title : str
        The text inside the box, and the text that appears when the pointer is over it.
    inputs : list of int
        The numbers of the nodes before it.
    is_round : bool
        Whether the corners of the box are round, as of functions.
    """

    __slots__ = ("inputs", "is_round", "label", "title")

    def __init__(self, label: str, title: str, inputs: Sequence[int] = (), is_round: bool = True) -> None:
        is_long = len(label) > LABEL_CHARACTERS_MAX
        self.label = f"{label[: LABEL_CHARACTERS_MAX - 3]}..." if is_long else label
        self.title = title
        self.inputs = list(dict.fromkeys(inputs))
        self.is_round = is_round


class Layout:
    """A graph whose nodes have places.

    Parameters
    ----------
    nodes : list of Node
        The nodes. Each comes after its inputs.
    direction : {"BT", "TB", "LR", "RL"}
        Where edges lead: from the bottom to the top, and so on.

    Attributes
    ----------
    boxes : list of tuple
        The center and the width of the box of each node.
    edges : list of list of tuple
        The points of each edge.
    """

    def __init__(self, nodes: Sequence[Node], direction: str = "BT") -> None:
        self.nodes = nodes
        self._direction = direction
        self._is_flat = direction in ("LR", "RL")
        self._widths = [len(node.label) * CHAR_PX + 2 * PADDING_PX for node in nodes]
        self._layers = _assign_layers(nodes)
        self._sizes = [BOX_PX if self._is_flat else width for width in self._widths]
        self._paths = self._add_bends()
        rows = self._sort_rows()
        across = self._straighten(rows)
        self._place(across)

    def _add_bends(self) -> list[list[int]]:
        """Give edges over several layers a bend in each, and return the nodes and bends of every edge."""
        edges = [(source, at) for at, node in enumerate(self.nodes) for source in node.inputs]
        has_bends = sum(self._layers[at] - self._layers[source] for source, at in edges) <= BENDS_MAX
        paths = []
        for source, at in edges:
            path = [source]
            for layer in range(self._layers[source] + 1, self._layers[at]) if has_bends else ():
                path.append(len(self._layers))
                self._layers.append(layer)
                self._sizes.append(0.0)
            paths.append([*path, at])
        return paths

    def _sort_rows(self) -> list[list[int]]:
        """Return the nodes and bends of each layer in an order with few crossings."""
        count = len(self._layers)
        self._below: list[list[int]] = [[] for _ in range(count)]
        self._above: list[list[int]] = [[] for _ in range(count)]
        for path in self._paths:
            for low, high in zip(path, path[1:]):
                self._above[low].append(high)
                self._below[high].append(low)
        rows: list[list[int]] = [[] for _ in range(max(self._layers, default=-1) + 1)]
        for at in self._depth_first():
            rows[self._layers[at]].append(at)
        place = [0.0] * count
        for row in rows:
            for number, at in enumerate(row):
                place[at] = float(number)
        for number in range(ORDER_PASSES):
            near = self._below if number % 2 == 0 else self._above
            for row in rows if number % 2 == 0 else rows[::-1]:
                wish = {at: _mean([place[one] for one in near[at]], place[at]) for at in row}
                row.sort(key=wish.__getitem__)
                for rank, at in enumerate(row):
                    place[at] = float(rank)
        return rows

    def _depth_first(self) -> list[int]:
        """Return the nodes and bends, each after those below it, branch by branch."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [at for at in reversed(range(len(self._layers))) if not self._above[at]]
        while stack:
            at = stack[-1]
            left = [one for one in self._below[at] if one not in seen]
            if at in seen or not left:
                stack.pop()
                if at not in seen:
                    seen.add(at)
                    order.append(at)
            else:
                stack += reversed(left)
        return order

    def _straighten(self, rows: list[list[int]]) -> list[float]:
        """Return the coordinates across the layers: each node near the middle of its neighbours."""
        across = [0.0] * len(self._layers)
        offsets = []
        for row in rows:
            total, own = 0.0, []
            for at in row:
                own.append(total + self._sizes[at] / 2)
                total += self._sizes[at] + GAP_PX
            offsets.append(own)
            for at, offset in zip(row, own):
                across[at] = offset - total / 2
        # From the widest layer, which stays, to the top and to the bottom.
        widest = max(range(len(rows)), key=lambda layer: offsets[layer][-1], default=0)
        for layers, near in ((range(widest + 1, len(rows)), self._below), (range(widest - 1, -1, -1), self._above)):
            for layer in layers:
                row, own = rows[layer], offsets[layer]
                wish = [_mean([across[one] for one in near[at]], across[at]) for at in row]
                shifted = _isotonic([value - offset for value, offset in zip(wish, own)])
                for at, value, offset in zip(row, shifted, own):
                    across[at] = value + offset
        return across

    def _place(self, across: list[float]) -> None:
        if self._is_flat:
            step = max(self._widths, default=0.0) + LAYER_GAP_PX
            extent = max(self._widths, default=0.0)
        else:
            step, extent = BOX_PX + LAYER_GAP_PX, BOX_PX
        last = max(self._layers, default=0)
        lows = [value - size / 2 for value, size in zip(across, self._sizes)]
        highs = [value + size / 2 for value, size in zip(across, self._sizes)]
        least = min(lows, default=0.0)
        breadth = max(highs, default=0.0) - least + 2 * MARGIN_PX
        length = last * step + extent + 2 * MARGIN_PX

        def point(at: int, shift: float = 0.0) -> tuple[float, float]:
            layer = self._layers[at] if self._direction in ("TB", "LR") else last - self._layers[at]
            along = MARGIN_PX + extent / 2 + layer * step + (shift if self._direction in ("TB", "LR") else -shift)
            other = across[at] - least + MARGIN_PX
            return (along, other) if self._is_flat else (other, along)

        self.width, self.height = (length, breadth) if self._is_flat else (breadth, length)
        self.boxes = [(*point(at), self._widths[at]) for at in range(len(self.nodes))]

        def half(at: int) -> float:
            return self._widths[at] / 2 if self._is_flat else BOX_PX / 2

        self.edges = [
            [point(path[0], half(path[0])), *(point(at) for at in path[1:-1]), point(path[-1], -half(path[-1]))]
            for path in self._paths
        ]

    def curve(self, points: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], ...]]:
        """Return an edge as cubic curves: two control points and the end of each."""
        pieces: list[tuple[tuple[float, float], ...]] = []
        for (x, y), (to_x, to_y) in zip(points, points[1:]):
            if self._is_flat:
                middle = (x + to_x) / 2
                pieces.append(((middle, y), (middle, to_y), (to_x, to_y)))
            else:
                middle = (y + to_y) / 2
                pieces.append(((x, middle), (to_x, middle), (to_x, to_y)))
        return pieces

    def arrow(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return the corners of the head of an edge."""
        x, y = points[-1]
        sign = -1 if self._direction in ("TB", "LR") else 1
        along, side = sign * ARROW_PX, ARROW_PX / 2
        if self._is_flat:
            return [(x, y), (x + along, y - side), (x + along, y + side)]
        return [(x, y), (x - side, y + along), (x + side, y + along)]

    def svg(self) -> str:
        """Return the drawing as SVG."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" style="max-width:100%;height:auto" role="img" '
            'aria-label="task graph" font-family="monospace" font-size="12">'
            '<rect width="100%" height="100%" fill="white"/>'
        ]
        for points in self.edges:
            x, y = points[0]
            curves = " ".join(
                "C" + " ".join(f"{at_x:.1f} {at_y:.1f}" for at_x, at_y in piece) for piece in self.curve(points)
            )
            head = " ".join(f"{at_x:.1f},{at_y:.1f}" for at_x, at_y in self.arrow(points))
            parts.append(f'<path d="M{x:.1f} {y:.1f} {curves}" fill="none" stroke="#777"/>')
            parts.append(f'<polygon points="{head}" fill="#555"/>')
        for node, (x, y, width) in zip(self.nodes, self.boxes):
            radius, fill = (BOX_PX / 2, "#eef4fb") if node.is_round else (3.0, "#f4f4f4")
            parts.append(
                f'<g><title>{escape(node.title)}</title><rect x="{x - width / 2:.1f}" y="{y - BOX_PX / 2:.1f}" '
                f'width="{width:.1f}" height="{BOX_PX:.0f}" rx="{radius:.0f}" fill="{fill}" stroke="#555"/>'
                f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{escape(node.label)}</text></g>'
            )
        return "".join([*parts, "</svg>"])


def _assign_layers(nodes: Sequence[Node]) -> list[int]:
    """Return the layer of each node: above all of its inputs. Those without inputs are just below their readers."""
    layers: list[int] = []
    for node in nodes:
        layers.append(1 + max((layers[one] for one in node.inputs), default=-1))
    readers: dict[int, int] = {}
    for at, node in enumerate(nodes):
        for one in node.inputs:
            readers[one] = min(readers.get(one, layers[at]), layers[at])
    return [
        layer if node.inputs or at not in readers else readers[at] - 1
        for at, (node, layer) in enumerate(zip(nodes, layers))
    ]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _isotonic(values: Sequence[float]) -> list[float]:
    """Return the nondecreasing sequence with the least squared distance to values."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            above, more = blocks.pop()
            total, count = total + above, count + more
        blocks.append((total, count))
    return [total / count for total, count in blocks for _ in range(count)]
