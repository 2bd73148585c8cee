"""A column."""

from __future__ import annotations

import builtins
import copy
import numbers
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pyarrow as pa

from .._errors import thin
from . import _expressions as ex
from . import _shown
from ._along import ColumnWindows
from ._arguments import tuning
from ._base import Level, Plan
from ._columns import ARROW, Column, carried, in_order, is_masked, to_pandas
from ._operators import Operators
from ._replacement import ColumnReplacement, is_missing
from ._rows import Rows
from ._scalar import Scalar
from ._sql import INDEX, is_number, is_plain_text, is_text, is_time, literal, quote, sort_of, type_of
from ._summary import ColumnSummary, truth

if TYPE_CHECKING:
    from ._accessors import DatetimeMethods, StringMethods
    from ._frame import DataFrame

__all__ = ["Index", "Series", "by_labels"]


class Series(ColumnWindows, ColumnSummary, ColumnReplacement, Operators, Plan):
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
        return _shown.text(self.to_frame(), type(self).__name__, as_series=True)

    def _selected_labels(self) -> list[Any]:
        return [self.name]

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
        if isinstance(index, (dict, Series, pd.Series)) or callable(index):
            raise NotImplementedError("rename takes a name: the labels of the index stay what they are")
        return self._like(self._sql, self._known, name=index, origin=self._origin)

    def copy(self, deep: bool = False) -> Series:
        """Another plan of the same values."""
        return self._same(self._sql)

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives that gets this plan."""
        return func(self, *args, **kwargs)

    @thin
    def persist(self, **arguments: Any) -> Series:
        """Computes it and keeps it on the workers: the same column, read there."""
        tuning("persist", arguments)
        rows, levels = self._persist_rows()
        return Series(rows, quote("v"), self.name, levels, self._known, self._origin)

    @thin
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
        rows, origin = self._rows, carried(self._origin)
        # Arrow's own whole numbers do not make one beside them as small as they are.
        like = pa.int64() if origin == ARROW and pa.types.is_integer(self._kind) else self._kind
        left = (self._sql, self._kind)
        style = ex.style_of(None if swapped else self._origin, origin)
        if isinstance(other, Series):
            rows, origin = self._with(other), carried(self._origin, other._origin)
            style = ex.style_of(self._origin, other._origin)
            right = (other._sql, other._kind)
        elif swapped:
            right = ex.operand(other, like)
        else:
            right = ex.right_operand(name, other, like, style)
        sides = (right, left) if swapped else (left, right)
        sql, kind = ex.arithmetic(name, *sides[0], *sides[1], style, ex.is_bounded(other))
        return self._like(sql, kind, rows, self._name_with(other), origin)

    def _compare(self, name: str, other: Any) -> Any:
        if not isinstance(other, Series) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, Scalar):
            other = other.compute()
        if isinstance(self._origin, pd.CategoricalDtype) and name not in ("eq", "ne"):
            return self._compare_categories(name, other, self._origin)
        if isinstance(other, Series):
            if {sort_of(self._kind), sort_of(other._kind)} in _UNLIKE:
                return self._compare_unlike(name, other._kind, self._with(other), self._name_with(other))
            zones = {_zoned(self._kind), _zoned(other._kind)}
            if zones == {True, False}:
                raise TypeError("times with a zone and times without one cannot be compared: use dt.tz_localize")
            origin = carried(self._origin, other._origin)
            sql = ex.comparison(name, self._sql, other._sql, is_masked(origin))
            return self._like(sql, pa.bool_(), self._with(other), self._name_with(other), origin)
        if self._is_unlike(other):
            return self._compare_unlike(name, type_of(other), self._rows, self.name)
        sql, value = self._sql, literal(other, self._kind)
        if pa.types.is_boolean(self._kind) and isinstance(other, numbers.Number) and not isinstance(other, bool):
            sql, value = f"CAST({sql} AS BIGINT)", literal(other)
        elif is_number(self._kind) and isinstance(other, bool):
            value = literal(int(other), self._kind)
        return self._like(ex.comparison(name, sql, value, is_masked(self._origin)), pa.bool_())

    def _is_unlike(self, value: Any) -> bool:
        """Whether no value of the column can be compared with this one."""
        return not is_missing(value) and {sort_of(self._kind), sort_of(type_of(value))} in _UNLIKE

    def _compare_unlike(self, name: builtins.str, kind: pa.DataType, rows: Rows, label: Any) -> Series:
        """A comparison of strings with numbers or booleans: they are never equal, and have no order."""
        if name not in ("eq", "ne"):
            raise TypeError(
                f"cannot compare {sort_of(self._kind)} with {sort_of(kind)}; convert one of them with astype"
            )
        answer = "FALSE" if name == "eq" else "TRUE"
        sql = f"CASE WHEN {self._sql} IS NOT NULL THEN {answer} END" if is_masked(self._origin) else answer
        return self._like(sql, pa.bool_(), rows, label)

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
        kind = None
        if pa.types.is_boolean(self._kind):
            kind = pa.bool_()
        elif pa.types.is_integer(self._kind):
            # The bits of whole numbers; exclusive or is what only one of both has.
            operator = {"AND": "&", "OR": "|", "<>": "#"}[operator]
        else:
            raise TypeError(f"& and | are for conditions and whole numbers, not for {self._kind}")
        if isinstance(other, Series):
            sql = f"({self._sql} {operator} {other._sql})"
            origin = carried(self._origin, other._origin)
            return self._like(sql, kind, self._with(other), self._name_with(other), origin)
        return self._like(f"({self._sql} {operator} {literal(other)})", kind)

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

    def _check_number(self, name: builtins.str) -> None:
        """Refuses what only numbers have."""
        if is_text(self._kind) or is_time(self._kind):
            raise TypeError(f"cannot compute {name} of column {self.name!r}: its values are {self._kind}, not numbers")

    def __neg__(self) -> Series:
        self._check_number("-")
        if pa.types.is_duration(self._kind):
            return self * -1
        if pa.types.is_unsigned_integer(self._kind):
            return 0 - self
        return self._like(f"(- {self._sql})", self._known)

    def abs(self) -> Series:
        """Without the sign."""
        self._check_number("abs")
        if pa.types.is_duration(self._kind):
            zero = literal(pd.Timedelta(0), self._kind)
            return self._like(f"CASE WHEN {self._sql} < {zero} THEN {(-self)._sql} ELSE {self._sql} END", self._known)
        return self._like(f"abs({self._sql})", self._known)

    __abs__ = abs

    def round(self, decimals: int = 0) -> Series:
        """To so many places; a half goes to the even neighbour. Other values than numbers stay what they are."""
        if not is_number(self._kind):
            return self.copy()
        rows, sql = self._rows.short(self._sql)
        return self._like(ex.rounded(sql, self._kind, decimals), self._kind, rows)

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
        origin = ex.origin_after(dtype)
        if pa.types.is_boolean(ex.kind_of(dtype)) and not pa.types.is_boolean(self._kind):
            return self._as_truths(origin)
        return self._like(ex.cast(self._sql, self._kind, dtype), origin=origin)

    def _as_truths(self, origin: Any) -> Series:
        """Whether each value is true; what is missing is, unless it can be missing among truths as well."""
        if not (is_number(self._kind) or is_text(self._kind)) or (is_text(self._kind) and is_masked(origin)):
            raise TypeError(f"astype: cannot convert {self._kind} to bool; compare it with a value instead")
        masked = is_masked(self._origin) or is_masked(origin)
        sql = truth(self) if masked else f"coalesce({truth(self)}, TRUE)"
        return self._like(sql, pa.bool_(), origin=origin)

    def isna(self) -> Series:
        """Whether each value is missing."""
        return self._like(f"({self._sql} IS NULL)", pa.bool_(), origin=None)

    isnull = isna

    def notna(self) -> Series:
        """Whether each value is there."""
        return ~self.isna()

    notnull = notna

    def dropna(self) -> Series:
        """Without missing values."""
        return self[self.notna()]

    def between(self, left: Any, right: Any, inclusive: str = "both") -> Series:
        """Whether each is between two values."""
        low = {"both": self >= left, "left": self >= left, "right": self > left, "neither": self > left}
        high = {"both": self <= right, "right": self <= right, "left": self < right, "neither": self < right}
        return low[inclusive] & high[inclusive]

    def clip(self, lower: Any = None, upper: Any = None) -> Series:
        """No lower and no higher than these."""
        rows, sql = self._rows.short(self._sql)
        cases = []
        if lower is not None:
            cases.append(f"WHEN {sql} < {literal(lower)} THEN {literal(lower, self._kind)}")
        if upper is not None:
            cases.append(f"WHEN {sql} > {literal(upper)} THEN {literal(upper, self._kind)}")
        if not cases:
            return self
        made, rows = self._layered(f"CASE {' '.join(cases)} ELSE {sql} END", rows)
        return self._like(made, self._kind_with(lower, upper), rows)

    def _kind_with(self, *values: Any) -> pa.DataType | None:
        """The type of a column of its values and of these, where that is its own."""
        for value in values:
            if isinstance(value, str) and is_plain_text(self._kind):
                continue
            if isinstance(value, Series):
                kind = value._kind
            elif value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
                continue
            else:
                try:
                    kind = ex.operand(value, self._kind)[1]
                except OverflowError:
                    return None
            if kind != self._kind:
                return None
        return self._kind

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
            found: Series = self.loc[by_labels(key)]
            return found
        if isinstance(key, Series):
            return self._back(self.to_frame("v")[key])
        raise NotImplementedError("a column takes a condition in brackets: use .loc for labels")

    @property
    def loc(self) -> Any:
        """Rows by the labels of the index."""
        from ._loc import Loc

        return Loc(self.to_frame("v"), self._back)

    def sample(
        self, n: None = None, frac: float | None = None, replace: bool = False, random_state: int | None = None
    ) -> Series:
        """About this share of the rows; :meth:`DataFrame.sample` says which."""
        return self._back(self.to_frame("v").sample(n, frac, replace, random_state))

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
        """Persisted on the workers anew, in other partitions; :meth:`DataFrame.repartition` says in which."""
        return self._back(self.to_frame("v").repartition(**partitions))

    @thin
    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows; of rows of files, the last ones of the last file, by its name, counted within it."""
        if compute and not self._rows.order:
            return _last_of_files(self, n)
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
        sql = f"(SELECT DISTINCT {self._sql} AS v FROM {self._rows.under(self._sql)})"
        made = Index if isinstance(self, Index) else Series
        return made(Rows(self._client, sql, keep=self._rows), quote("v"), self.name, (), self._known, self._origin)

    def drop_duplicates(self, keep: builtins.str = "first", **arguments: Any) -> Series:
        """Each value where it is first."""
        return self._back(self.to_frame("v").drop_duplicates(keep=keep, **arguments))

    def value_counts(
        self, normalize: bool = False, sort: bool = True, ascending: bool = False, dropna: bool = True, **arguments: Any
    ) -> Series:
        """How often each value is there, the most frequent first. Of those as frequent, any is first."""
        tuning("value_counts", arguments)
        where = f" WHERE {self._sql} IS NOT NULL" if dropna else ""
        value = quote(INDEX + "0")
        counted = f"SELECT {self._sql} AS {value}, 1 AS n FROM {self._rows.under(self._sql)}{where}"
        if isinstance(self._origin, pd.CategoricalDtype) and len(self._origin.categories):
            # Categories without rows are there too.
            known = ", ".join(f"({literal(one)}, 0)" for one in self._origin.categories)
            counted += f" UNION ALL SELECT column1, column2 FROM (VALUES {known})"
        count = "CAST(sum(n) AS DOUBLE) / sum(sum(n)) OVER ()" if normalize else "CAST(sum(n) AS BIGINT)"
        sql = f"(SELECT {value}, {count} AS v FROM ({counted}) GROUP BY 1)"
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

    def groupby(self, by: Any, **arguments: Any) -> Any:
        """Groups of the rows, by columns over the same rows; :meth:`DataFrame.groupby` has the arguments."""
        label = self.name if self.name is not None else 0
        return self.to_frame(label).groupby(by, **arguments)[label]._named(self.name)

    def _publish(self, client: Any, name: builtins.str, override: bool) -> None:
        self.to_frame()._publish(client, name, override)


