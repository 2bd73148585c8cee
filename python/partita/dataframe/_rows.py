"""What a plan's expressions are about: the rows of a relation.

Expressions over the same rows can be put together; that is how columns of one frame are added up without a join. A
window function cannot stand inside another one, so what it gives becomes a column of its own, in a layer over the rows
that leaves them what they are.
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

__all__ = ["Rows", "direction", "inlined", "persisted_name", "term", "turned"]

_numbers = itertools.count(1)
#: The columns of layers, where expressions name them.
_LAYER = re.compile(r'"(__w[0-9]+)"')
#: Texts, and names in quotes.
_WORD = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
#: Characters of an expression that is repeated wherever it is used. Without a limit a chain of operations that use
#: a value twice would double with each.
EXPRESSION_CHARACTERS_MAX = 500
#: What a planner has several times: a value of CASE and of coalesce.
_CONDITION = re.compile(r"\b(?:CASE|coalesce)\b")
#: Conditions of an expression that stays one.
CONDITIONS_MAX = 2


def persisted_name() -> str:
    """A name for a table that no one else uses in this session."""
    return f"__persisted_{next(_numbers)}"


class _Identity:
    """Stands for one set of rows."""


class Rows:
    """The rows of a relation, in SQL.

    Parameters
    ----------
    client : Client
        Where they are.
    root : str
        What stands after ``FROM``.
    order : tuple of str
        Expressions by which the rows are in order, the first first; empty if they are in none.
    physical : bool
        Whether they come in that order without being sorted.
    partitions : int, optional
        How many there are, where that is known.
    persisted : str, optional
        The name of the persisted table whose rows, all of them and in its order, these are.
    divisions : tuple, optional
        The first label of the index in each partition and the last one of all, where they are known.
    """

    #: Set only where the rows are made: what is derived has other rows, columns or another order.
    persisted: str | None = None
    divisions: tuple[Any, ...] | None = None
    #: Of rows of files: the same relation over the last file only, whose rows come in the order of the file.
    last: str | None = None
    #: Of rows that are others which a condition leaves: those, the conditions, and what its columns are in them.
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
        self.identity = identity or _Identity()
        self._keep = keep
        self._schema: pa.Schema | None = None
        self._types: dict[str, pa.DataType] = {}

    def but(self, **changes: Any) -> Rows:
        """The same rows with some of what they are made of changed: their order, their layers, who asks for them."""
        made = Rows(self.client, self.root, self.order, False, self.partitions, self.layers, self.identity, self._keep)
        made.last = self.last
        for name, value in changes.items():
            setattr(made, name, value)
        if made.layers == self.layers:
            # The columns are the same.
            made._schema, made._types = self._schema, self._types
        return made

    def values(self, expressions: list[str]) -> pa.Table:
        """One row with the values of reductions."""
        select = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(expressions))
        found: pa.Table = self.client._connection.query(f"SELECT {select} FROM {self.under(select)}")
        return found

    def explain(self, query: str) -> str:
        """How the cluster would run a query over them, a line for each operator."""
        table = self.client._connection.query(f"EXPLAIN {query}")
        texts = [column.to_pylist() for column in table.columns]
        return "\n".join("\n".join(str(cell) for cell in row) for row in zip(*texts))

    @property
    def sql(self) -> str:
        """The relation with all columns of its layers, as it stands after ``FROM``."""
        return self._nested([quote(name) for _, name, _ in self.layers])

    def under(self, *expressions: str) -> str:
        """The relation for a query that has only these expressions, as it stands after ``FROM``.

        It has no column of a layer that they do not need: a chain of operations leaves one with each, and a planner
        goes through all columns of all layers.
        """
        return self._nested(expressions)

    def _nested(self, expressions: Sequence[str]) -> str:
        """The relation. Layers that do not need each other are put side by side: what nests takes long to plan."""
        if not self.layers:
            return self.root
        last: dict[str, int] = {}
        levels = self._levels({name for one in expressions for name in _LAYER.findall(one)}, last)
        text = self.root
        for at, level in enumerate(levels):
            columns = ", ".join(f"{expression} AS {quote(name)}" for name, expression in level)
            gone = ", ".join(quote(name) for name, until in last.items() if until == at)
            text = f"(SELECT *{f' EXCEPT ({gone})' if gone else ''}, {columns} FROM {text})"
        return text

    def _levels(self, wanted: set[str], last: dict[str, int]) -> list[list[tuple[str, str]]]:
        """The layers that are needed, in levels of which each needs only those before.

        Parameters
        ----------
        last : dict
            Is given the last level that needs each layer which is not wanted itself.
        """
        used = {name: set(_LAYER.findall(expression)) for _, name, expression in self.layers}
        needed = set(wanted)
        for _, name, _ in reversed(self.layers):
            if name in needed:
                needed |= used[name]
        depths: dict[str, int] = {}
        levels: list[list[tuple[str, str]]] = []
        for _, name, expression in self.layers:
            if name not in needed:
                continue
            depth = max((depths.get(one, 0) for one in used[name]), default=0)
            depths[name] = depth + 1
            if depth == len(levels):
                levels.append([])
            levels[depth].append((name, expression))
            for one in used[name] - wanted:
                last[one] = max(last.get(one, 0), depth)
        return levels

    def add(self, expression: str) -> tuple[Rows, str]:
        """The same rows with a column that a window gives, and its name in SQL.

        Rows do not come in their order from it.
        """
        return self._added(expression, False)

    def short(self, expression: str) -> tuple[Rows, str]:
        """The same rows and an expression; one that is long becomes a column of a layer, and is then a name.

        So does one in which conditions have others in them: each has its values twice or more.
        """
        if len(expression) <= EXPRESSION_CHARACTERS_MAX and len(_CONDITION.findall(expression)) <= CONDITIONS_MAX:
            return self, expression
        return self._added(expression, self.physical)

    def _added(self, expression: str, physical: bool) -> tuple[Rows, str]:
        number = next(_numbers)
        name = f"__w{number}"
        layers = (*self.layers, (number, name, expression))
        return self.but(layers=layers, physical=physical), quote(name)

    def both(self, other: Rows) -> Rows:
        """The same rows with the columns of both.

        Raises
        ------
        NotImplementedError
            If they are not the same rows.
        """
        if self is other or (self.layers == other.layers and self.identity is other.identity):
            return self
        if self.identity is not other.identity:
            raise NotImplementedError(
                "these columns are of different rows, which would have to be matched by their index: use merge or join"
            )
        layers = tuple(sorted(set(self.layers) | set(other.layers)))
        return self.but(layers=layers, physical=self.physical and other.physical)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the relation."""
        if self._schema is None:
            self._schema = self.client._connection.schema(f"SELECT * FROM {self.sql}")
            # Whoever asks for the type of a column next need not ask the cluster.
            self._types.update({quote(field.name): field.type for field in self._schema})
        return self._schema

    def type(self, expression: str) -> pa.DataType:
        """The type of an expression over the rows."""
        if expression not in self._types:
            self.types([expression])
        return self._types[expression]

    def types(self, expressions: list[str]) -> list[pa.DataType]:
        """The types of expressions, asked at once."""
        unknown = [one for one in dict.fromkeys(expressions) if one not in self._types]
        if unknown:
            select = ", ".join(f"{one} AS c{at}" for at, one in enumerate(unknown))
            found = self.client._connection.schema(f"SELECT {select} FROM {self.under(select)}")
            self._types.update(zip(unknown, found.types))
        return [self._types[one] for one in expressions]

    def over(self, frame: str = "", partition: str = "", backwards: bool = False) -> str:
        """The ``OVER`` of a window that goes through the rows in their order, or from the last to the first.

        Raises
        ------
        NotImplementedError
            If they are in no order.
        """
        if not self.order:
            raise NotImplementedError(
                "these rows are in no order, as those of files are: sort_values or set_index first"
            )
        by = f"PARTITION BY {partition} " if partition else ""
        order = [turned(sql) for sql in self.order] if backwards else self.order
        return f"OVER ({by}ORDER BY {', '.join(order)}{' ' + frame if frame else ''})"


_ENDINGS = (" ASC NULLS LAST", " DESC NULLS LAST", " ASC NULLS FIRST", " DESC NULLS FIRST")


def inlined(expression: str, names: dict[str, str]) -> str:
    """An expression with others in the place of the columns that it names."""
    if not names:
        return expression
    return _WORD.sub(lambda found: names.get(found[0], found[0]), expression)


def term(order: str) -> str:
    """An expression of an order without its direction."""
    for ending in _ENDINGS:
        if order.endswith(ending):
            return order[: -len(ending)]
    return order


def direction(order: str) -> str:
    """The direction of an expression of an order."""
    return order[len(term(order)) :]


def turned(order: str) -> str:
    """An order the other way round."""
    way = direction(order)
    if " DESC" in way:
        return f"{term(order)} ASC {'NULLS FIRST' if 'LAST' in way else 'NULLS LAST'}"
    return f"{term(order)} DESC {'NULLS LAST' if 'FIRST' in way else 'NULLS FIRST'}"


def drop_later(client: Client, name: str, owner: object) -> None:
    """Drops a persisted table when nothing reads it any more."""
    connection = client._connection
    weakref.finalize(owner, connection.forget, name)
