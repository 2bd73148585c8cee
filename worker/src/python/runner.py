"""Runs Python functions for a worker: a zygote process and the runners that it forks.

The worker starts ``python runner.py DESCRIPTOR``, where the descriptor is one end of a Unix stream
socket pair. This process, the zygote, imports modules once, runs no function of a user, and starts
no thread. On request it forks a runner, which takes about a millisecond. A runner executes one
function at a time, in its main thread, and answers on a socket of its own.

Large values do not pass through the socket: they are in memory of their own, whose descriptor passes through
a second socket. A runner maps such an input privately, so that a function may write to it.

All messages are frames: the length of the rest as u32, a kind as u8, and a body; integers are little
endian. A length of 0xFFFFFFFF means that the real length follows as u64. A packed value is the number
of its parts as u32, their lengths as u64 each, and the parts: a pickle, then its out-of-band buffers.

This file needs only the standard library. cloudpickle, numpy and others are used if they are installed.
"""

import sys
import types

if __name__ == "__main__":
    # Functions and classes of a user's script claim to be from `__main__`. That module stays empty here,
    # so that pickle never mistakes a name of this file for one of theirs.
    __name__ = "_partita_runner"
    sys.modules[__name__] = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")

import atexit
import builtins
import collections
import contextlib
import copyreg
import faulthandler
import fcntl
import functools
import gc
import importlib
import io
import json
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import threading
import time
import traceback

try:
    from _signal import getsignal  # Without the conversion to an enumeration: a tenth of the time.
except ImportError:
    from signal import getsignal

try:
    import ctypes

    libc = ctypes.CDLL(None)
except Exception:
    libc = None

#: Kinds of frames from the worker to the zygote, and back.
INIT, FORK, SIGNAL = 1, 2, 3
ZYGOTE_READY, FAILED, FORKED, EXITED = 1, 2, 3, 4
#: Kinds of frames from the worker to a runner, and back.
FUNCTION, RUN, FORGET, SLOT = 1, 2, 3, 4
READY, DONE, RAISED, SECEDE, REJOIN, DONE_MAPPED, ALLOCATE = 1, 2, 3, 4, 5, 6, 7
#: Flags of RAISED.
IS_PICKLED, IS_FUNCTION_BROKEN, IS_INTERRUPT = 1, 2, 4

#: Length field of a frame whose real length follows as u64.
LONG_LENGTH = 0xFFFFFFFF
#: Frames above this length, in bytes, are written with a u64 length.
LONG_FRAME = 1 << 30
#: Maximum number of bytes of one read. Longer frames are read part by part.
READ_SIZE = 256 << 10
#: Parts of at least this many bytes are read into pages of their own.
MAPPED_PART = 1 << 20
#: Answers are written when this many bytes have gathered.
GATHERED_BYTES = 64 << 10
#: Answers are written when the first of them is this old, in seconds.
GATHERED_SECONDS = 0.001
#: A call below this duration, in seconds, is quick: its answer may wait for the next one.
QUICK_SECONDS = 0.0001
#: Number of quick calls after which a function with a slow call counts as quick.
QUICK_CALLS = 256
#: Least time between two interrupts of a call, in seconds. C code may lose the first one.
INTERRUPT_SECONDS = 0.05
#: Time without a call after which a runner gives memory that calls freed back to the system, in seconds.
IDLE_SECONDS = 0.1
#: Maximum number of functions that a runner keeps.
FUNCTIONS_MAX = 1_000
#: Maximum length of the text of an exception, in characters.
TEXT_MAX = 4_000
#: First byte of a line that names the call that prints the next lines.
CALL_MARK = 0
#: Such a line. The number 0 stands for no call.
MARKED_LINE = b"%c%d\n"
#: Maximum length of the description of the arguments of a call, and of one of them, in characters.
ARGUMENTS_MAX, ARGUMENT_MAX = 1_000, 100
#: Maximum length of the text of a traceback, in characters of at most 4 bytes.
TRACEBACK_MAX = 16 << 10
#: Maximum number of frames of a traceback that are sent with an exception, at either end of it.
FRAMES_MAX = 100
#: Maximum number of exceptions that are sent as the causes of another.
CAUSES_MAX = 20
#: Maximum length of a pickled exception, in bytes.
EXCEPTION_MAX = 1 << 20
#: Maximum length of a pickled attribute of an exception that is too long or cannot be pickled as it is, in bytes.
ATTRIBUTE_MAX = 512 << 10
#: Length at which texts are cut that are arguments of an exception, in characters.
ARGUMENT_TEXT_MAX = 64 << 10
#: Maximum number of exceptions in a group whose frames are sent.
MEMBERS_MAX = 100
#: Attribute with the frames of an exception in a group, until the client has made a traceback of them.
FRAMES_ATTRIBUTE = "_partita_frames"
#: Methods by which a class says how it is pickled.
REDUCTIONS = (
    "__reduce_ex__",
    "__reduce__",
    "__getstate__",
    "__setstate__",
    "__getnewargs_ex__",
    "__getnewargs__",
)
#: Descriptors of attributes that are not in the dictionary of an exception.
MEMBERS = (types.MemberDescriptorType, types.GetSetDescriptorType)
#: Such attributes that are not sent: Python does not pickle the object of an `AttributeError`, which may be anything.
LEFT_OUT = frozenset({"args", "obj"})
LEFT_OUT_OF_GROUPS = LEFT_OUT | {"message", "exceptions"}
#: Flag of classes that are made at run time, as those of Python code are.
HEAP_TYPE = 1 << 9
#: Flag of the number of inputs of a call: after their places come the length and the bytes of a program of kernels.
HAS_KERNELS = 1 << 31
#: Bit of the size of an input: its parts are not in the frame, but in memory whose descriptor follows.
MAPPED_INPUT = 1 << 63
#: Results of at least this many bytes are answered with memory of their own.
MAPPED_RESULT = 1 << 20
#: Alignment of the first buffer in such memory, in bytes.
MAPPED_ALIGNMENT = 64
#: Alignment of buffers that are used where they are, in bytes. Others are copied.
USED_ALIGNMENT = 8
#: Command and flags of `fcntl` that seal memory: nobody can change its length or its content. Python lacks the names
#: where it was built for old systems.
ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x8
#: Flags of `memfd_create`: closed in programs that are executed, and sealable.
MEMFD_FLAGS = 0x1 | 0x2
#: Descriptors of the protocol are moved to the first of these numbers that the limits allow.
DESCRIPTORS = (512, 200, 64, 10)
#: Time for exit handlers of a runner whose worker closed the socket, in seconds.
EXIT_SECONDS = 5
#: Number of sockets of a runner: for frames, for what it prints, and for descriptors.
RUNNER_SOCKETS = 3
#: Maximum number of descriptors that are received at once.
RECEIVED_DESCRIPTORS = 64
#: Exit status of a process that received an invalid message.
EXIT_PROTOCOL = 76
#: Status, as of `os.waitpid`, of a runner that could not be forked.
STATUS_NOT_FORKED = 71 << 8

