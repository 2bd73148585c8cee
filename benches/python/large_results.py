"""How long large results of functions take to reach the client: `large_results.py PACKAGE MEGABYTES`.

PACKAGE is `partita` or `dask`. Two workers of one thread each compute 20 results of MEGABYTES each, which the client
gathers, three times; the second figure includes that the client adds all numbers up.
"""

import importlib
import sys
import time

import numpy as np

RESULTS = 20
TURNS = 3


def main():
    package, megabytes = sys.argv[1], int(sys.argv[2])
    distributed = importlib.import_module("dask.distributed" if package == "dask" else "partita.distributed")
    with distributed.Client(n_workers=2, threads_per_worker=1) as client:
        data = np.random.default_rng(1).random(125_000 * megabytes)
        client.gather([client.submit(np.add, 1, number) for number in range(4)])
        for _ in range(TURNS):
            sent = client.scatter(data)
            begun = time.perf_counter()
            made = client.gather([client.submit(np.add, sent, number, pure=False) for number in range(RESULTS)])
            gathered = time.perf_counter() - begun
            for one in made:
                one.sum()
            print(f"{package}: gathered in {gathered:.2f} s, added up after {time.perf_counter() - begun:.2f} s")
            del made


if __name__ == "__main__":
    main()
