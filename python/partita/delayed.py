"""Delayed calls of functions: the replacement of ``dask.delayed``."""

from __future__ import annotations

import functools
import operator
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from . import config
from ._collection import Collection, unpack
from ._graphs import import_graph, text_key
from ._options import current_options
from ._tasks import ATOMS, Task, flatten, identity, new_key, unflatten
from ._tokens import tokenize
from .utils import apply, funcname, key_split, methodcaller

__all__ = ["Delayed", "DelayedAttr", "DelayedLeaf", "delayed"]

_set = object.__setattr__
_MISSING: Any = object()


def delayed(
    obj: Any = _MISSING,
    name: str | None = None,
    pure: bool | None = None,
    nout: int | None = None,
    traverse: bool = True,
) -> Any:
    """Return a function whose calls are delayed, or a value on which operations are delayed.

    Calls, operators, attributes, methods and items of the result create tasks, which :meth:`Delayed.compute` runs.

    Parameters
    ----------
    obj : object
        The function, or the value.
    name : str, optional
        Key of the value. Values with equal keys must be equal.
    pure : bool, optional
        Whether equal calls have equal results, so that they run once. By default this is the configuration value
        ``delayed_pure``, or False.
    nout : int, optional
        Number of results of a call, which can then be unpacked: ``a, b = delayed(f, nout=2)(x)``.
    traverse : bool
        Whether collections in lists, tuples, dicts and sets of `obj` are computed.

    Returns
    -------
    Delayed
        The delayed function or value.

    Examples
    --------
    >>> from partita import delayed
    >>> @delayed
    ... def add(x, y):
    ...     return x + y
    >>> total = add(add(1, 2), 3) * 2
    >>> total.compute(scheduler="synchronous")
    12
    """
    if obj is _MISSING:
        return functools.partial(delayed, name=name, pure=pure, nout=nout, traverse=traverse)
    if isinstance(obj, Delayed):
        return obj
    if not (nout is None or (type(nout) is int and nout >= 0)):
        raise ValueError(f"nout must be a number of results that is not negative, not {nout!r}")
    task = unpack(obj) if traverse or isinstance(obj, Collection) else obj
    kind = type(obj).__name__
    if task is obj:
        if not name:
            label = getattr(obj, "__name__", kind)
            name = _key(label if isinstance(label, str) else kind, pure, obj, nout)
        return DelayedLeaf(obj, name, pure, nout)
    if type(task) is not Task or name:
        # A container with tasks in it.
        name = name or _key(kind, pure, task)
        task = Task(identity, (task,), None, kind, name, current_options())
    return _make(task, nout)


def _key(name: str, pure: bool | None, *parts: Any) -> str:
    """Return the key of a call: a hash of its parts if it is pure."""
    if pure is None:
        # Without a lookup of the nested key, since graphs may have a million calls.
        known = config.config
        pure = bool(known.get("delayed_pure") or known.get("delayed-pure"))
    return f"{name}-{tokenize(*parts)}" if pure else new_key(name)


def _make(task: Any, length: int | None = None) -> Delayed:
    made = object.__new__(Delayed)
    _set(made, "_task", task)
    _set(made, "_key", task.key)
    _set(made, "_length", length)
    return made


class Delayed(Collection):
    """A value that is not computed yet: the result of one task.

    Parameters
    ----------
    key : str
        The key of the task.
    dsk : mapping
        A graph in Dask's format that contains it.
    length : int, optional
        The number of items, if the value can be unpacked.
    """

    __slots__ = ("__weakref__", "_key", "_length", "_task")

    _key: str
    _length: int | None
    _task: Any

    def __init__(self, key: Any, dsk: Any, length: int | None = None, layer: Any = None) -> None:
        if hasattr(dsk, "layers") and (layer or key) not in dsk.layers:
            raise ValueError(f"layer {layer or key!r} is not in the graph: {list(dsk.layers)}")
        _set(self, "_task", import_graph(dsk, [key])[key])
        _set(self, "_key", key)
        _set(self, "_length", length)

    @property
    def key(self) -> str:
        """The key of the task."""
        return self._key

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    # Computing.

    def _partita_nodes(self, build: Any) -> list[Any]:
        return [self._task]

    def _partita_finish(self, results: list[Any]) -> Any:
        return results[0]

    def _partita_rebuild(self, nodes: list[Any]) -> Any:
        made = _make(nodes[0], self._length)
        _set(made, "_key", self._key)
        return made

    def _partita_task(self) -> Any:
        return self._task

    def __dask_layers__(self) -> tuple[str, ...]:
        return (self._key,)

    def __dask_tokenize__(self) -> Any:
        return self._key

    # Creating tasks.

    def __call__(self, *args: Any, pure: bool | None = None, dask_key_name: Any = None, **kwargs: Any) -> Delayed:
        return _call(apply, (self, args, kwargs), {}, pure, None, dask_key_name, "apply")

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("_"):
            raise AttributeError(f"'Delayed' object has no attribute {attr!r}")
        if attr == "visualise":
            warnings.warn(
                "dask.delayed objects have no `visualise` method. Perhaps you meant `visualize`?", stacklevel=2
            )
        return DelayedAttr(self, attr)

    def __setattr__(self, attr: str, value: Any) -> None:
        raise TypeError("Delayed objects are immutable")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("Delayed objects are immutable")

    def __get__(self, instance: Any, cls: Any) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    # Properties of values.

    def __iter__(self) -> Iterator[Any]:
        if self._length is None:
            raise TypeError("Delayed objects of unspecified length are not iterable; use nout=")
        return (self[at] for at in range(self._length))  # type: ignore[index]

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("Delayed objects of unspecified length have no len(); use nout=")
        return self._length

    def __bool__(self) -> bool:
        raise TypeError("the truth value of a Delayed object is not supported; compute it first")

    def __hash__(self) -> int:
        return hash(self._key)

    def __dir__(self) -> list[str]:
        return list(object.__dir__(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key!r})"

    def __reduce__(self) -> Any:
        return _load, (flatten([self._task]), self._key, self._length)


