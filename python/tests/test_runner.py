"""The zygote and its runners, which execute Python functions: the tests speak their protocol as the worker does."""

import contextlib
import json
import operator
import os
import pickle
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from partita import _packing

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "worker" / "src" / "python" / "runner"
SCRIPTS = HERE / "scripts"
sys.path[:0] = [str(SCRIPTS), str(SOURCE.parent)]

import runner_functions as functions  # noqa: E402
from runner import calls, errors, exceptions, memory, packing, protocol  # noqa: E402
from runner.functions import QUICK_CALLS  # noqa: E402

try:
    import cloudpickle
except ImportError:
    cloudpickle = None
try:
    import numpy
except ImportError:
    numpy = None

needs_cloudpickle = pytest.mark.skipif(cloudpickle is None, reason="cloudpickle is not installed")
needs_numpy = pytest.mark.skipif(numpy is None, reason="numpy is not installed")

#: Maximum time for an answer, in seconds.
PATIENCE = 30
#: Number of runners that are killed.
KILLED_RUNNERS = int(os.environ.get("PARTITA_TEST_KILLED_RUNNERS", "50"))


def pack(value):
    """Return a packed value as bytes."""
    buffers = []
    first = pickle.dumps(value, 5, buffer_callback=buffers.append)
    parts = [first, *(bytes(buffer.raw()) for buffer in buffers)]
    return struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts)) + b"".join(parts)


def unpack(data):
    """Return the value that was packed."""
    (count,) = struct.unpack_from("<I", data)
    lengths = struct.unpack_from(f"<{count}Q", data, 4)
    parts, at = [], 4 + 8 * count
    for length in lengths:
        parts.append(bytearray(data[at : at + length]))
        at += length
    assert at == len(data)
    return pickle.loads(parts[0], buffers=parts[1:])


def frame(kind, body):
    return struct.pack("<IB", len(body) + 1, kind) + body


def until(condition):
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.002)
    return found


def is_alive(pid):
    """Whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Input:
    """An input of a call in its arguments."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return load_input, (self.place,)


#: What stands for an input in the pickle of arguments: a call of this function.
load_input = _packing._load_input


class Mapped(bytes):
    """The lengths of the parts of a packed value. The parts are in memory of their own."""

    def __new__(cls, packed):
        (count,) = struct.unpack_from("<I", packed)
        head = 4 + 8 * count
        mapped = super().__new__(cls, packed[:head])
        mapped.memory = memory.write_memory([packed[head:]])
        return mapped


