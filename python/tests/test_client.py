"""The client, and its state on the cluster."""

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from polling import BOUND_S, live_queries, table_names, until

import partita
from partita import Cancelled, ClusterError, QueryError
from partita import dataframe as dd
from partita._binary import find_program
from partita._local import _error_message
from partita.distributed import Client, LocalCluster, progress, wait

SCRIPTS = Path(__file__).parent / "scripts"


def another(client):
    """Return another client of the same cluster."""
    connection = client._connection
    return Client(connection.address, token=connection.token, set_as_default=False)


def running(script, client, stdin=False, **more):
    """Start a script that uses the client's cluster."""
    host, port = client._connection.address.rsplit(":", 1)
    environment = {
        **os.environ,
        "PARTITA_TOKEN": client._connection.token,
        "PARTITA_SCHEDULER_ADDR": host,
        "PARTITA_SCHEDULER_PORT": port,
        "SLURM_CPUS_PER_TASK": "2",
        **more,
    }
    return subprocess.Popen(
        [sys.executable, *script],
        stdin=subprocess.PIPE if stdin else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # The signal may be ignored in the process that started the tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("script", ["one_node.py", "two_nodes.py"])
def test_user_scripts(client, script):
    """Users' Dask scripts run after replacing `dask` by `partita`."""
    process = running([str(SCRIPTS / script)], client)
    out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, out) == (0, "The mean is 1199.5\n"), err


def test_cluster_info(client):
    """Workers, threads and the dashboard link."""
    info = client.scheduler_info()
    assert len(info["workers"]) == 2 and set(client.nthreads().values()) == {1}
    assert client.dashboard_link.startswith(f"http://{client._connection.address}/#token=")
    assert info["address"] == client.scheduler.address == f"tcp://{client._connection.address}"
    assert info["total_threads"] == sum(row["nthreads"] for row in info["workers"].values()) == 2
    assert info["total_memory"] == sum(row["memory_limit"] for row in info["workers"].values())
    assert {(row["type"], row["status"]) for row in info["workers"].values()} == {("Worker", "running")}
    assert all(row["metrics"]["memory"] > 0 for row in info["workers"].values())
    assert "workers=2 threads=2" in repr(client)
    page = client._repr_html_()
    assert "Dashboard" in page and client._connection.address in page


def test_wait_for_workers_times_out(client):
    """If workers are missing, the error contains the number of connected workers."""
    with pytest.raises(TimeoutError, match=r"2 of 3 workers connected after 0\.2 s"):
        client.wait_for_workers(3, timeout=0.2)


def test_unreachable_scheduler():
    """The client waits for an unreachable scheduler until the timeout; the error contains its address."""
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1"):
        Client("tcp://127.0.0.1:1", timeout="500ms")
    # Less than the default timeout of one minute.
    assert time.monotonic() - begun < BOUND_S


def test_wrong_token(client, monkeypatch):
    """A rejected token raises an error, and so does one without the fingerprint of the certificate."""
    fingerprint = client._connection.token.rpartition(".")[2]
    begun = time.monotonic()
    for wrong in (f"wrong.{fingerprint}", "wrong"):
        monkeypatch.setenv("PARTITA_TOKEN", wrong)
        for token in (None, wrong):
            with pytest.raises(PermissionError, match="token") as caught:
                Client(client._connection.address, token=token)
            assert isinstance(caught.value, ClusterError)
    assert time.monotonic() - begun < 20


