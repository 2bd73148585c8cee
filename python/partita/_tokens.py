"""Tokens: hashes of values that are equal in all processes."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import hashlib
import importlib
import itertools
import pickle
import sys
import threading
import types
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from . import config
from .utils import Dispatch

__all__ = ["TokenizationError", "has_own_token", "normalize_token", "tokenize"]


class TokenizationError(RuntimeError):
    """A value has no token that is the same in other processes."""


#: Normalizes a value: returns nested tuples of texts, numbers and bytes that are equal for equal values.
normalize_token = Dispatch("normalize_token")


class _State(threading.local):
    """What the current thread normalizes."""

    def __init__(self) -> None:
        #: The values that contain the current one, numbered from the outermost one.
        self.open: dict[int, int] = {}
        self.strict = False


_state = _State()


def tokenize(*args: Any, ensure_deterministic: bool | None = None, **kwargs: Any) -> str:
    """Return a hash of values, which is the same in other processes.

    Parameters
    ----------
    *args, **kwargs
        The values.
    ensure_deterministic : bool, optional
        Whether a value whose token would differ in other processes is an error. By default this is the configuration
        value ``tokenize.ensure-deterministic``.

    Examples
    --------
    >>> tokenize([1, 2, "3"]) == tokenize([1, 2, "3"]), tokenize(1) == tokenize(1.0)
    (True, False)
    """
    former = _state.strict
    if ensure_deterministic is None:
        ensure_deterministic = bool(config.get("tokenize.ensure-deterministic", False))
    _state.strict = former or ensure_deterministic
    try:
        parts: Any = [normalize(value) for value in args]
        if kwargs:
            parts.append(normalize(kwargs))
    finally:
        _state.strict = former
    return _digest(repr(parts).encode(errors="surrogatepass"))


def _digest(data: Any) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


_CONTAINERS = frozenset((list, tuple, set, frozenset, dict, types.MappingProxyType, OrderedDict))
_PLAIN = frozenset((int, bool, str, type(None), float, complex))


def normalize(value: Any) -> Any:
    """Return the normal form of a value."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    outer = _state.open
    if id(value) in outer:
        return ("cycle", outer[id(value)])
    outer[id(value)] = len(outer)
    try:
        return _normal_form(value, kind)
    finally:
        del outer[id(value)]


def _normal_form(value: Any, kind: type) -> Any:
    own = getattr(kind, "__dask_tokenize__", None)
    if own is not None and not isinstance(value, type):
        try:
            return (_name_of(kind), normalize(own(value)))
        except ModuleNotFoundError as error:
            # The method is written for Dask, such as that of xarray: without Dask the object is pickled.
            if error.name is None or error.name.partition(".")[0] != "dask":
                raise
    try:
        function = normalize_token.dispatch(kind)
    except TypeError:
        function = _normalize_object
    made = function(value)
    # A registered function of the user may return any values.
    return made if getattr(function, "__module__", None) == __name__ else normalize(made)


def has_own_token(value: Any) -> bool:
    """Whether a user registered a function for the tokens of values of this type."""
    try:
        function = normalize_token.dispatch(type(value))
    except TypeError:
        return False
    return not str(getattr(function, "__module__", "")).startswith(f"{__package__}.")


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted((normalize(value) for value in values), key=repr)


