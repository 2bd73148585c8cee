"""Calls functions after imports of other packages, whichever comes first: registering with joblib and xarray."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["register_with_joblib", "register_with_xarray"]


def register_with_joblib() -> None:
    """Register the backend, now or when joblib is imported: loops of joblib find it by its name."""
    # The version of joblib may be too old.
    _import_after("joblib", "partita.joblib")


def register_with_xarray() -> None:
    """Register the chunk manager, now or when xarray is imported."""
    _import_after("xarray", "partita.xarray")


def _import_after(package: str, module: str) -> None:
    """Import a module when a package has been imported."""

    def import_module() -> None:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)

    if package in sys.modules:
        import_module()
    elif not any(isinstance(one, _Finder) and one.package == package for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder(package, import_module))


class _Finder(MetaPathFinder):
    """Finds a package like the finders after it, and calls a function after its import."""

    def __init__(self, package: str, call: Callable[[], None]) -> None:
        self.package = package
        self._call = call

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.package:
            return None
        others = (one.find_spec(fullname, path, target) for one in list(sys.meta_path) if one is not self)
        spec = next((one for one in others if one is not None), None)
        if spec is not None and spec.loader is not None:
            # This loader is that of one module only.
            loader: Any = spec.loader
            run_module = loader.exec_module

            def run_and_call(module: ModuleType) -> None:
                run_module(module)
                with contextlib.suppress(ValueError):
                    sys.meta_path.remove(self)
                self._call()

            loader.exec_module = run_and_call
        return spec
