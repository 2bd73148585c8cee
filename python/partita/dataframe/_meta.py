"""The columns and types of frames that Python functions return: inferred, and compared with each partition."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import is_object_dtype

from ..utils import no_default
from ._base import Plan
from ._columns import ARROW, column_origin, has_intervals, has_tuples, origin_of
from ._io import _levels, _table
from ._mixed import fit_mixed, is_mixed, mixed_kind, sample_values
from ._replacement import EXACT_MAX
from ._sql import INDEX, ORDER, is_plain_text, is_text

__all__ = ["POSITION", "POSITION_BITS", "Meta", "as_pandas", "sample_table"]

#: Column of the positions of rows, which have gaps between the partitions.
POSITION = f"{ORDER}0"

#: Rows of a partition are numbered with this number of bits; the number of the partition is above them.
POSITION_BITS = 40
#: Maximum number of digits of a decimal.
DECIMAL_DIGITS = 38
#: Maximum number of columns that an error names.
NAMES_MAX = 20


def as_pandas(result: Any, where: str) -> pd.DataFrame | pd.Series:
    """Return the result of a function as a frame or series. A single value becomes a series with one row.

    Raises
    ------
    TypeError
        If the result is something else.
    """
    if isinstance(result, (pd.DataFrame, pd.Series)):
        return result
    if pd.api.types.is_scalar(result) and result is not None:
        return pd.Series([result])
    raise TypeError(
        f"{where}: the function must return a pandas DataFrame or Series, or a single value, not {type(result).__name__}"
    )


class Meta:
    """The columns, types and index of a frame or column.

    Attributes
    ----------
    empty : pandas.DataFrame
        A frame without rows. A column is a frame with the label ``"v"``.
    is_series : bool
        Whether it describes a column.
    is_index : bool
        Whether it describes an index, which is that of a frame without columns.
    name : object
        The name of the column.
    schema : pyarrow.Schema
        The columns of the table: index levels, values, and the position of each row.
    """

    def __init__(
        self, sample: pd.DataFrame | pd.Series | pd.Index, objects: Mapping[Any, pa.DataType] | None = None
    ) -> None:
        """Return the meta of a pandas object. `objects` has the types of columns of objects that have no values in it."""
        self.is_index = isinstance(sample, pd.Index)
        if isinstance(sample, pd.Index):
            sample = pd.DataFrame(index=sample)
        self.is_series = isinstance(sample, pd.Series)
        self.name = sample.name if isinstance(sample, pd.Series) else None
        frame = sample.to_frame("v") if isinstance(sample, pd.Series) else sample
        for label, dtype in zip(frame.columns, frame.dtypes):
            if isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories):
                raise ValueError(
                    f"column {label!r} of meta= is categorical without categories; name them with "
                    "pd.CategoricalDtype([...])"
                )
        table = _table(frame)
        dtypes = [level.dtype for level in _levels(frame)] + list(frame.dtypes)
        fields = [
            # Types of Arrow are types of pandas too.
            field
            if origin_of(dtype) == ARROW and not is_text(field.type)
            else field.with_type(_stored_kind(field.type))
            for field, dtype in zip(table.schema, dtypes)
        ]
        for at, (label, dtype) in enumerate(zip(frame.columns, frame.dtypes), frame.index.nlevels):
            known = (objects or {}).get(self.name if self.is_series else label)
            if known is not None and is_object_dtype(dtype) and not frame.iloc[:, at - frame.index.nlevels].count():
                fields[at] = fields[at].with_type(_stored_kind(known))
        #: The positions of the columns of objects of which there is no value.
        self.guessed = [
            at for at, dtype in enumerate(frame.dtypes) if is_object_dtype(dtype) and not frame.iloc[:, at].count()
        ]
        #: The positions of the columns of tuples.
        self.tuples = frozenset(at for at in range(frame.shape[1]) if has_tuples(frame.iloc[:, at]))
        self.empty = frame.iloc[:0]
        self.schema = pa.schema([*fields, pa.field(POSITION, pa.int64())])

    @classmethod
    def of(cls, given: Any, index: pd.Index | None = None, objects: Mapping[Any, pa.DataType] | None = None) -> Meta:
        """Return the meta that a user gave.

        Parameters
        ----------
        given : DataFrame, Series, dict, list, tuple, dtype or Meta
            As in Dask: a pandas object, a lazy one of the same columns, a dict or list of pairs of name and type, a pair for a column, or a type.
        index : pandas.Index, optional
            The index, if `given` does not describe it.
        objects : mapping, optional
            The types of columns of Python objects, if `given` has no values of them.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, Plan):
            kinds = given._rows.types([expr for _, expr in given._selected()])
            objects = dict(zip(given._selected_labels(), kinds))
            given = given._meta
        if isinstance(given, (pd.DataFrame, pd.Series)):
            if index is not None and not len(given) and _is_default_index(given.index):
                given = given.set_axis(index[:0], axis=0)
            return cls(given, objects)
        empty = pd.RangeIndex(0) if index is None else index[:0]
        if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], tuple):
            return cls(pd.Series([], dtype=given[1], name=given[0], index=empty), objects)
        if isinstance(given, Mapping) or (isinstance(given, (list, tuple)) and all(map(_is_pair, given))):
            pairs = list(given.items() if isinstance(given, Mapping) else given)
            columns = {at: pd.Series([], dtype=dtype, index=empty) for at, (_, dtype) in enumerate(pairs)}
            return cls(pd.DataFrame(columns, index=empty).set_axis([name for name, _ in pairs], axis=1), objects)
        if given is None or given is no_default:
            raise TypeError("meta= must not be None")
        try:
            dtype = pd.api.types.pandas_dtype(
                given if isinstance(given, (str, type)) else getattr(given, "dtype", given)
            )
        except TypeError:
            # A single value.
            return cls(as_pandas(given, "meta="))
        return cls(pd.Series([], dtype=dtype), objects)

    def with_object_types(self, sample: Callable[[], Any]) -> Meta:
        """Return the meta with the types of Python objects, such as lists and dates.

        The dtype ``object`` stands for strings, unless a function returns values of one of these types for made-up values.
        """
        if not self.guessed:
            return self
        try:
            found = Meta(as_pandas(sample(), ""))
        except Exception:
            # The function fails for made-up values, as others may.
            return self
        if found.is_series != self.is_series or len(found.empty.columns) != len(self.empty.columns):
            return self
        for at in self.guessed:
            name = f"c{at}"
            if is_mixed(self.schema.field(name).type):
                # The made-up values have only some of the types of the column.
                continue
            kind = found.schema.field(name).type
            if is_text(kind) or (is_object_dtype(found.empty.dtypes.iloc[at]) and at not in found.guessed):
                self.schema = self.schema.set(self.schema.get_field_index(name), pa.field(name, kind))
                self.tuples |= found.tuples & {at}
        return self

    def with_types_of(self, plans: Iterable[Plan]) -> Meta:
        """Return this meta, whose columns with values of several types may have those of columns of frames as well.

        Made-up values have only two of the types.
        """
        known = [kind for plan in plans for kind in plan._rows.types([expr for _, expr in plan._selected()])]
        others = [kind for kind in known if is_mixed(kind)]
        for at, field in enumerate(self.schema):
            if others and is_mixed(field.type):
                self.schema = self.schema.set(at, field.with_type(mixed_kind([field.type, *others])))
        return self

    def convert(self, result: Any, number: int) -> pa.Table:
        """Return a partition as the rows of the table.

        Raises
        ------
        ValueError
            If its columns or types are others.
        """
        where = f"partition {number}"
        if isinstance(result, pd.Index) and (self.is_index or self.is_series):
            result = pd.DataFrame(index=result) if self.is_index else result.to_series().reset_index(drop=True)
        found = as_pandas(result, where)
        if found is not result and self.is_series:
            found.index = self._label_of_value()
        if isinstance(found, pd.Series) != self.is_series:
            kinds = ("a Series", "a DataFrame") if self.is_series else ("a DataFrame", "a Series")
            raise ValueError(f"{where}: expected {kinds[0]}, found {kinds[1]}; {_GIVE}")
        if not len(found):
            # Functions return other types for no rows.
            return self.schema.empty_table()
        frame = found.to_frame("v") if isinstance(found, pd.Series) else found
        self._check_columns(frame, where)
        kinds_of = [self.schema.field(f"c{at}").type for at in range(frame.shape[1])]
        table = _table(frame, frozenset(at for at, kind in enumerate(kinds_of) if is_mixed(kind)))
        dtypes = [level.dtype for level in _levels(frame)] + list(frame.dtypes)
        expected = [level.dtype for level in _levels(self.empty)] + list(self.empty.dtypes)
        names = [f"index level {name!r}" if name is not None else "the index" for name in frame.index.names]
        names += ["the column" if self.is_series else f"column {label!r}" for label in frame.columns]
        columns = []
        for at, field in enumerate(table.schema):
            kind = self.schema.types[at]
            fitted = _fit(table.column(at), kind, dtypes[at], expected[at])
            if fitted is None:
                raise ValueError(
                    f"{where}: {names[at]}: expected {_shown(expected[at], kind)}, found "
                    f"{_shown(dtypes[at], field.type)}; {_GIVE}, or convert them with astype"
                )
            columns.append(fitted)
        first = number << POSITION_BITS
        columns.append(pa.chunked_array([pa.array(range(first, first + len(frame)), pa.int64())]))
        return pa.table(columns, schema=self.schema)

    def _label_of_value(self) -> pd.Index:
        """Return the label of a single value: 0, or a missing one if the labels are no numbers."""
        labels = [
            pd.Series([0 if pd.api.types.is_numeric_dtype(level.dtype) else None], dtype=level.dtype)
            for level in _levels(self.empty)
        ]
        names = list(self.empty.index.names)
        return (
            pd.Index(labels[0], name=names[0]) if len(labels) == 1 else pd.MultiIndex.from_arrays(labels, names=names)
        )

    def _check_columns(self, frame: pd.DataFrame, where: str) -> None:
        if not self.is_series and list(frame.columns) != list(self.empty.columns):
            raise ValueError(
                f"{where}: The columns in the computed data do not match the columns in the provided metadata: expected the "
                f"columns {_listed(self.empty.columns)}, found {_listed(frame.columns)}; {_GIVE}"
            )
        names = list(self.empty.index.names)
        # As with labels of different names in pandas, an index that is described without a name has none.
        if list(frame.index.names) != names and not (names == [None] and frame.index.nlevels == 1):
            raise ValueError(
                f"{where}: expected an index with {_named(self.empty.index)}, found one with {_named(frame.index)}; "
                f"{_GIVE} and their index"
            )

    def origins(self) -> list[Any]:
        """Return the origins of the columns."""
        return [
            column_origin(dtype, self.schema.field(f"c{at}").type, at in self.tuples)
            for at, dtype in enumerate(self.empty.dtypes)
        ]

    @property
    def table_schema(self) -> pa.Schema:
        """The columns of the table without the position of the rows."""
        return pa.schema(list(self.schema)[:-1])