def _load(flat: Any, key: str, length: int | None) -> Delayed:
    made = _make(unflatten(*flat)[0], length)
    _set(made, "_key", key)
    return made


def _call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    pure: bool | None,
    nout: int | None,
    key: Any,
    name: str | None = None,
) -> Delayed:
    """Return the delayed result of a call."""
    args = tuple([value if type(value) in ATOMS else unpack(value) for value in args])
    if kwargs:
        kwargs = {label: unpack(value) for label, value in kwargs.items()}
    name = name or funcname(function)
    if key is None:
        return _make(
            Task(function, args, kwargs, name, _key(name, pure, function, args, kwargs), current_options()), nout
        )
    made = _make(Task(function, args, kwargs, key_split(key), text_key(key), current_options()), nout)
    # Keys of Dask may be tuples.
    _set(made, "_key", key)
    return made


class DelayedLeaf(Delayed):
    """A function whose calls are delayed, or a value."""

    __slots__ = ("_label", "_made", "_nout", "_obj", "_pure")

    _label: str
    _obj: Any
    _pure: bool | None
    _nout: int | None

    def __init__(self, obj: Any, key: str, pure: bool | None = None, nout: int | None = None) -> None:
        _set(self, "_obj", obj)
        _set(self, "_key", key)
        _set(self, "_pure", pure)
        _set(self, "_nout", nout)
        _set(self, "_length", nout)
        _set(self, "_made", None)
        _set(self, "_label", funcname(obj))

    @property
    def _task(self) -> Any:
        if self._made is None:
            # Most functions are only called, so that their value is not needed.
            _set(self, "_made", Task(identity, (self._obj,), None, key_split(self._key), self._key))
        return self._made

    def __call__(self, *args: Any, pure: bool | None = None, dask_key_name: Any = None, **kwargs: Any) -> Delayed:
        pure = self._pure if pure is None else pure
        return _call(self._obj, args, kwargs, pure, self._nout, dask_key_name, self._label)

    @property
    def __name__(self) -> str:
        return str(self._obj.__name__)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._obj.__doc__

    @property
    def __wrapped__(self) -> Any:
        return self._obj

    def __reduce__(self) -> Any:
        return DelayedLeaf, (self._obj, self._key, self._pure, self._nout)


class DelayedAttr(Delayed):
    """An attribute of a delayed value, or a call of its method."""

    __slots__ = ("_attr", "_made", "_obj")

    _obj: Delayed
    _attr: str

    def __init__(self, obj: Delayed, attr: str) -> None:
        _set(self, "_obj", obj)
        _set(self, "_attr", attr)
        _set(self, "_key", f"getattr-{tokenize(obj._key, attr)}")
        _set(self, "_length", None)
        _set(self, "_made", None)

    def __getattr__(self, attr: str) -> Any:
        if attr == "dtype" and self._attr == "dtype":
            # NumPy asks a dtype for its dtype without end.
            raise AttributeError("'Delayed' object has no attribute 'dtype'")
        return super().__getattr__(attr)

    @property
    def _task(self) -> Any:
        if self._made is None:
            _set(self, "_made", Task(getattr, (self._obj._task, self._attr), None, "getattr", self._key))
        return self._made

    def __call__(self, *args: Any, pure: bool | None = None, dask_key_name: Any = None, **kwargs: Any) -> Delayed:
        return _call(methodcaller(self._attr), (self._obj, *args), kwargs, pure, None, dask_key_name)

    def __reduce__(self) -> Any:
        return DelayedAttr, (self._obj, self._attr)


def _unary(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        return _call(function, (self,), {}, True, None, None)

    return method


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        return _call(function, (self, other), {}, True, None, None)

    return method


def _reversed(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        return _call(function, (other, self), {}, True, None, None)

    return method


for _name in ("abs", "neg", "pos", "invert"):
    setattr(Delayed, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in (
    "add",
    "sub",
    "mul",
    "matmul",
    "floordiv",
    "truediv",
    "mod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
):
    _function = getattr(operator, _name if hasattr(operator, _name) else f"{_name}_")
    setattr(Delayed, f"__{_name}__", _binary(_function))
    setattr(Delayed, f"__r{_name}__", _reversed(_function))
for _name, _make_method in (("__divmod__", _binary), ("__rdivmod__", _reversed)):
    setattr(Delayed, _name, _make_method(divmod))
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem"):
    setattr(Delayed, f"__{_name}__", _binary(getattr(operator, _name)))
