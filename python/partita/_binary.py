"""The location of the ``partita`` program: in the wheel or on the path."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

__all__ = ["find_program"]


def find_program() -> str:
    """Return the path of the ``partita`` program that belongs to this package.

    The environment variable ``PARTITA_PROGRAM`` overrides it.

    Raises
    ------
    FileNotFoundError
        If the program is not found. The message lists the searched folders.
    """
    named = os.environ.get("PARTITA_PROGRAM")
    if named:
        return named
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    user = sysconfig.get_path("scripts", f"{os.name}_user")
    for folder in [*folders, user]:
        found = Path(folder) / "partita"
        if found.is_file() and os.access(found, os.X_OK):
            return str(found)
    on_path = shutil.which("partita")
    if on_path:
        return on_path
    raise FileNotFoundError(
        f"cannot find the program `partita` in {', '.join(dict.fromkeys(folders))} or on the path; "
        "install the wheel of this package, or set PARTITA_PROGRAM to the program"
    )
