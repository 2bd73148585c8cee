"""Arrays in files: HDF5, zarr, TIFF, and stacks of files of NumPy."""

import numpy as np
import partita.array as da
import pytest
from partita import config


def numbers():
    return np.arange(180.0).reshape(15, 12)


@pytest.fixture
def here():
    with config.set(scheduler="synchronous"):
        yield


# HDF5.


def test_hdf5(here, tmp_path):
    h5py = pytest.importorskip("h5py")
    path, a = str(tmp_path / "a.h5"), numbers()
    da.from_array(a, chunks=(4, 5)).to_hdf5(path, "/group/x", compression="gzip")
    da.to_hdf5(path, {"y": da.from_array(a * 2, chunks=6), "z": da.arange(5, chunks=2)}, chunks=None)
    with h5py.File(path) as file:
        assert file["group/x"].chunks == (4, 5) and file["group/x"].compression == "gzip"
        np.testing.assert_array_equal(da.from_array(file["group/x"]).compute(), a)
    x = da.from_hdf5(path, "group/x", chunks=(8, 5))
    assert x.chunks == ((8, 7), (5, 5, 2)) and x.dtype == a.dtype
    np.testing.assert_array_equal(x[::2].compute(), a[::2])
    np.testing.assert_array_equal((da.from_hdf5(path, "y") - x).sum(axis=0).compute(), a.sum(axis=0))
    with pytest.raises(KeyError, match="has no dataset 'other'"):
        da.from_hdf5(path, "other")
    with pytest.raises(ValueError, match="is a group"):
        da.from_hdf5(path, "group")


def test_hdf5_on_workers(client, tmp_path):
    pytest.importorskip("h5py")
    path, a = str(tmp_path / "a.h5"), numbers()
    with config.set(scheduler=client):
        da.from_array(a, chunks=6).to_hdf5(path, "x")
        assert da.from_hdf5(path, "x", chunks=6).map_blocks(np.negative).sum().compute() == -a.sum()


# zarr.


@pytest.mark.parametrize("version", [2, 3])
def test_zarr(version, here, tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    a = numbers()
    x = da.from_array(a, chunks=(4, 6))
    path = str(tmp_path / "a.zarr")
    x.to_zarr(path, zarr_format=version)
    assert zarr.open_array(path).metadata.zarr_format == version
    found = da.from_zarr(path)
    assert found.chunks == x.chunks
    np.testing.assert_array_equal(found.compute(), a)
    x.to_zarr(str(tmp_path / "group.zarr"), component="inner/x", zarr_format=version)
    np.testing.assert_array_equal(da.from_zarr(str(tmp_path / "group.zarr"), "inner/x").compute(), a)
    (x + 1).to_zarr(path, mode="w", zarr_format=version)
    np.testing.assert_array_equal(da.from_zarr(path, chunks=(15, 3)).compute(), a + 1)
    again = x.to_zarr(str(tmp_path / "b.zarr"), zarr_format=version, return_stored=True)
    np.testing.assert_array_equal((again * 2).compute(), a * 2)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_region(version, here, tmp_path):
    """A part of an array is written, also if it does not begin with a chunk of the file."""
    zarr = pytest.importorskip("zarr", minversion="3")
    a = numbers()
    target = zarr.create_array(str(tmp_path / "a.zarr"), shape=(30, 12), chunks=(4, 6), dtype="f8", zarr_format=version)
    da.from_array(a, chunks=5).to_zarr(target, region=(slice(8, 23), slice(None)))
    da.from_array(a[:4, ::2], chunks=3).to_zarr(target, region=(slice(0, 4), slice(0, 12, 2)))
    expected = np.zeros((30, 12))
    expected[8:23] = a
    expected[:4, ::2] = a[:4, ::2]
    np.testing.assert_array_equal(target[:], expected)


def test_zarr_shards(here, tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    a = numbers()
    da.from_array(a, chunks=(5, 4)).to_zarr(str(tmp_path / "a.zarr"), chunks=(4, 3), shards=(8, 6))
    target = zarr.open_array(str(tmp_path / "a.zarr"))
    assert target.chunks == (4, 3) and target.shards == (8, 6)
    np.testing.assert_array_equal(da.from_zarr(target, chunks="auto").compute(), a)


def test_zarr_on_workers(client, tmp_path):
    """Workers write their blocks, and arrays in the memory of the client are written by the client."""
    zarr = pytest.importorskip("zarr", minversion="3")
    a = numbers()
    with config.set(scheduler=client):
        da.from_array(a, chunks=(4, 6)).to_zarr(str(tmp_path / "a.zarr"))
        assert (da.from_zarr(str(tmp_path / "a.zarr")) + 1).sum().compute() == a.sum() + a.size
        memory = zarr.create_array({}, shape=a.shape, chunks=(4, 6), dtype="f8")
        da.from_array(a, chunks=(4, 6)).to_zarr(memory)
        np.testing.assert_array_equal(memory[:], a)


def test_irregular_chunks_are_regular_in_zarr(here, tmp_path):
    pytest.importorskip("zarr", minversion="3")
    a = numbers()
    with pytest.warns(UserWarning, match="irregular"):
        da.from_array(a, chunks=((3, 7, 5), 12)).to_zarr(str(tmp_path / "a.zarr"))
    np.testing.assert_array_equal(da.from_zarr(str(tmp_path / "a.zarr")).compute(), a)


# Images and stacks.


def test_images(here, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    images = np.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)
    for at, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{at}.tif", image)
    x = da.image.imread(str(tmp_path / "*.tif"))
    assert x.shape == (3, 4, 5) and x.chunks[0] == (1, 1, 1) and x.dtype == "u2"
    np.testing.assert_array_equal(x.compute(), images)
    double = da.image.imread(str(tmp_path / "*.tif"), imread=tifffile.imread, preprocess=lambda image: image * 2.0)
    assert double.dtype == float
    np.testing.assert_array_equal(double.max(axis=0).compute(), images.max(axis=0) * 2.0)
    with pytest.raises(ValueError, match="No files found"):
        da.image.imread(str(tmp_path / "*.png"))


@pytest.mark.parametrize("axis", [0, 1])
def test_stacks_of_files_of_numpy(axis, here, tmp_path):
    a = numbers()
    da.to_npy_stack(tmp_path / "stack", da.from_array(a, chunks=(4, 5)), axis=axis)
    x = da.from_npy_stack(tmp_path / "stack")
    assert x.chunks == (((4, 4, 4, 3), (12,)) if axis == 0 else ((15,), (5, 5, 2)))
    np.testing.assert_array_equal(x.compute(), a)