#: Environment variables that libraries read when they are imported, set unless the user set them. Numeric libraries
#: start no threads, since the runners share the cores; neither does the allocator of pyarrow, since the zygote forks.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

HEAD = struct.Struct("<IB")
LONG_HEAD = struct.Struct("<QB")
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
RUN_HEAD = struct.Struct("<QII")
INPUT_HEAD = struct.Struct("<IIQ")
#: Head of a DONE frame whose value has one part: length, kind, ticket, number of parts, length of the part.
DONE_HEAD = struct.Struct("<IBQIQ")

#: The end of a RUN frame without inputs.
NO_INPUTS = U32.pack(0)

#: Numbers of the latest call, and of the call that the worker was told to print. Both are 0 before the first call.
latest = printing = 0

#: The call that this runner executes: its stage, index, ticket, and function name; None between calls.
current = None

cloudpickle = None


class ProtocolError(Exception):
    """A message of the worker is invalid."""


class UnsuitablePython(Exception):
    """This Python does not fit the client. The text is shown to the user."""


def encode_frame(kind, body):
    """Return a frame as bytes."""
    return frame_head(kind, len(body)) + body


def frame_head(kind, length):
    """Return the start of a frame whose body has `length` bytes."""
    length += 1
    if length > LONG_FRAME:
        return U32.pack(LONG_LENGTH) + LONG_HEAD.pack(length, kind)
    return HEAD.pack(length, kind)


