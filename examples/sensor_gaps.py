"""Clean a time series with gaps: find the gaps, fill the short ones, and compute hourly and daily values.

`set_index` sorts across partitions, so windows and `shift` see the rows before a partition.
"""

import numpy as np
import pandas as pd

from partita import dataframe as dd
from partita.distributed import Client


def write_readings(folder: str) -> None:
    """Write three months of readings, one file a month, without the minutes that the sensor lost."""
    random = np.random.default_rng(3)
    for month in ("2026-01", "2026-02", "2026-03"):
        start = pd.Timestamp(month)
        time = pd.date_range(start, start + pd.offsets.MonthBegin(), freq="min", inclusive="left")
        level = 2 + np.sin(time.day_of_year + time.hour / 24) + random.normal(0, 0.05, len(time))
        lost = random.random(len(time)) < 0.02
        lost |= (time.day == 10) & (time.hour < 6)
        frame = pd.DataFrame({"time": time, "level": level})[~lost]
        dd.from_pandas(frame, npartitions=1).to_parquet(f"{folder}/{month}")


def main(folder: str = "readings") -> None:
    with Client():
        write_readings(folder)
        readings = dd.read_parquet(f"{folder}/*/*.parquet").set_index("time").persist()
        pause = readings.index.to_series().diff()
        gaps = pause[pause > pd.Timedelta("1h")].compute()
        print(f"{len(gaps)} gaps of more than an hour, the longest {gaps.max()}")

        hourly = readings.level.resample("1h").agg(["mean", "count"]).persist()
        filled = hourly["mean"].ffill(limit=2)
        print("hours without readings:", int((hourly["count"] == 0).sum().compute()))
        print("hours that stay empty:", int(filled.isna().sum().compute()))

        smooth = readings.level.rolling("6h").mean()
        print(smooth.resample("1D").max().tail(3).round(3).to_string())


if __name__ == "__main__":
    main()
