"""Data frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from ..plan.expr import Expr, SortKey, Trait, aggregate
from ..plan.relation import Filter, Named, Projection, Relation
from ..plan.rewrite import plain_condition, split, substitute, with_windows
from . import _display
from ._alignment import REINDEX, SELECTION
from ._arguments import is_columns_axis, reject_unsupported
from ._array_columns import column_of_array, is_array, is_boolean_array
from ._base import Level, Plan, UnsupportedName
from ._columns import Column, Repeated, full_label, keyed_columns, label_index, labels_below, renumbered, to_pandas
from ._combination import FrameCombination
from ._frame_partitions import FramePartitions, divisions_of_parts
from ._listing import listed
from ._matching import aligned, is_aligned, uploaded
from ._moments import FrameMoments
from ._operators import Operators
from ._partitions import Partitions, divide, divide_later, index_bounds, kept_divisions, parse_splits
from ._periods import period_label
from ._ranks import FrameRanks
from ._replacement import MISSING, NO_TIME
from ._reshaping import FrameReshaping
from ._rows import Rows, contains
from ._scalar import Scalar
from ._selection import FrameRows
from ._series import Index, Series, check_label_slice, index_of, row_numbers, with_index
from ._sql import INDEX, literal
from ._summary import FrameSummary
from ._values import FrameValues
from ._window_methods import FrameWindows
from ._writers import FrameWriters

__all__ = ["LISTS", "DataFrame"]

#: Types that select several columns in brackets.
LISTS = (list, pd.Index, pd.Series, np.ndarray)


class DataFrame(
    FrameRows,
    FrameRanks,
    FrameReshaping,
    FrameCombination,
    FramePartitions,
    FrameMoments,
    FrameValues,
    FrameSummary,
    FrameWindows,
    FrameWriters,
    Operators,
    Plan,
):
    """A lazy data frame: columns over the same rows, with an index.

    Frames are created by functions such as :func:`from_pandas` and :func:`read_parquet`, and by operations on frames.
    :meth:`compute` runs the plan. The result of ``groupby`` is sorted by the keys, as in pandas; the row order of other
    results of a shuffle, such as ``merge``, is undefined.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5]}), npartitions=2)
    >>> float(ddf[ddf.a > 1].b.sum().compute())
    6.0
    >>> ddf.assign(c=ddf.a + ddf.b).compute().c.tolist()
    [2.5, 4.5, 6.5]
    """

    #: An empty index with the name and the type of the column labels, if the labels do not determine them.
    _axis: pd.Index | None = None

    def __init__(
        self, rows: Rows, columns: dict[Any, Column], index: tuple[Level, ...], axis: pd.Index | None = None
    ) -> None:
        self._rows = rows
        self._columns = columns
        self._index = index
        self._axis = axis
        self._set_class()

    def _set_class(self) -> None:
        """Take the class of frames with equal labels if there are any."""
        has_equal = any(type(label) is Repeated for label in self._columns)
        if has_equal != (type(self) is FrameWithEqualLabels):
            self.__class__ = FrameWithEqualLabels if has_equal else DataFrame

    # Attributes.

    @property
    def columns(self) -> pd.Index:
        """The labels of the columns, which can be set."""
        return label_index(list(self._columns), self._axis)

    @columns.setter
    def columns(self, labels: Any) -> None:
        axis = labels if isinstance(labels, pd.Index) else pd.Index(list(labels))
        if len(axis) != len(self._columns):
            raise ValueError(f"Length mismatch: {len(axis)} labels for {len(self._columns)} columns")
        self._columns = keyed_columns(zip(axis, self._columns.values()))
        self._axis = axis[:0]
        self._set_class()

    @property
    def dtypes(self) -> pd.Series:
        """The pandas types of the columns."""
        kinds = self._kinds()
        table = pa.table([pa.array([], kind) for kind in kinds.values()], names=[str(i) for i in range(len(kinds))])
        empty = to_pandas(table, [column.origin for column in self._columns.values()])
        return pd.Series(list(empty.dtypes), index=self.columns, dtype=object)

    def _kinds(self) -> dict[Any, pa.DataType]:
        return dict(zip(self._columns, self._rows.types([column.expr for column in self._columns.values()])))

    @property
    def index(self) -> Index:
        """The index."""
        return index_of(self) if self._index else row_numbers(self)

    @index.setter
    def index(self, labels: Any) -> None:
        self._rows, self._index = with_index(self, labels)

    @property
    def ndim(self) -> int:
        """The number of dimensions, 2."""
        return 2

    @property
    def size(self) -> Scalar:
        """The number of cells, computed lazily."""
        return Scalar(self._rows, aggregate("count_rows") * len(self._columns), int)

    @property
    def shape(self) -> tuple[Scalar, int]:
        """The number of rows, computed lazily, and the number of columns."""
        return Scalar(self._rows, aggregate("count_rows"), int), len(self._columns)

    @property
    def partitions(self) -> Partitions:
        """The partitions, such as ``ddf.partitions[0]`` and ``ddf.partitions[:3]``."""
        return Partitions(self)

    def get_partition(self, n: int) -> DataFrame:
        """Return a partition by number, from 0."""
        made: DataFrame = self.partitions.one(n)
        return made

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The first index label of each partition and the last label of the last one.

        If the rows are sorted by the index but not persisted, only the first and last label of the frame, unless
        ``set_index(sorted=True)`` told that the partitions are sorted already. If the rows are not known to be sorted,
        ``None`` for each partition.
        """
        rows = self._rows
        known = kept_divisions(self)
        if known is not None:
            return known
        if not self.known_divisions:
            return (None,) * (self.npartitions + 1)
        if rows.presorted is not None and self.npartitions > 1:
            of_parts = divisions_of_parts(rows.presorted)
            if of_parts is not None:
                divide_later(self, of_parts)
                return of_parts
        first, last = index_bounds(self)
        splits = self._client._connection.table(rows.persisted)["splits"] if rows.persisted else []
        between = parse_splits(splits, rows.type(self._index[0].expr))
        origin = self._index[0].origin
        found = tuple(period_label(label, origin) for label in (first, *between, last))
        if rows.persisted:
            divide(self, found)
        return found

    def __repr__(self) -> str:
        return _display.text(self, "DataFrame")

    def _repr_html_(self) -> str:
        return _display.html(self, "DataFrame")

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self._columns)

    @trim_traceback
    def info(self, buf: Any = None, verbose: bool = False, memory_usage: bool = False) -> None:
        """Print the columns and their types.

        Parameters
        ----------
        buf : file, optional
            Output file. Standard output by default.
        verbose : bool
            Whether to compute and print the number of values of each column that are not missing.
        memory_usage : bool
            Whether to compute and print the bytes of the columns and of the index as pandas objects.
        """
        _display.info(self, buf, verbose, memory_usage)

    def __contains__(self, label: Any) -> bool:
        return label in self._columns

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __dir__(self) -> list[str]:
        return [
            *super().__dir__(),
            *(label for label in self._columns if isinstance(label, str) and label.isidentifier()),
        ]

    def _selected_labels(self) -> list[Any]:
        return list(self._columns)

    def _selected(self) -> list[Named]:
        return [Named(f"c{at}", column.expr) for at, column in enumerate(self._columns.values())]

    def _origins(self) -> list[Any]:
        return [*super()._origins(), *(column.origin for column in self._columns.values())]

    def _finish(self, frame: pd.DataFrame) -> pd.DataFrame:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index) :] if self._columns else frame.iloc[:, :0]
        values.index = index
        values.columns = self.columns
        return values

    def _like(self, columns: dict[Any, Column], rows: Rows | None = None) -> DataFrame:
        return DataFrame(rows or self._rows, columns, self._index, self._axis)

    # Columns.

    def _column(self, label: Any) -> Series:
        full = label if label in self._columns else full_label(label, self._columns)
        if full not in self._columns:
            self._refuse_equal(label)
            raise KeyError(f"no column {label!r}; columns: {listed(self._columns, label)}")
        expr, origin = self._columns[full]
        return Series(self._rows, expr, label, self._index, origin)

    def _refuse_equal(self, label: Any) -> None:
        """Raise an error if several columns have a label."""
        if Repeated(label, 0) in self._columns:
            raise NotImplementedError(
                f"several columns have the label {label!r}; set .columns to distinct labels first"
            )

    def _labels_below(self, label: Any) -> list[Any]:
        """Return the labels with several levels that begin with a label that is not one of them."""
        return [] if label in self._columns else labels_below(label, self._columns)

    def _frame_below(self, label: Any) -> Any:
        """Return the columns whose labels begin with a label, without it."""
        depth = len(label) if isinstance(label, tuple) else 1
        labels = self._labels_below(label)
        if not labels or full_label(label, labels) in labels:
            return self._column(label)
        axis = pd.MultiIndex.from_tuples(labels, names=self.columns.names).droplevel(list(range(depth)))
        columns = {short: self._columns[one] for short, one in zip(axis, labels)}
        return DataFrame(self._rows, columns, self._index, axis[:0])

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_columns", {})
        if name in columns:
            return self._column(name)
        if not name.startswith("_") and labels_below(name, columns):
            return self._frame_below(name)
        return super().__getattr__(name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, pd.Series) and pd.api.types.is_bool_dtype(key.dtype):
            key = uploaded(key, self)
        if is_boolean_array(key):
            key = column_of_array(self, np.asarray(key) if isinstance(key, list) else key)
        if isinstance(key, Series):
            return self._filtered(key)
        if isinstance(key, DataFrame):
            return self.where(key)
        if isinstance(key, LISTS):
            labels = (one for label in key for one in self._labels_below(label) or [label])
            return self._like(keyed_columns((label, self._column(label)._cell) for label in labels))
        if isinstance(key, slice):
            return self.loc[check_label_slice(key)]
        if callable(key):
            return self[key(self)]
        return self._frame_below(key)

    def __setattr__(self, name: str, value: Any) -> None:
        # As in pandas, setting an attribute with the label of a column sets the column.
        if not name.startswith("_") and name in self.__dict__.get("_columns", {}):
            self[name] = value
        else:
            super().__setattr__(name, value)

    def __setitem__(self, label: Any, value: Any) -> None:
        if isinstance(label, (Series, DataFrame)):
            changed = self.mask(label, value)
            self._become(changed)
            return
        labels = list(label) if isinstance(label, LISTS) else [label]
        if isinstance(value, DataFrame):
            if len(value._columns) != len(labels):
                raise ValueError(f"cannot set {len(labels)} columns to a frame with {len(value._columns)} columns")
            values = [value._column(one) for one in value._columns]
        else:
            values = [value] * len(labels)
        frame = self
        for one, new in zip(labels, values):
            frame = frame._with_column(one, new)
        self._become(frame)

    def _become(self, other: DataFrame) -> None:
        """Take the rows, columns and index of another frame."""
        self._rows, self._columns, self._index, self._axis = other._rows, other._columns, other._index, other._axis
        self._set_class()

    def __delitem__(self, label: Any) -> None:
        self._columns = self.drop(columns=[label])._columns

    def pop(self, item: Any) -> Series:
        """Remove a column and return it."""
        column = self._column(item)
        del self[item]
        return column

    def _value(self, value: Any) -> Column:
        """Return a Python value as a column."""
        if getattr(value, "ndim", 0) > 1:
            raise ValueError(f"cannot set a column to an array with {value.ndim} axes; it must have one")
        if pd.api.types.is_list_like(value):
            raise TypeError(
                f"cannot set a column to a value of type {type(value).__name__}; use a single value, an array with one axis, "
                "a column of this frame, or merge"
            )
        if isinstance(value, float) and pd.isna(value):
            return Column(MISSING)
        if value is pd.NaT:
            return Column(NO_TIME)
        return Column(literal(value))

    def _with_column(self, label: Any, value: Any) -> DataFrame:
        self._refuse_equal(label)
        if callable(value):
            value = value(self)
        if is_array(value):
            value = column_of_array(self, value)
        frame = self
        if isinstance(value, pd.Series):
            value = uploaded(value, self)
        if isinstance(value, Series):
            frame, value = aligned(self, value, REINDEX)
            column = value._cell
        elif isinstance(value, Scalar):
            column = Column(value._over(self._rows))
        else:
            column = self._value(value)
        made = frame._like({**frame._columns, label: column})
        if not self._columns and self._axis is not None:
            # The first label determines the type of the labels.
            made._axis = pd.Index([label], name=self._axis.name, tupleize_cols=False)[:0]
        return made

    def assign(self, **columns: Any) -> DataFrame:
        """Add or replace columns."""
        frame = self
        for label, value in columns.items():
            frame = frame._with_column(label, value)
        return frame

    def eval(self, expr: str, **arguments: Any) -> Any:
        """Evaluate an assignment such as ``c = a + b`` to a frame, or an expression such as ``a > 1`` to a column."""
        from ._query import caller_variables, evaluate

        names = arguments.pop("local_dict", None) or caller_variables()
        reject_unsupported("eval", arguments)
        return evaluate(self, expr, names)

    def copy(self, deep: bool = False) -> DataFrame:
        """Return a frame of the same plan, whose columns can be set independently."""
        return self._like(dict(self._columns))

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function with this frame and return its result."""
        return func(self, *args, **kwargs)

    def apply(self, func: Any, axis: Any = 0, args: Any = (), meta: Any = None, **kwargs: Any) -> Any:
        """Call a Python function with each row.

        The function runs on the workers when the result is first computed. The result has the same rows, so that it can be
        assigned as a column and combined with other columns.

        Parameters
        ----------
        func : callable
            Takes a row as a pandas series, and returns a value for a column, or a pandas series for a frame.
        axis : int or str
            Must be 1 or ``"columns"``.
        args : tuple
            Further positional arguments.
        meta : optional
            The columns and types of the result, as for :func:`partita.dataframe.map_partitions`. By default they are those
            of the results for made-up rows, and a warning names them.
        **kwargs
            Keyword arguments of the function.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> ddf.apply(lambda row: row.a * row.b, axis=1, meta=(None, "int64")).compute().tolist()
        [3, 8]
        """
        from ._column_functions import apply_rows

        if axis not in (1, "columns"):
            raise NotImplementedError("apply() supports only axis=1; use map_partitions for whole columns")
        return apply_rows(self, func, args, {"axis": 1, **kwargs}, meta)

    def items(self) -> Any:
        """Iterate over pairs of label and column."""
        return ((label, self._column(label)) for label in self._columns)

    def keys(self) -> pd.Index:
        """Return the labels of the columns."""
        return self.columns

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """Select columns by type."""
        empty = pd.DataFrame({at: pd.Series(dtype=kind) for at, kind in enumerate(self.dtypes)})
        labels = list(self._columns)
        return self[[labels[at] for at in empty.select_dtypes(include, exclude).columns]]

    def filter(self, items: Any = None, like: Any = None, regex: Any = None, axis: Any = None) -> DataFrame:
        """Select columns by a list of labels, a part of the label, or a regular expression."""
        if axis not in (None, 1, "columns"):
            raise NotImplementedError("filter(axis=0) is not supported; use loc on the index")
        if sum(one is not None for one in (items, like, regex)) != 1:
            raise TypeError("filter() takes one of items=, like= and regex=")
        if items is not None:
            return self[[label for label in items if label in self._columns]]
        pattern = re.compile(re.escape(like) if regex is None else regex)
        return self[[label for label in self._columns if pattern.search(str(label))]]

    def reindex(self, labels: Any = None, columns: Any = None, axis: Any = None, fill_value: Any = np.nan) -> DataFrame:
        """Select columns by their labels; those that do not exist have `fill_value`, by default missing values."""
        if columns is None and axis in (1, "columns"):
            columns, labels = labels, None
        if columns is None or labels is not None:
            raise NotImplementedError("reindex() supports only columns=; use merge, or loc on the index")
        frame = self
        for label in columns:
            if label not in frame._columns:
                frame = frame._with_column(label, fill_value)
        return frame[list(columns)]

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> DataFrame:
        """Remove columns."""
        if columns is None and axis not in (1, "columns"):
            raise NotImplementedError(
                "Drop currently only works for axis=1 or when columns is not None; filter rows with a condition in brackets"
            )
        given = labels if columns is None else columns
        # A tuple may be a label.
        is_label = isinstance(given, tuple) and (given in self._columns or bool(self._labels_below(given)))
        gone = list(given) if isinstance(given, (tuple, set, *LISTS)) and not is_label else [given]
        gone = [one for label in gone for one in self._labels_below(label) or [label]]
        missing = [label for label in gone if label not in self._columns]
        if missing and errors == "raise":
            raise KeyError(f"{missing} not found in axis")
        return self._like({label: column for label, column in self._columns.items() if label not in gone})

    def rename(self, mapper: Any = None, columns: Any = None, axis: Any = None, index: Any = None) -> DataFrame:
        """Rename columns, or index labels.

        Parameters
        ----------
        mapper, columns, index : dict or callable
            New labels by old ones, of columns or of the index. `mapper` is either, as `axis` says.
        axis : {0, 1, "index", "columns"}
            The axis of `mapper`; the index by default.
        """
        if columns is None and axis in (1, "columns"):
            columns, mapper = mapper, None
        if columns is None and axis in (0, "index", None):
            index, mapper = (mapper if index is None else index), None
        if mapper is not None:
            raise TypeError("rename() takes a mapper with axis=, or index= and columns=, not both")
        if index is not None:
            from ._labels import relabelled

            relabelled_frame: DataFrame = relabelled(self, index, False)
            return relabelled_frame if columns is None else relabelled_frame.rename(columns=columns)
        if columns is None:
            raise TypeError("must pass an index to rename")
        other: Callable[[Any], Any] = columns if callable(columns) else lambda label: columns.get(label, label)
        if self.columns.nlevels > 1:
            # As in pandas, each part of a label is renamed.
            return self._like(
                keyed_columns(
                    (tuple(map(other, label)), column) for label, column in zip(self.columns, self._columns.values())
                )
            )
        made = self._like(keyed_columns((other(label), column) for label, column in self._columns.items()))
        if self._axis is not None:
            made._axis = pd.Index(list(made._columns), name=self._axis.name, tupleize_cols=False)[:0]
        return made

    def add_prefix(self, prefix: str, axis: Any = None) -> DataFrame:
        """Add a prefix to the label of each column, or to each index label with ``axis=0``."""
        if axis in (0, "index"):
            return self._with_index_of(self._column_of_ones().add_prefix(prefix))
        return self.rename(columns=lambda label: f"{prefix}{label}")

    def add_suffix(self, suffix: str, axis: Any = None) -> DataFrame:
        """Add a suffix to the label of each column, or to each index label with ``axis=0``."""
        if axis in (0, "index"):
            return self._with_index_of(self._column_of_ones().add_suffix(suffix))
        return self.rename(columns=lambda label: f"{label}{suffix}")

    def _column_of_ones(self) -> Series:
        return Series(self._rows, literal(1), None, self._index)

    def _with_index_of(self, column: Series) -> DataFrame:
        return DataFrame(column._rows, self._columns, column._index, self._axis)

    @property
    def nbytes(self) -> Any:
        """Not supported for frames: use ``memory_usage``."""
        raise UnsupportedName("nbytes is not implemented on DataFrame; use memory_usage")

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        """Compute the frame for the dataframe interchange protocol."""
        return self.compute().__dataframe__(nan_as_null, allow_copy)

    def rename_axis(self, mapper: Any = None, **arguments: Any) -> DataFrame:
        """Set the name of the index or of the column labels."""
        axis = self._axis
        if is_columns_axis("rename_axis", arguments.pop("axis", 0)) and mapper is not None:
            arguments["columns"], mapper = mapper, None
        if "columns" in arguments:
            axis = self.columns.rename(arguments.pop("columns"))[:0]
            if mapper is None and "index" not in arguments:
                reject_unsupported("rename_axis", arguments)
                return DataFrame(self._rows, self._columns, self._index, axis)
        index = _renamed_levels(self._index, mapper, arguments)
        return DataFrame(self._rows, self._columns, index, axis)

    def _each(self, function: Callable[[Series], Series], labels: Sequence[Any] | None = None) -> DataFrame:
        frame, cells = self, dict(self._columns)
        for label in self._columns if labels is None else labels:
            made = function(frame._column(label))
            if not is_aligned(frame, made):
                # The function uses other rows that are matched with these.
                frame, made = aligned(frame._like(cells), made, REINDEX)
                cells = dict(frame._columns)
            frame = frame._like(frame._columns, frame._rows.combine(made._rows))
            cells[label] = made._cell
        return frame._like(cells)

    # Rows.

    def _narrowed(self, where: Expr, rows: Rows | None = None) -> DataFrame:
        """Return the rows for which a condition is true.

        Consecutive conditions are merged into one over the original rows; deeply nested SQL is slow to plan.
        """
        rows = rows or self._rows
        parts = self._ordered_parts(rows)
        names, expressions = [name for name, _ in parts], [expr for _, expr in parts]
        has_own = rows.calls or contains([where, *expressions], Trait.WINDOW)
        base, earlier, inside = rows.narrowed if rows.narrowed and not has_own else (rows, (), {})
        *expressions, where = substitute([*expressions, where], inside)
        conditions = (*earlier, *split(plain_condition(where)))
        relation = base.under([*conditions, *expressions])
        is_plain = not contains(expressions, Trait.WINDOW)
        if not is_plain:
            # Window functions are those of the unfiltered rows.
            count = len(conditions)
            relation, changed = with_windows(relation, [*conditions, *expressions])
            conditions, expressions = tuple(changed[:count]), changed[count:]
        columns = [Named(name, expr) for name, expr in zip(names, expressions)]
        made = self._derived(Projection(Filter(relation, conditions), columns), rows)
        made._rows.physical = rows.is_sorted_for([where, *expressions])
        if is_plain:
            made._rows.narrowed = (base, conditions, dict(columns))
            if base.last is not None:
                made._rows.last = Projection(Filter(base.last, conditions), columns)
        return made

    def _derived(self, relation: Relation, rows: Rows) -> DataFrame:
        """Return a frame over a relation with the index, columns and sort keys under their standard names."""
        order = self._order_over(relation, rows)
        made = Rows(rows.client, relation, order, rows.physical, rows.partitions, keep=rows)
        index = tuple(level._replace(expr=relation.column(f"{INDEX}{at}")) for at, level in enumerate(self._index))
        made.labels, made.is_selection = self._labels_over(index), True
        return DataFrame(made, renumbered(self._columns, relation), index, self._axis)

    def _filtered(self, condition: Series) -> DataFrame:
        condition._check_condition()
        frame, condition = aligned(self, condition, SELECTION)
        made: DataFrame = frame._narrowed(condition._expr, frame._rows)
        return made

    def _key(self, label: Any) -> Series:
        """Return a column or an index level by name."""
        if label not in self._columns:
            for level in self._index:
                if level.name is not None and level.name == label:
                    return Series(self._rows, level.expr, label, self._index, level.origin)
        return self._column(label)

    def _level(self, level: Any) -> Series:
        """Return a level of the index by its number or name."""
        names = [one.name for one in self._index]
        if level in names:
            at = names.index(level)
        elif isinstance(level, int) and -len(names) <= level < len(names):
            at = level
        else:
            raise KeyError(f"no index level {level!r}; levels: {', '.join(map(str, names))}")
        found = self._index[at]
        return Series(self._rows, found.expr, found.name, self._index, found.origin)

    def _reordered(self, order: Sequence[SortKey]) -> DataFrame:
        return self._like(self._columns, self._rows.with_changes(order=order))

    # Groups and joins.

    def groupby(
        self,
        by: Any = None,
        sort: bool = True,
        dropna: bool = True,
        observed: bool = True,
        group_keys: bool = True,
        **arguments: Any,
    ) -> Any:
        """Group the rows by columns.

        Parameters
        ----------
        by : label, Series, or list of these
            Columns, or names of index levels.
        level : int, label, or list of these
            Levels of the index, instead of `by`.
        sort : bool
            Whether to sort the groups by their keys. Otherwise, they are in the order of their first rows, if the order
            of the rows is defined.
        dropna : bool
            Whether to drop groups with missing keys.
        observed : bool
            Whether categories without rows form no groups. Otherwise, reductions have a row for each combination of the
            categories, and of the values of other keys that occur.
        group_keys : bool
            Whether ``apply``, ``nlargest`` and ``nsmallest`` add the keys to the index.
        as_index : bool
            Whether the keys are the index of reductions. Otherwise, they are columns.

        Returns
        -------
        GroupBy
        """
        from ._groupby import GroupBy
        from ._unindexed_groups import UnindexedGroups

        as_index = arguments.pop("as_index", True)
        if arguments.pop("axis", 0) not in (0, "index"):
            raise TypeError("groupby() does not support axis=1; use compute() and pandas")
        level = arguments.pop("level", None)
        if (by is None) == (level is None):
            raise TypeError("groupby() requires either by= or level=")
        if level is not None:
            by = [self._level(one) for one in (level if isinstance(level, (list, tuple)) else [level])]
        reject_unsupported("groupby", arguments)
        groups = GroupBy(
            self,
            by,
            dropna is not False,
            observed is not False,
            # None is Dask's default and stands for True.
            is_sorted=sort is not False or not self._rows.order,
            has_group_keys=bool(group_keys),
        )
        return groups if as_index else UnindexedGroups(groups)

    def merge(self, right: DataFrame, how: str = "inner", **options: Any) -> DataFrame:
        """Join with another frame; see :func:`partita.dataframe.merge`."""
        from ._merge import merge

        return merge(self, right, how, **options)

    def join(
        self,
        other: Any,
        on: Any = None,
        how: str = "left",
        lsuffix: str = "",
        rsuffix: str = "",
        npartitions: int | None = None,
        suffixes: Any = None,
        **arguments: Any,
    ) -> DataFrame:
        """Join columns of this frame (the index by default) with the index of another frame, or of each of a list.

        Labels of columns of both frames get the suffixes `lsuffix` and `rsuffix`, or those of the pair `suffixes`, which
        pandas has from version 3.1.
        """
        from ._merge import join

        reject_unsupported("join", arguments)
        if suffixes is not None:
            if lsuffix or rsuffix:
                raise ValueError("join() takes either suffixes= or lsuffix= and rsuffix=")
            lsuffix, rsuffix = suffixes
        found: DataFrame = join(self, other, on, how, lsuffix, rsuffix, npartitions=npartitions)
        return found

    # Persisting.

    @trim_traceback
    def persist(self, **arguments: Any) -> DataFrame:
        """Persist the frame on the workers. The result is released when no frame refers to it."""
        reject_unsupported("persist", arguments)
        return self.copy() if self._create_deferred() else self._persist()

    def _persist(self, partitions: int | None = None, splits: Sequence[str] | None = None) -> DataFrame:
        rows, levels = self._persist_rows(partitions, splits)
        return DataFrame(rows, renumbered(self._columns, rows.relation), levels, self._axis)


def _renamed_levels(index: tuple[Level, ...], mapper: Any, arguments: dict[str, Any]) -> tuple[Level, ...]:
    """Return the index levels with the names given to ``rename_axis``."""
    name = arguments.pop("index", mapper)
    reject_unsupported("rename_axis", arguments)
    names = list(name) if isinstance(name, (list, tuple)) else [name]
    if callable(name) or isinstance(name, dict):
        names = [name(level.name) if callable(name) else name.get(level.name, level.name) for level in index]
    if len(names) != len(index):
        raise ValueError(f"cannot set {len(names)} names: the index has {len(index)} levels")
    return tuple(level._replace(name=one) for level, one in zip(index, names))


#: What frames with equal labels support: nothing that would find a column by its label.
_OF_EQUAL_LABELS = frozenset(
    (
        *("abs", "clear_divisions", "columns", "compute", "copy", "count", "cummax", "cummin", "cumprod", "cumsum"),
        *("divisions", "dtypes", "empty", "explain", "get_partition", "head", "iloc", "index", "isna", "isnull"),
        *("known_divisions", "map_partitions", "max", "mean", "min", "ndim", "notna", "notnull", "npartitions"),
        *("partitions", "persist", "shape", "shift", "size", "sum", "tail", "to_delayed", "visualize"),
    )
)


class FrameWithEqualLabels(DataFrame):
    """A frame in which several columns have the same label: what finds a column by its label is an error."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in _OF_EQUAL_LABELS and hasattr(DataFrame, name):
            raise NotImplementedError(
                f"{name} is not supported for a frame with equal column labels; set .columns to distinct labels first"
            )
        return super().__getattribute__(name)

    def __contains__(self, label: Any) -> bool:
        return label in self.columns

    def __iter__(self) -> Any:
        return iter(self.columns)
