"""What calls print and raise, and the logs of workers, as others see them."""

import os
import subprocess
import sys

import pytest
from partita._binary import find_program
from partita.distributed import Client, LocalCluster, wait
from polling import until

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def client():
    """A client of a cluster whose workers log what functions print."""
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, silence_logs="INFO")
    with cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(1)
        yield client


def talk(number):
    print("number", number)
    print("warning", number, file=sys.stderr)
    if number == 2:
        raise ValueError("two is bad")
    return number


def echo(text):
    subprocess.run(["echo", text], check=True)


def tell(client, future):
    """Return what is known of the call of a future."""
    state = future._state
    return client._rest(f"jobs/{state.job}/tasks/{state.stage}.{state.index}")


def texts(client, future, kind):
    """Wait for a text about a call of a kind. Return all texts by their kinds."""

    def told():
        return {one["kind"]: one["text"] for one in tell(client, future)["texts"]}

    until(lambda: kind in told(), kind)
    return told()


def test_each_call_has_the_lines_that_it_printed(client):
    futures = client.map(talk, [1, 3, 4, 5])
    wait(futures)
    for number, future in zip((1, 3, 4, 5), futures):
        assert texts(client, future, "printed") == {"printed": f"number {number}\nwarning {number}\n"}


def test_a_call_that_fails_has_its_arguments_and_its_traceback(client):
    future = client.submit(talk, 2)
    assert isinstance(future.exception(), ValueError)
    found = texts(client, future, "traceback")
    assert found["printed"] == "number 2\nwarning 2\n"
    assert found["arguments"] == "2"
    assert found["traceback"].startswith("Traceback (most recent call last):")
    assert 'raise ValueError("two is bad")' in found["traceback"]
    detail = tell(client, future)
    assert (detail["stage_name"], detail["task"]["state"]) == ("talk", "failed")
    assert [attempt["state"] for attempt in detail["attempts"]] == ["failed"]


def test_the_program_shows_a_task(client):
    future = client.submit(talk, 7)
    future.result()
    texts(client, future, "printed")
    state = future._state
    connection = client._connection
    environment = {**os.environ, "PARTITA_SCHEDULER": connection.address, "PARTITA_TOKEN": connection.token}
    command = [find_program(), "task", f"job-{state.job}.{state.stage}.{state.index}"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "printed by attempt 1\n  number 7\n  warning 7\n" in shown


def test_the_logs_of_workers_have_what_functions_printed(client):
    client.submit(talk, 100).result()
    client.submit(echo, "from a program").result()

    def logs():
        ((_, lines),) = client.get_worker_logs().items()
        return lines

    until(lambda: "from a program" in str(logs()), "the lines")
    found = logs()
    assert any(level == "INFO" and "number 100" in line for level, line in found)
    assert len(next(iter(client.get_worker_logs(n=1).values()))) == 1
    with pytest.raises(ValueError, match="number of lines"):
        client.get_worker_logs(n=-1)
