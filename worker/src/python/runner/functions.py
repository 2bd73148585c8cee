"""Functions that a runner keeps, and the inputs of its calls."""

import pickle
import sys
import types

#: A call below this duration, in seconds, is quick: its answer may wait for the next one.
QUICK_SECONDS = 0.0001
#: Number of quick calls after which a function with a slow call counts as quick.
QUICK_CALLS = 256


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


def run_coroutine(coroutine):
    """Run the coroutine that an async function returned."""
    import asyncio

    return asyncio.run(coroutine)
