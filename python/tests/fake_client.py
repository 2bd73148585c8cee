"""A client whose workers are threads of this process, for tests of what is built on ``Client.submit``."""

import contextlib
import io
import pickle
import threading
from concurrent import futures

import pytest

cloudpickle = pytest.importorskip("cloudpickle")


class FakeFuture:
    """A future with the interface of the client's."""

    def __init__(self, client, key):
        self.client = client
        self.key = key
        self.is_released = False
        self.work = futures.Future()

    @property
    def status(self):
        if not self.work.done():
            return "pending"
        if self.work.cancelled():
            return "cancelled"
        return "error" if self.work.exception() else "finished"

    def done(self):
        return self.work.done()

    def cancelled(self):
        return self.work.cancelled()

    def result(self, timeout=None):
        # A client may fetch the result from a worker. Callbacks must not wait for that.
        assert threading.current_thread().name != "fake-callbacks", "a callback fetches a result"
        return cloudpickle.loads(self.work.result(timeout))

    def exception(self, timeout=None):
        return self.work.exception(timeout)

    def add_done_callback(self, function):
        self.work.add_done_callback(lambda _: self.client.callbacks.submit(function, self))

    def cancel(self):
        self.client.cancelled.append(self.key)
        # A function that runs here continues, but its result is dropped.
        with contextlib.suppress(futures.InvalidStateError):
            if not self.work.cancel():
                self.work.set_exception(futures.CancelledError())

    def release(self):
        self.is_released = True


class _Pickler(cloudpickle.CloudPickler):
    """Writes futures as references."""

    def __init__(self, buffer, inputs):
        super().__init__(buffer, 5)
        self.inputs = inputs

    def persistent_id(self, value):
        if not isinstance(value, FakeFuture):
            return None
        self.inputs[value.key] = value
        return value.key


class _Unpickler(pickle.Unpickler):
    """Replaces references to futures by their results."""

    def __init__(self, buffer, inputs):
        super().__init__(buffer)
        self.inputs = inputs

    def persistent_load(self, key):
        return self.inputs[key].result()


class FakeClient:
    """Runs functions in threads, after pickling them and their arguments."""

    def __init__(self, threads=4):
        self.threads = threads
        self.pool = futures.ThreadPoolExecutor(threads)
        self.callbacks = futures.ThreadPoolExecutor(1, "fake-callbacks", initializer=self._name_thread)
        self.lock = threading.Lock()
        self.submitted = []
        self.scattered = []
        self.cancelled = []

    @staticmethod
    def _name_thread():
        threading.current_thread().name = "fake-callbacks"

    def nthreads(self):
        return {"tcp://127.0.0.1:1": self.threads} if self.threads else {}

    def submit(self, func, *args, key=None, pure=True, retries=None, resources=None, workers=None, **kwargs):
        with self.lock:
            future = FakeFuture(self, key or f"{getattr(func, '__name__', 'function')}-{len(self.submitted)}")
            self.submitted.append((future, {"pure": pure, "retries": retries}))
        inputs = {}
        buffer = io.BytesIO()
        _Pickler(buffer, inputs).dump((func, args, kwargs))
        self.pool.submit(self._run, future, buffer.getvalue(), inputs)
        return future

    def _run(self, future, pickled, inputs):
        if not future.work.set_running_or_notify_cancel():
            return
        try:
            func, args, kwargs = _Unpickler(io.BytesIO(pickled), inputs).load()
            outcome, error = cloudpickle.dumps(func(*args, **kwargs), 5), None
        except BaseException as raised:
            outcome, error = None, raised
        with contextlib.suppress(futures.InvalidStateError):
            if error is None:
                future.work.set_result(outcome)
            else:
                future.work.set_exception(error)

    def map(self, func, *iterables, **options):
        return [self.submit(func, *args, **options) for args in zip(*iterables)]

    def gather(self, given):
        return [future.result() for future in given]

    def scatter(self, data, broadcast=False, hash=True):
        assert isinstance(data, list)
        made = []
        for value in data:
            future = FakeFuture(self, f"scattered-{len(self.scattered)}")
            future.work.set_result(cloudpickle.dumps(value, 5))
            self.scattered.append((future, broadcast))
            made.append(future)
        return made

    def cancel(self, given):
        for future in given:
            future.cancel()

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.callbacks.shutdown(wait=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
