"""Runs Python functions for a worker: a zygote process and the runners that it forks.

The worker starts ``python FOLDER/__main__.py DESCRIPTOR``, where the folder has that file and this package, under
the name ``_partita_runner``, and the descriptor is one end of a Unix stream socket pair. This process, the zygote,
imports modules once, runs no function of a user, and starts no thread. On request it forks a runner, which takes
about a millisecond. A runner executes one function at a time, in its main thread, and answers on a socket of its own.

Large values do not pass through the socket: they are in memory of their own, whose descriptor passes through
a second socket. A runner maps such an input privately, so that a function may write to it.

This package needs only the standard library. cloudpickle, numpy and others are used if they are installed.

The package partita finds here what it needs of a runner: ``current``, ``pickle_exception``, and the functions
``flush``, ``secede`` and ``rejoin``, which exist in runners, but not in the zygote.
"""

from .exceptions import pickle_exception

__all__ = ["current", "pickle_exception"]

#: The call that this runner executes: its stage, index, ticket, and function name; None between calls.
current = None