class Reader:
    """Reads from a stream socket. `flush` is called before a read that blocks."""

    def __init__(self, connection, flush):
        self.connection = connection
        self.flush = flush
        self.data = b""
        self.at = 0
        #: Whether calls have freed memory that the process still has.
        self.keeps_memory = False
        self.poll = select.poll()
        self.poll.register(connection, select.POLLIN)

    @property
    def has_more(self):
        """Whether bytes were read that nobody has taken."""
        return self.at < len(self.data)

    def fill(self):
        """Read more bytes, at least one."""
        try:
            chunk = self.connection.recv(READ_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.flush()
            if self.keeps_memory and not self.poll.poll(1000 * IDLE_SECONDS):
                give_memory_back()
                self.keeps_memory = False
            chunk = self.connection.recv(READ_SIZE)
        if not chunk:
            raise EOFError
        self.data = self.data[self.at :] + chunk if self.at < len(self.data) else chunk
        self.at = 0

    def take(self, length):
        """Return the next `length` bytes."""
        if length > READ_SIZE:
            return self.take_writable(length)
        end = self.at + length
        while end > len(self.data):
            self.fill()
            end = self.at + length
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def take_writable(self, length):
        """Return the next `length` bytes as an aligned buffer that the caller may write to."""
        if length >= MAPPED_PART:
            taken = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            taken = bytearray(length)
        have = min(length, len(self.data) - self.at)
        with memoryview(taken) as view:
            view[:have] = self.data[self.at : self.at + have]
            self.at += have
            if have < length:
                self.flush()
            while have < length:
                count = self.connection.recv_into(view[have:])
                if count == 0:
                    raise EOFError
                have += count
        return taken


class Cursor:
    """Reads from bytes as `Reader` does from a socket."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        """Return the next `length` bytes."""
        end = self.at + length
        if end > len(self.data):
            raise ProtocolError("a message ends too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def take_writable(self, length):
        """Return the next `length` bytes as an aligned buffer that the caller may write to."""
        return bytearray(self.take(length))


def read_head(reader):
    """Read the start of a frame. Return the length of its body and its kind."""
    length, kind = HEAD.unpack(reader.take(HEAD.size))
    if length == LONG_LENGTH:
        # The byte that was read as the kind is the first byte of the real length.
        length, kind = LONG_HEAD.unpack(bytes([kind]) + reader.take(LONG_HEAD.size - 1))
    if length == 0:
        raise ProtocolError("a frame is empty")
    return length - 1, kind


def read_packed(source, length):
    """Read a packed value of `length` bytes. Return its parts; the buffers after the first are writable."""
    (count,) = U32.unpack(source.take(U32.size))
    if count == 0:
        raise ProtocolError("a value has no parts")
    lengths = struct.unpack(f"<{count}Q", source.take(U64.size * count))
    if U32.size + U64.size * count + sum(lengths) != length:
        raise ProtocolError("the lengths of a value do not match")
    first = source.take(lengths[0])
    return [first, *(source.take_writable(length) for length in lengths[1:])]


def map_parts(descriptor, lengths):
    """Map the parts of a value that are in the memory of a descriptor. Writing to them changes nothing outside."""
    access = mmap.PROT_READ | mmap.PROT_WRITE
    view = memoryview(mmap.mmap(descriptor, sum(lengths), flags=mmap.MAP_PRIVATE, prot=access))
    parts, start = [], 0
    for length in lengths:
        part = view[start : start + length]
        parts.append(part if start % USED_ALIGNMENT == 0 else bytearray(part))
        start += length
    return parts


def give_memory_back():
    """Give memory that was freed back to the system, where the allocator can."""
    with contextlib.suppress(Exception):
        libc.malloc_trim(0)


def create_memory():
    """Return the descriptor of new memory without a name in the file system."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("partita", MEMFD_FLAGS)
    # A Python that was built for old systems, on one that is not.
    descriptor = libc.memfd_create(b"partita", MEMFD_FLAGS)
    if descriptor < 0:
        raise OSError("cannot create memory")
    return descriptor


def write_memory(parts):
    """Return the descriptor of sealed memory with these parts, or None where that is not possible."""
    try:
        descriptor = create_memory()
    except Exception:
        return None
    try:
        for part in parts:
            view = memoryview(part)
            while len(view):
                view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, ADD_SEALS, SEALS)
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def contiguous(value):
    """Return an array of NumPy whose items do not lie together as one whose do: the pickles of others have no buffers."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.dtype.hasobject:
        return value
    flags = value.flags
    return value if flags.c_contiguous or flags.f_contiguous else numpy.ascontiguousarray(value)


def pack(value):
    """Pickle a value. Return its parts: the pickle, and its buffers as memory views."""
    if isinstance(value, BaseException):
        with contextlib.suppress(Exception):
            return [dump_with(Reduction(None, False), value)]
    buffers = []
    value = contiguous(value)
    try:
        first = pickle.dumps(value, 5, buffer_callback=buffers.append)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException:
        # Also functions and classes of the user's `__main__`, which pickle does not find.
        if cloudpickle is None:
            raise
        buffers = []
        first = cloudpickle.dumps(value, 5, buffer_callback=buffers.append)
    return [first, *(buffer.raw() for buffer in buffers)] if buffers else [first]


def describe(error):
    """Return the type and the message of an exception as one text."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except Exception:
        message = "(the message cannot be shown)"
    return (f"{name}: {message}" if message else name)[:TEXT_MAX]


def was_importing(error):
    """Whether an exception ended an import: modules that were half imported are broken in this process from then on."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_filename == "<frozen importlib._bootstrap>" for frame, _ in frames)


def user_traceback(error):
    """Return the traceback of an exception without the frames of this file at its start."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_globals is globals():
        at = at.tb_next
    return at


def format_user_traceback(error):
    """Return the traceback of an exception as text. The middle of a long one is left out."""
    try:
        text = "".join(traceback.format_exception(type(error), error, user_traceback(error)))
    except Exception:
        return describe(error)
    if len(text) > TRACEBACK_MAX:
        half = TRACEBACK_MAX // 2 - 8
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return text


def list_frames(error):
    """Return the frames of the traceback of an exception: file, line, name of the function, text of the line."""
    summary = traceback.extract_tb(user_traceback(error))
    frames = [(frame.filename, frame.lineno, frame.name, frame.line or "") for frame in summary]
    if len(frames) > 2 * FRAMES_MAX:
        frames[FRAMES_MAX:-FRAMES_MAX] = []
    return frames


