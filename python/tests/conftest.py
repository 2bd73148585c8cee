"""One small cluster for all tests."""

import pytest
from hypothesis import settings

from partita.distributed import Client

# The same examples each time, and nothing kept between two runs.
settings.register_profile("partita", derandomize=True, database=None)
settings.load_profile("partita")


@pytest.fixture(scope="session")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client
