"""A single value that is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._arguments import tuning
from ._columns import to_pandas
from ._sql import literal

if TYPE_CHECKING:
    from ._rows import Rows

__all__ = ["Scalar"]

_FORMS = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "truediv": "(CAST({0} AS DOUBLE) / {1})",
    "floordiv": "floor(CAST({0} AS DOUBLE) / {1})",
    "mod": "({0} - floor(CAST({0} AS DOUBLE) / {1}) * {1})",
    "pow": "power({0}, {1})",
    "lt": "({0} < {1})",
    "le": "({0} <= {1})",
    "gt": "({0} > {1})",
    "ge": "({0} >= {1})",
    "eq": "({0} = {1})",
    "ne": "({0} <> {1})",
    "and": "({0} AND {1})",
    "or": "({0} OR {1})",
}


class Scalar:
    """A single value that is computed.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), npartitions=2).a
    >>> float(a.mean().compute())
    1.5
    >>> float(((a.max() - a.min()) / 2).compute())
    0.5
    """

    def __init__(self, rows: Rows, sql: str, kind: Any = None, missing: Any = float("nan")) -> None:
        self._rows = rows
        self._sql = sql
        self._kind = kind
        self._missing = missing

    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster, and gives the value."""
        tuning("compute", arguments)
        table = self._rows.values([self._sql])
        if table.num_rows == 0 or table.column(0).null_count:
            return self._missing
        value = to_pandas(table).iloc[0, 0]
        return self._kind(value) if self._kind is not None else value

    def persist(self, **arguments: Any) -> Scalar:
        """The same: a single value is kept nowhere."""
        tuning("persist", arguments)
        return self

    def __float__(self) -> float:
        return float(self.compute())

    def __int__(self) -> int:
        return int(self.compute())

    def __index__(self) -> int:
        value = self.compute()
        if int(value) != value:
            raise TypeError(f"{value!r} is no whole number")
        return int(value)

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __format__(self, spec: str) -> str:
        return format(self.compute(), spec)

    def __round__(self, digits: int = 0) -> Any:
        return round(self.compute(), digits)

    def __repr__(self) -> str:
        return f"<Scalar: {self._sql}>"

    def _combined(self, name: str, other: Any, swapped: bool = False) -> Any:
        form = _FORMS[name]
        if isinstance(other, Scalar):
            if self._rows.identity is not other._rows.identity:
                raise NotImplementedError("values of different frames: compute() them first")
            return Scalar(self._rows.both(other._rows), form.format(self._sql, other._sql))
        try:
            text = literal(other)
        except TypeError:
            # A column or a frame beside it knows what to do.
            return NotImplemented
        sides = (text, self._sql) if swapped else (self._sql, text)
        return Scalar(self._rows, form.format(*sides))

    if TYPE_CHECKING:
        # They are made below, from the forms.
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...

    __hash__ = object.__hash__

    def __neg__(self) -> Scalar:
        return Scalar(self._rows, f"(- {self._sql})")

    def __abs__(self) -> Scalar:
        return Scalar(self._rows, f"abs({self._sql})")

    def __invert__(self) -> Scalar:
        return Scalar(self._rows, f"(NOT {self._sql})")


def _operator(name: str, swapped: bool) -> Callable[[Scalar, Any], Any]:
    def operator(self: Scalar, other: Any) -> Any:
        return self._combined(name, other, swapped)

    return operator


for _name in _FORMS:
    setattr(Scalar, f"__{_name}__", _operator(_name, False))
    if _name not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Scalar, f"__r{_name}__", _operator(_name, True))
