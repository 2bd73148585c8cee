"""Datasets that clients publish for one another."""

import asyncio
import gc
import uuid

import pandas as pd
import pytest
from coordination_samples import inc

import partita
from partita import ClusterError, bag
from partita import dataframe as dd
from partita.distributed import Client

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def other(client):
    """Another client of the same cluster."""
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as other:
        yield other


@pytest.fixture
def name():
    return f"name-{uuid.uuid4().hex}"


def test_any_value_is_published(client, other, name):
    client.publish_dataset({"x": 1}, name=name)
    try:
        assert other.get_dataset(name) == {"x": 1} and name in other.list_datasets()
        with pytest.raises(ClusterError, match="already exists"):
            other.publish_dataset(2, name=name)
        other.publish_dataset(3, name=name, override=True)
        assert client.get_dataset(name) == 3
    finally:
        client.unpublish_dataset(name)
    with pytest.raises(KeyError, match="not found"):
        client.get_dataset(name)
    assert client.get_dataset(name, default=4) == 4


def test_an_existing_dataset_is_a_key_error(client, name):
    client.publish_dataset(1, name=name)
    with pytest.raises(KeyError) as caught:
        client.publish_dataset(2, name=name)
    assert str(caught.value) == f"dataset {name!r} already exists; unpublish it or use override=True"
    client.unpublish_dataset(name)


def test_names_of_datasets_need_not_be_strings(client, other, name):
    client.datasets[name, 1] = "value"
    assert other.datasets[name, 1] == "value" and (name, 1) in other.list_datasets()
    del client.datasets[name, 1]
    assert (name, 1) not in other.list_datasets()
    with pytest.raises(TypeError, match="must be a string"):
        client.publish_dataset(dd.from_pandas(pd.DataFrame({"a": [1]})), name=(name, 1))


def test_a_dataset_without_a_name_is_refused(client, name):
    for wrong in ((1,), (1, name), ({name: 1}, {"y": 2})):
        with pytest.raises(ValueError, match="If name is omitted, positional argument must be a single dict"):
            client.publish_dataset(*wrong)
    with pytest.raises(ValueError, match=r"If name is provided, expecting call signature.*the dataset is missing"):
        client.publish_dataset(name=name)


def test_a_dataset_is_unpublished_twice(client, name):
    client.publish_dataset(1, name=name)
    client.unpublish_dataset(name)
    client.unpublish_dataset(name)


def test_datasets_are_iterated_in_an_event_loop(client, name):
    async def run():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            await other.publish_dataset(3, name=name)
            assert await other.datasets[name] == 3
            assert name in {one async for one in other.datasets}
            for wrong in (lambda: len(other.datasets), lambda: other.datasets.__setitem__(name, 1)):
                with pytest.raises(TypeError, match="asynchronous client"):
                    wrong()
            await other.unpublish_dataset(name)

    asyncio.run(run())
    with pytest.raises(TypeError, match="asynchronous=True"):
        aiter_of(client.datasets)


def aiter_of(datasets):
    return datasets.__aiter__()


def test_futures_are_published(client, other, name):
    client.publish_dataset(**{name: [client.submit(inc, 1, pure=False)]})
    gc.collect()
    try:
        assert other.gather(other.get_dataset(name)) == [2]
    finally:
        client.unpublish_dataset(name)


def test_persisted_collections_are_published(client, other, name):
    value, numbers = client.persist([partita.delayed(inc)(1), bag.from_sequence([1, 2, 3], npartitions=2).map(inc)])
    client.datasets[name] = {"value": value, "numbers": numbers}
    del value, numbers
    gc.collect()
    try:
        found = other.datasets[name]
        assert other.compute([found["value"], found["numbers"]], sync=True) == [2, [2, 3, 4]]
    finally:
        del client.datasets[name]
    assert name not in client.datasets


def test_names_of_frames_and_values_are_one_space(client, name):
    public = name.replace("-", "_")
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1)
    client.publish_dataset(frame, name=public)
    with pytest.raises(ClusterError, match="already exists"):
        client.publish_dataset(1, name=public)
    client.publish_dataset(1, name=public, override=True)
    assert client.get_dataset(public) == 1 and client.list_datasets().count(public) == 1
    client.publish_dataset(frame, name=public, override=True)
    assert int(client.get_dataset(public).a.sum().compute()) == 3
    client.unpublish_dataset(public)
    assert public not in client.list_datasets()


def test_several_datasets_at_once(client, other, name):
    one, two = client.submit(int, 1), client.submit(int, 2)
    client.publish_dataset({(name, 1): one, name: 5}, override=True)
    client.publish_dataset(one, two, name=f"{name}-both")
    assert [getattr(value, "result", lambda: 5)() for value in other.get_dataset([(name, 1), name])] == [1, 5]
    assert other.gather(other.get_dataset(f"{name}-both")) == (1, 2)
    client.unpublish_dataset([(name, 1), name, f"{name}-both"])
    assert not {(name, 1), name, f"{name}-both"} & set(client.list_datasets())
