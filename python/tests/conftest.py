"""A small cluster that all tests share."""

import pytest
from hypothesis import settings

from partita.distributed import Client

# Deterministic examples, without a database.
settings.register_profile("partita", derandomize=True, database=None)
settings.load_profile("partita")


@pytest.fixture(scope="session")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client
