"""Joins of rows with the nearest rows of another frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, SortKey, call, case, cast, window
from ..plan.relation import Filter, Named, Projection, Relation, Union
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import Column, refuse_equal_labels, renumbered
from ._frame import DataFrame
from ._listing import listed
from ._merge import as_frame, columns_by_label, labels_of
from ._rows import Rows
from ._series import index_of
from ._sql import INDEX, ORDER, checked, is_number, is_time

__all__ = ["merge_asof"]

_DIRECTIONS = ("backward", "forward", "nearest")


def merge_asof(
    left: Any,
    right: Any,
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    by: Any = None,
    left_by: Any = None,
    right_by: Any = None,
    suffixes: tuple[str, str] = ("_x", "_y"),
    tolerance: Any = None,
    allow_exact_matches: bool = True,
    direction: str = "backward",
    **arguments: Any,
) -> DataFrame:
    """Join each row of the left frame with the nearest row of the right frame.

    Parameters
    ----------
    left, right : DataFrame
        The frames. One of them may be a pandas object, which is uploaded.
    on, left_on, right_on : label, optional
        Columns of numbers or times by which the rows are compared.
    left_index, right_index : bool
        Whether to use the index instead.
    by, left_by, right_by : label or list of labels, optional
        Columns that must be equal.
    suffixes : tuple of str
        Suffixes of columns that both frames have.
    tolerance : int, float or Timedelta, optional
        The largest difference of a match.
    allow_exact_matches : bool
        Whether a row with an equal value is a match.
    direction : {"backward", "forward", "nearest"}
        Whether a match is the last row of the right frame that is not after the left row, the first one that is not before
        it, or the nearer of both.

    Returns
    -------
    DataFrame
        The rows of the left frame, sorted by their key, with the columns of both frames. It has the index of the left frame
        if one of the keys is an index. Unlike in pandas, the frames need not be sorted.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> trades = dd.from_pandas(pd.DataFrame({"t": [1, 5, 10]}), npartitions=2)
    >>> quotes = dd.from_pandas(pd.DataFrame({"t": [2, 4, 9], "price": [20, 40, 90]}), npartitions=2)
    >>> dd.merge_asof(trades, quotes, on="t", direction="nearest", tolerance=1).compute().price.tolist()
    [20, 40, 90]
    """
    reject_unsupported("merge_asof", arguments)
    left, right = (as_frame(one, (left, right)) for one in (left, right))
    if left._client is not right._client:
        raise ValueError("cannot merge frames of different clients")
    refuse_equal_labels("merge_asof", left, right)
    if direction not in _DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(_DIRECTIONS)}, not {direction!r}")
    ons = _pair("on", on, left_on, right_on)
    groups = _pair("by", by, left_by, right_by)
    mine = _Key.of(left, "left", ons[0], left_index)
    theirs = _Key.of(right, "right", ons[1], right_index)
    _check_kinds(mine, theirs)
    bys = [labels_of(one) if one is not None else [] for one in groups]
    if len(bys[0]) != len(bys[1]):
        raise ValueError(
            f"left_by and right_by must have the same number of columns, not {len(bys[0])} and {len(bys[1])}"
        )
    for frame, labels in ((left, bys[0]), (right, bys[1])):
        missing = [label for label in labels if label not in frame._columns]
        if missing:
            raise KeyError(f"no columns {missing}; columns: {listed(frame._columns, missing[0])}")
    return _Matching(left, right, mine, theirs, bys, direction, allow_exact_matches, tolerance).frame(suffixes)


def _pair(name: str, both: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """Return the arguments for the left and the right frame."""
    if both is not None:
        if left is not None or right is not None:
            raise ValueError(
                f"merge_asof() takes either {name}=, or left_{name}= and right_{name}=, not a combination of both"
            )
        return both, both
    return left, right


class _Key(NamedTuple):
    """What the rows of a frame are compared by."""

    #: The label of its column; None for the index.
    label: Any
    is_index: bool
    expr: Expr
    kind: pa.DataType

    @classmethod
    def of(cls, frame: DataFrame, side: str, label: Any, is_index: bool) -> _Key:
        """Return the key of a frame that the arguments describe."""
        if is_index == (label is not None):
            raise ValueError(f"merge_asof() requires either on=, {side}_on= or {side}_index=True")
        if is_index:
            index = index_of(frame)
            return cls(None, True, index._expr, index._kind)
        if isinstance(label, (list, tuple)) and len(label) == 1:
            (label,) = label
        column = frame._key(label)
        return cls(label, False, column._expr, column._kind)


def _check_kinds(mine: _Key, theirs: _Key) -> None:
    for key in (mine, theirs):
        is_plain = is_number(key.kind) and not pa.types.is_boolean(key.kind) and not pa.types.is_decimal(key.kind)
        if not (is_plain or is_time(key.kind) or pa.types.is_duration(key.kind)):
            raise ValueError(
                f"merge_asof() requires keys of numbers or times, not {key.kind}; convert them with astype"
            )
    if mine.kind != theirs.kind:
        raise ValueError(f"cannot merge keys of {mine.kind} and {theirs.kind}; convert one of them with astype")


class _Matching:
    """The rows of the right frame that match those of the left frame.

    The rows of both frames are sorted together. A match is the last row of the right frame before a row of the left frame.
    """

    def __init__(
        self,
        left: DataFrame,
        right: DataFrame,
        mine: _Key,
        theirs: _Key,
        bys: list[list[Any]],
        direction: str,
        is_exact: bool,
        tolerance: Any,
    ) -> None:
        self.left = left
        self.right = right
        self.mine = mine
        self.theirs = theirs
        self.bys = bys
        self.is_exact = is_exact
        self.kind = mine.kind
        self.tolerance = None if tolerance is None else self._length(tolerance)
        shared = [label for label, other in zip(*bys) if label == other]
        if mine.label is not None and mine.label == theirs.label:
            shared.append(mine.label)
        #: The columns of the right frame in the result.
        self.theirs_shown = [label for label in right._columns if label not in shared]
        self.union = Union([self._side(left, True), self._side(right, False)])
        found = [self._match(way) for way in ("backward", "forward") if direction in (way, "nearest")]
        self.match = found[0] if len(found) == 1 else self._nearest(*found)

    def _length(self, tolerance: Any) -> Any:
        """Return the largest difference, in units of the key."""
        if is_time(self.kind) or pa.types.is_duration(self.kind):
            span = pd.Timedelta(tolerance)
            unit = getattr(self.kind, "unit", "s")
            length: Any = span // pd.Timedelta(1, unit)
        else:
            length = tolerance
        if length < 0:
            raise ValueError(f"tolerance must not be negative, not {tolerance!r}")
        return length

    def _number(self, value: Expr) -> Expr:
        """Return a key as a number, for differences."""
        if is_time(self.kind) or pa.types.is_duration(self.kind):
            return cast(value, pa.int64())
        return cast(value, pa.float64()) if pa.types.is_floating(self.kind) else cast(value, pa.int64())

    def _side(self, frame: DataFrame, is_mine: bool) -> Relation:
        """Return the rows of a frame for the union of both: what the result has of the left frame, and the match."""
        left, right = self.left, self.right
        own = [Named(f"lc{at}", column.expr) for at, column in enumerate(left._columns.values())]
        own += [Named(f"li{at}", level.expr) for at, level in enumerate(left._index)]
        own += [Named(f"lo{at}", key.expr) for at, key in enumerate(left._rows.order)]
        named = own if is_mine else [Named(name, px.NULL) for name, _ in own]
        key = self.mine if is_mine else self.theirs
        # A row without a key would be sorted after all others.
        value = checked(
            px.is_null(key.expr), f"merge_asof: {'left' if is_mine else 'right'} keys are missing", key.expr
        )
        named.append(Named("t", cast(value, self.kind)))
        labels = self.bys[0 if is_mine else 1]
        named += [Named(f"k{at}", frame._columns[label].expr) for at, label in enumerate(labels)]
        # The match is a whole row as a struct, so that missing values in it are not skipped.
        fields: list[Any] = [px.literal("t"), key.expr]
        for at, label in enumerate(self.theirs_shown):
            fields += [px.literal(f"v{at}"), right._columns[label].expr]
        place: Expr = px.literal(0)
        if not is_mine and right._rows.order:
            place = cast(window("row_number", **right._rows.over()), pa.int64())
        named += [
            Named("mine", px.literal(is_mine)),
            Named("rank", px.literal(int(is_mine))),
            Named("place", place),
            Named("found", px.NULL if is_mine else call("named_struct", *fields)),
        ]
        return frame._rows.project(named)

    def _match(self, way: str) -> Expr:
        """Return the match in a direction."""
        union, descends = self.union, way == "forward"
        # Rows of the right frame precede equal ones of the left frame, unless an equal one is not a match.
        first = SortKey(union.column("rank"), not self.is_exact)
        order = [SortKey(union.column("t"), descends), first, SortKey(union.column("place"), descends)]
        partition = [union.column(f"k{at}") for at in range(len(self.bys[0]))]
        return window(
            "last_value", union.column("found"), partition=partition, order=order, frame=px.SO_FAR, skips_missing=True
        )

    def _distance(self, match: Expr) -> Expr:
        """Return the difference between a row and its match."""
        own = self._number(self.union.column("t"))
        return call("abs", own - self._number(call("element", match, "t", dtype=self.kind)))

    def _nearest(self, before: Expr, after: Expr) -> Expr:
        nearer = px.comparison("le", self._distance(before), self._distance(after))
        is_only = px.is_null(call("element", after, "t", dtype=self.kind))
        return case([(px.disjunction(nearer, is_only), before)], after)

    def frame(self, suffixes: Sequence[Any]) -> DataFrame:
        """Return the frame of the rows with their matches."""
        left, right, union = self.left, self.right, self.union
        cells: list[tuple[Any, Column]] = []
        for at, (label, column) in enumerate(left._columns.items()):
            shown = _suffixed(label, suffixes[0]) if label in self.theirs_shown else label
            cells.append((shown, Column(union.column(f"lc{at}"), column.origin)))
        is_near = None
        if self.tolerance is not None:
            is_near = px.comparison("le", self._distance(self.match), self.tolerance)
        for at, label in enumerate(self.theirs_shown):
            column = right._columns[label]
            kind = right._rows.type(column.expr)
            value = call("element", self.match, f"v{at}", dtype=kind)
            value = value if is_near is None else case([(is_near, value)], dtype=kind)
            shown = _suffixed(label, suffixes[1]) if label in left._columns else label
            cells.append((shown, Column(value, column.origin)))
        named = [Named(f"c{at}", cell.expr) for at, (_, cell) in enumerate(cells)]
        named += [Named(f"{INDEX}{at}", union.column(f"li{at}")) for at in range(len(left._index))]
        named += [Named(f"{ORDER}{at}", union.column(f"lo{at}")) for at in range(len(left._rows.order))]
        named += [Named("__at", union.column("t")), Named("__mine", union.column("mine"))]
        matched = Projection(union, named)
        made = Filter(matched, [matched.column("__mine")])
        ties = [SortKey(made.column(f"{ORDER}{at}"), *key.way) for at, key in enumerate(left._rows.order)]
        rows = Rows(left._client, made, [SortKey(made.column("__at")), *ties], keep=(left._rows, right._rows))
        index: tuple[Level, ...] = ()
        if self.mine.is_index or self.theirs.is_index:
            index = tuple(level._replace(expr=made.column(f"{INDEX}{at}")) for at, level in enumerate(left._index))
        return DataFrame(rows, renumbered(columns_by_label(cells), made), index)


def _suffixed(label: Any, suffix: Any) -> Any:
    return label if suffix in (None, "") else f"{label}{suffix}"
