"""Where the ``partita`` program is: in the wheel, or on the path."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

__all__ = ["program"]


def program() -> str:
    """The path of the ``partita`` program that belongs to this package.

    ``PARTITA_PROGRAM`` names another one.

    Raises
    ------
    FileNotFoundError
        If there is none; the text says where one was looked for.
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
        f"the program `partita` is neither in {', '.join(dict.fromkeys(folders))} nor on the path: "
        "install the wheel of this package, or name the program in PARTITA_PROGRAM"
    )
