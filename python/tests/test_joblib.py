"""The backend of joblib."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

joblib = pytest.importorskip("joblib", minversion="1.4")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from fake_client import FakeClient  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402

import partita.joblib  # noqa: E402, F401
from partita._joblib import SCATTERED_BYTES, PartitaBackend  # noqa: E402


@pytest.fixture
def client():
    with FakeClient() as client:
        yield client


@pytest.fixture
def backend(client):
    with joblib.parallel_config("partita", client=client):
        yield client


events = {}


def wait_for_gate(value=None):
    from test_joblib import events

    events["started"].set()
    assert events["gate"].wait(30)
    return value


@pytest.fixture
def gate():
    events["gate"], events["started"] = threading.Event(), threading.Event()
    yield events["gate"]
    events["gate"].set()


def square(number):
    return number**2


def fail(number):
    raise ZeroDivisionError(number)


def start_together(function, value):
    """Call a function when as many calls of this one have started as ``events["barrier"]`` waits for."""
    from test_joblib import events

    events["barrier"].wait(30)
    return function(value)


class Batch:
    """The calls of a task, as joblib gives them to a backend."""

    def __init__(self, items):
        self.items = items


def nested_pids():
    return Parallel(n_jobs=2)(delayed(threading.get_ident)() for _ in range(3)), threading.get_ident()


def nested_backend():
    parallel = Parallel()
    return type(parallel._backend).__name__, parallel._backend.nesting_level


def total(array, *, other):
    return float(array.sum()) + float(np.sum(other))


def test_results_are_in_order(backend):
    assert Parallel()(delayed(square)(number) for number in range(100)) == [number**2 for number in range(100)]
    assert Parallel()([]) == []


def test_quick_calls_are_put_into_batches(backend):
    Parallel()(delayed(square)(number) for number in range(2_000))
    assert len(backend.submitted) < 500


def test_a_fixed_batch_size_is_used(backend):
    Parallel(batch_size=10, pre_dispatch="all")(delayed(square)(number) for number in range(100))
    # joblib makes smaller batches of the last calls.
    assert 10 <= len(backend.submitted) < 20


def test_all_slots_are_used_whatever_n_jobs_is(backend):
    for n_jobs in (None, -1, 1, 2, 50):
        assert Parallel(n_jobs=n_jobs)._effective_n_jobs() == 4
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)(delayed(square)(number) for number in range(2))


def test_an_exception_of_a_call_is_raised(backend):
    with pytest.raises(ZeroDivisionError):
        Parallel()(delayed(fail)(number) for number in range(8))
    assert Parallel()(delayed(square)(number) for number in range(3)) == [0, 1, 4]


def test_an_exception_of_the_iterator_is_raised(backend):
    def calls():
        for number in range(30):
            yield delayed(square)(number)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        Parallel(batch_size=1)(calls())


@pytest.mark.parametrize("place", [0, 30])
def test_an_argument_that_cannot_be_pickled_is_an_error(backend, place):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="pickle"):
        Parallel(batch_size=1)(delayed(square)(lock if number == place else number) for number in range(40))


def test_an_exception_cancels_the_other_tasks(backend, gate):
    # joblib submits nothing after a failure, so the one that fails waits for the others.
    events["barrier"] = threading.Barrier(3)
    functions = [wait_for_gate, fail, wait_for_gate]
    with pytest.raises(ZeroDivisionError):
        Parallel(batch_size=1, pre_dispatch="all")(delayed(start_together)(function, 1) for function in functions)
    assert len(backend.cancelled) == 2


def test_a_batch_that_is_submitted_after_the_end_is_cancelled(client, gate):
    backend = PartitaBackend(client)
    backend.start_call()
    backend.abort_everything()
    future = backend.submit(Batch([(wait_for_gate, (1,), {})]))
    assert future.cancelled() or future.status == "error"
    assert client.cancelled == [future.key]
    backend.stop_call()


def test_a_timeout_is_raised_and_cancels_the_tasks(backend, gate):
    with pytest.raises((TimeoutError, multiprocessing.TimeoutError)):
        Parallel(timeout=0.1, batch_size=1)(delayed(wait_for_gate)(number) for number in range(2))
    assert len(backend.cancelled) == 2


def test_an_interrupt_cancels_the_tasks(backend, gate, monkeypatch):
    def interrupt(self):
        assert events["started"].wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(Parallel, "_retrieve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Parallel(batch_size=1)(delayed(wait_for_gate)(number) for number in range(2))
    assert len(backend.cancelled) == 2


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_results_are_generated(backend, return_as):
    results = Parallel(return_as=return_as)(delayed(square)(number) for number in range(50))
    assert sorted(results) == [number**2 for number in range(50)]


def test_an_unordered_generator_yields_the_fastest_first(backend, gate):
    calls = [delayed(wait_for_gate)("slow"), delayed(square)(2)]
    results = Parallel(return_as="generator_unordered", batch_size=1)(calls)
    assert next(results) == 4
    gate.set()
    assert next(results) == "slow"


def test_a_generator_that_is_dropped_cancels_its_tasks(backend, gate):
    results = Parallel(return_as="generator", batch_size=1)(delayed(wait_for_gate)(number) for number in range(2))
    assert events["started"].wait(30)
    with pytest.warns(UserWarning):
        del results
    assert len(backend.cancelled) == 2


def test_a_parallel_object_is_used_again(backend):
    with Parallel() as parallel:
        for _ in range(3):
            assert parallel(delayed(square)(number) for number in range(4)) == [0, 1, 4, 9]


def test_equal_calls_run_once_each(backend):
    Parallel(batch_size=1)(delayed(square)(2) for _ in range(5))
    assert len(backend.submitted) == 5
    assert not any(options["pure"] for _, options in backend.submitted)


def test_options_of_submit_are_passed_on(client):
    with joblib.parallel_config("partita", client=client, retries=4):
        Parallel()(delayed(square)(number) for number in range(2))
    assert {options["retries"] for _, options in client.submitted} == {4}


def test_an_unknown_option_is_refused(client):
    with (
        pytest.raises(TypeError, match=r"'loop'; supported: .*scatter"),
        joblib.parallel_config("partita", client=client, loop=None),
    ):
        pass


# Large arguments.


def test_a_large_argument_is_sent_once(backend):
    array = np.ones(SCATTERED_BYTES)
    frame = pd.DataFrame({"a": array})
    calls = [delayed(total)(array, other=frame) for _ in range(20)]
    assert Parallel(batch_size=1)(calls) == [2.0 * SCATTERED_BYTES] * 20
    assert len(backend.scattered) == 2
    assert not any(broadcast for _, broadcast in backend.scattered)


def test_a_small_argument_is_sent_with_the_call(backend):
    assert Parallel()(delayed(total)(np.ones(10), other=[1]) for _ in range(3)) == [11.0] * 3
    assert backend.scattered == []


def test_arguments_that_are_gone_are_not_mixed_up(backend):
    """Each array may get the address of an earlier one."""
    results = Parallel(pre_dispatch=1, batch_size=1)(
        delayed(total)(np.full(SCATTERED_BYTES, number), other=0) for number in range(50)
    )
    assert results == [float(number * SCATTERED_BYTES) for number in range(50)]


def test_values_that_are_named_are_sent_to_all_workers(client):
    array, words = np.ones(10), ["a", "b"]
    with joblib.parallel_config("partita", client=client, scatter=[array, words]):
        assert Parallel()(delayed(total)(array, other=1) for _ in range(3)) == [11.0] * 3
        assert Parallel()(delayed(len)(words) for _ in range(3)) == [2] * 3
    assert [broadcast for _, broadcast in client.scattered] == [True, True]


def test_values_to_scatter_are_a_list(client):
    with (
        pytest.raises(TypeError, match="scatter must be a list or a tuple"),
        joblib.parallel_config("partita", client=client, scatter=np.ones(3)),
    ):
        pass


# Nested loops.


def test_a_loop_inside_a_task_runs_in_that_task(backend):
    for inner, outer in Parallel()(delayed(nested_pids)() for _ in range(4)):
        assert set(inner) == {outer}


def test_the_backend_inside_a_task_is_sequential(backend):
    assert Parallel()(delayed(nested_backend)() for _ in range(2)) == [("SequentialBackend", 1)] * 2


# Workers.


def test_a_cluster_without_workers_is_an_error_after_a_time(client):
    client.threads = 0
    client.submit = lambda *_, **__: FakeFutureWithoutWorker()
    with (
        joblib.parallel_config("partita", client=client, wait_for_workers_timeout=0.05),
        pytest.raises(TimeoutError, match=r"no worker connected within 0.05 s.*wait_for_workers_timeout=0.1"),
    ):
        Parallel()(delayed(square)(number) for number in range(2))


class FakeFutureWithoutWorker:
    def result(self, timeout):
        time.sleep(timeout)
        raise TimeoutError


def test_a_worker_that_comes_late_is_used(client):
    client.threads = 0
    submit = client.submit

    def start_worker(*args, **kwargs):
        client.threads = 3
        return submit(*args, **kwargs)

    client.submit = start_worker
    with joblib.parallel_config("partita", client=client):
        assert Parallel()._effective_n_jobs() == 3


def test_threads_end_with_the_loop(backend):
    Parallel()(delayed(square)(number) for number in range(10))
    deadline = time.monotonic() + 30
    while any(thread.name == "partita-joblib" for thread in threading.enumerate()):
        assert time.monotonic() < deadline


# Registration.

_SCRIPT = """
import sys, types
if {installed}:
    sys.modules["distributed"] = types.ModuleType("distributed")
    sys.modules["distributed"].__spec__ = object()
