"""Python functions over the partitions of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from .._client import current_client
from .._collection import Collection, unpack
from .._errors import trim_traceback
from .._frame_functions import PersistedPartitions, read_partition
from .._functions import function_name
from .._graphs import is_foreign
from .._tasks import Task, is_future, new_key
from ..base import is_synchronous, persist_nodes, run_nodes
from ..delayed import _make, delayed
from ..utils import has_keyword, no_default
from ._base import Plan
from ._meta import Meta, as_pandas, sample_table
from ._partition_inputs import Inputs, Part, argument_of, meta_of, persisted_partitions, shared_arguments
from ._partition_results import (
    Conversion,
    Results,
    check_divisions,
    convert_part,
    describe,
    describe_first,
    without_categories,
)
from ._rows import new_table_name
from ._scalar import Scalar
from ._series import Index

__all__ = [
    "from_array",
    "from_dask_array",
    "from_delayed",
    "from_map",
    "given_meta",
    "infer_meta",
    "map_partitions",
    "to_delayed",
]


@trim_traceback
def to_delayed(plan: Any) -> list[Any]:
    """Return the partitions of a frame or column as delayed values."""
    partitions, count = persisted_partitions(plan)
    argument = argument_of(partitions)
    # Keys are the same for the same partitions, so that calls share them.
    prefix = f"read_partition-{plan._client._connection.session}-{new_key('')}"
    return [
        _make(Task(read_partition, (argument, at), None, "read_partition", f"{prefix}-{at}")) for at in range(count)
    ]


class _Call:
    """The function of the calls that compute partitions: a function of a user, whose result is checked and converted.

    Parameters
    ----------
    function : callable
        The function of the user.
    meta : Meta, optional
        The columns and types of the results. Without it, the results are returned as they are.
    divisions : tuple, optional
        The index labels between which the partitions are.
    singles : tuple of int
        Frames with a single partition, which all calls read.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        meta: Meta | None,
        divisions: tuple[Any, ...] | None = None,
        singles: tuple[int, ...] = (),
    ) -> None:
        self.function = function
        self.meta = meta
        self.divisions = divisions
        self.singles = singles
        self.__name__ = function_name(function)

    def __call__(
        self, number: int, items: tuple[Any, ...], extra: dict[str, Any], shared: Any, *frames: PersistedPartitions
    ) -> Any:
        args, kwargs = shared
        parts = [one.read(0 if at in self.singles else number) for at, one in enumerate(frames)]
        args = [parts[value.at] if type(value) is Part else value for value in args]
        result = self.function(*items, *args, **kwargs, **extra)
        return result if self.meta is None else convert_part(self.meta, self.divisions, number, result)


