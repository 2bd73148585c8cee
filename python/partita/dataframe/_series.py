"""A column."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pyarrow as pa

from . import _expressions as ex
from ._along import ColumnWindows
from ._arguments import tuning
from ._base import Level, Plan
from ._columns import Column, carried, in_order, is_masked, to_pandas
from ._operators import Operators
from ._rows import Rows
from ._scalar import Scalar
from ._sql import INDEX, is_time, literal, quote
from ._summary import ColumnSummary

if TYPE_CHECKING:
    from ._accessors import DatetimeMethods, StringMethods
    from ._frame import DataFrame

__all__ = ["Index", "Series"]


class Series(ColumnWindows, ColumnSummary, Operators, Plan):
    """A column of a plan, with an index.

    Made by frames: ``ddf.a``, ``ddf["a"]``, and by operations on columns. Operations give columns again, reductions
    give single values; nothing is computed before :meth:`compute`.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.Series([3, 1, 2], name="a"), npartitions=2)
    >>> (a * 2).compute().tolist()
    [6, 2, 4]
    >>> int(a.max().compute())
    3
    """

    _instead: ClassVar[dict[builtins.str, builtins.str]] = {"apply": "map with a dict, or arithmetic"}

    def __init__(
        self,
        rows: Rows,
        sql: builtins.str,
        name: Any,
        index: tuple[Level, ...],
        kind: pa.DataType | None = None,
        origin: Any = None,
    ) -> None:
        self._rows = rows
        self._sql = sql
        self.name = name
        self._index = index
        self._known = kind
        self._origin = origin

    # What it is.

    @property
    def _kind(self) -> pa.DataType:
        if self._known is None:
            self._known = self._rows.type(self._sql)
        return self._known

    @property
    def dtype(self) -> Any:
        """The type that pandas gives it."""
        return to_pandas(pa.table({"v": pa.array([], self._kind)}), [self._origin]).dtypes.iloc[0]

    @property
    def index(self) -> Index:
        """Its index."""
        return _index_of(self)

    @property
    def ndim(self) -> int:
        """1."""
        return 1

    @property
    def size(self) -> Scalar:
        """Its rows, missing values too."""
        return Scalar(self._rows, "count(*)", int)

    @property
    def shape(self) -> tuple[Scalar]:
        """Its rows, missing values too."""
        return (self.size,)

    def __repr__(self) -> str:
        return f"<Series {self.name!r}: {self._kind}>"

    def _selected(self) -> list[tuple[str, str]]:
        return [(self._sql, "v")]

    def _origins(self) -> list[Any]:
        return [*super()._origins(), self._origin]

    def _finish(self, frame: pd.DataFrame) -> pd.Series:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index)]
        return pd.Series(values.array, index=index, name=self.name)

    def _like(
        self,
        sql: builtins.str,
        kind: pa.DataType | None = None,
        rows: Rows | None = None,
        name: Any = ...,
        origin: Any = ...,
    ) -> Series:
        """Something computed from it: categories become plain values unless an origin is given."""
        origin = carried(self._origin) if origin is ... else origin
        return Series(rows or self._rows, sql, self.name if name is ... else name, self._index, kind, origin)

    def _same(self, sql: builtins.str, rows: Rows | None = None) -> Series:
        """Values of the same kind: some of its own, in other rows or with others in their place."""
        return self._like(sql, self._known, rows, origin=self._origin)

    @property
    def _cell(self) -> Column:
        return Column(self._sql, self._known, self._origin)

    def to_frame(self, name: Any = None) -> DataFrame:
        """A frame of this one column."""
        from ._frame import DataFrame

        label = name if name is not None else (self.name if self.name is not None else 0)
        return DataFrame(self._rows, {label: self._cell}, self._index)

    def _back(self, frame: DataFrame) -> Series:
        """The column of a frame that was made of ``to_frame("v")``, under its own name."""
        return frame._column("v").rename(self.name)

    def rename(self, index: Any = None) -> Series:
        """The same under another name."""
        if isinstance(index, dict) or callable(index):
            raise NotImplementedError("rename takes a name: the labels of the index stay what they are")
        return self._like(self._sql, self._known, name=index, origin=self._origin)

    def copy(self, deep: bool = False) -> Series:
        """Another plan of the same values."""
        return self._same(self._sql)

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives that gets this plan."""
        return func(self, *args, **kwargs)

    def persist(self, **arguments: Any) -> Series:
        """Computes it and keeps it on the workers: the same column, read there."""
        tuning("persist", arguments)
        rows, levels = self._hold()
        return Series(rows, quote("v"), self.name, levels, self._known, self._origin)

    def head(self, n: int = 5, compute: bool = True) -> Any:
        """The first rows."""
        return _limited(self, n) if compute else self._back(self.to_frame("v").head(n, compute=False))

    def reset_index(self, drop: bool = False, name: Any = None) -> Any:
        """Its index as columns, or without it."""
        if name is not None and not drop:
            return self.rename(name).reset_index()
        if drop:
            return Series(self._rows, self._sql, self.name, (), self._known, self._origin)
        return self.to_frame().reset_index()

    # Operators.

    def _with(self, other: Series) -> Rows:
        return self._rows.both(other._rows)

    def _name_with(self, other: Any) -> Any:
        return self.name if not isinstance(other, Series) or other.name == self.name else None

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        if not isinstance(other, Series) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, Scalar):
            other = other.compute()
        origin = self._origin
        if isinstance(other, Series):
            rows, right, kind, origin = self._with(other), other._sql, other._kind, carried(origin, other._origin)
        else:
            rows = self._rows
            right, kind = ex.operand(other, self._kind)
        left = (self._sql, self._kind)
        sides = ((right, kind), left) if swapped else (left, (right, kind))
        sql = ex.arithmetic(name, *sides[0], *sides[1])
        return self._like(sql, rows=rows, name=self._name_with(other), origin=carried(origin))

    def _compare(self, name: str, other: Any) -> Any:
        if not isinstance(other, Series) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, Scalar):
            other = other.compute()
        if isinstance(self._origin, pd.CategoricalDtype) and name not in ("eq", "ne"):
            return self._compare_categories(name, other, self._origin)
        if isinstance(other, Series):
            zones = {_zoned(self._kind), _zoned(other._kind)}
            if zones == {True, False}:
                raise TypeError("times with a zone and times without one cannot be compared: use dt.tz_localize")
            origin = carried(self._origin, other._origin)
            sql = ex.comparison(name, self._sql, other._sql, is_masked(origin))
            return self._like(sql, pa.bool_(), self._with(other), self._name_with(other), origin)
        return self._like(
            ex.comparison(name, self._sql, literal(other, self._kind), is_masked(self._origin)), pa.bool_()
        )

    def _compare_categories(self, name: str, other: Any, origin: pd.CategoricalDtype) -> Series:
        if not origin.ordered or isinstance(other, Series):
            raise TypeError("only categories in an order are less or greater, and than one of them")
        if other not in origin.categories:
            raise TypeError(f"{other!r} is none of the categories {list(origin.categories)!r}")
        place = str(list(origin.categories).index(other))
        return self._like(ex.comparison(name, in_order(self._sql, origin), place), pa.bool_())

    def _apply_ufunc(self, name: str, inputs: tuple[Any, ...]) -> Series:
        from ._ufuncs import of_column

        return of_column(self, name, inputs)

    def _logical(self, operator: str, other: Any) -> Any:
        if pa.types.is_integer(self._kind):
            # The bits of whole numbers; exclusive or is what only one of both has.
            operator = {"AND": "&", "OR": "|", "<>": "#"}[operator]
        elif not pa.types.is_boolean(self._kind):
            raise TypeError(f"& and | are for conditions and whole numbers, not for {self._kind}")
        if isinstance(other, Series):
            sql = f"({self._sql} {operator} {other._sql})"
            origin = carried(self._origin, other._origin)
            return self._like(sql, rows=self._with(other), name=self._name_with(other), origin=origin)
        return self._like(f"({self._sql} {operator} {literal(other)})")

    def __and__(self, other: Any) -> Series:
        return self._logical("AND", other)

    def __or__(self, other: Any) -> Series:
        return self._logical("OR", other)

    def __xor__(self, other: Any) -> Series:
        return self._logical("<>", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Series:
        if pa.types.is_boolean(self._kind):
            return self._like(f"(NOT {self._sql})", pa.bool_())
        return self._like(f"(-1 - {self._sql})", self._known)

    def __neg__(self) -> Series:
        if pa.types.is_duration(self._kind):
            return self * -1
        return self._like(f"(- {self._sql})", self._known)

    def abs(self) -> Series:
        """Without the sign."""
        if pa.types.is_duration(self._kind):
            zero = literal(pd.Timedelta(0), self._kind)
            return self._like(f"CASE WHEN {self._sql} < {zero} THEN {(-self)._sql} ELSE {self._sql} END", self._known)
        return self._like(f"abs({self._sql})", self._known)

    __abs__ = abs

    def round(self, decimals: int = 0) -> Series:
        """To so many places; a half goes to the even neighbour."""
        return self._like(ex.rounded(self._sql, self._kind, decimals), self._kind)

    # Values.

    def astype(self, dtype: Any) -> Series:
        """As another type."""
        if dtype == "category":
            found = self.dropna().unique().compute()
            dtype = pd.CategoricalDtype(sorted(found))
        if isinstance(dtype, pd.CategoricalDtype):
            if dtype.categories is None:
                raise NotImplementedError(
                    "astype(CategoricalDtype()) needs the categories: astype('category') finds them"
                )
            known = self.isin(list(dtype.categories))
            return self._like(f"CASE WHEN {known._sql} THEN {self._sql} END", self._known, origin=dtype)
        return self._like(ex.cast(self._sql, self._kind, dtype), origin=ex.origin_after(dtype))

    def isna(self) -> Series:
        """Whether each value is missing."""
        nan = f" OR isnan({self._sql})" if pa.types.is_floating(self._kind) else ""
        return self._like(f"({self._sql} IS NULL{nan})", pa.bool_(), origin=None)

    isnull = isna

    def notna(self) -> Series:
        """Whether each value is there."""
        return ~self.isna()

    notnull = notna

    def fillna(self, value: Any) -> Series:
        """With something in the place of missing values."""
        if isinstance(value, Scalar):
            value = value.compute()
        if isinstance(value, Series):
            return self._same(f"coalesce({self._sql}, {value._sql})", self._with(value))
        if isinstance(self._origin, pd.CategoricalDtype) and value not in self._origin.categories:
            raise TypeError(f"{value!r} is none of the categories {list(self._origin.categories)!r}")
        return self._same(f"coalesce({self._sql}, {literal(value, self._kind)})")

    def combine_first(self, other: Series) -> Series:
        """With another column's values in the place of missing ones."""
        return self.fillna(other)

    def dropna(self) -> Series:
        """Without missing values."""
        return self[self.notna()]

    def isin(self, values: Sequence[Any]) -> Series:
        """Whether each is one of these."""
        if isinstance(values, Series):
            values = values.unique().compute()
        values = list(values)
        found = [literal(value, self._kind) for value in values if not pd.isna(value)]
        if is_time(self._kind) and any(isinstance(value, str) for value in values):
            # A text is no time, as it is in pandas.
            found = [literal(value, self._kind) for value in values if not isinstance(value, str)]
        tests = [f"coalesce({self._sql} IN ({', '.join(found)}), FALSE)"] if found else []
        if any(pd.isna(value) for value in values):
            tests.append(f"({self._sql} IS NULL)")
        return self._like(f"({' OR '.join(tests) or 'FALSE'})", pa.bool_())

    def between(self, left: Any, right: Any, inclusive: str = "both") -> Series:
        """Whether each is between two values."""
        low = {"both": self >= left, "left": self >= left, "right": self > left, "neither": self > left}
        high = {"both": self <= right, "right": self <= right, "left": self < right, "neither": self < right}
        return low[inclusive] & high[inclusive]

    def clip(self, lower: Any = None, upper: Any = None) -> Series:
        """No lower and no higher than these."""
        sql = self._sql
        cases = []
        if lower is not None:
            cases.append(f"WHEN {sql} < {literal(lower)} THEN {literal(lower, self._kind)}")
        if upper is not None:
            cases.append(f"WHEN {sql} > {literal(upper)} THEN {literal(upper, self._kind)}")
        return self._like(f"CASE {' '.join(cases)} ELSE {sql} END") if cases else self

    def _either(self, condition: Series, other: Any, keep: bool) -> Series:
        rows = self._with(condition)
        if isinstance(other, Scalar):
            other = other.compute()
        if isinstance(other, Series):
            rows, value = rows.both(other._rows), other._sql
        else:
            value = literal(other, self._kind)
        first, second = (self._sql, value) if keep else (value, self._sql)
        sql = f"CASE WHEN {condition._sql} THEN {first} ELSE {second} END"
        origin = self._origin if other is None or not isinstance(self._origin, pd.CategoricalDtype) else None
        return self._like(sql, rows=rows, origin=origin)

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
        if not isinstance(arg, dict):
            raise NotImplementedError("map takes a dict: a function in Python cannot run on the workers yet")
        if not arg:
            return self._like("NULL", origin=None)
        cases = " ".join(f"WHEN {literal(k, self._kind)} THEN {literal(v)}" for k, v in arg.items())
        return self._like(f"CASE {self._sql} {cases} END", origin=None)

    def replace(self, to_replace: Any, value: Any = None) -> Series:
        """With some values replaced."""
        pairs = (
            to_replace
            if isinstance(to_replace, dict)
            else dict.fromkeys(to_replace if isinstance(to_replace, (list, tuple)) else [to_replace], value)
        )
        gone = [new for old, new in pairs.items() if pd.isna(old)]
        column = self.fillna(gone[0]) if gone else self
        cases = " ".join(
            f"WHEN {literal(old, self._kind)} THEN {literal(new, self._kind)}"
            for old, new in pairs.items()
            if not pd.isna(old)
        )
        if not cases:
            return column
        return column._like(f"CASE {column._sql} {cases} ELSE {column._sql} END", self._known)

    def nunique_approx(self) -> Scalar:
        """About how many different values there are."""
        return self._reduced(f"approx_distinct({self._sql})", int)

    @property
    def str(self) -> StringMethods:
        """Functions of texts."""
        from ._accessors import StringMethods

        return StringMethods(self)

    @property
    def dt(self) -> DatetimeMethods:
        """Functions of times."""
        from ._accessors import DatetimeMethods

        return DatetimeMethods(self)

    # Rows.

    def __iter__(self) -> Any:
        return iter(self.compute())

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice) and key.step is None and (key.start is not None or key.stop is not None):
            found: Series = self.loc[key]
            return found
        if isinstance(key, Series):
            return self._back(self.to_frame("v")[key])
        raise NotImplementedError("a column takes a condition in brackets: use .loc for labels")

    @property
    def loc(self) -> Any:
        """Rows by the labels of the index."""
        from ._loc import Loc

        return Loc(self.to_frame("v"), self._back)

    def sample(self, n: None = None, frac: float | None = None, random_state: int | None = None) -> Series:
        """About this share of the rows; :meth:`DataFrame.sample` says which."""
        return self._back(self.to_frame("v").sample(n, frac, random_state))

    @property
    def partitions(self) -> Any:
        """Its partitions, each or some of them as a column."""
        from ._partitions import Partitions

        return Partitions(self.to_frame("v"), self._back)

    def get_partition(self, n: int) -> Series:
        """The partition of a number."""
        made: Series = self.partitions[n]
        return made

    def repartition(self, **partitions: Any) -> Series:
        """Held on the workers anew, in other partitions; :meth:`DataFrame.repartition` says in which."""
        return self._back(self.to_frame("v").repartition(**partitions))

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows."""
        column = self._back(self.to_frame("v").tail(n, compute=False))
        return column.compute() if compute else column

    def sort_values(self, ascending: bool = True, na_position: builtins.str = "last", **arguments: Any) -> Series:
        """In the order of the values; missing ones last."""
        frame = self.to_frame("v").sort_values("v", ascending=ascending, na_position=na_position, **arguments)
        return self._back(frame)

    def _reordered(self, order: tuple[builtins.str, ...]) -> Series:
        return self._back(self.to_frame("v")._reordered(order))

    def sort_index(self, ascending: bool = True) -> Series:
        """In the order of the index."""
        return self._back(self.to_frame("v").sort_index(ascending))

    def unique(self) -> Series:
        """Each value once, in no order."""
        sql = f"(SELECT DISTINCT {self._sql} AS v FROM {self._rows.sql})"
        return Series(Rows(self._client, sql, keep=self._rows), quote("v"), self.name, (), self._known, self._origin)

    def drop_duplicates(self, keep: builtins.str = "first", **arguments: Any) -> Series:
        """Each value where it is first."""
        return self._back(self.to_frame("v").drop_duplicates(keep=keep, **arguments))

    def value_counts(
        self, normalize: bool = False, sort: bool = True, ascending: bool = False, dropna: bool = True, **arguments: Any
    ) -> Series:
        """How often each value is there, the most frequent first. Of those as frequent, any is first."""
        tuning("value_counts", arguments)
        count = "count(*)"
        if normalize:
            count = "CAST(count(*) AS DOUBLE) / sum(count(*)) OVER ()"
        where = f" WHERE {self._sql} IS NOT NULL" if dropna else ""
        value = quote(INDEX + "0")
        sql = f"(SELECT {self._sql} AS {value}, {count} AS v FROM {self._rows.sql}{where} GROUP BY 1)"
        way = "ASC" if ascending else "DESC"
        order = (f"{quote('v')} {way} NULLS LAST", f"{value} ASC NULLS LAST") if sort else ()
        name = "proportion" if normalize else "count"
        level = Level(self.name, value, self._origin)
        rows = Rows(self._client, sql, order, keep=self._rows)
        return Series(rows, quote("v"), name, (level,), None, carried(self._origin))

    def nlargest(self, n: int = 5, **arguments: Any) -> Series:
        """The largest."""
        tuning("nlargest", arguments)
        return self._back(self.to_frame("v").nlargest(n, "v"))

    def nsmallest(self, n: int = 5, **arguments: Any) -> Series:
        """The smallest."""
        tuning("nsmallest", arguments)
        return self._back(self.to_frame("v").nsmallest(n, "v"))

    def groupby(self, by: Any, sort: bool = True, dropna: bool = True, observed: bool = True, **arguments: Any) -> Any:
        """Groups of the rows, by columns over the same rows."""
        label = self.name if self.name is not None else 0
        return self.to_frame(label).groupby(by, sort, dropna, observed, **arguments)[label]

    def _publish(self, client: Any, name: builtins.str, override: bool) -> None:
        self.to_frame()._publish(client, name, override)


class Index(Series):
    """The labels of rows."""

    def __getattr__(self, name: builtins.str) -> Any:
        # Parts of times are the index's own in pandas.
        if not name.startswith("_") and is_time(self._kind) and hasattr(pd.DatetimeIndex, name):
            return getattr(self.dt, name)
        return super().__getattr__(name)

    def _finish(self, frame: pd.DataFrame) -> pd.Index:
        return pd.Index(frame.iloc[:, 0].array, name=self.name)


def _index_of(plan: Plan) -> Index:
    if len(plan._index) != 1:
        raise NotImplementedError("an index of one level is needed here: set_index first")
    level = plan._index[0]
    return Index(plan._rows, level.sql, level.name, (), None, level.origin)


def _limited(plan: Any, n: int) -> Any:
    """The first rows of a plan, computed."""
    query = plan._full_query(f" LIMIT {max(n, 0)}", always=True)
    return plan._shown(plan._client._connection.query(query))


def _zoned(kind: pa.DataType) -> bool | None:
    return kind.tz is not None if pa.types.is_timestamp(kind) else None
