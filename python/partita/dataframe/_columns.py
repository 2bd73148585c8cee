"""Columns: an expression, and the pandas type where Arrow's type does not determine it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..plan.expr import NULL, Expr, case
from ..plan.relation import Relation
from ._mixed import Mixed, is_mixed, python_values
from ._periods import to_periods
from ._sql import is_plain_text, is_text, literal, value_type

__all__ = [
    "ARROW",
    "NULLABLE",
    "RANGE",
    "Column",
    "Items",
    "Lists",
    "Repeated",
    "UnknownCategories",
    "category_at",
    "column_origin",
    "common_categories",
    "derived_origin",
    "has_intervals",
    "has_tuples",
    "is_masked",
    "keyed_columns",
    "label_index",
    "origin_of",
    "refuse_equal_labels",
    "regular_index",
    "regularity_of",
    "require_order",
    "shown_label",
    "sort_value",
    "to_pandas",
    "to_pandas_column",
]

#: The origin of columns of nullable types, such as ``Int64``, ``Float64``, ``boolean`` and ``string``.
NULLABLE = "nullable"
#: The origin of columns of :class:`pandas.ArrowDtype`.
ARROW = "arrow"


@dataclass(frozen=True)
class Lists:
    """The origin of columns of Python lists or tuples, as pandas itself creates them."""

    #: The missing value inside the lists; None if it follows from the type.
    missing: Any = None
    #: Whether they are tuples.
    are_tuples: bool = False


@dataclass(frozen=True)
class Items:
    """The origin of items of lists, which pandas keeps as Python objects. Results that are computed from them are plain."""


class UnknownCategories(pd.CategoricalDtype):  # type: ignore[misc]
    """The origin of categorical columns whose categories count as unknown, because a user demanded it."""


#: The types of pandas with missing values, by the types of Arrow.
MASKED = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


class Column(NamedTuple):
    """A column over the rows of a relation.

    ``origin`` is :data:`NULLABLE`, :data:`ARROW`, a categorical, sparse or period type, :class:`Lists`, :class:`Items`,
    :class:`Mixed`, or None if Arrow's type determines the pandas type.
    """

    expr: Expr
    origin: Any = None


def origin_of(dtype: Any) -> Any:
    """Return the origin of a column with this pandas type."""
    if isinstance(dtype, (pd.CategoricalDtype, pd.PeriodDtype)):
        return dtype
    if isinstance(dtype, pd.ArrowDtype):
        return ARROW
    if isinstance(dtype, pd.StringDtype):
        return NULLABLE if dtype.na_value is pd.NA else None
    return NULLABLE if dtype in MASKED.values() else None


def column_origin(dtype: Any, kind: pa.DataType, are_tuples: bool = False) -> Any:
    """Return the origin of a column with this pandas type whose values are stored with a type of Arrow."""
    if pd.api.types.is_object_dtype(dtype) and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return Lists(are_tuples=are_tuples)
    return Mixed() if is_mixed(kind) else origin_of(dtype)


def has_tuples(values: pd.Series) -> bool:
    """Whether the first value of a column of objects is a tuple of single values."""
    if not pd.api.types.is_object_dtype(values.dtype):
        return False
    first = next((one for one in values if not (pd.api.types.is_scalar(one) and pd.isna(one))), None)
    return isinstance(first, tuple) and not any(isinstance(item, (list, tuple)) for item in first)


def has_intervals(origin: Any) -> bool:
    """Whether categories are intervals, such as those of `pd.cut`. The cluster stores them as text."""
    return isinstance(origin, pd.CategoricalDtype) and isinstance(
        getattr(origin.categories, "dtype", None), pd.IntervalDtype
    )


def is_masked(origin: Any) -> bool:
    """Whether missing values propagate, also through comparisons, as in nullable and Arrow types."""
    return isinstance(origin, str)


def derived_origin(*origins: Any) -> Any:
    """Return the origin of a value computed from columns of these origins. Categories become plain values.

    Raises
    ------
    TypeError
        If one is of periods: the result would be neither a period nor a time.
    """
    if any(isinstance(origin, pd.PeriodDtype) for origin in origins):
        raise TypeError("this operation is not supported for periods; use dt.to_timestamp first, or map_partitions")
    return next((origin for origin in origins if is_masked(origin)), None)


def sort_value(value: Expr, origin: Any) -> Expr:
    """Return the sort key of a column. Categories sort by their position."""
    if not isinstance(origin, pd.CategoricalDtype) or not len(origin.categories):
        return value
    return case([(literal(one), at) for at, one in enumerate(origin.categories)], operand=value)


def category_at(place: Expr, origin: pd.CategoricalDtype) -> Expr:
    """Return the category at a position, the inverse of :func:`sort_value`."""
    if not len(origin.categories):
        return NULL
    return case([(at, literal(one)) for at, one in enumerate(origin.categories)], operand=place)


def common_categories(columns: Sequence[Column]) -> pd.CategoricalDtype | None:
    """Return the categorical type that all columns have, if any."""
    found = {column.origin for column in columns if isinstance(column.origin, pd.CategoricalDtype)}
    has_others = any(not isinstance(column.origin, pd.CategoricalDtype) for column in columns)
    return found.pop() if len(found) == 1 and not has_others else None


def require_order(name: str, origin: Any) -> None:
    """Raise an error if an operation compares categories that have no order."""
    if isinstance(origin, pd.CategoricalDtype) and not origin.ordered:
        raise TypeError(f"cannot compute {name} of an unordered categorical column; convert it with astype")


def to_pandas_column(column: pa.ChunkedArray, origin: Any) -> Any:
    """Convert an Arrow column to the pandas type of its origin."""
    kind = column.type
    if isinstance(origin, Lists):
        return _python_lists(column, origin)
    if isinstance(origin, Items):
        found = _plain(column).to_pandas(integer_object_nulls=True, date_as_object=True).astype(object)
        return found.where(found.notna(), float("nan"))
    if is_mixed(kind):
        return python_values(column, origin if isinstance(origin, Mixed) else Mixed())
    if isinstance(origin, pd.CategoricalDtype):
        plain = column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column
        if isinstance(origin, UnknownCategories):
            origin = pd.CategoricalDtype(origin.categories, origin.ordered)
        values = _plain(plain).to_pandas()
        if has_intervals(origin):
            codes = pd.Index([str(one) for one in origin.categories]).get_indexer(values)
        else:
            codes = origin.categories.get_indexer(values)
        if plain.null_count != (codes < 0).sum():
            raise ValueError(
                "a categorical column has values that are not among its categories, for example because a folder of files "
                "was added after the frame was created; create it again"
            )
        return pd.Categorical.from_codes(codes, dtype=origin)
    if isinstance(origin, pd.PeriodDtype):
        return to_periods(column.to_pandas(), origin)
    if isinstance(origin, pd.SparseDtype):
        return pd.arrays.SparseArray(column.to_pandas().to_numpy(), dtype=origin)
    if origin == ARROW:
        wanted = value_type(kind)
        wanted = pa.string() if is_plain_text(wanted) else wanted
        if pa.types.is_dictionary(kind):
            # The dictionaries of several partitions may differ.
            column = column.cast(kind.value_type).dictionary_encode()
            wanted = pa.dictionary(kind.index_type, wanted, kind.ordered)
        column = column if column.type == wanted else column.cast(wanted)
        return pd.ArrowDtype(column.type).__from_arrow__(column)
    if is_text(kind):
        return pd.StringDtype().__from_arrow__(column.cast(pa.large_string()))
    dtype = MASKED.get(kind)
    return dtype.__from_arrow__(column) if dtype is not None else column.to_pandas(date_as_object=True)


def _python_lists(column: pa.ChunkedArray, origin: Lists) -> pd.Series:
    lists, missing = column.to_pylist(), origin.missing
    if missing is None:
        missing = pd.NaT if pa.types.is_temporal(column.type.value_type) else float("nan")
    made = tuple if origin.are_tuples else list
    values = [missing if one is None else made([missing if item is None else item for item in one]) for one in lists]
    return pd.Series(values, dtype=object)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        # The concatenated dictionaries of several partitions may contain a value twice.
        plain = _plain(column.cast(column.type.value_type))
        encoded = plain.dictionary_encode().unify_dictionaries()
        return _with_sorted_categories(encoded) if is_text(plain.type) else encoded
    # pandas converts only these types to its string type.
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if pa.types.is_binary_view(column.type) else column


def is_read_as_categories(kind: Any, origin: Any) -> bool:
    """Whether a column is of files that were read with ``dtype="category"``: categories are found when they are read."""
    return origin is None and pa.types.is_dictionary(kind)


def _with_sorted_categories(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of one dictionary whose values are sorted, as pandas' readers sort the categories that they find."""
    if not column.num_chunks:
        return column
    found = column.chunk(0).dictionary
    order = pc.array_sort_indices(found)
    places = pc.array_sort_indices(order).cast(pa.int32())
    chunks = [pa.DictionaryArray.from_arrays(places.take(one.indices), found.take(order)) for one in column.chunks]
    return pa.chunked_array(chunks)


