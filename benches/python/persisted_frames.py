"""The same questions about persisted frames, asked of Dask and of Partita: one program, two packages of the same names.

`persisted_frames.py dask|partita ADDRESS FOLDER ROWS` prints one JSON object: seconds by question, and the sum of the peak
resident sets of the cluster's processes.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

FILES = 1000
PARTITIONS = 16


def peak_mib(words):
    """The sum of the peak resident sets of processes whose command line has one of these words in it."""
    total = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if not any(word in command for word in words):
                continue
            status = (process / "status").read_text()
        except OSError:
            continue
        peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        total += int(peak[0]) // 1024 if peak else 0
    return total


def frame(rows):
    """About 40 bytes a row: two keys, two values, a time in no order."""
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "g": random.integers(0, 1000, rows),
            "k": random.integers(0, rows // 4, rows),
            "x": random.random(rows),
            "y": random.random(rows),
            "t": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.permutation(rows), unit="s"),
        }
    )


def files(folder, rows):
    """A dataset of a thousand files in the order of time."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2)
    each = rows // FILES
    for number in range(FILES):
        times = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(each) + number * each, unit="s")
        part = pd.DataFrame({"t": times, "x": random.random(each), "y": random.random(each)})
        part.to_parquet(folder / f"part-{number:04}.parquet", index=False)
    (folder / "done").touch()


def main():
    package, address, folder, rows = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    dd = importlib.import_module(f"{package}.dataframe")
    distributed = importlib.import_module("dask.distributed" if package == "dask" else "partita.distributed")
    client = distributed.Client(address or None)
    data = frame(rows)
    files(folder / "times", rows)
    seconds = {}

    def timed(name, work):
        begun = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - begun
        return result

    def persisted(collection):
        kept = collection.persist()
        if package == "dask":
            distributed.wait(kept)
        return kept

    ddf = timed("from_pandas and persist", lambda: persisted(dd.from_pandas(data, npartitions=PARTITIONS, sort=False)))
    timed("persist of two columns", lambda: persisted(ddf.assign(z=ddf.x + ddf.y)[["g", "z"]]))
    timed("groupby.agg", lambda: ddf.groupby("g").agg({"x": ["mean", "max"], "y": "sum"}).compute())
    side = persisted(dd.from_pandas(pd.DataFrame({"k": np.arange(rows // 4), "w": 1.0}), npartitions=PARTITIONS))
    timed("merge", lambda: ddf.merge(side, on="k").w.sum().compute())
    indexed = timed("set_index and persist", lambda: persisted(ddf[["t", "x"]].set_index("t")))
    timed("resample", lambda: indexed.x.resample("1h").mean().compute())
    timed("rolling", lambda: indexed.x.rolling(100).mean().sum().compute())
    timed("cumsum", lambda: indexed.x.cumsum().max().compute())

    def slice_of_time():
        options = {"calculate_divisions": True} if package == "dask" else {}
        times = dd.read_parquet(str(folder / "times"), index="t", **options)
        return times.loc["2024-01-02":"2024-01-03"].x.mean().compute()

    timed("a slice of 1,000 files", slice_of_time)
    words = ["dask worker", "dask scheduler"] if package == "dask" else ["partita worker", "partita run"]
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib(words)}))


main()
