"""A small cluster that all tests share, and the schedulers of tests of Python functions."""

import os

import pytest
from hypothesis import settings
from partita import config
from partita.distributed import Client
from polling import until

#: Where tests of Python functions run them: "synchronous", and "distributed" on the cluster that all tests share.
SCHEDULERS = ("synchronous",)

# Deterministic examples, without a database.
settings.register_profile("partita", derandomize=True, database=None)
settings.load_profile("partita")


@pytest.fixture(scope="session")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(params=SCHEDULERS)
def scheduler(request):
    """Run the tasks of a test with each scheduler."""
    if request.param != "synchronous":
        request.getfixturevalue("client")
    with config.set(scheduler=request.param):
        yield request.param


@pytest.fixture
def gate(tmp_path):
    """A file that calls wait for, `gate.open()` lets them end, and one that tells that they run."""

    class Gate:
        path = str(tmp_path / "gate")
        began = str(tmp_path / "began")

        def open(self):
            with open(self.path, "w"):
                pass

        def wait_until_running(self):
            until(lambda: os.path.exists(self.began), "the call to begin")

    gate = Gate()
    yield gate
    gate.open()