def test_another_process_gets_nothing(client):
    """A process with another certificate, or without TLS, is recognized before the client sends it anything."""
    token = client._connection.token
    other = f"{token.rpartition('.')[0]}.{'ab' * 32}"
    with pytest.raises(ClusterError, match="does not have the expected certificate"):
        Client(client._connection.address, token=other, timeout=0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        received = []

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        received.append(connection.recv(1 << 16))
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(ClusterError, match="does not use TLS"):
            Client(f"127.0.0.1:{server.getsockname()[1]}", token=token, timeout=0.1)
    assert received
    assert token.encode() not in b"".join(received)
    assert token.rpartition(".")[0].encode() not in b"".join(received)


def test_persist(client):
    """A persisted frame is stored on the workers, and released with the last frame that refers to it."""
    before = table_names(client)
    frame = pd.DataFrame({"k": np.arange(100) % 7, "v": np.arange(100.0)})
    ddf = dd.from_pandas(frame, npartitions=4)
    kept = ddf[ddf.v > 10].persist()
    small = kept.groupby("k").v.sum().persist()
    del ddf
    gc.collect()
    assert_frame_equal(kept.compute(), frame[frame.v > 10])
    assert small.compute().tolist() == frame[frame.v > 10].groupby("k").v.sum().tolist()
    derived = kept[kept.k == 3]
    del kept, small
    gc.collect()
    assert len(derived) == len(frame[(frame.v > 10) & (frame.k == 3)])
    del derived
    gc.collect()
    until(lambda: table_names(client) <= before, "released tables")


def test_large_partitions(client):
    """Partitions larger than a message, and rows as large as a message."""
    frame = pd.DataFrame({"a": np.arange(1_000_000), "b": np.arange(1_000_000) * 0.5})
    ddf = dd.from_pandas(frame, npartitions=2)
    assert ddf.a.sum().compute() == frame.a.sum()
    assert_frame_equal(ddf.compute(), frame)
    wide = pd.DataFrame({"s": ["x" * (5 << 20), "y" * (5 << 20)]})
    assert dd.from_pandas(wide, npartitions=1).s.str.len().compute().tolist() == [5 << 20, 5 << 20]


def test_persisted_frames_are_fetched_from_workers(client):
    """A persisted frame is fetched in order without a query; some of its columns and derived frames need one."""
    frame = pd.DataFrame({"a": np.arange(1000), "s": [f"t{at}" for at in range(1000)], "x": np.arange(1000) * 0.5})
    frame = frame.set_index(pd.Index(np.arange(1000) * 2, name="id"))
    uploaded = dd.from_pandas(frame, npartitions=7)
    kept = uploaded.sort_values("a", ascending=False).persist()
    column = uploaded.a.persist()

    def jobs():
        return client._rest("jobs?limit=1")["jobs"][0]["name"]

    before = jobs()
    assert_frame_equal(uploaded.compute(), frame)
    assert_frame_equal(kept.compute(), frame.sort_values("a", ascending=False))
    assert_frame_equal(kept[["x", "s", "a"]].compute(), frame.sort_values("a", ascending=False)[["x", "s", "a"]])
    assert_series_equal(column.compute(), frame.a)
    assert jobs() == before
    assert_frame_equal(kept[["a"]].compute(), frame.sort_values("a", ascending=False)[["a"]])
    assert_frame_equal(uploaded.assign(a=uploaded.a + 1).compute(), frame.assign(a=frame.a + 1))
    assert_frame_equal(kept.sort_index().compute(), frame)
    assert_series_equal(column.cumsum().compute(), frame.a.cumsum())
    assert jobs() != before


def test_persisted_frames_keep_their_order(client):
    """A sorted frame remains sorted when it is persisted."""
    frame = pd.DataFrame({"v": np.random.default_rng(3).permutation(1000)})
    kept = dd.from_pandas(frame, npartitions=5).sort_values("v").persist()
    assert kept.v.compute().tolist() == list(range(1000))
    assert kept.head(2).v.tolist() == [0, 1]
    assert kept.v.diff().max().compute() == 1


def test_sorted_frames_know_their_ranges(client):
    """A frame persisted with an index is sorted across partitions, and a slice reads only matching ones."""
    random = np.random.default_rng(5)
    times = pd.date_range("2024-01-01", periods=40_000, freq="min")
    frame = pd.DataFrame({"t": random.permutation(times), "v": random.random(40_000)})
    kept = dd.from_pandas(frame, npartitions=4).set_index("t").persist()
    sorted_frame = frame.set_index("t").sort_index()
    assert kept.known_divisions
    assert_frame_equal(kept.compute(), sorted_frame)
    part = kept.loc["2024-01-03":"2024-01-04"]
    assert "1 of them read" in part.explain()
    assert_frame_equal(part.compute(), sorted_frame.loc["2024-01-03":"2024-01-04"])
    assert_frame_equal(kept.rolling("1h").sum().compute(), sorted_frame.rolling("1h").sum(), rtol=1e-6)
    assert_frame_equal(kept.resample("D").mean().compute(), sorted_frame.resample("D").mean(), check_freq=False)


def test_publish(client):
    """Other clients and SQL can read a published frame."""
    frame = pd.DataFrame({"a": [3, 1, 2]}, index=pd.Index([10, 20, 30], name="id"))
    client.publish_dataset(shared=dd.from_pandas(frame, npartitions=2))
    assert "shared" in client.list_datasets()
    with another(client) as other:
        other_view = other.get_dataset("shared")
        assert sorted(other_view.compute().a) == [1, 2, 3]
        with pytest.raises(ClusterError, match=r"already exists.*override=True"):
            other.publish_dataset(other_view, name="shared")
        other.publish_dataset(other_view[other_view.a > 1], name="shared", override=True)
    assert client.sql("SELECT sum(a) FROM shared").column(0)[0].as_py() == 5
    client.unpublish_dataset("shared")
    with pytest.raises(KeyError, match="dataset 'shared' not found"):
        client.get_dataset("shared")


def test_sessions_are_isolated(client):
    """Tables of a client are private, and are dropped when it disconnects."""
    with another(client) as other:
        # The table exists as long as the frame.
        theirs = dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1, client=other)
        name = theirs._rows.persisted
        assert name in table_names(client)
        with pytest.raises(QueryError, match="not found"):
            client.sql(f'SELECT * FROM "{name}"')
    until(lambda: name not in table_names(client), "the release of the table")


