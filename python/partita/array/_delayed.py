"""Arrays of delayed values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._collection import unpack
from .._graphs import collection_task
from .._tasks import Task
from .._tokens import tokenize
from ._core import array_of, make_meta
from ._expression import Parts

__all__ = ["from_delayed", "from_func"]


def from_delayed(value: Any, shape: Any, dtype: Any = None, meta: Any = None, name: str | None = None) -> Any:
    """Return an array of one chunk, which a delayed value computes.

    Parameters
    ----------
    value : Delayed or Future
        The value.
    shape : tuple of int
        Its shape.
    dtype : dtype, optional
        Its dtype.
    meta : array, optional
        An empty array of its type.
    name : str, optional
        Name of the array.

    Examples
    --------
    >>> import numpy as np
    >>> from partita import delayed
    >>> from_delayed(delayed(np.ones)(5), (5,), dtype=float).sum().compute(scheduler="synchronous")
    np.float64(5.0)
    """
    from ..delayed import Delayed, delayed

    if not isinstance(value, Delayed) and hasattr(value, "key") and not hasattr(type(value), "__dask_graph__"):
        value = delayed(value)
    task = unpack(value)
    if task is value:
        task = collection_task(value) if hasattr(value, "__dask_graph__") else delayed(value)._task
    if dtype is None and meta is None:
        raise ValueError("You must specify the meta or dtype of the array: pass dtype= to from_delayed()")
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    chunks = tuple([(size,) for size in shape])
    key = f"{name or 'from-value'}-{tokenize(value, shape, str(dtype), str(type(meta)))}"
    return array_of(Parts(key, chunks, make_meta(meta, dtype, len(chunks)), [task], given=name))


def from_func(
    func: Callable[..., Any], shape: Any, dtype: Any = None, name: str | None = None, args: Any = (), kwargs: Any = None
) -> Any:
    """Return an array of one chunk, which a function without arrays as arguments computes.

    Parameters
    ----------
    func : callable
        The function.
    shape : tuple of int
        Shape of its result.
    dtype : dtype, optional
        Dtype of its result.
    name : str, optional
        Name of the array.
    args, kwargs
        Arguments of the function.
    """
    kwargs = kwargs or {}
    key = f"{name or 'from_func'}-{tokenize(func, shape, str(dtype), args, kwargs)}"
    chunks = tuple([(size,) for size in shape])
    task = Task(func, tuple(args), kwargs, "from_func", f"{key}-0")
    return array_of(Parts(key, chunks, np.empty((0,) * len(chunks), dtype), [task], given=name))
