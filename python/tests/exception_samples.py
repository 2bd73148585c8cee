"""Exceptions that are hard to pickle, and functions that raise them on workers, which import this module."""

import json
import threading
from dataclasses import dataclass

from function_samples import count_call


class OtherArguments(Exception):
    """Its `args` are not those of its class."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Defaulted(Exception):
    """Its class takes its `args`, and makes another message of them."""

    def __init__(self, code, text="x"):
        super().__init__(f"{code}: {text}")
        self.code = code


class KeywordOnly(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class OwnConstructor(Exception):
    def __new__(cls, text, *, code):
        return super().__new__(cls, text)

    def __init__(self, text, *, code):
        super().__init__(text)
        self.code = code


class OfSystem(FileNotFoundError):
    def __init__(self, path, code):
        super().__init__(2, "no such thing", path)
        self.code = code


class OfText(UnicodeDecodeError):
    def __init__(self, code):
        super().__init__("utf-8", b"abc", 1, 2, "bad byte")
        self.code = code


class OfJson(json.JSONDecodeError):
    """Its parent says how it is pickled, which does not fit its own arguments."""

    def __init__(self, text, code):
        super().__init__(text, "document", 3)
        self.code = code


class Slotted(Exception):
    __slots__ = ("code", "text")

    def __init__(self, code):
        super().__init__("slots")
        self.code = code
        self.text = None

    def __str__(self):
        return f"{self.code}: {self.text}"


class WithReduce(Exception):
    """Says itself how it is pickled."""

    def __init__(self, code, *, made):
        super().__init__(code)
        self.code = code
        self.made = made

    def __reduce__(self):
        return _remake, (self.code,)


def _remake(code):
    return WithReduce(code, made="by its own function")


class WithLock(Exception):
    """Has an attribute that cannot be pickled."""

    def __init__(self, code):
        super().__init__("has a lock")
        self.code = code
        self.lock = threading.Lock()


class BrokenReduce(Exception):
    """Its way to be pickled fails."""

    def __reduce__(self):
        raise RuntimeError("not this one")


@dataclass
class Data(Exception):
    code: int


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


#: Exceptions by a name, as functions that make them. Each has a code of 7.
KINDS = {
    "other arguments": lambda: OtherArguments(7, "text"),
    "arguments with defaults": lambda: Defaulted(7),
    "keyword-only arguments": lambda: KeywordOnly(code=7),
    "its own constructor": lambda: OwnConstructor("text", code=7),
    "an OSError": lambda: OfSystem("/no/such", 7),
    "a UnicodeDecodeError": lambda: OfText(7),
    "a JSONDecodeError": lambda: OfJson("text", 7),
    "slots": lambda: Slotted(7),
    "a dataclass": lambda: Data(7),
    "itself as an attribute": lambda: _with_itself(),
}


def _with_itself():
    error = OtherArguments(7, "itself")
    error.itself = error
    return error


def make(name):
    return KINDS[name]()


def raise_one(name, *_):
    raise make(name)


def raise_it(kind, *args):
    raise kind(*args)


def raise_if_odd(number):
    if number % 2:
        raise OtherArguments(7, "odd")
    return number


def raise_once(path):
    """Raise at the first call, then return the number of the call."""
    count = count_call(path)
    if count == 1:
        raise OtherArguments(7, "the first call")
    return count


def raise_with_note(kind, *args):
    error = kind(*args)
    error.add_note("a note")
    raise error


def raise_chain():
    try:
        try:
            raise OtherArguments(7, "the first")
        except OtherArguments as error:
            raise OfText(8) from error
    except OfText:
        raise KeywordOnly(code=9)  # noqa: B904


def raise_group():
    """Raise a group whose members have a cause and a group in it."""
    try:
        raise OtherArguments(7, "the cause")
    except OtherArguments as error:
        try:
            raise ValueError("of the group") from error
        except ValueError as member:
            raise ExceptionGroup("several", [member, ExceptionGroup("inner", [KeywordOnly(code=8)])]) from None  # noqa: F821


def return_with_cause():
    try:
        raise OtherArguments(7, "returned") from KeywordOnly(code=8)
    except OtherArguments as error:
        return error


def raise_with_unpicklable_argument():
    raise ValueError("has a lock", threading.Lock())


def raise_with_large_attribute():
    error = OtherArguments(7, "large")
    error.blob = bytes(3 << 20)
    raise error


def raise_frozen_from(cause):
    raise Frozen(7) from cause