def test_killed_client_is_cleaned_up(client):
    """A killed client leaves neither tables nor jobs."""
    before = table_names(client)
    script = (
        "import os, pandas as pd\n"
        "from partita import dataframe as dd\n"
        "from partita.distributed import Client\n"
        "c = Client(f\"{os.environ['PARTITA_SCHEDULER_ADDR']}:{os.environ['PARTITA_SCHEDULER_PORT']}\")\n"
        "a = dd.from_pandas(pd.DataFrame({'a': range(1000)}), npartitions=4).persist()\n"
        "c._connection.action('partita.upload_begin', {'name': 'half', 'partitions': 3})\n"
        "print('persisted', flush=True)\n"
        "c.sql('SELECT count(*) FROM generate_series(1, 2000000) a, generate_series(1, 2000000) b')\n"
    )
    process = running(["-c", script], client)
    assert process.stdout.readline() == "persisted\n"
    until(lambda: len(table_names(client)) > len(before), "its tables")
    until(lambda: live_queries(client), "its job")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: table_names(client) <= before, "its tables to go")
    until(lambda: not live_queries(client), "its jobs to stop")
    until(lambda: not client._rest("jobs?state=queued")["jobs"], "its jobs to stop")


def test_interrupt_stops_the_job(client):
    """Ctrl-C also cancels the query on the cluster."""
    script = (
        "import os\n"
        "from partita.distributed import Client\n"
        "c = Client(f\"{os.environ['PARTITA_SCHEDULER_ADDR']}:{os.environ['PARTITA_SCHEDULER_PORT']}\")\n"
        "print('on', flush=True)\n"
        "c.sql('SELECT count(*) FROM generate_series(1, 2000000) a, generate_series(1, 2000000) b')\n"
    )
    process = running(["-c", script], client)
    assert process.stdout.readline() == "on\n"
    until(lambda: live_queries(client), "its job")
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=BOUND_S)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in err or "Cancelled" in err, err
    until(lambda: not live_queries(client), "its job to stop")


ENDLESS = "SELECT sum(a.value % b.value) FROM generate_series(1, 2000000) a, generate_series(1, 2000000) b"


def test_an_interrupt_comes_once():
    """Ctrl-C in a terminal interrupts the script's query once, but neither the workers nor later queries."""
    script = (
        "import time\n"
        "from partita.distributed import Client\n"
        "c = Client()\n"
        "print('on', flush=True)\n"
        "try:\n"
        f"    c.sql({ENDLESS!r})\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "time.sleep(0.5)\n"
        "print(c.sql('SELECT sum(value) AS s FROM generate_series(1, 3)').column(0)[0], len(c.nthreads()))\n"
    )
    command = [
        find_program(),
        "run",
        "--headless",
        "--workers",
        "1",
        "--threads",
        "1",
        "--",
        sys.executable,
        "-c",
        script,
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A terminal sends the signal to all processes of a group.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout.readline() == "on\n"
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=BOUND_S)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "interrupted\n6 1\n"), err


