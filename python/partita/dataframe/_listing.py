"""Names of columns in errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["listed"]

#: Columns that an error lists. Of more it lists the nearest names and the first ones.
LISTED_MAX = 30
#: Nearest names that are listed, and the likeness from which on a name is near.
NEAREST_MAX, NEAR = 5, 0.6


def listed(labels: Iterable[Any], wanted: Any = None) -> str:
    """Return the names of columns as a list; of many, the nearest to a wanted one and the first ones, and their number.

    Examples
    --------
    >>> listed(["a", "b", 3])
    'a, b, 3'
    >>> listed([f"c{number}" for number in range(5000)], "d4711").split(", ")[0]
    'c4711'
    """
    names = [str(label) for label in labels]
    if len(names) <= LISTED_MAX:
        return ", ".join(names)
    near = [] if wanted is None else difflib.get_close_matches(str(wanted), names, NEAREST_MAX, NEAR)
    shown = list(dict.fromkeys([*near, *names[:LISTED_MAX]]))[:LISTED_MAX]
    return f"{', '.join(shown)}, ... ({len(names):,} in all)"
