"""What ``agg`` of groups takes: reductions by name, functions, and aggregations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["FUNCTION_NAMES", "Aggregation", "Cell", "CellsCall", "check_titles", "is_many", "title"]

#: Functions that are the same reductions by name.
FUNCTION_NAMES: dict[Any, str] = {np.sum: "sum", np.mean: "mean", np.min: "min", np.max: "max"}


class Aggregation:
    """A reduction of groups, given as functions of pandas' groups, for ``groupby(...).agg``.

    Parameters
    ----------
    name : str
        Its name, which is the label of the result in a list of reductions.
    chunk : callable
        Takes the groups of a column, a pandas ``SeriesGroupBy``. Returns a series with one value for each group, or a tuple
        of such series.
    agg : callable
        Takes the groups of each series that `chunk` returns. Returns a series with one value for each group, or a tuple of
        such series.
    finalize : callable, optional
        Takes the series that `agg` returns, and returns the result.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> extent = dd.Aggregation(
    ...     "extent",
    ...     lambda groups: (groups.min(), groups.max()),
    ...     lambda least, most: (least.min(), most.max()),
    ...     lambda least, most: most - least,
    ... )
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 4]}), npartitions=2)
    >>> ddf.groupby("k").agg({"v": extent}).compute().v.tolist()
    [3, 0]
    """

    def __init__(
        self,
        name: str,
        chunk: Callable[..., Any],
        agg: Callable[..., Any],
        finalize: Callable[..., Any] | None = None,
    ) -> None:
        self.chunk = chunk
        self.agg = agg
        self.finalize = finalize
        self.__name__ = name

    def __repr__(self) -> str:
        return f"<Aggregation {self.__name__}>"

    def _of_groups(self, groups: Any, count: int) -> pd.Series:
        """Return the reduction of the groups of a column by a number of keys."""
        levels = list(range(count)) if count > 1 else 0
        chunks = _tuple_of(self.chunk(groups))
        found = _tuple_of(self.agg(*(one.groupby(level=levels, sort=False, dropna=False) for one in chunks)))
        if self.finalize is not None:
            made = self.finalize(*found)
        elif len(found) == 1:
            (made,) = found
        else:
            raise ValueError(
                f"the aggregation {self.__name__} returns {len(found)} series, but has no finalize function"
            )
        if not isinstance(made, pd.Series):
            raise TypeError(f"the aggregation {self.__name__} must return a series, not {type(made).__name__}")
        return made


def _tuple_of(found: Any) -> tuple[Any, ...]:
    return tuple(found) if isinstance(found, tuple) else (found,)


class Cell:
    """One reduction of a column: the label of the result, the column, and what reduces it."""

    def __init__(self, label: Any, column: Any, how: Any) -> None:
        self.label = label
        self.column = column
        self.how = how


def is_many(func: Any) -> bool:
    """Whether the argument of agg describes several reductions of a column."""
    return isinstance(func, (list, tuple, dict))


def title(how: Any) -> str:
    """Return the label of a reduction in a list of them."""
    while not isinstance(how, str) and not hasattr(how, "__name__") and hasattr(how, "func"):
        # A partial function has the name of its function.
        how = how.func
    return how if isinstance(how, str) else str(getattr(how, "__name__", how))


def check_titles(cells: list[Cell]) -> None:
    """Check that no two reductions have the same label. pandas numbers functions without a name."""
    labels = [cell.label for cell in cells]
    repeated = {label for label in labels if labels.count(label) > 1 and "<lambda>" not in str(label)}
    if repeated:
        raise ValueError(f"agg() has several reductions named {sorted(map(str, repeated))}; names must be unique")


class CellsCall:
    """The function that computes reductions of which some are aggregations."""

    def __init__(self, cells: list[Cell], count: int, is_one: bool) -> None:
        self.cells = cells
        self.count = count
        self.is_one = is_one

    def __call__(self, groups: Any) -> Any:
        made = []
        for cell in self.cells:
            one = groups if isinstance(groups, pd.core.groupby.SeriesGroupBy) else groups[cell.column]
            how = cell.how
            made.append(how._of_groups(one, self.count) if isinstance(how, Aggregation) else one.agg(how))
        if self.is_one:
            (found,) = made
            return found.rename(self.cells[0].label)
        labels = [cell.label for cell in self.cells]
        frame = pd.concat(made, axis=1)
        frame.columns = pd.MultiIndex.from_tuples(labels) if isinstance(labels[0], tuple) else pd.Index(labels)
        return frame
