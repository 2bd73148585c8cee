"""Resource leaks: thousands of operations of one client, beside another client that must not be affected.

``PARTITA_TEST_TURNS`` sets the number of operations, e.g. 100000 for a nightly run.
"""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from polling import live_queries, table_names, until

from partita import array as da
from partita import config, delayed
from partita import dataframe as dd
from partita._connection import Releases
from partita._errors import ClusterError, PartitaError, QueryError
from partita.distributed import Client, LocalCluster, Lock, Queue
from partita.plan import wire

#: Number of operations.
TURNS = int(os.environ.get("PARTITA_TEST_TURNS", "600"))
#: Maximum growth of a process between the middle and the end of the loop.
GROWTH = {"memory": 48 << 20, "descriptors": 8, "threads": 4}


def usage(pid):
    """Return the resource usage of a process: memory in bytes, file descriptors, threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return {
        "memory": int(status["VmRSS"].split()[0]) << 10,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
    }


class Neighbour(threading.Thread):
    """Another client of the cluster, which repeatedly runs a query and records the results."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.client = Client(cluster, set_as_default=False)
        self.frame = dd.from_pandas(pd.DataFrame({"a": range(10)}), npartitions=2, client=self.client).persist()
        self.answers = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            try:
                self.answers.append(int(self.frame.a.sum().compute()))
            except PartitaError as error:
                self.answers.append(error)


def abandon(client, sql):
    """Start a query without reading its rows."""
    connection = client._connection
    info = connection._info(sql)
    return connection._scheduler.do_get(info.endpoints[0].ticket, connection._options), info


class Chain:
    """A persisted frame that is repeatedly derived from itself."""

    def __init__(self, client, data):
        self.frame = dd.from_pandas(data, npartitions=2, client=client)
        self.steps = 0

    def extend(self):
        self.frame = (self.frame + 1).persist()
        self.steps += 1


def ask(client, data, chain, number):
    assert int(upload(client, data).a.sum().compute()) == 10


def persist(client, data, chain, number):
    chain.extend()
    assert int((upload(client, data).a + number).persist().sum().compute()) == 10 + 5 * number


def plan_and_forget(client, data, chain, number):
    client._connection._info("SELECT 1 AS one")


def cancel_planned(client, data, chain, number):
    connection, uploaded = client._connection, upload(client, data)
    connection._cancel(connection._info(wire.rows(uploaded._full_relation())))


def cancel_running(client, data, chain, number):
    reader, info = abandon(client, "SELECT count(*) FROM generate_series(1, 100000000)")
    client._connection._cancel(info)
    reader.cancel()


def fail(client, data, chain, number):
    with pytest.raises(QueryError):
        client.sql("SELECT nothing")
    with pytest.raises(QueryError):
        client.sql("SELECT CAST('x' AS INT) FROM generate_series(1, 2)")


def name_files(client, data, chain, number):
    name = f"{upload(client, data)._rows.persisted}-files"
    client._connection.query(f"CREATE EXTERNAL TABLE \"{name}\" STORED AS CSV LOCATION '{data.attrs['csv']}'")
    client._connection.release(name)


def call(client, data, chain, number):
    first = client.submit(int, number, pure=False)
    assert client.submit(max, first, number + 1).result() == number + 1
    assert client.gather(client.map(abs, [-number, number], pure=False)) == [number, number]


def call_and_fail(client, data, chain, number):
    with pytest.raises(ZeroDivisionError):
        client.submit(divmod, number, 0, pure=False).result()


def call_and_cancel(client, data, chain, number):
    client.cancel(client.submit(time.sleep, 60, pure=False))


def scatter(client, data, chain, number):
    values = np.arange(number, number + 1000)
    assert client.submit(len, client.scatter(values, hash=False), pure=False).result() == 1000


def share(client, data, chain, number):
    with Lock(f"lock-{number}", client):
        queue = Queue(f"queue-{number}", client)
        queue.put(client.submit(int, number, pure=False))
        assert queue.get().result() == number
        queue.close()
    client.publish_dataset(numbers=upload(client, data))
    client.unpublish_dataset("numbers")


def compute_graphs(client, data, chain, number):
    with config.set(scheduler=client):
        assert int(delayed(sum)([delayed(int)(number), 1]).compute()) == number + 1
        assert int((da.arange(10, chunks=5) + number).sum().compute()) == 45 + 10 * number


def map_rows(client, data, chain, number):
    assert int(upload(client, data).map_partitions(pd.DataFrame.add, number, meta={"a": "i8"}).a.sum().compute()) == (
        10 + 5 * number
    )


