"""Standard output and error of a runner: which call prints what, and what functions do to the streams."""

import contextlib
import fcntl
import io
import os
import sys

#: First byte of a line that names the call that prints the next lines.
CALL_MARK = 0
#: Such a line. The number 0 stands for no call.
MARKED_LINE = b"%c%d\n"

#: Numbers of the latest call, and of the call that the worker was told to print. Both are 0 before the first call.
latest = printing = 0


class CallOutput(io.FileIO):
    """Descriptor of standard output or error. What a call prints first is preceded by a line that names the call."""

    def write(self, data):
        """Write bytes. Return how many were written."""
        global printing
        if printing != latest:
            printing = latest
            super().write(MARKED_LINE % (CALL_MARK, latest))
        return super().write(data)


def open_stream(number):
    """Return a text stream that writes lines to a descriptor."""
    raw = CallOutput(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)


def flush_streams():
    """Write what a function printed. Replace a stream that it closed."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", True):
                setattr(sys, name, open_stream(number))
                setattr(sys, f"__{name}__", getattr(sys, name))


def end_output(log):
    """Tell the worker that what comes next, from C code or another process, is not known to be of the same call.

    `log` is a descriptor of what runners print.
    """
    global printing
    printing = 0
    with contextlib.suppress(OSError):
        os.write(log, MARKED_LINE % (CALL_MARK, 0))


def reopen_descriptors(log):
    """Open descriptors 0 to 2 where a function closed them, or a later file would get the number."""
    try:
        for number in (0, 1, 2):
            fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        pass
    else:
        return
    null = os.open(os.devnull, os.O_RDONLY)
    null = fcntl.fcntl(null, fcntl.F_DUPFD, 3) if null > 2 else null
    for number, source in ((0, null), (1, log), (2, log)):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            os.dup2(source, number)
    if null > 2:
        os.close(null)
