"""Utility functions: the replacement of ``dask.utils``."""

from __future__ import annotations

import datetime
import functools
import importlib
import inspect
import re
import sys
import threading
import types
import uuid
import warnings
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from ._temporary_files import changed_cwd, filetext, filetexts, tmp_cwd, tmpdir, tmpfile

__all__ = [
    "Dispatch",
    "M",
    "SerializableLock",
    "apply",
    "changed_cwd",
    "ensure_bytes",
    "ensure_dict",
    "ensure_unicode",
    "filetext",
    "filetexts",
    "format_bytes",
    "format_time",
    "funcname",
    "has_keyword",
    "import_optional",
    "import_required",
    "is_namedtuple_instance",
    "itemgetter",
    "key_split",
    "methodcaller",
    "natural_sort_key",
    "ndeepmap",
    "no_default",
    "parse_bytes",
    "parse_timedelta",
    "tmp_cwd",
    "tmpdir",
    "tmpfile",
    "typename",
]


class _NoDefault:
    """The type of a missing argument, where None is a value."""

    def __repr__(self) -> str:
        return "<no_default>"

    def __reduce__(self) -> str:
        return "no_default"

    def __dask_tokenize__(self) -> str:
        return "no_default"


#: Stands for an argument that was not given.
no_default: Any = _NoDefault()


def apply(func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any] | None = None) -> Any:
    """Call a function with a list of arguments and a dict of keyword arguments.

    Examples
    --------
    >>> apply(max, [[3, 5], [1]], {"key": len})
    [3, 5]
    """
    return func(*args, **kwargs) if kwargs else func(*args)


def warn_caller(text: str) -> None:
    """Warn of the line of a program that called this package."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "partita":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def import_optional(name: str) -> Any:
    """Return a module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def import_required(mod_name: str, error_msg: str) -> Any:
    """Return a module, or raise a RuntimeError with a message if it is not installed."""
    module = import_optional(mod_name)
    if module is None:
        raise RuntimeError(error_msg)
    return module


# Bytes and times.

_BYTE_UNITS = {"": 1, "b": 1}
for _at, _letter in enumerate("kmgtpe", 1):
    _BYTE_UNITS.update({_letter: 1000**_at, f"{_letter}b": 1000**_at})
    _BYTE_UNITS.update({f"{_letter}i": 1024**_at, f"{_letter}ib": 1024**_at})


def parse_bytes(s: float | str) -> int:
    """Convert a text such as ``"100MB"`` to a number of bytes.

    Examples
    --------
    >>> parse_bytes("100"), parse_bytes("1.5 kB"), parse_bytes("64MiB"), parse_bytes(1000.5)
    (100, 1500, 67108864, 1000)
    """
    if isinstance(s, (int, float)):
        return int(s)
    found = re.fullmatch(r"([0-9.]*(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", s.replace(" ", ""))
    unit = found[2].lower() if found else ""
    if not found or unit not in _BYTE_UNITS:
        raise ValueError(f"cannot read {s!r} as a number of bytes; use a notation such as '100MB' or '64MiB'")
    try:
        number = float(found[1]) if found[1] else 1.0
    except ValueError:
        raise ValueError(f"cannot read {s!r} as a number of bytes: {found[1]!r} is not a number") from None
    return int(number * _BYTE_UNITS[unit])


def format_bytes(n: int) -> str:
    """Format a number of bytes.

    Examples
    --------
    >>> format_bytes(1), format_bytes(1234), format_bytes(12345678)
    ('1 B', '1.21 kiB', '11.77 MiB')
    """
    for at, letter in reversed(list(enumerate("kMGTP", 1))):
        # Three digits before the point are shorter than another unit.
        if n >= 1024**at * 0.9:
            return f"{n / 1024**at:.2f} {letter}iB"
    return f"{n} B"


