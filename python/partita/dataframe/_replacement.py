"""Methods of columns that replace values."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from .._collection import Collection
from ..plan import expr as px
from ..plan.dtype import DType, refuse_mixed
from ..plan.expr import Expr, call, case
from . import _expressions as ex
from ._alignment import REINDEX
from ._arguments import is_columns_axis
from ._array_columns import column_of_array, is_array
from ._columns import origin_of
from ._matching import aligned, is_aligned, uploaded
from ._mixed import Method, is_equal, is_mixed, mixed_kind, with_kind
from ._periods import start_of
from ._scalar import Scalar
from ._sql import checked, fill_condition, is_plain_text, is_time, literal, sort_of, type_of
from ._warnings import warn_of_missing

if TYPE_CHECKING:
    from ._rows import Rows
    from ._series import Series

__all__ = ["EXACT_MAX", "MISSING", "NO_TIME", "ColumnReplacement", "is_missing"]

#: Largest integer up to which floats represent all integers.
EXACT_MAX = 2**53
#: A column without values.
MISSING = px.cast(None, pa.float64())
#: A missing time, of the type that pandas gives a column of them.
NO_TIME = px.cast(None, pa.timestamp("ns"))


def is_missing(value: Any) -> bool:
    """Whether a value is a missing value."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


