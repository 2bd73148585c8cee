"""Pickles of exceptions: what of them can be sent, with the exceptions that led to them."""

import builtins
import contextlib
import copyreg
import functools
import io
import pickle
import types

from .errors import TEXT_MAX, describe, describe_argument, format_user_traceback, list_frames
from .protocol import IS_PICKLED, U32, U64

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

#: The module, if it is installed. `prepare` sets it.
cloudpickle = None


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


def encode_raised(ticket, error, flags, arguments=""):
    """Return the body of a RAISED frame."""
    pickled = pickle_exception(error)
    body = [U64.pack(ticket), bytes([flags | (IS_PICKLED if pickled else 0)])]
    texts = [text.encode("utf-8", "backslashreplace") for text in (describe(error), format_user_traceback(error))]
    for data in (*texts, pickled, arguments.encode("utf-8", "backslashreplace")):
        body += U32.pack(len(data)), data
    return b"".join(body)
