"""Measure the memory of a worker while it computes with arrays ten times its limit.

Start a cluster with one worker, run each operation, sample the memory of the worker and of its Python processes every
20 ms, and print a table in Markdown::

    python benches/python/array_memory.py target/release/partita --limit 256MiB --slots 1 --gigabytes 2.5

The memory of the worker is its resident set. That of its Python processes is their private memory, once with and once
without what they had before the first call. Segments that processes share count once. A row is `ok` if the answer is right and the sum, without what the processes had before, stayed below the
limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_SECONDS = 0.02
MIB = 1 << 20


def value_of(rows: Any, columns: Any) -> Any:
    """Return the item at each position: its neighbours differ by 1 and 3."""
    return rows * 1.0 + columns * 3.0


def fill(block_info: Any = None) -> Any:
    """Return a block of the array, as a function of a user that is not repeated for each reader."""
    (first, last), (left, right) = block_info[None]["array-location"]
    return value_of(np.arange(first, last)[:, None], np.arange(left, right)[None, :])


def count_wrong(block: Any, block_info: Any = None) -> Any:
    """Return how many items of a block are not those of its place."""
    (first, last), (left, right) = block_info[0]["array-location"]
    wrong = 0
    for at in range(0, last - first, 64):
        expected = value_of(
            np.arange(first + at, min(first + at + 64, last))[:, None], np.arange(left, right)[None, :]
        )
        wrong += int((block[at : at + 64] != expected).sum())
    return np.full((1, 1), wrong)


def smooth(block: Any) -> Any:
    """Return the mean of an item and its four neighbours, without the border of a block."""
    found = block[1:-1, 1:-1] * 1.0
    for part in (block[:-2, 1:-1], block[2:, 1:-1], block[1:-1, :-2], block[1:-1, 2:]):
        found += part
    found /= 5.0
    padded = np.zeros_like(block)
    padded[1:-1, 1:-1] = found
    return padded


def check(x: Any) -> int:
    """Return how many items of an array differ from those of its places."""
    wrong = x.map_blocks(count_wrong, dtype=int, chunks=(1,) * x.ndim)
    return int(wrong.sum().compute())


def operations(size: int, chunk: int, folder: Path) -> dict[str, Callable[[], bool]]:
    """Return the operations, each of which tells whether its answer is right."""
    import partita.array as da

    sizes = tuple([min(chunk, size - begin) for begin in range(0, size, chunk)])

    def source() -> Any:
        return da.map_blocks(fill, chunks=(sizes, sizes), dtype=float)

    def mean() -> bool:
        return abs(float(source().mean().compute()) - 4 * (size - 1) / 2) < 1e-6

    def mean_axis() -> bool:
        expected = np.arange(size) * 3.0 + (size - 1) / 2
        return bool(np.allclose(source().mean(axis=0).compute(), expected))

    def rechunk() -> bool:
        return check(source().rechunk((size, max(chunk * chunk // size, 1)))) == 0

    def transpose_sum() -> bool:
        x = source()
        return abs(float((x + x.T).mean().compute()) - 4 * (size - 1)) < 1e-6

    def overlap() -> bool:
        # The mean of the neighbours of a plane is the item itself; the borders are not.
        x = source().map_overlap(smooth, depth=1, boundary="reflect", dtype=float)
        wrong = x[1:-1, 1:-1] - source()[1:-1, 1:-1]
        return float(abs(wrong).max().compute()) < 1e-6

    def to_zarr() -> bool:
        import partita.array as module

        path = str(folder / "x.zarr")
        source().to_zarr(path, overwrite=True)
        return check(module.from_zarr(path)) == 0

    def store() -> bool:
        import zarr

        target = zarr.open(str(folder / "y.zarr"), mode="w", shape=(size, size), chunks=(chunk, chunk), dtype="f8")
        da.store(source(), target)
        return check(da.from_zarr(str(folder / "y.zarr"))) == 0

    return {
        "mean": mean,
        "mean(axis=0)": mean_axis,
        "rechunk to columns": rechunk,
        "(x + x.T).mean()": transpose_sum,
        "map_overlap": overlap,
        "to_zarr": to_zarr,
        "store": store,
    }


class Sampler(threading.Thread):
    """Samples the memory of a worker and of its processes."""

    def __init__(self, worker: int) -> None:
        super().__init__(daemon=True)
        self.worker = worker
        self.before: dict[int, int] = {}
        self.is_running = True
        self.reset()

    def reset(self) -> None:
        """Start anew, for the next operation."""
        self.peak = {"worker": 0, "processes": 0, "all": 0, "whole": 0}

    def run(self) -> None:
        while self.is_running:
            self.sample()
            time.sleep(SAMPLE_SECONDS)

    def sample(self) -> None:
        """Measure once."""
        status = status_of(self.worker)
        own = status.get("RssAnon", 0) + status.get("RssFile", 0)
        private = {}
        segments = segments_of(self.worker)
        for pid in descendants(self.worker):
            segments.update(segments_of(pid))
            private[pid] = status_of(pid).get("RssAnon", 0)
            # What a process has when it is seen first is what it had before its calls.
            self.before.setdefault(pid, private[pid])
        shared = sum(segments.values())
        grown = sum(max(used - self.before[pid], 0) for pid, used in private.items())
        now = {
            "worker": own + shared,
            "processes": sum(private.values()),
            "all": own + shared + grown,
            "whole": own + shared + sum(private.values()),
        }
        self.peak = {name: max(self.peak[name], value) for name, value in now.items()}


def status_of(pid: int) -> dict[str, int]:
    """Return the lines of `/proc/PID/status` that are sizes, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines if line.endswith("kB")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in parts}


