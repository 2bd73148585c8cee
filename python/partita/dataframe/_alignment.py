"""Rows of two plans that are matched by the labels of their indexes.

An :class:`Alignment` is a set of rows: those of a join on the labels. It is found again by the pair of its sides, so that all
expressions over both use one join. Its relation gets a column for each expression of a side that is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import common_number
from ..plan.expr import Expr, SortKey, aggregate, call, case, cast, window
from ..plan.relation import Filter, Grouping, Join, Named, Projection, Relation, Union
from ._base import Level, Plan
from ._columns import derived_origin, sort_value
from ._rows import Identity, Labels, Rows
from ._sql import INDEX, ORDER, checked, is_plain_text, sort_of, value_type

__all__ = [
    "ARITHMETIC",
    "COMMON",
    "COMPLETE",
    "FIRST",
    "IDENTICAL",
    "INNER",
    "REINDEX",
    "SELECTION",
    "UNIQUE",
    "Alignment",
    "Match",
    "Side",
    "known_labels",
    "levels_of",
]

_DUPLICATES = "cannot reindex on an axis with duplicate labels"


class Match(NamedTuple):
    """How the rows of two plans are matched."""

    #: The rows of the result: "outer", "inner", "left", or "same", where both must have the same labels in the same order.
    how: str
    #: Whether the rows are sorted by their labels, unless both sides have the same labels in the same order.
    is_sorted: bool = False
    #: Whether duplicate labels are an error, unless both sides have the same labels in the same order: for a left join, only
    #: those of the right side.
    is_strict: bool = True
    #: What is raised if a row has no match. None if this is not an error.
    unmatched: str | None = None


#: Operators and ``align``.
ARITHMETIC = Match("outer", is_sorted=True, is_strict=False)
#: ``combine_first`` of columns, and ``concat(axis=1)`` of times.
UNIQUE = Match("outer", is_sorted=True)
#: ``concat(axis=1)``: the rows of the first side, then the other ones of the second.
FIRST = Match("outer")
#: The rows whose labels both sides have.
INNER = Match("inner", is_strict=False)
COMMON = Match("inner")
#: Values for the rows of the left side, as ``reindex`` returns them.
REINDEX = Match("left")
#: A condition that selects rows of the left side.
SELECTION = Match(
    "left",
    unmatched="unalignable boolean Series provided as indexer (index of the boolean Series and of the indexed object do not "
    "match)",
)
#: ``dot``: both sides must have the same labels.
COMPLETE = Match("outer", unmatched="matrices are not aligned: both must have the same labels")
#: Comparisons with operators.
IDENTICAL = Match("same", unmatched="can only compare identically-labeled objects; use methods such as eq() and lt()")


class Side:
    """One of two plans, and the expressions of it that are used."""

    def __init__(self, plan: Plan, prefix: str, keys: Sequence[Expr]) -> None:
        known = known_labels(plan)
        self.rows = plan._rows
        self.levels = known.levels
        self.is_numbered = not plan._index
        self.is_unique, self.is_ascending = known.is_unique, known.is_ascending
        self.prefix = prefix
        self.keys = keys
        #: The names of the columns of expressions.
        self.cells: dict[Expr, str] = {}

    def add(self, rows: Rows, expressions: Sequence[Expr]) -> None:
        """Add columns of expressions over the rows."""
        self.rows = self.rows.combine(rows)
        for expr in expressions:
            self.cells.setdefault(expr, f"{self.prefix}{len(self.cells)}")

    def named_keys(self) -> list[Named]:
        """Return the labels as columns."""
        return [Named(f"{self.prefix}i{at}", key) for at, key in enumerate(self.keys)]

    def own_labels(self) -> list[Named]:
        """Return the labels in their own types as columns; none if they are numbers of rows."""
        if self.is_numbered:
            return []
        return [Named(f"{self.prefix}k{at}", label) for at, label in enumerate(self.levels)]

    def position(self, is_within: bool) -> Expr:
        """Return the number of each row among all rows, or among those with its labels."""
        return window("row_number", **self.rows.over(self.keys if is_within else ()))

    def ties(self) -> list[Named]:
        """Return the sort keys as columns."""
        return [Named(f"{self.prefix}o{at}", key.expr) for at, key in enumerate(self.rows.order)]

    def repetition(self) -> Relation:
        """Return the relation of one value: whether labels occur more than once."""
        every = self.rows.project(self.named_keys())
        keys = [Named(name, every.column(name)) for name, _ in self.named_keys()]
        counted = Grouping(every, keys, [Named("n", cast(aggregate("count_rows"), pa.int64()))])
        most = call("coalesce", aggregate("max", counted.column("n")), 0)
        return Grouping(counted, (), [Named(f"{self.prefix}repeats", px.comparison("gt", most, 1))])


class Alignment(Identity):
    """The rows of two plans, matched by their labels."""

    def __init__(self, left: Plan, right: Plan, match: Match) -> None:
        super().__init__()
        self.match = match
        self.client = left._client
        keys = _label_keys(left, right)
        self.left, self.right = a, b = Side(left, "l", keys[0]), Side(right, "r", keys[1])
        self._sides = (a, b)
        self._is_ordered = bool(a.rows.order and b.rows.order)
        self._is_unique = a.is_unique and b.is_unique
        self._is_ascending = a.is_ascending and b.is_ascending
        #: Whether labels may occur more than once on both sides.
        self._can_repeat = not (a.is_unique or b.is_unique)
        is_unsorted = match.is_sorted and not (a.is_ascending or b.is_ascending)
        #: Whether it matters if both sides have the same labels in the same order.
        self._needs_equality = match.how != "same" and self._is_ordered and (self._can_repeat or is_unsorted)
        self._needs_positions = (
            match.how == "same" and self._is_ordered and not (self._is_unique and self._is_ascending)
        )
        self._facts = self._relations_of_facts()
        self._names = _names_of_levels(left, right, match)
        self._types: dict[Expr, pa.DataType] = {}
        self._built: tuple[tuple[int, ...], Relation] | None = None
        self._order: list[tuple[str, SortKey]] = []

    @property
    def adds_missing(self) -> bool:
        """Whether values are missing because labels are."""
        return self.match.how == "outer"

    # The rows.

    @property
    def index(self) -> tuple[Level, ...]:
        """The index. Without one on either side, the rows are numbered."""
        relation = self.relation
        return tuple(
            Level(name, relation.column(f"{INDEX}{at}"), origin) for at, (name, origin) in enumerate(self._names)
        )

    @property
    def rows(self) -> Rows:
        """The rows with the columns in use."""
        relation = self.relation
        order = [SortKey(relation.column(name), *key.way) for name, key in self._order]
        made = Rows(self.client, None, order, identity=self, keep=(self.left.rows, self.right.rows))
        made._types = self._types
        is_left = self.match.how in ("left", "same")
        is_unique = self.left.is_unique and (self.right.is_unique or is_left)
        is_ascending = self.left.is_ascending if is_left else self._is_sorted
        made.labels = Labels(tuple(level.expr for level in self.index), is_unique, is_ascending)
        return made

    @property
    def _is_sorted(self) -> bool:
        """Whether the rows are sorted by their labels in any case."""
        if self.match.how == "inner":
            return self.left.is_ascending
        return self.match.is_sorted and (self.left.is_ascending or self.right.is_ascending)

    # The relation.

    @property
    def relation(self) -> Relation:
        """The relation of the rows, with a column for each expression in use."""
        size = (len(self.left.cells), len(self.right.cells))
        if self._built is None or self._built[0] != size:
            self._built = (size, self._relation())
        return self._built[1]

    def _relation(self) -> Relation:
        how = self.match.how
        a, b = (self._relation_of_side(side) for side in self._sides)
        keys = [(a.column(f"li{at}"), b.column(f"ri{at}")) for at in range(len(self.left.keys))]
        if self._needs_positions:
            keys.append((a.column("lat"), b.column("rat")))
        joined: Relation = Join(a, b, "outer" if how == "same" else how, keys)
        for fact in self._facts:
            joined = Join(joined, fact, "cross", ())
        conditions = self._conditions(joined)
        if conditions:
            joined = Filter(joined, conditions)
        labels = [px.call("coalesce", x, y) if how == "outer" else x for x, y in keys[: len(self.left.keys)]]
        if how in ("left", "same"):
            # The labels of the left side keep their type.
            labels = [joined.column(name) for name, _ in self.left.own_labels()] or labels
        named = [Named(f"{INDEX}{at}", label) for at, label in enumerate(labels)]
        names = {label: name for name, label in named}
        order = [(names.get(key.expr, f"{ORDER}{at}"), key) for at, key in enumerate(self._order_over(joined, labels))]
        self._order = order
        named += [Named(name, key.expr) for name, key in order if key.expr not in names]
        named += [Named(name, joined.column(name)) for side in self._sides for name in side.cells.values()]
        return Projection(joined, named)

    def _relation_of_side(self, side: Side) -> Relation:
        named = [*side.named_keys(), *side.own_labels(), Named(f"{side.prefix}there", px.literal(True)), *side.ties()]
        if self._needs_equality or self._needs_positions:
            named.append(Named(f"{side.prefix}at", side.position(self._is_ascending)))
        return side.rows.project([*named, *(Named(name, expr) for expr, name in side.cells.items())])

    def _order_over(self, joined: Relation, labels: Sequence[Expr]) -> list[SortKey]:
        """Return the sort keys of the rows."""
        left, right = (
            [SortKey(joined.column(name), *key.way) for (name, _), key in zip(side.ties(), side.rows.order)]
            for side in self._sides
        )
        if self.match.how in ("left", "same"):
            return left
        if not self.match.is_sorted:
            if not self._is_ordered:
                return []
            return [*left, *right] if self.match.how == "inner" else [_first(joined), *left, *right]
        origins = [origin for _, origin in self._names] or [None]
        # Missing labels come last.
        order = [SortKey(sort_value(label, origin)) for label, origin in zip(labels, origins)]
        if self._needs_equality and not (self.left.is_ascending or self.right.is_ascending):
            order.insert(0, SortKey(case([(joined.column("__equal"), joined.column("lat"))])))
        return order if self._is_unique else [*order, *left, *right]

    # Conditions that are known when the plan runs.

    def _relations_of_facts(self) -> list[Relation]:
        """Return relations of one row each, with what must be known of all labels."""
        facts = [self._equality()] if self._needs_equality else []
        return facts + [side.repetition() for side in self._counted_sides()]

    def _counted_sides(self) -> list[Side]:
        """Return the sides of which duplicate labels can be an error."""
        sides: tuple[Side, ...] = self._sides
        if self.match.how == "left":
            sides = (self.right,)
        elif self.match.how == "same":
            sides = () if self._is_ordered else sides
        elif not self.match.is_strict and (self._is_ordered or not self._can_repeat):
            # Duplicate labels on both sides are matched by position if the labels are equal, which requires an order.
            sides = ()
        return [side for side in sides if not side.is_unique]

    def _equality(self) -> Relation:
        """Return the relation of one value: whether both sides have the same labels in the same order."""
        parts = []
        for side in self._sides:
            named = [Named(f"k{at}", key) for at, key in enumerate(side.keys)]
            marks = [Named(name, px.literal(int(name == side.prefix))) for name in ("l", "r")]
            parts.append(side.rows.project([*named, Named("at", side.position(self._is_ascending)), *marks]))
        every = Union(parts)
        names = [*(f"k{at}" for at in range(len(self.left.keys))), "at"]
        sums = [Named(name, aggregate("sum", every.column(name))) for name in ("l", "r")]
        counted = Grouping(every, [Named(name, every.column(name)) for name in names], sums)
        same = aggregate("bool_and", px.comparison("eq", counted.column("l"), counted.column("r")))
        return Grouping(counted, (), [Named("__equal", call("coalesce", same, True))])

    def _conditions(self, joined: Relation) -> list[Expr]:
        """Return the conditions of the rows, which fail where pandas raises an error."""
        match = self.match
        found: list[Expr] = []
        is_equal = joined.column("__equal") if self._needs_equality else px.literal(False)
        repeats = [joined.column(f"{side.prefix}repeats") for side in self._counted_sides()]
        if repeats:
            # Duplicates on one side are not an error if it is not strict.
            some = px.disjunction(*repeats) if match.is_strict else px.conjunction(*repeats)
            found.append(_raising(px.conjunction(some, px.negation(is_equal)), _DUPLICATES))
        if self._needs_equality and self._can_repeat:
            at = px.comparison("eq", joined.column("lat"), joined.column("rat"))
            found.append(px.disjunction(px.negation(is_equal), at))
        return found

    # Expressions.

    def carry(self, side: Side, rows: Rows, expressions: Sequence[Expr]) -> list[Expr]:
        """Return expressions over the rows of a side as columns of these rows."""
        side.add(rows, expressions)
        is_both = self.match.how in ("same", "outer")
        must_match = self.match.unmatched is not None and (is_both or side is self.right)
        if not must_match:
            return [self.relation.column(side.cells[expr]) for expr in expressions]
        # A filter for this would come after others that leave out rows without a match.
        mark = px.literal(True)
        for one in self._sides:
            one.add(one.rows, [mark])
        relation = self.relation
        gone = px.disjunction(*(px.is_null(relation.column(one.cells[mark])) for one in self._sides))
        return [checked(gone, str(self.match.unmatched), relation.column(side.cells[expr])) for expr in expressions]

    # Rows within rows.

    def within(self, side: Side, need: str) -> str | None:
        """Return what must hold within a side so that something holds for these rows; None if it cannot.

        Parameters
        ----------
        side : Side
            The side.
        need : {"rows", "labels", "all"}
            That the rows are those of a plan in its order, that each row has the value of the plan for its label, or that
            this holds and all labels of the plan are among these.
        """
        how = self.match.how
        if how == "same" or (how == "left" and side is self.left):
            return need
        if need == "rows" or not self._is_unique:
            return "all" if how == "left" and need == "labels" else None
        if how == "outer":
            return "all"
        if need == "labels":
            return "all" if how == "left" else "labels"
        return None


def _first(joined: Relation) -> SortKey:
    """Return the sort key by which the rows of the left side come first."""
    return SortKey(px.is_null(joined.column("lthere")))


def _raising(test: Expr, why: str) -> Expr:
    """Return a condition that is true, or fails when the plan runs if a test is true."""
    return checked(test, why, px.literal(True))


# Labels.


def _label_keys(left: Plan, right: Plan) -> tuple[list[Expr], list[Expr]]:
    """Return the labels of two plans, converted to common types.

    Raises
    ------
    NotImplementedError
        If the rows of one are numbered, but in no order, or the indexes have different levels.
    TypeError
        If the labels are of different sorts, such as strings and numbers.
    """
    if left._client is not right._client:
        raise ValueError("cannot combine frames of different clients")
    sides = [_labels_of(plan) for plan in (left, right)]
    if len(sides[0]) != len(sides[1]):
        raise NotImplementedError(
            f"cannot match an index of {len(sides[0])} levels with one of {len(sides[1])}; use reset_index and merge"
        )
    if len(sides[0]) > 1 and [level.name for level in left._index] != [level.name for level in right._index]:
        raise NotImplementedError("cannot match indexes of several levels with different names; use rename_axis first")
    keys: tuple[list[Expr], list[Expr]] = ([], [])
    for x, y in zip(*sides):
        a, b = left._rows.type(x), right._rows.type(y)
        kind = _common_type(a, b)
        for found, label, own in ((keys[0], x, a), (keys[1], y, b)):
            found.append(label if own == kind else cast(label, kind))
    return keys


def _labels_of(plan: Plan) -> list[Expr]:
    """Return the labels: those of the index, or the numbers of the rows."""
    if plan._index:
        return [level.expr for level in plan._index]
    rows = plan._rows
    if rows.is_selection:
        raise NotImplementedError(
            "cannot match the rows of this frame by its index: without one, they are numbered anew after rows were left out; "
            "use reset_index(drop=True) to match them by these numbers, or set_index first"
        )
    return [window("row_number", **rows.with_changes(order=rows.numbers).over()) - 1]


def _common_type(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    a, b = value_type(a), value_type(b)
    if a == b:
        return a
    if sort_of(a) != sort_of(b):
        raise TypeError(f"cannot match an index of {sort_of(a)} with one of {sort_of(b)}; convert one with astype")
    types = pa.types
    if is_plain_text(a):
        return pa.large_string()
    if sort_of(a) == "numbers" and not (types.is_decimal(a) or types.is_decimal(b)):
        return common_number(a, b)
    if types.is_timestamp(a) and types.is_timestamp(b) and a.tz == b.tz:
        return max(a, b, key=_precision)
    if types.is_duration(a) and types.is_duration(b):
        return max(a, b, key=_precision)
    raise TypeError(f"cannot match an index of {a} with one of {b}; convert one with astype")


def _precision(kind: pa.DataType) -> int:
    return ("s", "ms", "us", "ns").index(kind.unit)


def _names_of_levels(left: Plan, right: Plan, match: Match) -> list[tuple[Any, Any]]:
    """Return the names and origins of the levels of the index; none if the rows are numbered."""
    if not left._index and (not right._index or match.how in ("left", "same")):
        return []
    names = [(level.name, level.origin) for level in left._index] or [(None, None)]
    others = [(level.name, level.origin) for level in right._index] or [(None, None)]
    if match.how != "outer":
        return names
    found = []
    for (name, origin), (other, theirs) in zip(names, others):
        common = origin if origin == theirs else derived_origin(origin, theirs)
        # Like pandas' methods that unite the labels; operators keep the name of the left index.
        found.append((name if name == other or not match.is_strict else None, common))
    return found


def known_labels(plan: Any) -> Labels:
    """Return what is known of the labels of a plan."""
    levels, rows = levels_of(plan), plan._rows
    if not plan._index:
        return Labels(levels, True, rows.order == rows.numbers)
    known = rows.labels
    if known is not None and known.levels == levels and known.is_ascending:
        return known
    keys = tuple(SortKey(sort_value(level.expr, level.origin)) for level in plan._index)
    is_unique = known is not None and known.is_unique and set(known.levels) <= set(levels)
    return Labels(levels, is_unique, rows.order[: len(keys)] == keys)


def levels_of(plan: Any) -> tuple[Any, ...]:
    """Return what identifies the labels: the levels of the index, or the order in which the rows are numbered."""
    return tuple(level.expr for level in plan._index) or plan._rows.numbers
