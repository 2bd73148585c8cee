"""The order of expressions that refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

__all__ = ["inputs_first"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Node = TypeVar("_Node", bound=_Named)


def inputs_first(wanted: Iterable[_Node], inputs: Callable[[_Node], Iterable[_Node]]) -> list[_Node]:
    """Return all nodes that some need, inputs first, and each name once. Chains may have any length.

    Parameters
    ----------
    wanted : iterable
        Objects with a name. Those of equal names are the same.
    inputs : callable
        Returns what a node needs.
    """
    order: list[_Node] = []
    seen: set[str] = set()
    for node in wanted:
        if node.name in seen:
            continue
        seen.add(node.name)
        stack = [(node, iter(inputs(node)))]
        while stack:
            current, rest = stack[-1]
            for one in rest:
                if one.name not in seen:
                    seen.add(one.name)
                    stack.append((one, iter(inputs(one))))
                    break
            else:
                order.append(current)
                stack.pop()
    return order
