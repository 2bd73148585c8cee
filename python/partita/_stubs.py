"""Stubs for names of Dask's modules that this package does not support."""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ._errors import UnsupportedName

__all__ = ["FUNCTIONS", "module_getattr"]

FUNCTIONS = "frames do not take Python functions yet; use operations on frames, or Client.submit"


class MissingImport(ImportError, NotImplementedError):
    """An unsupported name of Dask was imported from a module of this package."""


def module_getattr(
    module: str, instead: Mapping[str, str], others: str = "", submodules: Collection[str] = ()
) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``, which raises an error with a hint for unsupported names of Dask's module.

    Parameters
    ----------
    module : str
        Name of the module.
    instead : dict
        Hint for each unsupported name.
    others : str
        Hint for all other public names. Without it, they raise an ordinary ``AttributeError``.
    submodules : collection of str
        Submodules, which are imported on first access.
    """

    def lookup(name: str) -> Any:
        if name in submodules:
            return importlib.import_module(f"{module}.{name}")
        hint = instead.get(name, "" if name.startswith("_") else others)
        if not hint:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = f"{module}.{name} is not supported: {hint}"
        if _is_import(sys._getframe(1)):
            # The import statement would replace the text of an AttributeError.
            raise MissingImport(text, name=name)
        raise UnsupportedName(text)

    return lookup


def _is_import(frame: Any) -> bool:
    """Whether a stack frame is executing ``from module import name``."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]
