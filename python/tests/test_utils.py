"""Utility functions of dask.utils, and diagnostics."""

import datetime
import functools
import io
import os
import pathlib
import pickle

import pandas as pd
import partita
import pytest
from partita import dataframe as dd
from partita import delayed, utils
from partita.diagnostics import Callback, Profiler, ProgressBar


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100", 100),
        ("100 MB", 100_000_000),
        ("5kB", 5000),
        ("5.4 kB", 5400),
        ("1kiB", 1024),
        ("1Mi", 1024**2),
        ("1e6", 1_000_000),
        ("MB", 1_000_000),
        (123.5, 123),
        (".5GB", 500_000_000),
    ],
)
def test_parse_bytes(text, number):
    assert utils.parse_bytes(text) == number


@pytest.mark.parametrize("text", ["5 foos", "", "1.2.3kB", "-5", "kB5"])
def test_parse_bytes_refuses(text):
    if text:
        with pytest.raises(ValueError, match="cannot read"):
            utils.parse_bytes(text)


def test_format_bytes():
    expected = {0: "0 B", 920: "920 B", 930: "0.91 kiB", 12345678: "11.77 MiB", 10**12: "0.91 TiB"}
    assert {number: utils.format_bytes(number) for number in expected} == expected


def test_times():
    expected = {"3s": 3, "3.5 seconds": 3.5, "300ms": 0.3, "1 hour": 3600, "2 days": 172800, "1 us": 1e-6, "5": 5}
    assert {text: utils.parse_timedelta(text) for text in expected} == expected
    assert utils.parse_timedelta(datetime.timedelta(seconds=3)) == 3 and utils.parse_timedelta(None) is None
    assert utils.parse_timedelta(300, default="ms") == 0.3
    with pytest.raises(ValueError, match="no unit"):
        utils.parse_timedelta("5", default=False)
    with pytest.raises(ValueError, match="cannot read"):
        utils.parse_timedelta("1 fortnight")
    shown = {0.0012: "1.20 ms", 1.5: "1.50 s", 700: "11m 40s", 10_000: "2hr 46m", 200_000: "2d 7hr", 1e-5: "10.00 us"}
    assert {number: utils.format_time(number) for number in shown} == shown


def test_names():
    class Callable:
        def __call__(self):
            pass

    assert utils.funcname(functools.partial(functools.partial(len))) == "len"
    assert (utils.funcname(lambda: 1), utils.funcname(Callable())) == ("lambda", "Callable")
    expected = {
        "x": "x",
        "x-1": "x",
        "x-1-2-3": "x",
        ("x-2", 1): "x",
        "('x-2', 1)": "x",
        "hello-world-1": "hello-world",
        b"hello-world-1": "hello-world",
        "ae05086432ca935f6eba409a8ecd4896": "data",
        "x-abcdefab": "x",
        "x-abcdef": "x-abcdef",
        None: "Other",
        0: "Other",
    }
    assert {key: utils.key_split(key) for key in expected} == expected
    assert sorted(["f10", "f9"], key=utils.natural_sort_key) == ["f9", "f10"]


def test_methods():
    upper = pickle.loads(pickle.dumps(utils.M.upper))
    assert upper("a") == "A" and upper == utils.M.upper and utils.funcname(upper) == "upper"
    assert utils.itemgetter(1)("ab") == "b" and utils.apply(max, [[1, 2]], {"key": lambda x: -x}) == 1


def test_dispatch():
    choose = utils.Dispatch("choose")
    choose.register((int, str), lambda value: "known")

    @choose.register(object)
    def other(value):
        return "other"

    assert [choose(1), choose(True), choose("a"), choose(1.0)] == ["known", "known", "known", "other"]


def test_locks():
    one, two = utils.SerializableLock("a"), utils.SerializableLock("a")
    with one:
        assert two.locked() and not two.acquire(blocking=False) and not utils.SerializableLock().locked()
    assert pickle.loads(pickle.dumps(one)).lock is one.lock and not one.locked()


def test_temporary_files():
    with utils.tmpfile("txt") as path:
        assert path.endswith(".txt") and not os.path.exists(path)
        pathlib.Path(path).touch()
    assert not os.path.exists(path)
    with utils.tmpdir() as folder:
        assert os.path.isdir(folder)
    with utils.filetexts({"a.txt": "x"}) as names:
        assert names == ["a.txt"] and os.path.getsize("a.txt") == 1
    assert not os.path.exists("a.txt")


def test_progress_bar():
    out = io.StringIO()
    with ProgressBar(out=out, width=10) as bar:
        delayed(abs)(-1).compute(scheduler="synchronous")
    assert "[##########] | 100% Completed" in out.getvalue() and bar.last_duration > 0
    out = io.StringIO()
    with ProgressBar(out=out), pytest.raises(ZeroDivisionError):
        (delayed(1) / 0).compute(scheduler="synchronous")
    assert "100%" not in out.getvalue()
    delayed(abs)(-1).compute(scheduler="synchronous")
    assert out.getvalue().count("Completed") == 1


def test_callbacks():
    seen = []

    class Own(Callback):
        def _start(self, graph):
            seen.append(len(graph))

        def _posttask(self, key, result, graph, state, worker):
            seen.append((utils.key_split(key), result, len(state["finished"])))

        def _finish(self, graph, state, failed):
            seen.append(failed)

    with Own():
        delayed(abs)(delayed(min)(-2, 1)).compute(scheduler="synchronous")
    assert seen == [2, ("min", -2, 1), ("abs", 2, 2), False]
    seen.clear()
    with Callback(pretask=lambda key, graph, state: seen.append(utils.key_split(key))):
        delayed(abs)(-2).compute(scheduler="synchronous")
    assert seen == ["abs"]


def test_profiler():
    with Profiler() as profiler:
        delayed(abs)(delayed(abs)(-2)).compute(scheduler="synchronous")
    assert len(profiler.results) == 2 and set(profiler.summary()) == {"abs"}
    assert all(one.start_time <= one.end_time for one in profiler.results)


def test_progress_bar_of_frames(client):
    """One bar is shown for a frame, and for several ones that are computed together."""
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    for compute in (frame.compute, frame.a.sum().compute, lambda: partita.compute(frame, frame.a.sum(), [frame.a])):
        out = io.StringIO()
        with ProgressBar(out=out):
            compute()
        assert out.getvalue().count("100% Completed") == 1
