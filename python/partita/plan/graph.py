"""The traversal of nodes that share others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["in_postorder"]

_Node = TypeVar("_Node")


def in_postorder(roots: Iterable[_Node], inputs: Callable[[_Node], Iterable[_Node]]) -> Iterator[_Node]:
    """Return each distinct node once, after its inputs. The depth of the nodes does not matter.

    Parameters
    ----------
    roots : iterable
        The nodes, which are compared by identity or are equal only if they are the same.
    inputs : callable
        The inputs of a node. It is called once for each node, before any of its inputs is returned.
    """
    seen: set[_Node] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                yield node
                continue
            if node in seen:
                continue
            seen.add(node)
            stack.append((node, True))
            stack.extend((one, False) for one in reversed(list(inputs(node))) if one not in seen)
