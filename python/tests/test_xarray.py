"""Arrays in datasets of xarray: each result equals that of the same lines on NumPy."""

import operator

import numpy as np
import pytest

import partita
import partita.array as da
from partita import config

xr = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")

CHUNKS = {"time": 60, "lat": 4, "lon": 5}


def dataset():
    rng = np.random.default_rng(5)
    time = pd.date_range("2000-09-01", periods=200, freq="D")
    shape = (time.size, 7, 9)
    temperature = rng.normal(size=shape) + np.sin(np.arange(time.size) / 58)[:, None, None]
    temperature[rng.random(shape) < 0.05] = np.nan
    return xr.Dataset(
        {
            "temperature": (("time", "lat", "lon"), temperature, {"units": "K"}),
            "rain": (("time", "lat", "lon"), rng.gamma(1.0, size=shape).astype("f4")),
            "area": (("lat", "lon"), rng.random((7, 9))),
            "count": (("time",), rng.integers(0, 100, time.size)),
        },
        coords={"time": time, "lat": np.linspace(-30, 30, 7), "lon": np.linspace(0, 80, 9)},
    )


PLAIN = dataset()


@pytest.fixture
def chunked():
    with xr.set_options(chunk_manager="partita"):
        yield PLAIN.chunk(CHUNKS)


def anomalies(ds):
    groups = ds.groupby("time.month")
    return groups - groups.mean("time")


def detrended(ds):
    t = ds.temperature.fillna(0)
    found = t.polyfit("time", deg=1)
    return xr.polyval(t.time, found.polyfit_coefficients)


def whole(x, dim):
    """Bring an axis into one chunk, which NumPy does not need."""
    return x.chunk({dim: -1}) if x.chunks else x


def rms(values, axis):
    return np.sqrt(np.mean(values**2, axis=axis))


