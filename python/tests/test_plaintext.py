"""Clusters that do not encrypt: the token is proved and never sent."""

import contextlib
import socket
import threading

import pyarrow as pa
import pytest
from partita._errors import ClusterError
from partita._plaintext import REQUESTS, prove
from partita.distributed import Client, LocalCluster

#: Bytes that are read from a connection at once.
PIECE_BYTES = 1 << 16
#: Maximum time for the cluster to do something, in seconds.
BOUND_S = 30.0


class Recorder:
    """Passes connections on to an address and records what is sent both ways."""

    def __init__(self, target):
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.recorded = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, target):
        try:
            while piece := source.recv(PIECE_BYTES):
                self.recorded += piece
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("PARTITA_PLAINTEXT", "true")
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster:
        monkeypatch.delenv("PARTITA_PLAINTEXT")
        yield cluster


def test_the_token_is_not_sent(cluster):
    """A client uploads, computes, fetches and asks the REST API without sending its token or its secret."""
    assert cluster.token.endswith(".plaintext")
    secret = cluster.token.rpartition(".")[0]
    recorder = Recorder(cluster.scheduler_address)
    with Client(recorder.address, token=cluster.token, timeout=BOUND_S, set_as_default=False) as client:
        client.wait_for_workers(2)
        connection = client._connection
        connection.upload("uploaded", [pa.table({"a": [1, 2]}), pa.table({"a": [3]})])
        assert connection.query('SELECT sum(a) AS s FROM "uploaded"').to_pydict() == {"s": [6]}
        fetched = connection.fetch("uploaded")
        assert fetched is not None
        assert fetched["a"].to_pylist() == [1, 2, 3]
        assert any(worker is not None for worker in connection._workers.values())
        assert connection.request("jobs", "GET", BOUND_S)[0] == 200
        # Calls of several threads at once.
        assert len(client.nthreads()) == 2
    recorded = bytes(recorder.recorded)
    assert b"uploaded" in recorded
    assert secret.encode() not in recorded
    assert b"Bearer" not in recorded


def test_a_recorded_call_is_of_no_use(cluster):
    """The proof of a call counts once, and none without its session."""
    import pyarrow.flight as flight

    with Client(cluster, timeout=BOUND_S, set_as_default=False) as client:
        trust, address = client._connection.trust, client._connection.address
        session = trust.session(address, BOUND_S)
        header = session.authorization()
        plain = flight.FlightClient(f"grpc+tcp://{address}")

        def ask(header):
            options = flight.FlightCallOptions(headers=[(b"authorization", header.encode())])
            return list(plain.do_action(("partita.tables", b"{}"), options))

        assert ask(header)
        for used in (header, f"Bearer {cluster.token}", ""):
            with pytest.raises(flight.FlightError, match="--plaintext"):
                ask(used)
        assert ask(session.authorization())


def test_another_process_gets_nothing(cluster):
    """A process that does not know the secret gets a random number."""
    received = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        sent = connection.recv(PIECE_BYTES)
                        connection.sendall(bytes(65))
                        received.append(sent + connection.recv(PIECE_BYTES))

        threading.Thread(target=answer, daemon=True).start()
        port = server.getsockname()[1]
        with pytest.raises(ClusterError, match="does not know the secret"):
            Client(f"127.0.0.1:{port}", token=cluster.token, timeout=0.1, set_as_default=False)
    assert received
    assert {len(sent) for sent in received} == {42}


def test_mixed_use_names_the_option(cluster):
    """A client that encrypts and a cluster that does not fail with the name of the option, and the reverse."""
    secret = cluster.token.rpartition(".")[0]
    with pytest.raises(ClusterError, match="--plaintext"):
        Client(cluster.scheduler_address, token=f"{secret}.{'ab' * 32}", timeout=0.1, set_as_default=False)
    with LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB") as encrypted:
        secret = encrypted.token.rpartition(".")[0]
        with pytest.raises(ClusterError, match="--plaintext"):
            Client(encrypted.scheduler_address, token=f"{secret}.plaintext", timeout=0.1, set_as_default=False)


def test_a_repeated_challenge_is_refused():
    """A process that sends back what it is sent proves nothing."""
    near, far = socket.socketpair()
    with near, far:

        def answer():
            hello = far.recv(PIECE_BYTES)
            far.sendall(b"\x00" + hello[-32:] + hello[-32:])

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(ClusterError, match="does not know the secret"):
            prove(near, "a secret of the cluster", None, REQUESTS)
