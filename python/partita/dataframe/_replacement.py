"""Values of columns in the place of others, and the values that a column can have beside its own."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._scalar import Scalar
from ._sql import is_time, literal, sort_of, type_of

if TYPE_CHECKING:
    from ._rows import Rows
    from ._series import Series

__all__ = ["MISSING", "ColumnReplacement", "is_missing"]

#: A column that has no values yet.
MISSING = "CAST(NULL AS DOUBLE)"


def is_missing(value: Any) -> bool:
    """Whether a value stands for a missing one."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


class ColumnReplacement:
    """The methods of columns that put values in the place of others."""

    name: Any
    _rows: Rows
    _sql: builtins.str
    _kind: pa.DataType
    _origin: Any
    _like: Callable[..., Series]
    _same: Callable[..., Series]
    _with: Callable[..., Rows]
    _kind_with: Callable[..., pa.DataType | None]

    def _checked_condition(self) -> None:
        """Checks that the column is boolean.

        Raises
        ------
        TypeError
            If it is not.
        """
        if not pa.types.is_boolean(self._kind):
            raise TypeError(f"a condition must be a boolean column, not {self._kind}; use astype(bool) or a comparison")

    def fillna(self, value: Any) -> Series:
        """With something in the place of missing values."""
        if isinstance(value, Scalar):
            value = value.compute()
        if _is_column(value):
            return self._filled(*self._layered(f"coalesce({self._beside(value)}, {value._sql})", self._with(value)))
        if not self._takes(type_of(value), value) and self._sql != MISSING:
            # That is wrong only if a value is missing: then the column cannot be read.
            why = f"fillna: column {self.name!r} of {self._kind} cannot take {value!r} in the place of missing values"
            test = f"CAST(CASE WHEN {self._sql} IS NULL THEN {literal(why)} ELSE '0' END AS BIGINT) = 0"
            return self._same(f"CASE WHEN {test} THEN {self._sql} END")
        return self._filled(f"fill_null({self._beside(value)}, {self._own_literal(value)})")

    def _filled(self, sql: builtins.str, rows: Rows | None = None) -> Series:
        return self._like(sql, rows=rows) if self._sql == MISSING else self._same(sql, rows)

    def combine_first(self, other: Series) -> Series:
        """With another column's values in the place of missing ones."""
        return self.fillna(other)

    def isin(self, values: Any) -> Series:
        """Whether each is one of these."""
        if _is_column(values):
            values = values.unique().compute()
        values = list(values)
        # What a column cannot have is in none of its rows.
        found = [literal(value, self._kind) for value in self._possible(values)]
        tests = [f"(({self._sql} IN ({', '.join(found)})) IS TRUE)"] if found else []
        if any(pd.isna(value) for value in values):
            tests.append(f"({self._sql} IS NULL)")
        return self._like(f"({' OR '.join(tests) or 'FALSE'})", pa.bool_())

    def _possible(self, values: Iterable[Any]) -> Iterator[Any]:
        """Those of some values that one of the column can be equal to: a string is not equal to a number or a time."""
        own = sort_of(self._kind)
        for value in values:
            if pd.isna(value):
                continue
            theirs = sort_of(type_of(value))
            if {own, theirs} == {"booleans", "numbers"}:
                if own == "numbers" or value in (0, 1):
                    yield int(value) if own == "numbers" else bool(value)
            elif own == theirs:
                yield value

    def _either(self, condition: Series, other: Any, keep: bool) -> Series:
        condition._checked_condition()
        rows = self._with(condition)
        if isinstance(other, Scalar):
            other = other.compute()
        origin = self._origin
        if _is_column(other):
            rows, value = rows.both(other._rows), other._sql
            if isinstance(origin, pd.CategoricalDtype) and other._origin != origin:
                raise TypeError("Cannot set a Categorical with another, without identical categories")
        else:
            value = self._own_literal(other)
        own = self._beside(other)
        # Where a condition is missing there is the other value.
        sql = f"CASE WHEN {'' if keep else 'NOT '}{condition._sql} THEN {own} ELSE {value} END"
        sql, rows = self._layered(sql, rows)
        return self._like(sql, self._kind_with(other), rows, origin=origin)

    def _layered(self, sql: builtins.str, rows: Rows) -> tuple[builtins.str, Rows]:
        """An expression that has a value several times, which may have such expressions in it; and its rows."""
        more, short = rows.short(sql)
        return short, more

    def _own_literal(self, value: Any) -> builtins.str:
        """A value that a column is to have, in SQL. Of categories it is one of them."""
        known = self._origin.categories if isinstance(self._origin, pd.CategoricalDtype) else None
        if known is not None and not is_missing(value) and value not in known:
            raise TypeError(f"{value!r} is not one of the categories {list(known)!r}")
        return literal(value, self._kind)

    def _beside(self, other: Any) -> builtins.str:
        """The column in SQL, where it has values of another column, or another value, beside its own.

        Raises
        ------
        TypeError
            If a column cannot have both: texts and numbers, for one.
        """
        if not _is_column(other) and is_missing(other):
            return self._sql
        kind = other._kind if _is_column(other) else type_of(other)
        if self._takes(kind, other):
            return self._sql
        if MISSING in (self._sql, other._sql if _is_column(other) else ""):
            # What has no values yet can have any.
            return "NULL" if self._sql == MISSING else self._sql
        raise TypeError(
            f"cannot put {sort_of(kind)} into a column of {sort_of(self._kind)}: a column has one type; use astype first"
        )

    def _takes(self, kind: pa.DataType, value: Any) -> bool:
        """Whether a column can have values of a type beside its own; a text may stand for a time."""
        if is_time(self._kind) and isinstance(value, builtins.str):
            try:
                return bool(pd.Timestamp(value))
            except ValueError:
                return False
        return sort_of(kind) == sort_of(self._kind)

    def where(self, cond: Series, other: Any = None) -> Series:
        """The value where the condition holds, else the other one."""
        return self._either(cond, other, True)

    def mask(self, cond: Series, other: Any = None) -> Series:
        """The value where the condition does not hold, else the other one."""
        return self._either(cond, other, False)

    def map(self, arg: Any, na_action: Any = None, meta: Any = None) -> Series:
        """What a dictionary or a column of pandas has for each value; missing where it has nothing."""
        if isinstance(arg, pd.Series):
            arg = arg.to_dict()
        if na_action not in (None, "ignore"):
            raise ValueError(f"na_action must either be 'ignore' or None, {na_action!r} was passed")
        if hasattr(arg, "__missing__"):
            raise NotImplementedError(
                f"map does not support {type(arg).__name__}, which makes values; use a plain dict"
            )
        if not isinstance(arg, dict):
            raise NotImplementedError("map takes a dict: a function in Python cannot run on the workers yet")
        sorts = {sort_of(type_of(value)) for value in arg.values() if not is_missing(value)}
        if len(sorts) > 1:
            raise TypeError(f"cannot map to {' and '.join(sorted(sorts))}: a column has one type")
        rows, own = self._rows.short(self._sql)
        found = [(literal(one, self._kind), literal(arg[one])) for one in self._possible(arg)]
        sql = f"CASE {own} {' '.join(f'WHEN {old} THEN {new}' for old, new in found)} END" if found else MISSING
        gone = [new for old, new in arg.items() if is_missing(old) and na_action is None]
        if gone:
            sql = f"CASE WHEN {own} IS NULL THEN {literal(gone[0])} ELSE {sql if found else 'NULL'} END"
        return self._like(sql, None, rows, origin=None if gone else self._mapped_categories(arg))

    def _mapped_categories(self, arg: dict[Any, Any]) -> Any:
        """The categories of a column that was mapped, if each has become one of its own."""
        if not isinstance(self._origin, pd.CategoricalDtype):
            return None
        made = [arg.get(one) for one in self._origin.categories]
        is_one_to_one = not any(is_missing(one) for one in made) and len(set(made)) == len(made)
        return pd.CategoricalDtype(made, self._origin.ordered) if is_one_to_one else None

    def replace(self, to_replace: Any, value: Any = None) -> Series:
        """With some values replaced."""
        pairs = (
            to_replace
            if isinstance(to_replace, dict)
            else dict.fromkeys(to_replace if isinstance(to_replace, (list, tuple)) else [to_replace], value)
        )
        gone = [new for old, new in pairs.items() if pd.isna(old)]
        column: Any = self.fillna(gone[0]) if gone else self
        found = {old: pairs[old] for old in self._possible(pairs)}
        for new in found.values():
            self._beside(new)
        cases = " ".join(f"WHEN {literal(old, self._kind)} THEN {self._own_literal(new)}" for old, new in found.items())
        if not cases:
            same: Series = column
            return same
        rows, own = column._rows.short(column._sql)
        made: Series = column._like(f"CASE {own} {cases} ELSE {own} END", None, rows, origin=column._origin)
        return made


def _is_column(value: Any) -> bool:
    return isinstance(value, ColumnReplacement)
