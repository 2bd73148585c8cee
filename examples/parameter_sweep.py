"""Run a model for every combination of its parameters, and keep the best.

A call that fails does not end the sweep: its parameters are reported, and the other calls continue.
"""

import itertools

import pandas as pd

from partita.distributed import Client, as_completed


def simulate(growth: float, harvest: float, years: int = 200) -> float:
    """Return the total catch of a fishery whose stock grows logistically."""
    if harvest > growth:
        raise ValueError(f"the stock dies out: harvest {harvest} is above growth {growth}")
    stock, caught = 0.5, 0.0
    for _ in range(years):
        stock += growth * stock * (1 - stock) - harvest * stock
        caught += harvest * stock
    return caught


def main() -> None:
    growths = [0.2, 0.4, 0.6, 0.8, 1.0]
    harvests = [0.1, 0.2, 0.3, 0.4, 0.5]
    grid = list(itertools.product(growths, harvests))
    with Client() as client:
        futures = client.map(simulate, *zip(*grid))
        parameters = dict(zip(futures, grid))
        rows, failures = [], 0
        for future in as_completed(futures):
            growth, harvest = parameters[future]
            if future.status == "error":
                failures += 1
            else:
                rows.append({"growth": growth, "harvest": harvest, "caught": future.result()})
    results = pd.DataFrame(rows).sort_values("caught", ascending=False)
    print(results.head(3).round(2).to_string(index=False))
    print(f"{len(results)} runs, {failures} combinations without a stock")


if __name__ == "__main__":
    main()
