"""Measure the resident set of workers while queries read data many times their memory limit.

Start a cluster for each limit and number of slots, run every operator on data that is ``--times`` the
limit, sample the resident set of each worker every 20 ms, and print a table in Markdown::

    python benches/python/memory.py target/release/partita --limits 160MiB,512MiB --slots 1,2 --rows 8,100

A row is `ok` if the answer is right and the resident set stayed below the limit (below the limit and
32 MiB where the limit is below 256 MiB), `refused` if the query ended with an error that names memory, `OVER`
if the resident set was larger, and `LOST` if the scheduler lost a worker, such as one whose heartbeats did not
come. ``--data`` keeps the tables for the next run. It needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SAMPLE_SECONDS = 0.02
START_SECONDS = 60
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
SMALL_LIMIT_BYTES = 256 * MIB
SMALL_EXCESS_BYTES = 32 * MIB
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}
FACTOR = 7919
FILES = 4
ROW_GROUP_BYTES = 16 * MIB
ROW_GROUP_ROWS_MAX = 1 << 20
DIGEST_CHARS = 128
#: Bytes of the two numbers of a row.
NUMBERS_BYTES = 16


@dataclasses.dataclass
class Query:
    """A query, and its only row as CSV, if it gives one."""

    name: str
    sql: str
    expected: str | None = None


def queries_of_texts(table: str, rows: int, chars: int) -> list[Query]:
    """Return one query for each operator that has texts in memory: `s` is another one of this length in each row."""
    total = rows * (rows - 1) // 2
    return [
        Query("count(distinct) of texts", f"select count(distinct s) from '{table}'", f"{rows}"),
        Query(
            "several count(distinct), texts",
            f"select count(distinct s), count(distinct substr(s, 1, 20)), count(*) from '{table}'",
            f"{rows},{rows},{rows}",
        ),
        Query(
            "group by texts",
            f"select count(*), sum(n), sum(t) from (select s, count(*) as n, sum(k) as t from '{table}' group by s)",
            f"{rows},{rows},{total}",
        ),
        Query(
            "join with texts",
            f"select count(*), sum(length(x.s) + length(y.s)) from '{table}' x join '{table}' y on x.a = y.k",
            f"{rows},{2 * rows * chars}",
        ),
        Query(
            "window over partitions with texts",
            f"select count(*), sum(length(m)), sum(length(s)) from"
            f" (select max(s) over (partition by a % 100000) as m, s from '{table}')",
            f"{rows},{rows * chars},{rows * chars}",
        ),
        Query(
            "window of ranks with texts",
            f"select count(*), sum(r), sum(length(s)) from"
            f" (select row_number() over (order by a) as r, s from '{table}')",
            f"{rows},{total + rows},{rows * chars}",
        ),
    ]


def queries(table: str, out: str, rows: int, row_bytes: int) -> list[Query]:
    """Return one query for each operator; `a` is a permutation of `k`, which counts from 0."""
    total = rows * (rows - 1) // 2
    has_text = row_bytes > NUMBERS_BYTES
    s = ", s" if has_text else ""
    long = ", length(s) > 0 as t" if has_text else ""
    offset = rows * 3 // 4
    ordered = f"select a, k{s} from '{table}' order by a"
    return [
        *(queries_of_texts(table, rows, row_bytes - NUMBERS_BYTES) if has_text else []),
        Query("count(distinct)", f"select count(distinct a) from '{table}'", f"{rows}"),
        Query(
            "several count(distinct)",
            f"select count(distinct a), count(distinct k), avg(k) from '{table}'",
            f"{rows},{rows},{(rows - 1) / 2:.1f}",
        ),
        Query(
            "group by",
            f"select count(*), sum(n) from (select a, count(*) as n from '{table}' group by a)",
            f"{rows},{rows}",
        ),
        Query("order by", ordered),
        Query(
            "limit, large offset",
            f"select a{long} from ({ordered} limit 1 offset {offset})",
            f"{offset},true" if has_text else f"{offset}",
        ),
        Query(
            "join",
            f"select count(*), sum(x.k) from '{table}' x join '{table}' y on x.a = y.k",
            f"{rows},{total}",
        ),
        Query(
            "window over partitions",
            f"select count(*), max(c) from (select count(*) over (partition by a % 100000) as c, k{s} from '{table}')",
            f"{rows},{-(-rows // 100000)}",
        ),
        Query(
            "window of ranks",
            f"select count(*), sum(r) from (select row_number() over (order by a) as r from '{table}')",
            f"{rows},{total + rows}",
        ),
        Query("copy, ordered", f"copy ({ordered}) to '{out}/ordered' stored as parquet"),
        Query(
            "copy, partitioned",
            f"copy (select a, k{s}, k % 100 as p from '{table}' order by a)"
            f" to '{out}/partitioned' stored as parquet partitioned by (p)",
        ),
    ]


class Watch(threading.Thread):
    """The largest resident set of a process since it was last asked for."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.path = Path(f"/proc/{pid}/statm")
        self.peak = 0
        self.start()

    def run(self) -> None:
        """Sample until the process ends."""
        while True:
            try:
                pages = int(self.path.read_text().split()[1])
            except (OSError, IndexError):
                return
            self.peak = max(self.peak, pages * PAGE_BYTES)
            time.sleep(SAMPLE_SECONDS)

    def take(self) -> int:
        """Return the largest resident set, and begin anew."""
        peak, self.peak = self.peak, 0
        return peak


