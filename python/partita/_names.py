"""Names of what clients share: strings at the scheduler, other simple objects for users."""

from __future__ import annotations

import ast
from typing import Any

__all__ = ["decode_name", "encode_name"]

#: Begins the string of a name that is not a string.
_MARK = "\x01"


def encode_name(name: Any) -> str:
    """Return the string by which the scheduler knows a name.

    Parameters
    ----------
    name : str, bytes, int, float, None, or a tuple or list of these
        The name. Strings stand for themselves.

    Raises
    ------
    TypeError
        If the name is another object.

    Examples
    --------
    >>> encode_name("x"), decode_name(encode_name(("x", 1)))
    ('x', ('x', 1))
    """
    if isinstance(name, str) and not name.startswith(_MARK):
        return name
    text = repr(name)
    try:
        is_simple = type(ast.literal_eval(text)) is type(name) and ast.literal_eval(text) == name
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        is_simple = False
    if not is_simple:
        raise TypeError(f"a name must be a string, a number, bytes, or a tuple of these, not {name!r}")
    return _MARK + text


def decode_name(text: str) -> Any:
    """Return the name of a string of :func:`encode_name`."""
    return ast.literal_eval(text[len(_MARK) :]) if text.startswith(_MARK) else text
