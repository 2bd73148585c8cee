"""Methods of pandas that compute each row by itself, where no expression stands for them: workers call pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..utils import no_default
from ._meta import as_pandas
from ._partition_inputs import meta_of

__all__ = [
    "DURATION_METHODS",
    "LIST_METHODS",
    "STRING_METHODS",
    "TIME_METHODS",
    "PandasMethod",
    "SplitText",
    "accessor_method",
    "call_method",
    "matches_of",
]


class PandasMethod:
    """A function that calls a method of a pandas object, or of one of its accessors, or reads a property."""

    def __init__(self, name: str, args: tuple[Any, ...] = (), kwargs: Any = None, accessor: str = "") -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs or {}
        self.accessor = accessor

    def __call__(self, values: Any) -> Any:
        owner = getattr(values, self.accessor) if self.accessor else values
        found = getattr(owner, self.name)
        return found(*self.args, **self.kwargs) if callable(found) else found


def call_method(plan: Any, function: Any, name: str, meta: Any = no_default) -> Any:
    """Return the column, or frame, of the results of a function that maps each row to one row.

    Parameters
    ----------
    plan : DataFrame, Series or Index
        What the function gets, an index as a column. Of an index the result is an index too, unless it is a frame.
    function : callable
        Takes a pandas object.
    name : str
        Name of the calls.
    meta : optional
        The columns and types; by default those of the result for made-up rows.
    """
    from ._column_functions import call_rows
    from ._series import Index, Series

    is_index = isinstance(plan, Index)
    own = Series(plan._rows, plan._expr, plan.name, (), plan._origin) if is_index else plan
    if meta is no_default:
        meta = _result_of(own, function, name)
    made = call_rows(own, function, meta, name)
    if is_index and isinstance(made, Series):
        return Index(made._rows, made._expr, made.name, (), made._origin)
    return made


def _result_of(plan: Any, function: Any, name: str) -> Any:
    """Return the result for made-up rows, with a string in each list of a column of lists, which may be empty."""
    try:
        found = as_pandas(function(meta_of(plan, 2)), name)
    except (ImportError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
        # pandas' own error says what is wrong with the arguments.
        raise type(error)(f"{name}: {error}") from None
    if isinstance(found, pd.Series):
        return _with_items(found)
    return found.apply(_with_items) if len(found.columns) else found


def _with_items(values: pd.Series) -> pd.Series:
    if values.dtype == object and any(isinstance(one, list) and not one for one in values):
        return values.map(lambda one: one or ["a"])
    return values


#: Methods of ``.str`` that workers call pandas for.
STRING_METHODS = frozenset(
    (
        *("casefold", "encode", "findall", "index", "isascii", "istitle", "join", "normalize", "partition"),
        *("rfind", "rindex", "rpartition", "slice_replace", "swapcase", "translate", "wrap"),
    )
)
#: Methods of ``.str`` of lists that workers call pandas for.
LIST_METHODS = frozenset(("join", "slice"))
#: Methods and properties of ``.dt`` that workers call pandas for.
TIME_METHODS = frozenset(
    (
        *("isocalendar", "is_leap_year", "is_month_end", "is_month_start", "is_quarter_end", "is_quarter_start"),
        *("is_year_end", "is_year_start", "time", "timetz"),
    )
)
#: Properties of ``.dt`` of durations that workers call pandas for.
DURATION_METHODS = frozenset(("components",))


def accessor_method(column: Any, accessor: str, name: str) -> Any:
    """Return a method of an accessor that workers call pandas for, or the values of a property."""
    twin = getattr(pd.Series(dtype="str" if accessor == "str" else column.dtype), accessor)
    if not callable(getattr(type(twin), name, None)):
        return call_method(column, PandasMethod(name, accessor=accessor), name)

    def method(*args: Any, **kwargs: Any) -> Any:
        return call_method(column, PandasMethod(name, args, kwargs, accessor), name)

    method.__name__ = method.__qualname__ = name
    return method


def matches_of(column: Any, function: PandasMethod) -> pd.DataFrame:
    """Return the frame without rows of the matches of a pattern in a column of strings."""
    index = column._meta.index
    levels = [index.get_level_values(at) for at in range(index.nlevels)]
    labels = pd.MultiIndex.from_arrays([*levels, pd.Index([], dtype="int64")], names=[*index.names, "match"])
    groups = function(column._meta).columns
    return pd.DataFrame({label: pd.Series([], dtype=column.dtype) for label in groups}).set_index(labels)


class SplitText:
    """A function that splits strings into a fixed number of columns."""

    def __init__(self, name: str, pat: Any, n: int, regex: Any) -> None:
        self.name = name
        self.how = {"pat": pat, "n": n, "expand": True, **({} if regex is None else {"regex": regex})}
        self.count = n + 1

    def __call__(self, values: pd.Series) -> pd.DataFrame:
        found = getattr(values.str, self.name)(**self.how)
        return found.reindex(columns=range(self.count)).astype(values.dtype)
