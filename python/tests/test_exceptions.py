"""Exceptions of functions on the workers arrive with their type, arguments, attributes, causes and notes."""

import json
import sys
import traceback

import exception_samples as samples
import pandas as pd
import pytest
from exception_samples import KINDS, OtherArguments
from function_samples import inc

from partita import bag, delayed
from partita import dataframe as dd
from partita.distributed import Client, as_completed

pytest.importorskip("cloudpickle")

#: Time that no call of these tests takes, in seconds.
LONG_S = 60

needs_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes and groups")


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


def raised(client, function, *args):
    """Return the exception of a call."""
    return client.submit(function, *args).exception(LONG_S)


# Kinds.


@pytest.mark.parametrize("name", KINDS)
def test_an_exception_arrives_with_its_type_and_attributes(client, name):
    expected = samples.make(name)
    with pytest.raises(type(expected)) as caught:
        client.submit(samples.raise_one, name).result(LONG_S)
    error = caught.value
    assert type(error) is type(expected)
    assert error.code == 7
    assert error.args == expected.args
    assert str(error) == str(expected)


def test_the_fields_of_exceptions_in_c_arrive(client):
    error = raised(client, samples.raise_one, "an OSError")
    assert (error.errno, error.strerror, error.filename) == (2, "no such thing", "/no/such")
    error = raised(client, samples.raise_one, "a UnicodeDecodeError")
    assert (error.encoding, error.object, error.start, error.end, error.reason) == ("utf-8", b"abc", 1, 2, "bad byte")


def test_fields_of_builtin_exceptions_arrive(client):
    error = raised(client, samples.raise_it, OSError, 2, "text", "path")
    assert type(error) is FileNotFoundError and error.filename == "path"
    assert raised(client, samples.raise_it, StopIteration, 4).value == 4
    assert raised(client, samples.raise_it, SyntaxError, "text", ("file", 1, 2, "line")).lineno == 1
    assert raised(client, json.loads, "{").pos == 1


def test_an_exception_whose_attribute_is_itself_arrives(client):
    error = raised(client, samples.raise_one, "itself as an attribute")
    assert error.itself is error


def test_the_way_in_which_a_class_is_pickled_counts(client):
    def fail():
        raise samples.WithReduce(7, made="by the caller")

    assert raised(client, fail).made == "by its own function"


def test_a_class_of_the_script_or_of_a_function_is_the_same_class(client):
    class Local(Exception):
        def __init__(self, code, *, text):
            super().__init__(f"{code}: {text}")
            self.code = code

    def fail():
        raise Local(7, text="text")

    with pytest.raises(Local, match="7: text") as caught:
        client.submit(fail).result(LONG_S)
    assert caught.value.code == 7


# What cannot be sent.


@needs_groups
def test_an_attribute_that_cannot_be_pickled_is_left_out_and_named(client):
    error = raised(client, samples.raise_it, samples.WithLock, 7)
    assert type(error) is samples.WithLock
    assert error.code == 7 and not hasattr(error, "lock")
    assert "left out, since they cannot be sent: lock" in error.__notes__


@needs_groups
def test_a_large_attribute_is_left_out_and_named(client):
    error = raised(client, samples.raise_with_large_attribute)
    assert type(error) is OtherArguments and error.code == 7
    assert "left out, since they cannot be sent: blob" in error.__notes__


def test_an_argument_that_cannot_be_pickled_is_a_text(client):
    error = raised(client, samples.raise_with_unpicklable_argument)
    assert type(error) is ValueError
    assert error.args[0] == "has a lock" and "lock object" in error.args[1]


def test_a_long_message_is_cut(client):
    error = raised(client, samples.raise_it, ValueError, "x" * (2 << 20))
    assert type(error) is ValueError
    assert 60_000 < len(str(error)) < 70_000 and str(error).endswith("... (2097152 characters)")


def test_a_class_whose_way_to_be_pickled_fails_arrives(client):
    error = raised(client, samples.raise_it, samples.BrokenReduce, "text")
    assert type(error) is samples.BrokenReduce and error.args == ("text",)


def test_an_exception_that_refuses_attributes_arrives(client):
    error = raised(client, samples.raise_frozen_from, KeyError("first"))
    assert type(error) is samples.Frozen and error.args == (7,)
    assert type(error.__cause__) is KeyError


# Causes, notes, groups.


