"""Methods of columns that replace values."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._scalar import Scalar
from ._sql import checked, fill_condition, is_time, literal, sort_of, type_of

if TYPE_CHECKING:
    from ._rows import Rows
    from ._series import Series

__all__ = ["MISSING", "ColumnReplacement", "is_missing"]

#: SQL of a column without values.
MISSING = "CAST(NULL AS DOUBLE)"


def is_missing(value: Any) -> bool:
    """Whether a value is a missing value."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


class ColumnReplacement:
    """Methods of columns that replace values."""

    name: Any
    _rows: Rows
    _sql: builtins.str
    _kind: pa.DataType
    _origin: Any
    _like: Callable[..., Series]
    _with_values: Callable[..., Series]
    _with: Callable[..., Rows]
    _kind_with: Callable[..., pa.DataType | None]

    def _check_condition(self) -> None:
        """Check that the column is boolean.

        Raises
        ------
        TypeError
            If it is not.
        """
        if not pa.types.is_boolean(self._kind):
            raise TypeError(f"a condition must be a boolean column, not {self._kind}; use astype(bool) or a comparison")

    def fillna(self, value: Any) -> Series:
        """Replace missing values with a value or with the values of another column."""
        if isinstance(value, Scalar):
            value = value.compute()
        if _is_column(value):
            return self._filled(
                *self._layered(f"coalesce({self._compatible_sql(value)}, {value._sql})", self._with(value))
            )
        if not self._takes(type_of(value), value) and self._sql != MISSING:
            # As in pandas, this is an error only if a value is missing, which is known when the plan runs.
            why = (
                f"fillna: cannot replace missing values of column {self.name!r} of {sort_of(self._kind)} with {value!r}"
            )
            return self._with_values(checked(f"{self._sql} IS NULL", why, self._sql))
        return self._filled(f"fill_null({self._compatible_sql(value)}, {self._own_literal(value)})")

    def _filled(self, sql: builtins.str, rows: Rows | None = None) -> Series:
        return self._like(sql, rows=rows) if self._sql == MISSING else self._with_values(sql, rows)

    def combine_first(self, other: Series) -> Series:
        """Replace missing values with the values of another column."""
        return self.fillna(other)

    def isin(self, values: Any) -> Series:
        """Return whether each value is in `values`."""
        if _is_column(values):
            values = values.unique().compute()
        values = list(values)
        # Values that the column cannot contain are left out.
        found = [literal(value, self._kind) for value in self._possible(values)]
        tests = [fill_condition(f"{self._sql} IN ({', '.join(found)})")] if found else []
        if any(pd.isna(value) for value in values):
            tests.append(f"({self._sql} IS NULL)")
        return self._like(f"({' OR '.join(tests) or 'FALSE'})", pa.bool_())

    def _possible(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values that can be equal to a value of the column: strings never equal numbers or times."""
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

    def _replace_where(self, condition: Series, other: Any, keep: bool) -> Series:
        condition._check_condition()
        rows = self._with(condition)
        if isinstance(other, Scalar):
            other = other.compute()
        origin = self._origin
        if _is_column(other):
            rows, value = rows.combine(other._rows), other._sql
            if isinstance(origin, pd.CategoricalDtype) and other._origin != origin:
                raise TypeError("Cannot set a Categorical with another, without identical categories")
        else:
            value = self._own_literal(other)
        own = self._compatible_sql(other)
        # Where the condition is missing, the result is the other value.
        sql = f"CASE WHEN {'' if keep else 'NOT '}{condition._sql} THEN {own} ELSE {value} END"
        sql, rows = self._layered(sql, rows)
        return self._like(sql, self._kind_with(other), rows, origin=origin)

    def _layered(self, sql: builtins.str, rows: Rows) -> tuple[builtins.str, Rows]:
        """Return an expression that duplicates its operands, as a layer if it is long, and its rows."""
        more, short = rows.shorten(sql)
        return short, more

    def _own_literal(self, value: Any) -> builtins.str:
        """Return the SQL of a new value of the column. A categorical column accepts only its categories."""
        known = self._origin.categories if isinstance(self._origin, pd.CategoricalDtype) else None
        if known is not None and not is_missing(value) and value not in known:
            raise TypeError(f"{value!r} is not one of the categories {list(known)!r}")
        return literal(value, self._kind)

    def _compatible_sql(self, other: Any) -> builtins.str:
        """Return the SQL of the column for an expression that also returns values of `other`.

        Raises
        ------
        TypeError
            If a column cannot contain both, such as strings and numbers.
        """
        if not _is_column(other) and is_missing(other):
            return self._sql
        kind = other._kind if _is_column(other) else type_of(other)
        if self._takes(kind, other):
            return self._sql
        if MISSING in (self._sql, other._sql if _is_column(other) else ""):
            # A column without values accepts all types.
            return "NULL" if self._sql == MISSING else self._sql
        raise TypeError(f"cannot insert {sort_of(kind)} into a column of {sort_of(self._kind)}; convert it with astype")

    def _takes(self, kind: pa.DataType, value: Any) -> bool:
        """Whether the column can contain values of a type. A string may represent a time."""
        if is_time(self._kind) and isinstance(value, builtins.str):
            try:
                return bool(pd.Timestamp(value))
            except ValueError:
                return False
        return sort_of(kind) == sort_of(self._kind)

    def where(self, cond: Series, other: Any = None) -> Series:
        """Keep the values where the condition is true, and replace the others."""
        return self._replace_where(cond, other, True)

    def mask(self, cond: Series, other: Any = None) -> Series:
        """Replace the values where the condition is true."""
        return self._replace_where(cond, other, False)

    def map(self, arg: Any, na_action: Any = None, meta: Any = None) -> Series:
        """Map values by a dict, a pandas series, or a Python function.

        Values that are not in a dict or series become missing. A function runs on the workers, with each value, when the
        column is first computed.

        Parameters
        ----------
        arg : dict, pandas.Series or callable
            The mapping.
        na_action : str, optional
            ``"ignore"`` keeps missing values, without a call of the function.
        meta : optional
            The type that a function returns, as for :func:`partita.dataframe.map_partitions`. By default it is that of its
            results for made-up values.
        """
        if isinstance(arg, pd.Series):
            arg = arg.to_dict()
        if na_action not in (None, "ignore"):
            raise ValueError(f"na_action must either be 'ignore' or None, {na_action!r} was passed")
        if callable(arg) and not hasattr(arg, "__missing__"):
            from ._column_functions import map_values

            made: Series = map_values(self, arg, na_action, meta)
            return made
        if hasattr(arg, "__missing__"):
            raise NotImplementedError(
                f"map() does not support {type(arg).__name__}, which generates values; use a plain dict"
            )
        if not isinstance(arg, dict):
            raise TypeError(f"map() takes a dict, a pandas Series or a function, not {type(arg).__name__}")
        sorts = {sort_of(type_of(value)) for value in arg.values() if not is_missing(value)}
        if len(sorts) > 1:
            raise TypeError(f"cannot map to {' and '.join(sorted(sorts))} in one column; use values of one type")
        rows, own = self._rows.shorten(self._sql)
        found = [(literal(one, self._kind), literal(arg[one])) for one in self._possible(arg)]
        sql = f"CASE {own} {' '.join(f'WHEN {old} THEN {new}' for old, new in found)} END" if found else MISSING
        gone = [new for old, new in arg.items() if is_missing(old) and na_action is None]
        if gone:
            sql = f"CASE WHEN {own} IS NULL THEN {literal(gone[0])} ELSE {sql if found else 'NULL'} END"
        return self._like(sql, None, rows, origin=None if gone else self._mapped_categories(arg))

    def _mapped_categories(self, arg: dict[Any, Any]) -> Any:
        """Return the categories of a mapped categorical column, if the mapping is one-to-one."""
        if not isinstance(self._origin, pd.CategoricalDtype):
            return None
        made = [arg.get(one) for one in self._origin.categories]
        is_one_to_one = not any(is_missing(one) for one in made) and len(set(made)) == len(made)
        return pd.CategoricalDtype(made, self._origin.ordered) if is_one_to_one else None

    def replace(self, to_replace: Any, value: Any = None) -> Series:
        """Replace values, given as a value, a list, or a dict of old and new values."""
        old_values = to_replace if isinstance(to_replace, (list, tuple)) else [to_replace]
        if isinstance(to_replace, dict):
            pairs = to_replace
        elif isinstance(value, (list, tuple)):
            if len(value) != len(old_values) or not isinstance(to_replace, (list, tuple)):
                raise ValueError(
                    f"replace: {len(old_values)} values cannot be replaced by a list of {len(value)}; "
                    "the lists must have the same length"
                )
            pairs = dict(zip(old_values, value))
        else:
            pairs = dict.fromkeys(old_values, value)
        gone = [new for old, new in pairs.items() if pd.isna(old)]
        column: Any = self.fillna(gone[0]) if gone else self
        found = {old: pairs[old] for old in self._possible(pairs)}
        for new in found.values():
            self._compatible_sql(new)
        cases = " ".join(f"WHEN {literal(old, self._kind)} THEN {self._own_literal(new)}" for old, new in found.items())
        if not cases:
            same: Series = column
            return same
        rows, own = column._rows.shorten(column._sql)
        made: Series = column._like(f"CASE {own} {cases} ELSE {own} END", None, rows, origin=column._origin)
        return made


def _is_column(value: Any) -> bool:
    return isinstance(value, ColumnReplacement)
