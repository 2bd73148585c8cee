"""Methods and arguments of clients that Dask has: dumps, normalized collections, serializers, inherited configuration."""

import json

import pytest

import partita
from partita import bag, config
from partita.distributed import Client, LocalCluster, get_client, get_worker

pytest.importorskip("cloudpickle")


def inc(x):
    return x + 1


@pytest.fixture(scope="module")
def own_client():
    """A client of a cluster of its own, which has no tasks of other tests to write."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1)
    with cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def test_a_dump_has_the_workers_and_the_tasks(own_client, tmp_path):
    client = own_client
    future = client.submit(inc, 1)
    future.result()
    client.dump_cluster_state(tmp_path / "dump")
    state = json.loads((tmp_path / "dump.json").read_text())
    assert len(state["workers"]) == 2
    job = next(job for job in state["jobs"] if job["job"]["id"] == future._state.job)
    assert "inc" in [stage["name"] for stage in job["stages"]]
    assert job["tasks"]


def test_parts_of_a_dump_are_left_out(own_client, tmp_path):
    client = own_client
    client.submit(inc, 1).result()
    client.dump_cluster_state(f"file://{tmp_path}/dump.json", exclude=["versions", "tasks"])
    state = json.loads((tmp_path / "dump.json").read_text())
    assert "versions" not in state
    assert all("stages" in job and "tasks" not in job for job in state["jobs"])


def test_a_dump_is_written_as_yaml(own_client, tmp_path):
    client = own_client
    yaml = pytest.importorskip("yaml")
    client.dump_cluster_state(tmp_path / "dump", format="yaml")
    assert len(yaml.safe_load((tmp_path / "dump.yaml").read_text())["workers"]) == 2


def test_other_formats_and_places_of_a_dump_are_refused(client, tmp_path):
    with pytest.raises(ValueError, match="Unsupported format 'msgpack'"):
        client.dump_cluster_state(tmp_path / "dump", format="msgpack")
    with pytest.raises(NotImplementedError, match="only to files of this machine"):
        client.dump_cluster_state("s3://bucket/dump")


def test_a_normalized_collection_reads_what_is_persisted(client):
    one = partita.delayed(inc)(1)
    two = partita.delayed(inc)(one)
    persisted = client.persist(one)
    made = client.normalize_collection(two)
    assert made.key == two.key
    (future,) = made._partita_nodes(None)[0].args
    assert future.key == one.key
    assert (made.compute(), two.compute()) == (3, 3)
    assert persisted.compute() == 2


def test_without_persisted_results_a_normalized_collection_is_equal(client):
    two = partita.delayed(inc)(partita.delayed(inc)(5))
    assert client.normalize_collection(two).compute() == 7
    numbers = bag.from_sequence([1, 2, 3], npartitions=2)
    assert client.normalize_collection(numbers.map(inc)).compute() == [2, 3, 4]


def test_the_graph_of_a_persisted_value_has_its_future(client):
    one = partita.delayed(inc)(1)
    persisted = client.persist(one)
    assert list(persisted.dask) == [one.key]
    assert persisted.dask[one.key].result() == 2
    assert partita.delayed(inc)(persisted).compute(scheduler="synchronous") == 3


def test_serializers_without_pickle_are_refused(client):
    address, token = client._connection.address, client._connection.token
    with Client(address, token=token, set_as_default=False, serializers=["dask", "pickle"], direct_to_workers=True):
        pass
    with pytest.raises(NotImplementedError, match=r"deserializers=.'msgpack'.*always pickled"):
        Client(address, token=token, set_as_default=False, deserializers=["msgpack"])


def test_copies_are_counted_from_one(client):
    with pytest.raises(ValueError, match="at least 1"):
        client.replicate([client.submit(inc, 1)], n=0)


def test_workers_inherit_the_configuration():
    values = {"inherited": {"a": 5}, "other": object()}
    with config.set(values), LocalCluster(n_workers=1) as cluster, Client(cluster, set_as_default=False) as client:
        assert client.submit(config.get, "inherited.a").result() == 5
        assert client.submit(config.get, "other", None).result() is None


def test_the_page_of_a_derived_cluster_is_linked():
    class Own(LocalCluster):
        @property
        def dashboard_link(self):
            return "http://proxy.example/dashboard"

    with Own(n_workers=1) as cluster, Client(cluster, set_as_default=False) as client:
        assert "http://proxy.example/dashboard" in client._repr_html_()


def test_a_client_has_a_name_and_a_state(client):
    address, token = client._connection.address, client._connection.token
    with Client(address, token=token, set_as_default=False, name="mine") as one:
        assert (one.name, one.status) == ("mine", "running")
        assert one.id != client.id
    assert one.status == "closed"
    assert client.name == client.id


def test_a_cluster_waits_for_its_workers():
    with LocalCluster(n_workers=1) as cluster:
        cluster.wait_for_workers(1)
        assert cluster.status == "running"
        with pytest.raises(TimeoutError, match="1 of 2 workers"):
            cluster.wait_for_workers(2, timeout=0.1)
    assert cluster.status == "closed"


def test_workers_are_retired_by_name():
    with LocalCluster(n_workers=2) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        first, second = client._workers()
        client.retire_workers(names=[first["name"]])
        assert list(client.nthreads()) == [f"tcp://{second['address']}"]
        with pytest.raises(NotImplementedError, match="retired workers exit"):
            client.retire_workers(names=[second["name"]], close_workers=False)


def test_a_function_is_called_in_each_process_of_the_workers(client):
    address, token = client._connection.address, client._connection.token

    def prepare(dask_worker):
        dask_worker.prepared = 5

    with Client(address, token=token, set_as_default=False) as one:
        one.register_worker_callbacks(prepare)
        assert one.submit(lambda: get_worker().prepared).result() == 5


def test_a_function_of_run_gets_the_worker(client):
    first, second = client.nthreads()
    assert client.run(lambda dask_worker: dask_worker.address) == {first: first, second: second}

    def check(dask_worker, address, by=1):
        if dask_worker.address == address:
            raise KeyError("the first")
        return by

    with pytest.raises(KeyError, match="the first"):
        client.run(check, address=first)
    assert client.run(check, address=first, by=2, on_error="ignore") == {second: 2}

    async def later(dask_worker):
        return dask_worker.name

    assert sorted(client.run(later).values()) == sorted(row["name"] for row in client._workers())


def test_get_client_does_not_start_a_cluster(monkeypatch):
    monkeypatch.setattr("partita._client._current", None)
    with pytest.raises(ValueError, match="create a Client first"):
        get_client()


def test_clients_of_functions_read_results_from_the_workers(client):
    assert client.direct_to_workers is False
    assert client.submit(lambda: get_client().direct_to_workers).result() is True


def test_the_client_of_a_function_is_asynchronous_if_the_function_is(client):
    async def awaits():
        return get_client().asynchronous, await get_client().submit(inc, 1)

    assert client.submit(lambda: get_client().asynchronous).result() is False
    assert client.submit(awaits).result() == (True, 2)


def test_a_class_of_clusters_is_not_an_address():
    with pytest.raises(TypeError, match=r"must be a string or a Cluster instance, not the class LocalCluster: use"):
        Client(LocalCluster)
