"""Where calls are, and where they spend their time."""

import asyncio
import os
import subprocess
import sys
import time
import types

import pytest
from function_samples import inc
from polling import until

from partita._binary import find_program
from partita.distributed import Client, get_task_stream


def inner(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def outer(seconds):
    inner(seconds)
    return seconds


def names(node):
    """Return the functions of a profile."""
    return {node["description"]["name"]}.union(*map(names, node["children"].values()))


def call_until_sampled(client):
    """Call `outer` until it was sampled in `inner`: on a busy machine a short call may have no sample."""

    def is_sampled():
        client.submit(outer, 1.0, pure=False).result(60)
        return "inner" in names(client.profile("outer"))

    until(is_sampled, "the samples to be told")


def test_a_profile_has_the_functions_of_calls(client):
    call_until_sampled(client)
    profile = client.profile("outer")
    assert {"outer", "inner"} <= names(profile) and "submit" not in names(profile)
    (first,) = (child for child in profile["children"].values() if child["description"]["name"] == "outer")
    assert first["description"]["filename"].endswith("test_profiling.py")
    assert profile["count"] >= first["count"] >= sum(child["count"] for child in first["children"].values())


def test_a_profile_is_drawn(client, tmp_path):
    call_until_sampled(client)
    profile, drawing = client.profile("outer", plot=True, filename=tmp_path / "profile.html")
    assert profile["count"] and "inner" in drawing._repr_svg_()
    assert "<svg" in (tmp_path / "profile.html").read_text()
    with pytest.raises(NotImplementedError, match="start"):
        client.profile(start=1)


def test_call_stack_tells_where_a_call_is(client):
    future = client.submit(outer, 6, pure=False)
    until(lambda: client.call_stack(future), "the call to run")
    found = client.call_stack(future)
    by_keys = client.call_stack(keys=[future.key])
    future.cancel()
    for one in (found, by_keys):
        ((address, stacks),) = one.items()
        assert address in client.scheduler_info()["workers"]
        assert [line.rpartition(" ")[2] for line in stacks[future.key]][:2] == ["outer", "inner"]


def test_call_stack_of_a_call_that_has_ended_is_empty(client):
    future = client.submit(inc, 1)
    future.result(60)
    assert client.call_stack(future) == {}


def test_get_task_stream_tells_when_calls_ran(client):
    before = time.time()
    futures = client.map(outer, [0.01, 0.02], pure=False)
    client.gather(futures)
    keys = {future.key for future in futures}
    until(lambda: keys <= {one["key"] for one in client.get_task_stream(start=before - 1)}, "the calls to be listed")
    found = {one["key"]: one for one in client.get_task_stream(start=before - 1)}
    for future in futures:
        one = found[future.key]
        (span,) = one["startstops"]
        assert (one["name"], one["status"]) == ("outer", "OK") and one["worker"] in client.scheduler_info()["workers"]
        assert before - 1 < span["start"] < span["stop"] < time.time() + 1
    assert len(client.get_task_stream(count=1)) == 1
    assert client.get_task_stream(stop=1) == []


def test_a_task_stream_has_the_calls_of_its_block(client):
    before = client.submit(outer, 0.01, pure=False)
    before.result(60)
    with get_task_stream(client) as stream:
        futures = client.map(outer, [0.01, 0.02], pure=False)
        client.gather(futures)
    assert {one["key"] for one in stream.data} - {before.key} == {future.key for future in futures}
    with pytest.raises(NotImplementedError, match="does not draw"):
        get_task_stream(client, plot="save")


def test_an_asynchronous_task_stream_has_the_calls_of_its_block(client):
    connection = client._connection

    async def run():
        async with Client(connection.address, token=connection.token, asynchronous=True, set_as_default=False) as own:
            async with get_task_stream(own) as stream:
                future = own.submit(outer, 0.01, pure=False)
                await future
            return future.key, stream.data

    key, data = asyncio.run(run())
    assert [one["key"] for one in data] == [key]


def test_a_drawing_is_a_model_of_bokeh_if_that_is_installed(client, monkeypatch):
    class Div:
        def __init__(self, text):
            self.text = text

    call_until_sampled(client)
    monkeypatch.setitem(sys.modules, "bokeh", types.ModuleType("bokeh"))
    monkeypatch.setitem(sys.modules, "bokeh.models", types.SimpleNamespace(Div=Div))
    _, drawing = client.profile("outer", plot=True)
    assert type(drawing) is Div and "inner" in drawing.text
    assert drawing._repr_html_() == drawing.text


def test_story_tells_what_became_of_a_call(client):
    future = client.submit(inc, 1, pure=False)
    future.result(60)
    until(lambda: len(client.story(future)) > 1, "the end of the call to be told")
    story = client.story(future)
    assert {key for key, _, _ in story} == {future.key}
    assert [at for _, at, _ in story] == sorted(at for _, at, _ in story)


def run_program(client, *arguments):
    """Run the program on the cluster of a client and return what it prints."""
    environment = {
        **os.environ,
        "PARTITA_SCHEDULER": client._connection.address,
        "PARTITA_TOKEN": client._connection.token,
    }
    command = [find_program(), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_program_shows_profiles_and_stacks(client):
    future = client.submit(outer, 6, pure=False)
    assert client.call_stack(future)
    state = future._state
    shown = run_program(client, "task", f"job-{state.job}.{state.stage}.{state.index}")
    until(lambda: "outer" in run_program(client, "profile", f"job-{state.job}"), "the samples to be told")
    profile = run_program(client, "profile", f"job-{state.job}", "--stage", str(state.stage))
    future.cancel()
    assert "runs in\n  outer, " in shown and "  inner, " in shown
    assert profile.startswith("outer (stage ") and " %  outer, " in profile and " %    inner, " in profile