def has_own_reduction(kind):
    """Whether the author of an exception class said how its exceptions are pickled."""
    if kind in copyreg.dispatch_table:
        return True
    for name in REDUCTIONS:
        owner = next((one for one in kind.__mro__ if name in vars(one)), None)
        if owner is not None and getattr(builtins, owner.__name__, None) is not owner:
            return True
    return False


def list_attributes(error):
    """Return the attributes of an exception by name: those of its dictionary, of slots, and of classes in C."""
    kind = type(error)
    left_out = LEFT_OUT_OF_GROUPS if is_group(error) else LEFT_OUT
    found = {}
    for base in reversed(kind.__mro__):
        for name, member in vars(base).items():
            if isinstance(member, MEMBERS) and not name.startswith("__") and name not in left_out:
                with contextlib.suppress(AttributeError):
                    value = member.__get__(error, kind)
                    # A slot that has None is set, unlike most members in C.
                    if value is not None or base.__flags__ & HEAP_TYPE:
                        found[name] = value
    return {**found, **vars(error)}


def is_group(error):
    """Whether an exception is a group of others. Python has had them since 3.11."""
    return isinstance(error, getattr(builtins, "BaseExceptionGroup", ()))


def list_members(error):
    """Return the exceptions in a group, in groups within it, and those that led to them."""
    found, waiting = {}, [error]
    while waiting and len(found) < MEMBERS_MAX:
        one = waiting.pop()
        links = list(one.exceptions) if is_group(one) else []
        if one is not error:
            links += [one.__cause__, one.__context__]
        for other in links:
            if other is not None and other is not error and id(other) not in found:
                found[id(other)] = other
                waiting.append(other)
    return found


class Reduction:
    """How the exceptions in one pickle are pickled.

    Python pickles an exception as a call of its class with its `args`, which fails, or gives others, if `__init__` takes
    other arguments. Here it is an object that `__init__` never saw, to which its `args` and attributes are given.
    A careful one leaves out what cannot be sent, and does not trust what a class says of its pickles.
    """

    def __init__(self, root, is_careful, checked=None):
        self.root = root
        self.is_careful = is_careful
        self.members = list_members(root) if is_group(root) else {}
        #: The exceptions that were or are being pickled, by their `id`.
        self.started = set()
        #: Values, and whether each can be sent, by their `id`.
        self.checked = {} if checked is None else checked

    def reduce(self, error):
        """Return what pickle needs of an exception."""
        kind = type(error)
        if not self.is_careful and has_own_reduction(kind):
            return reduce_as_class_says(error)
        self.started.add(id(error))
        # The constructor in C: those of users may take other arguments, too.
        new = next(one for one in kind.__mro__ if not one.__flags__ & HEAP_TYPE).__new__
        if is_group(error):
            arguments, state = (kind, error.message, list(error.exceptions)), {}
        else:
            arguments, state = (kind,), {"args": self.choose_arguments(error.args)}
        attributes = list_attributes(error)
        if self.is_careful:
            empty = new(*arguments)
            if not can_set(empty, state):
                arguments, state = (*arguments, *state["args"]), {}
            attributes = self.choose_attributes(empty, attributes)
        state.update(attributes)
        if error is not self.root:
            state.update(self.list_links(error))
        return new, arguments, state

    def choose_arguments(self, args):
        """Return the arguments of an exception, long texts cut. A careful reduction has the text of what cannot be sent."""
        args = tuple(map(cut, args))
        if not self.is_careful:
            return args
        # The message of an exception is the text of its only argument.
        show = str if len(args) == 1 else repr
        return tuple(value if self.can_send(value) else text_of(value, show) for value in args)

    def choose_attributes(self, empty, attributes):
        """Return the attributes that can be sent and be set on an empty exception, and a note that names the others."""
        kept = {}
        for name, value in attributes.items():
            if self.can_send(value) and can_set(empty, {name: value}):
                kept[name] = value
        missing = [name for name in attributes if name not in kept]
        if missing:
            notes = [*kept.get("__notes__", ()), f"left out, since they cannot be sent: {', '.join(missing)}"]
            if can_set(empty, {"__notes__": notes}):
                kept["__notes__"] = notes
        return kept

    def can_send(self, value):
        """Whether a value can be pickled in few bytes and unpickled."""
        if id(value) not in self.checked:
            # True until this is known, for values that refer to themselves.
            self.checked[id(value)] = value, True
            try:
                pickled = dump_with(Reduction(self.root, True, self.checked), value)
                pickle.loads(pickled)
                self.checked[id(value)] = value, len(pickled) <= ATTRIBUTE_MAX
            except Exception:
                self.checked[id(value)] = value, False
        return self.checked[id(value)][1]

    def list_links(self, error):
        """Return the attributes of an exception within another that name those that led to it, and its frames."""
        links = {}
        for name in ("__cause__", "__context__"):
            other = getattr(error, name)
            # One that is being pickled may be a group, which exists only when its members do.
            if other is not None and id(other) not in self.started and len(self.started) < CAUSES_MAX:
                links[name] = other
        links["__suppress_context__"] = error.__suppress_context__
        if id(error) in self.members:
            links[FRAMES_ATTRIBUTE] = list_frames(error)
        return links


