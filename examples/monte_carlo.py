"""Estimate a risk with random samples, and continue from a checkpoint after an interruption.

Each batch has a seed of its own, so the result does not depend on the number of workers, on interruptions, or on
batches that ran twice.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from partita.distributed import Client, as_completed

BATCHES = 40
SAMPLES = 50_000


def count_floods(batch: int) -> int:
    """Count the years of one batch in which both rivers are above the dam."""
    random = np.random.default_rng([2026, batch])
    rain = random.gumbel(3.0, 0.6, SAMPLES)
    first = rain + random.normal(0.0, 0.3, SAMPLES)
    second = rain + random.normal(0.2, 0.4, SAMPLES)
    return int(np.count_nonzero((first > 5.5) & (second > 5.5)))


def save(path: Path, counts: dict) -> None:
    """Replace the checkpoint at once: a reader never sees half of a file."""
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(counts))
    os.replace(partial, path)


def main(checkpoint: Path) -> None:
    counts = json.loads(checkpoint.read_text()) if checkpoint.exists() else {}
    missing = [batch for batch in range(BATCHES) if str(batch) not in counts]
    print(f"{len(counts)} batches in the checkpoint, {len(missing)} to run")
    with Client() as client:
        futures = client.map(count_floods, missing, retries=2)
        batch_of = dict(zip(futures, missing))
        for done in as_completed(futures, with_results=True).batches():
            counts.update({str(batch_of[future]): count for future, count in done})
            save(checkpoint, counts)
    years = BATCHES * SAMPLES
    share = sum(counts.values()) / years
    error = (share * (1 - share) / years) ** 0.5
    print(f"a flood in {share:.4%} of the years, standard error {error:.4%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "floods.json"))