#: Seconds of each unit of time.
_TIME_UNITS = {
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
for _names, _unit in (
    ("sec secs second seconds", "s"),
    ("millisecond milliseconds", "ms"),
    ("µs microsecond microseconds", "us"),
    ("nanosecond nanoseconds", "ns"),
    ("min mins minute minutes", "m"),
    ("hr hrs hour hours", "h"),
    ("day days", "d"),
    ("week weeks", "w"),
):
    _TIME_UNITS.update(dict.fromkeys(_names.split(), _TIME_UNITS[_unit]))


def parse_timedelta(s: Any, default: Any = "seconds") -> Any:
    """Convert a text such as ``"300ms"``, a number or a ``timedelta`` to seconds.

    Parameters
    ----------
    s : str, float, timedelta or None
        The time; None is returned as it is.
    default : str or False
        The unit of a number without one.

    Examples
    --------
    >>> parse_timedelta("3s"), parse_timedelta("3.5 minutes"), parse_timedelta(300, default="ms")
    (3, 210, 0.3)
    """
    if s is None:
        return None
    if isinstance(s, datetime.timedelta):
        seconds = s.total_seconds()
        return int(seconds) if seconds == int(seconds) else seconds
    found = re.fullmatch(r"([0-9.]*(?:[eE][+-]?[0-9]+)?)([a-zA-Zµ]*)", str(s).replace(" ", ""))
    unit = found[2] if found else ""
    if found and not unit:
        if default is False:
            raise ValueError(f"the time {s!r} has no unit; use a notation such as '300ms' or '5 minutes'")
        unit = str(default)
    if not found or unit.lower() not in _TIME_UNITS:
        raise ValueError(f"cannot read {s!r} as a time; use a notation such as '300ms' or '5 minutes'")
    try:
        seconds = (float(found[1]) if found[1] else 1.0) * _TIME_UNITS[unit.lower()]
    except ValueError:
        raise ValueError(f"cannot read {s!r} as a time: {found[1]!r} is not a number") from None
    return int(seconds) if seconds == int(seconds) else seconds


def format_time(n: float) -> str:
    """Format a time in seconds.

    Examples
    --------
    >>> format_time(1), format_time(0.00123456), format_time(123.456), format_time(12345.6), format_time(123456)
    ('1.00 s', '1.23 ms', '123.46 s', '3hr 25m', '34hr 17m')
    """
    if n > 24 * 60 * 60 * 2:
        days = int(n / 3600 / 24)
        return f"{days}d {int((n - days * 3600 * 24) / 3600)}hr"
    if n > 60 * 60 * 2:
        hours = int(n / 3600)
        return f"{hours}hr {int((n - hours * 3600) / 60)}m"
    if n > 60 * 10:
        minutes = int(n / 60)
        return f"{minutes}m {int(n - minutes * 60)}s"
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if n * scale >= 1:
            return f"{n * scale:.2f} {unit}"
    return f"{n * 1e6:.2f} us"


# Names.

#: Maximum length of a name that :func:`funcname` returns.
_NAME_LENGTH_MAX = 50


def funcname(func: Any) -> str:
    """Return the name of a function, also of a partial or a callable object.

    Examples
    --------
    >>> funcname(len), funcname(functools.partial(len)), funcname(lambda x: x)
    ('len', 'len', 'lambda')
    """
    while isinstance(func, functools.partial):
        func = func.func
    if isinstance(func, methodcaller):
        return func.method[:_NAME_LENGTH_MAX]
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        name = type(func).__name__
    return "lambda" if name == "<lambda>" else name[:_NAME_LENGTH_MAX]


def typename(typ: Any, short: bool = False) -> str:
    """Return the name of a type with its module.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> typename(int), typename(OrderedDict), typename(OrderedDict, short=True)
    ('int', 'collections.OrderedDict', 'collections.OrderedDict')
    """
    if not isinstance(typ, type):
        return typename(type(typ), short)
    module = typ.__module__ or ""
    if not module or module == "builtins":
        return typ.__name__
    return f"{module.partition('.')[0] if short else module}.{typ.__name__}"


_HEX = re.compile("[a-f0-9]+")


@functools.lru_cache(100_000)
def _split_name(text: str) -> str:
    words = text.split("-")
    found = words[0]
    if not found[:1].isalpha():
        # Such as ("x", 0), written as a text.
        found = found.split(",")[0].strip("_'()\"")
    for word in words[1:]:
        is_hash = len(word) == 8 and _HEX.fullmatch(word) is not None
        if not word.isalpha() or is_hash:
            break
        found += f"-{word}"
    if len(found) == 32 and _HEX.fullmatch(found):
        return "data"
    if found.startswith("<"):
        found = found.strip("<>").split()[0].split(".")[-1]
    return found


def key_split(s: Any) -> str:
    """Return the name in a key of a task.

    Examples
    --------
    >>> key_split("inc-1234"), key_split(("x-2", 1)), key_split("x-y-abcdefab"), key_split(None)
    ('inc', 'x', 'x-y', 'Other')
    """
    if isinstance(s, bytes):
        s = s.decode(errors="replace")
    while isinstance(s, tuple) and s:
        s = s[0]
    return _split_name(s) if isinstance(s, str) else "Other"


def natural_sort_key(s: str) -> list[str | int]:
    """Return a sort key that orders numbers in texts by their value.

    Examples
    --------
    >>> sorted(["f0", "f10", "f2"], key=natural_sort_key)
    ['f0', 'f2', 'f10']
    """
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", s)]


# Functions.


class methodcaller:
    """A function that calls a method of its first argument; equal for equal names, and picklable.

    Examples
    --------
    >>> methodcaller("count")("aab", "a")
    2
    """

    __slots__ = ("method",)
    _known: ClassVar[WeakValueDictionary[str, Any]] = WeakValueDictionary()

    def __init__(self, method: str) -> None:
        self.method = method

    @property
    def func(self) -> str:
        """The name of the method."""
        return self.method

    def __call__(self, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(__obj, self.method)(*args, **kwargs)

    def __reduce__(self) -> Any:
        return methodcaller, (self.method,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, methodcaller) and other.method == self.method

    def __hash__(self) -> int:
        return hash((methodcaller, self.method))

    @property
    def __name__(self) -> str:
        return self.method

    def __repr__(self) -> str:
        return f"<methodcaller: {self.method}>"

    __str__ = __repr__


class itemgetter:
    """A function that returns an item of its argument; equal for equal items, and picklable."""

    __slots__ = ("index",)

    def __init__(self, index: Any) -> None:
        self.index = index

    def __call__(self, x: Any) -> Any:
        return x[self.index]

    def __reduce__(self) -> Any:
        return itemgetter, (self.index,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, itemgetter) and bool(other.index == self.index)

    def __hash__(self) -> int:
        return hash((itemgetter, self.index)) if isinstance(self.index, Hashable) else 0


class _Methods:
    """Functions that call a method, as attributes."""

    def __getattr__(self, item: str) -> methodcaller:
        if item.startswith("__"):
            raise AttributeError(item)
        return methodcaller(item)

    def __dir__(self) -> list[str]:
        return []


#: ``M.name`` is a function that calls the method ``name`` of its argument.
M = _Methods()


def has_keyword(func: Callable[..., Any], keyword: str) -> bool:
    """Whether a function has a parameter of this name."""
    try:
        return keyword in inspect.signature(func).parameters
    except (TypeError, ValueError):
        return False


def takes_multiple_arguments(func: Callable[..., Any], varargs: bool = True) -> bool:
    """Whether a function requires, or accepts, more than one positional argument.

    Examples
    --------
    >>> takes_multiple_arguments(lambda x, y: x), takes_multiple_arguments(lambda x: x), takes_multiple_arguments(len)
    (True, False, False)
    """
    # Types and wrapped builtins have signatures that do not describe a call with one argument.
    if func in (map, zip, min, max):
        return True
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return False
    if varargs and any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return True
    needed = [
        one
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty
    ]
    return len(needed) > 1


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether a value is an instance of a named tuple."""
    return isinstance(obj, tuple) and type(obj) is not tuple and hasattr(obj, "_fields")


def ndeepmap(n: int, func: Callable[[Any], Any], seq: Any) -> Any:
    """Call a function on the items of nested lists of depth `n`."""
    if n == 1:
        return [func(item) for item in seq]
    if n > 1:
        return [ndeepmap(n - 1, func, item) for item in seq]
    return func(seq[0] if isinstance(seq, list) else seq)


class Dispatch:
    """A function that selects its implementation by the type of its first argument.

    Examples
    --------
    >>> f = Dispatch("f")
    >>> @f.register(int)
    ... def _(x):
    ...     return x + 1
    >>> f(1)
    2
    """

    def __init__(self, name: str | None = None) -> None:
        self._lookup: dict[type, Callable[..., Any]] = {}
        self._lazy: dict[str, Callable[[], Any]] = {}
        if name:
            self.__name__ = name

    def register(self, type: Any, func: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Register an implementation for a type, or for several ones."""

        def wrap(implementation: Callable[..., Any]) -> Callable[..., Any]:
            for one in type if isinstance(type, tuple) else (type,):
                self._lookup[one] = implementation
            return implementation

        return wrap(func) if func is not None else wrap

    def register_lazy(self, toplevel: str, func: Callable[[], Any] | None = None) -> Callable[..., Any]:
        """Register a function that registers implementations, which is called for the first value of a package."""

        def wrap(register: Callable[[], Any]) -> Callable[[], Any]:
            self._lazy[toplevel] = register
            return register

        return wrap(func) if func is not None else wrap

    def dispatch(self, cls: type) -> Callable[..., Any]:
        """Return the implementation for a type."""
        for one in inspect.getmro(cls):
            register = self._lazy.pop((one.__module__ or "").partition(".")[0], None)
            if register is not None:
                register()
                return self.dispatch(cls)
            found = self._lookup.get(one)
            if found is not None:
                return found
        raise TypeError(f"no implementation for the type {typename(cls)}")

    def __call__(self, arg: Any, *args: Any, **kwargs: Any) -> Any:
        return self.dispatch(type(arg))(arg, *args, **kwargs)


# Values.


def ensure_dict(d: Mapping[Any, Any], *, copy: bool = False) -> dict[Any, Any]:
    """Return a mapping as a dict."""
    return d if type(d) is dict and not copy else dict(d)


def ensure_bytes(s: Any) -> bytes:
    """Return a text or a buffer as bytes."""
    return s.encode() if isinstance(s, str) else bytes(s)


def ensure_unicode(s: Any) -> str:
    """Return a text or bytes as a text."""
    return s if isinstance(s, str) else bytes(s).decode()


class SerializableLock:
    """A lock that can be pickled: locks with equal tokens are the same lock within a process.

    Examples
    --------
    >>> import pickle
    >>> lock = SerializableLock()
    >>> with pickle.loads(pickle.dumps(lock)):
    ...     lock.locked()
    True
    """

    _locks: ClassVar[WeakValueDictionary[Any, Any]] = WeakValueDictionary()
    _guard: ClassVar[Any] = threading.Lock()

    class _Lock:
        __slots__ = ("__weakref__", "lock")

        def __init__(self) -> None:
            self.lock = threading.Lock()

    def __init__(self, token: Hashable | None = None) -> None:
        self.token = token or str(uuid.uuid4())
        with SerializableLock._guard:
            found = SerializableLock._locks.get(self.token)
            if found is None:
                found = SerializableLock._locks[self.token] = SerializableLock._Lock()
            self._held = found

    @property
    def lock(self) -> Any:
        """The lock of this process."""
        return self._held.lock

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Acquire the lock."""
        return bool(self.lock.acquire(*args, **kwargs))

    def release(self) -> None:
        """Release the lock."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether somebody has acquired the lock."""
        return bool(self.lock.locked())

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.lock.__exit__(*error)

    def __reduce__(self) -> Any:
        return SerializableLock, (self.token,)

    def __repr__(self) -> str:
        return f"<SerializableLock: {self.token}>"


def is_function(value: Any) -> bool:
    """Whether a value is a function or method, of Python or of an extension."""
    return isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType))