class Cluster:
    """Start a scheduler and workers with these limits and this number of slots each."""

    def __init__(self, program: str, home: Path, limits: list[int], slots: int) -> None:
        self.program = program
        self.environment = {**os.environ, "PARTITA_HOME": str(home)}
        self.home = home
        self.processes = [self.start("scheduler", "--host=127.0.0.1", "--port=0")]
        self.watches: list[tuple[int, Watch]] = []
        for limit in limits:
            # Workers that are killed leave what they spilled: it goes with the folder.
            options = [f"--nthreads={slots}", f"--memory-limit={limit}", f"--local-directory={home}"]
            worker = self.start("worker", "--host=127.0.0.1", *options)
            self.processes.append(worker)
            self.watches.append((limit, Watch(worker.pid)))
        count = str(len(limits))
        wait = [program, "wait", "--workers", count, f"--timeout={START_SECONDS}s"]
        begin = time.monotonic()
        while subprocess.run(wait, env=self.environment, capture_output=True, check=False).returncode:
            if time.monotonic() - begin > START_SECONDS:
                raise TimeoutError("the workers did not join")

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start a process of the cluster."""
        log = (self.home / f"{args[0]}.log").open("ab")
        return subprocess.Popen([self.program, *args], env=self.environment, stdout=log, stderr=log, cwd=self.home)

    def sql(self, query: str, out: Path) -> subprocess.Popen[str]:
        """Start a query whose rows go to a file."""
        args = [self.program, "sql", "--progress=none", "--output=csv", query]
        return subprocess.Popen(
            args,
            env=self.environment,
            stdout=out.open("w"),
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )

    def ids(self) -> set[str]:
        """Return the ids of the workers: one that was lost and came back has another."""
        args = [self.program, "workers", "--output=json"]
        listed = subprocess.run(args, env=self.environment, capture_output=True, text=True, check=False)
        try:
            rows = json.loads(listed.stdout)
            return {str(row.get("id", row.get("worker"))) for row in rows if row.get("state", "up") != "lost"}
        except (ValueError, AttributeError):
            return set()

    def end(self) -> None:
        """End all processes."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()


