"""Measure whether a cluster and its clients stay flat while one client leaves behind what users leave behind.

Start a scheduler and two workers. One client uploads frames, asks questions, persists and drops tables, calls
functions, cancels calls and queries, and asks for what fails, in rotation; a second client in a process of its own
asks a question each second. Every ``--every`` turns, the resident set, the descriptors and the threads of each process are
sampled::

    python benches/python/leaks.py target/release/partita --turns 100000

At the end, a table in Markdown says for each process how much it grew for 1,000 turns, as the slope of a line through the
samples of the second half, and how long the second client waited. The exit code is 1 if a process grew by more than
``--kib`` for 1,000 turns, or has more descriptors or threads than ``--more``, or if the second client got a wrong answer, an
error, or waited longer than ``--wait``. It needs the Python package and its dependencies.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import gc
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

START_SECONDS = 60
END_SECONDS = 30
#: Seconds between two questions of the second client.
QUESTION_SECONDS = 1.0
#: Lines of allocations that `--trace` prints.
TRACED_LINES = 12
WORKERS = 2
LIMIT = "512MiB"
DATA = pd.DataFrame({"a": range(5)})
TOTAL = 10
#: Calls of one turn of `map_calls`.
CALLS = 100


@dataclasses.dataclass
class Usage:
    """What a process uses."""

    resident_kib: int
    descriptors: int
    threads: int
    processes: int = 1


def usage_of(pid: int) -> Usage:
    """Return what a process uses."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Usage(int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"]))