_GIVE = "give the columns and types that the function returns with meta="


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _is_default_index(index: pd.Index) -> bool:
    """Whether a pandas object without rows was created without an index."""
    is_plain = isinstance(index, pd.RangeIndex) or (type(index) is pd.Index and is_object_dtype(index.dtype))
    return is_plain and index.name is None


def _listed(labels: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, list(labels)[:NAMES_MAX]))
    return f"[{shown}{', ...' if len(labels) > NAMES_MAX else ''}]"


def _named(index: pd.Index) -> str:
    if index.nlevels == 1:
        return "no name" if index.name is None else f"the name {index.name!r}"
    return f"the levels {list(index.names)!r}"


def _shown(dtype: Any, kind: pa.DataType) -> str:
    if isinstance(dtype, pd.CategoricalDtype):
        return f"categories {_listed(dtype.categories)}{', ordered' if dtype.ordered else ''}"
    return f"{dtype} ({kind})" if is_object_dtype(dtype) else str(dtype)


def _stored_kind(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column of the table: texts have one type, and decimals have room for all values."""
    if pa.types.is_decimal128(kind):
        return pa.decimal128(DECIMAL_DIGITS, kind.scale)
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _stored_kind(kind.value_type), kind.ordered)
    return pa.large_string() if is_plain_text(kind) else kind


def _fit(column: pa.ChunkedArray, kind: pa.DataType, dtype: Any, expected: Any) -> pa.ChunkedArray | None:
    """Return a column with the expected type if that changes no value, otherwise None."""
    # Categories without one, of which no row has a value, say nothing of the type.
    is_open = isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories)
    if column.null_count == len(column) and (is_open or is_object_dtype(dtype) or pa.types.is_floating(column.type)):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if origin_of(dtype) != origin_of(expected):
        return None
    if column.type == kind:
        return column
    if is_mixed(kind):
        return fit_mixed(column, kind)
    found = _stored_kind(column.type)
    if pa.types.is_decimal(found) and pa.types.is_decimal(kind) and origin_of(expected) is None:
        return column.cast(kind) if found.scale <= kind.scale else None
    if found == kind:
        return column.cast(kind)
    if pa.types.is_list(found) and pa.types.is_list(kind) and pa.types.is_null(found.value_type):
        # All lists of the partition are empty.
        return column.cast(kind)
    if pa.types.is_struct(found) and pa.types.is_struct(kind) and _names(found) == _names(kind):
        # Integers in dicts have the widest type.
        try:
            return column.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
    if is_text(found) and is_text(kind):
        return column.cast(kind.value_type if pa.types.is_dictionary(kind) else kind).cast(kind)
    if pa.types.is_integer(kind) and origin_of(expected) is None and dtype == "float64":
        # As in pandas, integers with missing values are floats, and a function may return others as such.
        try:
            fitted = column.cast(kind)
        except pa.ArrowInvalid:
            return None
        return fitted if (pc.max(pc.abs(column)).as_py() or 0) <= EXACT_MAX else None
    return None


def _names(kind: pa.DataType) -> list[str]:
    """Return the names of the fields of a struct."""
    return [kind.field(at).name for at in range(kind.num_fields)]


# Samples.


def sample_table(kinds: Sequence[pa.DataType], origins: Sequence[Any], levels: int) -> pa.Table:
    """Return two rows of made-up values, on which functions are called to infer the types of their results.

    Parameters
    ----------
    kinds, origins : sequence
        Types and origins of the columns.
    levels : int
        Number of leading columns that are index levels, whose values are distinct.
    """
    columns = [_sample(kind, origin, at < levels) for at, (kind, origin) in enumerate(zip(kinds, origins))]
    return pa.table(columns, names=[str(at) for at in range(len(columns))])


def _sample(kind: pa.DataType, origin: Any, is_level: bool) -> pa.Array:
    types = pa.types
    if isinstance(origin, pd.CategoricalDtype):
        values = [str(one) if has_intervals(origin) else one for one in origin.categories[:2]]
        plain = kind.value_type if types.is_dictionary(kind) else kind
        pair = [values[0], values[-1] if is_level else values[0]] if values else [None, None]
        return pa.array(pair, pa.large_string() if is_plain_text(plain) else plain, from_pandas=True).cast(plain)
    if types.is_dictionary(kind):
        return _sample(kind.value_type, origin, is_level)
    if is_mixed(kind):
        return sample_values(kind, _values)
    first, second = _values(kind)
    made = pa.array([first, second if is_level else first], _plain_kind(kind))
    return made if made.type == kind else made.cast(kind)


def _plain_kind(kind: pa.DataType) -> pa.DataType:
    return pa.large_string() if is_plain_text(kind) else kind


def _values(kind: pa.DataType) -> tuple[Any, Any]:
    """Return two values of a type; missing ones for unusual types."""
    types = pa.types
    if types.is_boolean(kind):
        return True, False
    if types.is_integer(kind):
        return 1, 2
    if types.is_floating(kind):
        return 1.0, 2.0
    if types.is_decimal(kind):
        return decimal.Decimal(0), decimal.Decimal(0)
    if is_plain_text(kind):
        return "a", "b"
    if types.is_timestamp(kind):
        return pd.Timestamp(0, tz=kind.tz), pd.Timestamp(86400, unit="s", tz=kind.tz)
    if types.is_date(kind):
        return datetime.date(1970, 1, 1), datetime.date(1970, 1, 2)
    if types.is_duration(kind):
        return pd.Timedelta(days=1), pd.Timedelta(days=2)
    if types.is_time(kind):
        return datetime.time(0), datetime.time(1)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return b"a", b"b"
    if types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        made = {field.name: _values(field.type)[0] for field in fields}
        return made, made
    if types.is_list(kind) or types.is_large_list(kind):
        return [_values(kind.value_type)[0]], [_values(kind.value_type)[0]]
    return None, None


def level_names(count: int) -> list[str]:
    """Return the names of the columns of index levels."""
    return [INDEX + str(at) for at in range(count)]