class Frames:
    """Frames on a socket."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(PATIENCE)
        self.data = bytearray()

    def take(self, length):
        while len(self.data) < length:
            chunk = self.connection.recv(1 << 20)
            if not chunk:
                raise EOFError
            self.data += chunk
        taken = bytes(self.data[:length])
        del self.data[:length]
        return taken

    def read(self):
        (length,) = struct.unpack("<I", self.take(4))
        if length == 0xFFFFFFFF:
            (length,) = struct.unpack("<Q", self.take(8))
        body = self.take(length)
        return body[0], body[1:]


class Raised(Exception):
    """A call that raised an exception."""

    def __init__(self, body):
        (self.ticket, self.flags), at = struct.unpack_from("<QB", body), 9
        texts = []
        for _ in range(4):
            (length,) = struct.unpack_from("<I", body, at)
            texts.append(body[at + 4 : at + 4 + length])
            at += 4 + length
        assert at == len(body)
        self.text, self.traceback, self.arguments = texts[0].decode(), texts[1].decode(), texts[3].decode()
        self.error, self.frames, self.causes = pickle.loads(texts[2]) if self.flags & 1 else (None, None, None)
        super().__init__(self.text)


class Runner:
    """A runner as the worker sees it."""

    def __init__(self, number, pid, control, log, descriptors):
        self.number, self.pid, self.log = number, pid, log
        self.descriptors = descriptors
        #: Memory of inputs that were encoded.
        self.memories = []
        self.frames = Frames(control)
        self.logged = bytearray()
        self.numbers = {}
        self.tickets = 0
        self.thread = threading.Thread(target=self.drain, daemon=True)
        self.thread.start()
        kind, body = self.frames.read()
        assert (kind, json.loads(body)) == (protocol.READY, {"pid": pid})

    def drain(self):
        while chunk := os.read(self.log, 1 << 16):
            self.logged += chunk
        os.close(self.log)

    @property
    def printed(self):
        """What functions printed, without the lines that name their calls."""
        return re.sub(rb"\0\d+\n", b"", bytes(self.logged))

    def send(self, data):
        self.frames.connection.sendall(data)

    def encode_function(self, function, name=None, pickled=None):
        number = len(self.numbers)
        self.numbers[name or function] = number
        name = (name or getattr(function, "__name__", "function")).encode()
        return frame(1, struct.pack("<II", number, len(name)) + name + (pickled or pickle.dumps(function)))

    def encode_run(self, function, *args, inputs=(), **kwargs):
        """Return the frames that run a function, whose pickle is sent once."""
        data = b""
        if function not in self.numbers:
            data = self.encode_function(function)
        self.tickets += 1
        arguments = struct.pack("<I", len(inputs))
        for index in range(len(inputs)):
            arguments += struct.pack("<II", 3, index)
        arguments += pickle.dumps((args, kwargs), 5)
        body = struct.pack("<QII", self.tickets, self.numbers[function], len(arguments)) + arguments
        body += struct.pack("<I", len(inputs))
        for index, packed in enumerate(inputs):
            size = len(packed)
            if isinstance(packed, Mapped):
                size |= protocol.MAPPED_INPUT
                self.memories.append(packed.memory)
            body += struct.pack("<IIQ", 3, index, size) + packed
        return data + frame(2, body)

    def start(self, function, *args, **kwargs):
        self.send(self.encode_run(function, *args, **kwargs))
        for one in self.memories:
            socket.send_fds(self.descriptors, [b"\0"], [one])
        self.memories.clear()
        return self.tickets

    def allow(self, body, answer=b"\1"):
        """Answer to a runner that asks for memory. Return the next frame."""
        assert struct.unpack("<Q", body)[0] >= calls.MAPPED_RESULT
        self.descriptors.send(answer)
        return self.frames.read()

    def take_memory(self):
        """Return the next descriptor from the runner."""
        _, (memory,), _, _ = socket.recv_fds(self.descriptors, 1, 1)
        return memory

    def result(self, ticket=None):
        kind, body = self.frames.read()
        if kind == protocol.ALLOCATE:
            kind, body = self.allow(body)
        if kind == protocol.RAISED:
            raised = Raised(body)
            assert raised.ticket == (ticket or self.tickets)
            raise raised
        assert kind in (protocol.DONE, protocol.DONE_MAPPED)
        assert struct.unpack_from("<Q", body)[0] == (ticket or self.tickets)
        if kind == protocol.DONE_MAPPED:
            with open(self.take_memory(), "rb") as memory:
                memory.seek(0)
                body += memory.read()
        return unpack(body[8:])

    def call(self, function, *args, **kwargs):
        self.start(function, *args, **kwargs)
        return self.result()

    def raises(self, function, *args, **kwargs):
        with pytest.raises(Raised) as caught:
            self.call(function, *args, **kwargs)
        return caught.value


def copy_runner(folder):
    """Write the files of the runner as the worker does. Return the one that starts it."""
    start_file, package = folder / "__main__.py", folder / "_partita_runner"
    package.mkdir(parents=True, exist_ok=True)
    for source in SOURCE.glob("*.py"):
        shutil.copyfile(source, start_file if source.name == start_file.name else package / source.name)
    return start_file


class Zygote:
    """A zygote as the worker sees it."""

    def __init__(self, folder, **settings):
        own, other = socket.socketpair()
        self.errors = open(folder / "zygote.log", "w+b")  # noqa: SIM115
        start_file = copy_runner(folder / "scratch" / "partita-runner")
        self.process = subprocess.Popen(
            [sys.executable, str(start_file), str(other.fileno())],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
        )
        other.close()
        self.frames = Frames(own)
        self.runners = {}
        self.ended = {}
        preload = ["numpy"] if numpy is not None else []
        defaults = {"sys_path": [str(SCRIPTS)], "cwd": str(folder), "env": {}, "preload": preload}
        defaults["python"] = list(sys.version_info[:2])
        own.sendall(frame(protocol.INIT, json.dumps({**defaults, **settings}).encode()))
        self.kind, body = self.frames.read()
        self.answer = body.decode() if self.kind == protocol.FAILED else json.loads(body)

    def fork(self):
        """Fork a runner."""
        number = len(self.runners) + 7
        control, others_control = socket.socketpair()
        own, others = socket.socketpair()
        log, others_log = os.pipe()
        descriptors = [others_control.fileno(), others_log, others.fileno()]
        socket.send_fds(self.frames.connection, [frame(protocol.FORK, struct.pack("<I", number))], descriptors)
        others_control.close()
        others.close()
        os.close(others_log)
        while True:
            kind, body = self.frames.read()
            if kind == protocol.FORKED:
                break
            self.note_end(kind, body)
        forked, pid = struct.unpack("<II", body)
        assert forked == number
        self.runners[number] = Runner(number, pid, control, log, own)
        return self.runners[number]

    def note_end(self, kind, body):
        assert kind == protocol.EXITED
        number, pid, status = struct.unpack("<IIi", body)
        assert self.runners[number].pid == pid
        self.ended[number] = status

    def wait_for_end(self, runner):
        """Return the status of a runner that ended."""
        while runner.number not in self.ended:
            self.note_end(*self.frames.read())
        return self.ended[runner.number]

    def close(self):
        self.frames.connection.close()
        status = self.process.wait(PATIENCE)
        for one in self.runners.values():
            one.frames.connection.close()
            one.descriptors.close()
            until(lambda pid=one.pid: not is_alive(pid))
        self.errors.close()
        return status

    def output(self):
        return (Path(self.errors.name)).read_text()


@pytest.fixture
def zygote(tmp_path):
    zygote = Zygote(tmp_path)
    assert zygote.kind == protocol.ZYGOTE_READY, zygote.answer
    yield zygote
    zygote.close()


@pytest.fixture
def one(zygote):
    return zygote.fork()


# Calls.


def test_a_call_returns_its_result(one):
    assert one.call(functions.add, 1, 2, 3) == 6
    assert one.call(dict, [("a", 1)], b=2) == {"a": 1, "b": 2}


def test_an_async_function_returns_the_result_of_its_coroutine(one):
    assert one.call(functions.double, 4) == 8


def test_results_of_queued_calls_come_in_order(one):
    data = b"".join(one.encode_run(functions.add, number, 1) for number in range(2_000))
    threading.Thread(target=one.send, args=(data,), daemon=True).start()
    assert [one.result(ticket) for ticket in range(1, 2_001)] == [number + 1 for number in range(2_000)]


def test_a_call_gives_its_slot_back_and_takes_it_again(one):
    ticket = one.start(functions.wait_for_others)
    for kind in (protocol.SECEDE, protocol.REJOIN):
        assert one.frames.read() == (kind, struct.pack("<Q", ticket))
        one.send(frame(protocol.SLOT, b"\1"))
    assert one.result(ticket) == []


def test_a_change_of_the_slot_that_is_refused_is_an_error(one):
    ticket = one.start(functions.wait_for_others)
    for _ in range(2):
        one.frames.read()
        one.send(frame(protocol.SLOT, b"\0"))
    secede, rejoin = one.result(ticket)
    assert "too many calls" in secede and "has not given its slot back" in rejoin


def test_a_frame_may_arrive_in_single_bytes(one):
    for byte in one.encode_run(functions.add, 1, 1):
        one.send(bytes([byte]))
    assert one.result() == 2


def test_results_of_quick_calls_are_written_together(one):
    for _ in range(3):
        one.call(functions.add, 1)
    one.send(b"".join(one.encode_run(functions.add, number) for number in range(200)))
    assert one.result(4) == 0
    reads = 1
    for ticket in range(5, 204):
        reads += len(one.frames.data) == 0
        one.result(ticket)
    # One read for each result would be 200, however busy the machine is.
    assert reads < 150


def test_a_result_does_not_wait_for_a_slow_function(one, tmp_path):
    path = str(tmp_path / "go")
    for _ in range(3):
        one.call(functions.add, 1)
    one.send(one.encode_run(functions.add, 1, 1) + one.encode_run(functions.wait_for, path))
    assert one.result(4) == 2
    Path(path).touch()
    assert one.result(5) == path


@pytest.mark.parametrize("function", [functions.flush_and_wait, functions.flush_in_a_thread_and_wait])
def test_a_quick_function_that_waits_can_flush_the_results_of_earlier_calls(one, tmp_path, function):
    (tmp_path / "open").touch()
    # Until both functions count as quick, whatever their first calls took.
    for _ in range(2 * QUICK_CALLS):
        one.call(functions.add, 1)
        if function is functions.flush_and_wait:
            one.call(function, str(tmp_path / "open"))
    ticket = one.tickets + 1
    one.send(one.encode_run(functions.add, 1, 1) + one.encode_run(function, str(tmp_path / "go")))
    assert one.result(ticket) == 2
    (tmp_path / "go").touch()
    assert one.result(ticket + 1) == str(tmp_path / "go")


def test_a_function_is_forgotten(one):
    assert one.call(functions.add, 1) == 1
    one.send(frame(protocol.FORGET, struct.pack("<I", one.numbers[functions.add])))
    raised = one.raises(functions.add, 1)
    assert raised.flags == 3
    assert "function 0 was not sent" in raised.text


def test_the_name_of_the_call_is_known_inside_it(one):
    assert one.call(functions.current_name) == "current_name"


@needs_cloudpickle
def test_a_function_is_sent_by_value(one):
    factor = 3
    one.send(one.encode_function(None, "triple", cloudpickle.dumps(lambda number: number * factor)))
    assert one.call("triple", 5) == 15


def test_a_function_that_cannot_be_unpickled_fails_each_call(one):
    pickled = pickle.dumps(functions.add).replace(b"runner_functions", b"runner_functionz")
    one.send(one.encode_function(None, "lost", pickled))
    for _ in range(2):
        raised = one.raises("lost", 1)
        assert raised.flags & 2
        assert isinstance(raised.error, ModuleNotFoundError)
    assert one.call(functions.add, 1) == 1


# Inputs.


def test_inputs_replace_their_places_in_the_arguments(one):
    inputs = [pack(10), pack([1, 2])]
    assert one.call(dict, a=Input(1), b=[Input(0)], inputs=inputs) == {"a": [1, 2], "b": [10]}


def test_an_input_that_is_used_twice_is_one_object(one):
    assert one.call(functions.is_same, Input(0), Input(0), inputs=[pack([1])]) is True
    assert one.call(functions.is_same, Input(0), Input(1), inputs=[pack([1]), pack([1])]) is False


def test_inputs_do_not_outlive_their_call(one):
    assert one.call(functions.add, Input(0), inputs=[pack(5)]) == 5
    raised = one.raises(functions.add, Input(0))
    assert "IndexError" in raised.text


def test_a_large_input_and_result_pass_unchanged(one):
    data = os.urandom(1 << 20) * 100
    frames = one.encode_run(operator.add, Input(0), b"x", inputs=[pack(data)])
    threading.Thread(target=one.send, args=(frames,), daemon=True).start()
    assert one.result() == data + b"x"


@pytest.mark.parametrize("size", [100_000, 300_000, 3_000_000])
def test_large_arguments_pass_unchanged(one, size):
    data = os.urandom(size)
    frames = one.encode_run(functions.is_same, data, Input(0), inputs=[pack(data)]) + one.encode_run(bytes, data)
    threading.Thread(target=one.send, args=(frames,), daemon=True).start()
    assert one.result(1) is False
    assert one.result(2) == data


@needs_cloudpickle
def test_a_large_function_is_sent_by_value(one):
    data = os.urandom(3_000_000)
    one.send(one.encode_function(None, "f", cloudpickle.dumps(lambda: data)))
    assert one.call("f") == data


@needs_numpy
@pytest.mark.parametrize("count", [10, 20_000])
def test_arrays_are_buffers_both_ways_and_may_be_written(one, count):
    array = numpy.arange(count, dtype="float64")
    frames = one.encode_run(functions.write, Input(0), inputs=[pack(array)])
    threading.Thread(target=one.send, args=(frames,), daemon=True).start()
    kind, body = one.frames.read()
    assert kind == protocol.DONE
    parts, pickled, size = struct.unpack_from("<IQQ", body, 8)
    assert (parts, size) == (2, 8 * count)
    assert pickled < 1_000
    array[0] = 7
    assert (unpack(body[8:]) == array).all()


@needs_numpy
def test_an_input_that_is_mapped_may_be_written_and_does_not_change(one):
    array = numpy.arange(1_000, dtype="float64")
    packed = Mapped(pack(array))
    memory = os.dup(packed.memory)
    one.start(functions.write, Input(0), inputs=[packed])
    assert one.result()[0] == 7
    head = numpy.frombuffer(os.pread(memory, 1 << 20, 0)[-array.nbytes :])
    assert (head == array).all()
    os.close(memory)


@needs_numpy
@pytest.mark.parametrize("size", [1, 7, 8, 64])
def test_the_parts_of_a_mapped_input_are_aligned(one, size):
    arrays = [numpy.full(size, 3, dtype="uint8"), numpy.arange(1_000, dtype="float64")]
    one.start(functions.alignments, Input(0), inputs=[Mapped(pack(arrays))])
    values, alignments = one.result()
    assert (values[1] == arrays[1]).all()
    assert alignments == [0, 0]


@needs_numpy
def test_a_large_result_is_in_sealed_memory_and_its_buffers_are_aligned(one):
    array = numpy.arange(300_000, dtype="float64")
    one.start(operator.add, Input(0), 1, inputs=[pack(array)])
    kind, body = one.frames.read()
    assert kind == protocol.ALLOCATE
    kind, body = one.allow(body)
    assert kind == protocol.DONE_MAPPED
    parts, pickled, size = struct.unpack_from("<IQQ", body, 8)
    assert (parts, size, pickled % 64) == (2, array.nbytes, 0)
    memory = one.take_memory()
    for change in (lambda: os.write(memory, b"x"), lambda: os.ftruncate(memory, 1), lambda: os.pwrite(memory, b"x", 0)):
        with pytest.raises(OSError):
            change()
    assert (unpack(body[8:] + os.pread(memory, pickled + size, 0)) == array + 1).all()
    os.close(memory)


@needs_numpy
def test_a_part_of_an_array_is_a_buffer():
    """Items that do not lie together are copied once, and not into the pickle."""
    first, *buffers = packing.pack(numpy.ones((300, 402))[:, 1:-1])
    assert len(first) < 1_000 and [len(buffer) for buffer in buffers] == [300 * 400 * 8]
    assert (pickle.loads(first, buffers=buffers) == 1).all()


def test_a_large_result_without_memory_is_sent(one):
    array = numpy.arange(300_000, dtype="float64")
    one.start(operator.add, Input(0), 1, inputs=[pack(array)])
    kind, body = one.allow(one.frames.read()[1], answer=b"\0")
    assert kind == protocol.DONE
    assert (unpack(body[8:]) == array + 1).all()


@needs_numpy
def test_an_input_that_a_function_keeps_does_not_change_later(one):
    first, second = numpy.zeros(200_000), numpy.ones(200_000)
    one.start(functions.keep, Input(0), inputs=[Mapped(pack(first))])
    assert one.result() == 0
    one.start(functions.keep, Input(0), inputs=[Mapped(pack(second))])
    assert one.result() == 0


@needs_numpy
def test_a_result_is_copied_before_the_next_call_writes_to_it(one):
    one.call(functions.count_in_one_array)
    one.send(b"".join(one.encode_run(functions.count_in_one_array) for _ in range(100)))
    assert [one.result(ticket)[0] for ticket in range(2, 102)] == list(range(2, 102))


# Exceptions.


def test_an_exception_is_sent_with_its_frames(one):
    raised = one.raises(functions.fail, ValueError, "no such thing")
    assert raised.text == "ValueError: no such thing"
    assert raised.flags == 1
    assert isinstance(raised.error, ValueError)
    assert raised.error.args == ("no such thing",)
    assert [(Path(name).name, function) for name, _, function, _ in raised.frames] == [("runner_functions.py", "fail")]
    assert raised.frames[0][3] == "raise kind(*args)"
    assert "_partita_runner" not in raised.traceback
    assert raised.traceback.startswith("Traceback")
    assert one.call(functions.add, 1) == 1


def test_the_cause_of_an_exception_is_sent_with_its_frames(one):
    raised = one.raises(functions.fail_from, KeyError("the first"), ValueError)
    assert isinstance(raised.error, ValueError)
    ((pickled, text, frames, is_cause),) = raised.causes
    assert pickle.loads(pickled).args == ("the first",)
    assert text == "KeyError: 'the first'"
    assert [frame[3] for frame in frames] == ["raise cause"]
    assert is_cause


@pytest.mark.parametrize("is_shown", [True, False])
def test_the_context_of_an_exception_is_sent_unless_it_is_suppressed(one, is_shown):
    raised = one.raises(functions.fail_while_handling, KeyError("the first"), ValueError, is_shown)
    assert [(text, is_cause) for _, text, _, is_cause in raised.causes] == [("KeyError: 'the first'", False)] * is_shown


def test_a_cause_that_cannot_be_pickled_is_sent_as_text(one):
    raised = one.raises(functions.fail_with_unpicklable_cause)
    assert [(pickled, text) for pickled, text, _, _ in raised.causes] == [
        (None, "runner_functions.Unpicklable: it holds a lock")
    ]


def test_a_long_chain_of_causes_is_cut(one):
    raised = one.raises(functions.fail_with_many_causes, 2 * exceptions.CAUSES_MAX)
    assert len(raised.causes) == exceptions.CAUSES_MAX


def test_an_exception_that_cannot_be_pickled_is_sent_as_text(one):
    raised = one.raises(functions.fail_unpicklable)
    assert raised.flags == 0
    assert raised.text == "runner_functions.Unpicklable: it holds a lock"


def test_an_exception_is_sent_without_an_attribute_that_cannot_be_pickled(one):
    raised = one.raises(functions.fail, functions.Locked)
    assert type(raised.error) is functions.Locked
    assert vars(raised.error) == {"__notes__": ["left out, since they cannot be sent: lock"]}


def test_an_exception_whose_message_fails_is_sent(one):
    raised = one.raises(functions.fail, functions.Unprintable)
    assert raised.text.startswith("runner_functions.Unprintable")


@needs_cloudpickle
def test_an_exception_of_a_class_of_main_is_pickled_by_value(one):
    source = "class Own(Exception):\n    pass\ndef fail():\n    raise Own('mine')\n"
    main = type(sys)("__main__")
    exec(source, main.__dict__)
    kept, sys.modules["__main__"] = sys.modules["__main__"], main
    try:
        pickled = cloudpickle.dumps(main.fail)
    finally:
        sys.modules["__main__"] = kept
    one.send(one.encode_function(None, "fail", pickled))
    raised = one.raises("fail")
    assert raised.text == "Own: mine"
    assert type(raised.error).__name__ == "Own"
    assert raised.error.args == ("mine",)


def test_a_long_message_and_a_deep_traceback_are_shortened(one):
    raised = one.raises(functions.fail, ValueError, "x" * (2 << 20))
    assert len(raised.text) == errors.TEXT_MAX
    assert len(raised.traceback.encode()) <= 64 << 10
    assert type(raised.error) is ValueError and len(str(raised.error)) < exceptions.ARGUMENT_TEXT_MAX + 100
    raised = one.raises(functions.fail_deep, 900)
    assert isinstance(raised.error, KeyError)
    assert len(raised.frames) == 2 * errors.FRAMES_MAX
    assert isinstance(one.raises(functions.fail_deep, 1 << 20).error, RecursionError)


def test_arguments_that_cannot_be_unpickled_fail_the_call(one):
    data = one.encode_run(functions.add, functions.Unprintable).replace(b"Unprintable", b"Unprintablx")
    one.send(data)
    with pytest.raises(Raised) as caught:
        one.result()
    assert caught.value.flags == 1
    assert isinstance(caught.value.error, AttributeError)


def test_a_result_that_cannot_be_pickled_is_a_type_error(one):
    raised = one.raises(functions.make_generator)
    assert isinstance(raised.error, TypeError)
    assert "the result of make_generator, of type generator" in raised.text
    assert one.call(functions.add, 1) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, StopIteration])
def test_exceptions_that_end_programs_fail_only_the_call(one, kind):
    assert type(one.raises(functions.fail, kind, 3).error) is kind
    assert isinstance(one.raises(sys.exit, 1).error, SystemExit)
    assert one.call(functions.add, 1) == 1


# Interrupts.


@pytest.mark.parametrize("function", [functions.spin, functions.sleep_long])
def test_an_interrupt_ends_a_call(one, tmp_path, function):
    path = tmp_path / "started"
    one.start(function, str(path))
    until(path.exists)
    os.kill(one.pid, signal.SIGINT)
    with pytest.raises(Raised) as caught:
        one.result()
    assert isinstance(caught.value.error, KeyboardInterrupt)
    # The process says that it may serve others.
    assert caught.value.flags & 4
    assert one.call(functions.add, 1) == 1


def test_an_interrupt_of_an_import_is_told(one, tmp_path):
    """Modules that were half imported stay broken: the worker must not give the process another call."""
    started = tmp_path / "started"
    text = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(60)\n"
    (tmp_path / "slow_module_of_a_test.py").write_text(text)
    one.start(functions.import_module, str(tmp_path), "slow_module_of_a_test")
    until(started.exists)
    ended = threading.Event()

    def interrupt():
        # As the worker does it: the first one may come in a callback of the import system, which ignores exceptions.
        os.kill(one.pid, signal.SIGINT)
        while not ended.wait(0.2):
            os.kill(one.pid, signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    try:
        with pytest.raises(Raised) as caught:
            one.result()
    finally:
        ended.set()
        sender.join()
    assert isinstance(caught.value.error, KeyboardInterrupt)
    assert not caught.value.flags & 4


def test_an_interrupt_runs_finally(one, tmp_path):
    path = tmp_path / "started"
    one.start(functions.clean_up_when_interrupted, str(path))
    until(path.exists)
    os.kill(one.pid, signal.SIGINT)
    with pytest.raises(Raised):
        one.result()
    assert path.read_text() == "finally"


def test_interrupts_between_calls_are_ignored(one):
    for _ in range(20):
        os.kill(one.pid, signal.SIGINT)
    assert one.call(functions.add, 1) == 1
    os.kill(one.pid, signal.SIGTERM)
    assert one.call(functions.add, 1) == 1


def test_interrupts_at_any_moment_leave_one_answer_for_each_call(one):
    """A thousand interrupts while ten thousand calls run: every ticket is answered once, in order."""
    calls = 10_000
    data = b"".join(one.encode_run(functions.add, number) for number in range(calls))
    threading.Thread(target=one.send, args=(data,), daemon=True).start()
    ended = threading.Event()

    def interrupt():
        for _ in range(1_000):
            if ended.wait(0.0001):
                return
            os.kill(one.pid, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    interrupted = 0
    for ticket in range(1, calls + 1):
        try:
            assert one.result(ticket) == ticket - 1
        except Raised as raised:
            assert isinstance(raised.error, KeyboardInterrupt)
            interrupted += 1
    ended.set()
    thread.join()
    assert interrupted < calls
    assert one.call(functions.add, 1) == 1


def test_a_second_interrupt_ends_a_call_that_survived_the_first(one, tmp_path):
    path = tmp_path / "started"
    one.start(functions.survive_an_interrupt, str(path), str(tmp_path / "survived"))
    until(path.exists)
    os.kill(one.pid, signal.SIGINT)
    until((tmp_path / "survived").exists)
    time.sleep(calls.INTERRUPT_SECONDS)
    os.kill(one.pid, signal.SIGINT)
    with pytest.raises(Raised):
        one.result()


def test_a_handler_of_a_function_does_not_outlive_its_call(one, tmp_path):
    one.call(functions.ignore_interrupts)
    path = tmp_path / "started"
    one.start(functions.sleep_long, str(path))
    until(path.exists)
    os.kill(one.pid, signal.SIGINT)
    with pytest.raises(Raised):
        one.result()


# What functions do to their process.


def test_ten_megabytes_of_output_arrive_on_the_log(one):
    assert one.call(functions.show, "x" * 1_023, 10 << 10) == 10 << 10
    until(lambda: len(one.printed) == 10 << 20)


def test_lines_before_and_after_output_name_its_call(one):
    one.call(functions.add, 1)
    one.call(print, "hello")
    one.call(functions.add, 1)
    one.call(print, "again", end="")
    until(lambda: one.logged == b"\0002\nhello\n\0000\n\0004\nagain\0000\n")


def test_a_call_that_fails_tells_its_arguments_in_short(one):
    raised = one.raises(functions.add, 3, "x" * 1_000, [1, 2], key=Input(0), inputs=[pack(b"12")])
    text = repr("x" * 100)
    assert raised.arguments == f"3, {text[:100]}..., list of 2, key=b'12'"


def test_output_is_text_in_utf_8(one):
    one.call(functions.show, "Grüße\ud800")
    until(lambda: one.printed.endswith(b"\n"))
    assert one.printed.decode() == "Grüße\\ud800\n"


def test_output_of_c_code_arrives_after_the_call(one):
    one.call(functions.show_from_c, "from C")
    until(lambda: one.printed == b"from C\n")


def test_a_forked_process_that_returns_does_not_answer(one):
    assert one.call(functions.fork_and_return) == 0
    assert one.call(functions.fork_and_exit, 3) == 3
    assert one.call(functions.add, 1) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_function_may_use_multiprocessing(one, method):
    assert one.call(functions.use_pool, method) == [1, 2, 3]
    assert one.call(functions.add, 1) == 1


def test_a_function_may_use_processes(one):
    assert one.call(functions.use_process_pool) == [1, 2, 3]
    assert one.call(functions.use_subprocess, "print(5)") == "5\n"
    for _ in range(20):
        assert one.call(functions.terminate_child) == -signal.SIGTERM


def test_processes_of_a_function_end_with_the_runner(zygote, one):
    orphan = one.call(functions.start_orphan)
    assert is_alive(orphan)
    one.frames.connection.close()
    assert zygote.wait_for_end(one) == 0
    until(lambda: not is_alive(orphan))


def test_an_exit_of_the_process_is_reported_and_another_runner_is_forked(zygote, one):
    one.start(os._exit, 5)
    status = zygote.wait_for_end(one)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 5
    assert zygote.fork().call(functions.add, 1) == 1


def test_a_crash_is_reported_with_its_stack(zygote, one):
    one.start(functions.crash)
    status = zygote.wait_for_end(one)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV
    one.thread.join(PATIENCE)
    assert b"Segmentation fault" in one.printed
    assert b"in crash" in one.printed
    assert zygote.fork().call(functions.add, 1) == 1


@pytest.mark.parametrize("close", [functions.close_descriptors, functions.close_streams])
def test_closed_streams_are_opened_again(one, close):
    one.call(close)
    one.call(functions.show, "still here")
    until(lambda: one.printed.endswith(b"still here\n"))
    assert one.call(functions.process_state)["stdin"] == "/dev/null"


def test_a_change_of_folder_lasts(one, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    one.call(os.chdir, str(folder))
    assert one.call(os.getcwd) == str(folder)
    folder.rmdir()
    assert one.call(functions.add, 1) == 1


def test_threads_of_a_function_neither_stop_calls_nor_the_end(zygote, one):
    one.call(functions.start_thread, 600)
    assert one.call(functions.count_threads) == 2
    one.frames.connection.close()
    assert zygote.wait_for_end(one) == 0


def test_the_process_of_a_runner_is_clean(zygote, one):
    state = one.call(functions.process_state)
    assert state["pid"] == state["group"] == one.pid
    assert state["main"] == []
    assert state["omp"] == os.environ.get("OMP_NUM_THREADS", "1")
    assert state["stdin"] == "/dev/null"
    assert state["threads"] == 1
    low = [number for number in state["descriptors"] if number < 10]
    # The last one is the folder that the function itself lists.
    assert low in ([0, 1, 2, 3], [0, 1, 2, 3, 4])
    assert state["path"].count(str(SCRIPTS)) == 1
    assert not any("scratch" in entry for entry in state["path"])


@needs_numpy
def test_runners_draw_different_random_numbers(zygote):
    assert len({zygote.fork().call(functions.draw) for _ in range(3)}) == 3


# The zygote.


def test_the_zygote_describes_itself(zygote):
    assert zygote.answer["version"] == "{}.{}.{}".format(*sys.version_info)
    assert zygote.answer["pid"] == zygote.process.pid
    assert Path(zygote.answer["executable"]).exists()
    assert zygote.answer["cloudpickle"] == getattr(cloudpickle, "__version__", None)


def test_no_process_is_left_when_the_socket_of_the_zygote_closes(zygote, tmp_path):
    runners = [zygote.fork() for _ in range(3)]
    orphan = runners[0].call(functions.start_orphan)
    runners[1].start(functions.spin, str(tmp_path / "started"))
    until((tmp_path / "started").exists)
    assert zygote.close() == 0
    until(lambda: not is_alive(orphan))


def test_no_runner_is_left_when_the_zygote_is_killed(zygote, tmp_path):
    one = zygote.fork()
    one.start(functions.sleep_long, str(tmp_path / "started"))
    until((tmp_path / "started").exists)
    zygote.process.kill()
    until(lambda: not is_alive(one.pid))


def test_the_zygote_ignores_signals_of_the_terminal(zygote):
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(zygote.process.pid, number)
    assert zygote.fork().call(functions.add, 1) == 1


def test_many_runners_are_forked_and_end(zygote):
    runners = [zygote.fork() for _ in range(30)]
    for one in runners:
        one.start(os._exit, one.number)
    for one in runners:
        assert os.WEXITSTATUS(zygote.wait_for_end(one)) == one.number


def test_runners_that_are_killed_at_random_moments_answer_in_order_until_then(zygote):
    """Their answers are those of the first calls, without a gap and without a wrong one."""
    moments = random.Random(0)
    for _ in range(KILLED_RUNNERS):
        one = zygote.fork()
        one.send(b"".join(one.encode_run(functions.add, number, 1) for number in range(500)))
        time.sleep(moments.random() * 0.01)
        os.kill(one.pid, signal.SIGKILL)
        results = []
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                results.append(one.result(len(results) + 1))
        assert results == list(range(1, len(results) + 1))
        assert os.WTERMSIG(zygote.wait_for_end(one)) == signal.SIGKILL
    assert zygote.fork().call(functions.add, 1) == 1


def test_a_folder_that_does_not_exist_is_reported_and_not_used(tmp_path):
    zygote = Zygote(tmp_path, cwd="/no/such/folder")
    assert zygote.kind == protocol.ZYGOTE_READY
    assert zygote.fork().call(os.getcwd) == zygote.answer["cwd"] == os.getcwd()
    zygote.close()
    assert "cannot use the client's folder '/no/such/folder'" in zygote.output()


def test_another_version_of_python_is_refused(tmp_path):
    zygote = Zygote(tmp_path, python=[3, 2])
    assert zygote.kind == protocol.FAILED
    assert "the client runs Python 3.2" in zygote.answer
    assert sys.executable in zygote.answer
    assert zygote.close() == 1


def test_an_invalid_message_ends_the_zygote(tmp_path):
    zygote = Zygote(tmp_path)
    zygote.frames.connection.sendall(frame(99, b""))
    with pytest.raises(EOFError):
        zygote.frames.read()
    assert zygote.close() == protocol.EXIT_PROTOCOL
    assert "frame of kind 99" in zygote.output()


def test_the_zygote_has_one_thread_whatever_it_imports(tmp_path):
    zygote = Zygote(tmp_path, preload=["numpy", "pandas", "pyarrow"])
    assert len(os.listdir(f"/proc/{zygote.process.pid}/task")) == 1
    zygote.close()


def test_modules_that_start_threads_are_named(tmp_path):
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (tmp_path / "starts_thread.py").write_text(source)
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    zygote = Zygote(tmp_path, sys_path=[str(SCRIPTS), str(tmp_path)], preload=["exits", "json", "starts_thread"])
    assert zygote.answer["threading"] == ["starts_thread"]
    assert zygote.fork().call(functions.count_threads) == 1
    zygote.close()
    assert "cannot import exits" in zygote.output()


def test_modules_of_a_user_may_be_called_as_those_of_the_runner(tmp_path):
    names = [source.stem for source in SOURCE.glob("[a-z]*.py")]
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"print('the {name} of the user')\n")
    zygote = Zygote(tmp_path, sys_path=[str(SCRIPTS), str(tmp_path)], preload=names)
    assert zygote.fork().call(functions.add, 1) == 1
    zygote.close()
    assert len(names) > 5 and all(f"the {name} of the user" in zygote.output() for name in names)


def test_a_python_that_does_not_look_beside_the_started_file_runs_functions(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    zygote = Zygote(tmp_path)
    assert zygote.fork().call(functions.add, 1) == 1
    zygote.close()


def test_variables_and_modules_of_init_are_used(tmp_path):
    zygote = Zygote(tmp_path, env={"PARTITA_TEST": "x", "OMP_NUM_THREADS": "3"}, preload=["decimal", "no_such_module"])
    one = zygote.fork()
    assert one.call(os.getenv, "PARTITA_TEST") == "x"
    assert one.call(functions.process_state)["omp"] == "3"
    zygote.close()


# The framing of what is larger than any test can send.


def test_a_long_frame_has_a_long_length(monkeypatch):
    monkeypatch.setattr(protocol, "LONG_FRAME", 10)
    assert protocol.encode_frame(2, b"x" * 9) == struct.pack("<IB", 10, 2) + b"x" * 9
    data = protocol.encode_frame(2, b"x" * 10)
    assert data == struct.pack("<IQB", 0xFFFFFFFF, 11, 2) + b"x" * 10
    cursor = protocol.Cursor(data)
    assert protocol.read_head(cursor) == (10, 2)
    assert cursor.take(10) == b"x" * 10


def test_a_value_whose_lengths_do_not_match_is_refused():
    data = pack([1])
    with pytest.raises(protocol.ProtocolError):
        protocol.read_packed(protocol.Cursor(data), len(data) + 1)


@needs_numpy
def test_parts_of_every_size_are_read_from_a_socket(monkeypatch):
    monkeypatch.setattr(protocol, "READ_SIZE", 1_000)
    monkeypatch.setattr(protocol, "MAPPED_PART", 4_000)
    own, other = socket.socketpair()
    values = [numpy.arange(size, dtype="uint8") for size in (0, 1, 999, 1_000, 1_001, 3_999, 4_000, 70_001)]
    data = pack(values)
    thread = threading.Thread(target=own.sendall, args=(data,))
    thread.start()
    first, *buffers = protocol.read_packed(protocol.Reader(other, lambda: None), len(data))
    thread.join()
    read = pickle.loads(first, buffers=buffers)
    assert all((a == b).all() and a.flags.writeable for a, b in zip(read, values))
    own.close()
    other.close()
