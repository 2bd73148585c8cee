"""Tokens: equal for equal values in all processes, and different for different ones."""

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import operator
import os
import pathlib
import subprocess
import sys
import threading
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from partita import tokenize
from partita.base import TokenizationError, normalize_token


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Record:
    a: object
    b: object = 2


class Plain:
    def __init__(self, value):
        self.value = value

    def method(self):
        return self.value


class Own:
    def __dask_tokenize__(self):
        return "own", 5


def scale(factor):
    return lambda x: x * factor


def values():
    """Return values that all have different tokens."""
    return {
        "none": None,
        "true": True,
        "one": 1,
        "float": 1.0,
        "complex": 1j,
        "text": "1",
        "bytes": b"1",
        "array of bytes": bytearray(b"1"),
        "list": [1, 2],
        "tuple": (1, 2),
        "nested": [1, [2]],
        "set": {"a", "b", "c", "d"},
        "frozen set": frozenset("abcd"),
        "dict": {"a": 1, "b": [2]},
        "ordered": collections.OrderedDict(a=1, b=2),
        "range": range(3),
        "slice": slice(1, None, 2),
        "ellipsis": ...,
        "date": datetime.date(2020, 1, 1),
        "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        "delta": datetime.timedelta(1),
        "decimal": decimal.Decimal("1.0"),
        "uuid": uuid.UUID(int=1),
        "path": pathlib.PurePosixPath("/a"),
        "enum": Color.RED,
        "other enum": Color.BLUE,
        "int enum": Level.LOW,
        "record": Record(1),
        "other record": Record(1, [2]),
        "object": Plain([1]),
        "other object": Plain([2]),
        "own": Own(),
        "function": scale,
        "builtin": len,
        "closure": scale(2),
        "other closure": scale(3),
        "lambda": lambda x: x + 1,
        "other lambda": lambda x: x + 2,
        "partial": functools.partial(scale, 2),
        "other partial": functools.partial(scale, factor=2),
        "method": Plain(1).method,
        "other method": Plain(2).method,
        "builtin method": "a".join,
        "descriptor": str.upper,
        "getter": operator.itemgetter(1),
        "class": Plain,
        "type": int,
        "module": os,
        "ufunc": np.sin,
        "array": np.arange(4),
        "other type": np.arange(4.0),
        "other shape": np.arange(4).reshape(2, 2),
        "transposed": np.arange(4).reshape(2, 2).T,
        "order": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "objects": np.array(["a", None], dtype=object),
        "masked": np.ma.array([1, 2], mask=[True, False]),
        "scalar": np.int64(1),
        "empty": np.zeros(0),
        "no dimension": np.array(5),
        "dtype": np.dtype("i4"),
        "fields": np.dtype([("a", "i4")]),
        "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "other columns": pd.DataFrame({"a": [1, 2], "c": ["x", None]}),
        "other index": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[5, 6]),
        "series": pd.Series([1, 2], name="a"),
        "other name": pd.Series([1, 2], name="b"),
        "categories": pd.Categorical(["a", "b"]),
        "other categories": pd.Categorical(["a", "b"], categories=["a", "b", "c"]),
        "missing": pd.array([1, None], dtype="Int64"),
        "times": pd.date_range("2020", periods=3),
        "zone": pd.date_range("2020", periods=3, tz="Europe/Paris"),
        "levels": pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
        "timestamp": pd.Timestamp("2020"),
        "period": pd.Period("2020", "M"),
        "table": pa.table({"a": [1, 2]}),
        "chunks": pa.chunked_array([[1], [2, 3]]),
        "schema": pa.schema([("a", pa.int8())]),
        "arrow type": pa.int64(),
    }


def test_different_values_have_different_tokens():
    tokens = {name: tokenize(value) for name, value in values().items()}
    same = [names for names in collections.Counter(tokens.values()).items() if names[1] > 1]
    assert not same, [name for name, token in tokens.items() if token in dict(same)]


