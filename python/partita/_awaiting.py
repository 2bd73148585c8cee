"""Methods of a client that block, and that are awaited where the client is asynchronous."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

__all__ = ["Ready", "call_soon", "in_event_loop", "is_awaited", "may_await", "until_called"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def in_event_loop() -> bool:
    """Whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_awaited(client: Any) -> bool:
    """Whether the caller awaits what a client returns: an asynchronous client in an event loop."""
    return bool(client.asynchronous) and in_event_loop()


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    """Call a function in an event loop of another thread, which may have ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)


async def until_called(subscribe: Callable[[Callable[[Any], None]], Any]) -> None:
    """Wait until the function that `subscribe` gets is called, in whichever thread."""
    loop = asyncio.get_running_loop()
    called = asyncio.Event()
    subscribe(lambda _: call_soon(loop, called.set))
    await called.wait()


class Ready:
    """Awaited for a value that is known. Unlike a coroutine, it need not be awaited."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield


def may_await(method: _Method) -> _Method:
    """Decorate a method of a client: with ``Client(asynchronous=True)``, its result is awaited in an event loop.

    It runs in another thread meanwhile, since it waits for the cluster.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_awaited(self):
            return method(self, *args, **kwargs)
        work = functools.partial(method, self, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(None, work)

    return cast("_Method", call)