def can_set(error, attributes):
    """Set attributes of an exception as unpickling does. Return whether that is possible: some classes refuse it."""
    try:
        BaseException.__setstate__(error, attributes)
    except Exception:
        return False
    return True


def text_of(value, show):
    """Return the text of a value, in short."""
    try:
        return show(value)[:TEXT_MAX]
    except Exception:
        return describe_argument(value)


def cut(value):
    """Return a value; of a long text its beginning and its length."""
    if type(value) is str and len(value) > ARGUMENT_TEXT_MAX:
        return f"{value[:ARGUMENT_TEXT_MAX]}... ({len(value)} characters)"
    return value


def reduce_as_class_says(error):
    """Return what pickle needs of an exception by the word of its class, with the notes, of which few classes know."""
    kind, notes = type(error), getattr(error, "__notes__", None)
    if not notes or kind in copyreg.dispatch_table or kind.__setstate__ is not BaseException.__setstate__:
        return NotImplemented
    function, args, *more = error.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
    state = more[0] if more else None
    if len(more) > 1 or not isinstance(state, (dict, type(None))):
        return NotImplemented
    return function, args, {"__notes__": notes, **(state or {})}


class ExceptionPickler(pickle.Pickler):
    """Pickles exceptions by a reduction."""

    def __init__(self, file, reduction):
        super().__init__(file, 5)
        self.reduction = reduction

    def reducer_override(self, value):
        """Return what pickle needs of a value."""
        return self.reduction.reduce(value) if isinstance(value, BaseException) else NotImplemented


@functools.lru_cache(maxsize=1)
def by_value_pickler():
    """Return the class that also pickles the classes of exceptions of the user's `__main__`."""

    class ByValuePickler(cloudpickle.CloudPickler):
        def __init__(self, file, reduction):
            super().__init__(file, 5)
            self.reduction = reduction

        def reducer_override(self, value):
            reduced = self.reduction.reduce(value) if isinstance(value, BaseException) else NotImplemented
            return super().reducer_override(value) if reduced is NotImplemented else reduced

    return ByValuePickler


def dump_with(reduction, value):
    """Pickle a value with exceptions in it."""
    try:
        return dump_by(ExceptionPickler, reduction, value)
    except Exception:
        if cloudpickle is None:
            raise
        return dump_by(by_value_pickler(), reduction, value)


def dump_by(pickler, reduction, value):
    """Pickle a value with exceptions in it, with a class of picklers."""
    reduction.started.clear()
    file = io.BytesIO()
    pickler(file, reduction).dump(value)
    return file.getvalue()


def dump_exception(error, *others):
    """Pickle an exception, or a tuple of it and other values. What this returns can be unpickled."""
    value = (error, *others) if others else error
    try:
        pickled = dump_with(Reduction(error, False), value)
        if len(pickled) <= EXCEPTION_MAX:
            pickle.loads(pickled)
            return pickled
    except Exception:
        pass
    pickled = dump_with(Reduction(error, True), value)
    pickle.loads(pickled)
    return pickled


def list_causes(error):
    """Return the exceptions that led to an exception, which a pickle of it lacks.

    Each is its pickle, its text if it cannot be pickled, its frames, and whether it is the cause of the one before it
    and not only its context.
    """
    causes, seen, size = [], {id(error)}, 0
    while len(causes) < CAUSES_MAX:
        is_cause = error.__cause__ is not None
        error = error.__cause__ if is_cause else None if error.__suppress_context__ else error.__context__
        if error is None or id(error) in seen:
            break
        seen.add(id(error))
        try:
            pickled = dump_exception(error)
        except BaseException:
            pickled = None
        size += len(pickled or b"")
        if size > EXCEPTION_MAX:
            break
        causes.append((pickled, describe(error), list_frames(error), is_cause))
    return causes


def pickle_exception(error):
    """Pickle an exception with the frames of its traceback and its causes. Return no bytes if that fails."""
    try:
        frames = list_frames(error)
        pickled = dump_exception(error, frames, list_causes(error))
        if len(pickled) > EXCEPTION_MAX:
            pickled = dump_exception(error, frames, [])
    except BaseException:
        return b""
    return pickled if len(pickled) <= EXCEPTION_MAX else b""


