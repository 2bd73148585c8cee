"""Exceptions, their tracebacks, and the arguments of calls as text."""

import contextlib
import os
import traceback

#: Maximum length of the text of an exception, in characters.
TEXT_MAX = 4_000
#: Maximum length of the description of the arguments of a call, and of one of them, in characters.
ARGUMENTS_MAX, ARGUMENT_MAX = 1_000, 100
#: Maximum length of the text of a traceback, in characters of at most 4 bytes.
TRACEBACK_MAX = 16 << 10
#: Maximum number of frames of a traceback that are sent with an exception, at either end of it.
FRAMES_MAX = 100
#: How paths of the files of this package begin.
OWN_FOLDER = os.path.join(os.path.dirname(__file__), "")


def describe(error):
    """Return the type and the message of an exception as one text."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except Exception:
        message = "(the message cannot be shown)"
    return (f"{name}: {message}" if message else name)[:TEXT_MAX]


def was_importing(error):
    """Whether an exception ended an import: modules that were half imported are broken in this process from then on."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_filename == "<frozen importlib._bootstrap>" for frame, _ in frames)


def user_traceback(error):
    """Return the traceback of an exception without the frames of this package at its start."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename.startswith(OWN_FOLDER):
        at = at.tb_next
    return at


def format_user_traceback(error):
    """Return the traceback of an exception as text. The middle of a long one is left out."""
    try:
        text = "".join(traceback.format_exception(type(error), error, user_traceback(error)))
    except Exception:
        return describe(error)
    if len(text) > TRACEBACK_MAX:
        half = TRACEBACK_MAX // 2 - 8
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return text


def list_frames(error):
    """Return the frames of the traceback of an exception: file, line, name of the function, text of the line."""
    summary = traceback.extract_tb(user_traceback(error))
    frames = [(frame.filename, frame.lineno, frame.name, frame.line or "") for frame in summary]
    if len(frames) > 2 * FRAMES_MAX:
        frames[FRAMES_MAX:-FRAMES_MAX] = []
    return frames


def describe_argument(value):
    """Return an argument in short. No code of a user runs for it: a representation may take long or fail."""
    kind = type(value)
    if kind in (bool, int, float, complex, str, bytes, type(None)):
        text = repr(value if not isinstance(value, (str, bytes)) else value[:ARGUMENT_MAX])
        return text if len(text) <= ARGUMENT_MAX else f"{text[:ARGUMENT_MAX]}..."
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind in (list, tuple, dict, set, frozenset):
        return f"{name} of {len(value)}"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas"):
        with contextlib.suppress(Exception):
            return f"{name} {value.shape}"
    return name


def describe_arguments(args, kwargs):
    """Return the arguments of a call in short."""
    parts = [*map(describe_argument, args), *(f"{name}={describe_argument(one)}" for name, one in kwargs.items())]
    text = ", ".join(parts)
    return text if len(text) <= ARGUMENTS_MAX else f"{text[:ARGUMENTS_MAX]}..."
