"""Frames that are several times what the workers may have in memory together: persisted and asked.

`persisted_large.py FRAMES ROWS` uploads FRAMES frames of ROWS rows, asks each and all of them, and prints one JSON object:
seconds, what is persisted, and the peak resident set of each worker.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from partita import dataframe as dd
from partita.distributed import Client


def peaks_mib():
    """The peak resident sets of the workers, in MiB."""
    peaks = []
    for process in Path("/proc").iterdir():
        try:
            if b"worker" in (process / "cmdline").read_bytes().split(b"\0")[1:2]:
                status = (process / "status").read_text()
                peaks.append(int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) // 1024)
        except OSError:
            continue
    return peaks


def frame(rows, seed):
    """About 40 bytes a row."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "g": random.integers(0, 1000, rows),
            "k": random.permutation(rows),
            "x": random.random(rows),
            "y": random.random(rows),
        }
    )


def main():
    count, rows = int(sys.argv[1]), int(sys.argv[2])
    client = Client()
    seconds = {}

    def timed(name, work):
        begun = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - begun, 3)
        return result

    frames, expected = [], 0.0
    begun = time.perf_counter()
    for seed in range(count):
        data = frame(rows, seed)
        expected += data.x.sum()
        frames.append(dd.from_pandas(data, npartitions=32))
        del data
    seconds["uploaded"] = round(time.perf_counter() - begun, 3)
    persisted = sum(table["bytes"] for table in client._connection.action("partita.tables", {}))
    sums = timed("the sum of a column of each", lambda: [float(one.x.sum().compute()) for one in frames])
    assert abs(sum(sums) - expected) < 1e-6 * expected, (sums, expected)
    groups = timed("all in one, by groups", lambda: dd.concat(frames).groupby("g").x.mean().compute())
    assert len(groups) == 1000
    joined = timed("two of them joined", lambda: int(frames[0].merge(frames[1], on="k").x_x.count().compute()))
    assert joined == rows, joined
    kept = timed("one of them sorted and persisted", lambda: frames[2].set_index("k").persist())
    assert int(kept.loc[10:19].y.count().compute()) == 10
    print(json.dumps({"seconds": seconds, "persisted_gb": persisted / 1e9, "peaks_mib": peaks_mib()}))


main()