import joblib.parallel
import partita.joblib
print("partita" in joblib.parallel.BACKENDS, joblib.parallel.BACKENDS.get("dask") is partita.joblib.PartitaBackend)
"""


@pytest.mark.parametrize("installed", [False, True])
def test_the_name_of_dask_is_taken_only_if_distributed_is_not_installed(installed):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _SCRIPT.format(installed=installed)]
    output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert output.split() == ["True", str(not installed)]


def test_scikit_learn_fits_models(backend):
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    x = np.random.default_rng(0).random((3_000, 8))
    y = x.sum(axis=1)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3, n_jobs=-1).fit(x, y)
    assert search.best_params_ == {"alpha": 0.1}
    # The data are sent once, not with each of the tasks.
    assert len(backend.scattered) == 1
    nested = GridSearchCV(RandomForestRegressor(n_estimators=3, random_state=0, n_jobs=2), {"max_depth": [2, 4]}, cv=2)
    assert nested.set_params(n_jobs=-1).fit(x[:200], y[:200]).best_params_ == {"max_depth": 4}


def test_the_backend_registers_when_joblib_is_imported_after_a_client(tmp_path):
    """Also if a library has asked before whether joblib exists."""
    script = """
import importlib.util, sys
from partita._late_imports import register_with_joblib
register_with_joblib()
register_with_joblib()
assert importlib.util.find_spec("joblib") is not None and "joblib" not in sys.modules
import joblib
assert "partita" in joblib.parallel.BACKENDS
assert not any(type(one).__name__ == "_Finder" for one in sys.meta_path)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60)