def describe_argument(value):
    """Return an argument in short. No code of a user runs for it: a representation may take long or fail."""
    kind = type(value)
    if kind in (bool, int, float, complex, str, bytes, type(None)):
        text = repr(value if not isinstance(value, (str, bytes)) else value[:ARGUMENT_MAX])
        return text if len(text) <= ARGUMENT_MAX else f"{text[:ARGUMENT_MAX]}..."
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind in (list, tuple, dict, set, frozenset):
        return f"{name} of {len(value)}"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas"):
        with contextlib.suppress(Exception):
            return f"{name} {value.shape}"
    return name


def describe_arguments(args, kwargs):
    """Return the arguments of a call in short."""
    parts = [*map(describe_argument, args), *(f"{name}={describe_argument(one)}" for name, one in kwargs.items())]
    text = ", ".join(parts)
    return text if len(text) <= ARGUMENTS_MAX else f"{text[:ARGUMENTS_MAX]}..."


def encode_raised(ticket, error, flags, arguments=""):
    """Return the body of a RAISED frame."""
    pickled = pickle_exception(error)
    body = [U64.pack(ticket), bytes([flags | (IS_PICKLED if pickled else 0)])]
    texts = [text.encode("utf-8", "backslashreplace") for text in (describe(error), format_user_traceback(error))]
    for data in (*texts, pickled, arguments.encode("utf-8", "backslashreplace")):
        body += U32.pack(len(data)), data
    return b"".join(body)


class Function:
    """A function of a user: its pickle until the first call, then the function."""

    __slots__ = ("function", "name", "pickled", "quick_calls")

    def __init__(self, name, pickled):
        self.name = name
        self.pickled = pickled
        self.function = None
        #: Above 0 if its calls are quick.
        self.quick_calls = 0

    def load(self):
        """Return the function. A failure is not kept: a module may be installed later."""
        if self.function is None:
            function = pickle.loads(self.pickled)
            if not callable(function):
                raise TypeError(f"cannot call an object of type {type(function).__qualname__}")
            self.function, self.pickled = function, None
        return self.function

    def record_call(self, seconds):
        """Learn from the duration of a call."""
        if seconds >= QUICK_SECONDS:
            self.quick_calls = -QUICK_CALLS
        elif self.quick_calls <= 0:
            self.quick_calls += 1


class Inputs:
    """The results of other tasks that the current call reads. Each is unpickled once."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget the inputs of the last call."""
        self.references, self.packed, self.values = (), {}, {}

    def load(self, place):
        """Return the input at a place of the list of references. Pickles of arguments call it."""
        key = self.references[place]
        if key not in self.values:
            if key not in self.packed:
                raise RuntimeError("internal error: input {} of stage {} was not sent".format(*reversed(key)))
            # The value takes over the buffers.
            first, *buffers = self.packed.pop(key)
            self.values[key] = pickle.loads(first, buffers=buffers)
        return self.values[key]


def install_inputs(inputs):
    """Register the module whose function the pickles of arguments call."""

    def load(place):
        return inputs.load(place)

    def call(function, /, *args, **kwargs):
        return function(*args, **kwargs)

    module = types.ModuleType("_partita_inputs")
    # Clients with many functions send each with its call, which is one of `call`.
    for name, function in (("load", load), ("call", call)):
        function.__module__ = module.__name__
        function.__qualname__ = name
        setattr(module, name, function)
    sys.modules[module.__name__] = module


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
                self.reopen_descriptors()
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
        global current, latest
        latest = ticket
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
        current = {"stage": None, "index": None, "ticket": ticket, "name": entry.name}
        start = time.perf_counter()
        try:
            value = function(*args, **kwargs)
            if type(value) is types.CoroutineType:
                value = run_coroutine(value)
        finally:
            entry.record_call(time.perf_counter() - start)
            current = None
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
        if printing:
            self.end_output()
        if not was_quick:
            # System calls, which take longer than a quick call.
            self.reopen_descriptors()
            if libc is not None:
                # What C code printed.
                libc.fflush(None)

    def end_output(self):
        """Tell the worker that what comes next, from C code or another process, is not known to be of the same call."""
        global printing
        printing = 0
        with contextlib.suppress(OSError):
            os.write(self.log, MARKED_LINE % (CALL_MARK, 0))

    def reopen_descriptors(self):
        """Open descriptors 0 to 2 where a function closed them, or a later file would get the number."""
        try:
            for number in (0, 1, 2):
                fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            pass
        else:
            return
        null = os.open(os.devnull, os.O_RDONLY)
        null = fcntl.fcntl(null, fcntl.F_DUPFD, 3) if null > 2 else null
        for number, source in ((0, null), (1, self.log), (2, self.log)):
            try:
                fcntl.fcntl(number, fcntl.F_GETFD)
            except OSError:
                os.dup2(source, number)
        if null > 2:
            os.close(null)

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
        if current is None or threading.get_ident() != self.thread or self.is_forked:
            raise RuntimeError("only a function that runs on a worker, in its main thread, has a slot")
        self.flush()
        is_interruptible, self.is_interruptible = self.is_interruptible, False
        try:
            self.connection.sendall(encode_frame(kind, U64.pack(current["ticket"])))
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