def parse_bytes(text: str) -> int:
    """Return the bytes of a text such as ``160MiB``."""
    found = re.fullmatch(r"(\d+)(KiB|MiB|GiB)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"not a size: {text}")
    return int(found[1]) * UNITS[found[2]]


def parse_numbers(text: str) -> list[int]:
    """Return the numbers of a text such as ``1,2``."""
    return [int(part) for part in text.split(",")]


def write_table(program: str, home: Path, folder: Path, rows: int, row_bytes: int) -> None:
    """Write a table of ``rows`` rows of about ``row_bytes`` bytes, unless it exists; strings compress badly."""
    done = folder / ".done"
    if done.exists():
        return
    folder.mkdir(parents=True)
    text = row_bytes - NUMBERS_BYTES
    parts = [f"encode(sha512(concat(value, '-{part}')), 'hex')" for part in range(-(-text // DIGEST_CHARS))]
    s = "" if text <= 0 else f", substr(concat({', '.join(parts)}), 1, {text}) as s"
    kind = "Int32" if row_bytes < NUMBERS_BYTES else "Int64"
    each = -(-rows // FILES)
    group_rows = min(ROW_GROUP_BYTES // row_bytes, ROW_GROUP_ROWS_MAX)
    for file in range(FILES):
        first, end = file * each, min((file + 1) * each, rows)
        sql = (
            f"copy (select arrow_cast(value, '{kind}') as k, arrow_cast(value * {FACTOR} % {rows}, '{kind}') as a{s}"
            f" from generate_series({first}, {end - 1})) to '{folder}/{file}.parquet'"
            f" options (max_row_group_size {group_rows})"
        )
        environment = {**os.environ, "PARTITA_HOME": str(home)}
        args = [program, "sql", "--embedded", "--progress=none", sql]
        subprocess.run(args, env=environment, check=True, capture_output=True, cwd=home)
    done.touch()


def is_prime(number: int) -> bool:
    """Return whether a number has no divisor."""
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def allowed(limit: int) -> int:
    """Return what the resident set may be at most."""
    return limit + SMALL_EXCESS_BYTES if limit < SMALL_LIMIT_BYTES else limit


def outcome(query: Query, process: subprocess.Popen[str], out: Path, seconds: float) -> str:
    """Wait for a query and say how it went."""
    try:
        error = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return "late"
    if process.returncode != 0:
        is_memory = "not enough memory" in error and "panicked" not in error
        return f"refused: {error.strip()[:300]}" if is_memory else f"FAILED: {error.strip()[:300]}"
    if query.expected is not None:
        lines = out.read_text().splitlines()
        if lines[1:] != [query.expected]:
            return f"WRONG: {lines[1:2]} instead of {query.expected}"
    return "ok"


def measure(arguments: argparse.Namespace) -> bool:
    """Run all, print the table, and return whether every row is within its limit."""
    is_good = True
    print("| query | limit | slots | bytes a row | data | peak | outcome | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for limits in arguments.limits:
        for row_bytes in arguments.rows:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
                home = Path(name)
                rows = max(limits) * arguments.times // row_bytes
                while not is_prime(rows):
                    rows += 1
                kept = home if arguments.data is None else Path(arguments.data).resolve()
                table = kept / f"{row_bytes}-{rows}"
                write_table(arguments.program, home, table, rows, row_bytes)
                for slots in arguments.slots:
                    is_good &= measure_one(arguments, home, table, limits, slots, rows, row_bytes)
    return is_good


@dataclasses.dataclass
class Measured:
    """How queries that ran at once ended, and what the workers used."""

    peaks: str
    limits: str
    outcome: str
    seconds: float
    is_good: bool
    is_gone: bool


def measure_batch(cluster: Cluster, home: Path, batch: list[Query], seconds: float) -> Measured:
    """Run queries at once, until the last one has ended or ``seconds`` have passed."""
    begin, ids = time.monotonic(), cluster.ids()
    for _, watch in cluster.watches:
        watch.take()
    outs = [home / f"{at}.csv" for at in range(len(batch))]
    started = [cluster.sql(query.sql, out) for query, out in zip(batch, outs, strict=True)]
    ends = [outcome(query, process, out, seconds) for query, process, out in zip(batch, started, outs, strict=True)]
    took = time.monotonic() - begin
    peaks = [(limit, watch.take()) for limit, watch in cluster.watches]
    is_within = all(peak < allowed(limit) for limit, peak in peaks)
    is_gone = any(process.poll() is not None for process in cluster.processes)
    end = "; ".join(ends) if is_within else f"OVER; {'; '.join(ends)}"
    end = f"DIED; {end}" if is_gone else end
    is_lost = not is_gone and cluster.ids() != ids
    end = f"LOST; {end}" if is_lost else end
    is_right = all(one.startswith(("ok", "refused")) for one in ends)
    for out in outs:
        out.unlink(missing_ok=True)
    shutil.rmtree(home / "out", ignore_errors=True)
    return Measured(
        peaks=" / ".join(f"{peak // MIB} MiB" for _, peak in peaks),
        limits=" / ".join(f"{limit // MIB} MiB" for limit, _ in peaks),
        outcome=end,
        seconds=took,
        is_good=is_right and is_within and not is_gone and not is_lost,
        is_gone=is_gone,
    )


def measure_one(
    arguments: argparse.Namespace,
    home: Path,
    table: Path,
    limits: list[int],
    slots: int,
    rows: int,
    row_bytes: int,
) -> bool:
    """Run all queries on one cluster, one after another, or all at once."""
    is_good = True
    cluster = Cluster(arguments.program, home, limits, slots)
    chosen = queries(str(table), str(home / "out"), rows, row_bytes)
    chosen = [query for query in chosen if re.search(arguments.only, query.name)]
    batches = [chosen] if arguments.mixed else [[query] for query in chosen]
    try:
        for batch in batches:
            found = measure_batch(cluster, home, batch, arguments.seconds)
            is_good &= found.is_good
            names = ", ".join(query.name for query in batch)
            data = f"{arguments.times} times"
            cells = [names, found.limits, slots, row_bytes, data, found.peaks, found.outcome, f"{found.seconds:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            if found.is_gone:
                break
    finally:
        cluster.end()
    return is_good


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("program", help="the partita program")
    parser.add_argument(
        "--limits",
        default="160MiB,256MiB,512MiB,1GiB",
        type=lambda text: [[parse_bytes(one) for one in part.split("+")] for part in text.split(",")],
        help="limits to try; join those of several workers of one cluster with +",
    )
    parser.add_argument("--slots", default="1,2,8", type=parse_numbers, help="slots to try")
    parser.add_argument("--rows", default="8,100,1000", type=parse_numbers, help="bytes of a row to try")
    parser.add_argument("--times", default=10, type=int, help="the data, in multiples of the limit")
    parser.add_argument("--only", default="", help="pattern of the queries to run")
    parser.add_argument("--mixed", action="store_true", help="run all queries at once")
    parser.add_argument("--seconds", default=900, type=float, help="time limit of a query")
    parser.add_argument("--folder", default=None, help="folder for temporary files (default: the system's)")
    parser.add_argument("--data", default=None, help="folder in which tables are kept for the next run")
    arguments = parser.parse_args()
    arguments.program = str(Path(arguments.program).resolve())
    return 0 if measure(arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
