"""Columns with values of several types, such as strings and numbers: columns of objects in pandas.

On the cluster such a column is a struct with a field for each type, of which at most one has a value. The nodes of plans
refuse functions that would compare or compute such values: equal values of different types have different fields.
"""

from __future__ import annotations

import datetime
import decimal
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import MIXED, is_mixed, is_plain_text, is_real, value_type
from ..plan.expr import Expr, call, case, cast

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = [
    "ItemsOf",
    "Method",
    "Mixed",
    "ToNumeric",
    "ValuesOf",
    "are_integers",
    "check_zones",
    "computed",
    "fields_of",
    "fit_mixed",
    "has_several_types",
    "is_equal",
    "is_mixed",
    "missing_of",
    "mixed_array",
    "mixed_kind",
    "mixed_values",
    "python_values",
    "sample_values",
    "with_kind",
    "with_mixed_columns",
]


@dataclass(frozen=True)
class Mixed:
    """The origin of columns with values of several types."""

    #: Whether missing values are None. Otherwise they are NaN.
    is_none: bool = False


#: The names of the fields, by the classes of their values. Subclasses come before their classes.
_CLASSES: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), "bool"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    (str, "str"),
    (bytes, "bytes"),
    (datetime.datetime, "time"),
    (datetime.date, "date"),
    (datetime.timedelta, "timedelta"),
    (decimal.Decimal, "decimal"),
    (list, "list"),
    (tuple, "tuple"),
    # All other objects are pickled.
    (object, "object"),
)
#: The types of fields whose type does not depend on the values.
_KINDS = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.large_string(),
    "bytes": pa.large_binary(),
    "object": pa.large_binary(),
}


def _name_of(value: Any) -> str:
    """Return the name of the field of a value."""
    if isinstance(value, (list, tuple)) and any(isinstance(one, tuple) for one in value):
        # In lists of Arrow, all items are lists.
        return "object"
    return next(name for classes, name in _CLASSES if isinstance(value, classes))


def _class_of(kind: pa.DataType) -> str:
    """Return the name of the field of the values of a column.

    Raises
    ------
    TypeError
        If a column with values of several types cannot have them.
    """
    types = pa.types
    tests = {
        "bool": types.is_boolean,
        "int": types.is_integer,
        "float": is_real,
        "str": is_plain_text,
        "time": types.is_timestamp,
        "date": types.is_date,
        "timedelta": types.is_duration,
        "decimal": types.is_decimal,
        "list": lambda one: types.is_list(one) or types.is_large_list(one),
    }
    found = next((name for name, test in tests.items() if test(value_type(kind))), None)
    if found is None or kind == pa.uint64():
        raise TypeError(f"cannot combine {kind} with values of other types in one column; convert it with astype")
    return found


def fields_of(kind: pa.DataType) -> dict[str, pa.DataType]:
    """Return the types of the values of a column by the names of their fields, without the prefix."""
    if not is_mixed(kind):
        name = _class_of(kind)
        return {name: _KINDS.get(name, value_type(kind))}
    return {kind.field(at).name.removeprefix(MIXED): kind.field(at).type for at in range(kind.num_fields)}


def _struct(fields: Mapping[str, pa.DataType]) -> pa.DataType:
    return pa.struct([pa.field(MIXED + name, fields[name]) for _, name in _CLASSES if name in fields])


def mixed_kind(kinds: Iterable[pa.DataType]) -> pa.DataType:
    """Return the type of a column with the values of columns of several types.

    Raises
    ------
    TypeError
        If there is no such type.
    """
    found: dict[str, pa.DataType] = {}
    for kind in kinds:
        if pa.types.is_null(kind):
            continue
        for name, one in fields_of(kind).items():
            if found.setdefault(name, one) != one:
                raise TypeError(f"cannot combine {found[name]} and {one} with values of other types in one column")
    return _struct(found)


# Expressions.


def with_mixed_columns(frame: DataFrame, labels: Iterable[Any], kind: pa.DataType) -> DataFrame:
    """Return a frame in which columns have values of several types: objects in pandas."""
    from ._frame import DataFrame

    rows, cells = frame._rows, dict(frame._columns)
    for label in labels:
        made = _as_mixed(frame._column(label), kind)
        rows, cells[label] = rows.combine(made._rows), made._cell
    return DataFrame(rows, cells, frame._index, frame._axis)


def _as_mixed(column: Series, wanted: pa.DataType) -> Series:
    kind = column._kind
    if kind == wanted or pa.types.is_null(kind):
        return column._like(column._expr, origin=Mixed())
    if is_mixed(kind):
        return with_kind(column, wanted)
    ((name, one),) = fields_of(kind).items()
    return column._like(mixed_values({name: cast(column._expr, one)}, wanted), origin=Mixed())


def mixed_values(parts: Mapping[str, Expr], kind: pa.DataType) -> Expr:
    """Return a column with the values of expressions, of which at most one has a value in each row."""
    args: list[Any] = []
    for name, one in fields_of(kind).items():
        args += [MIXED + name, parts[name] if name in parts else cast(None, one)]
    some = px.disjunction(*map(px.not_null, parts.values()))
    return case([(some, call("named_struct", *args, dtype=kind))], dtype=kind)


# Methods of columns. Functions of pandas compute them on the workers: a field of a struct has values also where the struct is
# missing, and DataFusion's optimizer fails for some plans with fields.


class Method:
    """A method of pandas' columns with its arguments."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs

    def __call__(self, values: pd.Series) -> Any:
        return getattr(values, self.name)(*self.args, **self.kwargs)


class ItemsOf:
    """The lists of a column of several types, also of tuples."""

    def __call__(self, values: pd.Series) -> pd.Series:
        return values.map(lambda one: list(one) if isinstance(one, (list, tuple)) else None).astype(object)


class ValuesOf:
    """The values of one type of a column of several types."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, values: pd.Series) -> pd.Series:
        own = [one if not _is_missing(one) and _name_of(one) == self.name else None for one in values]
        return pd.Series(own, index=values.index, dtype=self.dtype)


