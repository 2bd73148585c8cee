"""Measure the resident set of workers in the cases that once exceeded their limit.

Start a cluster for each case, run its queries at once, sample the resident set of each worker every 20 ms, and print a
table in Markdown::

    python benches/python/memory_cases.py target/release/partita --data cases --only offset

The outcomes are those of ``memory.py``, which lies beside it. It needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from memory import MIB, Cluster, Query, measure_batch, write_table

#: Rows of the tables: primes, so that their column `a` is a permutation of `k`.
MANY_ROWS = 50_000_017
SOME_ROWS = 10_000_019
TEXT_ROWS = 2_000_003
TEXT_ROW_BYTES = 100
NARROW_ROW_BYTES = 16
CSV_ROWS = 3_000_000
COLUMNS = 5_000
COLUMN_ROWS = 60
MB = 10**6


class Case(NamedTuple):
    """Queries that run at once on workers with these limits."""

    name: str
    limits: list[int]
    slots: int
    queries: list[Query]


def run_embedded(program: str, home: Path, sql: str) -> None:
    """Run a statement in a process of its own."""
    environment = {**os.environ, "PARTITA_HOME": str(home)}
    args = [program, "sql", "--embedded", "--progress=none", sql]
    subprocess.run(args, env=environment, check=True, capture_output=True, cwd=home)


def write_csv(program: str, home: Path, folder: Path) -> None:
    """Write CSV files of rows with 24 numbers as one text."""
    if not folder.exists():
        sql = (
            "select value as id, 'cat' || cast(value % 40 as varchar) as category, value % 12 as month,"
            f" repeat(cast(value as varchar), 24) as t from generate_series(1, {CSV_ROWS})"
        )
        run_embedded(program, home, f"copy ({sql}) to '{folder}' stored as csv")


def write_columns(path: Path) -> None:
    """Write a CSV file of many columns."""
    if not path.exists():
        names = ",".join(f"c{at}" for at in range(COLUMNS))
        rows = [",".join(str((row + at) % 100) for at in range(COLUMNS)) for row in range(COLUMN_ROWS)]
        path.write_text("\n".join([names, *rows]) + "\n")


def cases(program: str, home: Path, data: Path, wanted: str) -> Iterator[Case]:
    """Yield the cases whose names match, and write their data before."""
    name = "copy, ordered and partitioned by two columns, from CSV"
    if re.search(wanted, name):
        write_csv(program, home, data / "csv")
        sql = (
            f"copy (select * from '{data}/csv' order by t) to '{home}/out/parts'"
            " stored as parquet partitioned by (category, month)"
        )
        for slots in (1, 2):
            yield Case(name, [250 * MB], slots, [Query(name, sql)])
    name = "order by, limit 3 offset 1500000"
    if re.search(wanted, name):
        table = data / "texts"
        write_table(program, home, table, TEXT_ROWS, TEXT_ROW_BYTES)
        inner = f"select a, k, s from '{table}' order by a limit 3 offset 1500000"
        sql = f"select min(a), max(a), min(length(s)) > 0 from ({inner})"
        for limit in (100 * MB, 160 * MIB):
            yield Case(name, [limit], 1, [Query(name, sql, "1500000,1500002,true")])
    name = "5,000 columns"
    if re.search(wanted, name):
        path = data / "columns.csv"
        write_columns(path)
        sums = ", ".join(f"sum(c{at})" for at in range(COLUMNS))
        first = sum((row % 100) for row in range(COLUMN_ROWS))
        each = [
            Query("sum of one", f"select sum(c0) from '{path}'", f"{first}"),
            Query("copy to Parquet", f"copy (select * from '{path}') to '{home}/out/columns' stored as parquet"),
            Query("all columns", f"select * from '{path}' order by c0"),
            Query("5,000 sums", f"select {sums} from '{path}'"),
        ]
        for limit in (160 * MIB, 250 * MB, 512 * MIB, 1024 * MIB):
            for query in each:
                yield Case(f"{name}: {query.name}", [limit], 2, [query])
    name = "count(distinct ts), 50 million rows"
    if re.search(wanted, name):
        table = data / "many"
        write_table(program, home, table, MANY_ROWS, NARROW_ROW_BYTES)
        sql = f"select count(distinct to_timestamp_micros(a)) from '{table}'"
        for limit in (160, 256, 512):
            yield Case(name, [limit * MIB] * 2, 2, [Query(name, sql, f"{MANY_ROWS}")])
    name = "count(distinct md5) beside sort, window and join"
    if re.search(wanted, name):
        table = data / "some"
        write_table(program, home, table, SOME_ROWS, NARROW_ROW_BYTES)
        total = SOME_ROWS * (SOME_ROWS - 1) // 2
        ranks = f"select row_number() over (order by a) as r from '{table}'"
        together = [
            Query("md5", f"select count(distinct md5(cast(a as varchar))) from '{table}'", f"{SOME_ROWS}"),
            Query("sort", f"copy (select a, k from '{table}' order by a) to '{home}/out/s' stored as parquet"),
            Query("window", f"select count(*), sum(r) from ({ranks})", f"{SOME_ROWS},{total + SOME_ROWS}"),
            Query(
                "join",
                f"select count(*), sum(x.k) from '{table}' x join '{table}' y on x.a = y.k",
                f"{SOME_ROWS},{total}",
            ),
        ]
        for limits in ([160, 1024], [160, 512], [256, 512], [160, 160]):
            yield Case(name, [limit * MIB for limit in limits], 2, together)


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("program", help="the partita program")
    parser.add_argument("--only", default="", help="pattern of the cases to run")
    parser.add_argument("--seconds", default=900, type=float, help="time limit of a case")
    parser.add_argument("--folder", default=None, help="folder for temporary files (default: the system's)")
    parser.add_argument("--data", default=None, help="folder in which tables are kept for the next run")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    is_good = True
    print("| case | limit | slots | peak | outcome | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        home = Path(name)
        data = home if arguments.data is None else Path(arguments.data).resolve()
        data.mkdir(parents=True, exist_ok=True)
        for case in cases(program, home, data, arguments.only):
            cluster = Cluster(program, home, case.limits, case.slots)
            try:
                found = measure_batch(cluster, home, case.queries, arguments.seconds)
            finally:
                cluster.end()
            is_good &= found.is_good
            cells = [case.name, found.limits, case.slots, found.peaks, found.outcome, f"{found.seconds:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
