"""Reshaping of frames: melted columns, pivot tables, indicator columns, rows of the items of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import common_type, is_number
from ..plan.expr import Expr, SortKey, call, case, cast
from ..plan.relation import Join, Named, Projection, Values
from ._columns import ARROW, Column, Items, UnknownCategories, derived_origin, refuse_equal_labels, renumbered
from ._listing import listed
from ._mixed import (
    ItemsOf,
    Mixed,
    ValuesOf,
    computed,
    fields_of,
    is_mixed,
    mixed_kind,
    mixed_values,
    with_mixed_columns,
)
from ._partitions import divide_later, kept_divisions
from ._rows import Rows
from ._sql import ROW, fill_condition, literal, sort_of, value_type

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["FrameReshaping", "explode", "get_dummies", "melt", "pivot_table"]

#: Reductions of pivot tables.
_PIVOTED = ("mean", "sum", "count", "first", "last", "min", "max")


class FrameReshaping:
    """Methods of frames that exchange rows and columns."""

    def melt(
        self,
        id_vars: Any = None,
        value_vars: Any = None,
        var_name: Any = None,
        value_name: Any = "value",
        col_level: Any = None,
    ) -> DataFrame:
        """Return a row for each value of several columns; see :func:`partita.dataframe.melt`."""
        return melt(self, id_vars, value_vars, var_name, value_name, col_level)

    def pivot_table(self, index: Any, columns: Any, values: Any, aggfunc: Any = "mean") -> DataFrame:
        """Return reductions of the rows by two keys as a table; see :func:`partita.dataframe.pivot_table`."""
        return pivot_table(self, index, columns, values, aggfunc)

    def explode(self, column: Any) -> DataFrame:
        """Return a row for each item of the lists of a column.

        Rows with an empty or missing list have a missing value. The index labels are repeated. As in pandas, numbers become
        Python objects, while what is computed from them has the type of the items.

        Parameters
        ----------
        column : label
            The column of lists.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2], "items": [[3, 4], [5]]}), npartitions=2)
        >>> ddf.explode("items").compute()
           a items
        0  1     3
        0  1     4
        1  2     5
        """
        labels = list(column) if isinstance(column, (list, pd.Index)) else [column]
        if len(labels) != 1:
            raise NotImplementedError("explode() supports one column; use map_partitions with pandas for several")
        made = explode(self, labels[0])
        # The items stay with their rows.
        divide_later(made, kept_divisions(self))
        return made


def _frame_of(name: str, data: Any) -> DataFrame:
    from ._frame import DataFrame

    if not isinstance(data, DataFrame):
        raise TypeError(f"{name}() takes a frame of this package, not {type(data).__name__}")
    refuse_equal_labels(name, data)
    return data


def _labels(frame: DataFrame, given: Any, name: str) -> list[Any]:
    """Return labels of columns that a user gave, after checking that they exist."""
    if given is None:
        return []
    found = list(given) if pd.api.types.is_list_like(given) and not isinstance(given, tuple) else [given]
    missing = [label for label in found if label not in frame._columns]
    if missing:
        raise KeyError(f"{name}: no columns {missing}; columns: {listed(frame._columns, missing[0])}")
    return found


def melt(
    frame: Any,
    id_vars: Any = None,
    value_vars: Any = None,
    var_name: Any = None,
    value_name: Any = "value",
    col_level: Any = None,
) -> DataFrame:
    """Return a row for each value of several columns, with the label of its column.

    The rows are those of the first column, then those of the next one, with an index that counts from 0.

    Parameters
    ----------
    frame : DataFrame
        The frame.
    id_vars : label or list of labels, optional
        Columns that are repeated.
    value_vars : label or list of labels, optional
        Columns whose values become rows; by default all others.
    var_name : label, optional
        Label of the column of labels; ``"variable"`` by default, or the name of the column labels.
    value_name : label
        Label of the column of values.
    col_level
        Not supported.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y"], "a": [1, 2], "b": [3, 4]}), npartitions=2)
    >>> dd.melt(ddf, id_vars="k").compute()
       k variable  value
    0  x        a      1
    1  y        a      2
    2  x        b      3
    3  y        b      4
    """
    from ._frame import DataFrame

    frame = _frame_of("melt", frame)
    if col_level is not None or frame.columns.nlevels > 1:
        raise NotImplementedError("melt() does not support columns with several levels; set .columns first")
    ids = _labels(frame, id_vars, "melt")
    given = _labels(frame, value_vars, "melt")
    values = given if value_vars is not None else [label for label in frame._columns if label not in ids]
    if not values:
        raise ValueError("melt() requires a column whose values become rows; give value_vars=")
    name = var_name if var_name is not None else frame.columns.name
    name = "variable" if name is None else name
    labels = [*ids, name, value_name]
    if value_name in frame._columns or len(set(labels)) < len(labels):
        raise ValueError(f"melt: the labels {labels} must be distinct and value_name= not a column; give other names")
    frame, column = _united(frame, values)
    rows = frame._rows
    kinds = rows.types([cell.expr for cell in column])
    kind = kinds[0] if is_mixed(kinds[0]) else common_type([value_type(one) for one in kinds])
    if kind is None:
        raise TypeError(f"cannot melt columns of {', '.join(map(str, kinds))}; convert them to one type with astype")
    named = [Named(f"c{at}", frame._columns[label].expr) for at, label in enumerate(ids)]
    named += [Named(f"__value_{at}", cast(cell.expr, kind)) for at, cell in enumerate(column)]
    named += [Named(f"__place_{at}", key.expr) for at, key in enumerate(rows.order)]
    wide = rows.project(named)
    places = Values([ROW, "__label"], [(px.literal(at), literal(label)) for at, label in enumerate(values)])
    # The rows are read once, so that they are the same for all columns.
    joined = Join(wide, places, "cross", ())
    place = joined.column(ROW)
    value = case([(at, wide.column(f"__value_{at}")) for at in range(len(values))], operand=place, dtype=kind)
    parts = [Named(f"c{at}", joined.column(f"c{at}")) for at in range(len(ids))]
    parts += [Named(f"c{len(ids)}", joined.column("__label")), Named(f"c{len(ids) + 1}", value), Named(ROW, place)]
    parts += [Named(f"__place_{at}", joined.column(f"__place_{at}")) for at in range(len(rows.order))]
    long = Projection(joined, parts)
    keys = [SortKey(long.column(f"__place_{at}"), *key.way) for at, key in enumerate(rows.order)]
    made = Rows(rows.client, long, [SortKey(long.column(ROW)), *keys] if keys else (), keep=rows)
    origins = {cell.origin for cell in column}
    origin = origins.pop() if len(origins) == 1 else derived_origin(*(cell.origin for cell in column))
    cells = {label: frame._columns[label] for label in ids}
    cells |= {name: Column(px.NULL), value_name: Column(px.NULL, origin)}
    return DataFrame(made, renumbered(cells, long), ())


def _united(frame: DataFrame, labels: Sequence[Any]) -> tuple[DataFrame, list[Column]]:
    """Return columns that one column can contain, and their frame. If some have strings and others numbers, it is one of
    objects in pandas.
    """
    columns = [frame._columns[label] for label in labels]
    kinds = frame._rows.types([column.expr for column in columns])
    sorts = {sort_of(kind) for kind in kinds if not pa.types.is_null(kind)}
    if len(sorts) > 1 or (len(set(kinds)) > 1 and any(map(is_mixed, kinds))):
        frame = with_mixed_columns(frame, labels, mixed_kind(kinds))
        return frame, [frame._columns[label] for label in labels]
    if len({column.origin for column in columns}) == 1:
        return frame, columns
    # Columns of different categories become plain values, as in pandas.
    return frame, [
        Column(cast(column.expr, value_type(kind))) if isinstance(column.origin, pd.CategoricalDtype) else column
        for column, kind in zip(columns, kinds)
    ]


# Indicators of categories.


def get_dummies(
    data: Any,
    prefix: Any = None,
    prefix_sep: Any = "_",
    dummy_na: bool = False,
    columns: Any = None,
    sparse: bool = False,
    drop_first: bool = False,
    dtype: Any = bool,
    **arguments: Any,
) -> Any:
    """Return a column for each category, which tells whether the value is this category.

    Parameters
    ----------
    data : DataFrame or Series
        The frame, or a categorical column. Columns of strings must be converted with ``categorize`` first, since the
        labels of the result are the categories. An object of pandas is passed to pandas.
    prefix, prefix_sep, dummy_na, drop_first, dtype
        As in pandas.
    columns : list of labels, optional
        The columns; by default all categorical ones.
    sparse : bool
        Whether the columns are computed as sparse ones of pandas. Results of operations on them are dense.

    Raises
    ------
    NotImplementedError
        If the categories of a column are not known.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
    >>> dd.get_dummies(ddf.categorize()).compute()
       v    k_x    k_y
    0  1   True  False
    1  2  False   True
    2  3   True  False
    """
    from ._arguments import reject_unsupported
    from ._frame import DataFrame
    from ._series import Series

    if not isinstance(data, (DataFrame, Series)):
        return pd.get_dummies(data, prefix, prefix_sep, dummy_na, columns, sparse, drop_first, dtype)
    reject_unsupported("get_dummies", arguments)
    meta = data._meta
    refuse_equal_labels("get_dummies", data)
    if isinstance(data, Series):
        frame, encoded, kept = data._framed(), ["v"], []
        kinds = {"v": meta.dtype}
    else:
        frame, kinds = data, dict(meta.dtypes)
        encoded = _labels(frame, columns, "get_dummies")
        if columns is None:
            is_encoded = pd.api.types.is_object_dtype, pd.api.types.is_string_dtype
            encoded = [
                label
                for label, kind in kinds.items()
                if isinstance(kind, pd.CategoricalDtype) or any(test(kind) for test in is_encoded)
            ]
        kept = [label for label in frame._columns if label not in encoded]
    unknown = [label for label in encoded if not isinstance(kinds[label], pd.CategoricalDtype)]
    if unknown:
        where = "the column" if isinstance(data, Series) else f"columns {unknown}"
        raise NotImplementedError(
            f"get_dummies() requires known categories, and {where} has none: the labels of the result depend on them; "
            "use categorize(), or astype with a pd.CategoricalDtype"
        )
    # pandas determines the labels, for made-up rows.
    sample = data._meta_nonempty
    expected = pd.get_dummies(sample, prefix, prefix_sep, dummy_na, columns, sparse, drop_first, dtype)
    cells = [frame._columns[label] for label in kept]
    for label in encoded:
        categories = [*kinds[label].categories, *([np.nan] if dummy_na else [])]
        for category in categories[1 if drop_first else 0 :]:
            cells.append(_indicator(frame._column(label), category, dtype))
    if len(cells) != len(expected.columns):
        raise ValueError(f"internal error: {len(cells)} columns for {len(expected.columns)} labels of get_dummies()")
    if sparse:
        pairs = zip(cells, expected.dtypes)
        cells = [one._replace(origin=kind) if isinstance(kind, pd.SparseDtype) else one for one, kind in pairs]
    made = frame[[]] if not cells else frame._like(dict(zip(range(len(cells)), cells)))
    made.columns = expected.columns
    return made


def _indicator(column: Any, category: Any, dtype: Any) -> Column:
    """Return the column that tells whether a categorical column has a category."""
    value = column._expr
    if pd.isna(category):
        found = px.is_null(value)
    else:
        found = fill_condition(px.comparison("eq", value, literal(category, value_type(column._kind))))
    made: Column = column._like(found, origin=None).astype(dtype)._cell
    return made


# Pivot tables.


def pivot_table(df: Any, index: Any, columns: Any, values: Any, aggfunc: Any = "mean") -> DataFrame:
    """Return reductions of the rows by two keys, as a table with a row for each label and a column for each category.

    There is a column for each category, whether it occurs or not. As in pandas with ``observed=False``, the sum and the count
    of a cell without rows are 0, and other reductions are missing; rows without any value are left out.

    Parameters
    ----------
    df : DataFrame
        The frame.
    index : label
        The column of the labels of the rows.
    columns : label
        A categorical column. Convert strings with ``categorize`` first.
    values : label or list of labels
        The columns that are reduced.
    aggfunc : {"mean", "sum", "count", "first", "last", "min", "max"}
        The reduction.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> frame = pd.DataFrame({"day": [1, 1, 2], "k": ["x", "y", "x"], "v": [1.0, 2.0, 3.0]})
    >>> ddf = dd.from_pandas(frame, npartitions=2).categorize("k")
    >>> dd.pivot_table(ddf, index="day", columns="k", values="v", aggfunc="sum").fillna(0.0).compute().y.tolist()
    [2.0, 0.0]
    """
    from ._frame import DataFrame

    frame = _frame_of("pivot_table", df)
    if not isinstance(aggfunc, str) or aggfunc not in _PIVOTED:
        shown = ", ".join(map(repr, _PIVOTED))
        raise ValueError(f"pivot_table: aggfunc must be either {shown}, not {aggfunc!r}")
    for name, label in (("index", index), ("columns", columns)):
        if (pd.api.types.is_list_like(label) and not isinstance(label, tuple)) or label not in frame._columns:
            raise ValueError(f"pivot_table: {name!r} must be the name of an existing column, not {label!r}")
    is_single = not isinstance(values, (list, pd.Index))
    wanted = [values] if is_single else list(values)
    if not wanted or any(not pd.api.types.is_hashable(one) or one not in frame._columns for one in wanted):
        raise ValueError(f"pivot_table: 'values' must refer to an existing column or columns, not {values!r}")
    if not is_single:
        # As in pandas, the labels of the result are sorted.
        wanted = list(pd.Index(wanted).sort_values())
    key, by = frame._column(columns), frame._column(index)
    if not isinstance(key._origin, pd.CategoricalDtype):
        raise ValueError(
            f"pivot_table: 'columns' must be category dtype, and {columns!r} is not; its categories are the labels of the "
            "result: use categorize()"
        )
    if isinstance(key._origin, UnknownCategories) or not len(key._origin.categories):
        raise ValueError(
            f"pivot_table: 'columns' must have known categories, and {columns!r} has none; use categorize()"
        )
    categories, inner = key._origin.categories, value_type(key._kind)
    tests = [px.comparison("eq", key._expr, literal(one, inner)) for one in categories]
    cells: dict[Any, Column] = {"__index": by._cell}
    for at, test in enumerate(tests):
        for number, label in enumerate(wanted):
            cell = frame._columns[label]
            kind = frame._rows.type(cell.expr)
            cells[f"__value_{number}_{at}"] = cell._replace(expr=case([(test, cell.expr)], dtype=kind))
    how = dict.fromkeys(list(cells)[1:], aggfunc)
    grouped = DataFrame(frame._rows, cells, frame._index).groupby("__index").agg(how)
    made = {}
    for number in range(len(wanted)):
        for at in range(len(tests)):
            made[number, at] = grouped._column(f"__value_{number}_{at}")._cell
    table = grouped._like(made)
    if aggfunc not in ("sum", "count"):
        table = table.dropna(how="all")
    inside = pd.CategoricalIndex(categories, dtype=key._origin, name=columns)
    if is_single:
        table.columns = inside
    else:
        table.columns = pd.MultiIndex.from_product([wanted, inside], names=[None, columns])
    return table.rename_axis(by.name)


# Items of lists.


def explode(frame: Any, label: Any) -> DataFrame:
    """Return a frame with a row for each item of the lists of a column."""
    from ._frame import DataFrame

    column = frame._column(label)
    kind = column._kind
    if is_mixed(kind):
        return _explode_mixed(frame, label)
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        # As in pandas, values that are not lists stay.
        copied: DataFrame = frame.copy()
        return copied
    rows = frame._rows
    if column._expr in [key.expr for key in rows.order]:
        raise NotImplementedError(f"explode() of column {label!r} is not supported after sorting by it")
    at = f"c{list(frame._columns).index(label)}"
    inner = rows.project(frame._ordered_parts(rows))
    lists = inner.column(at)
    # A row without items has a missing one.
    size = cast(call("array_length", lists), pa.int64())
    items = case([(px.comparison("gt", size, 0), lists)], call("make_array", call("element", lists, 1)), dtype=kind)
    places = call("range", 0, call("greatest", call("coalesce", size, 0), 1))
    parts = [Named(name, inner.column(name)) for name, _ in frame._ordered_parts(rows)]
    parts = [Named(name, call("unnest", items)) if name == at else Named(name, expr) for name, expr in parts]
    relation = Projection(inner, [*parts, Named(ROW, call("unnest", places))])
    order = frame._order_over(relation, rows)
    made = Rows(rows.client, relation, [*order, SortKey(relation.column(ROW))] if order else (), keep=rows)
    cells = {**frame._columns, label: Column(px.NULL, _origin_of_items(column))}
    index = tuple(level._replace(expr=relation.column(name)) for level, (name, _) in zip(frame._index, frame._levels()))
    return DataFrame(made, renumbered(cells, relation), index, frame._axis)


def _origin_of_items(column: Any) -> Any:
    """Return the origin of the items of a column of lists. Numbers stay Python objects in pandas, texts and times do not."""
    if column._origin == ARROW:
        return ARROW
    kind = column._kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return column._origin
    return Items() if is_number(kind) else None


def _explode_mixed(frame: Any, label: Any) -> DataFrame:
    """Return a frame with a row for each item of the lists, and for each single value, of a column."""
    from ._frame import DataFrame

    column = frame._column(label)
    fields = fields_of(column._kind)
    kinds = {fields[name] for name in ("list", "tuple") if name in fields}
    if not kinds:
        copied: DataFrame = frame.copy()
        return copied
    if len(kinds) > 1:
        raise NotImplementedError(f"explode() of column {label!r} with lists of {' and of '.join(map(str, kinds))}")
    (kind,) = kinds
    # The labels of users are not instances of a class of this module.
    parts = {label: computed(column, ItemsOf(), "explode", object, kind)}
    for name, one in fields.items():
        if name not in ("list", "tuple"):
            dtype = _DTYPES.get(name, object)
            parts[_Single(name)] = computed(column, ValuesOf(name, dtype), "explode", dtype, one)
    rows = frame._rows
    for part in parts.values():
        rows = rows.combine(part._rows)
    cells = {**frame._columns, **{key: part._cell for key, part in parts.items()}}
    made = explode(DataFrame(rows, cells, frame._index, frame._axis), label)
    found = {one.name: made._columns.pop(one).expr for one in parts if isinstance(one, _Single)}
    made._columns[label] = _with_singles(made._columns[label].expr, found, kind.value_type)
    return made


class _Single(NamedTuple):
    """The label of the column of the single values of a type."""

    name: str


#: The types of pandas of single values that may be missing.
_DTYPES = {"int": "Int64", "float": "float64", "str": "str", "bool": "boolean"}


def _with_singles(item: Expr, singles: dict[str, Expr], kind: pa.DataType) -> Column:
    """Return the items of lists, and the values of rows that have no list."""
    if pa.types.is_null(kind):
        kind = pa.float64()
    ((name, inner),) = fields_of(kind).items()
    own = cast(item, inner)
    found = {**singles, name: call("coalesce", own, singles[name]) if name in singles else own}
    if len(found) == 1:
        return Column(found[name])
    return Column(mixed_values(found, mixed_kind([kind, *(one.dtype for one in singles.values())])), Mixed())