class Index(Series):
    """The labels of rows."""

    def __getattr__(self, name: builtins.str) -> Any:
        # Parts of times are the index's own in pandas.
        if not name.startswith("_") and is_time(self._kind) and hasattr(pd.DatetimeIndex, name):
            return getattr(self.dt, name)
        return super().__getattr__(name)

    def _like(
        self,
        sql: builtins.str,
        kind: pa.DataType | None = None,
        rows: Rows | None = None,
        name: Any = ...,
        origin: Any = ...,
    ) -> Series:
        made = super()._like(sql, kind, rows, name, origin)
        # Conditions on an index are arrays in pandas, which have no name.
        label = None if kind == pa.bool_() else made.name
        return Index(made._rows, made._sql, label, (), made._known, made._origin)

    def _is_index_of(self, plan: Plan) -> bool:
        """Whether it is the index of these rows."""
        return [level.sql for level in plan._index] == [self._sql] and self._rows.identity is plan._rows.identity

    def _finish(self, frame: pd.DataFrame) -> pd.Index:
        return pd.Index(frame.iloc[:, 0].array, name=self.name)


def _index_of(plan: Plan) -> Index:
    if len(plan._index) != 1:
        raise NotImplementedError("an index of one level is needed here: set_index first")
    level = plan._index[0]
    return Index(plan._rows, level.sql, level.name, (), None, level.origin)