def to_pandas(table: pa.Table, origins: list[Any] | None = None) -> pd.DataFrame:
    """Convert rows to a pandas frame, without a copy where Arrow allows. The labels are the column positions."""
    origins = origins or [None] * table.num_columns
    # Dictionaries of Arrow's types of pandas keep the type of their positions.
    columns = [column if origin == ARROW else _plain(column) for column, origin in zip(table.columns, origins)]
    names = [str(at) for at in range(len(columns))]
    plain = [at for at, origin in enumerate(origins) if origin is None and not is_mixed(columns[at].type)]
    shown = pa.table([columns[at] for at in plain], names=[names[at] for at in plain])
    frame = shown.to_pandas(split_blocks=True, date_as_object=True)
    for at in plain:
        column = columns[at]
        if pa.types.is_boolean(column.type) and column.null_count:
            # In a boolean column of pandas, missing values are NaN.
            values = frame[names[at]]
            frame[names[at]] = values.where(values.notna(), float("nan"))
    if len(plain) == len(columns):
        return frame
    shown_at = set(plain)
    made = {
        name: frame[name] if at in shown_at else to_pandas_column(columns[at], origins[at])
        for at, name in enumerate(names)
    }
    return pd.DataFrame(made, index=pd.RangeIndex(table.num_rows))


