"""A column."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pyarrow as pa

from . import _expressions as ex
from ._base import Level, Plan, Scalar, to_pandas
from ._operators import Operators
from ._rows import Rows
from ._sql import INDEX, arrow_name, is_text, literal, quote

if TYPE_CHECKING:
    from ._accessors import DatetimeMethods, StringMethods
    from ._frame import DataFrame

__all__ = ["Index", "Series"]


class Series(Operators, Plan):
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

    _instead: ClassVar[dict[builtins.str, builtins.str]] = {
        "apply": "map with a dict, or arithmetic",
        "iloc": "head",
        "plot": "compute().plot",
    }

    def __init__(
        self, rows: Rows, sql: str, name: Any, index: tuple[Level, ...], kind: pa.DataType | None = None
    ) -> None:
        self._rows = rows
        self._sql = sql
        self.name = name
        self._index = index
        self._known = kind

    # What it is.

    @property
    def _kind(self) -> pa.DataType:
        if self._known is None:
            self._known = self._rows.type(self._sql)
        return self._known

    @property
    def dtype(self) -> Any:
        """The type that pandas gives it."""
        return to_pandas(pa.table({"v": pa.array([], self._kind)})).dtypes.iloc[0]

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

    def _finish(self, frame: pd.DataFrame) -> pd.Series:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index)]
        return pd.Series(values.array, index=index, name=self.name)

    def _like(self, sql: str, kind: pa.DataType | None = None, rows: Rows | None = None, name: Any = ...) -> Series:
        return Series(rows or self._rows, sql, self.name if name is ... else name, self._index, kind)

    def to_frame(self, name: Any = None) -> DataFrame:
        """A frame of this one column."""
        from ._frame import DataFrame

        label = name if name is not None else (self.name if self.name is not None else 0)
        return DataFrame(self._rows, {label: (self._sql, self._known)}, self._index)

    def rename(self, name: Any) -> Series:
        """The same under another name."""
        return self._like(self._sql, self._known, name=name)

    def persist(self, **_: Any) -> Series:
        """Computes it and keeps it on the workers: the same column, read there."""
        rows, levels = self._hold()
        return Series(rows, quote("v"), self.name, levels, self._known)

    def head(self, n: int = 5, compute: bool = True) -> Any:
        """The first rows."""
        return _limited(self, n) if compute else self.to_frame("v").head(n, compute=False)["v"].rename(self.name)

    def reset_index(self, drop: bool = False) -> Any:
        """Its index as columns, or without it."""
        if drop:
            return Series(self._rows, self._sql, self.name, (), self._known)
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
        if isinstance(other, Series):
            rows, right, kind = self._with(other), other._sql, other._kind
        else:
            rows = self._rows
            right, kind = ex.operand(other, self._kind)
        left = (self._sql, self._kind)
        sides = ((right, kind), left) if swapped else (left, (right, kind))
        sql = ex.arithmetic(name, *sides[0], *sides[1])
        return self._like(sql, rows=rows, name=self._name_with(other))

    def _compare(self, name: str, other: Any) -> Any:
        if isinstance(other, Scalar):
            other = other.compute()
        if isinstance(other, Series):
            sql = ex.comparison(name, self._sql, other._sql)
            return self._like(sql, pa.bool_(), self._with(other), self._name_with(other))
        return self._like(ex.comparison(name, self._sql, literal(other, self._kind)), pa.bool_())

    def _logical(self, operator: str, other: Any) -> Any:
        if isinstance(other, Series):
            sql = f"({self._sql} {operator} {other._sql})"
            return self._like(sql, rows=self._with(other), name=self._name_with(other))
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
        return self._like(f"(- {self._sql})", self._known)

    def abs(self) -> Series:
        """Without the sign."""
        return self._like(f"abs({self._sql})", self._known)

    __abs__ = abs

    def round(self, decimals: int = 0) -> Series:
        """To so many places; a half goes to the even neighbour."""
        return self._like(ex.rounded(self._sql, self._kind, decimals), self._kind)

    # Values.

    def astype(self, dtype: Any) -> Series:
        """As another type."""
        return self._like(ex.cast(self._sql, self._kind, dtype))

    def isna(self) -> Series:
        """Whether each value is missing."""
        nan = f" OR isnan({self._sql})" if pa.types.is_floating(self._kind) else ""
        return self._like(f"({self._sql} IS NULL{nan})", pa.bool_())

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
            return self._like(f"coalesce({self._sql}, {value._sql})", self._known, self._with(value))
        return self._like(f"coalesce({self._sql}, {literal(value, self._kind)})", self._known)

    def dropna(self) -> Series:
        """Without missing values."""
        return self[self.notna()]

    def isin(self, values: Sequence[Any]) -> Series:
        """Whether each is one of these."""
        found = [literal(value, self._kind) for value in values if not pd.isna(value)]
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
        if isinstance(other, Series):
            rows, value = rows.both(other._rows), other._sql
        else:
            value = literal(other, self._kind)
        first, second = (self._sql, value) if keep else (value, self._sql)
        return self._like(f"CASE WHEN {condition._sql} THEN {first} ELSE {second} END", rows=rows)

    def where(self, cond: Series, other: Any = None) -> Series:
        """The value where the condition holds, else the other one."""
        return self._either(cond, other, True)

    def mask(self, cond: Series, other: Any = None) -> Series:
        """The value where the condition does not hold, else the other one."""
        return self._either(cond, other, False)

    def map(self, arg: dict[Any, Any]) -> Series:
        """What a dictionary has for each value; missing where it has nothing."""
        if not isinstance(arg, dict):
            raise NotImplementedError("map takes a dict: a function in Python cannot run on the workers yet")
        if not arg:
            return self._like("NULL")
        cases = " ".join(f"WHEN {literal(k, self._kind)} THEN {literal(v)}" for k, v in arg.items())
        return self._like(f"CASE {self._sql} {cases} END")

    def replace(self, to_replace: Any, value: Any = None) -> Series:
        """With some values replaced."""
        pairs = (
            to_replace
            if isinstance(to_replace, dict)
            else dict.fromkeys(to_replace if isinstance(to_replace, (list, tuple)) else [to_replace], value)
        )
        cases = " ".join(f"WHEN {literal(k, self._kind)} THEN {literal(v, self._kind)}" for k, v in pairs.items())
        return self._like(f"CASE {self._sql} {cases} ELSE {self._sql} END", self._known)

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

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, Series):
            frame = self.to_frame("v")[key]
            return frame["v"].rename(self.name)
        raise NotImplementedError("a column takes a condition in brackets: use .loc for labels")

    @property
    def loc(self) -> Any:
        """Rows by the labels of the index."""
        from ._frame import Loc

        return Loc(self.to_frame("v"), lambda frame: frame["v"].rename(self.name))

    def sample(self, n: None = None, frac: float | None = None, random_state: int | None = None) -> Series:
        """About this share of the rows; :meth:`DataFrame.sample` says which."""
        return self.to_frame("v").sample(n, frac, random_state)["v"].rename(self.name)

    def repartition(self, **partitions: Any) -> Series:
        """Held on the workers anew, in other partitions; :meth:`DataFrame.repartition` says in which."""
        return self.to_frame("v").repartition(**partitions)["v"].rename(self.name)

    def sort_values(self, ascending: bool = True, **_: Any) -> Series:
        """In the order of the values; missing ones last."""
        return self.to_frame("v").sort_values("v", ascending=ascending)["v"].rename(self.name)

    def unique(self) -> Series:
        """Each value once, in no order."""
        sql = f"(SELECT DISTINCT {self._sql} AS v FROM {self._rows.sql})"
        return Series(Rows(self._client, sql), quote("v"), self.name, (), self._known)

    def drop_duplicates(self) -> Series:
        """Each value where it is first."""
        return self.to_frame("v").drop_duplicates()["v"].rename(self.name)

    def value_counts(self, normalize: bool = False, sort: bool = True, dropna: bool = True) -> Series:
        """How often each value is there, the most frequent first. Of those as frequent, any is first."""
        count = "count(*)"
        if normalize:
            count = "CAST(count(*) AS DOUBLE) / sum(count(*)) OVER ()"
        where = f" WHERE {self._sql} IS NOT NULL" if dropna else ""
        value = quote(INDEX + "0")
        sql = f"(SELECT {self._sql} AS {value}, {count} AS v FROM {self._rows.sql}{where} GROUP BY 1)"
        order = (f"{quote('v')} DESC NULLS LAST", f"{value} ASC NULLS LAST") if sort else ()
        name = "proportion" if normalize else "count"
        return Series(Rows(self._client, sql, order), quote("v"), name, (Level(self.name, value),))

    def nlargest(self, n: int = 5) -> Series:
        """The largest."""
        return self.to_frame("v").nlargest(n, "v")["v"].rename(self.name)

    def nsmallest(self, n: int = 5) -> Series:
        """The smallest."""
        return self.to_frame("v").nsmallest(n, "v")["v"].rename(self.name)

    # Single values.

    def _reduce(self, name: builtins.str, numeric_only: bool) -> Scalar:
        return self._reduced(aggregate(name, self._sql, self._kind))

    def _reduced(self, sql: builtins.str, kind: Any = None) -> Scalar:
        return Scalar(self._rows, sql, kind)

    def count(self) -> Scalar:
        """Values that are not missing."""
        return self._reduced(f"count({self._sql})", int)

    def nunique(self, dropna: bool = True) -> Scalar:
        """Different values."""
        more = "" if dropna else f" + CASE WHEN count(*) > count({self._sql}) THEN 1 ELSE 0 END"
        return self._reduced(f"count(DISTINCT {self._sql}){more}", int)

    def any(self) -> Scalar:
        """Whether one of them is true."""
        return self._reduced(f"coalesce(bool_or({_truth(self)}), FALSE)", bool)

    def all(self) -> Scalar:
        """Whether all of them are true."""
        return self._reduced(f"coalesce(bool_and({_truth(self)}), TRUE)", bool)

    def quantile(self, q: float | list[float] = 0.5) -> Any:
        """The quantile, between two values where it falls there; a column of them for a list."""
        if isinstance(q, (list, tuple)):
            parts = [
                f"SELECT {at!r} AS {quote(INDEX + '0')}, {_quantile(self, at)} AS v FROM {self._rows.sql}" for at in q
            ]
            root = f"({' UNION ALL '.join(parts)})"
            rows = Rows(self._client, root, (quote(INDEX + "0"),))
            return Series(rows, quote("v"), self.name, (Level(None, quote(INDEX + "0")),))
        return self._reduced(_quantile(self, q))

    def mode(self) -> Series:
        """The most frequent values, in their order."""
        count = (
            f"(SELECT {self._sql} AS v, count(*) AS n FROM {self._rows.sql} WHERE {self._sql} IS NOT NULL GROUP BY 1)"
        )
        sql = f"(SELECT v FROM (SELECT v, n, max(n) OVER () AS m FROM {count}) WHERE n = m)"
        return Series(Rows(self._client, sql, (quote("v"),)), quote("v"), self.name, (), self._known)

    def _label(self, function: builtins.str) -> Scalar:
        if len(self._index) != 1:
            raise NotImplementedError("idxmin and idxmax need an index of one level: set_index first")
        direction = "ASC" if function == "min" else "DESC"
        order = ", ".join((f"{self._sql} {direction} NULLS LAST", *self._rows.order))
        return self._reduced(
            f"first_value({self._index[0].sql} ORDER BY {order}) FILTER (WHERE {self._sql} IS NOT NULL)"
        )

    def idxmin(self) -> Scalar:
        """The label of the first smallest."""
        return self._label("min")

    def idxmax(self) -> Scalar:
        """The label of the first largest."""
        return self._label("max")

    def cov(self, other: Series) -> Scalar:
        """The covariance with another column."""
        return Scalar(self._with(other), f"covar_samp({self._sql}, {other._sql})")

    def corr(self, other: Series) -> Scalar:
        """The correlation with another column."""
        return Scalar(self._with(other), f"corr({self._sql}, {other._sql})")

    def describe(self) -> Any:
        """Count, mean, deviation, least, quartiles, most."""
        return self.to_frame("v").describe()["v"].rename(self.name)

    # Along the rows.

    def _window(self, sql: builtins.str, kind: pa.DataType | None = None) -> Series:
        rows, name = self._rows.add(sql)
        return self._like(name, kind, rows)

    def _running(self, function: builtins.str) -> Series:
        over = self._rows.over("ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")
        value = f"CAST({self._sql} AS BIGINT)" if pa.types.is_boolean(self._kind) and function == "sum" else self._sql
        return self._window(f"CASE WHEN {self._sql} IS NULL THEN NULL ELSE {function}({value}) {over} END")

    def cumsum(self) -> Series:
        """The sum of all up to each."""
        return self._running("sum")

    def cummax(self) -> Series:
        """The largest of all up to each."""
        return self._running("max")

    def cummin(self) -> Series:
        """The smallest of all up to each."""
        return self._running("min")

    def shift(self, periods: int = 1) -> Series:
        """Each value so many rows later."""
        function = f"lag({self._sql}, {periods})" if periods >= 0 else f"lead({self._sql}, {-periods})"
        return self._window(f"{function} {self._rows.over()}", self._known)

    def diff(self, periods: int = 1) -> Series:
        """The difference to the value so many rows before."""
        return self - self.shift(periods)

    def pct_change(self, periods: int = 1) -> Series:
        """The relative difference to the value so many rows before."""
        return self / self.shift(periods) - 1

    def ffill(self) -> Series:
        """The latest value before in the place of a missing one."""
        over = self._rows.over("ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")
        return self._window(f"last_value({self._sql}) IGNORE NULLS {over}", self._known)

    def bfill(self) -> Series:
        """The next value in the place of a missing one."""
        over = self._rows.over("ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", backwards=True)
        return self._window(f"last_value({self._sql}) IGNORE NULLS {over}", self._known)

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False) -> Any:
        """Windows of so many rows, or of a time."""
        from ._windows import Rolling

        return Rolling(self, window, min_periods, center)

    def resample(self, rule: builtins.str) -> Any:
        """Pieces of time."""
        from ._windows import Resampler

        return Resampler(self, rule)

    def groupby(self, by: Any, sort: bool = True, dropna: bool = True) -> Any:
        """Groups of the rows, by columns over the same rows."""
        label = self.name if self.name is not None else 0
        return self.to_frame(label).groupby(by, sort=sort, dropna=dropna)[label]

    def _publish(self, client: Any, name: builtins.str, override: bool) -> None:
        self.to_frame()._publish(client, name, override)


class Index(Series):
    """The labels of rows."""

    def _finish(self, frame: pd.DataFrame) -> pd.Index:
        return pd.Index(frame.iloc[:, 0].array, name=self.name)


def _index_of(plan: Plan) -> Index:
    if len(plan._index) != 1:
        raise NotImplementedError("an index of one level is needed here: set_index first")
    level = plan._index[0]
    return Index(plan._rows, level.sql, level.name, ())


def _limited(plan: Any, n: int) -> Any:
    """The first rows of a plan, computed."""
    query = plan._full_query(f" LIMIT {max(n, 0)}", always=True)
    return plan._finish(to_pandas(plan._client._connection.query(query)))


def _truth(column: Series) -> str:
    return column._sql if pa.types.is_boolean(column._kind) else f"({column._sql} <> {literal(0, column._kind)})"


def _quantile(column: Series, q: float) -> str:
    return f"percentile_cont({float(q)!r}) WITHIN GROUP (ORDER BY CAST({column._sql} AS DOUBLE))"


def aggregate(name: str, sql: str, kind: pa.DataType) -> str:
    """A reduction as SQL, of the type that pandas gives it.

    Raises
    ------
    TypeError
        If there is none for the type.
    """
    if name in ("min", "max", "count"):
        return f"{name}({sql})"
    if name == "nunique":
        return f"count(DISTINCT {sql})"
    if name == "product":
        name = "prod"
    if name == "sum" and is_text(kind):
        raise TypeError("texts are not summed up: numeric_only=True leaves them out")
    if is_text(kind) or (pa.types.is_timestamp(kind) and name not in ("mean", "median")):
        raise TypeError(f"there is no {name} of {kind}: numeric_only=True leaves such columns out")
    if pa.types.is_timestamp(kind):
        whole = f"arrow_cast({sql}, 'Int64')"
        function = "avg" if name == "mean" else "median"
        return f"arrow_cast(arrow_cast({function}({whole}), 'Int64'), '{arrow_name(kind)}')"
    value = f"CAST({sql} AS BIGINT)" if pa.types.is_boolean(kind) else sql
    single = kind == pa.float32()
    if name == "sum":
        total = f"coalesce(sum({value}), {literal(0, kind) if not pa.types.is_boolean(kind) else 0})"
        return f"arrow_cast({total}, 'Float32')" if single else total
    if name == "prod":
        return _product(value, kind)
    double = value if kind == pa.float64() else f"CAST({value} AS DOUBLE)"
    forms = {
        "mean": f"avg({double})",
        "std": f"stddev_samp({double})",
        "var": f"var_samp({double})",
        "median": f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {double})",
        "sem": f"(stddev_samp({double}) / sqrt(count({sql})))",
    }
    if name not in forms:
        raise NotImplementedError(f"there is no reduction {name!r}: there are {', '.join(sorted(REDUCTIONS))}")
    return f"arrow_cast({forms[name]}, 'Float32')" if single else forms[name]


def _product(sql: str, kind: pa.DataType) -> str:
    if pa.types.is_unsigned_integer(kind):
        return f"coalesce(product(arrow_cast({sql}, 'UInt64')), arrow_cast(1, 'UInt64'))"
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    total = f"coalesce(product(CAST({sql} AS {'BIGINT' if whole else 'DOUBLE'})), 1)"
    return f"arrow_cast({total}, 'Float32')" if kind == pa.float32() else total


#: Reductions of columns and of groups.
REDUCTIONS = ("sum", "prod", "mean", "min", "max", "count", "std", "var", "sem", "median", "nunique")
