"""The zygote: the process that imports modules and forks the runners."""

import atexit
import collections
import contextlib
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback

from . import exceptions
from .calls import Runner, ignore_signal
from .errors import describe
from .functions import install_inputs
from .memory import libc
from .output import flush_streams, open_stream
from .protocol import (
    EXIT_PROTOCOL,
    EXITED,
    FAILED,
    FORK,
    FORKED,
    HEAD,
    INIT,
    LONG_FRAME,
    READ_SIZE,
    SIGNAL,
    U32,
    ZYGOTE_READY,
    ProtocolError,
    encode_frame,
)

#: Descriptors of the protocol are moved to the first of these numbers that the limits allow.
DESCRIPTORS = (512, 200, 64, 10)
#: Time for exit handlers of a runner whose worker closed the socket, in seconds.
EXIT_SECONDS = 5
#: Number of sockets of a runner: for frames, for what it prints, and for descriptors.
RUNNER_SOCKETS = 3
#: Maximum number of descriptors that are received at once.
RECEIVED_DESCRIPTORS = 64
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


class UnsuitablePython(Exception):
    """This Python does not fit the client. The text is shown to the user."""


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
    package = sys.modules[__spec__.parent]
    package.flush, package.secede, package.rejoin = runner.flush, runner.secede, runner.rejoin
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
    expected, version = tuple(settings.get("python") or ()), sys.version_info[:2]
    if expected and expected != version:
        raise UnsuitablePython(
            f"the client runs Python {expected[0]}.{expected[1]}, but {sys.executable} of this worker is Python "
            f"{version[0]}.{version[1]}; install the client's version, or name another Python with python="
        )
    os.environ.update(settings.get("env") or {})
    for variable, value in VARIABLES.items():
        os.environ.setdefault(variable, value)
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
    exceptions.cloudpickle = sys.modules.get("cloudpickle")
    # Forked processes share these objects: the collector must not write to them.
    gc.collect()
    gc.freeze()
    return {
        "version": "{}.{}.{}".format(*sys.version_info),
        "executable": sys.executable,
        "pid": os.getpid(),
        "cloudpickle": getattr(exceptions.cloudpickle, "__version__", None),
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
