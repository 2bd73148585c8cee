"""Methods of indexes, where these are not columns."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan.expr import Expr, cast
from ._base import Level, Plan
from ._columns import ARROW, RANGE, Column, is_masked
from ._periods import as_periods, to_times
from ._rows import Rows
from ._scalar import Scalar

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Index, Series

__all__ = ["IndexMethods"]


class IndexMethods:
    """Methods of indexes, before those of columns."""

    name: Any
    _rows: Rows
    _expr: Expr
    _origin: Any
    _cell: Column
    is_monotonic_increasing: Scalar
    is_monotonic_decreasing: Scalar
    #: What makes the labels regular; see :class:`Level`.
    _regularity: Any = None

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        made = super()._operate(name, other, swapped)  # type: ignore[misc]
        if self._regularity == RANGE and name in ("add", "sub", "mul") and isinstance(other, numbers.Integral):
            made._regularity = RANGE
        return made

    def __neg__(self) -> Any:
        return self._regular(super().__neg__())  # type: ignore[misc]

    def abs(self) -> Any:
        """Return the absolute values."""
        return self._regular(super().abs())  # type: ignore[misc]

    __abs__ = abs

    def _regular(self, made: Any) -> Any:
        """Return labels that are regular if these are numbers with a constant step."""
        if self._regularity == RANGE:
            made._regularity = RANGE
        return made

    def _mapped_by(self, arg: Any, na_action: Any) -> Any:
        made = super()._mapped_by(arg, na_action)  # type: ignore[misc]
        if not is_masked(made._origin):
            return made
        # As in pandas, labels are not nullable: those of Arrow's types have the types of Python's values.
        kind, is_arrow = made._kind, made._origin == ARROW
        if is_arrow and pa.types.is_integer(kind):
            return made._like(cast(made._expr, pa.int64()), origin=None)
        if is_arrow and pa.types.is_floating(kind):
            return made._like(cast(made._expr, pa.float64()), origin=None)
        return made._like(made._expr, origin=None)

    def map(self, arg: Any, na_action: Any = None, meta: Any = None, is_monotonic: bool = False) -> Any:
        """Map labels by a dict, a pandas series, or a Python function; see :meth:`Series.map`.

        Parameters
        ----------
        arg, na_action, meta
            As for columns.
        is_monotonic : bool
            Whether a function maps greater labels to greater ones. The rows then stay sorted by the index, and the
            divisions are those to which the function maps the present ones.
        """
        made = super().map(arg, na_action, meta)  # type: ignore[misc]
        if is_monotonic and self.known_divisions and callable(arg):
            from ._labels import with_shifted_order

            mapped = tuple(map(arg, self.divisions))
            if any(a > b for a, b in zip(mapped, mapped[1:])):
                raise ValueError(
                    f"map(is_monotonic=True): the function maps the divisions to {list(mapped)!r}, not sorted"
                )
            made._rows = with_shifted_order(self._rows, made)
            made._rows.divisions, made._rows.divided_by = mapped, made._expr
        return made

    def unique(self, **arguments: Any) -> Any:
        """Return the distinct labels; see :meth:`Series.unique`."""
        made = super().unique(**arguments)  # type: ignore[misc]
        made._regularity = self._distinct_regularity()
        return made

    def drop_duplicates(self, *args: Any, **arguments: Any) -> Any:
        """Drop all but the first occurrence of each label."""
        made = super().drop_duplicates(*args, **arguments)  # type: ignore[misc]
        made._regularity = self._distinct_regularity()
        return made

    def memory_usage(self, deep: bool = False) -> Any:
        """Return the bytes as pandas objects, the sum over the partitions, as a delayed value."""
        return super().memory_usage(deep=deep)  # type: ignore[misc]

    def _distinct_regularity(self) -> Any:
        """Return the regularity of the distinct labels. In pandas, labels that were not a range do not become one."""
        known = self._rows.labels
        is_unique = known is not None and known.is_unique and known.levels == (self._expr,)
        return self._regularity if is_unique or self._regularity != RANGE else None

    @property
    def known_divisions(self) -> bool:
        """Whether the rows are known to be sorted by these labels."""
        rows = self._rows
        return bool(rows.order) and not rows.is_undivided and rows.order[0].expr is self._expr

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The first label of each partition and the last label of the last one; see :attr:`DataFrame.divisions`."""
        return self.to_frame(name="v").divisions

    @property
    def index(self) -> Any:
        """An index has none."""
        raise AttributeError("'Index' object has no attribute 'index'")

    def _level(self) -> Level:
        return Level(self.name, self._expr, self._origin, self._regularity)

    def to_series(self, index: Any = None, name: Any = ...) -> Series:
        """Return the labels as a column with themselves as the index.

        Parameters
        ----------
        index
            Not supported.
        name : optional
            The name of the column; that of the index by default.
        """
        from ._series import Series

        if index is not None:
            raise NotImplementedError("to_series(index=) is not supported; use reset_index and set_index of the frame")
        label = self.name if name is ... else name
        return Series(self._rows, self._expr, label, (self._level(),), self._origin)

    def to_frame(self, index: bool = True, name: Any = ...) -> DataFrame:
        """Convert to a frame with one column, by default with the labels as its index too.

        Parameters
        ----------
        index : bool
            Whether the labels are also the index of the frame.
        name : optional
            The label of the column; the name of the index by default, or 0.
        """
        from ._frame import DataFrame

        label = (0 if self.name is None else self.name) if name is ... else name
        return DataFrame(self._rows, {label: self._cell}, (self._level(),) if index else ())

    def to_timestamp(self, freq: Any = None, how: str = "start") -> Any:
        """Return the times at which the labels, which are periods, start or end."""
        return to_times(self, freq, how)  # type: ignore[arg-type]

    def to_period(self, freq: Any = None) -> Any:
        """Return the periods in which the labels, which are times, are."""
        return as_periods(self, freq)  # type: ignore[arg-type]

    def shift(self, periods: int = 1, freq: Any = None) -> Index:
        """Shift the labels, which are times or durations, by periods of a frequency; by default their own."""
        from ._labels import shifted_labels, with_shifted_order

        made: Index
        if freq is not None and isinstance(self._origin, pd.PeriodDtype):
            raise TypeError("the `freq` argument is not supported for an index of periods, which has its own")
        made, regularity = shifted_labels(self, periods, freq)
        made._regularity = regularity
        if self.known_divisions:
            made._rows = with_shifted_order(self._rows, made)
        return made

    def _from_frame(self, frame: DataFrame) -> Index:
        from ._series import Index

        column = frame._column("v")
        made = Index(column._rows, column._expr, self.name, (), column._origin)
        made._regularity = self._regularity
        return made

    def _over_persisted(self, rows: Rows, levels: tuple[Level, ...]) -> Index:
        from ._series import Index

        made = Index(rows, rows.column("v"), self.name, (), self._origin)
        made._regularity = self._regularity
        return made

    def _sorted_like(self, plan: Plan) -> Scalar:
        """Return whether the labels of another plan are in the order of these, computed lazily."""
        if plan._rows.order[0].is_descending:
            return self.is_monotonic_decreasing
        return self.is_monotonic_increasing

    def _is_index_of(self, plan: Plan) -> bool:
        """Whether this is the index of a plan."""
        return [level.expr for level in plan._index] == [self._expr] and self._rows.identity is plan._rows.identity
