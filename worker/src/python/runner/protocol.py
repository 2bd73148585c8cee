"""The protocol of the worker, its zygotes, and its runners.

All messages are frames: the length of the rest as u32, a kind as u8, and a body; integers are little
endian. A length of 0xFFFFFFFF means that the real length follows as u64. A packed value is the number
of its parts as u32, their lengths as u64 each, and the parts: a pickle, then its out-of-band buffers.
"""

import mmap
import select
import socket
import struct

from .memory import give_memory_back

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
#: Time without a call after which a runner gives memory that calls freed back to the system, in seconds.
IDLE_SECONDS = 0.1
#: Flag of the number of inputs of a call: after their places come the length and the bytes of a program of kernels.
HAS_KERNELS = 1 << 31
#: Bit of the size of an input: its parts are not in the frame, but in memory whose descriptor follows.
MAPPED_INPUT = 1 << 63
#: Exit status of a process that received an invalid message.
EXIT_PROTOCOL = 76

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


class ProtocolError(Exception):
    """A message of the worker is invalid."""


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