def test_an_interrupt_does_not_wait_for_planning(client, monkeypatch):
    """Ctrl-C during planning ends the call; the statement is cancelled when it is planned."""
    connection = client._connection
    ask, cancel = connection._info, connection._cancel
    planned, cancelled = threading.Event(), threading.Event()

    def slow(sql, fixed):
        planned.wait(BOUND_S)
        return ask(sql, fixed)

    monkeypatch.setattr(connection, "_info", slow)
    monkeypatch.setattr(connection, "_cancel", lambda info: (cancel(info), cancelled.set()))
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.sql("SELECT 1 AS one")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not cancelled.is_set()
    planned.set()
    assert cancelled.wait(BOUND_S)
    assert client.sql("SELECT 2 AS two").column(0)[0].as_py() == 2


def test_exit_does_not_wait_for_background_computations(client):
    """When a script ends, its background computations and their jobs end."""
    script = (
        "import os\n"
        "from partita import dataframe as dd\n"
        "from partita.distributed import Client\n"
        "c = Client(f\"{os.environ['PARTITA_SCHEDULER_ADDR']}:{os.environ['PARTITA_SCHEDULER_PORT']}\")\n"
        f"future = c.compute(dd.read_sql({ENDLESS!r}))\n"
        "print('on', flush=True)\n"
        "input()\n"
    )
    process = running(["-c", script], client, stdin=True)
    try:
        assert process.stdout.readline() == "on\n"
        until(lambda: live_queries(client), "its job")
        _, err = process.communicate("\n", timeout=BOUND_S)
    finally:
        process.kill()
    assert process.returncode == 0, err
    until(lambda: not live_queries(client), "its job to stop")


def test_errors_name_task_and_worker(client, tmp_path):
    """Errors of a worker name the task, the worker and the cause."""
    (tmp_path / "words.csv").write_text("a\n" + "1\n" * 2000 + "three\n")
    ddf = dd.read_csv(tmp_path / "words.csv", dtype={"a": "int64"})
    with pytest.raises(QueryError, match="'a' has 'three', which is not Int64") as caught:
        ddf.a.sum().compute()
    assert caught.value.query is not None
    with pytest.raises(QueryError, match=r"no/such\.parquet"):
        dd.read_parquet(tmp_path / "no" / "such.parquet")


def test_futures(client):
    """Background computations of one or several collections."""
    a = dd.from_pandas(pd.Series([1, 2, 3], name="a"), npartitions=2)
    future = client.compute(a.sum())
    wait(future)
    assert (future.status, future.result(), client.gather({"x": future})) == ("finished", 6, {"x": 6})
    assert partita.compute(a.min(), a.max()) == (1, 3)
    assert client.compute([a.min(), a.max()], sync=True) == [1, 3]
    failing = client.compute(dd.read_sql("SELECT 1 AS a").a.astype("str").astype("int64"))
    assert client.gather([failing])[0].tolist() == [1]


def test_progress(client, capsys):
    """The progress bar ends with the computations."""
    progress(client.compute(dd.read_sql("SELECT value AS v FROM generate_series(1, 1000)").v.sum()))
    assert "100%" in capsys.readouterr().out


def test_the_default_client_before_is_the_default_again(client):
    """After a client that became the default is closed, the one before it is the default."""
    from partita.distributed import get_client

    client.as_current()
    with Client(client._connection.address, token=client._connection.token) as other:
        assert get_client() is other
    assert get_client() is client


def test_cancel(client):
    """A job can be cancelled by name; its computation raises Cancelled."""
    work = client.compute(
        dd.read_sql("SELECT a.value FROM generate_series(1, 2000000) a, generate_series(1, 2000000) b").value.sum()
    )
    until(lambda: live_queries(client), "the job")
    client.cancel_job(live_queries(client)[0]["name"])
    with pytest.raises(partita.Cancelled):
        work.result(BOUND_S)


def test_futures_are_cancelled(client):
    """Cancelling running, pending and finished futures; finished ones are unchanged."""
    small = client.compute(dd.read_sql("SELECT 1 AS a").a.sum())
    assert small.result(BOUND_S) == 1
    works = [client.compute(dd.read_sql(ENDLESS)) for _ in range(10)]
    until(lambda: len(live_queries(client)) >= 2, "the jobs")
    client.cancel([small, *works])
    for work in works:
        with pytest.raises(CancelledError, match="the computation was cancelled"):
            work.result(BOUND_S)
        assert work.status == "cancelled" and work.cancelled()
    assert (small.status, small.result()) == ("finished", 1)
    for state in ("queued", "running"):
        until(lambda state=state: not live_queries(client, state), "the jobs to stop")
    # The threads are free again.
    assert client.compute(dd.read_sql("SELECT 2 AS a").a.sum()).result(BOUND_S) == 2
    with pytest.raises(TypeError, match="expected a future"):
        client.cancel(dd.read_sql("SELECT 1 AS a"))


