"""Plans as pictures."""

from __future__ import annotations

from html import escape

__all__ = ["Drawing"]

_LINE_PX = 18
_INDENT_PX = 18
_CHAR_PX = 7.3


class Drawing:
    """The text of a plan as SVG: a line for each operator, below the one that reads it."""

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
