"""Conversions of strings and numbers to numbers and durations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import aggregate, call, cast
from ._arguments import reject_unsupported
from ._mixed import Method, ToNumeric, are_integers, computed, is_mixed
from ._sql import is_number, is_text

__all__ = ["check_errors", "to_numeric", "to_timedelta"]


def check_errors(name: str, errors: str) -> None:
    if errors not in ("raise", "coerce"):
        raise ValueError(f"{name}: invalid error value specified: errors must be 'raise' or 'coerce', not {errors!r}")


def to_numeric(arg: Any, errors: str = "raise", meta: Any = None, **arguments: Any) -> Any:
    """Convert a column of strings to numbers.

    The result has an integer type if all strings are integers. To find out, this function runs a query.

    Parameters
    ----------
    arg : Series, array, list or value
        The strings. A column of another type is returned unchanged. The result for an array is an array, and that for a
        list or a value is a delayed value. Objects of pandas are converted by pandas.
    errors : {"raise", "coerce"}
        Whether an invalid string is an error or becomes a missing value.
    meta : optional
        The type of the result for an array, int64 by default. It has no effect for a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> dd.to_numeric(dd.from_pandas(pd.Series(["1", "20"]), npartitions=1)).sum().compute()
    np.int64(21)
    """
    from ..array._core import Array
    from ..delayed import delayed
    from ._series import Series

    reject_unsupported("to_numeric", arguments)
    check_errors("to_numeric", errors)
    if isinstance(arg, Array):
        kind = np.dtype("int64") if meta is None else meta.dtype
        return arg.map_blocks(_ToNumeric(errors), dtype=kind)
    if isinstance(arg, (pd.Series, pd.Index)):
        found_by_pandas: Any = pd.to_numeric(arg, errors=errors)
        return found_by_pandas
    if not isinstance(arg, Series):
        if not (pd.api.types.is_scalar(arg) or isinstance(arg, (list, tuple))):
            raise TypeError(f"arg must be a list, tuple, dask.array.Array, column or value, not {type(arg).__name__}")
        if meta is not None:
            raise KeyError("``meta`` is not allowed when arg is a single value")
        return delayed(pd.to_numeric, pure=True)(arg, errors=errors)
    if is_mixed(arg._kind):
        test = computed(arg.dropna(), are_integers, "to_numeric", bool)
        if _are_all(test, test._expr):
            return computed(arg, Method("astype", "int64"), "to_numeric", "int64")
        return computed(arg, ToNumeric(errors), "to_numeric", "float64")
    if not is_text(arg._kind):
        return arg
    # The type depends on the values: int64 if all are integers, also if there are none.
    if _are_all(arg, px.not_null(cast(arg._expr, pa.int64(), is_lenient=True))):
        return arg._like(cast(arg._expr, pa.int64()))
    return arg._like(cast(arg._expr, pa.float64(), is_lenient=errors == "coerce"))


def _are_all(column: Any, test: Any) -> bool:
    """Whether a condition is true for all rows. This runs a query."""
    found = call("coalesce", aggregate("bool_and", test), True)
    return bool(column._rows.values([found]).column(0)[0].as_py())


class _ToNumeric:
    """The function of the calls that convert blocks of an array."""

    def __init__(self, errors: str) -> None:
        self.errors = errors

    def __call__(self, block: Any) -> Any:
        return pd.to_numeric(block, errors=self.errors)


class _ToTimedelta:
    """The function of the calls that convert values to durations."""

    def __init__(self, unit: Any, errors: str, stored: str) -> None:
        self.unit = unit
        self.errors = errors
        self.stored = stored

    def __call__(self, values: pd.Series) -> pd.Series:
        found = pd.to_timedelta(values, unit=self.unit, errors=self.errors)
        return found.dt.as_unit(self.stored)


def to_timedelta(arg: Any, unit: str | None = None, errors: str = "raise") -> Any:
    """Convert a column of strings or numbers to durations. The function of pandas converts the values on the workers.

    Parameters
    ----------
    arg : Series or value
        Strings such as ``"1 days 02:00"``, or numbers. A value or an object of pandas is converted by pandas.
    unit : str, optional
        Unit of numbers, nanoseconds by default.
    errors : {"raise", "coerce"}
        Whether an invalid string is an error or becomes a missing value.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> spans = dd.from_pandas(pd.Series(["1 days", "90min"]), npartitions=1)
    >>> dd.to_timedelta(spans).dt.total_seconds().compute().tolist()
    [86400.0, 5400.0]
    """
    from ._column_functions import call_rows
    from ._series import Series

    if not isinstance(arg, Series):
        if hasattr(arg, "_rows"):
            raise TypeError(f"to_timedelta() takes a column, not a {type(arg).__name__}")
        return pd.to_timedelta(arg, unit=unit, errors=errors)
    check_errors("to_timedelta", errors)
    kind = arg._kind
    if pa.types.is_duration(kind):
        return arg
    if is_text(kind):
        if unit is not None:
            raise ValueError("to_timedelta: unit must not be specified if the values are strings")
        # Nanoseconds are exact for all strings; pandas chooses the unit by the values.
        dtype = pd.Series([], dtype="timedelta64[ns]").dtype
    elif is_number(kind) and not pa.types.is_boolean(kind):
        sample = [1] if pa.types.is_integer(kind) else [1.5]
        dtype = pd.to_timedelta(pd.Series(sample, dtype=arg.dtype), unit=unit).dtype
    else:
        raise TypeError(f"to_timedelta: cannot convert {kind} to durations; use strings or numbers")
    unit_of = np.datetime_data(dtype)[0]
    return call_rows(
        arg, _ToTimedelta(unit, errors, unit_of), pd.Series([], dtype=dtype, name=arg.name), "to_timedelta"
    )
