"""Skewness and kurtosis: reductions of the deviations from the mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, aggregate, call, case, cast, window
from ..plan.relation import Grouping, Join, Named, Projection
from ..plan.rewrite import is_volatile
from ._arguments import is_columns_axis, reject_unsupported
from ._columns import Column, is_masked
from ._reductions import Reductions
from ._rows import Rows, cells
from ._scalar import Scalar
from ._sql import is_number

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["ColumnMoments", "FrameMoments"]

_DOUBLE = pa.float64()


class ColumnMoments:
    """Methods of columns."""

    name: Any
    _rows: Rows
    _expr: Expr
    _kind: pa.DataType
    _origin: Any

    def skew(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, bias: bool = False, **arguments: Any
    ) -> Scalar:
        """Return the skewness, by default without bias, as in pandas.

        Parameters
        ----------
        axis : {0, "index"}
            Only 0.
        skipna : bool
            Whether to ignore missing values.
        numeric_only : bool
            Whether other types are an error, as they are by default.
        bias : bool
            Whether to return the moment of the values themselves, which is the default of Dask and SciPy.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> v = dd.from_pandas(pd.Series([1, 1, 2]), npartitions=2)
        >>> round(float(v.skew().compute()), 6), round(float(v.skew(bias=True).compute()), 6)
        (1.732051, 0.707107)
        """
        return self._moment("skew", axis, skipna, arguments, bias, True)

    def kurtosis(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        fisher: bool = True,
        bias: bool = False,
        **arguments: Any,
    ) -> Scalar:
        """Return the excess kurtosis, by default without bias, as in pandas.

        Parameters
        ----------
        axis, skipna, numeric_only, bias
            As for :meth:`skew`.
        fisher : bool
            Whether the value of a normal distribution is 0. Otherwise, it is 3.
        """
        return self._moment("kurtosis", axis, skipna, arguments, bias, fisher)

    kurt = kurtosis

    def _moment(
        self, name: str, axis: Any, skipna: bool, arguments: dict[str, Any], bias: bool, fisher: bool
    ) -> Scalar:
        _check(name, arguments)
        if is_columns_axis(name, axis):
            raise ValueError(f"{name}: axis must be 0 for a column, not {axis!r}")
        rows, (found,) = _moments(name, self._rows, [(self.name, Column(self._expr), self._kind)], skipna, bias, fisher)
        return Scalar(rows, found, None, pd.NA if is_masked(self._origin) else float("nan"))


class FrameMoments:
    """Methods of frames."""

    _rows: Rows
    _columns: dict[Any, Column]
    _axis: pd.Index | None
    _kinds: Callable[[], dict[Any, Any]]
    _origins_by_label: Callable[[], dict[Any, Any]]
    _column: Callable[..., Series]

    def skew(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, bias: bool = False, **arguments: Any
    ) -> Reductions:
        """Return the skewness of each column, by default without bias, as in pandas; see :meth:`Series.skew`."""
        return self._moments("skew", axis, skipna, numeric_only, arguments, bias, True)

    def kurtosis(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        fisher: bool = True,
        bias: bool = False,
        **arguments: Any,
    ) -> Reductions:
        """Return the excess kurtosis of each column, by default without bias, as in pandas; see :meth:`Series.kurtosis`."""
        return self._moments("kurtosis", axis, skipna, numeric_only, arguments, bias, fisher)

    kurt = kurtosis

    def _moments(
        self,
        name: str,
        axis: Any,
        skipna: bool,
        numeric_only: bool,
        arguments: dict[str, Any],
        bias: bool,
        fisher: bool,
    ) -> Reductions:
        _check(name, arguments)
        if is_columns_axis(name, axis):
            raise NotImplementedError(f"{name}(axis=1) is not supported; use compute() and pandas")
        if axis is None:
            raise NotImplementedError(
                f"{name}(axis=None), a reduction of all values, is not supported here; use {name}() and pandas"
            )
        kinds = self._kinds()
        wanted = [
            (label, self._columns[label], kind) for label, kind in kinds.items() if not numeric_only or is_number(kind)
        ]
        rows, found = _moments(name, self._rows, wanted, skipna, bias, fisher)
        by_label = {label: expr for (label, _, _), expr in zip(wanted, found)}
        return Reductions(rows, by_label, None, self._origins_by_label(), self._axis)


def _check(name: str, arguments: dict[str, Any]) -> None:
    if arguments.pop("nan_policy", "omit") not in ("omit", "propagate"):
        raise NotImplementedError(f"{name}() does not support nan_policy=; use skipna=")
    reject_unsupported(name, arguments)


def _moments(
    name: str, rows: Rows, columns: list[tuple[Any, Column, pa.DataType]], skipna: bool, bias: bool, fisher: bool
) -> tuple[Rows, list[Expr]]:
    """Return rows with the deviations of columns from their means, and reductions of these."""
    for label, _, kind in columns:
        if not is_number(kind):
            raise TypeError(f"column {label!r} of {kind} does not support {name}; use numeric_only=True")
    values = [cast(column.expr, _DOUBLE) for _, column, _ in columns]
    plain = Projection(rows.under(values), [Named(f"v{at}", value) for at, value in enumerate(values)])
    names = [f"v{at}" for at in range(len(values))]
    if is_volatile(plain):
        # Two queries of the rows could differ.
        means = [window("avg", plain.column(one)) for one in names]
        source: Any = plain
    else:
        averages = Grouping(plain, (), cells(aggregate("avg", plain.column(one)) for one in names))
        source = Join(plain, averages, "cross", ()) if names else plain
        means = [averages.column(f"c{at}") for at in range(len(names))]
    parts = [Named(one, source.column(one)) for one in names]
    parts += [Named(f"d{at}", source.column(one) - mean) for at, (one, mean) in enumerate(zip(names, means))]
    centred = Projection(source, parts or [Named("v", px.literal(1))])
    made = Rows(rows.client, centred, keep=rows)
    found = [
        _standardized(name, centred.column(f"v{at}"), centred.column(f"d{at}"), skipna, bias, fisher)
        for at in range(len(names))
    ]
    return made, [cast(one, kind) if kind == pa.float32() else one for one, (_, _, kind) in zip(found, columns)]


def _standardized(name: str, value: Expr, deviation: Expr, skipna: bool, bias: bool, fisher: bool) -> Expr:
    """Return the skewness or kurtosis of values with these deviations from their mean."""
    square = deviation * deviation
    count = cast(aggregate("count", value), _DOUBLE)
    second = aggregate("sum", square)
    if name == "skew":
        ratio = aggregate("sum", square * deviation) / call("power", second, 1.5)
        factor = call("sqrt", count) if bias else count * call("sqrt", count - 1.0) / (count - 2.0)
        result = factor * ratio
    else:
        ratio = aggregate("sum", square * square) / (second * second)
        if bias:
            result = count * ratio - 3.0
        else:
            rest = (count - 2.0) * (count - 3.0)
            result = (count * (count + 1.0) * (count - 1.0) * ratio - (count - 1.0) * (count - 1.0) * 3.0) / rest
        if not fisher:
            result = result + 3.0
    # As in pandas. The deviations of equal values need not be exactly 0.
    undefined = [px.comparison("eq", aggregate("min", value), aggregate("max", value))]
    if not bias:
        undefined.append(px.comparison("lt", count, 3.0 if name == "skew" else 4.0))
    if not skipna:
        undefined.append(px.comparison("lt", aggregate("count", value), aggregate("count_rows")))
    return case([(px.disjunction(*undefined), cast(None, _DOUBLE))], result)
