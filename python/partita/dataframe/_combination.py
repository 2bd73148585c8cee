"""Combination of frames, whose rows are matched by their index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._alignment import ARITHMETIC, REINDEX, Match
from ._base import Plan
from ._columns import Column, is_masked, label_index, refuse_equal_labels
from ._matching import align_rows, aligned, check_join, check_same_rows, uploaded
from ._replacement import MISSING
from ._rows import Rows
from ._sql import is_number, literal

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["FrameCombination"]


class FrameCombination:
    """Methods of frames."""

    _rows: Rows
    _columns: dict[Any, Column]
    _axis: pd.Index | None
    columns: Any
    _column: Callable[[Any], Series]
    _like: Callable[..., DataFrame]
    _kinds: Callable[[], dict[Any, Any]]

    def _checked(self, name: str, other: Any, match: Match = ARITHMETIC) -> tuple[Any, Any]:
        """Return this frame and another one over the same rows."""
        frame: Any = self
        other = uploaded(other, self)
        refuse_equal_labels(name, other)
        if not hasattr(other, "_columns"):
            raise TypeError(f"{name}() takes a frame, not {type(other).__name__}; use to_frame() of a column")
        return aligned(frame, other, match)

    def combine_first(self, other: Any) -> DataFrame:
        """Replace missing values with the values of another frame, whose other rows and columns are added.

        Parameters
        ----------
        other : DataFrame
            The frame. Rows are matched by their index, and sorted by it if the indexes differ.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> a = dd.from_pandas(pd.DataFrame({"v": [1.0, None]}), npartitions=2)
        >>> b = dd.from_pandas(pd.DataFrame({"v": [7.0, 8.0, 9.0]}), npartitions=2)
        >>> a.combine_first(b).v.compute().tolist()
        [1.0, 8.0, 9.0]
        """
        frame, other = self._checked("combine_first", other)
        labels = self.columns.union(other.columns, sort=False)
        made = {}
        for label in labels:
            if label in frame._columns and label in other._columns:
                made[label] = frame._column(label).fillna(other._column(label))._cell
            else:
                made[label] = frame._columns[label] if label in frame._columns else other._columns[label]
        found: DataFrame = frame._labelled(made, labels, frame._rows)
        return found

    def update(
        self, other: Any, join: str = "left", overwrite: bool = True, filter_func: Any = None, errors: str = "ignore"
    ) -> None:
        """Replace values in place with those of another frame that are not missing.

        Parameters
        ----------
        other : DataFrame
            The frame. Rows are matched by their index, columns by their labels; others have no effect.
        join : {"left"}
            The rows stay as they are.
        overwrite : bool
            Whether to replace also values that are not missing.
        filter_func
            Not supported.
        errors : {"ignore"}
            Only ``"ignore"`` is supported.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> a = dd.from_pandas(pd.DataFrame({"v": [1, 2]}), npartitions=2)
        >>> a.update(dd.from_pandas(pd.DataFrame({"v": [7]}, index=[1]), npartitions=1))
        >>> a.v.compute().tolist()
        [1, 7]
        """
        if join != "left" or filter_func is not None or errors != "ignore":
            raise NotImplementedError("update() supports only join='left' and errors='ignore', without filter_func=")
        frame, other = self._checked("update", other, REINDEX)

        def replaced(column: Any) -> Any:
            new = other._column(column.name)
            return column.mask(new.notna() if overwrite else new.notna() & column.isna(), new)

        changed = frame._each(replaced, [label for label in frame._columns if label in other._columns])
        own: Any = self
        own._become(changed)

    def _labelled(self, columns: dict[Any, Column], labels: pd.Index, rows: Rows) -> DataFrame:
        made = self._like(columns, rows)
        made._axis = labels[:0]
        return made

    def combine(
        self, other: Any, func: Callable[[Any, Any], Any], fill_value: Any = None, overwrite: bool = True
    ) -> DataFrame:
        """Call a function with each column and the column of the same label of another frame.

        Parameters
        ----------
        other : DataFrame
            A frame with the same columns. Rows are matched by their index, and sorted by it if the indexes differ.
        func : callable
            Takes two columns, and returns one of the same rows, such as ``numpy.minimum``. It is called once for each
            label, with the columns of the plan.
        fill_value : optional
            Replaces missing values first.
        overwrite : bool
            Must be True.
        """
        if not overwrite:
            raise NotImplementedError("combine(overwrite=False) is not supported; use combine_first")
        other = uploaded(other, self)
        if hasattr(other, "_columns") and set(self._columns) != set(other._columns):
            raise NotImplementedError("combine() requires the same columns in both frames; use align first")
        frame, other = self._checked("combine", other)
        rows, made = frame._rows, {}
        for label in frame._columns:
            left, right = frame._column(label), other._column(label)
            if fill_value is not None:
                left, right = left.fillna(fill_value), right.fillna(fill_value)
            found = func(left, right)
            if not isinstance(found, Plan) or hasattr(found, "_columns"):
                raise TypeError(f"combine: the function must return a column, not {type(found).__name__}")
            check_same_rows("combine", left, found)
            rows = rows.combine(found._rows)
            column: Any = found
            made[label] = column._cell
        combined: DataFrame = frame._like(made, rows)
        return combined

    def align(
        self, other: Any, join: str = "outer", axis: Any = None, fill_value: Any = None
    ) -> tuple[DataFrame, DataFrame]:
        """Return this frame and another one with the same rows and the same columns.

        Parameters
        ----------
        other : DataFrame
            The frame. Rows are matched by their index.
        join : {"outer", "inner", "left", "right"}
            Whether the rows and columns are those of one frame, of one of them, or of both.
        axis : {None, 0, 1, "index", "columns"}
            With 0, the columns stay as they are; with 1 the rows.
        fill_value : optional
            The value of rows and columns that a frame lacks; missing by default.
        """
        frame: Any = self
        if axis not in (None, 0, "index", 1, "columns"):
            raise ValueError(f"no axis named {axis} for a frame; use 0 or 1")
        other = uploaded(other, self)
        if not hasattr(other, "_columns"):
            raise TypeError(f"align() takes a frame, not {type(other).__name__}; use to_frame() of a column")
        refuse_equal_labels("align", other)
        how: Any = check_join(join)
        if axis not in (1, "columns"):
            frame, other = align_rows(frame, other, join, fill_value)
        if axis in (0, "index"):
            return frame, other
        labels = self.columns if self.columns.equals(other.columns) else self.columns.join(other.columns, how=how)
        missing = Column(MISSING if fill_value is None else literal(fill_value))

        def aligned(one: Any) -> DataFrame:
            columns = {label: one._columns.get(label, missing) for label in labels}
            found = one._like(columns)
            found._axis = label_index(list(columns), labels)[:0]
            made: DataFrame = found
            return made

        return aligned(frame), aligned(other)

    def dot(self, other: Any) -> Any:
        """Return the sum of the products of the values of each row with the entries of a vector or matrix.

        Parameters
        ----------
        other : pandas.Series, pandas.DataFrame, array or list
            A vector gives a column; a matrix gives a frame with a column for each of its columns. Labels of pandas objects
            must be those of the columns.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> ddf.dot([10, 1]).compute().tolist()
        [13, 24]
        """
        if isinstance(other, Plan):
            raise NotImplementedError(
                "dot() of two frames of the cluster is not supported: the entries are matched with labels of columns; use "
                "compute() for the second one"
            )
        for label, kind in self._kinds().items():
            if not is_number(kind):
                raise TypeError(f"cannot compute dot of column {label!r} of {kind}; select numeric columns")
        labels = list(self._columns)
        if not labels:
            raise ValueError("dot() requires at least one column")
        if isinstance(other, (pd.Series, pd.DataFrame)):
            if len(other.index) != len(labels) or set(other.index) != set(labels):
                raise ValueError("matrices are not aligned: the labels must be those of the columns")
            other = other.loc[labels]
        entries = np.asarray(other)
        if entries.shape[0] != len(labels) or entries.ndim not in (1, 2):
            raise ValueError(f"dot product shape mismatch: {len(labels)} columns, and entries of shape {entries.shape}")
        if entries.dtype.kind not in "iufb":
            raise TypeError(f"dot() takes numbers, not {entries.dtype}")
        if entries.ndim == 1:
            return self._weighted(labels, entries)
        names = other.columns if isinstance(other, pd.DataFrame) else pd.RangeIndex(entries.shape[1])
        columns = {name: self._weighted(labels, entries[:, at])._cell for at, name in enumerate(names)}
        return self._labelled(columns, names, self._rows)

    def _weighted(self, labels: list[Any], weights: Any) -> Series:
        """Return the sum of columns with weights, which is missing if one of the values is."""
        columns = [self._column(label) for label in labels]
        kind = None
        if not any(is_masked(column._origin) for column in columns):
            # As in NumPy, the products have the common type.
            kind = np.result_type(weights.dtype, *(column.dtype for column in columns))
            columns = [column.astype(kind) for column in columns]
        terms = [column * weight.item() for column, weight in zip(columns, weights)]
        made = terms[0]
        for term in terms[1:]:
            made = made + term
        return (made if kind is None else made.astype(kind)).rename(None)