@normalize_token.register((int, float, complex, str, bool, type(None)))
def _normalize_subclass(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    # Subclasses, such as of enumerations.
    base = next(one for one in (int, float, complex, str) if isinstance(value, one))
    state = getattr(value, "__dict__", None)
    return (_name_of(kind), base.__repr__(value), normalize(state) if state else None)


normalize_token.register((type(Ellipsis), type(NotImplemented), range, datetime.date, datetime.timedelta), repr)


@normalize_token.register((bytes, bytearray, memoryview))
def _normalize_bytes(value: Any) -> Any:
    return (_name_of(type(value)), _digest(value))


@normalize_token.register(slice)
def _normalize_slice(value: slice) -> Any:
    return ("slice", normalize(value.start), normalize(value.stop), normalize(value.step))


def _more(value: Any) -> Any:
    """Return what an instance of a subclass of a container has besides its items."""
    if type(value) in _CONTAINERS:
        return None
    return normalize((getattr(value, "__dict__", None) or None, getattr(value, "default_factory", None)))


@normalize_token.register((list, tuple))
def _normalize_sequence(value: Any) -> Any:
    return (_name_of(type(value)), tuple([normalize(item) for item in value]), _more(value))


@normalize_token.register((set, frozenset))
def _normalize_set(value: Any) -> Any:
    return (_name_of(type(value)), tuple(_sorted(value)), _more(value))


@normalize_token.register((dict, types.MappingProxyType))
def _normalize_dict(value: Any) -> Any:
    return (_name_of(type(value)), tuple(_sorted(value.items())), _more(value))


@normalize_token.register(OrderedDict)
def _normalize_ordered(value: Any) -> Any:
    return (_name_of(type(value)), tuple([normalize(item) for item in value.items()]), _more(value))


@normalize_token.register(enum.Enum)
def _normalize_enum(value: enum.Enum) -> Any:
    return (_name_of(type(value)), value.name, normalize(value.value))


@normalize_token.register(types.ModuleType)
def _normalize_module(value: types.ModuleType) -> Any:
    return ("module", value.__name__)


@normalize_token.register(functools.partial)
def _normalize_partial(value: Any) -> Any:
    return ("partial", normalize(value.func), normalize(value.args), normalize(value.keywords))


@normalize_token.register(types.MethodType)
def _normalize_method(value: Any) -> Any:
    return ("method", value.__func__.__qualname__, normalize(value.__func__), normalize(value.__self__))


@normalize_token.register((types.BuiltinFunctionType, types.MethodWrapperType))
def _normalize_builtin(value: Any) -> Any:
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        return ("builtin", value.__module__, value.__qualname__)
    return ("builtin method", value.__name__, normalize(owner))


@normalize_token.register((types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType))
def _normalize_descriptor(value: Any) -> Any:
    return ("descriptor", _name_of(value.__objclass__), value.__name__)


def _is_importable(value: Any) -> bool:
    """Whether other processes can import a function or class by its name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if module in (None, "__main__") or "<" in name:
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


@normalize_token.register(types.FunctionType)
def _normalize_function(value: Any) -> Any:
    if _is_importable(value):
        return ("function", value.__module__, value.__qualname__)
    cells = []
    for cell in value.__closure__ or ():
        try:
            cells.append(normalize(cell.cell_contents))
        except ValueError:
            cells.append("empty cell")
    names = _names(value.__code__)
    used = [(name, normalize(value.__globals__[name])) for name in sorted(names) if name in value.__globals__]
    return (
        "code",
        _normalize_code(value.__code__),
        normalize(value.__defaults__),
        normalize(value.__kwdefaults__),
        tuple(cells),
        tuple(used),
        normalize(dict(value.__dict__)),
    )


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            names |= _names(one)
    return names


@normalize_token.register(types.CodeType)
def _normalize_code(code: types.CodeType) -> Any:
    consts = tuple([normalize(one) for one in code.co_consts])
    return (
        code.co_code.hex(),
        consts,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_flags,
    )


#: Attributes of classes that do not describe what they do.
_OF_CLASS = frozenset(
    (
        "__dict__",
        "__weakref__",
        "__doc__",
        "__module__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "__annotations__",
        "__annotations_cache__",
        "__annotate__",
        "__annotate_func__",
    )
)


@normalize_token.register(type)
def _normalize_type(value: type) -> Any:
    if _is_importable(value) or value.__module__ == "builtins":
        return ("type", _name_of(value))
    members = [
        (name, _normalize_member(member))
        for name, member in sorted(vars(value).items())
        if name not in _OF_CLASS and not name.startswith(("_abc_", "__dataclass_"))
    ]
    return ("class", value.__qualname__, tuple([normalize(base) for base in value.__bases__]), tuple(members))


def _normalize_member(member: Any) -> Any:
    if isinstance(member, (staticmethod, classmethod)):
        return (type(member).__name__, normalize(member.__func__))
    if isinstance(member, property):
        return ("property", normalize(member.fget), normalize(member.fset), normalize(member.fdel))
    if isinstance(member, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        return ("slot", member.__name__)
    return normalize(member)


@normalize_token.register((staticmethod, classmethod, property))
def _normalize_wrapper(value: Any) -> Any:
    return _normalize_member(value)


@normalize_token.register(object)
def _normalize_object(value: Any) -> Any:
    kind = type(value)
    if dataclasses.is_dataclass(value):
        fields = [
            (field.name, normalize(getattr(value, field.name)))
            for field in dataclasses.fields(value)
            if hasattr(value, field.name)
        ]
        return (
            "dataclass",
            normalize(kind),
            tuple(fields),
            normalize(getattr(kind.__dataclass_params__, "frozen", None)),
        )
    if kind is object:
        return _normalize_unique(value)
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:
        return _normalize_unique(value)
    if isinstance(reduced, str):
        # The name of a global, such as of a function with a cache.
        if _is_importable(value):
            return ("global", value.__module__, reduced)
        wrapped = getattr(value, "__wrapped__", None)
        return _normalize_unique(value) if wrapped is None else ("wrapped", normalize(kind), normalize(wrapped))
    function, args, *rest = reduced
    items = [list(one) if isinstance(one, Iterable) and at > 0 else one for at, one in enumerate(rest)]
    return ("object", normalize(kind), normalize(function), normalize(args), tuple([normalize(one) for one in items]))


def _normalize_unique(value: Any) -> Any:
    """Return the normal form of a value that cannot be read: its pickle, or a random one."""
    for module in ("cloudpickle",):
        pickler = sys.modules.get(module)
        if pickler is not None and type(value) is not object:
            try:
                return ("pickle", _digest(pickler.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)))
            except Exception:
                continue
    if _state.strict:
        raise TokenizationError(
            f"the token of an object of type {type(value).__name__} would differ in other processes; "
            "define its method __dask_tokenize__, or register its type in normalize_token"
        )
    if type(value) is object:
        return ("object", id(value))
    return uuid.uuid4().hex


normalize_token.register(
    (itertools.chain, itertools.count, itertools.repeat, types.GeneratorType, type(iter([])), map, filter, zip),
    _normalize_unique,
)


@normalize_token.register_lazy("numpy")
def _register_numpy() -> None:
    np: Any = importlib.import_module("numpy")

    @normalize_token.register(np.ndarray)
    def _array(value: Any) -> Any:
        file = getattr(value, "filename", None)
        if isinstance(value, np.memmap) and file is not None and value.mode in ("r", "c"):
            import os

            where = (
                value.__array_interface__["data"][0] - value.base.__array_interface__["data"][0]
                if isinstance(value.base, np.ndarray)
                else 0
            )
            status = os.stat(file)
            layout = (value.offset, where, str(value.dtype), value.shape, value.strides)
            return ("memmap", str(file), status.st_mtime_ns, status.st_size, layout)
        head = (_name_of(type(value)), normalize(value.dtype), value.shape)
        if value.dtype.hasobject:
            return (*head, normalize(value.tolist()))
        order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        data = np.ascontiguousarray(value.T if order == "F" else value)
        # Subclasses have further attributes, such as units and masks.
        extra = None if type(value) is np.ndarray else normalize(getattr(value, "__dict__", None))
        return (*head, order, _digest(data.view(np.uint8).data if data.ndim and data.size else data.tobytes()), extra)

    @normalize_token.register(np.dtype)
    def _dtype(value: Any) -> Any:
        return ("dtype", value.str if value.names is None else repr(value.descr), normalize(value.metadata))

    @normalize_token.register(np.generic)
    def _scalar(value: Any) -> Any:
        return ("scalar", value.dtype.str, value.tobytes().hex() if not value.dtype.hasobject else repr(value))

    @normalize_token.register(np.ufunc)
    def _ufunc(value: Any) -> Any:
        known = getattr(np, value.__name__, None) is value
        return ("ufunc", value.__name__) if known else _normalize_object(value)


@normalize_token.register_lazy("pandas")
def _register_pandas() -> None:
    pd: Any = importlib.import_module("pandas")

    def metadata(value: Any) -> Any:
        own = [(name, getattr(value, name, None)) for name in value._metadata if name != "name"]
        return (_name_of(type(value)), normalize(own), normalize(value.attrs))

    @normalize_token.register(pd.DataFrame)
    def _frame(value: Any) -> Any:
        columns = tuple([normalize(value.iloc[:, at].array) for at in range(value.shape[1])])
        return ("frame", metadata(value), normalize(value.index), normalize(value.columns), columns)

    @normalize_token.register(pd.Series)
    def _series(value: Any) -> Any:
        return ("series", metadata(value), normalize(value.name), normalize(value.index), normalize(value.array))

    @normalize_token.register(pd.MultiIndex)
    def _levels(value: Any) -> Any:
        levels = tuple([normalize(one) for one in value.levels])
        return ("levels", levels, tuple([normalize(one) for one in value.codes]), normalize(list(value.names)))

    @normalize_token.register(pd.Index)
    def _index(value: Any) -> Any:
        if isinstance(value, pd.RangeIndex):
            return ("range index", value.start, value.stop, value.step, normalize(value.name))
        return ("index", _name_of(type(value)), normalize(value.name), normalize(value.array))

    @normalize_token.register(pd.Categorical)
    def _categories(value: Any) -> Any:
        return ("categorical", normalize(value.codes), normalize(value.categories), bool(value.ordered))

    plain = getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray

    @normalize_token.register(plain)
    def _plain(value: Any) -> Any:
        return ("array", normalize(value.to_numpy()))

    @normalize_token.register(pd.api.extensions.ExtensionArray)
    def _extension(value: Any) -> Any:
        dtype = (_name_of(type(value.dtype)), str(value.dtype))
        arrow = getattr(value, "__arrow_array__", None)
        try:
            return ("extension array", dtype, normalize(arrow()) if arrow is not None else _normalize_object(value))
        except Exception:
            return ("extension array", dtype, normalize(value.astype(object)))


@normalize_token.register_lazy("pyarrow")
def _register_pyarrow() -> None:
    pa: Any = importlib.import_module("pyarrow")

    def table(value: Any) -> Any:
        # The format for exchange has no trace of offsets and chunks.
        sink = pa.BufferOutputStream()
        whole = value.combine_chunks()
        with pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole)
        return ("arrow", _digest(sink.getvalue()))

    normalize_token.register(pa.Table, table)
    normalize_token.register(pa.RecordBatch, lambda value: table(pa.Table.from_batches([value])))
    normalize_token.register((pa.Array, pa.ChunkedArray), lambda value: table(pa.table({"": value})))
    normalize_token.register(
        (pa.DataType, pa.Schema, pa.Field), lambda value: ("arrow", type(value).__name__, str(value))
    )