def run_coroutine(coroutine):
    """Run the coroutine that an async function returned."""
    import asyncio

    return asyncio.run(coroutine)


def ignore_signal(*_):
    """Handle a signal by doing nothing. Unlike SIG_IGN, programs that are executed do not inherit it."""


class CallOutput(io.FileIO):
    """Descriptor of standard output or error. What a call prints first is preceded by a line that names the call."""

    def write(self, data):
        """Write bytes. Return how many were written."""
        global printing
        if printing != latest:
            printing = latest
            super().write(MARKED_LINE % (CALL_MARK, latest))
        return super().write(data)


def open_stream(number):
    """Return a text stream that writes lines to a descriptor."""
    raw = CallOutput(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)


def flush_streams():
    """Write what a function printed. Replace a stream that it closed."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", True):
                setattr(sys, name, open_stream(number))
                setattr(sys, f"__{name}__", getattr(sys, name))


def move_high(descriptor):
    """Move a descriptor to a high number, which functions are not expected to use or close."""
    for least in DESCRIPTORS:
        try:
            moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError:
            continue
        os.close(descriptor)
        return moved
    os.set_inheritable(descriptor, False)
    return descriptor


def end_with_parent(parent):
    """Have the kernel end this process when the zygote ends, where it can."""
    with contextlib.suppress(Exception):
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def run_runner(parent, control, log, descriptors):
    """Be a runner, in a process that the zygote has just forked. Does not return."""
    # A group of its own: the zygote ends what functions started together with the runner.
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    end_with_parent(parent)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = open_stream(1), open_stream(2)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    control, descriptors = (socket.socket(fileno=move_high(end)) for end in (control, descriptors))
    runner = Runner(control, move_high(log), descriptors)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, runner.interrupt)
    os.register_at_fork(
        before=runner.prepare_fork, after_in_parent=runner.continue_after_fork, after_in_child=runner.enter_fork
    )
    install_inputs(runner.inputs)
    # What functions may call, through the package.
    own = sys.modules["_partita_runner"]
    own.flush, own.secede, own.rejoin = runner.flush, runner.secede, runner.rejoin
    if "numpy.random" in sys.modules:
        # The state was copied from the zygote: all runners would draw the same numbers.
        sys.modules["numpy.random"].seed()
    status = 0
    try:
        runner.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except BaseException as error:
        traceback.print_exception(type(error), error, error.__traceback__)
        status = EXIT_PROTOCOL if isinstance(error, ProtocolError) else 1
    end_runner(status)


def end_runner(status):
    """Call the exit handlers, within a bound, and end without waiting for threads."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(EXIT_SECONDS)
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    flush_streams()
    os._exit(status)


class Zygote:
    """Forks runners and reports their end."""

    def __init__(self, descriptor):
        self.connection = socket.socket(fileno=move_high(descriptor))
        self.data = bytearray()
        self.descriptors = collections.deque()
        #: The runners that have not ended: their numbers by process id.
        self.runners = {}

    def send(self, kind, body):
        """Send a frame to the worker."""
        self.connection.sendall(encode_frame(kind, body))

    def receive(self):
        """Read more bytes and descriptors. Return False at the end of the stream."""
        chunk, descriptors, flags, _ = socket.recv_fds(
            self.connection, READ_SIZE, RECEIVED_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        self.descriptors.extend(descriptors)
        if flags & socket.MSG_CTRUNC:
            raise ProtocolError("descriptors were lost")
        self.data += chunk
        return bool(chunk)

    def take_frame(self):
        """Return the kind and the body of the next frame, or None if it is not complete."""
        if len(self.data) < HEAD.size:
            return None
        length, kind = HEAD.unpack_from(self.data)
        end = U32.size + length
        if length == 0 or length > LONG_FRAME:
            raise ProtocolError("a frame has an invalid length")
        if len(self.data) < end:
            return None
        body = bytes(self.data[HEAD.size : end])
        del self.data[:end]
        return kind, body

    def wait_for_frame(self):
        """Return the next frame. At the end of the stream, raise EOFError."""
        while (frame := self.take_frame()) is None:
            if not self.receive():
                raise EOFError
        return frame

    def start(self):
        """Read INIT, import modules, and answer. Return whether that succeeded."""
        kind, body = self.wait_for_frame()
        if kind != INIT:
            raise ProtocolError(f"expected INIT, got a frame of kind {kind}")
        try:
            ready = prepare(json.loads(body))
        except Exception as error:
            text = str(error) if isinstance(error, UnsuitablePython) else describe(error)
            self.send(FAILED, text.encode("utf-8", "backslashreplace"))
            return False
        self.send(ZYGOTE_READY, json.dumps(ready).encode())
        return True

    def fork(self, number):
        """Fork a runner. Return its sockets in the new process, None in this one."""
        if len(self.descriptors) < RUNNER_SOCKETS:
            raise ProtocolError("FORK came without its descriptors")
        ends = [self.descriptors.popleft() for _ in range(RUNNER_SOCKETS)]
        flush_streams()
        try:
            pid = os.fork()
        except OSError as error:
            print(f"cannot fork a Python runner: {error}", file=sys.stderr)
            self.send(EXITED, struct.pack("<IIi", number, 0, STATUS_NOT_FORKED))
        else:
            if pid == 0:
                return ends
            # In both processes, since either may run first.
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            self.runners[pid] = number
            self.send(FORKED, struct.pack("<II", number, pid))
        for end in ends:
            os.close(end)
        return None

    def signal(self, number, number_of_signal):
        """Send a signal to a runner. Only this process knows for sure that it has not ended."""
        for pid, known in self.runners.items():
            if known == number:
                with contextlib.suppress(OSError):
                    os.kill(pid, number_of_signal)

    def reap(self):
        """Report the runners that have ended, and end what they left behind."""
        for pid, number in list(self.runners.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # Before the process is reaped, its number cannot belong to another group.
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            del self.runners[pid]
            self.send(EXITED, struct.pack("<IIi", number, pid, status))

    def serve(self):
        """Fork runners until the worker closes the socket.

        Returns the descriptors of a runner in the process of that runner, and None in this one.
        """
        wake, written = os.pipe()
        for descriptor in (wake, written):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, ignore_signal)
        while True:
            while (frame := self.take_frame()) is not None:
                kind, body = frame
                if kind == SIGNAL:
                    self.signal(*struct.unpack("<II", body))
                    continue
                if kind != FORK:
                    raise ProtocolError(f"expected FORK, got a frame of kind {kind}")
                descriptors = self.fork(*U32.unpack(body))
                if descriptors is not None:
                    signal.set_wakeup_fd(-1)
                    os.close(wake)
                    os.close(written)
                    return descriptors
            readable, _, _ = select.select([self.connection, wake], [], [])
            if wake in readable:
                os.read(wake, READ_SIZE)
                self.reap()
            if self.connection in readable and not self.receive():
                return None

    def end(self):
        """End the runners and what they started."""
        for pid in self.runners:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)
        for pid in self.runners:
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)


