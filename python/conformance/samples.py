"""Functions that the tests call on the workers. They need nothing but Python there."""

from __future__ import annotations

import asyncio
import operator
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "add", "asyncinc", "block_on_event", "dec", "div", "double", "inc", "map_varying", "mul", "randominc", "slowadd", "slowdec",
    "slowidentity", "slowinc", "slowsum", "throws", "varying",
]  # fmt: skip

#: Time that the slow functions take, in seconds.
DELAY_S = 0.02

add = operator.add
mul = operator.mul


def div(x: Any, y: Any) -> Any:
    """Return a quotient."""
    return x / y


def inc(x: Any) -> Any:
    """Return the number after another."""
    return x + 1


def dec(x: Any) -> Any:
    """Return the number before another."""
    return x - 1


def double(x: Any) -> Any:
    """Return a value twice."""
    return x * 2


def block_on_event(event: Any) -> Any:
    """Wait for an event."""
    return event.wait()


def throws(x: Any) -> Any:
    """Raise an exception."""
    raise RuntimeError("hello!")


def slowinc(x: Any, delay: float = DELAY_S) -> Any:
    """Return the number after another, after a while."""
    time.sleep(delay)
    return x + 1


def slowdec(x: Any, delay: float = DELAY_S) -> Any:
    """Return the number before another, after a while."""
    time.sleep(delay)
    return x - 1


def slowadd(x: Any, y: Any, delay: float = DELAY_S) -> Any:
    """Return a sum, after a while."""
    time.sleep(delay)
    return x + y


def slowsum(seq: Iterable[Any], delay: float = DELAY_S) -> Any:
    """Return a sum of several, after a while."""
    time.sleep(delay)
    return sum(seq)


def slowidentity(*args: Any, delay: float = DELAY_S) -> Any:
    """Return the argument, or several as a tuple, after a while."""
    time.sleep(delay)
    return args[0] if len(args) == 1 else args


def randominc(x: Any, scale: float = 1) -> Any:
    """Return the number after another, after a random time."""
    time.sleep(random.random() * scale)
    return x + 1


async def asyncinc(x: Any, delay: float = DELAY_S) -> Any:
    """Return the number after another, after a while in an event loop."""
    await asyncio.sleep(delay)
    return x + 1


#: Calls of the functions of :func:`varying` in this process, by the folder of each.
_CLAIMS_MAX = 10_000


class _Varying:
    """Gives one item after the other, whichever processes call it, and raises those that are exceptions."""

    def __init__(self, items: Iterable[Any], folder: str) -> None:
        self._items = list(items)
        self._folder = folder

    def __call__(self, *_: Any, **__: Any) -> Any:
        import os

        for number in range(_CLAIMS_MAX):
            try:
                os.close(os.open(os.path.join(self._folder, str(number)), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            item = self._items[number]
            if isinstance(item, Exception):
                raise item
            return item
        raise RuntimeError("too many calls")


def varying(items: Iterable[Any]) -> Callable[..., Any]:
    """Return a function that gives one item after the other, and raises those that are exceptions."""
    import tempfile

    return _Varying(items, tempfile.mkdtemp(prefix="partita-varying-"))


def map_varying(itemslists: Iterable[Iterable[Any]]) -> tuple[Callable[..., Any], list[Callable[..., Any]]]:
    """Return a function and the arguments with which it does what :func:`varying` does, for each list of items."""
    return _apply, [varying(items) for items in itemslists]


def _apply(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)
