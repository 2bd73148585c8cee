"""One small cluster for all tests."""

import pytest

from partita.distributed import Client


@pytest.fixture(scope="session")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client
