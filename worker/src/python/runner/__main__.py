"""Starts the zygote. This file is beside the package, in a folder that contains nothing else."""

import os
import sys
import types

# Functions and classes of a user's script claim to be from `__main__`. That module stays empty here,
# so that pickle never mistakes a name of this file for one of theirs.
sys.modules["__main__"] = types.ModuleType("__main__")

# Python may have been told not to look here (PYTHONSAFEPATH). Afterwards, users' modules must not be hidden.
folder = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, folder)
from _partita_runner.zygote import main  # noqa: E402

sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]

main()
