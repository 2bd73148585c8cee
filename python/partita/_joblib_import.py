"""Registers the backend of joblib when a client exists and joblib is imported, whichever comes first."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["register_with_joblib"]


def register_with_joblib() -> None:
    """Register the backend, now or when joblib is imported: loops of joblib find it by its name."""
    if "joblib" in sys.modules:
        # Its version may be too old.
        with contextlib.suppress(ImportError):
            importlib.import_module("partita.joblib")
    elif not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds joblib like the finders after it, and registers the backend after its import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "joblib":
            return None
        others = (one.find_spec(fullname, path, target) for one in list(sys.meta_path) if one is not self)
        spec = next((one for one in others if one is not None), None)
        if spec is not None and spec.loader is not None:
            # This loader is that of one module only.
            loader: Any = spec.loader
            run_module = loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run_module(module)
                with contextlib.suppress(ValueError):
                    sys.meta_path.remove(self)
                register_with_joblib()

            loader.exec_module = run_and_register
        return spec
