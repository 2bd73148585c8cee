"""Groups whose results have the keys as columns (``groupby(as_index=False)``)."""

from __future__ import annotations

from typing import Any

from ._base import UnsupportedName
from ._group_windows import GroupWindows
from ._groupby import GROUP_REDUCTIONS, GroupBy
from ._series import Series

__all__ = ["UnindexedGroups"]

#: Methods with one row for each group.
_REDUCTIONS = {*GROUP_REDUCTIONS, "product", "agg", "aggregate"} - {"list"}
#: Methods that add keys to the index, for which pandas has rules of its own.
_UNSUPPORTED = {"apply", "rolling", "nlargest", "nsmallest", "describe", "cov", "corr", "unique"}


class UnindexedGroups:
    """The groups of a frame, with the keys of reductions as columns.

    Methods with a result for each row, such as ``cumsum`` and ``transform``, are those of :class:`GroupBy`.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
    >>> ddf.groupby("k", as_index=False).v.sum().compute().values.tolist()
    [['x', 4], ['y', 2]]
    """

    def __init__(self, groups: GroupBy) -> None:
        self._groups = groups

    def __getitem__(self, key: Any) -> UnindexedGroups:
        return UnindexedGroups(self._groups[key])

    def __dir__(self) -> list[str]:
        return sorted(set(dir(self._groups)) - _UNSUPPORTED)

    def __getattr__(self, name: str) -> Any:
        if name in _REDUCTIONS:
            return lambda *args, **kwargs: self._flat(getattr(self._groups, name)(*args, **kwargs), name)
        if name == "value_counts":
            return lambda **arguments: self._flat(self._groups.value_counts(**arguments), name)
        if name in _UNSUPPORTED:
            raise UnsupportedName(
                f"groupby(as_index=False).{name} is not supported; use groupby().{name} and reset_index()"
            )
        if hasattr(GroupWindows, name):
            return getattr(self._groups, name)
        found = getattr(self._groups, name)
        return UnindexedGroups(found) if isinstance(found, GroupBy) else found

    def _flat(self, found: Any, method: str) -> Any:
        """Return a result with the keys as columns."""
        if isinstance(found, Series):
            found = found.to_frame("size" if method == "size" else found.name)
        names = [name for name, _ in self._groups._keys]
        if any(name is None for name in names):
            raise NotImplementedError("groupby(as_index=False) requires keys with names; use rename() on the key")
        own = {label[0] if isinstance(label, tuple) else label for label in found.columns}
        if own.issuperset(names):
            # As in pandas, reductions of the keys replace them.
            return found.reset_index(drop=True)
        return found.reset_index()
