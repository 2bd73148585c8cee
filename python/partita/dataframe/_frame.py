"""A frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._errors import thin
from . import _shown
from ._along import FrameWindows
from ._arguments import tuning
from ._base import Level, Plan
from ._columns import Column, axis_of, to_pandas, travelled
from ._operators import Operators
from ._partitions import Partitions, ends
from ._replacement import MISSING
from ._rows import Rows, direction, inlined, term
from ._scalar import Scalar
from ._selection import FrameRows
from ._series import Index, Series, _index_of, by_labels
from ._sql import INDEX, ORDER, literal, quote, type_of
from ._summary import FrameSummary
from ._values import FrameValues
from ._write import Writing

__all__ = ["LISTS", "DataFrame"]

#: What names several columns in brackets.
LISTS = (list, pd.Index, pd.Series, np.ndarray)


class DataFrame(FrameRows, FrameValues, FrameSummary, FrameWindows, Writing, Operators, Plan):
    """A frame of a plan: columns over the same rows, with an index.

    Frames are made by :func:`from_pandas`, :func:`read_parquet` and their like, and by operations on frames. Nothing
    is computed before :meth:`compute`. After a shuffle (``groupby``, ``merge``, ``drop_duplicates``) rows come in the
    order of their keys where pandas says so, else in any.

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

    #: An index with the name and of the type that the labels of the columns have, where they do not tell themselves.
    _axis: pd.Index | None = None

    def __init__(
        self, rows: Rows, columns: dict[Any, Column], index: tuple[Level, ...], axis: pd.Index | None = None
    ) -> None:
        self._rows = rows
        self._columns = columns
        self._index = index
        self._axis = axis

    # What it is.

    @property
    def columns(self) -> pd.Index:
        """The labels of its columns. Others can be put in their place."""
        return axis_of(list(self._columns), self._axis)

    @columns.setter
    def columns(self, labels: Any) -> None:
        axis = labels if isinstance(labels, pd.Index) else pd.Index(list(labels))
        if len(axis) != len(self._columns):
            raise ValueError(f"there are {len(self._columns)} columns, not {len(axis)}")
        self._columns = _unique(zip(axis, self._columns.values()))
        self._axis = axis[:0]

    @property
    def dtypes(self) -> pd.Series:
        """The types that pandas gives its columns."""
        kinds = self._kinds()
        table = pa.table([pa.array([], kind) for kind in kinds.values()], names=[str(i) for i in range(len(kinds))])
        empty = to_pandas(table, [column.origin for column in self._columns.values()])
        return pd.Series(list(empty.dtypes), index=self.columns, dtype=object)

    def _kinds(self) -> dict[Any, pa.DataType]:
        unknown = [label for label, column in self._columns.items() if column.kind is None]
        for label, kind in zip(unknown, self._rows.types([self._columns[label].sql for label in unknown])):
            self._columns[label] = self._columns[label]._replace(kind=kind)
        return {label: column.kind for label, column in self._columns.items() if column.kind is not None}

    @property
    def index(self) -> Index:
        """Its index."""
        return _index_of(self)

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> Scalar:
        """Its cells."""
        return Scalar(self._rows, f"count(*) * {len(self._columns)}", int)

    @property
    def shape(self) -> tuple[Scalar, int]:
        """Its rows, which are computed, and its columns."""
        return Scalar(self._rows, "count(*)", int), len(self._columns)

    @property
    def partitions(self) -> Partitions:
        """Its partitions: ``ddf.partitions[0]``, ``ddf.partitions[:3]``."""
        return Partitions(self)

    def get_partition(self, n: int) -> DataFrame:
        """The partition of a number."""
        made: DataFrame = self.partitions[n]
        return made

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The first label of each partition and the last one of all, where they are known.

        Else the first label of all and the last one if the rows are in the order of the index, or ``None`` for each.
        """
        rows = self._rows
        if rows.divisions is not None:
            return rows.divisions
        if not self.known_divisions:
            return (None,) * (self.npartitions + 1)
        first, last = ends(self)
        splits = self._client._connection.table(rows.persisted)["splits"] if rows.persisted else []
        between = pa.array(splits, pa.string()).cast(rows.type(self._index[0].sql)).to_pandas()
        return (first, *between, last)

    def __repr__(self) -> str:
        return _shown.text(self, "DataFrame")

    def _repr_html_(self) -> str:
        return _shown.html(self, "DataFrame")

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self._columns)

    @thin
    def info(self, buf: Any = None, verbose: bool = False, memory_usage: bool = False) -> None:
        """Prints the columns and their types.

        Parameters
        ----------
        buf : file, optional
            Where to write, instead of standard output.
        verbose : bool
            Whether to compute and print the values of each column that are there.
        memory_usage : bool
            Not supported.
        """
        if memory_usage:
            raise NotImplementedError(
                "info: memory_usage=True is not supported; the dashboard shows the memory of tables"
            )
        _shown.info(self, buf, verbose)

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

    def _selected(self) -> list[tuple[str, str]]:
        return [(column.sql, f"c{at}") for at, column in enumerate(self._columns.values())]

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
        if label not in self._columns:
            raise KeyError(f"no column {label!r}: there are {', '.join(map(str, self._columns))}")
        sql, kind, origin = self._columns[label]
        return Series(self._rows, sql, label, self._index, kind, origin)

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_columns", {})
        if name in columns:
            return self._column(name)
        return super().__getattr__(name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Series):
            return self._filtered(key)
        if isinstance(key, DataFrame):
            return self.where(key)
        if isinstance(key, LISTS):
            return self._like({label: self._column(label)._cell for label in key})
        if isinstance(key, slice):
            return self.loc[by_labels(key)]
        if callable(key):
            return self[key(self)]
        return self._column(key)

    def __setattr__(self, name: str, value: Any) -> None:
        # A label is a column here too, as it is in pandas.
        if not name.startswith("_") and name in self.__dict__.get("_columns", {}):
            self[name] = value
        else:
            super().__setattr__(name, value)

    def __setitem__(self, label: Any, value: Any) -> None:
        if isinstance(label, (Series, DataFrame)):
            changed = self.mask(label, value)
            self._rows, self._columns = changed._rows, changed._columns
            return
        labels = list(label) if isinstance(label, LISTS) else [label]
        if isinstance(value, DataFrame):
            if len(value._columns) != len(labels):
                raise ValueError("as many columns are needed as there are labels")
            values = [value._column(one) for one in value._columns]
        else:
            values = [value] * len(labels)
        frame = self
        for one, new in zip(labels, values):
            frame = frame._with_column(one, new)
        self._rows, self._columns = frame._rows, frame._columns

    def __delitem__(self, label: Any) -> None:
        self._columns = self.drop(columns=[label])._columns

    def pop(self, item: Any) -> Series:
        """Takes a column out, and gives it."""
        column = self._column(item)
        del self[item]
        return column

    def _value(self, value: Any) -> tuple[Rows | None, Column]:
        if callable(value):
            value = value(self)
        if isinstance(value, Scalar):
            value = value.compute()
        if isinstance(value, Series):
            return value._rows, value._cell
        if pd.api.types.is_list_like(value):
            raise NotImplementedError(
                "a column takes one value or another column of the same rows: use merge for others"
            )
        if isinstance(value, float) and pd.isna(value):
            return None, Column(MISSING, pa.float64())
        return None, Column(literal(value), None if pd.isna(value) else type_of(value))

    def _with_column(self, label: Any, value: Any) -> DataFrame:
        rows, column = self._value(value)
        both, sql = (self._rows if rows is None else self._rows.both(rows)).short(column.sql)
        made = self._like({**self._columns, label: column._replace(sql=sql)}, both)
        if not self._columns and self._axis is not None:
            # The first label says of what type the labels are.
            made._axis = pd.Index([label], name=self._axis.name, tupleize_cols=False)[:0]
        return made

    def assign(self, **columns: Any) -> DataFrame:
        """With more columns, or others under their names."""
        frame = self
        for label, value in columns.items():
            frame = frame._with_column(label, value)
        return frame

    def eval(self, expr: str, **arguments: Any) -> Any:
        """What a text such as ``c = a + b`` or ``a > 1`` stands for: a frame with the new column, or a column."""
        from ._query import evaluated, names_around

        names = arguments.pop("local_dict", None) or names_around()
        tuning("eval", arguments)
        return evaluated(self, expr, names)

    def copy(self, deep: bool = False) -> DataFrame:
        """Another frame of the same plan: to put columns into it changes only it."""
        return self._like(dict(self._columns))

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives that gets this plan."""
        return func(self, *args, **kwargs)

    def items(self) -> Any:
        """The labels, each with its column."""
        return ((label, self._column(label)) for label in self._columns)

    def keys(self) -> pd.Index:
        """The labels of its columns."""
        return self.columns

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of some types."""
        empty = pd.DataFrame({at: pd.Series(dtype=kind) for at, kind in enumerate(self.dtypes)})
        labels = list(self._columns)
        return self[[labels[at] for at in empty.select_dtypes(include, exclude).columns]]

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> DataFrame:
        """Without some columns."""
        if columns is None and axis not in (1, "columns"):
            raise NotImplementedError("drop takes columns: rows are left out by a condition in brackets")
        given = labels if columns is None else columns
        gone = list(given) if isinstance(given, (tuple, set, *LISTS)) else [given]
        missing = [label for label in gone if label not in self._columns]
        if missing and errors == "raise":
            raise KeyError(f"{missing} not found in axis")
        return self._like({label: column for label, column in self._columns.items() if label not in gone})

    def rename(self, mapper: Any = None, columns: Any = None, axis: Any = None, index: Any = None) -> DataFrame:
        """With columns under other names."""
        if columns is None and axis in (1, "columns"):
            columns, mapper = mapper, None
        if columns is None or mapper is not None or index is not None:
            raise NotImplementedError("rename takes columns=: the labels of the index stay what they are")
        if self.columns.nlevels > 1:
            raise NotImplementedError("rename does not support columns with several levels; set .columns instead")
        other: Callable[[Any], Any] = columns if callable(columns) else lambda label: columns.get(label, label)
        made = self._like(_unique((other(label), column) for label, column in self._columns.items()))
        if self._axis is not None:
            made._axis = pd.Index(list(made._columns), name=self._axis.name, tupleize_cols=False)[:0]
        return made

    def add_prefix(self, prefix: str) -> DataFrame:
        """With something before the label of each column."""
        return self.rename(columns=lambda label: f"{prefix}{label}")

    def add_suffix(self, suffix: str) -> DataFrame:
        """With something after the label of each column."""
        return self.rename(columns=lambda label: f"{label}{suffix}")

    def rename_axis(self, mapper: Any = None, **arguments: Any) -> DataFrame:
        """With an index, or labels of columns, of another name."""
        axis = self._axis
        if "columns" in arguments:
            axis = self.columns.rename(arguments.pop("columns"))[:0]
            if mapper is None and "index" not in arguments:
                tuning("rename_axis", arguments)
                return DataFrame(self._rows, self._columns, self._index, axis)
        index = _renamed_levels(self._index, mapper, arguments)
        return DataFrame(self._rows, self._columns, index, axis)

    def _each(self, function: Callable[[Series], Series], labels: Sequence[Any] | None = None) -> DataFrame:
        frame, rows = dict(self._columns), self._rows
        for label in self._columns if labels is None else labels:
            made = function(self._column(label))
            rows, sql = rows.both(made._rows).short(made._sql)
            frame[label] = made._cell._replace(sql=sql)
        return self._like(frame, rows)

    # Rows.

    def _narrowed(self, where: str, rows: Rows | None = None, extra: str = "") -> DataFrame:
        """The rows for which an expression holds. Index, columns and order travel along.

        Conditions one after the other become one, of the rows that the first was about: what nests takes long to plan.
        """
        rows = rows or self._rows
        base, earlier, inside = rows.narrowed if rows.narrowed and not rows.layers else (rows, (), {})
        levels = [(inlined(level.sql, inside), INDEX + str(at)) for at, level in enumerate(self._index)]
        cells = [(inlined(sql, inside), name) for sql, name in self._selected()]
        names = self._order_names(rows)
        order = [(inlined(term(sql), inside), name) for sql, name in zip(rows.order, names) if name.startswith(ORDER)]
        select = ", ".join(f"{sql} AS {quote(name)}" for sql, name in [*levels, *cells, *order])
        conditions = (*earlier, f"({inlined(where, inside)})")
        before, after = f"(SELECT {select or '1 AS one'} FROM ", f" WHERE {' AND '.join(conditions)}{extra})"
        made = self._travelled(f"{before}{base.under(select, *conditions)}{after}", rows)
        if not extra:
            if base.last is not None:
                made._rows.last = f"{before}{base.but(root=base.last).under(select, *conditions)}{after}"
            made._rows.narrowed = (base, conditions, {quote(name): sql for sql, name in [*levels, *cells, *order]})
        return made

    def _order_names(self, rows: Rows) -> list[str]:
        """The names of the terms of the order, where rows travel: a term that travels anyway keeps its name."""
        there = dict(self._selected())
        there.update({level.sql: INDEX + str(at) for at, level in enumerate(self._index)})
        return [there.get(term(sql), f"{ORDER}{at}") for at, sql in enumerate(rows.order)]

    def _travelled(self, root: str, rows: Rows) -> DataFrame:
        """A frame over a relation that has the index, the columns and the order under their own names."""
        names = self._order_names(rows)
        order = tuple(f"{quote(name)}{direction(sql)}" for name, sql in zip(names, rows.order))
        made = Rows(rows.client, root, order, rows.physical, rows.partitions, keep=rows)
        index = tuple(level._replace(sql=quote(INDEX + str(at))) for at, level in enumerate(self._index))
        return DataFrame(made, travelled(self._columns), index, self._axis)

    def _filtered(self, condition: Series) -> DataFrame:
        condition._checked_condition()
        return self._narrowed(condition._sql, self._rows.both(condition._rows))

    def _key(self, label: Any) -> Series:
        """A column, or a level of the index, by its name."""
        if label not in self._columns:
            for level in self._index:
                if level.name is not None and level.name == label:
                    return Series(self._rows, level.sql, label, self._index, None, level.origin)
        return self._column(label)

    def _reordered(self, order: tuple[str, ...]) -> DataFrame:
        return self._like(self._columns, self._rows.but(order=order))

    # Several frames, groups.

    def groupby(
        self,
        by: Any,
        sort: bool = True,
        dropna: bool = True,
        observed: bool = True,
        group_keys: bool = True,
        **arguments: Any,
    ) -> Any:
        """Groups of the rows, by columns. Of categories those are groups that are there.

        With ``sort=False`` groups come in the order of their first rows, if the rows are in an order.
        """
        from ._groupby import GroupBy

        if arguments.pop("as_index", True) is not True:
            raise NotImplementedError("groupby(as_index=False) is not there: reset_index() after it gives the same")
        if arguments.pop("level", None) is not None or arguments.pop("axis", 0) not in (0, "index"):
            raise NotImplementedError(
                "groupby takes columns, or names of levels of the index: level= and axis= are not there"
            )
        tuning("groupby", arguments)
        return GroupBy(
            self,
            by,
            dropna is not False,
            observed is not False,
            # Dask's default is None.
            is_sorted=sort is not False or not self._rows.order,
            has_group_keys=group_keys is not False,
        )

    def merge(self, right: DataFrame, how: str = "inner", **options: Any) -> DataFrame:
        """Joined with another frame. The order of the rows is any, and the index is counted from 0 unless it is joined on."""
        from ._merge import merge

        return merge(self, right, how, **options)

    def join(self, other: Any, how: str = "left", lsuffix: str = "", rsuffix: str = "") -> DataFrame:
        """Joined with another frame on the index."""
        from ._merge import merge

        return merge(self, other, how, left_index=True, right_index=True, suffixes=(lsuffix, rsuffix))

    # Persisted.

    @thin
    def persist(self, **arguments: Any) -> DataFrame:
        """Computes it and keeps it on the workers: the same frame, read there. It goes when nothing reads it."""
        tuning("persist", arguments)
        return self._persist()

    def _persist(self, layout: str = "") -> DataFrame:
        rows, levels = self._persist_rows(layout)
        return DataFrame(rows, travelled(self._columns), levels, self._axis)


def _renamed_levels(index: tuple[Level, ...], mapper: Any, arguments: dict[str, Any]) -> tuple[Level, ...]:
    """The levels of an index under the names that ``rename_axis`` is given."""
    name = arguments.pop("index", mapper)
    tuning("rename_axis", arguments)
    names = list(name) if isinstance(name, (list, tuple)) else [name]
    if callable(name) or isinstance(name, dict):
        names = [name(level.name) if callable(name) else name.get(level.name, level.name) for level in index]
    if len(names) != len(index):
        raise ValueError(f"the index has {len(index)} levels, not {len(names)}")
    return tuple(level._replace(name=one) for level, one in zip(index, names))


def _unique(columns: Any) -> dict[Any, Column]:
    found: dict[Any, Column] = {}
    for label, column in columns:
        if label in found:
            raise NotImplementedError(f"two columns would be {label!r}: labels are unique here")
        found[label] = column
    return found
