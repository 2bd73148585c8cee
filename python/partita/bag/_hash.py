"""Hashes of keys that are equal in all processes for equal keys."""

from __future__ import annotations

import datetime
import enum
import math
import numbers
import zlib
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .._tokens import tokenize

__all__ = ["stable_hash"]

#: The hashes are smaller.
_MODULUS = 1 << 61


def stable_hash(key: Any) -> int:
    """Return a hash of a key. Unlike ``hash``, it is the same in all processes.

    As with ``hash``, numbers that are equal have equal hashes, whatever their types.

    Examples
    --------
    >>> stable_hash(1) == stable_hash(1.0) == stable_hash(True), stable_hash("a")
    (True, 3904355907)
    """
    if isinstance(key, str):
        return zlib.crc32(str.encode(key, errors="surrogatepass"))
    if isinstance(key, (bytes, bytearray)):
        return zlib.crc32(key)
    if isinstance(key, (int, float, complex, Decimal, Fraction, numbers.Number)):
        # Python's hash of a number depends on its value only, except for NaN.
        return 0 if _is_nan(key) else hash(key) % _MODULUS
    if key is None:
        return 1
    if isinstance(key, tuple):
        found = 2
        for one in key:
            found = (found * 1_000_003 + stable_hash(one)) % _MODULUS
        return found
    if isinstance(key, frozenset):
        return sum(map(stable_hash, key)) % _MODULUS
    if isinstance(key, enum.Enum):
        return stable_hash((type(key).__qualname__, key.name))
    if isinstance(key, datetime.datetime) and key.utcoffset() is not None:
        # Equal times of different zones are equal.
        return stable_hash(key.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat())
    if isinstance(key, (datetime.date, datetime.time)):
        return stable_hash(key.isoformat())
    if isinstance(key, datetime.timedelta):
        return stable_hash((key.days, key.seconds, key.microseconds))
    return int(tokenize(key), 16) % _MODULUS


def _is_nan(key: Any) -> bool:
    try:
        return bool(key != key) or math.isnan(key)
    except (TypeError, ValueError, OverflowError):
        return False