def prepare(settings):
    """Set up the process as INIT says and import modules. Return the content of READY."""
    global cloudpickle
    expected, version = tuple(settings.get("python") or ()), sys.version_info[:2]
    if expected and expected != version:
        raise UnsuitablePython(
            f"the client runs Python {expected[0]}.{expected[1]}, but {sys.executable} of this worker is Python "
            f"{version[0]}.{version[1]}; install the client's version, or name another Python with python="
        )
    os.environ.update(settings.get("env") or {})
    for variable, value in VARIABLES.items():
        os.environ.setdefault(variable, value)
    # The folder of this file: its name must not hide a module of the user.
    own_folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != own_folder]
    sys.path.extend(dict.fromkeys(entry for entry in settings.get("sys_path") or () if entry not in sys.path))
    folder = settings.get("cwd")
    if folder:
        try:
            os.chdir(folder)
        except OSError as error:
            reason = error.strerror
            print(f"cannot use the client's folder '{folder}': {reason}; using '{os.getcwd()}'", file=sys.stderr)
    sys.argv = [""]
    threading_modules = []
    for name in ("cloudpickle", *(settings.get("preload") or ())):
        threads = count_threads()
        preload(name)
        if count_threads() > threads:
            threading_modules.append(name)
    cloudpickle = sys.modules.get("cloudpickle")
    # Forked processes share these objects: the collector must not write to them.
    gc.collect()
    gc.freeze()
    return {
        "version": "{}.{}.{}".format(*sys.version_info),
        "executable": sys.executable,
        "pid": os.getpid(),
        "cloudpickle": getattr(cloudpickle, "__version__", None),
        "cwd": os.getcwd(),
        # Modules that started threads when they were imported. Forks of this process lack these threads.
        "threading": threading_modules,
    }


def count_threads():
    """Return the number of threads of this process, those of libraries included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def preload(name):
    """Import a module if it is installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        pass
    except (Exception, SystemExit) as error:
        print(f"cannot import {name} ahead of the tasks: {describe(error)}", file=sys.stderr)


def main():
    """Be the zygote, and in forked processes a runner."""
    faulthandler.enable()
    # The socket says when to end. A terminal and Slurm send these signals to all processes at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ignore_signal)
    zygote = Zygote(int(sys.argv[1]))
    pid, status, descriptors = os.getpid(), 0, None
    try:
        if zygote.start():
            descriptors = zygote.serve()
        else:
            status = 1
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except ProtocolError as error:
        print(f"internal error: {error}", file=sys.stderr)
        status = EXIT_PROTOCOL
    finally:
        if os.getpid() == pid:
            zygote.end()
    if descriptors is not None:
        zygote.connection.close()
        for descriptor in zygote.descriptors:
            os.close(descriptor)
        run_runner(pid, *descriptors)
    flush_streams()
    os._exit(status)


if __name__ == "_partita_runner":
    main()