def test_files(client, tmp_path):
    """Files can be read back; there is one per partition."""
    frame = pd.DataFrame(
        {"a": np.arange(30), "s": [f"n{i}" for i in range(30)]}, index=pd.Index(np.arange(30) * 2, name="id")
    )
    ddf = dd.from_pandas(frame, npartitions=3)
    ddf.to_parquet(str(tmp_path / "p"))
    assert len(list((tmp_path / "p").glob("*.parquet"))) == 3
    back = dd.read_parquet(tmp_path / "p", index="id")
    assert_frame_equal(back.compute(), frame)
    assert_frame_equal(back.loc[10:20].compute(), frame.loc[10:20])
    ddf.to_csv(str(tmp_path / "c"))
    assert dd.read_csv(tmp_path / "c").a.sum().compute() == frame.a.sum()
    ddf.to_json(str(tmp_path / "j"))
    assert sorted(dd.read_json(tmp_path / "j").s.compute()) == sorted(frame.s)
    (tmp_path / "semi.csv").write_text("a;b\n1;x\n2;y\n")
    assert dd.read_csv(tmp_path / "semi.csv", sep=";").b.compute().tolist() == ["x", "y"]
    assert dd.read_parquet(tmp_path / "p", columns=["a"]).columns.tolist() == ["a"]
    with pytest.raises(QueryError, match="not empty"):
        ddf.to_parquet(str(tmp_path / "p"))


def test_plans_are_shown(client, tmp_path):
    """Plans as text and as SVG."""
    ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    assert "PersistedExec" in ddf.explain()
    drawing = ddf.groupby("a").size().visualize(str(tmp_path / "plan.svg"))
    assert drawing._repr_svg_().startswith("<svg")
    assert (tmp_path / "plan.svg").read_text() == drawing.svg


def test_local_cluster_ends_with_its_process():
    """A client without a cluster starts one, which ends with the process, even if it is killed."""
    script = (
        "import sys\n"
        "from partita.distributed import LocalCluster\n"
        "c = LocalCluster(n_workers=1, threads_per_worker=1)\n"
        "print(c.scheduler_address, c.token, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address, token = process.stdout.readline().split()
    connection = Client.__new__(Client)
    from partita._connection import Connection

    connection = Connection(address.removeprefix("tcp://"), token)
    assert connection.query("SELECT 1 AS one").column(0)[0].as_py() == 1
    connection.close()
    process.kill()
    process.communicate()

    def gone():
        try:
            Connection(address.removeprefix("tcp://"), token).query("SELECT 1")
        except partita.PartitaError:
            # Another program may have the port by then.
            return True
        return False

    until(gone, "the cluster to end")


def test_cluster_start_fails(tmp_path):
    """The error contains the message of the program, without its log and hints for the command line."""
    for wrong in ("many", "-5GB", "5XB", ""):
        with pytest.raises(ValueError, match="invalid memory limit") as caught:
            LocalCluster(memory_limit=wrong)
        assert isinstance(caught.value, ClusterError) and "--help" not in str(caught.value)
    with pytest.raises(TypeError, match=r"memory_limit must be .*not \['1GB'\]"):
        LocalCluster(memory_limit=["1GB"])
    with pytest.raises(ValueError, match="n_workers must be an integer"):
        LocalCluster(n_workers=1.5)
    with pytest.raises(TypeError, match="does not support the argument 'colour'"):
        Client(colour="red")
    with pytest.raises(NotImplementedError, match="security"):
        LocalCluster(security=object())
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError, match="cannot write to"):
        LocalCluster(local_directory=str(tmp_path / "file" / "below"))
    log = "2026-01-01T00:00:00Z DEBUG listening\ndashboard  http://h:1/#token=secret\n"
    assert _error_message(f"{log}error: no memory\nFor more information, try '--help'.\n") == "no memory"
    assert _error_message(f"{log}worker 0 died") == "2026-01-01T00:00:00Z DEBUG listening\nworker 0 died"