def segments_of(pid: int) -> dict[int, int]:
    """Return the bytes of the segments of shared memory that a process has open, by their inodes."""
    found = {}
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return {}
    for one in descriptors:
        path = f"/proc/{pid}/fd/{one}"
        try:
            if os.readlink(path).startswith("/memfd:"):
                status = os.stat(path)
                found[status.st_ino] = status.st_blocks * 512
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(one) for one in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def worker_of(program: str) -> int:
    """Return the process of the worker that this process started."""
    for pid in descendants(os.getpid()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[1] == b"worker" and os.path.basename(words[0].decode()) == os.path.basename(program):
            return pid
    raise SystemExit("no worker was found among the processes of the cluster")


def main() -> None:
    """Run the operations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="path of the program")
    parser.add_argument("--limit", default="256MiB")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--gigabytes", type=float, default=2.5)
    parser.add_argument("--chunk", type=int, default=1024, help="rows and columns of a chunk")
    parser.add_argument("--only", help="run operations whose names contain this")
    options = parser.parse_args()
    os.environ["PARTITA_PROGRAM"] = os.path.realpath(options.program)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
    from partita.distributed import Client, LocalCluster
    from partita.utils import parse_bytes

    limit = parse_bytes(options.limit)
    size = int((options.gigabytes * 1e9 / 8) ** 0.5)
    print(f"{size} x {size} float64, {size * size * 8 / MIB:.0f} MiB, chunks of {options.chunk}, limit {options.limit}")
    print("| operation | slots | worker | with processes | with what these had before | result | seconds |")
    print("|---|--:|--:|--:|--:|---|--:|")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, run in operations(size, options.chunk, Path(folder)).items():
            if options.only and options.only not in name:
                continue
            with LocalCluster(
                n_workers=1, threads_per_worker=options.slots, memory_limit=options.limit
            ) as cluster, Client(cluster):
                sampler = Sampler(worker_of(os.environ["PARTITA_PROGRAM"]))
                sampler.start()
                begin = time.perf_counter()
                try:
                    result = "ok" if run() else "WRONG"
                except Exception as error:
                    result = f"{type(error).__name__}: {str(error)[:200]}"
                seconds = time.perf_counter() - begin
                sampler.is_running = False
                sampler.join()
                if result == "ok" and sampler.peak["all"] > limit:
                    result = "OVER"
                failed = failed or result != "ok"
                peak = [sampler.peak[one] // MIB for one in ("worker", "all", "whole")]
                print(f"| {name} | {options.slots} | {peak[0]} | {peak[1]} | {peak[2]} | {result} | {seconds:.0f} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
