"""The rows of a SQL relation, over which a plan's expressions are evaluated.

Expressions over the same rows can be combined without a join. SQL does not allow a window function inside another one,
so the result of a window function becomes a column in a layer: a subquery that adds columns and keeps the rows.
"""

from __future__ import annotations

import itertools
import re
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._sql import quote

if TYPE_CHECKING:
    from .._client import Client

__all__ = [
    "Rows",
    "direction",
    "distinct_terms",
    "new_table_name",
    "plain_condition",
    "refers_to_layers",
    "reverse",
    "substitute",
    "term",
]

_numbers = itertools.count(1)
#: References to columns of layers in expressions.
_LAYER = re.compile(r'"(__w[0-9]+)"')
#: String literals and quoted identifiers.
_WORD = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
#: Maximum length of an expression that is inlined wherever it is used, in characters. Without a limit, a chain of
#: operations that use a value twice would grow exponentially.
EXPRESSION_CHARACTERS_MAX = 500
#: Functions whose arguments the planner duplicates.
_CONDITION = re.compile(r"\b(?:CASE|coalesce)\b")
#: Maximum number of such functions in an expression that is inlined.
CONDITIONS_MAX = 2


def new_table_name() -> str:
    """Return a name for a table that is unique in this session."""
    return f"__persisted_{next(_numbers)}"


class _Identity:
    """Identifies a set of rows."""

    def __init__(self) -> None:
        #: Tables of the rows with results of Python functions, by the statement and the functions.
        self.tables: dict[Any, str] = {}