def children_of(pid: int) -> list[int]:
    """Return the processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children_of(child)]
    return found


def usage_of_all(pids: list[int]) -> Usage:
    """Return how many processes there are, and what the largest of them use: those of a worker come and go."""
    usages = [Usage(0, 0, 0)]
    for pid in pids:
        try:
            usages.append(usage_of(pid))
        except OSError:
            continue
    return Usage(
        max(one.resident_kib for one in usages),
        max(one.descriptors for one in usages),
        max(one.threads for one in usages),
        len(usages) - 1,
    )


class Cluster:
    """A scheduler and workers, which end with this object."""

    def __init__(self, program: str, home: Path) -> None:
        self.home = home
        self.scheduler = self.start(program, "scheduler", "--host=127.0.0.1", "--port=0")
        arguments = ("worker", "--host=127.0.0.1", "--nthreads=1", f"--memory-limit={LIMIT}")
        self.workers = [self.start(program, *arguments) for _ in range(WORKERS)]
        wait = [program, "wait", "--workers", str(WORKERS), f"--timeout={START_SECONDS}s"]
        end = time.monotonic() + START_SECONDS
        while subprocess.run(wait, capture_output=True, check=False).returncode:
            if time.monotonic() > end:
                raise TimeoutError(f"the workers did not join: see {home}")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a process of the cluster."""
        with (self.home / f"{command[1]}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home)

    def end(self) -> None:
        """End the processes, the workers first."""
        for process in [*self.workers, self.scheduler]:
            process.terminate()
        for process in [*self.workers, self.scheduler]:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def usages(self) -> dict[str, Usage]:
        """Return what each process uses; the Python processes of a worker in one."""
        found = {"scheduler": usage_of(self.scheduler.pid)}
        for number, worker in enumerate(self.workers, 1):
            found[f"worker {number}"] = usage_of(worker.pid)
            found[f"Python of worker {number}"] = usage_of_all(children_of(worker.pid))
        return found


class Operations:
    """What a client does in each turn."""

    def __init__(self, client: Any) -> None:
        from partita import dataframe
        from partita._errors import QueryError

        self.client, self.dataframe, self.error = client, dataframe, QueryError

    def choose(self, names: str | None) -> list[Callable[[int], None]]:
        """Return operations by their names, or the usual ones. Each does one thing, and checks its answer."""
        usual = [self.ask, self.persist, self.call, self.cancel_call, self.fail, self.drop, self.cancel_query]
        return usual if names is None else [getattr(self, name) for name in names.split(",")]

    def upload(self) -> Any:
        """Upload a small frame."""
        return self.dataframe.from_pandas(DATA, npartitions=2, client=self.client)

    def ask(self, number: int) -> None:
        """Ask a question about an uploaded frame."""
        assert int(self.upload().a.sum().compute()) == TOTAL

    def persist(self, number: int) -> None:
        """Persist a frame and forget it."""
        assert len((self.upload() + number).persist()) == len(DATA)

    def call(self, number: int) -> None:
        """Call a function."""
        assert self.client.submit(int, number, pure=False).result() == number

    def map_calls(self, number: int) -> None:
        """Call a function a hundred times: what a session keeps of its calls is dropped with the session."""
        assert self.client.gather(self.client.map(int, range(CALLS), pure=False)) == list(range(CALLS))

    def cancel_call(self, number: int) -> None:
        """Cancel a call that waits; one of ten when it runs, which ends its process."""
        future = self.client.submit(time.sleep, 60, pure=False)
        if number % 10 == 0:
            # The other worker answers after the scheduler has given this one its call.
            assert self.client.submit(int, number, pure=False).result() == number
        self.client.cancel(future)

    def fail(self, number: int) -> None:
        """Ask for a column that is missing, and for a number that is not one."""
        for sql in ("SELECT nothing", "SELECT CAST('x' AS INT) FROM generate_series(1, 2)"):
            try:
                self.client.sql(sql)
            except self.error:
                continue
            raise AssertionError(f"no error: {sql}")

    def drop(self, number: int) -> None:
        """Create a table and drop it."""
        connection = self.client._connection
        connection.query(f"CREATE TABLE t{number} AS SELECT value AS a FROM generate_series(0, 4)")
        connection.query(f"DROP TABLE t{number}")

    def cancel_query(self, number: int) -> None:
        """Start a query that takes long, and cancel it."""
        connection = self.client._connection
        info = connection._info("SELECT count(*) FROM generate_series(1, 10000000000)")
        reader = connection._scheduler.do_get(info.endpoints[0].ticket, connection._options)
        connection._cancel(info)
        reader.cancel()


def ask_each_second() -> None:
    """Ask a question each second until standard input is closed, and print how long each took."""
    from partita import dataframe
    from partita.distributed import Client

    is_ended = False

    def end(*_: Any) -> None:
        nonlocal is_ended
        is_ended = True

    signal.signal(signal.SIGTERM, end)
    with Client(set_as_default=False) as client:
        frame = dataframe.from_pandas(DATA, npartitions=2, client=client).persist()
        while not is_ended:
            begin = time.monotonic()
            try:
                problem = None if int(frame.a.sum().compute()) == TOTAL else "wrong answer"
            except Exception as error:
                problem = repr(error)
            seconds = time.monotonic() - begin
            print(json.dumps({"seconds": seconds, "problem": problem}), flush=True)
            time.sleep(max(QUESTION_SECONDS - seconds, 0))


@dataclasses.dataclass
class Sample:
    """What all processes use after some turns."""

    turn: int
    usages: dict[str, Usage]


def slope(samples: list[Sample], values: list[float]) -> float:
    """Return the slope for 1,000 turns of a line through values at samples."""
    if len(samples) < 2:
        return 0.0
    turns = [sample.turn / 1000 for sample in samples]
    return statistics.linear_regression(turns, values).slope


def print_allocations(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot, turns: int) -> None:
    """Print where the client allocated what it still has, and of which types there are more."""
    for line in after.compare_to(before, "lineno")[:TRACED_LINES]:
        print(f"{line.size_diff / turns:9.1f} bytes a turn  {line.traceback}")


def count_types() -> collections.Counter[str]:
    """Count the objects of each type."""
    gc.collect()
    return collections.Counter(type(one).__qualname__ for one in gc.get_objects())


def report(samples: list[Sample], asked: list[dict[str, Any]], options: argparse.Namespace) -> bool:
    """Print the tables, and return whether all is flat."""
    half = samples[len(samples) // 2 :]
    is_good = True
    print("| process | first, MiB | half, MiB | end, MiB | KiB for 1,000 turns | descriptors | threads | processes |")
    print("|---|--:|--:|--:|--:|---|---|---|")
    for name in samples[0].usages:
        first, middle, end = (one.usages[name] for one in (samples[0], half[0], samples[-1]))
        growth = slope(half, [float(one.usages[name].resident_kib) for one in half])
        cells = [f"{one.resident_kib / 1024:.0f}" for one in (first, middle, end)]
        pairs = list(zip(dataclasses.astuple(middle)[1:], dataclasses.astuple(end)[1:], strict=True))
        counts = " | ".join(f"{before} to {after}" for before, after in pairs)
        print(f"| {name} | {' | '.join(cells)} | {growth:.1f} | {counts} |")
        is_good &= growth <= options.kib and all(after - before <= options.more for before, after in pairs)
    seconds = sorted(one["seconds"] for one in asked)
    problems = [one["problem"] for one in asked if one["problem"]]
    if not seconds:
        print("the second client had no answer")
        return False
    late = seconds[int(len(seconds) * 0.99)]
    print(
        f"second client: {len(seconds)} answers, median {statistics.median(seconds):.3f} s, "
        f"99th percentile {late:.3f} s, longest {seconds[-1]:.3f} s, {len(problems)} problems {problems[:3]}"
    )
    return is_good and not problems and seconds[-1] <= options.wait


def run_turns(options: argparse.Namespace, cluster: Cluster, neighbour: int) -> tuple[list[Sample], float]:
    """Run the turns in a client of this process, and return the samples and the seconds."""
    from partita.distributed import Client

    samples: list[Sample] = []
    with Client(set_as_default=False) as client:
        chosen = Operations(client).choose(options.only)
        spent: collections.Counter[str] = collections.Counter()
        begin = time.monotonic()
        for turn in range(options.turns + 1):
            if turn % options.every == 0:
                processes = {"client": usage_of(os.getpid()), "second client": usage_of(neighbour)}
                samples.append(Sample(turn, {**cluster.usages(), **processes}))
                shown = {name: dataclasses.astuple(one) for name, one in samples[-1].usages.items()}
                print(json.dumps({"turn": turn, "seconds": round(time.monotonic() - begin), **shown}), flush=True)
            if options.trace and turn == options.turns // 2:
                types = count_types()
                tracemalloc.start()
                snapshot = tracemalloc.take_snapshot()
            operation, before = chosen[turn % len(chosen)], time.monotonic()
            operation(turn)
            spent[operation.__name__] += time.monotonic() - before
        seconds = time.monotonic() - begin
        each = options.turns / len(chosen)
        print("milliseconds:", ", ".join(f"{name} {total / each * 1000:.1f}" for name, total in spent.items()))
        if options.trace:
            turns = options.turns - options.turns // 2
            print_allocations(snapshot, tracemalloc.take_snapshot(), turns)
            print((count_types() - types).most_common(TRACED_LINES))
    return samples, seconds


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the partita program")
    parser.add_argument("--turns", type=int, default=100_000, help="turns of the first client")
    parser.add_argument("--every", type=int, default=1_000, help="turns between two samples")
    parser.add_argument("--only", help="operations to run, separated by commas, such as ask,map_calls")
    parser.add_argument("--trace", action="store_true", help="print where the client allocates, for half of the turns")
    parser.add_argument("--kib", type=float, default=16, help="growth of a process for 1,000 turns that is accepted")
    parser.add_argument("--more", type=int, default=4, help="more descriptors or threads that are accepted")
    parser.add_argument("--wait", type=float, default=5, help="seconds that the second client may wait")
    parser.add_argument("--ask-each-second", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
    if options.ask_each_second:
        ask_each_second()
        return 0
    program = str(Path(options.program).resolve())
    # The processes of the cluster end with this one, also if it is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(PARTITA_HOME=folder, PARTITA_PROGRAM=program)
        cluster = Cluster(program, Path(folder))
        answers = Path(folder) / "answers"
        try:
            with answers.open("w") as out:
                command = [sys.executable, __file__, program, "--ask-each-second"]
                neighbour = subprocess.Popen(command, stdout=out)
            try:
                samples, seconds = run_turns(options, cluster, neighbour.pid)
            finally:
                neighbour.terminate()
                neighbour.wait(END_SECONDS)
        finally:
            cluster.end()
        asked = [json.loads(line) for line in answers.read_text().splitlines()]
    print(f"{options.turns} turns in {seconds:.0f} s, {WORKERS} workers of one slot and {LIMIT}")
    return 0 if report(samples, asked, options) else 1


if __name__ == "__main__":
    sys.exit(main())