class ColumnReplacement:
    """Methods of columns that replace values."""

    name: Any
    _rows: Rows
    _expr: Expr
    _kind: pa.DataType
    _origin: Any
    dtype: Any
    _like: Callable[..., Series]
    _with_values: Callable[..., Series]
    _with: Callable[..., Rows]
    _spread: Callable[[Scalar], Any]
    _meta: Any

    def _check_condition(self) -> None:
        """Check that the column is boolean.

        Raises
        ------
        TypeError
            If it is not.
        """
        if not pa.types.is_boolean(self._kind):
            raise TypeError(f"a condition must be a boolean column, not {self._kind}; use astype(bool) or a comparison")

    def fillna(self, value: Any, axis: Any = None) -> Series:
        """Replace missing values with a value or with the values of another column. `axis` can only be that of the rows."""
        if is_columns_axis("fillna", axis):
            raise ValueError(f"No axis named {axis} for object type Series; use fillna of a frame")
        if isinstance(value, Scalar):
            value = value.compute()
        value = uploaded(value, self)
        if is_mixed(self._kind) and not _is_column(value):
            kind = mixed_kind([self._kind, type_of(value)])
            return with_kind(cast("Series", self), kind, Method("fillna", value))
        if _is_column(value):
            own, value = aligned(self, value, REINDEX)
            filled: Series = own._filled(call("coalesce", own._compatible(value), value._expr))
            return filled
        is_period = isinstance(self._origin, pd.PeriodDtype)
        if not is_period and not self._takes(type_of(value), value) and self._expr is not MISSING:
            # As in pandas, this is an error only if a value is missing, which is known when the plan runs.
            why = (
                f"fillna: cannot replace missing values of column {self.name!r} of {sort_of(self._kind)} with {value!r}"
            )
            return self._with_values(checked(px.is_null(self._expr), why, self._expr))
        made = self._compatible(value)
        # Where the type does not become another one, it is known.
        kind = self._kind if is_period else None if made is not self._expr else self._kind_with(value)
        return self._filled(call("fill_null", made, self._own_literal(value), dtype=kind))

    def _filled(self, expr: Expr, rows: Rows | None = None) -> Series:
        return self._like(expr, rows) if self._expr is MISSING else self._with_values(expr, rows)

    def isin(self, values: Any) -> Series:
        """Return whether each value is in `values`."""
        if _is_column(values):
            values = values.unique().compute()
        values = [one.compute() if isinstance(one, Collection) else one for one in values]
        if is_mixed(self._kind):
            return is_equal(cast("Series", self), values)
        if isinstance(self._origin, pd.PeriodDtype):
            return self._among_periods(values, self._origin)
        # Values that the column cannot contain are left out.
        found = [literal(value, self._kind) for value in self._possible(values)]
        tests = [fill_condition(call("among", self._expr, *found))] if found else []
        if any(map(is_missing, values)):
            tests.append(px.is_null(self._expr))
        return self._like(px.disjunction(*tests))

    def _among_periods(self, values: list[Any], origin: pd.PeriodDtype) -> Series:
        """Return whether each period is one of several values. As in pandas, periods of other frequencies are none of them."""
        own = [one for one in values if isinstance(one, pd.Period) and one.freq == origin.freq]
        found = [literal(one.start_time, self._kind) for one in own]
        tests = [fill_condition(call("among", self._expr, *found))] if found else []
        if any(map(is_missing, values)):
            tests.append(px.is_null(self._expr))
        return self._like(px.disjunction(*tests), origin=None)

    def _possible(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values that can be equal to a value of the column: strings never equal numbers or times."""
        refuse_mixed([self._kind], "look up values of")
        if isinstance(self._origin, pd.PeriodDtype):
            raise TypeError("values of periods cannot be looked up in a dict; call map with a function")
        own = sort_of(self._kind)
        for value in values:
            if is_missing(value) or not pd.api.types.is_hashable(value):
                continue
            theirs = sort_of(type_of(value))
            if {own, theirs} == {"booleans", "numbers"}:
                if own == "numbers" or value in (0, 1):
                    yield int(value) if own == "numbers" else bool(value)
            elif own == theirs:
                yield value

    def _replace_where(self, condition: Any, other: Any, keep: bool) -> Series:
        condition, other = (one(self) if callable(one) else one for one in (condition, other))
        condition, other = (column_of_array(self, one) if is_array(one) else one for one in (condition, other))
        condition, other = uploaded(condition, self), uploaded(other, self)
        if not _is_column(condition):
            raise ValueError(
                f"a condition must be a boolean column or an array, not {type(condition).__name__}: rows can be aligned only by "
                "their index"
            )
        condition._check_condition()
        if isinstance(other, Scalar):
            other = self._spread(other)
        if not is_aligned(self, condition) or (_is_column(other) and not is_aligned(self, other)):
            return self._replace_where_aligned(condition, other, keep)
        rows = self._with(condition)
        other = self._held(other)
        origin = self._origin
        if _is_column(other):
            rows, value = rows.combine(other._rows), other._expr
            if isinstance(origin, pd.CategoricalDtype) and other._origin != origin:
                raise TypeError("Cannot set a Categorical with another, without identical categories")
        else:
            value = self._own_literal(other)
        own = self._compatible(other)
        # Where the condition is missing, the result is the other value.
        test = condition._expr if keep else px.negation(condition._expr)
        kind = self._kind if isinstance(origin, pd.PeriodDtype) else self._kind_with(other)
        made = case([(test, own)], value, dtype=kind)
        return self._like(made, rows, origin=origin)

    def _held(self, value: Any) -> Any:
        """Return a value as an integer if the column has integers and the value is one, as in pandas."""
        if not isinstance(value, (float, np.floating)) or not pa.types.is_integer(self._kind):
            return value
        return int(value) if float(value).is_integer() and abs(value) <= EXACT_MAX else value

    def _replace_where_aligned(self, condition: Series, other: Any, keep: bool) -> Series:
        """Replace values by those of columns of other rows, which are matched by their labels."""
        own, condition = aligned(self, condition, REINDEX)
        if _is_column(other):
            own, other = aligned(own, other, REINDEX)
            # The condition is a column of the rows before.
            own, condition = aligned(own, condition, REINDEX)
        made: Series = own._replace_where(condition, other, keep)
        return made

    def _kind_with(self, *values: Any) -> DType:
        """Return the type of a column of its own and these values if it is the own type; None if it is not known."""
        for value in values:
            if isinstance(value, str) and is_plain_text(self._kind):
                continue
            if _is_column(value):
                kind = value._kind
            elif is_missing(value):
                continue
            else:
                try:
                    kind = ex.operand(value, self._kind)[1]
                except OverflowError:
                    return None
            if kind != self._kind:
                return None
        return self._kind

    def _own_literal(self, value: Any) -> Expr:
        """Return a new value of the column. A categorical column accepts only its categories."""
        if isinstance(self._origin, pd.PeriodDtype) and not is_missing(value):
            return literal(start_of(value, self._origin), self._kind)
        known = self._origin.categories if isinstance(self._origin, pd.CategoricalDtype) else None
        if known is not None and not is_missing(value) and value not in known:
            raise TypeError(f"{value!r} is not one of the categories {list(known)!r}")
        return literal(value, self._kind)

    def _compatible(self, other: Any) -> Expr:
        """Return the column for an expression that also returns values of `other`.

        Raises
        ------
        TypeError
            If a column cannot contain both, such as strings and numbers.
        """
        if not _is_column(other) and is_missing(other):
            return self._expr
        origins = [self._origin, other._origin if _is_column(other) else self._origin]
        if any(isinstance(one, pd.PeriodDtype) for one in origins):
            if origins[0] != origins[1]:
                raise TypeError(f"cannot insert {other.dtype} into a column of {self.dtype}; convert it with astype")
            if _is_column(other):
                return self._expr
            start_of(other, self._origin)
            return self._expr
        kind = other._kind if _is_column(other) else type_of(other)
        if self._takes(kind, other):
            return self._expr
        if self._expr is MISSING or (_is_column(other) and other._expr is MISSING):
            # A column without values accepts all types.
            return px.NULL if self._expr is MISSING else self._expr
        raise TypeError(f"cannot insert {sort_of(kind)} into a column of {sort_of(self._kind)}; convert it with astype")

    def _takes(self, kind: pa.DataType, value: Any) -> bool:
        """Whether the column can contain values of a type. A string may represent a time."""
        if is_time(self._kind) and isinstance(value, builtins.str):
            try:
                return bool(pd.Timestamp(value))
            except ValueError:
                return False
        return sort_of(kind) == sort_of(self._kind)

    def where(self, cond: Any, other: Any = None) -> Series:
        """Keep the values where the condition is true, and replace the others. Functions get this column."""
        return self._replace_where(cond, other, True)

    def mask(self, cond: Any, other: Any = None) -> Series:
        """Replace the values where the condition is true. Functions get this column."""
        return self._replace_where(cond, other, False)

    def map(self, arg: Any, na_action: Any = None, meta: Any = None) -> Series:
        """Map values by a dict, a pandas series, or a Python function.

        Values that are not in a dict or series become missing. A function runs on the workers, with each value, when the
        column is first computed.

        Parameters
        ----------
        arg : dict, pandas.Series, Series or callable
            The mapping. A lazy column is computed first.
        na_action : str, optional
            ``"ignore"`` keeps missing values, without a call of the function.
        meta : optional
            The type that a function returns, as for :func:`partita.dataframe.map_partitions`. By default it is that of its
            results for made-up values.
        """
        if _is_column(arg):
            if meta is None:
                warn_of_missing("map", arg)
            arg = arg.compute()
        if isinstance(arg, pd.Series):
            return self._mapped_by(arg, na_action)
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
        found = [(literal(one, self._kind), literal(arg[one])) for one in self._possible(arg)]
        mapped = case(found, operand=self._expr) if found else MISSING
        gone = [new for old, new in arg.items() if is_missing(old) and na_action is None]
        if gone:
            mapped = case([(px.is_null(self._expr), literal(gone[0]))], mapped if found else None)
        return self._like(mapped, origin=None if gone else self._mapped_categories(arg))

    def _mapped_by(self, arg: pd.Series, na_action: Any) -> Series:
        """Map values by the labels of a series, whose type the result has."""
        if not arg.index.is_unique:
            raise ValueError("map() requires a column whose index labels are unique; use drop_duplicates first")
        made = self.map(arg.to_dict(), na_action)
        has_categories = isinstance(arg.dtype, pd.CategoricalDtype) or isinstance(self._origin, pd.CategoricalDtype)
        if has_categories or pd.api.types.is_object_dtype(arg.dtype):
            return made
        kind = pa.array(arg.iloc[:0], from_pandas=True).type
        found: Series = made._like(px.cast(made._expr, kind), origin=origin_of(arg.dtype))
        return found

    def _mapped_categories(self, arg: dict[Any, Any]) -> Any:
        """Return the categories of a mapped categorical column, if the mapping is one-to-one."""
        if not isinstance(self._origin, pd.CategoricalDtype):
            return None
        made = [arg.get(one) for one in self._origin.categories]
        is_one_to_one = not any(is_missing(one) for one in made) and len(set(made)) == len(made)
        return pd.CategoricalDtype(made, self._origin.ordered) if is_one_to_one else None

    def replace(self, to_replace: Any, value: Any = None, regex: bool = False) -> Series:
        """Replace values, given as a value, a list, or a dict of old and new values.

        With ``regex=True``, old strings are regular expressions, as in pandas.
        """
        if regex is not False:
            from ._column_functions import call_rows

            replaced: Series = call_rows(self, patterns(to_replace, value, regex), self._meta, "replace")
            return replaced
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
            self._compatible(new)
        cases = [(literal(old, self._kind), self._own_literal(new)) for old, new in found.items()]
        if not cases:
            same: Series = column
            return same
        kind = self._kind_with(*found.values())
        made: Series = column._with_values(case(cases, column._expr, column._expr, dtype=kind))
        return made


def patterns(to_replace: Any, value: Any, regex: Any) -> _ReplacePatterns:
    """Return the function that replaces regular expressions, as pandas does."""
    if regex is not True:
        raise NotImplementedError("replace() supports regex=True with patterns as to_replace=")
    return _ReplacePatterns(to_replace, value)


class _ReplacePatterns:
    """Replaces regular expressions in values of a column."""

    def __init__(self, to_replace: Any, value: Any) -> None:
        self.to_replace, self.value = to_replace, value

    def __call__(self, values: Any) -> pd.Series:
        column = pd.Series(values)
        if isinstance(self.to_replace, dict) and self.value is None:
            return column.replace(self.to_replace, regex=True)
        return column.replace(self.to_replace, self.value, regex=True)


def _is_column(value: Any) -> bool:
    return isinstance(value, ColumnReplacement)
