"""The questions of the benchmark, asked of Dask. Prints a JSON line with the median seconds."""

import json
import statistics
import subprocess
import sys
import time

RUNS = 3
# How long a process of Dask may take to end.
END_SECONDS_MAX = 3


def first():
    """A scheduler, two workers, a mean over 2,400 rows, all down."""
    import os

    here = os.path.dirname(sys.executable)
    address = "tcp://127.0.0.1:38787"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen([f"{here}/dask", "scheduler", "--host", "127.0.0.1", "--port", "38787",
                                   "--no-dashboard"], **quiet)]
    for _ in range(2):
        processes.append(subprocess.Popen([f"{here}/dask", "worker", address, "--nthreads", "1",
                                           "--no-dashboard", "--no-nanny"], **quiet))
    import numpy as np
    import pandas as pd
    from dask import dataframe as dd
    from dask.distributed import Client

    with Client(address, timeout=60) as client:
        client.wait_for_workers(2)
        index = pd.date_range("2021-09-01", periods=2400, freq="1h")
        frame = dd.from_pandas(pd.DataFrame({"a": np.arange(2400)}, index=index), npartitions=2)
        assert frame.a.mean().compute() == 1199.5
    # As a job script ends it. A worker that does not end by itself is killed: it was seen to hang.
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def question(name, folder):
    from dask import dataframe as dd

    if name == "mean of a column":
        return dd.read_parquet(f"{folder}/numbers", columns=["value"]).value.mean().compute()
    if name == "group by 10,000 keys":
        frame = dd.read_parquet(f"{folder}/numbers", columns=["grp", "value"])
        return len(frame.groupby("grp").value.agg(["mean", "sum"]).compute())
    if name == "join":
        left = dd.read_parquet(f"{folder}/left", columns=["id", "v0_1"])
        right = dd.read_parquet(f"{folder}/right", columns=["id", "v1_1"])
        both = left.merge(right, on="id")
        return (both.v0_1 + both.v1_1).sum().compute()
    if name == "sort":
        frame = dd.read_parquet(f"{folder}/numbers", columns=["key"])
        # `len` of the sorted frame would be answered without sorting.
        return frame.sort_values("key").map_partitions(len).compute().sum()
    raise ValueError(name)


def main():
    what = sys.argv[1]
    if what == "first":
        return first()
    from dask.distributed import Client

    with Client(sys.argv[2], timeout=60) as client:
        client.wait_for_workers(2)
        if what == "wait":
            return None
        times = []
        for run in range(RUNS + 1):
            start = time.perf_counter()
            question(what, sys.argv[3])
            if run > 0:
                times.append(time.perf_counter() - start)
        print(json.dumps({"seconds": statistics.median(times)}))


if __name__ == "__main__":
    main()
