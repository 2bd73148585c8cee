"""What one client leaves behind, thousands of times, beside another that notices nothing of it.

``PARTITA_TEST_TURNS`` makes the loop longer: 100000 is the form for a night.
"""

import os
import threading
from pathlib import Path

import pandas as pd
import pytest
from waiting import persisted, until

from partita import dataframe as dd
from partita._connection import Releases
from partita._errors import ClusterError, PartitaError, QueryError
from partita.distributed import Client, LocalCluster

#: Turns of the loop.
TURNS = int(os.environ.get("PARTITA_TEST_TURNS", "2000"))
#: What a process may have more after the loop than in the middle of it.
GROWTH = {"memory": 48 << 20, "descriptors": 8, "threads": 4}


def usage(pid):
    """What a process has: bytes in memory, descriptors, threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return {
        "memory": int(status["VmRSS"].split()[0]) << 10,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
    }


class Neighbour(threading.Thread):
    """Another client of the cluster, which asks all the time and notes what it gets."""

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
    """Asks, and goes away before the first row."""
    connection = client._connection
    info = connection._info(sql)
    return connection._scheduler.do_get(info.endpoints[0].ticket, connection._options), info


class Chain:
    """A frame that is made of itself, again and again."""

    def __init__(self, client, data):
        self.frame = dd.from_pandas(data, npartitions=2, client=client)
        self.steps = 0

    def go_on(self):
        self.frame = (self.frame + 1).persist()
        self.steps += 1


def turn(client, data, chain, number):
    """One thing that a client does and leaves behind."""
    uploaded = dd.from_pandas(data, npartitions=2, client=client)
    connection = client._connection
    kind = number % 8
    if kind < 2:
        assert int(uploaded.a.sum().compute()) == 10
    elif kind == 2:
        chain.go_on()
        assert int((uploaded.a + number).persist().sum().compute()) == 10 + 5 * number
    elif kind == 3:
        # Planned, and never fetched.
        connection._info("SELECT 1 AS one")
    elif kind == 4:
        connection._cancel(connection._info(f"SELECT count(*) FROM {uploaded._rows.sql}"))
    elif kind == 5:
        reader, info = abandon(client, "SELECT count(*) FROM generate_series(1, 100000000)")
        connection._cancel(info)
        reader.cancel()
    elif kind == 6:
        with pytest.raises(QueryError):
            client.sql("SELECT nothing")
        with pytest.raises(QueryError):
            client.sql("SELECT CAST('x' AS INT) FROM generate_series(1, 2)")
    else:
        name = f"{uploaded._rows.persisted}-files"
        connection.query(f"CREATE EXTERNAL TABLE \"{name}\" STORED AS CSV LOCATION '{data.attrs['csv']}'")
        connection.forget(name)


def test_a_loop_leaves_nothing(tmp_path):
    """Uploads, questions, persists, cancels, errors without end: nothing stays, and nobody else hears of it."""
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
            turn(client, data, chain, number)
        middle = {name: usage(pid) for name, pid in processes.items()}
        for number in range(TURNS // 2, TURNS):
            turn(client, data, chain, number)
        end = {name: usage(pid) for name, pid in processes.items()}
        tables = {neighbour.frame._rows.persisted, chain.frame._rows.persisted}
        until(lambda: persisted(client) == tables, "nothing but what somebody has")
        assert chain.frame.compute().a.tolist() == [number + chain.steps for number in range(5)]
        neighbour.ended.set()
        neighbour.join()
        until(lambda: not client._rest("jobs?state=running")["jobs"], "no jobs")
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


def test_the_limits_of_one_client_are_not_those_of_another():
    """A client that keeps all it gets is refused at some time. Another one is not, and what goes makes room."""
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
        until(lambda: persisted(client) == {kept[0]._rows.persisted}, "what was let go")
        assert int(dd.from_pandas(data, npartitions=1, client=client).a.sum().compute()) == 10


def test_what_is_not_finished_is_let_go(monkeypatch):
    """A table whose upload or whose query breaks off is not left behind."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(1)
        frame = dd.from_pandas(pd.DataFrame({"a": ["1", "x"]}), npartitions=2, client=client)

        def broken(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(client._connection, "_upload_partition", broken)
            with pytest.raises(KeyboardInterrupt):
                dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=2, client=client)
        with pytest.raises(QueryError):
            frame.a.astype("int64").persist()
        with monkeypatch.context() as patched:
            # The table is there, and its maker does not get to know of it.
            patched.setattr(client._connection, "table", broken)
            with pytest.raises(KeyboardInterrupt):
                frame.persist()
        until(lambda: persisted(client) == {frame._rows.persisted}, "one table")
        until(lambda: not client._rest("jobs?state=queued")["jobs"], "no upload that is begun")


def test_releases_are_gathered_and_tried_again():
    """Names are sent together, soon, and again if the scheduler cannot be reached."""
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
    # The garbage collector may find something later still.
    releases.add("late")