class ToNumeric:
    """The conversion to numbers. An invalid value is an error, or missing."""

    def __init__(self, errors: str) -> None:
        self.errors = errors

    def __call__(self, values: pd.Series) -> Any:
        return pd.to_numeric(values, errors=self.errors).astype("float64")


def are_integers(values: pd.Series) -> pd.Series:
    """Return whether each value is an integer, or the string of one."""
    return values.map(_is_integer).astype(bool)


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lstrip("+-").isdecimal()
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def computed(column: Series, function: Any, name: str, dtype: Any, kind: pa.DataType | None = None) -> Series:
    """Return the results of a function of the values, which have a type of pandas, and one of Arrow if they are objects."""
    from ._column_functions import call_rows
    from ._meta import Meta

    meta = Meta(pd.Series([], dtype=dtype, name=column.name))
    if kind is not None:
        at = meta.schema.get_field_index("c0")
        meta.schema = meta.schema.set(at, meta.schema.field(at).with_type(kind))
    made: Series = call_rows(column, function, meta, name)
    return made


def is_equal(column: Series, values: list[Any]) -> Series:
    """Return whether each value equals one of several values; never missing."""
    return computed(column, Method("isin", values), "isin", bool)


def with_kind(column: Series, kind: pa.DataType, function: Any = None) -> Series:
    """Return the values of a column, or those of a function of it, as a column with more types."""
    return computed(column, function or Method("copy"), "astype", object, kind)


# Values.


def missing_of(values: pd.Series) -> Mixed:
    """Return the origin of a column of objects with values of several types."""
    missing = values[values.isna()]
    return Mixed(bool(len(missing)) and all(one is None for one in missing))


def has_several_types(values: pd.Series) -> bool:
    """Whether a column of objects has values of several types, all of which a column can have beside each other."""
    if pd.api.types.infer_dtype(values, skipna=True) not in ("mixed", "mixed-integer"):
        return False
    names = {_name_of(one) for one in values if not _is_missing(one)}
    return "object" not in names and len(names) > 1


def check_zones(values: pd.Series, label: Any) -> None:
    """Raise an error if some times of a column of objects have a zone and others have none."""
    if pd.api.types.infer_dtype(values, skipna=True) not in ("mixed", "mixed-integer", "datetime"):
        return
    zoned = {one.tzinfo is not None for one in values if isinstance(one, datetime.datetime) and not _is_missing(one)}
    if len(zoned) > 1:
        raise TypeError(
            f"column {label!r} has times with a zone and times without; use pandas' tz_localize on them first"
        )


def mixed_array(values: Iterable[Any]) -> pa.Array:
    """Convert Python objects of any types."""
    objects = list(values)
    names = [None if _is_missing(one) else _name_of(one) for one in objects]
    arrays, fields = [], {}
    for _, name in _CLASSES:
        if name not in names:
            continue
        own = [one if at == name else None for one, at in zip(objects, names)]
        if name == "object":
            own = [None if one is None else pickle.dumps(one) for one in own]
        try:
            made = pa.array(own, _KINDS.get(name), from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            # Integers with more than 64 bits, and lists of items of several types.
            names = ["object" if at == name else at for at in names]
            continue
        fields[name] = made.type
        arrays.append(made)
    mask = pa.array([name is None for name in names])
    return pa.StructArray.from_arrays(arrays, fields=list(_struct(fields)), mask=mask)


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def python_values(column: pa.ChunkedArray, origin: Mixed) -> pd.Series:
    """Convert a column with values of several types to Python objects."""
    made = np.empty(len(column), dtype=object)
    made[:] = None if origin.is_none else float("nan")
    parts = column.combine_chunks().flatten()
    for values, name in zip(parts, fields_of(column.type)):
        (places,) = np.nonzero(values.is_valid().to_numpy(zero_copy_only=False))
        objects = _objects(values.take(pa.array(places)), name)
        for place, value in zip(places, objects):
            made[place] = value
    return pd.Series(made, dtype=object)


def _objects(values: pa.Array, name: str) -> list[Any]:
    """Return the values of a field as Python objects."""
    if name in ("time", "timedelta"):
        return list(pd.Series(values.to_pandas()))
    found: list[Any] = values.to_pylist()
    if name == "object":
        return list(map(pickle.loads, found))
    return list(map(tuple, found)) if name == "tuple" else found


def fit_mixed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Return a column as one with the types of another one; None if it has values of other types."""
    try:
        names = fields_of(column.type)
    except TypeError:
        return None
    wanted = fields_of(kind)
    if any(name not in wanted for name in names):
        return None
    chunks = []
    for chunk in column.chunks:
        own = dict(zip(names, chunk.flatten() if is_mixed(column.type) else [chunk]))
        try:
            arrays = [own[name].cast(one) if name in own else pa.nulls(len(chunk), one) for name, one in wanted.items()]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        chunks.append(pa.StructArray.from_arrays(arrays, fields=list(kind), mask=chunk.is_null()))
    return pa.chunked_array(chunks, kind)


def sample_values(kind: pa.DataType, values_of: Any) -> pa.Array:
    """Return two rows of made-up values of the first two types."""
    fields = list(fields_of(kind).items())
    first, last = (
        (name, pickle.dumps(object()) if name == "object" else values_of(one)[0])
        for name, one in (fields[0], fields[-1])
    )
    return pa.array([{MIXED + name: value} for name, value in (first, last)], kind)