def test_tokens_are_equal_in_other_processes():
    """Another process, with other hashes of strings, computes the same tokens."""
    code = "import test_tokens as t; print({name: t.tokenize(value) for name, value in t.values().items()})"
    folder = os.path.dirname(__file__)
    path = os.pathsep.join([folder, *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    # Imported under the same name, so that functions and classes are the same.
    code = "import test_tokens as t, ast, sys; other = ast.literal_eval(sys.stdin.read());" + (
        "print([n for n, v in t.values().items() if t.tokenize(v, ensure_deterministic=True) != other[n]])"
    )
    environment["PYTHONHASHSEED"] = "8"
    again = subprocess.run(
        [sys.executable, "-c", code], env=environment, input=done.stdout, capture_output=True, text=True, check=False
    )
    assert again.stdout.strip() == "[]", again.stdout + again.stderr


def test_equal_values_have_equal_tokens():
    for (name, one), two in zip(values().items(), values().values()):
        assert tokenize(one) == tokenize(two), name
    assert tokenize({"a": 1, "b": 2}) == tokenize({"b": 2, "a": 1})
    assert tokenize(pa.chunked_array([[1, 2]])) == tokenize(pa.chunked_array([[1], [2]]))
    assert tokenize(np.arange(10)[::2]) == tokenize(np.arange(10)[::2].copy())
    assert tokenize(1, a=2) == tokenize(1, a=2) != tokenize(1, b=2)


def test_functions_of_other_globals_and_defaults():
    spaces = [{"n": 1}, {"n": 2}]
    made = []
    for space in spaces:
        exec("def f(x): return x + n", space)
        made.append(space["f"])
    assert tokenize(made[0]) != tokenize(made[1])
    spaces[1]["n"] = 1
    assert tokenize(made[0]) == tokenize(made[1])
    assert tokenize(lambda x=1: x) != tokenize(lambda x=2: x)
    exec("def g(x): return g(x - 1) if x else 0", spaces[0])
    assert tokenize(spaces[0]["g"])


def test_values_that_contain_themselves():
    one, two = [1], [1]
    one.append(one)
    two.append(two)
    assert tokenize(one) == tokenize(two) != tokenize([1, [1]])


def test_values_without_deterministic_token():
    assert tokenize(object()) != tokenize(object())
    lock = threading.Lock()
    for value in (object(), lock, (x for x in [1])):
        with pytest.raises(TokenizationError, match="__dask_tokenize__"):
            tokenize([value], ensure_deterministic=True)


def test_registered_types():
    class Special:
        def __init__(self, value):
            self.value = value

    @normalize_token.register(Special)
    def normalize(value):
        return ["special", value.value, np.arange(3)]

    assert tokenize(Special(1)) == tokenize(Special(1)) != tokenize(Special(2))


def test_mapped_arrays(tmp_path):
    """An array in a file is identified by its file and place, and not read."""
    np.save(tmp_path / "x.npy", np.arange(10))
    one = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert tokenize(one) == tokenize(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert tokenize(one[2:5]) != tokenize(one[3:6]) and tokenize(one) != tokenize(np.arange(10))


def test_subclasses_with_further_attributes():
    class Quantity(np.ndarray):
        pass

    metres, feet = np.arange(3).view(Quantity), np.arange(3).view(Quantity)
    metres.unit, feet.unit = "m", "ft"
    assert tokenize(metres) != tokenize(feet)

    class Frame(pd.DataFrame):
        _metadata = ["zone"]  # noqa: RUF012

    frames = [Frame({"a": [1]}) for _ in range(2)]
    frames[0].zone, frames[1].zone = 1, 2
    assert tokenize(frames[0]) != tokenize(frames[1])


def test_threads_do_not_disturb_each_other():
    """Several threads compute the token of one nested value."""
    shared = [{"a": [list(range(50))] * 20}] * 20
    expected = tokenize(shared)
    found = []
    threads = [threading.Thread(target=lambda: found.append(tokenize(shared))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_functions_with_a_cache():
    def cached(n):
        @functools.cache
        def inner(x):
            return x + n

        return inner

    assert tokenize(cached(1)) == tokenize(cached(1)) != tokenize(cached(2))


def test_subclasses_of_containers():
    lists, numbers = collections.defaultdict(list), collections.defaultdict(int)
    assert tokenize(lists) != tokenize(numbers)

    class Named(list):
        pass

    one, two = Named([1]), Named([1])
    one.name, two.name = "a", "b"
    assert tokenize(one) != tokenize(two)
