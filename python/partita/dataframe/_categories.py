"""Methods of categorical columns, as ``.cat`` in pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import call, case, cast
from ._columns import UnknownCategories, is_read_as_categories, sort_value
from ._sql import literal, type_of

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["CategoryMethods"]

#: Methods that change the order of the categories, or add some, and keep the values.
_KEEPING = ("add_categories", "as_ordered", "as_unordered", "reorder_categories")


class UnknownCategoriesError(AttributeError, NotImplementedError):
    """The categories of a column count as unknown."""


class CategoryMethods:
    """Methods of a categorical column, as ``.cat`` in pandas.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> k = dd.from_pandas(pd.Series(["x", "y", "x"], dtype="category"), npartitions=2)
    >>> list(k.cat.categories), k.cat.codes.compute().tolist()
    (['x', 'y'], [0, 1, 0])
    >>> k.cat.rename_categories({"x": "z"}).compute().tolist()
    ['z', 'y', 'z']
    """

    def __init__(self, column: Series) -> None:
        self._is_read = is_read_as_categories(column._kind, column._origin)
        dtype = UnknownCategories([]) if self._is_read else column._origin
        if not isinstance(dtype, pd.CategoricalDtype):
            raise AttributeError("Can only use .cat accessor with a 'category' dtype")
        self._column = column
        self._dtype: pd.CategoricalDtype = dtype

    @property
    def known(self) -> bool:
        """Whether the categories are known. Those of files that were read with ``dtype="category"`` are not, and those after
        :meth:`as_unknown`."""
        return not isinstance(self._dtype, UnknownCategories)

    def _require_known(self, name: str) -> None:
        if not self.known:
            raise UnknownCategoriesError(
                f"cat.{name} of a column with unknown categories is not supported; use cat.as_known() first"
            )

    @property
    def categories(self) -> pd.Index:
        """The categories."""
        self._require_known("categories")
        found: pd.Index = self._dtype.categories
        return found

    @property
    def ordered(self) -> bool:
        """Whether the categories have an order."""
        return bool(self._dtype.ordered)

    @property
    def codes(self) -> Series:
        """The position of the category of each value; -1 for missing values."""
        self._require_known("codes")
        count = len(self._dtype.categories)
        kind = pa.int8() if count < 2**7 else pa.int16() if count < 2**15 else pa.int32()
        places = sort_value(self._column._expr, self._dtype) if count else px.NULL
        found: Series = self._column._like(cast(call("coalesce", cast(places, pa.int64()), -1), kind), name=None)
        return found

    def as_known(self, **arguments: Any) -> Series:
        """Return the column with known categories. Those of files are computed at once."""
        if self._is_read:
            return self._column.astype("category")
        return self._with_type(pd.CategoricalDtype(self._dtype.categories, self._dtype.ordered))

    def as_unknown(self) -> Series:
        """Return the column such that its categories count as unknown, as in Dask. The values are the same."""
        if self._is_read:
            return self._column
        return self._with_type(UnknownCategories(self._dtype.categories, self._dtype.ordered))

    def _with_type(self, dtype: pd.CategoricalDtype) -> Series:
        """Return the column with other categories that have all values."""
        found: Series = self._column._like(self._column._expr, origin=dtype)
        return found

    def _changed(self, name: str, *args: Any, **kwargs: Any) -> pd.CategoricalDtype:
        """Return the type of the column after a method of pandas."""
        if self._is_read:
            self._require_known(name)
        empty = pd.Series(pd.Categorical([], categories=self._dtype.categories, ordered=self._dtype.ordered))
        found: pd.CategoricalDtype = getattr(empty.cat, name)(*args, **kwargs).dtype
        return found

    def _limited(self, dtype: pd.CategoricalDtype) -> Series:
        """Return the column with other categories. Values that are not among them become missing."""
        kept = [one for one in dtype.categories if one in self._dtype.categories]
        if not set(self._dtype.categories) - set(kept):
            return self._with_type(dtype)
        if not kept:
            kind = type_of(dtype.categories[0]) if len(dtype.categories) else pa.large_string()
            nothing: Series = self._column._like(cast(None, kind), origin=dtype)
            return nothing
        test = self._column.isin(kept)._expr
        found: Series = self._column._like(case([(test, self._column._expr)]), origin=dtype)
        return found

    def set_categories(self, new_categories: Any, ordered: bool | None = None, rename: bool = False) -> Series:
        """Return the column with these categories.

        Parameters
        ----------
        new_categories : list
            The categories. Other values become missing.
        ordered : bool, optional
            Whether they have an order; by default as before.
        rename : bool
            Whether the categories are renamed by position instead.
        """
        dtype = self._changed("set_categories", new_categories, ordered=ordered, rename=rename)
        return self._renamed(dtype) if rename else self._limited(dtype)

    def remove_categories(self, removals: Any) -> Series:
        """Return the column without some categories, whose values become missing."""
        return self._limited(self._changed("remove_categories", removals))

    def remove_unused_categories(self) -> Series:
        """Return the column without the categories that do not occur. They are computed at once."""
        if self._is_read:
            self._require_known("remove_unused_categories")
        used = set(self._column.dropna().unique().compute())
        return self._with_type(
            pd.CategoricalDtype([one for one in self._dtype.categories if one in used], self._dtype.ordered)
        )

    def rename_categories(self, new_categories: Any) -> Series:
        """Return the column with other names of the categories: a list, a dict, or a function."""
        return self._renamed(self._changed("rename_categories", new_categories))

    def _renamed(self, dtype: pd.CategoricalDtype) -> Series:
        """Return the column with categories renamed by position. Values without a name become missing."""
        pairs = [(literal(old), literal(new)) for old, new in zip(self._dtype.categories, dtype.categories)]
        value = case(pairs, operand=self._column._expr) if pairs else px.NULL
        found: Series = self._column._like(value, origin=dtype)
        return found


def _keeping(name: str) -> Any:
    def method(self: CategoryMethods, *args: Any, **kwargs: Any) -> Series:
        return self._with_type(self._changed(name, *args, **kwargs))

    method.__name__ = name
    method.__doc__ = f"Return the column after :meth:`pandas.Series.cat.{name}`, with the same values."
    return method


for _name in _KEEPING:
    setattr(CategoryMethods, _name, _keeping(_name))