def test_arguments_of_dask_clusters(capfd):
    """Arguments of Dask's LocalCluster: numeric sizes, dashboard ports, log levels."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.warns(UserWarning, match=f"port {port} is in use"):
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=f":{port}").close()
    arguments = {"processes": False, "dashboard_address": f":{port}", "silence_logs": logging.ERROR, "name": "mine"}
    size = {"n_workers": 1, "threads_per_worker": 1, "memory_limit": 3e8}
    with Client(**size, set_as_default=False, **arguments) as client:
        assert client._connection.address.endswith(f":{port}")
        client.wait_for_workers(1, timeout="30s")
        assert client._workers()[0]["memory_limit_bytes"] == 300_000_000
        for more in ({"dashboard_address": ":0"}, {"n_workers": 2}):
            with pytest.raises(TypeError, match="only to a cluster that the client starts"):
                Client(client._connection.address, **more)
    for wrong in ("soon", "5 parsecs", -1, True):
        with pytest.raises(ValueError, match="timeout must be seconds"):
            Client("tcp://127.0.0.1:1", timeout=wrong)
    with pytest.raises(ValueError, match="names a host"):
        LocalCluster(dashboard_address="0.0.0.0:8787")
    with pytest.raises(NotImplementedError, match=r"LocalCluster\.scheduler is not supported"):
        assert LocalCluster.__new__(LocalCluster).scheduler


def test_scale_a_cluster_on_this_machine():
    """New workers have the threads and the memory limit of the first one; those started last are retired first."""
    some = {"n_workers": 1, "threads_per_worker": 1, "memory_limit": "500MB"}
    with LocalCluster(**some) as cluster, Client(cluster, set_as_default=False) as client:
        assert client.cluster is cluster
        (first,) = client.nthreads()
        cluster.scale(3)
        # Workers that have not connected yet count.
        cluster.scale(3)
        client.wait_for_workers(3)
        rows = client._workers()
        assert [row["slots"] for row in rows] == [1, 1, 1]
        assert len({row["memory_limit_bytes"] for row in rows}) == 1
        assert client.gather(client.map(abs, range(20))) == list(range(20))
        cluster.scale(1)
        until(lambda: list(client.nthreads()) == [first], "the other workers to leave")
        for wrong in (-1, 1.5, True):
            with pytest.raises(ValueError, match="number of workers"):
                cluster.scale(wrong)
        cluster.scale(2)
        client.wait_for_workers(2)
    assert cluster.get_logs() == {"Cluster": ""}
    with pytest.raises(ClusterError, match="has been closed"):
        cluster.scale(1)


def test_a_client_keeps_its_cluster():
    """A cluster that nothing but its client refers to does not end."""
    with Client(LocalCluster(n_workers=1, threads_per_worker=1), set_as_default=False) as client:
        gc.collect()
        client.wait_for_workers(1)
        assert client.submit(abs, -1).result() == 1
        client.cluster.close()


def test_open_file_limit(tmp_path):
    """The soft limit of open files is raised to the hard limit, in the program and in the client's process."""
    limits = "resource.getrlimit(resource.RLIMIT_NOFILE)"
    script = (
        "import resource\n"
        f"hard = {limits}[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))\n"
        "from partita.distributed import Client\n"
        "with Client(n_workers=1, threads_per_worker=1) as client:\n"
        f"    print({limits} == (hard, hard))\n"
        "    client.wait_for_workers(1)\n"
        "    for pid in [client._workers()[0]['pid'], client._own._process.pid]:\n"
        "        lines = [line.split() for line in open(f'/proc/{pid}/limits') if line.startswith('Max open files')]\n"
        "        print(lines[0][3] == lines[0][4] == str(hard))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert done.stdout == "True\nTrue\nTrue\n", done.stderr


def test_logs_do_not_block_the_cluster(monkeypatch, capfd):
    """A long log does not block the cluster."""
    monkeypatch.setenv("PARTITA_LOG", "debug")
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(1)
        written = 0
        end = time.monotonic() + BOUND_S
        # Several times the capacity of a pipe.
        while written < 300_000:
            assert time.monotonic() < end
            assert client.sql("SELECT 1 AS one").num_rows == 1
            written += len(capfd.readouterr().err)


def test_several_tasks_of_srun(monkeypatch):
    """In several tasks of srun, Client() raises an error, and LocalCluster() starts a cluster for this task only."""
    variables = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ClusterError, match=r"task 2 of 4 tasks.*`srun partita run -- python"):
        Client(n_workers=1)
    with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(1)
        assert client.sql("SELECT 1 AS one").num_rows == 1
        # `srun partita run` runs the script in one task, and Client() uses the surrounding cluster.
        monkeypatch.setenv("PARTITA_SCHEDULER", cluster.scheduler_address)
        monkeypatch.setenv("PARTITA_TOKEN", cluster.token)
        with Client(processes=False, dashboard_address=":8787", set_as_default=False) as same:
            assert same._connection.address == client._connection.address
        with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as own:
            assert own._connection.address != client._connection.address


