"""Names that Dask's modules have and those of this package have not."""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ._errors import NotThere

__all__ = ["FUNCTIONS", "absent"]

FUNCTIONS = "functions in Python cannot run on the workers yet; plans can, with compute"


class MissingImport(ImportError, NotImplementedError):
    """A name that is imported from a module of this package, which Dask's has and this one has not."""


def absent(
    module: str, instead: Mapping[str, str], others: str = "", parts: Collection[str] = ()
) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module: what Dask's module has is missing with a hint.

    Parameters
    ----------
    module : str
        The name of the module.
    instead : dict
        What to use in the place of a name.
    others : str
        What to use in the place of any other name. Without it another name is an ordinary ``AttributeError``.
    parts : collection of str
        Modules within it, which are imported when they are named.
    """

    def lookup(name: str) -> Any:
        if name in parts:
            return importlib.import_module(f"{module}.{name}")
        hint = instead.get(name, "" if name.startswith("_") else others)
        if not hint:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = f"{module}.{name} is not supported: {hint}"
        if _is_import(sys._getframe(1)):
            # The statement would say of an AttributeError only that the name cannot be imported.
            raise MissingImport(text, name=name)
        raise NotThere(text)

    return lookup


def _is_import(frame: Any) -> bool:
    """Whether a frame is at the statement ``from module import name``."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]