#: Kinds of values that SQL converts to compare them, and that are never equal in pandas.
_UNLIKE = ({"strings", "numbers"}, {"strings", "booleans"})


def by_labels(key: slice) -> slice:
    """A slice in brackets, if it is one of labels: pandas takes integers for positions.

    Raises
    ------
    NotImplementedError
        If it is a slice of positions.
    """
    if any(isinstance(end, numbers.Integral) for end in (key.start, key.stop, key.step)):
        raise NotImplementedError("selecting rows by position is not supported; use .loc with labels, or head and tail")
    return key


def _limited(plan: Any, n: int) -> Any:
    """The first rows of a plan, computed."""
    query = plan._full_query(f" LIMIT {max(n, 0)}", always=True)
    return plan._shown(plan._client._connection.query(query))


_NO_ORDER = "the order of these rows is undefined: use sort_values or set_index first, or head"


def _last_of_files(plan: Any, n: int) -> Any:
    """The last rows of a plan of the rows of files, computed: those of the last file.

    Raises
    ------
    NotImplementedError
        If the rows are of something else.
    """
    rows = plan._rows
    if rows.last is None:
        raise NotImplementedError(_NO_ORDER)
    connection = plan._client._connection
    last = copy.copy(plan)
    last._rows = rows.but(root=rows.last)
    table, total = connection.run(last._full_query()).last(n)
    # The types of a column are those of all files.
    shown = plan._shown(table.cast(connection.schema(plan._full_query())))
    # Rows without an index are counted, here from the first one of the file.
    shown.index = pd.RangeIndex(total - len(shown), total)
    return shown


def _zoned(kind: pa.DataType) -> bool | None:
    return kind.tz is not None if pa.types.is_timestamp(kind) else None