def test_a_chain_of_causes_and_contexts_arrives(client):
    error = raised(client, samples.raise_chain)
    assert type(error) is samples.KeywordOnly and error.code == 9
    assert type(error.__context__) is samples.OfText and error.__cause__ is None
    assert type(error.__context__.__cause__) is OtherArguments
    assert error.__context__.__cause__.code == 7


@needs_groups
@pytest.mark.parametrize(
    ("kind", "args"), [(OtherArguments, (7, "text")), (json.JSONDecodeError, ("text", "document", 3))]
)
def test_notes_arrive(client, kind, args):
    error = raised(client, samples.raise_with_note, kind, *args)
    assert type(error) is kind
    assert "a note" in error.__notes__


@needs_groups
def test_a_group_arrives_with_its_members(client):
    error = raised(client, samples.raise_group)
    assert type(error) is ExceptionGroup  # noqa: F821
    first, inner = error.exceptions
    assert error.message == "several" and type(first) is ValueError
    assert type(first.__cause__) is OtherArguments and first.__cause__.code == 7
    assert [type(one) for one in inner.exceptions] == [samples.KeywordOnly]
    assert error.split(samples.KeywordOnly)[0] is not None


@needs_groups
def test_the_members_of_a_group_have_their_lines(client):
    first = raised(client, samples.raise_group).exceptions[0]
    assert traceback.extract_tb(first.__traceback__)[-1].name == "raise_group"
    assert not [name for name in vars(first) if "partita" in name]


# Ways to meet an exception.


def test_an_exception_that_a_function_returns_is_its_result(client):
    result = client.submit(samples.return_with_cause).result(LONG_S)
    assert type(result) is OtherArguments and result.code == 7
    assert type(result.__cause__) is samples.KeywordOnly


def test_a_call_is_retried_and_then_returns(client, tmp_path):
    assert client.submit(samples.raise_once, str(tmp_path / "calls"), retries=1).result(LONG_S) == 2


def test_gather_raises_the_exception_or_skips_the_call(client):
    futures = client.map(samples.raise_if_odd, range(4))
    with pytest.raises(OtherArguments, match="7: odd"):
        client.gather(futures)
    assert client.gather(futures, errors="skip") == [0, 2]


def test_as_completed_raises_the_exception(client):
    future = client.submit(samples.raise_one, "other arguments")
    with pytest.raises(OtherArguments):
        list(as_completed([future], with_results=True))
    ((_, found),) = list(as_completed([future], with_results=True, raise_errors=False))
    assert found[0] is OtherArguments and found[1].code == 7


def test_a_call_that_reads_a_failed_future_has_its_exception(client):
    future = client.submit(inc, client.submit(samples.raise_one, "keyword-only arguments"))
    with pytest.raises(samples.KeywordOnly):
        future.result(LONG_S)


def test_an_exception_passes_through_a_call_that_waits_for_another(client):
    def outer():
        from partita.distributed import get_client

        return get_client().submit(samples.raise_one, "other arguments").result()

    with pytest.raises(OtherArguments, match="7: text"):
        client.submit(outer).result(LONG_S)


def test_lazy_functions_and_bags_raise_the_exception(client):
    with pytest.raises(OtherArguments):
        delayed(samples.raise_one)("other arguments").compute()
    with pytest.raises(OtherArguments):
        bag.from_sequence(range(4), npartitions=2).map(samples.raise_if_odd).compute()


def test_functions_of_partitions_raise_the_exception(client):
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    with pytest.raises(OtherArguments):
        frame.map_partitions(lambda part: samples.raise_one("other arguments"), meta={"a": "int64"}).compute()


def test_actors_raise_the_exception(client):
    class Counter:
        def fail(self):
            raise OtherArguments(7, "of an actor")

    actor = client.submit(Counter, actor=True).result(LONG_S)
    with pytest.raises(OtherArguments, match="of an actor") as caught:
        actor.fail().result(LONG_S)
    assert caught.value.code == 7


def test_functions_that_run_on_each_worker_raise_the_exception(client):
    with pytest.raises(OtherArguments):
        client.run(samples.raise_one, "other arguments")


def test_an_executor_raises_the_exception(client):
    with client.get_executor() as pool, pytest.raises(OtherArguments):
        pool.submit(samples.raise_one, "other arguments").result(LONG_S)
