"""Log records of functions on the workers, which arrive at loggers of the client."""

import asyncio
import io
import logging
import uuid
from contextlib import contextmanager

import pytest
from partita._log_forwarding import record_fields
from partita.distributed import Client
from polling import until

pytest.importorskip("cloudpickle")


@pytest.fixture
def name():
    return f"test_{uuid.uuid4().hex}"


@contextmanager
def captured(name, level=logging.INFO):
    """Collect what a logger of this process writes."""
    logger, text = logging.getLogger(name), io.StringIO()
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield text
    finally:
        logger.removeHandler(handler)


def log(name, level, text, worker_level=logging.WARNING):
    logger = logging.getLogger(name)
    logger.setLevel(worker_level)
    logger.log(level, "%s", text)


def fail(name):
    try:
        raise ValueError("wrong value")
    except ValueError:
        logging.getLogger(name).exception("oops")


def test_records_arrive_at_the_logger_of_the_same_name(client, name):
    client.forward_logging(name)
    with captured(name) as text:
        for number in range(20):
            client.submit(log, name, logging.ERROR, f"hello {number}").result()
            # The record is handled before the result is known.
            assert f"hello {number}\n" in text.getvalue()


def test_records_have_the_traceback(client, name):
    client.forward_logging(name)
    with captured(name) as text:
        client.submit(fail, name).result()
        until(lambda: "ValueError: wrong value" in text.getvalue(), "the record")
        assert "Traceback" in text.getvalue()


def test_records_below_a_level_stay_at_the_worker(client, name):
    client.forward_logging(name, logging.ERROR)
    with captured(name) as text:
        client.submit(log, name, logging.WARNING, "first").result()
        client.submit(log, name, logging.ERROR, "second").result()
        until(lambda: "second" in text.getvalue(), "the record")
        assert "first" not in text.getvalue()


def test_the_level_of_the_logger_here_applies(client, name):
    client.forward_logging(name)
    with captured(name, logging.ERROR) as text:
        client.submit(log, name, logging.WARNING, "first").result()
        client.submit(log, name, logging.ERROR, "second").result()
        until(lambda: "second" in text.getvalue(), "the record")
        assert "first" not in text.getvalue()


def test_after_the_end_records_stay_at_the_worker(client, name):
    client.forward_logging(name)
    client.unforward_logging(name)
    client.forward_logging(f"{name}.other")
    with captured(name) as text:
        client.submit(log, name, logging.ERROR, "first").result()
        client.submit(log, f"{name}.other", logging.ERROR, "second").result()
        until(lambda: "second" in text.getvalue(), "the record")
        assert "first" not in text.getvalue()
    with pytest.raises(ValueError, match="no plugin"):
        client.unforward_logging(name)


def test_forwarding_is_awaited_in_an_event_loop(client, name):
    async def forward():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            await other.forward_logging(name)
            await other.submit(log, name, logging.ERROR, "hello")
            await other.unforward_logging(name)

    with captured(name) as text:
        asyncio.run(forward())
        until(lambda: "hello" in text.getvalue(), "the record")


def test_fields_that_cannot_be_pickled_are_left_out():
    record = logging.makeLogRecord({"msg": "%s is %r", "args": ("x", object()), "extra": lambda: None, "more": 5})
    fields = record_fields(record)
    assert fields["msg"].startswith("x is <object") and fields["args"] is None
    assert "extra" not in fields and fields["more"] == 5