def from_dask_array(x: Any, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
    """Create a frame of the rows of an array, or a column of an array with one axis.

    Parameters
    ----------
    x : Array
        An array of :mod:`partita.array`, or of ``dask.array``.
    columns : list or str, optional
        Names of the columns. By default they are numbers, or the names of the fields of records. With a list, an array
        with one axis becomes a frame of one column.
    index : Index, optional
        The index labels, of a frame with the same number of partitions and of rows in each; numbers by default.
    meta
        Not supported.

    Examples
    --------
    >>> import partita.array as da
    >>> from partita import dataframe as dd
    >>> dd.from_dask_array(da.arange(3, chunks=2), columns="n").compute().tolist()
    [0, 1, 2]
    """
    from ..array import asarray
    from ..array._frames import to_dask_dataframe

    return to_dask_dataframe(asarray(x), columns, index, meta)


@trim_traceback
def from_array(arr: Any, chunksize: int = 50000, columns: Any = None, meta: Any = None) -> Any:
    """Upload an array as a frame, or as a column if it has one axis. The rows are numbered.

    Parameters
    ----------
    arr : numpy.ndarray or Array
        An array with one or two axes, or of records. Arrays of :mod:`partita.array` are not uploaded; see
        :func:`from_dask_array`.
    chunksize : int
        Rows of a partition.
    columns : list or str, optional
        Names of the columns. By default they are numbers, or the names of the fields of records. With a list, an array
        with one axis becomes a frame of one column.
    meta
        Accepted for compatibility with Dask; no effect: the types are those of the array.

    Examples
    --------
    >>> import numpy as np
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_array(np.array([[1, 2], [3, 4]]), columns=["a", "b"])
    >>> ddf.a.compute().tolist()
    [1, 3]
    """
    from ..array._frames import column_labels, frame_of_block
    from ._io import from_pandas

    if not isinstance(arr, np.ndarray):
        return from_dask_array(arr, columns)
    return from_pandas(frame_of_block(arr, column_labels(arr, columns), 0), chunksize=chunksize)


@trim_traceback
def from_delayed(
    dfs: Any,
    meta: Any = None,
    divisions: Any = None,
    prefix: str | None = None,
    verify_meta: bool = True,
) -> Any:
    """Create a frame whose partitions are results of delayed values or futures.

    The tasks run when the frame is first computed. Each uploads its partition from the worker where it ran; the partitions
    stay on the workers until no frame refers to them.

    Parameters
    ----------
    dfs : Delayed, Future, or list of these
        The partitions: pandas frames, or series for a column. The columns and types of all must be those of `meta`, except
        for partitions without rows.
    meta : DataFrame, Series, dict, list, tuple or dtype, optional
        The columns and types: a pandas object, which may have rows, pairs of name and type, or one pair for a column.
        Without it, the first partition is computed at once, and others if a column of categories has none in it. If it does
        not describe the index, this has integers and no name.
    divisions : tuple, optional
        The first index label of each partition and the last label of the last one, if the partitions are sorted by their
        index. This is checked.
    prefix
        Accepted for compatibility with Dask; no effect.
    verify_meta : bool
        Whether the categories of all partitions must be those of `meta`. Otherwise columns of categories become columns of
        their values. Other types are always checked.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd, delayed
    >>> parts = [delayed(pd.DataFrame)({"a": [1, 2]}), delayed(pd.DataFrame)({"a": [3]})]
    >>> dd.from_delayed(parts, meta={"a": "int64"}).compute().a.tolist()
    [1, 2, 3]
    """
    values = [dfs] if isinstance(dfs, Collection) or is_future(dfs) or is_foreign(dfs) else list(dfs)
    if not values:
        raise TypeError("from_delayed() requires at least one delayed value")
    nodes = []
    for value in values:
        if not (isinstance(value, Collection) or is_future(value) or is_foreign(value)):
            raise TypeError(f"from_delayed() takes delayed values or futures, not {type(value).__name__}")
        node = value if is_future(value) else unpack(value)
        nodes.append(node if type(node) is Task or is_future(node) else unpack(delayed(value)))
    owners = [getattr(value, "_owner", None) for value in values if is_future(value)]
    client = next((one for one in owners if one is not None), None) or current_client()
    known = check_divisions(divisions, len(nodes))
    if not verify_meta:
        nodes = [Task(without_categories, (node,), None, "without_categories") for node in nodes]
        meta = without_categories(meta) if isinstance(meta, (pd.DataFrame, pd.Series)) else meta
    if meta is None or meta is no_default:
        scheduler = None if is_synchronous() else client
        described = describe_first(nodes, scheduler)
    else:
        described = Meta.of(meta)
    convert = Conversion(described, known)

    def make() -> list[Any]:
        return [Task(convert, (at, node), None, "from_delayed") for at, node in enumerate(nodes)]

    return Results(client, new_table_name(), described, known).frame(make, len(nodes))


@trim_traceback
def from_map(
    func: Callable[..., Any],
    *iterables: Any,
    args: Any = None,
    meta: Any = no_default,
    divisions: Any = None,
    label: str | None = None,
    enforce_metadata: bool = True,
    **kwargs: Any,
) -> Any:
    """Create a frame whose partitions are results of a function, which is called with each item of iterables.

    The function runs on the workers when the frame is first computed; the partitions stay there until no frame refers to
    them.

    Parameters
    ----------
    func : callable
        Returns a pandas frame, or a series for a column.
    *iterables : iterable
        Its first positional arguments, one item for each partition.
    args : list or tuple, optional
        Further positional arguments.
    meta, divisions
        As in :func:`from_delayed`.
    label : str, optional
        Name of the tasks.
    enforce_metadata : bool
        Accepted for compatibility with Dask; no effect: partitions are always checked.
    **kwargs
        Keyword arguments of the function.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_map(lambda first: pd.DataFrame({"a": [first, first + 1]}), [0, 2], meta={"a": "int64"})
    >>> ddf.compute().a.tolist()
    [0, 1, 2, 3]
    """
    if not callable(func):
        raise TypeError(f"the first argument of from_map() must be a function, not {type(func).__name__}")
    if not iterables:
        raise ValueError("from_map() requires at least one iterable")
    for one in iterables:
        if not isinstance(one, Iterable):
            raise ValueError(f"from_map() takes iterables, not {type(one).__name__}")
    columns = [list(one) for one in iterables]
    if len({len(one) for one in columns}) > 1:
        raise ValueError(f"from_map() requires iterables of one length, not {[len(one) for one in columns]}")
    items = [tuple([unpack(item) for item in row]) for row in zip(*columns)]
    if not items:
        raise ValueError("from_map() requires iterables that are not empty")
    client = current_client()
    name = label or function_name(func)
    shared = shared_arguments(args or (), kwargs)
    known = check_divisions(divisions, len(items))
    first: Any = None
    if meta is no_default or meta is None:
        scheduler = None if is_synchronous() else client
        first = persist_nodes([Task(_Call(func, None), (0, items[0], {}, shared), None, name)], scheduler)[0]
        described: Meta = run_nodes([Task(describe, (first,), None, "describe")], scheduler)[0]
    else:
        described = Meta.of(meta)
    call = _Call(func, described, known)

    def make() -> list[Any]:
        tasks = [Task(call, (at, row, {}, shared), None, name) for at, row in enumerate(items)]
        if first is not None:
            tasks[0] = Task(Conversion(described, known, name), (0, first), None, name)
        return tasks

    return Results(client, new_table_name(), described, known).frame(make, len(items))


@trim_traceback
def map_partitions(
    func: Callable[..., Any],
    *args: Any,
    meta: Any = no_default,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    clear_divisions: bool = False,
    align_dataframes: bool = False,
    parent_meta: Any = None,
    required_columns: Any = None,
    **kwargs: Any,
) -> Any:
    """Call a Python function with each partition of a frame, and return the frame of its results.

    The function gets pandas objects, and returns a pandas frame, a series, or a single value. It runs on the workers when
    the result is first computed, once for each partition. The results stay there until no frame refers to them. If it
    returns arrays of NumPy, or sparse ones of SciPy or ``sparse``, the result is an array of :mod:`partita.array` with a chunk for each partition; the frames are
    then persisted at once.

    Parameters
    ----------
    func : callable
        The function. If it has an argument ``partition_info``, this is a dict with the ``number`` of the partition and its
        ``division``, the first index label, or None if that is not known.
    *args
        Its positional arguments. Of frames and columns it gets a partition; they must have the same number of partitions,
        or one. Scalars and delayed values are computed first.
    meta : DataFrame, Series, dict, list, tuple or dtype, optional
        The columns and types of the result: a pandas object, which may have rows, pairs of name and type, or one pair for a
        column; or an array of NumPy for a function that returns arrays. Without it, the function is called with two rows of made-up values. If it does not describe the index, this
        is the index of the first frame.
    enforce_metadata, transform_divisions, clear_divisions, parent_meta, required_columns
        Accepted for compatibility with Dask; no effect: partitions are always checked, and the rows of the result are in
        the order of the partitions, whatever their index is.
    align_dataframes : bool
        Must be False.
    **kwargs
        Keyword arguments of the function.

    Raises
    ------
    ValueError
        If the types cannot be inferred, or, when the frame is computed, if a partition has other columns or types.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    >>> dd.map_partitions(lambda part, by: part.a * by, ddf, 10).compute().tolist()
    [10, 20, 30]
    """
    if not callable(func):
        raise TypeError(f"the first argument of map_partitions() must be a function, not {type(func).__name__}")
    if align_dataframes:
        raise NotImplementedError("align_dataframes=True is not supported; use repartition with the same divisions")
    plans = [one for one in args if isinstance(one, Plan)]
    if not plans:
        raise TypeError("map_partitions() requires at least one frame or column as a positional argument")
    name = str(kwargs.pop("token", None) or function_name(func))
    for key, one in kwargs.items():
        if isinstance(one, Plan):
            raise NotImplementedError(
                f"map_partitions() does not support a frame as the keyword argument {key!r}; pass it by position"
            )
    has_info = has_keyword(func, "partition_info") and "partition_info" not in kwargs
    sample: Any = None
    if meta is no_default or meta is None:
        sample = sample_result(func, args, kwargs, has_info, name)
        is_described = isinstance(sample, pd.Index) and sample.nlevels == 1
        described = None if _is_block(sample) else Meta(sample if is_described else as_pandas(sample, name))
        described = None if described is None else described.with_types_of(plans)
    else:
        sample = meta
        described = None if _is_block(meta) else given_meta(meta, plans[0])
        if described is not None:
            described = described.with_object_types(lambda: sample_result(func, args, kwargs, has_info, name))
    client = plans[0]._client
    inputs = Inputs(plans)
    places = iter(range(len(plans)))
    positional = [Part(next(places)) if isinstance(one, Plan) else one for one in args]

    def make() -> list[Any]:
        partitions, count, singles = inputs.persist()
        labels = inputs.labels(count) if has_info else []
        call = _Call(func, described, None, singles)
        frames = [argument_of(one) for one in partitions]
        shared = shared_arguments(positional, kwargs)
        extras = [{"partition_info": {"number": at, "division": label}} for at, label in enumerate(labels)]
        return [Task(call, (at, (), extras[at] if extras else {}, shared, *frames), None, name) for at in range(count)]

    if described is None:
        return _array_of(make(), sample)
    counts = {plan._rows.partitions for plan in plans}
    made = Results(client, new_table_name(), described).frame(make, counts.pop() if len(counts) == 1 else None)
    return made.index if described.is_index else made


def _is_block(value: Any) -> bool:
    """Whether a value is a block of an array: of NumPy, or one of the sparse ones that arrays can have."""
    from ..array._blocks import is_block_type

    return is_block_type(type(value)) and hasattr(value, "shape")


def _array_of(tasks: list[Any], sample: Any) -> Any:
    """Return the array of the results of tasks, whose numbers of rows are unknown."""
    from ..array._delayed import from_delayed as array_from_delayed
    from ..array._joining import concatenate

    shape = (np.nan, *sample.shape[1:])
    meta = None if type(sample) is np.ndarray else sample
    blocks = [array_from_delayed(_make(task), shape, dtype=sample.dtype, meta=meta) for task in tasks]
    return concatenate(blocks, allow_unknown_chunksizes=True)


def given_meta(meta: Any, plan: Any) -> Meta:
    """Return the meta that a user gave for the result of a function of a plan."""
    index = None if isinstance(plan, Index) else meta_of(plan).index
    kinds = plan._rows.types([expr for _, expr in plan._selected()])
    return Meta.of(meta, index, dict(zip(plan._selected_labels(), kinds)))


def infer_meta(func: Callable[..., Any], args: Any, kwargs: dict[str, Any], has_info: bool, name: str) -> Meta:
    """Return the meta of the result of a function for made-up values."""
    plans = [one for one in args if isinstance(one, Plan)]
    return Meta(as_pandas(sample_result(func, args, kwargs, has_info, name), name)).with_types_of(plans)


def sample_result(func: Callable[..., Any], args: Any, kwargs: dict[str, Any], has_info: bool, name: str) -> Any:
    """Return the result of a function for made-up values."""

    def sample(value: Any) -> Any:
        if isinstance(value, Plan):
            return meta_of(value, 2)
        if isinstance(value, Scalar):
            return sample_table([value._type], [None], 0).column(0)[0].as_py()
        return value

    extra = {"partition_info": {"number": 0, "division": None}} if has_info else {}
    try:
        return func(*map(sample, args), **{key: sample(one) for key, one in kwargs.items()}, **extra)
    except Exception as error:
        raise ValueError(
            f"cannot infer the columns and types that {name} returns: it raised {type(error).__name__}: {error} for two "
            "rows of made-up values; give them with meta="
        ) from error
