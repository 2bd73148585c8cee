"""Helpers for tests of programs that use frames: the replacement of ``dask.dataframe.utils``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._collection import is_collection

__all__ = ["assert_eq", "make_meta"]

#: The name of a level of an index that has none, while rows are sorted by it.
_LEVEL = "__level_{}"


def assert_eq(
    a: Any,
    b: Any,
    check_names: bool = True,
    check_dtype: bool = True,
    check_divisions: bool = True,
    check_index: bool = True,
    sort_results: bool = True,
    scheduler: Any = None,
    **kwargs: Any,
) -> bool:
    """Check that two frames, columns, indexes or values are equal. Lazy ones are computed.

    Parameters
    ----------
    a, b : DataFrame, Series, Index, Scalar, pandas object or value
        What to compare.
    check_names : bool
        Whether names must be equal.
    check_dtype : bool
        Whether types must be equal.
    check_divisions
        Accepted for compatibility with Dask: the values of divisions are those of the rows in any case.
    check_index : bool
        Whether the indexes must be equal.
    sort_results : bool
        Whether rows may be in any order, as far as their index does not differ.
    scheduler : optional
        As in :func:`partita.compute`.
    **kwargs
        Arguments of the function of ``pandas.testing`` for this kind of object.

    Returns
    -------
    bool
        True.

    Raises
    ------
    AssertionError
        If they differ.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> from partita.distributed import Client
    >>> with Client(n_workers=1) as client:
    ...     ddf = dd.from_pandas(pd.DataFrame({"x": [1, 2]}))
    ...     assert_eq(ddf.x + 1, pd.Series([2, 3], name="x"))
    True
    """
    left, right = _computed(a, scheduler), _computed(b, scheduler)
    if sort_results:
        left, right = _sorted(left, check_index), _sorted(right, check_index)
    if isinstance(left, (pd.DataFrame, pd.Series)) and not check_index:
        left, right = left.reset_index(drop=True), _without_index(right)
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, check_names=check_names, check_dtype=check_dtype, **kwargs)
    elif isinstance(left, pd.Series):
        pd.testing.assert_series_equal(left, right, check_names=check_names, check_dtype=check_dtype, **kwargs)
    elif isinstance(left, pd.Index):
        exact = "equiv" if check_dtype else False
        pd.testing.assert_index_equal(left, right, exact=exact, check_names=check_names, **kwargs)
    else:
        assert _are_equal(left, right), f"{left!r} != {right!r}"
    return True


def make_meta(x: Any, index: Any = None, parent_meta: Any = None) -> Any:
    """Return an object of pandas without rows, which describes columns and types.

    Parameters
    ----------
    x : object
        An object of pandas or a lazy one, a dict of names and types, pairs of name and type, one pair for a column, a type,
        or a single value, which is returned as it is.
    index : pandas.Index, optional
        The index, if `x` does not describe it.
    parent_meta
        Accepted for compatibility with Dask; no effect.

    Examples
    --------
    >>> make_meta({"a": "int64"}).dtypes.to_dict()
    {'a': dtype('int64')}
    """
    from ._base import Plan
    from ._meta import Meta

    if isinstance(x, Plan):
        return x._meta
    if isinstance(x, (pd.DataFrame, pd.Series, pd.Index)):
        return x[:0]
    if pd.api.types.is_scalar(x) and not isinstance(x, str):
        return x
    made = Meta.of(x, index)
    return made.empty["v"].rename(made.name) if made.is_series else made.empty


def _computed(value: Any, scheduler: Any) -> Any:
    if not is_collection(value):
        return value
    return value.compute() if scheduler is None else value.compute(scheduler=scheduler)


def _without_index(value: Any) -> Any:
    return value.reset_index(drop=True) if isinstance(value, (pd.DataFrame, pd.Series)) else value


def _sorted(value: Any, by_index: bool) -> Any:
    """Return the rows sorted by their index, if it counts, and rows with equal labels by their values."""
    if isinstance(value, pd.Index):
        return _take(value, value.to_frame(index=False))
    if not isinstance(value, (pd.DataFrame, pd.Series)):
        return value
    frame = value.to_frame() if isinstance(value, pd.Series) else value
    keys = [frame.iloc[:, at] for at in range(frame.shape[1])]
    if by_index:
        keys = [*[value.index.get_level_values(at) for at in range(value.index.nlevels)], *keys]
    columns = {_LEVEL.format(at): np.asarray(key) for at, key in enumerate(keys)}
    return _take(value, pd.DataFrame(columns))


def _take(value: Any, keys: pd.DataFrame) -> Any:
    """Return the rows in the order of their keys; as they are if these have no order, such as lists."""
    try:
        order = keys.reset_index(drop=True).sort_values(list(keys.columns), kind="stable").index
    except TypeError:
        return value
    return value[order] if isinstance(value, pd.Index) else value.iloc[order]


def _are_equal(left: Any, right: Any) -> bool:
    if isinstance(left, (list, tuple)) or isinstance(right, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(_are_equal, left, right))
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return bool(np.shape(left) == np.shape(right) and np.all(_equal_or_missing(left, right)))
    return bool(np.all(_equal_or_missing(left, right)))


def _equal_or_missing(left: Any, right: Any) -> Any:
    near: Any = False
    if "f" in {np.asarray(one).dtype.kind for one in (left, right)}:
        try:
            near = np.isclose(left, right, equal_nan=True)
        except TypeError:
            near = False
    same = left == right
    both = pd.isna(left) & pd.isna(right)
    return near | both | (False if same is pd.NA else same)
