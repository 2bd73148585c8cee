"""Process many files, each once, also if the job ends before all are done.

`file_pipeline.sh` is the job script. A file is complete when its result has its final name, so a job that was
requeued continues with the missing files. Exit code 75 says that some are still missing.
"""

import os
import signal
import sys
from pathlib import Path

from partita.distributed import Client, as_completed

FILES = 24


def write_raw_files(folder: Path) -> None:
    """Write the input of the example: readings of stations, as text."""
    folder.mkdir(parents=True, exist_ok=True)
    for station in range(FILES):
        lines = [f"{hour} {(station * 31 + hour * 7) % 40 - 10}" for hour in range(5_000)]
        (folder / f"station-{station:02}.txt").write_text("\n".join(lines))


def process(raw: Path, result: Path) -> str:
    """Count the hours of frost of one station."""
    values = [int(line.split()[1]) for line in raw.read_text().splitlines()]
    partial = result.with_suffix(f".{os.getpid()}")
    partial.write_text(f"{raw.stem},{len(values)},{sum(value < 0 for value in values)}\n")
    os.replace(partial, result)
    return raw.stem


def main(folder: Path) -> int:
    raw, results = folder / "raw", folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    if not raw.exists():
        write_raw_files(raw)
    files = {path: results / f"{path.stem}.csv" for path in sorted(raw.glob("*.txt"))}
    missing = {path: result for path, result in files.items() if not result.exists()}
    warned = []
    signal.signal(signal.SIGUSR1, lambda *_: warned.append(True))
    print(f"{len(missing)} of {len(files)} files to process", flush=True)
    with Client() as client:
        futures = client.map(process, missing.keys(), missing.values(), retries=2)
        for number, future in enumerate(as_completed(futures), start=1):
            future.result()
            if warned and number < len(futures):
                client.cancel(futures)
                print("warned: the other files are left to the next run")
                return os.EX_TEMPFAIL
    frost = sum(int(result.read_text().split(",")[2]) for result in files.values())
    print(f"all {len(files)} files are processed: {frost} hours of frost")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "stations")))
