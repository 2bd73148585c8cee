"""Modules under which the peers' tests import Partita.

What Partita lacks is there as :class:`Missing`: only the tests that use it fail, not their whole file.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..inside import LooksInside

__all__ = ["Missing"]


def _is_importing() -> bool:
    """Whether the module of tests is still being read, which must not fail."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_name
        if frame.f_code.co_filename != __file__:
            return name in ("<module>", "<listcomp>", "<dictcomp>")
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Missing:
    """A name that Partita lacks. Any use of it in a test raises ``NotImplementedError``, or another error."""

    def __init__(self, name: str, error: type[BaseException] = NotImplementedError) -> None:
        self._missing = name
        self._error = error

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if _is_importing():
            # A decorator of a test.
            return (
                arguments[0] if len(arguments) == 1 and callable(arguments[0]) else Missing(self._missing, self._error)
            )
        raise self._error(f"missing: {self._missing}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if _is_importing():
            return Missing(f"{self._missing}.{name}", self._error)
        raise self._error(f"missing: {self._missing}.{name}")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        # A class of the tests that derives from it.
        return ()

    __getitem__ = __enter__ = __iter__ = __call__


class _Stand(types.ModuleType):
    """A module of Partita. `peers` are names that stay the peer's, since they are neither's."""

    def __init__(self, name: str, targets: Iterable[str], peer: str, peers: Iterable[str] = ()) -> None:
        super().__init__(name)
        self.__path__ = []
        self._targets, self._peer, self._peers = tuple(targets), peer, frozenset(peers)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._peers:
            try:
                return getattr(importlib.import_module(self._peer), name)
            except AttributeError:
                return importlib.import_module(f"{self._peer}.{name}")
        for target in self._targets:
            try:
                return getattr(importlib.import_module(target), name)
            except (AttributeError, NotImplementedError, ImportError):
                pass
            try:
                return importlib.import_module(f"{target}.{name}")
            except ImportError:
                pass
        theirs = getattr(importlib.import_module(self._peer), name, None)
        # Modules that users do not need are internals of the peer.
        is_inside = isinstance(theirs, types.ModuleType)
        return Missing(f"{self._targets[0]}.{name}", LooksInside if is_inside else NotImplementedError)

    def __reduce__(self) -> Any:
        return importlib.import_module, (self.__name__,)


def _stand(name: str, *targets: str, peer: str = "dask", peers: Iterable[str] = ()) -> None:
    module = _Stand(f"{__name__}.{name}", targets, peer, peers)
    sys.modules[module.__name__] = module
    globals()[name] = module


#: Modules of arrays from which users import functions that the package does not list.
_ARRAY_MODULES = ("core", "fft", "gufunc", "image", "lib.stride_tricks", "linalg", "stats", "ufunc")

_stand("dask", "partita", peers=("sizeof", "__version__"))
_stand("array", "partita.array", *[f"partita.array.{name}" for name in _ARRAY_MODULES], peer="dask.array")
_stand("overlap", "partita.array.overlap")
_stand("bag", "partita.bag")
_stand("dataframe", "partita.dataframe", peer="dask.dataframe", peers=("_compat",))
_stand("datasets", "partita.datasets")
_stand("delayed", "partita.delayed")
_stand("base", "partita.base")
_stand("threaded", "partita.threaded")
_stand("distributed", "partita.distributed", "partita", peer="distributed")