CASES = {
    "mean": lambda ds: ds.mean(),
    "mean_dim": lambda ds: ds.mean("time"),
    "mean_skipna": lambda ds: ds.temperature.mean("time", skipna=False),
    "std": lambda ds: ds.temperature.std(("lat", "lon"), ddof=1),
    "median": lambda ds: ds.temperature.median("time"),
    "quantile": lambda ds: whole(ds.temperature, "time").quantile([0.1, 0.9], "time"),
    "count": lambda ds: ds.temperature.count("time"),
    "sum_min_count": lambda ds: ds.temperature.sum("lon", min_count=8),
    "max_min": lambda ds: ds.rain.max("lat") - ds.rain.min("lat"),
    "prod": lambda ds: ds.area.prod("lat"),
    "any_all": lambda ds: (ds.rain > 3).any("time") & (ds.rain > 0).all("time"),
    "argmax": lambda ds: ds.rain.argmax("time"),
    "idxmax": lambda ds: ds.rain.idxmax("time"),
    "cumsum": lambda ds: ds.rain.cumsum("time"),
    "cumprod": lambda ds: ds.area.cumprod("lat"),
    "arithmetic": lambda ds: (ds.temperature + 2 * ds.rain) / ds.area - 1,
    "broadcast": lambda ds: ds["count"] * ds.area,
    "ufunc": lambda ds: np.sqrt(ds.rain) + np.exp(-ds.area),
    "where": lambda ds: ds.temperature.where(ds.rain > 0.5),
    "where_other": lambda ds: xr.where(ds.rain > 1, ds.temperature, -1.0),
    "where_drop": lambda ds: ds.temperature.where(ds.lat > 0, drop=True),
    "fillna": lambda ds: ds.temperature.fillna(ds.temperature.mean("time")),
    "ffill": lambda ds: ds.temperature.ffill("time"),
    "bfill": lambda ds: ds.temperature.bfill("time", limit=2),
    "interpolate_na": lambda ds: whole(ds.temperature, "time").interpolate_na("time"),
    "dropna": lambda ds: ds.temperature.dropna("time"),
    "isnull": lambda ds: ds.temperature.isnull().sum(),
    "clip": lambda ds: ds.temperature.clip(-1, 1),
    "round": lambda ds: ds.temperature.round(1),
    "astype": lambda ds: ds.temperature.astype("f4"),
    "isin": lambda ds: ds["count"].isin([1, 2, 3]),
    "isel": lambda ds: ds.isel(time=slice(5, 150, 7), lat=[0, 3], lon=-1),
    "sel": lambda ds: ds.sel(time="2000-11", lat=slice(-10, 20)),
    "sel_nearest": lambda ds: ds.temperature.sel(lat=12, lon=31, method="nearest"),
    "points": lambda ds: ds.temperature.isel(
        lat=xr.DataArray([0, 2, 6], dims="p"), lon=xr.DataArray([8, 1, 1], dims="p")
    ),
    "head": lambda ds: ds.rain.head(time=3),
    "transpose": lambda ds: ds.temperature.transpose("lon", "time", "lat"),
    "stack": lambda ds: ds.temperature.stack(z=("lat", "lon")).mean("z"),
    "unstack": lambda ds: ds.area.stack(z=("lat", "lon")).unstack("z"),
    "shift": lambda ds: ds.temperature.shift(time=3),
    "roll": lambda ds: ds.temperature.roll(lon=2, roll_coords=True),
    "diff": lambda ds: ds.temperature.diff("time", n=2),
    "differentiate": lambda ds: ds.area.differentiate("lat"),
    "integrate": lambda ds: ds.area.integrate("lon"),
    "cumulative_integrate": lambda ds: ds.area.cumulative_integrate("lon"),
    "pad": lambda ds: ds.area.pad(lat=2, constant_values=0),
    "sortby": lambda ds: ds.area.sortby("lat", ascending=False),
    "sortby_value": lambda ds: ds.rain.sortby(ds["count"]),
    "climatology": lambda ds: ds.groupby("time.month").mean("time"),
    "anomalies": anomalies,
    "season": lambda ds: ds.temperature.groupby("time.season").mean(),
    "groupby_std": lambda ds: ds.rain.groupby("time.year").std(),
    "groupby_first": lambda ds: ds.temperature.groupby("time.month").first(),
    "groupby_max": lambda ds: ds.rain.groupby("time.month").max(),
    "groupby_median": lambda ds: ds.rain.groupby("time.season").median(),
    "groupby_map": lambda ds: ds.rain.groupby("time.season").map(lambda x: x - x.mean("time")),
    "groupby_array": lambda ds: ds.rain.groupby(ds["count"].compute() % 3).sum("time"),
    "groupby_bins": lambda ds: ds.rain.groupby_bins("lat", [-40, -5, 5, 40]).mean(),
    "groupby_2d": lambda ds: ds.rain.isel(time=0).groupby((ds.area.compute() > 0.5).rename("big")).mean(),
    "groupby_quantile": lambda ds: whole(ds.rain, "time").groupby("time.season").quantile(0.5),
    "groupby_assign": lambda ds: ds.groupby("time.season").sum(),
    "resample_mean": lambda ds: ds.resample(time="MS").mean(),
    "resample_max": lambda ds: ds.rain.resample(time="10D").max(),
    "resample_count": lambda ds: ds.temperature.resample(time="QS-DEC").count(),
    "resample_up": lambda ds: ds.rain.isel(time=slice(20)).resample(time="12h").ffill(),
    "resample_interpolate": lambda ds: whole(ds.rain.isel(time=slice(20)), "time").resample(time="12h").interpolate(),
    "weighted_mean": lambda ds: ds.temperature.weighted(np.cos(np.deg2rad(ds.lat))).mean(("lat", "lon")),
    "weighted_area": lambda ds: ds.temperature.weighted(ds.area).sum(("lat", "lon")),
    "weighted_std": lambda ds: ds.temperature.weighted(ds.area).std(("lat", "lon")),
    "weighted_quantile": lambda ds: whole(ds.area, "lat").weighted(np.cos(np.deg2rad(ds.lat))).quantile(0.5, dim="lat"),
    "rolling_mean": lambda ds: ds.temperature.rolling(time=7).mean(),
    "rolling_center": lambda ds: ds.rain.rolling(time=5, center=True, min_periods=2).sum(),
    "rolling_2d": lambda ds: ds.area.rolling(lat=3, lon=2, center=True).max(),
    "rolling_reduce": lambda ds: ds.rain.rolling(time=4).reduce(np.mean),
    "rolling_construct": lambda ds: ds.rain.rolling(time=3).construct("window").sum("window"),
    "rolling_std": lambda ds: ds.rain.rolling(time=30).std(),
    "rolling_count": lambda ds: ds.area.rolling(lat=2).count(),
    "coarsen": lambda ds: ds.rain.coarsen(lat=2, lon=3, boundary="trim").mean(),
    "coarsen_max": lambda ds: ds.temperature.coarsen(time=7, boundary="pad").max(),
    "coarsen_construct": lambda ds: ds.rain.isel(time=slice(196)).coarsen(time=7).construct(time=("week", "day")),
    "interp": lambda ds: ds.area.interp(lat=[-12.0, 3.0], lon=[11.0, 47.5]),
    "interp_time": lambda ds: ds.rain.interp(time=pd.date_range("2000-12-01 12:00", periods=4)),
    "interp_like": lambda ds: ds.area.interp_like(ds.area.isel(lat=slice(1, 5))),
    "reindex": lambda ds: ds.area.reindex(lat=[-30, 0, 7], fill_value=-1.0),
    "reindex_nearest": lambda ds: ds.area.reindex(lat=[-28, 1], method="nearest"),
    "align": lambda ds: operator.add(
        *xr.align(ds.area.isel(lat=slice(4)), ds.area.isel(lat=slice(2, 7)), join="outer")
    ),
    "concat": lambda ds: xr.concat(
        [ds.isel(time=slice(90)), ds.isel(time=slice(90, None))], "time", data_vars="minimal"
    ),
    "concat_new": lambda ds: xr.concat([ds.area, ds.area * 2], pd.Index([0, 1], name="run")),
    "merge": lambda ds: xr.merge([ds[["area"]], ds[["rain"]].rename(rain="water")]),
    "combine_first": lambda ds: ds.temperature.combine_first(ds.rain),
    "to_array": lambda ds: ds[["temperature", "rain"]].to_array().mean("variable"),
    "dot": lambda ds: xr.dot(ds.rain, ds.area, dim=("lat", "lon")),
    "corr": lambda ds: xr.corr(ds.temperature, ds.rain.astype("f8"), dim="time"),
    "cov": lambda ds: xr.cov(ds.temperature, ds.rain.astype("f8"), dim="time"),
    "polyfit": detrended,
    "apply_ufunc": lambda ds: xr.apply_ufunc(
        rms,
        whole(ds.rain, "time"),
        input_core_dims=[["time"]],
        kwargs={"axis": -1},
        dask="parallelized",
        output_dtypes=["f4"],
    ),
    "apply_ufunc_vectorized": lambda ds: xr.apply_ufunc(
        lambda one, other: one * other.sum(),
        whole(ds.area, "lat"),
        ds.lat,
        input_core_dims=[["lat"], ["lat"]],
        output_core_dims=[["lat"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[float],
    ),
    "apply_ufunc_new_dim": lambda ds: xr.apply_ufunc(
        lambda a: np.stack([a.min(-1), a.max(-1)], -1),
        whole(ds.area, "lon"),
        input_core_dims=[["lon"]],
        output_core_dims=[["bound"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"bound": 2}},
    ),
    "apply_ufunc_allowed": lambda ds: xr.apply_ufunc(lambda a: a * 2, ds.rain, dask="allowed"),
    "map_dataset": lambda ds: ds.map(np.abs),
    "reduce": lambda ds: ds.rain.reduce(np.mean, "time"),
    "full_like": lambda ds: xr.full_like(ds.area, 3.0) + xr.zeros_like(ds.area) + xr.ones_like(ds.area),
    "dt": lambda ds: ds.time.dt.month * ds["count"],
    "swap_dims": lambda ds: ds.area.assign_coords(band=("lat", np.arange(7))).swap_dims(lat="band"),
    "expand_dims": lambda ds: ds.area.expand_dims(z=3),
    "squeeze": lambda ds: ds.area.isel(lat=[2]).squeeze("lat"),
    "to_dataframe": lambda ds: ds.area.to_dataframe(name="a").a.to_xarray(),
    "assign": lambda ds: ds.assign(twice=ds.area * 2, anomaly=lambda d: d.rain - d.rain.mean("time")),
    "curl": lambda ds: ds.rain.differentiate("lon") - ds.temperature.differentiate("lat"),
    "integers": lambda ds: (ds["count"] // 25).astype(int) % 3,
}


#: What xarray needs for some of them.
PACKAGES = {
    **dict.fromkeys(["ffill", "bfill"], "bottleneck"),
    **dict.fromkeys(["interp", "interp_time", "interp_like", "resample_interpolate"], "scipy"),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy(name, chunked):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    expected = CASES[name](PLAIN)
    with config.set(scheduler="synchronous"):
        found = CASES[name](chunked)
        values = found.compute()
    if isinstance(found, xr.DataArray):
        values, expected = values.to_dataset(name="x"), expected.to_dataset(name="x")
    for one in values.data_vars:
        assert values[one].dtype == expected[one].dtype
        tolerance = 1e-5 if values[one].dtype == np.float32 else 1e-9
        xr.testing.assert_allclose(values[one], expected[one], rtol=tolerance, atol=tolerance)


@pytest.fixture
def here():
    with config.set(scheduler="synchronous"):
        yield


def small():
    return PLAIN[["temperature", "area"]].isel(time=slice(0, 25)).assign_coords(day=("time", np.arange(25) % 7))


def test_the_manager_is_chosen_by_name():
    managers = xr.namedarray.parallelcompat.list_chunkmanagers()
    assert type(managers["partita"]).__name__ == "PartitaManager"
    x = PLAIN.area.chunk(lat=3, chunked_array_type="partita")
    assert isinstance(x.data, da.Array) and x.chunks == ((3, 3, 1), (9,))
    assert isinstance((x + 1).data, da.Array)
    assert "partita.array<chunksize=(3, 9)>" in repr(x.to_dataset(name="x"))


def test_results_stay_lazy_until_they_are_needed(chunked, here):
    lazy = chunked.temperature.groupby("time.month").mean().rolling(month=2).max()
    assert isinstance(lazy.data, da.Array)
    assert isinstance(lazy.load().data, np.ndarray)
    assert isinstance(chunked.rain.persist().data, da.Array)
    assert chunked.rain.chunk(time=90).chunks[0] == (90, 90, 20)
    assert dict(chunked.chunks) == {"time": (60, 60, 60, 20), "lat": (4, 3), "lon": (5, 4)}


def test_map_blocks(chunked, here):
    ds, plain = small().chunk(time=10), small()
    found = xr.map_blocks(lambda d, factor: d * factor, ds, kwargs={"factor": 2})
    assert isinstance(found.temperature.data, da.Array)
    xr.testing.assert_identical(found.compute(), xr.map_blocks(lambda d: d * 2, plain))
    mean = ds.temperature.map_blocks(lambda x: x.mean("lat"), template=ds.temperature.mean("lat"))
    xr.testing.assert_allclose(mean.compute(), plain.temperature.mean("lat"))
    months = xr.map_blocks(lambda x, y: x - y.time.dt.month, ds.temperature, args=[ds])
    xr.testing.assert_allclose(months.compute(), plain.temperature - plain.time.dt.month)


def test_map_blocks_checks_what_the_function_returns(chunked, here):
    ds = small().chunk(time=10)
    with pytest.raises(ValueError, match="returned size 1 along 'time'"):
        ds.temperature.map_blocks(lambda x: x.isel(time=[0]), template=ds.temperature).compute()
    with pytest.raises(ValueError, match="different values of the variable 'area'"):
        ds.map_blocks(lambda d: d.assign(area=d.area * d.day.sum()), template=ds).compute()


def test_datasets_in_functions_of_the_package(chunked, here):
    ds = small().chunk(time=10)
    found, same = partita.compute(ds, {"x": ds.area + 1})
    xr.testing.assert_identical(found, small())
    xr.testing.assert_identical(same["x"], small().area + 1)
    (kept,) = partita.persist(ds)
    assert isinstance(kept.temperature.data, da.Array)
    total = partita.delayed(lambda d: float(d.temperature.sum()))(ds)
    assert total.compute() == pytest.approx(float(small().temperature.sum()))


def test_zarr(chunked, here, tmp_path):
    pytest.importorskip("zarr")
    plain = small().drop_vars("day")
    ds = plain.chunk(time=10)
    ds.to_zarr(tmp_path / "whole.zarr", consolidated=False)
    found = xr.open_zarr(tmp_path / "whole.zarr", consolidated=False)
    assert isinstance(found.temperature.data, da.Array) and found.temperature.chunks[0] == (10, 10, 5)
    xr.testing.assert_identical(found.compute(), plain)
    path = tmp_path / "parts.zarr"
    ds.to_zarr(path, compute=False, consolidated=False)
    for begin in (0, 10, 20):
        part = ds.isel(time=slice(begin, begin + 10)).drop_vars(["area", "lat", "lon"])
        part.to_zarr(path, region={"time": slice(begin, begin + part.sizes["time"])}, consolidated=False)
    xr.testing.assert_identical(xr.open_zarr(path, consolidated=False).temperature.compute(), plain.temperature)
    ds.to_zarr(tmp_path / "later.zarr", compute=False, consolidated=False).compute()
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "later.zarr", consolidated=False).compute(), plain)


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_netcdf(engine, client, tmp_path):
    """Files are written by the client and read by the workers."""
    pytest.importorskip("netCDF4" if engine == "netcdf4" else "h5netcdf")
    plain = small()
    with config.set(scheduler=client), xr.set_options(chunk_manager="partita"):
        for at in range(2):
            plain.isel(time=slice(10 * at, 10 + 15 * at)).chunk(time=5).to_netcdf(tmp_path / f"{at}.nc", engine=engine)
        options = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
        with xr.open_mfdataset(str(tmp_path / "*.nc"), engine=engine, combine="by_coords", **options) as ds:
            assert isinstance(ds.temperature.data, da.Array)
            xr.testing.assert_allclose(ds.temperature.mean("time").compute(), plain.temperature.mean("time"))
            xr.testing.assert_identical(ds.day.compute(), plain.day)


def test_several_arrays_of_an_index_are_a_product():
    values = np.arange(24).reshape(2, 3, 4)
    lazy = xr.DataArray(values, dims=("x", "y", "z")).chunk(y=2, chunked_array_type="partita")
    index = {"x": [1, 0], "y": [0, 2], "z": np.array([3, 1])}
    expected = xr.DataArray(values, dims=("x", "y", "z")).isel(index)
    np.testing.assert_array_equal(lazy.isel(index).to_numpy(), expected.to_numpy())
    mask = {"x": np.array([True, True]), "z": [3, 1]}
    np.testing.assert_array_equal(lazy.isel(mask).to_numpy(), values[:, :, [3, 1]])
    assert lazy.data[[1, 0], [0, 2]].shape == (2, 4)


def test_where_of_lazy_masks():
    values = np.arange(10)
    mask = values > 3
    expected = xr.DataArray(values).where(mask)
    lazy, lazy_mask = da.from_array(values, 5), da.from_array(mask, 5)
    for data, condition in ((values, lazy_mask), (lazy, mask), (lazy, lazy_mask)):
        found = xr.DataArray(data).where(condition)
        assert isinstance(found.data, da.Array)
        xr.testing.assert_equal(found.compute(), expected)
