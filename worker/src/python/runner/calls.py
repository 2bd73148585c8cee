"""The runner: a process that executes calls and answers them."""

import contextlib
import json
import os
import pickle
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types

try:
    from _signal import getsignal  # Without the conversion to an enumeration: a tenth of the time.
except ImportError:
    from signal import getsignal

from . import output
from .errors import describe, describe_arguments, user_traceback, was_importing
from .exceptions import encode_raised
from .functions import Function, Inputs, run_coroutine
from .memory import libc, map_parts, write_memory
from .output import end_output, flush_streams, reopen_descriptors
from .packing import pack
from .protocol import (
    ALLOCATE,
    DONE,
    DONE_HEAD,
    DONE_MAPPED,
    FORGET,
    FUNCTION,
    HAS_KERNELS,
    INPUT_HEAD,
    IS_FUNCTION_BROKEN,
    IS_INTERRUPT,
    MAPPED_INPUT,
    NO_INPUTS,
    RAISED,
    READY,
    REJOIN,
    RUN,
    RUN_HEAD,
    SECEDE,
    SLOT,
    U32,
    U64,
    Cursor,
    ProtocolError,
    Reader,
    encode_frame,
    frame_head,
    read_head,
    read_packed,
)

#: Answers are written when this many bytes have gathered.
GATHERED_BYTES = 64 << 10
#: Answers are written when the first of them is this old, in seconds.
GATHERED_SECONDS = 0.001
#: Least time between two interrupts of a call, in seconds. C code may lose the first one.
INTERRUPT_SECONDS = 0.05
#: Maximum number of functions that a runner keeps.
FUNCTIONS_MAX = 1_000
#: Results of at least this many bytes are answered with memory of their own.
MAPPED_RESULT = 1 << 20
#: Alignment of the first buffer in such memory, in bytes.
MAPPED_ALIGNMENT = 64

#: This package, where others look for the current call.
package = sys.modules[__spec__.parent]


def ignore_signal(*_):
    """Handle a signal by doing nothing. Unlike SIG_IGN, programs that are executed do not inherit it."""