class Rows:
    """The rows of a SQL relation.

    Parameters
    ----------
    client : Client
        Client of the cluster.
    root : str
        The relation, as it appears after ``FROM``.
    order : tuple of str
        Sort keys of the rows, most significant first. Empty if the order is undefined.
    physical : bool
        Whether the relation returns its rows in this order without a sort.
    partitions : int, optional
        Number of partitions, if known.
    layers : tuple
        Columns over the rows, each with its number, name and expression.
    identity : object, optional
        Identifies the set of rows. Relations with the same identity differ only in columns and order.
    keep : object, optional
        Rows whose tables this relation reads and which must not be released.

    Attributes
    ----------
    persisted : str, optional
        Name of the persisted table, if the relation is exactly this table in its order.
    divisions : tuple, optional
        First index label of each partition and last label of the last one, if known.
    """

    #: Set only at creation: derived relations have other rows, columns or another order.
    persisted: str | None = None
    divisions: tuple[Any, ...] | None = None
    #: For rows of files: the same relation over the last file only, whose rows are in the order of the file.
    last: str | None = None
    #: For filtered rows: the unfiltered rows, the conditions, and the expressions of the columns over these rows.
    narrowed: tuple[Rows, tuple[str, ...], dict[str, str]] | None = None

    def __init__(
        self,
        client: Client,
        root: str,
        order: tuple[str, ...] = (),
        physical: bool = False,
        partitions: int | None = None,
        layers: tuple[tuple[int, str, str], ...] = (),
        identity: object = None,
        keep: object = None,
    ) -> None:
        self.client = client
        self.root = root
        self.order = order
        self.physical = physical
        self.partitions = partitions
        self.layers = layers
        self.identity: Any = identity or _Identity()
        self._keep = keep
        self._schema: pa.Schema | None = None
        self._types: dict[str, pa.DataType] = {}

    def with_changes(self, **changes: Any) -> Rows:
        """Return the same rows with some attributes changed: order, layers or client."""
        made = Rows(self.client, self.root, self.order, False, self.partitions, self.layers, self.identity, self._keep)
        made.last = self.last
        for name, value in changes.items():
            setattr(made, name, value)
        if made.layers == self.layers:
            # Without new layers, the columns are the same.
            made._schema, made._types = self._schema, self._types
        return made

    def values(self, expressions: list[str]) -> pa.Table:
        """Compute reductions of the rows, as a table of one row."""
        select = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(expressions))
        found: pa.Table = self.client._connection.query(f"SELECT {select} FROM {self.under(select)}")
        return found

    def explain(self, query: str) -> str:
        """Return the physical plan of a query, one line per operator."""
        table = self.client._connection.query(f"EXPLAIN {query}")
        texts = [column.to_pylist() for column in table.columns]
        return "\n".join("\n".join(str(cell) for cell in row) for row in zip(*texts))

    @property
    def order(self) -> tuple[str, ...]:
        """The sort keys of the rows, without repeated expressions."""
        return self._order

    @order.setter
    def order(self, terms: Sequence[str]) -> None:
        self._order = distinct_terms(terms)

    @property
    def sql(self) -> str:
        """The relation with all columns of its layers, as it appears after ``FROM``."""
        return self._nested([quote(name) for _, name, _ in self.layers])

    def under(self, *expressions: str) -> str:
        """Return the relation for a query with only these expressions, as it appears after ``FROM``.

        It contains only the layer columns that the expressions need. Each operation of a chain may add a column, and
        the cost of planning grows with all columns of all layers.
        """
        return self._nested(expressions)

    def _nested(self, expressions: Sequence[str]) -> str:
        """Return the relation. Independent layers share one subquery; deeply nested SQL is slow to plan."""
        if not self.layers:
            return self.root
        wanted = {name for one in expressions for name in _LAYER.findall(one)}
        text, layers = self.root, self.layers
        called = self._last_call(wanted)
        if called:
            from ._column_functions import called_relation

            text, layers = called_relation(self, layers[:called]), layers[called:]
        last: dict[str, int] = {}
        levels = _levels(layers, wanted, last)
        for at, level in enumerate(levels):
            columns = ", ".join(f"{expression} AS {quote(name)}" for name, expression in level)
            gone = ", ".join(quote(name) for name, until in last.items() if until == at)
            text = f"(SELECT *{f' EXCEPT ({gone})' if gone else ''}, {columns} FROM {text})"
        return text

    def _last_call(self, wanted: set[str]) -> int:
        """Return the number of layers up to the last one that a Python function computes and a query needs.

        All earlier layers are computed with it, also if this query does not need them, so that all queries read one
        table, and the function runs once.
        """
        if all(type(expression) is str for _, _, expression in self.layers):
            return 0
        needed = _needed(self.layers, wanted)
        found = [at for at, (_, name, one) in enumerate(self.layers) if name in needed and type(one) is not str]
        if not found:
            return 0
        end = found[-1] + 1
        call = getattr(self.layers[end - 1][2], "call", None)
        while end < len(self.layers) and getattr(self.layers[end][2], "call", None) is call:
            end += 1
        return end

    def add(self, expression: str) -> tuple[Rows, str]:
        """Add the result of a window function as a layer; return the rows and the name of the column in SQL.

        Window functions repartition the rows, so the relation no longer returns them in their order.
        """
        return self._added(expression, False)

    def add_calls(self, expressions: Sequence[str]) -> tuple[Rows, list[str]]:
        """Add columns that Python functions compute as layers; return the rows and the names of the columns in SQL."""
        rows, names = self, []
        for expression in expressions:
            rows, name = rows._added(expression, False)
            names.append(name)
        return rows, names

    def shorten(self, expression: str) -> tuple[Rows, str]:
        """Return the rows and the expression. A long expression becomes a layer and is replaced by its name.

        The same applies to nested conditions, whose arguments the planner duplicates at each level.
        """
        if len(expression) <= EXPRESSION_CHARACTERS_MAX and len(_CONDITION.findall(expression)) <= CONDITIONS_MAX:
            return self, expression
        return self._added(expression, self.physical)

    def _added(self, expression: str, physical: bool) -> tuple[Rows, str]:
        number = next(_numbers)
        name = f"__w{number}"
        layers = (*self.layers, (number, name, expression))
        return self.with_changes(layers=layers, physical=physical), quote(name)

    def combine(self, other: Rows) -> Rows:
        """Return the rows with the layers of both.

        Raises
        ------
        NotImplementedError
            If the rows are not the same.
        """
        if self is other or (self.layers == other.layers and self.identity is other.identity):
            return self
        if self.identity is not other.identity:
            raise NotImplementedError(
                "cannot combine columns of different frames: rows are not matched by their index; use merge or join"
            )
        layers = tuple(sorted(set(self.layers) | set(other.layers)))
        return self.with_changes(layers=layers, physical=self.physical and other.physical)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the relation."""
        if self._schema is None:
            self._schema = self.client._connection.schema(f"SELECT * FROM {self.sql}")
            # Cache the types of the columns, to avoid further requests to the cluster.
            self._types.update({quote(field.name): field.type for field in self._schema})
        return self._schema

    def type(self, expression: str) -> pa.DataType:
        """Return the type of an expression over the rows."""
        if expression not in self._types:
            self.types([expression])
        return self._types[expression]

    def types(self, expressions: list[str]) -> list[pa.DataType]:
        """Return the types of expressions, with at most one request to the cluster."""
        unknown = [one for one in dict.fromkeys(expressions) if one not in self._types]
        if unknown:
            select = ", ".join(f"{one} AS c{at}" for at, one in enumerate(unknown))
            found = self.client._connection.schema(f"SELECT {select} FROM {self.under(select)}")
            self._types.update(zip(unknown, found.types))
        return [self._types[one] for one in expressions]

    def over(self, frame: str = "", partition: str = "", backwards: bool = False) -> str:
        """Return the ``OVER`` clause of a window in the order of the rows, or in reverse order.

        Raises
        ------
        NotImplementedError
            If the order of the rows is undefined.
        """
        if not self.order:
            raise NotImplementedError(
                "the row order of this frame is undefined, e.g. because it was read from files; "
                "use sort_values or set_index first"
            )
        by = f"PARTITION BY {partition} " if partition else ""
        order = [reverse(sql) for sql in self.order] if backwards else self.order
        return f"OVER ({by}ORDER BY {', '.join(order)}{' ' + frame if frame else ''})"


_Layers = tuple[tuple[int, str, str], ...]


def _needed(layers: _Layers, wanted: set[str]) -> set[str]:
    """Return the names of wanted layers and of those that they use."""
    needed = set(wanted)
    for _, name, expression in reversed(layers):
        if name in needed:
            needed |= set(_LAYER.findall(expression))
    return needed


def _levels(layers: _Layers, wanted: set[str], last: dict[str, int]) -> list[list[tuple[str, str]]]:
    """Return the needed layers in levels, each of which depends only on earlier levels.

    Parameters
    ----------
    layers : tuple
        The layers.
    wanted : set of str
        Names of the layers that the query uses.
    last : dict
        Receives the last level that uses each layer that is not in `wanted`.
    """
    needed = _needed(layers, wanted)
    depths: dict[str, int] = {}
    levels: list[list[tuple[str, str]]] = []
    for _, name, expression in layers:
        if name not in needed:
            continue
        used = set(_LAYER.findall(expression))
        depth = max((depths.get(one, 0) for one in used), default=0)
        depths[name] = depth + 1
        if depth == len(levels):
            levels.append([])
        levels[depth].append((name, expression))
        for one in used - wanted:
            last[one] = max(last.get(one, 0), depth)
    return levels


_ENDINGS = (" ASC NULLS LAST", " DESC NULLS LAST", " ASC NULLS FIRST", " DESC NULLS FIRST")


def substitute(expression: str, names: dict[str, str]) -> str:
    """Replace references to columns in an expression by other expressions."""
    if not names:
        return expression
    return _WORD.sub(lambda found: names.get(found[0], found[0]), expression)


#: Parts of a condition: strings and identifiers, parentheses, and words that join conditions or contain them.
_PART = re.compile(_WORD.pattern + r"|[()]|\b(?:AND|OR|CASE)\b")
#: How a condition that is false where it is NULL begins and ends.
_FILLED = ("fill_null(", ", FALSE)")


def plain_condition(condition: str) -> str:
    """Return a condition of a filter that may be NULL instead of false.

    Filters drop rows for both, but the statistics of files only apply to plain comparisons.
    """
    depth, starts, joins = 0, [0], []
    first_end = 0
    for found in _PART.finditer(condition):
        part = found[0]
        if part in "()":
            depth += 1 if part == "(" else -1
            if depth == 0 and not first_end:
                first_end = found.end()
        elif depth == 0 and part == "CASE":
            return condition
        elif depth == 0 and part in ("AND", "OR"):
            joins.append(found)
            starts.append(found.end())
    if joins:
        pieces = [condition[start:end] for start, end in zip(starts, [*(one.start() for one in joins), len(condition)])]
        words = [f" {one[0]} " for one in joins] + [""]
        return "".join(plain_condition(piece.strip()) + word for piece, word in zip(pieces, words))
    if first_end != len(condition):
        return condition
    if condition.startswith("("):
        return f"({plain_condition(condition[1:-1])})"
    if condition.startswith(_FILLED[0]) and condition.endswith(_FILLED[1]):
        return plain_condition(condition[len(_FILLED[0]) : -len(_FILLED[1])])
    return condition


def distinct_terms(order: Sequence[str]) -> tuple[str, ...]:
    """Return sort keys without repeated expressions, of which only the first occurrence determines the order.

    DataFusion panics if an aggregate or window function is sorted by the same expression twice.
    """
    found: dict[str, str] = {}
    for one in order:
        found.setdefault(term(one), one)
    return tuple(found.values())


def refers_to_layers(expressions: Sequence[str]) -> bool:
    """Whether one of the expressions needs a column of a layer."""
    return any(_LAYER.search(one) for one in expressions)


def term(order: str) -> str:
    """Return a sort key without its direction."""
    for ending in _ENDINGS:
        if order.endswith(ending):
            return order[: -len(ending)]
    return order


def direction(order: str) -> str:
    """Return the direction of a sort key."""
    return order[len(term(order)) :]


def reverse(order: str) -> str:
    """Reverse a sort key."""
    way = direction(order)
    if " DESC" in way:
        return f"{term(order)} ASC {'NULLS FIRST' if 'LAST' in way else 'NULLS LAST'}"
    return f"{term(order)} DESC {'NULLS LAST' if 'FIRST' in way else 'NULLS FIRST'}"


def release_after(client: Client, name: str, owner: object) -> None:
    """Release a persisted table as soon as `owner` is garbage collected."""
    connection = client._connection
    weakref.finalize(owner, connection.release, name)
