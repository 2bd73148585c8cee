"""Compute a climatology: the mean of each month over 20 years, and how far the last year is from it.

With xarray, the data set's dimensions have names. Without it, the same steps work on a partitioned array.
"""

import numpy as np
import pandas as pd

import partita.array as da
from partita.distributed import Client

try:
    import xarray
except ImportError:
    xarray = None

TIME = pd.date_range("2006-01-01", "2025-12-31", freq="D")
LATITUDE, LONGITUDE = np.linspace(-88, 88, 45), np.linspace(0, 352, 45)


def make_temperature() -> da.Array:
    """Return daily temperatures (time, latitude, longitude), with a season and a slow warming."""
    days = da.from_array(TIME.day_of_year.to_numpy(), chunks=365)[:, None, None]
    years = da.from_array((TIME.year - 2006).to_numpy(), chunks=365)[:, None, None]
    north = np.sin(np.deg2rad(LATITUDE))[None, :, None]
    shape = (len(TIME), len(LATITUDE), len(LONGITUDE))
    noise = da.random.RandomState(7).normal(0.0, 2.0, size=shape, chunks=(365, 45, 45))
    season = -da.cos(2 * np.pi * (days - 15) / 365.25) * 12 * north
    return 15 - 20 * abs(north) + season + 0.03 * years + noise


def monthly_means(temperature: da.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each calendar month over all years, and over the last year."""
    months, last = TIME.month.to_numpy(), TIME.year.to_numpy() == TIME.year[-1]
    climate = [temperature[months == month].mean(axis=0) for month in range(1, 13)]
    latest = [temperature[(months == month) & last].mean(axis=0) for month in range(1, 13)]
    both = da.stack([da.stack(climate), da.stack(latest)]).compute()
    return both[0], both[1]


def main() -> None:
    with Client():
        climate, latest = monthly_means(make_temperature())
    print("mean over all months and places:", round(float(climate.mean()), 2))
    print("the last year is warmer by", round(float((latest - climate).mean()), 2))
    if xarray is not None:
        coordinates = {"month": range(1, 13), "latitude": LATITUDE, "longitude": LONGITUDE}
        named = xarray.DataArray(climate, coordinates, name="temperature")
        print("warmest month at 60 N:", int(named.sel(latitude=60, method="nearest").mean("longitude").idxmax()))


if __name__ == "__main__":
    main()
