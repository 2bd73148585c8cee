"""Processes of the program that end with this process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from ._local import _Log

__all__ = ["KeptProcess"]

#: Time for the process to end before it is killed, in seconds.
END_TIMEOUT_S = 60
#: Runs a command, and ends it when standard input is closed: by `close`, or because this process has crashed.
_KEEPER = (
    'exec 3<&0; "$@" </dev/null 3<&- & child=$!; '
    "(cat <&3 >/dev/null; kill -TERM $child; trap 'kill $sleep; exit' TERM; "
    f"sleep {END_TIMEOUT_S} & sleep=$!; wait $sleep; kill -KILL $child) 2>/dev/null & watch=$!; "
    "wait $child; code=$?; kill $watch 2>/dev/null; exit $code"
)


class KeptProcess:
    """A process that ends with this process, even if this process crashes.

    Parameters
    ----------
    command : list of str
        The command.
    environment : mapping
        Its environment. Only errors are logged unless it has ``PARTITA_LOG``.
    shown : bool
        Whether to copy its standard error to that of this process.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], shown: bool) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", _KEEPER, "partita-keeper", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # Without other messages, since nobody reads them after a crash of this process.
            env={"PARTITA_LOG": "error", **environment},
            # An interrupt at the terminal is for this process.
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._log = _Log(self._process.stderr, shown)

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def output(self) -> str:
        """Return the last lines of its standard error, when it has ended."""
        return self._log.wait_lines()

    def close(self) -> None:
        """End the process and wait until it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        # The keeper kills a process that does not end.
        self._process.wait()
