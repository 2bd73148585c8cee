"""The same calls of functions on Dask and on Partita: one program, two packages of the same names.

`functions.py dask|partita ADDRESS SCALE` prints one JSON object: seconds by question.
"""

import importlib
import json
import random
import sys
import time

import numpy as np

#: Nodes of the graphs, at scale 1.
NODES = 100_000
#: Columns and steps of the stencil.
STENCIL = (1_000, 100)
#: Calls that are submitted one after the other.
ROUND_TRIPS = 300


def increment(number):
    """A call that takes no time."""
    return number + 1


def add(*numbers):
    """The sum of the results of other calls."""
    return sum(numbers)


def total(array, number):
    """The sum of an array and a number."""
    return float(array.sum()) + number


def wait_for(seconds):
    """A call that takes some time."""
    time.sleep(seconds)
    return seconds


def tree(delayed, leaves):
    """A reduction in pairs."""
    level = [delayed(increment)(number) for number in range(leaves)]
    while len(level) > 1:
        level = [delayed(add)(*level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


def stencil(delayed, columns, steps):
    """Each cell is the sum of three cells of the step before."""
    row = [delayed(increment)(column) for column in range(columns)]
    for _ in range(steps - 1):
        row = [delayed(add)(*row[max(at - 1, 0) : at + 2]) for at in range(columns)]
    return delayed(len)(row)


def random_graph(delayed, nodes):
    """Each node reads up to three earlier ones."""
    draw = random.Random(1)
    made = [delayed(increment)(0)]
    while len(made) < nodes:
        made.append(delayed(max)([draw.choice(made[-1000:]) for _ in range(draw.randint(1, 3))]))
    return delayed(len)(made)


def main():
    package, address, scale = sys.argv[1], sys.argv[2], float(sys.argv[3])
    distributed = importlib.import_module("dask.distributed" if package == "dask" else "partita.distributed")
    delayed = importlib.import_module(package).delayed
    client = distributed.Client(address or None)
    seconds = {}

    def timed(name, work):
        begun = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - begun

    def map_and_gather(calls, first):
        results = client.gather(client.map(increment, range(first, first + calls)))
        assert results[-1] == first + calls

    client.gather(client.map(increment, range(-1000, 0)))
    few, many = int(10_000 * scale), int(100_000 * scale)
    timed(f"{few:,} calls mapped and gathered", lambda: map_and_gather(few, 0))
    timed(f"{many:,} calls mapped and gathered", lambda: map_and_gather(many, few))

    def first_result():
        futures = client.map(increment, range(10**7, 10**7 + many))
        next(iter(distributed.as_completed(futures))).result()
        seconds[f"first result of {many:,} calls"] = time.perf_counter() - begun
        distributed.wait(futures)

    begun = time.perf_counter()
    first_result()

    def round_trips():
        for number in range(ROUND_TRIPS):
            client.submit(increment, -(10**7) - number).result()

    begun = time.perf_counter()
    round_trips()
    seconds["one call, submitted and its result read"] = (time.perf_counter() - begun) / ROUND_TRIPS
    nodes = int(NODES * scale)
    columns, steps = int(STENCIL[0] * scale), STENCIL[1]
    timed(f"a tree of {nodes:,} calls", lambda: tree(delayed, nodes // 2).compute(scheduler=client))
    timed(f"a stencil of {columns:,} x {steps}", lambda: stencil(delayed, columns, steps).compute(scheduler=client))
    timed(f"a random graph of {nodes:,} calls", lambda: random_graph(delayed, nodes).compute(scheduler=client))
    data = np.random.default_rng(1).random(int(12_500_000 * scale))
    timed("100 calls that read a scattered array of 100 MB", lambda: read_scattered(client, data))
    timed("20 results of 100 MB gathered", lambda: gather_large(client, data))
    timed("100 calls of 20 ms, of 3 lengths", lambda: uneven(client))
    print(json.dumps({"seconds": seconds}))


def read_scattered(client, data):
    """Each call reads all of an array that was sent once."""
    sent = client.scatter(data)
    sums = client.gather([client.submit(total, sent, number) for number in range(100)])
    assert len(sums) == 100


def gather_large(client, data):
    """Results are as large as what the calls read."""
    sent = client.scatter(data)
    made = client.gather([client.submit(np.add, sent, number) for number in range(20)])
    assert sum(one.nbytes for one in made) == 20 * data.nbytes


def uneven(client):
    """Calls of unlike lengths, the long ones last."""
    lengths = [0.001] * 50 + [0.02] * 40 + [0.1] * 10
    assert sum(client.gather(client.map(wait_for, lengths, pure=False))) > 1


if __name__ == "__main__":
    main()