def test_stale_access_file(tmp_path):
    """The access file of a cluster that has ended delays a client only briefly."""
    access = {"name": "old", "address": "127.0.0.1:1", "token": "x" * 32, "host": "elsewhere", "pid": 1, "protocol": 2}
    (tmp_path / "old.json").write_text(json.dumps({**access, "version": "0"}))
    (tmp_path / "old.json").chmod(0o600)
    script = "from partita.distributed import Client\nwith Client() as c: print(c.sql('SELECT 1 AS one').num_rows)\n"
    hidden = ("SLURM_", "PARTITA_SCHEDULER", "PARTITA_TOKEN")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "PARTITA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_lost_worker(tmp_path):
    """Lost partitions of queries are recomputed; a lost upload without replicas raises an error."""
    with Client(n_workers=3, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(3)
        made = dd.read_sql("SELECT value AS v, value % 10 AS k FROM generate_series(1, 10000)", client=client)
        counts = made.groupby("k").v.sum().persist()
        uploaded = dd.from_pandas(pd.DataFrame({"a": range(300)}), npartitions=3, client=client)
        twice = dd.from_pandas(pd.DataFrame({"a": range(300)}), npartitions=3, client=client, replicas=2)
        victim = client._workers()[0]
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: victim["pid"] not in [row["pid"] for row in client._workers()], "its loss")
        assert counts.compute().sum() == 50005000
        assert twice.a.sum().compute() == 44850
        with pytest.raises(QueryError, match=r"is lost: .*uploaded by a client") as caught:
            uploaded.a.sum().compute()
        assert victim["name"] in str(caught.value)


def test_notebook(tmp_path, monkeypatch):
    """nbconvert can execute a notebook."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path)]
    done = subprocess.run([*command, str(SCRIPTS / "notebook.ipynb")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "notebook.ipynb").read_text())["cells"]
    texts = json.dumps([cell["outputs"] for cell in cells])
    assert "Dashboard" in texts and "not computed" in texts and "<svg" in texts
    assert "token=" not in texts.replace("token=...", "")
    assert "<progress value=" in texts and "100%" in texts


def test_retire_workers():
    """Retiring workers migrate their partitions; with an unknown address, no worker is retired."""
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        frame = pd.DataFrame({"a": np.arange(100)})
        ddf = dd.from_pandas(frame, npartitions=4, client=client)
        first, second = client.nthreads()
        with pytest.raises(ClusterError, match=r"no worker at tcp://127\.0\.0\.1:1; connected: "):
            client.retire_workers([second, "tcp://127.0.0.1:1"])
        with pytest.raises(ValueError, match="list of addresses"):
            client.retire_workers([])
        assert client.retire_workers([first]) == [first]
        assert list(client.nthreads()) == [second]
        assert_frame_equal(ddf.compute(), frame)


def test_persisted_frames_survive_lost_workers():
    """The loss of a worker is not an error if its partitions can be recomputed or have replicas."""
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        frame = pd.DataFrame({"a": np.arange(100)})
        ddf = dd.from_pandas(frame, npartitions=4, client=client, replicas=2)
        kept = (ddf.a * 2).persist()
        os.kill(client._workers()[0]["pid"], signal.SIGKILL)
        assert_series_equal(kept.compute(), frame.a * 2)
        assert_frame_equal(ddf.compute(), frame)


def test_restart():
    """restart() cancels jobs and drops unpublished tables; published ones and the workers remain."""
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(1)
        ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2, client=client)
        client.publish_dataset(stays=ddf)
        endless = "SELECT sum(a.value % b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        future = client._submit(lambda: client.sql(endless))
        until(lambda: client._rest("jobs?state=running&limit=1")["jobs"], "a job that runs")
        assert client.restart() is client
        with pytest.raises(Cancelled):
            future.result(BOUND_S)
        assert table_names(client) == {"stays"}
        with pytest.raises(QueryError):
            ddf.compute()
        assert client.get_dataset("stays").a.sum().compute() == 6