def upload(client, data):
    return dd.from_pandas(data, npartitions=2, client=client)


#: What users do, each of which leaves something behind.
OPERATIONS = (
    ask,
    persist,
    plan_and_forget,
    cancel_planned,
    cancel_running,
    fail,
    name_files,
    call,
    call_and_fail,
    call_and_cancel,
    scatter,
    share,
    compute_graphs,
    map_rows,
)


def test_loop_leaks_nothing(tmp_path):
    """Uploads, queries, calls, shared objects, cancellations and errors leak nothing and do not affect other clients."""
    data = pd.DataFrame({"a": range(5)})
    data.attrs["csv"] = str(tmp_path / "numbers.csv")
    data.to_csv(data.attrs["csv"], index=False)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(1)
        neighbour, chain = Neighbour(cluster), Chain(client, data)
        neighbour.start()
        (worker,) = client._rest("workers")["workers"]
        processes = {"client": os.getpid(), "scheduler": cluster._process.pid, "worker": worker["pid"]}
        for number in range(TURNS // 2):
            OPERATIONS[number % len(OPERATIONS)](client, data, chain, number)
        middle = {name: usage(pid) for name, pid in processes.items()}
        for number in range(TURNS // 2, TURNS):
            OPERATIONS[number % len(OPERATIONS)](client, data, chain, number)
        end = {name: usage(pid) for name, pid in processes.items()}
        tables = {neighbour.frame._rows.persisted, chain.frame._rows.persisted}
        until(lambda: table_names(client) == tables, "only referenced tables")
        assert chain.frame.compute().a.tolist() == [number + chain.steps for number in range(5)]
        neighbour.ended.set()
        neighbour.join()
        until(lambda: not live_queries(client), "no jobs")
        assert neighbour.answers and set(neighbour.answers) == {45}
        more = {
            name: {
                what: end[name][what] - middle[name][what] for what in GROWTH if end[name][what] > middle[name][what]
            }
            for name in processes
        }
        for name, grown in more.items():
            assert all(amount <= GROWTH[what] for what, amount in grown.items()), (name, more, middle)
        neighbour.client.close()


def test_limits_apply_to_each_client():
    """The limit of persisted results applies to each client separately; released results count no more."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(1)
        data, kept = pd.DataFrame({"a": range(5)}), []
        with pytest.raises(QueryError, match=r"1000 results are persisted for this client.*drop some"):
            while len(kept) <= 1000:
                kept.append(dd.from_pandas(data, npartitions=1, client=client))
        assert len(kept) == 1000
        with Client(cluster, set_as_default=False) as other:
            assert int(dd.from_pandas(data, npartitions=1, client=other).a.sum().compute()) == 10
        for _ in range(1100):
            client._connection._info("SELECT 1 AS one")
        assert int(kept[0].a.sum().compute()) == 10
        del kept[1:]
        until(lambda: table_names(client) == {kept[0]._rows.persisted}, "released tables")
        assert int(dd.from_pandas(data, npartitions=1, client=client).a.sum().compute()) == 10


def test_unfinished_tables_are_released(monkeypatch):
    """A table is released if its upload or query fails or is interrupted."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(1)
        frame = dd.from_pandas(pd.DataFrame({"a": ["1", "x"]}), npartitions=2, client=client)

        def broken(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(client._connection, "upload_partition", broken)
            with pytest.raises(KeyboardInterrupt):
                dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=2, client=client)
        with pytest.raises(QueryError):
            frame.a.astype("int64").persist()
        with monkeypatch.context() as patched:
            # The table was created, but the client is interrupted before it learns this.
            patched.setattr(client._connection, "table", broken)
            with pytest.raises(KeyboardInterrupt):
                frame.persist()
        until(lambda: table_names(client) == {frame._rows.persisted}, "one table")
        until(lambda: not client._rest("jobs?state=queued")["jobs"], "no pending upload")


def test_releases_are_batched_and_retried():
    """Releases are sent in batches, and retried if the scheduler cannot be reached."""
    sent, fails = [], [ClusterError("away")]

    def send(names):
        if fails:
            raise fails.pop()
        sent.append(names)

    releases = Releases(send)
    names = [f"t{number}" for number in range(2500)]
    for name in names:
        releases.add(name)
    until(lambda: sum(map(len, sent)) == len(names), "all names")
    assert [name for some in sent for name in some] == names
    assert len(sent) <= 5
    releases.close()
    assert not releases._thread.is_alive()
    # The garbage collector may still call this after close().
    releases.add("late")
