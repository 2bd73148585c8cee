"""The same work on arrays in NumPy, on Dask and on Partita.

`arrays.py numpy|dask|partita ADDRESS SCALE [QUESTION...]` prints one JSON object: seconds by question, the least of three. The
arrays are in memory before a question: that of the process, or that of the workers. Results that are arrays stay there.
"""

import importlib
import json
import sys
import time

import numpy as np

#: Rows and columns of the arrays, at scale 1.
SIDE, LARGE_SIDE = 8_000, 10_000
#: Rows and columns of a chunk.
CHUNK = 1_000
#: Turns of each question, after one that is not counted.
TURNS = 3
#: Time in which a cluster forgets the results of a turn, in seconds: the next one is computed, and not found.
FORGET_S = 1.0


def smooth(block):
    """The mean of each element and the two beside it, in each row."""
    return (np.roll(block, 1, axis=1) + block + np.roll(block, -1, axis=1)) / 3


def questions(x, large, strips):
    """Each is built anew, as a script would; `strips` divides the columns otherwise."""
    return {
        "x @ x.T": lambda: x @ x.T,
        "(x + x.T).mean()": lambda: (x + x.T).mean(),
        "mean": lambda: large.mean(),
        "std": lambda: large.std(),
        "sum along the first axis": lambda: large.sum(axis=0),
        "sqrt(x) * 2 + x, its maximum": lambda: (np.sqrt(large) * 2 + large).max(),
        "cumsum": lambda: large.cumsum(axis=0),
        "rechunk": lambda: strips(large),
        "map_overlap": lambda: large.map_overlap(smooth, depth={0: 0, 1: 1}, boundary="periodic"),
        "every second row, transposed": lambda: large[::2].T + 1,
    }


def in_numpy(scale):
    """The questions of one process, on NumPy's own arrays."""
    rng = np.random.default_rng(1)
    x, large = (rng.random((int(side * scale), int(side * scale))) for side in (SIDE, LARGE_SIDE))

    def strips(array):
        return [np.ascontiguousarray(part) for part in np.array_split(array, max(len(array) // 100, 1), axis=1)]

    asked = questions(x, large, strips)
    asked["map_overlap"] = lambda: smooth(large)
    return asked, lambda make: make()


def on_cluster(name, address, scale):
    """The questions of a cluster, on arrays that its workers hold."""
    arrays = importlib.import_module(f"{name}.array")
    cluster = importlib.import_module("distributed" if name == "dask" else "partita.distributed")
    client = cluster.Client(address) if address else cluster.Client()
    rng = arrays.random.default_rng(1)
    made = []
    for side in (int(SIDE * scale), int(LARGE_SIDE * scale)):
        array = rng.random((side, side), chunks=(min(CHUNK, side), min(CHUNK, side))).persist()
        cluster.wait(array)
        made.append(array)

    def strips(array):
        return array.rechunk((array.shape[0], max(array.shape[1] // 100, 1)))

    def run(make):
        result = make()
        if result.ndim:
            cluster.wait(result.persist())
        else:
            result.compute()

    return questions(*made, strips), run, client


def main():
    """Ask all of it."""
    name, address, scale, *only = sys.argv[1], sys.argv[2], float(sys.argv[3]), *sys.argv[4:]
    asked, run, *kept = in_numpy(scale) if name == "numpy" else on_cluster(name, address, scale)
    seconds = {}
    for question, make in asked.items():
        if only and question not in only:
            continue
        times = []
        for _ in range(TURNS + 1):
            begin = time.perf_counter()
            run(make)
            times.append(time.perf_counter() - begin)
            time.sleep(FORGET_S)
        seconds[question] = min(times[1:])
    print(json.dumps({"seconds": seconds}))
    del kept


if __name__ == "__main__":
    main()