@dataclass(frozen=True)
class Repeated:
    """The key of one of several columns with the same label."""

    label: Any
    number: int

    def __str__(self) -> str:
        return str(self.label)


def keyed_columns(columns: Iterable[tuple[Any, Column]]) -> dict[Any, Column]:
    """Return columns by their labels, or by keys of their own where several have the same label."""
    pairs = [(shown_label(label), column) for label, column in columns]
    counts = Counter(label for label, _ in pairs)
    numbers: Counter[Any] = Counter()
    found: dict[Any, Column] = {}
    for label, column in pairs:
        key = label if counts[label] == 1 else Repeated(label, numbers[label])
        numbers[label] += 1
        found[key] = column
    return found


def refuse_equal_labels(name: str, *frames: Any) -> None:
    """Raise an error if a frame, which an operation would match by its labels, has equal ones."""
    for frame in frames:
        if any(type(label) is Repeated for label in getattr(frame, "_columns", ())):
            raise NotImplementedError(
                f"{name} is not supported for a frame with equal column labels; set .columns to distinct labels first"
            )


def shown_label(key: Any) -> Any:
    """Return the label of the key of a column."""
    return key.label if isinstance(key, Repeated) else key


def full_label(label: Any, labels: Iterable[Any]) -> Any:
    """Return a label with empty lower levels, as many as the labels have."""
    depth = max((len(one) for one in labels if isinstance(one, tuple)), default=1)
    parts = label if isinstance(label, tuple) else (label,)
    return (*parts, *[""] * (depth - len(parts))) if len(parts) < depth else label


def labels_below(label: Any, labels: Iterable[Any]) -> list[Any]:
    """Return the labels with several levels that begin with a label."""
    parts = label if isinstance(label, tuple) else (label,)
    return [one for one in labels if isinstance(one, tuple) and len(one) > len(parts) and one[: len(parts)] == parts]


def label_index(labels: list[Any], like: pd.Index | None) -> pd.Index:
    """Return column labels as an index with the name and, if possible, the type of another index."""
    labels = [shown_label(label) for label in labels]
    if like is None:
        return pd.Index(labels)
    if not labels:
        return like[:0]
    if isinstance(like, pd.MultiIndex):
        deep = [label if isinstance(label, tuple) else (label,) for label in labels]
        full = [label + ("",) * (like.nlevels - len(label)) for label in deep]
        made = pd.MultiIndex.from_tuples(full, names=like.names)
        categorical = [isinstance(level, pd.CategoricalIndex) for level in like.levels]
        if not any(categorical):
            return made
        arrays = [made.get_level_values(at) for at in range(made.nlevels)]
        known = [
            pd.CategoricalIndex(values, dtype=level.dtype) if is_categorical else values
            for values, level, is_categorical in zip(arrays, like.levels, categorical)
        ]
        return pd.MultiIndex.from_arrays(known, names=like.names)
    are_strings = isinstance(like.dtype, pd.StringDtype) and all(isinstance(label, str) for label in labels)
    kept = (
        are_strings
        or like.dtype == object
        or (isinstance(like, pd.CategoricalIndex) and set(pd.Index(labels).dropna()) <= set(like.categories))
    )
    made = pd.Index(labels, dtype=like.dtype if kept else None)
    return made.rename(like.name) if made.nlevels == 1 else made


#: The regularity of labels that pandas has as a :class:`pandas.RangeIndex`.
RANGE = "range"


def regularity_of(index: pd.Index) -> Any:
    """Return what makes the labels of an index regular: :data:`RANGE`, a frequency, or None."""
    return RANGE if isinstance(index, pd.RangeIndex) else getattr(index, "freq", None)


def regular_index(index: pd.Index, regularity: Any) -> pd.Index:
    """Return labels as an index with a step or frequency, if they come from one and still have one.

    As in pandas, this does not depend on how they were selected: rows one after the other are regular, others are not.
    """
    if regularity is None:
        return index
    if regularity == RANGE:
        return _as_range(index)
    try:
        return type(index)(index, freq=regularity, name=index.name)
    except (TypeError, ValueError):
        return index


def _as_range(index: pd.Index) -> pd.Index:
    if index.dtype != "int64":
        return index
    labels = index.to_numpy()
    if len(labels) < 2:
        start = int(labels[0]) if len(labels) else 0
        return pd.RangeIndex(start, start + len(labels), name=index.name)
    start, step = int(labels[0]), int(labels[1] - labels[0])
    if step == 0 or not bool((labels[1:] - labels[:-1] == step).all()):
        return index
    return pd.RangeIndex(start, start + step * len(labels), step, name=index.name)


def renumbered(columns: dict[Any, Column], relation: Relation) -> dict[Any, Column]:
    """Return the columns of a relation whose columns are named by position: ``c0``, ``c1``."""
    return {
        label: column._replace(expr=relation.column(f"c{at}")) for at, (label, column) in enumerate(columns.items())
    }
