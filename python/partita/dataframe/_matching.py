"""Two plans over the same rows: the ones that they have, or those that are matched by their labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..plan import expr as px
from ..plan.expr import Expr, SortKey, Trait, case
from ..plan.rewrite import substitute
from ._alignment import ARITHMETIC, INNER, REINDEX, Alignment, Match, Side, known_labels, levels_of
from ._base import Level, Plan
from ._columns import Column, sort_value
from ._rows import Rows, contains

__all__ = ["align_rows", "aligned", "aligned_with", "check_join", "check_same_rows", "is_aligned", "uploaded"]


def aligned(left: Any, right: Any, match: Match = ARITHMETIC) -> tuple[Any, Any]:
    """Return two frames or columns over the same rows, which are matched by their labels.

    Parameters
    ----------
    left, right : Plan
        Frames or columns.
    match : Match
        How the rows are matched.

    Returns
    -------
    tuple of Plan
        Both over the same rows, with the same index.
    """
    has_same_rows = left._rows.identity is right._rows.identity
    if not (_has_labels(left) and _has_labels(right)) or (has_same_rows and levels_of(left) == levels_of(right)):
        rows = left._rows.combine(right._rows)
        if match.is_sorted and left._rows.order != right._rows.order:
            rows = rows.with_changes(order=_sorted_order(left, right))
        return _over(left, rows), _over(right, rows)
    found = _contained(left, right, match) or _narrowed(left, right, match)
    if found is not None:
        return found
    alignment, own, other = _alignment(left, right, match)
    columns = [_columns_within(plan, [(alignment, side)]) for plan, side in ((left, own), (right, other))]
    rows, index = alignment.rows, alignment.index
    return _over(left, rows, columns[0], index), _over(right, rows, columns[1], index)


def aligned_with(left: Any, right: Any, match: Match, fill_value: Any) -> tuple[Any, Any]:
    """Return two plans over the same rows, with a value where one of them has no row."""
    if fill_value is None:
        return aligned(left, right, match)
    frames = [plan if hasattr(plan, "_columns") else plan.to_frame("v") for plan in (left, right)]
    mark = object()
    present = Column(px.literal(True))
    left_marked, right_marked = (frame._like({**frame._columns, mark: present}) for frame in frames)
    marked = aligned(left_marked, right_marked, match)
    made = []
    for plan, frame, found in zip((left, right), frames, marked):
        is_there = found._column(mark)
        filled = found._like({label: found._columns[label] for label in frame._columns})
        filled = filled._each(lambda column, is_there=is_there: column.where(is_there.notna(), fill_value))
        made.append(filled if plan is frame else filled._column("v").rename(plan.name))
    return made[0], made[1]


def uploaded(value: Any, like: Any) -> Any:
    """Return a frame or series of pandas as one of the cluster of a plan, and other values as they are."""
    if not isinstance(value, (pd.Series, pd.DataFrame)):
        return value
    from ._io import from_pandas

    return from_pandas(value, npartitions=1, sort=False, client=like._client)


def is_aligned(left: Any, right: Any) -> bool:
    """Whether two plans are known to have the same rows in the same order, and the same index."""
    if left._rows.identity is not right._rows.identity:
        return False
    if not (_has_labels(left) and _has_labels(right)):
        return True
    return levels_of(left) == levels_of(right) and left._rows.order == right._rows.order


def _has_labels(plan: Any) -> bool:
    """Whether the rows of a plan have labels: the values of an index do not."""
    from ._series import Index

    return not isinstance(plan, Index)


def _sorted_order(left: Any, right: Any) -> tuple[SortKey, ...]:
    """Return the sort keys of the labels of two plans over the same rows."""
    for plan in (left, right):
        if known_labels(plan).is_ascending:
            order: tuple[SortKey, ...] = plan._rows.order
            return order
    if not left._index:
        numbers: tuple[SortKey, ...] = left._rows.numbers
        return numbers
    return (*(SortKey(sort_value(level.expr, level.origin)) for level in left._index), *left._rows.order)


def _over(
    plan: Any, rows: Rows, columns: Mapping[Expr, Expr] | None = None, index: tuple[Level, ...] | None = None
) -> Any:
    """Return a plan over other rows, with its expressions replaced."""
    made = copy.copy(plan)
    made._rows = rows
    if index is not None and _has_labels(plan):
        made._index = index
    if columns is not None and hasattr(plan, "_columns"):
        made._columns = {label: cell._replace(expr=columns[cell.expr]) for label, cell in plan._columns.items()}
    elif columns is not None:
        made._expr = columns[plan._expr]
    return made


def _expressions_of(plan: Any) -> list[Expr]:
    return [cell.expr for cell in plan._columns.values()] if hasattr(plan, "_columns") else [plan._expr]


def _alignment(left: Any, right: Any, match: Match) -> tuple[Alignment, Side, Side]:
    """Return the alignment of two plans, and its sides. It is the same for plans of the same rows."""
    found = _known_alignment(left, right, match)
    if found is not None:
        return found, found.left, found.right
    names = [[level.name for level in plan._index] for plan in (left, right)]
    if match.how == "outer" and match.is_sorted and names[0] == names[1]:
        # Sorted rows are the same for both sides in turn.
        found = _known_alignment(right, left, match)
        if found is not None and found.left.is_unique and found.right.is_unique:
            return found, found.right, found.left
    found = Alignment(left, right, match)
    left._rows.identity.alignments[_key_of_pair(left, right, match)] = found
    return found, found.left, found.right


def _key_of_pair(left: Any, right: Any, match: Match) -> Any:
    sides = [(levels_of(plan), plan._rows.order) for plan in (left, right)]
    return (id(right._rows.identity), match, *sides)


def _known_alignment(left: Any, right: Any, match: Match) -> Alignment | None:
    found: Alignment | None = left._rows.identity.alignments.get(_key_of_pair(left, right, match))
    return found if found is not None and found.right.rows.identity is right._rows.identity else None


#: From rows outwards, the alignments in which they are, and on which side.
_Path = Sequence[tuple[Alignment, Side]]


def _columns_within(plan: Any, path: _Path) -> dict[Expr, Expr]:
    """Return the columns of the expressions of a plan in the last alignment of a path."""
    expressions = list(dict.fromkeys(_expressions_of(plan)))
    return dict(zip(expressions, _carried(plan._rows, expressions, path)))


def _carried(rows: Rows, expressions: Sequence[Expr], path: _Path) -> list[Expr]:
    made = list(expressions)
    for alignment, side in path:
        made = alignment.carry(side, rows, made)
        rows = alignment.rows
    return made


def _path(rows: Rows, levels: tuple[Any, ...], inner: Any, need: str) -> list[tuple[Alignment, Side]] | None:
    """Return where the rows of a plan are within other rows.

    Parameters
    ----------
    rows, levels : Rows, tuple
        The other rows and their labels.
    inner : Plan
        The plan.
    need : str
        See :meth:`Alignment.within`.
    """
    alignment = rows.identity
    if not isinstance(alignment, Alignment):
        return None
    own = tuple(level.expr for level in alignment.index) or alignment.rows.numbers
    if own != levels:
        return None
    for side in (alignment.left, alignment.right):
        inside = alignment.within(side, need)
        if inside is None:
            continue
        if side.rows.identity is inner._rows.identity and side.levels == levels_of(inner):
            return [(alignment, side)]
        deeper = _path(side.rows, side.levels, inner, inside)
        if deeper is not None:
            return [*deeper, (alignment, side)]
    return None


def _contained(left: Any, right: Any, match: Match) -> tuple[Any, Any] | None:
    """Return two plans over the same rows if those of one are known to be within those of the other."""
    is_sorted = match.how == "outer" and match.is_sorted
    needs = {"left": "labels", "outer": "all"}
    need = "rows" if match.unmatched is not None else needs.get(match.how, "rows")
    path = _path(left._rows, levels_of(left), right, need)
    if path is not None:
        outer, inner = left, right
    else:
        path = _path(right._rows, levels_of(right), left, "all" if is_sorted else "rows")
        outer, inner = right, left
    if path is None:
        return None
    columns = _columns_within(inner, path)
    rows = path[-1][0].rows.with_changes(order=outer._rows.order).combine(outer._rows)
    _, registered = path[0]
    is_reordered = inner._rows.order != registered.rows.order or outer._rows.order != outer._rows.identity.rows.order
    if is_reordered and is_sorted:
        rows = rows.with_changes(order=_sorted_order(outer, outer))
    elif is_reordered and outer is right:
        # The order of the left rows.
        keys = _carried(inner._rows, [key.expr for key in inner._rows.order], path)
        rows = path[-1][0].rows.with_changes(order=[SortKey(e, *k.way) for e, k in zip(keys, inner._rows.order)])
    placed = _over(inner, rows, columns, outer._index)
    return (_over(outer, rows), placed) if outer is left else (placed, _over(outer, rows))


def _narrowed(left: Any, right: Any, match: Match) -> tuple[Any, Any] | None:
    """Return two plans over the same rows if those of the right one are some of the left ones.

    The value of a row that was left out is missing.
    """
    found = right._rows.narrowed
    if found is None or right._rows.calls or match.unmatched is not None or match.how not in ("left", "outer"):
        return None
    base, conditions, inside = found
    known = known_labels(left)
    if base.identity is not left._rows.identity or not known.is_unique:
        return None
    if match.how == "outer" and not (match.is_sorted and known.is_ascending):
        return None
    expressions = list(dict.fromkeys(_expressions_of(right)))
    if contains(expressions, Trait.WINDOW | Trait.PYTHON):
        return None
    labels = substitute([level.expr for level in right._index], inside)
    order = right._rows.order
    keys = zip(substitute([key.expr for key in order], inside), order)
    levels: tuple[Any, ...] = tuple(labels) or tuple(SortKey(expr, *key.way) for expr, key in keys)
    if levels != levels_of(left):
        return None
    is_in = px.conjunction(*conditions)
    values = [case([(is_in, value)], dtype=value.dtype) for value in substitute(expressions, inside)]
    rows = left._rows.combine(base)
    return _over(left, rows), _over(right, rows, dict(zip(expressions, values)), left._index)


def align_rows(left: Any, right: Any, join: str, fill_value: Any = None) -> tuple[Any, Any]:
    """Return two frames or columns with the same rows."""
    if check_join(join) == "right":
        other, own = aligned_with(right, left, REINDEX, fill_value)
        return own, other
    match = {"outer": ARITHMETIC, "inner": INNER, "left": REINDEX}[join]
    return aligned_with(left, right, match, fill_value)


def check_join(join: str) -> str:
    """Check the argument ``join`` of ``align``."""
    if join not in ("outer", "inner", "left", "right"):
        raise ValueError(f"align: join must be 'outer', 'inner', 'left' or 'right', not {join!r}")
    return join


def check_same_rows(name: str, left: Plan, right: Any) -> None:
    """Check that two frames or columns have the same rows and the same index.

    Raises
    ------
    NotImplementedError
        If they do not: rows are not matched by their labels.
    """
    if not isinstance(right, Plan):
        raise TypeError(f"{name}() takes a frame or column of this package, not {type(right).__name__}")
    same = left._rows.identity is right._rows.identity
    if not same or [one.expr for one in left._index] != [one.expr for one in right._index]:
        raise NotImplementedError(
            f"{name}() combines only frames and columns of the same rows; assign the column to the frame first"
        )