class Runner:
    """Executes calls and answers them, in the order in which they come."""

    def __init__(self, connection, log, descriptors):
        self.connection = connection
        #: The socket that carries descriptors.
        self.descriptors = descriptors
        #: A copy of the descriptor of standard output, in case a function closes that.
        self.log = log
        self.is_interruptible = False
        self.was_interrupted = False
        self.next_interrupt = 0.0
        self.ignores_sigterm = False
        self.is_forked = False
        self.functions = {}
        self.inputs = Inputs()
        #: The arguments of the current call.
        self.arguments = (), {}
        #: Threads of functions may flush.
        self.lock = threading.Lock()
        self.thread = threading.get_ident()
        self.gathered = []
        self.gathered_bytes = 0
        self.gathered_since = 0.0
        self.last_end = 0.0
        self.reader = Reader(connection, self.flush)

    # Signals and processes.

    def interrupt(self, *_):
        """Handle SIGINT: raise KeyboardInterrupt in a call, and only there."""
        now = time.monotonic()
        if self.is_interruptible and now >= self.next_interrupt:
            self.next_interrupt = now + INTERRUPT_SECONDS
            self.was_interrupted = True
            raise KeyboardInterrupt

    def prepare_fork(self):
        """Let SIGTERM end a process that is forked, from its first instruction on: a process may be ended at once."""
        self.ignores_sigterm = getsignal(signal.SIGTERM) is ignore_signal
        if self.ignores_sigterm:
            # Only the main thread may set handlers.
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def continue_after_fork(self):
        """Ignore SIGTERM again."""
        if self.ignores_sigterm:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, ignore_signal)

    def enter_fork(self):
        """Give up the protocol in a process that a function forked."""
        self.is_forked = True
        self.is_interruptible = False
        self.lock = threading.Lock()
        self.gathered = []
        for end in (self.connection, self.descriptors):
            with contextlib.suppress(OSError):
                end.close()
        if getsignal(signal.SIGINT) == self.interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def leave_fork(self, error):
        """End a process that a function forked and that returned from the function."""
        status = 0 if error is None else 1
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            traceback.print_exception(type(error), error, user_traceback(error))
        flush_streams()
        os._exit(status & 0xFF)

    # Answers.

    def flush(self):
        """Write the answers that have gathered. Functions call it, in any thread, before they wait for another task."""
        if threading.get_ident() != self.thread:
            self.write_gathered()
            return
        # An interrupt in the middle of an answer would garble it.
        is_interruptible, self.is_interruptible = self.is_interruptible, False
        self.write_gathered()
        self.is_interruptible = is_interruptible

    def write_gathered(self):
        """Write the answers that have gathered, if any."""
        with self.lock:
            if self.gathered:
                data = b"".join(self.gathered)
                self.gathered, self.gathered_bytes = [], 0
                reopen_descriptors(self.log)
                self.connection.sendall(data)

    def answer(self, *chunks):
        """Add an answer to those that are written together."""
        with self.lock:
            if not self.gathered:
                self.gathered_since = self.last_end
            for chunk in chunks:
                self.gathered.append(chunk)
                self.gathered_bytes += len(chunk)
        if self.gathered_bytes >= GATHERED_BYTES or self.last_end - self.gathered_since >= GATHERED_SECONDS:
            self.flush()

    def answer_done(self, ticket, parts):
        """Answer with a packed value."""
        if len(parts) == 1 and len(parts[0]) < GATHERED_BYTES:
            size = len(parts[0])
            # The length counts what follows its own field.
            length = DONE_HEAD.size - U32.size + size
            self.answer(DONE_HEAD.pack(length, DONE, ticket, 1, size), parts[0])
            return
        lengths = [len(part) for part in parts]
        if sum(lengths) >= MAPPED_RESULT and self.answer_mapped(ticket, parts):
            return
        head = U64.pack(ticket) + struct.pack(f"<I{len(parts)}Q", len(parts), *lengths)
        self.answer(frame_head(DONE, len(head) + sum(lengths)), head)
        for part in parts:
            if len(part) < GATHERED_BYTES:
                # A copy, since the next call may write to the buffer.
                self.answer(bytes(part))
            else:
                # Large parts are written without a copy.
                self.flush()
                self.connection.sendall(part)

    def answer_mapped(self, ticket, parts):
        """Answer with memory that has the parts of a value. Return whether that was possible."""
        self.flush()
        # The worker makes room in its memory first.
        self.connection.sendall(encode_frame(ALLOCATE, U64.pack(sum(map(len, parts)))))
        if self.descriptors.recv(1) != b"\1":
            return False
        if len(parts) > 1:
            # Zeros after a pickle are ignored. They align the buffers.
            parts = [bytes(parts[0]) + bytes(-len(parts[0]) % MAPPED_ALIGNMENT), *parts[1:]]
        descriptor = write_memory(parts)
        if descriptor is None:
            return False
        lengths = [len(part) for part in parts]
        body = U64.pack(ticket) + struct.pack(f"<I{len(parts)}Q", len(parts), *lengths)
        try:
            # Before the frame that speaks of it.
            socket.send_fds(self.descriptors, [b"\0"], [descriptor])
        finally:
            os.close(descriptor)
        self.answer(encode_frame(DONE_MAPPED, body))
        return True

    # Calls.

    def evaluate(self, ticket, number, arguments):
        """Call a function. Return its result, packed."""
        output.latest = ticket
        entry = self.functions.get(number)
        if entry is None:
            raise RuntimeError(f"internal error: function {number} was not sent")
        function = entry.function or entry.load()
        (count,) = U32.unpack_from(arguments)
        if count:
            has_kernels, count = count & HAS_KERNELS, count & ~HAS_KERNELS
            numbers = struct.unpack_from(f"<{2 * count}I", arguments, U32.size)
            self.inputs.references = tuple(zip(numbers[::2], numbers[1::2]))
            start = U32.size + 8 * count
            if has_kernels:
                # The worker ran them, if it could.
                start += U32.size + U32.unpack_from(arguments, start)[0]
            args, kwargs = pickle.loads(memoryview(arguments)[start:])
        else:
            args, kwargs = pickle.loads(memoryview(arguments)[U32.size :])
        self.arguments = args, kwargs
        # The protocol does not name the task yet.
        package.current = {"stage": None, "index": None, "ticket": ticket, "name": entry.name}
        start = time.perf_counter()
        try:
            value = function(*args, **kwargs)
            if type(value) is types.CoroutineType:
                value = run_coroutine(value)
        finally:
            entry.record_call(time.perf_counter() - start)
            package.current = None
        try:
            return pack(value)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            kind = f"{type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
            raise TypeError(f"cannot pickle the result of {entry.name}, of type {kind}: {describe(error)}") from error

    def run(self, ticket, number, arguments):
        """Execute a call and answer it, however it ends."""
        parts = failure = None
        self.was_interrupted = False
        entry = self.functions.get(number)
        if entry is None or entry.quick_calls <= 0:
            # Answers that have gathered must not wait for a slow function.
            self.flush()
        try:
            try:
                self.is_interruptible = True
                parts = self.evaluate(ticket, number, arguments)
            finally:
                self.is_interruptible = False
        except BaseException as error:
            # If this is the interrupt of the line above, the next one comes later than this.
            self.is_interruptible = False
            failure = error
        if self.is_forked:
            self.leave_fork(failure)
        self.restore_process(entry is not None and entry.quick_calls > 0)
        self.reader.keeps_memory = True
        self.last_end = time.perf_counter()
        if failure is None:
            self.answer_done(ticket, parts)
        else:
            # A function that is not loaded could not be unpickled.
            flags = IS_FUNCTION_BROKEN if entry is None or entry.function is None else 0
            if self.was_interrupted and type(failure) is KeyboardInterrupt and not was_importing(failure):
                flags |= IS_INTERRUPT
            described = describe_arguments(*self.arguments)
            self.answer(encode_frame(RAISED, encode_raised(ticket, failure, flags, described)))
            # The frames of the traceback hold the variables of the function. Some classes refuse to set attributes.
            failure.with_traceback(None)
        self.arguments = (), {}
        self.inputs.clear()

    def restore_process(self, was_quick):
        """Undo what a function may have done to the streams and the handler of SIGINT."""
        if getsignal(signal.SIGINT) != self.interrupt:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGINT, self.interrupt)
        flush_streams()
        if output.printing:
            end_output(self.log)
        if not was_quick:
            # System calls, which take longer than a quick call.
            reopen_descriptors(self.log)
            if libc is not None:
                # What C code printed.
                libc.fflush(None)

    # The slot.

    def secede(self):
        """Give the slot of the current call back: it waits for other calls, which may run there meanwhile."""
        if not self.ask_for_slot(SECEDE):
            raise RuntimeError("too many calls of this worker have given their slot back; use fewer nested calls")

    def rejoin(self):
        """Wait for a slot for the current call, which had given its own back."""
        if not self.ask_for_slot(REJOIN):
            raise RuntimeError("this call has not given its slot back")

    def ask_for_slot(self, kind):
        """Ask the worker for a change of the slot. Return whether it was made."""
        if package.current is None or threading.get_ident() != self.thread or self.is_forked:
            raise RuntimeError("only a function that runs on a worker, in its main thread, has a slot")
        self.flush()
        is_interruptible, self.is_interruptible = self.is_interruptible, False
        try:
            self.connection.sendall(encode_frame(kind, U64.pack(package.current["ticket"])))
        finally:
            self.is_interruptible = is_interruptible
        # An interrupt may come while this waits, but not in the middle of the answer.
        if not self.reader.has_more:
            select.select([self.connection], [], [])
        self.is_interruptible = False
        try:
            while True:
                length, kind = read_head(self.reader)
                body = self.reader.take(length)
                if kind == SLOT:
                    return body != b"\0"
                # The worker gives calls that were to follow to others when it hears that this one waits.
                if kind == FUNCTION:
                    self.read_function(body)
                elif kind == FORGET:
                    self.functions.pop(*U32.unpack(body), None)
                elif kind != RUN:
                    raise ProtocolError(f"expected the answer about a slot, got a frame of kind {kind}")
        finally:
            self.is_interruptible = is_interruptible

    # Messages.

    def read_run(self, source, length):
        """Read the body of a RUN frame, of `length` bytes, and execute it."""
        ticket, number, size = RUN_HEAD.unpack(source.take(RUN_HEAD.size))
        arguments = source.take(size)
        (count,) = U32.unpack(source.take(U32.size))
        length -= RUN_HEAD.size + size + U32.size
        for _ in range(count):
            stage, index, size = INPUT_HEAD.unpack(source.take(INPUT_HEAD.size))
            if size & MAPPED_INPUT:
                size &= ~MAPPED_INPUT
                self.inputs.packed[stage, index] = self.read_mapped(source, size)
            else:
                self.inputs.packed[stage, index] = read_packed(source, size)
            length -= INPUT_HEAD.size + size
        if length != 0:
            raise ProtocolError("the length of a call does not match")
        self.run(ticket, number, arguments)

    def read_mapped(self, source, length):
        """Read the lengths of an input, in `length` bytes, and map its parts."""
        (count,) = U32.unpack(source.take(U32.size))
        if count == 0 or length != U32.size + U64.size * count:
            raise ProtocolError("the lengths of a value do not match")
        lengths = struct.unpack(f"<{count}Q", source.take(U64.size * count))
        mark, descriptors, _, _ = socket.recv_fds(self.descriptors, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not mark:
            raise EOFError
        try:
            return map_parts(descriptors[0], lengths)
        finally:
            os.close(descriptors[0])

    def read_function(self, body):
        """Read the body of a FUNCTION frame."""
        source = Cursor(body)
        number, length = struct.unpack("<II", source.take(8))
        name = bytes(source.take(length)).decode("utf-8", "replace")
        if len(self.functions) >= FUNCTIONS_MAX and number not in self.functions:
            raise ProtocolError(f"more than {FUNCTIONS_MAX} functions")
        self.functions[number] = Function(name, bytes(source.data[source.at :]))

    def serve(self):
        """Execute calls until the worker closes the socket."""
        ready = {"pid": os.getpid()}
        self.connection.sendall(encode_frame(READY, json.dumps(ready).encode()))
        reader = self.reader
        while True:
            length, kind = read_head(reader)
            if kind == RUN and length > GATHERED_BYTES:
                # The parts of a large call are read into buffers of their own.
                self.read_run(reader, length)
            elif kind == RUN:
                body = reader.take(length)
                if body[-4:] == NO_INPUTS:
                    # The usual call, without a cursor. The end of an input may look like this, too.
                    ticket, number, size = RUN_HEAD.unpack_from(body)
                    if length == RUN_HEAD.size + size + U32.size:
                        self.run(ticket, number, body[RUN_HEAD.size : -U32.size])
                        continue
                self.read_run(Cursor(body), length)
            elif kind == FUNCTION:
                self.read_function(reader.take(length))
            elif kind == FORGET:
                self.functions.pop(*U32.unpack(reader.take(length)), None)
            else:
                raise ProtocolError(f"unknown kind of frame {kind}")
