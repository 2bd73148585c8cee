"""Methods of strings for bags."""

from __future__ import annotations

import fnmatch
import functools
from typing import Any

from . import _steps
from ._many import bag_map

__all__ = ["StringAccessor"]


class StringAccessor:
    """Methods of strings, applied to each item of a bag."""

    def __init__(self, bag: Any) -> None:
        self._bag = bag

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(str)})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not callable(getattr(str, name, None)):
            raise AttributeError(f"strings have no method {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            return bag_map(functools.partial(_steps.string_method, name, args, kwargs), self._bag)

        method.__doc__ = getattr(str, name).__doc__
        return method

    def match(self, pattern: str) -> Any:
        """Keep the strings that match a pattern with ``*`` and ``?``.

        Examples
        --------
        >>> from partita import bag
        >>> bag.from_sequence(["Alice Smith", "Bob Jones"]).str.match("*Smith").compute(scheduler="synchronous")
        ['Alice Smith']
        """
        return self._bag.filter(functools.partial(_matches, pattern))


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatch(text, pattern)
