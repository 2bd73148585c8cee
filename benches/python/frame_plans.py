"""How long the plans of data frames take, for the 22 questions of TPC-H: `frame_plans.py [FOLDER]`.

FOLDER has a folder of Parquet files for each table; by default tables of a tiny scale are made. The numbers of a
question are those of building the frame in Python, with the requests to the scheduler for types; of `explain()`, the
median of five, with the message that it sends; and of `compute()`.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "python" / "tests"))
import tpch_data
from tpch_frames import QUESTIONS

from partita import _connection
from partita import dataframe as dd
from partita.distributed import Client
from partita.plan import wire

EXPLAINS = 5


def seconds(call):
    begin = time.perf_counter()
    made = call()
    return made, time.perf_counter() - begin


class Requests:
    """The number of requests for types, and the size of the last encoded message."""

    def __init__(self):
        self.schemas, self.message_bytes = 0, 0
        schema, encoded = _connection.Connection.schema, wire.Request.encoded

        def counted(connection, request):
            self.schemas += 1
            return schema(connection, request)

        def measured(request):
            message = encoded(request)
            self.message_bytes = len(message)
            return message

        _connection.Connection.schema, wire.Request.encoded = counted, measured


def measure(folder):
    requests = Requests()
    tables = {path.name: dd.read_parquet(str(path)) for path in sorted(folder.iterdir())}
    print("| question | build (ms) | requests for types | explain (ms) | message (bytes) | compute (ms) |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, question in sorted(QUESTIONS.items()):
        before = requests.schemas
        frame, build = seconds(lambda question=question: question(tables))
        asked = requests.schemas - before
        explain = statistics.median(seconds(frame.explain)[1] for _ in range(EXPLAINS))
        size = requests.message_bytes
        _, compute = seconds(frame.compute)
        times = [f"{1000 * each:.0f}" for each in (build, explain, compute)]
        print(f"| {name} | {times[0]} | {asked} | {times[1]} | {size} | {times[2]} |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="partita-tpch-") as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if len(sys.argv) == 1:
            tpch_data.write(folder)
        with Client(n_workers=2, threads_per_worker=1) as client:
            client.wait_for_workers(2)
            measure(folder)
