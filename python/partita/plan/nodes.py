"""The nodes of expressions: frozen, each with its type.

Nodes are shared: two expressions that are written alike are the same object, so that ``is`` compares them, and a value that
is used several times is found by counting. :mod:`partita.plan.expr` has the functions that make them.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Union

import pyarrow as pa

from .dtype import DType, is_mixed, refuse_mixed, united_type
from .functions import Function, function
from .graph import in_postorder

__all__ = [
    "NULL",
    "Aggregate",
    "Call",
    "Case",
    "Cast",
    "Column",
    "Expr",
    "Frame",
    "Literal",
    "Operand",
    "PythonCall",
    "SortKey",
    "Subquery",
    "Trait",
    "Window",
    "literal",
    "postorder",
]


class Trait:
    """What an expression contains, as bits."""

    WINDOW = 1
    AGGREGATE = 2
    PYTHON = 4
    VOLATILE = 8
    SUBQUERY = 16


class SortKey(NamedTuple):
    """An expression by which rows are sorted."""

    expr: Expr
    is_descending: bool = False
    nulls_first: bool = False

    @property
    def reverse(self) -> SortKey:
        """The key of the reverse order."""
        return SortKey(self.expr, not self.is_descending, not self.nulls_first)

    @property
    def way(self) -> tuple[bool, bool]:
        """Whether the order is descending, and whether missing values come first."""
        return self.is_descending, self.nulls_first


class Frame(NamedTuple):
    """The rows of a window, relative to the current one: negative numbers precede it, None is unbounded."""

    first: int | None
    last: int | None


#: The nodes by what identifies them. Nodes in a key are represented by their numbers, which are valid as long as the node
#: that has them as inputs exists, so that the end of a long chain does not end its nodes recursively.
_nodes: weakref.WeakValueDictionary[Hashable, Expr] = weakref.WeakValueDictionary()
_lock = threading.Lock()
_volatile = itertools.count(1)
_set = object.__setattr__


class Expr:
    """An expression.

    Attributes
    ----------
    inputs : tuple of Expr
        The expressions that it uses.
    dtype : pyarrow.DataType or None
        Its type, if it is known without the cluster.
    traits : int
        Bits of :class:`Trait`, of itself and of its inputs.
    depth : int
        The longest path to a leaf, in nodes.
    """

    __slots__ = ("__weakref__", "depth", "dtype", "inputs", "traits")

    inputs: tuple[Expr, ...]
    dtype: DType
    traits: int
    depth: int

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: Any) -> Expr:
        # Expressions do not change.
        return self

    def __reduce__(self) -> Any:
        raise TypeError("internal error: expressions are not sent to other processes")

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same operation of other inputs."""
        raise NotImplementedError

    def __str__(self) -> str:
        from .text import render

        return render(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    # The operators of SQL, not those of pandas.

    def __add__(self, other: Operand) -> Expr:
        return Call(function("add"), [self, literal(other)])

    def __radd__(self, other: Operand) -> Expr:
        return Call(function("add"), [literal(other), self])

    def __sub__(self, other: Operand) -> Expr:
        return Call(function("subtract"), [self, literal(other)])

    def __rsub__(self, other: Operand) -> Expr:
        return Call(function("subtract"), [literal(other), self])

    def __mul__(self, other: Operand) -> Expr:
        return Call(function("multiply"), [self, literal(other)])

    def __rmul__(self, other: Operand) -> Expr:
        return Call(function("multiply"), [literal(other), self])

    def __truediv__(self, other: Operand) -> Expr:
        return Call(function("divide"), [self, literal(other)])

    def __mod__(self, other: Operand) -> Expr:
        return Call(function("remainder"), [self, literal(other)])

    def __neg__(self) -> Expr:
        return Call(function("negate"), [self])


#: A node, or a value that becomes a literal.
Operand = Union[Expr, bool, int, float, str, None]


def _shared(kind: type[Any], key: Hashable, make: Callable[[Any], None], inputs: tuple[Expr, ...] = ()) -> Any:
    """Return the node of a class with this key and these inputs. If it does not exist, `make` sets its attributes."""
    full = (kind, key, *map(id, inputs))
    found = _nodes.get(full)
    if found is not None:
        return found
    made = object.__new__(kind)
    _set(made, "inputs", inputs)
    traits, depth = 0, 0
    for one in inputs:
        traits |= one.traits
        depth = max(depth, one.depth)
    _set(made, "traits", traits)
    _set(made, "depth", depth + 1)
    make(made)
    with _lock:
        return _nodes.setdefault(full, made)


class Column(Expr):
    """A column of the relation.

    Examples
    --------
    >>> import pyarrow as pa
    >>> Column("a", pa.int64()) is Column("a", pa.int64())
    True
    """

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str, dtype: DType = None) -> Column:
        def make(node: Column) -> None:
            _set(node, "name", name)
            _set(node, "dtype", dtype)

        made: Column = _shared(cls, (name, dtype), make)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the column."""
        return self


class Literal(Expr):
    """A value. Times and durations are integers of the unit of their type."""

    __slots__ = ("value",)

    value: Any

    def __new__(cls, value: Any, dtype: pa.DataType) -> Literal:
        def make(node: Literal) -> None:
            _set(node, "value", value)
            _set(node, "dtype", dtype)

        # 1, 1.0 and True are equal, and so are the zeros.
        made: Literal = _shared(cls, (type(value), repr(value), dtype), make)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the value."""
        return self


class Subquery(Expr):
    """The value of a relation of one row and one column.

    Parameters
    ----------
    relation : Relation
        The relation.
    keep : object, optional
        What must exist as long as the node, such as the owner of a table that the relation reads.
    """

    __slots__ = ("keep", "relation")

    relation: Any
    keep: object

    def __new__(cls, relation: Any, keep: object = None) -> Subquery:
        (dtype,) = relation.schema.values()

        def make(node: Subquery) -> None:
            _set(node, "relation", relation)
            _set(node, "keep", keep)
            _set(node, "dtype", dtype)
            _set(node, "traits", Trait.SUBQUERY)

        made: Subquery = _shared(cls, (id(relation), dtype), make)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the value."""
        return self


class Call(Expr):
    """A call of a scalar function."""

    __slots__ = ("function",)

    function: Function

    def __new__(cls, function: Function, args: Sequence[Expr], dtype: DType = None) -> Call:
        inputs = tuple(args)
        function.check_count(len(inputs))
        found = function.result([one.dtype for one in inputs])
        kind = dtype if dtype is not None else found

        def make(node: Call) -> None:
            _set(node, "function", function)
            _set(node, "dtype", kind)
            if function.is_volatile:
                _set(node, "traits", node.traits | Trait.VOLATILE)

        # Each call of a volatile function has a value of its own.
        key = (function, kind, next(_volatile) if function.is_volatile else 0)
        made: Call = _shared(cls, key, make, inputs)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return a call with other arguments."""
        if self.function.is_volatile:
            return self
        same = all(a.dtype == b.dtype for a, b in zip(self.inputs, inputs))
        return Call(self.function, inputs, self.dtype if same else None)


class Cast(Expr):
    """A conversion of a value. A lenient one gives a missing value if it fails."""

    __slots__ = ("is_lenient",)

    is_lenient: bool

    def __new__(cls, value: Expr, dtype: pa.DataType, is_lenient: bool = False) -> Cast:
        if value.dtype != dtype:
            refuse_mixed([value.dtype], "convert")

        def make(node: Cast) -> None:
            _set(node, "dtype", dtype)
            _set(node, "is_lenient", is_lenient)

        made: Cast = _shared(cls, (dtype, is_lenient), make, (value,))
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the conversion of another value."""
        assert self.dtype is not None
        return Cast(inputs[0], self.dtype, self.is_lenient)


class Case(Expr):
    """The value of the first condition that is true, or the first value that an operand equals.

    The inputs are the operand, if any, the pairs of condition and value, and the value otherwise, if any.
    """

    __slots__ = ("has_operand", "has_otherwise")

    has_operand: bool
    has_otherwise: bool

    def __new__(cls, inputs: Sequence[Expr], has_operand: bool, has_otherwise: bool, dtype: DType = None) -> Case:
        end = len(inputs) - int(has_otherwise)
        values = [*inputs[int(has_operand) + 1 : end : 2], *inputs[end:]]
        kind = dtype if dtype is not None else united_type(one.dtype for one in values)
        if any(is_mixed(one.dtype) for one in values) and any(one.dtype != kind and one is not NULL for one in values):
            refuse_mixed([one.dtype for one in values], "insert values into")
        if has_operand:
            refuse_mixed([inputs[0].dtype], "compare")

        def make(node: Case) -> None:
            _set(node, "has_operand", has_operand)
            _set(node, "has_otherwise", has_otherwise)
            _set(node, "dtype", kind)

        made: Case = _shared(cls, (has_operand, has_otherwise, kind), make, tuple(inputs))
        return made

    @property
    def branches(self) -> list[tuple[Expr, Expr]]:
        """The pairs of condition, or value of the operand, and result."""
        pairs = self.inputs[int(self.has_operand) : len(self.inputs) - int(self.has_otherwise)]
        return list(zip(pairs[::2], pairs[1::2]))

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same form with other conditions and values."""
        return Case(inputs, self.has_operand, self.has_otherwise, self.dtype)


class Aggregate(Expr):
    """A reduction of the rows, or of the rows of a group.

    The inputs are the arguments, the sort keys, and the condition of the rows that count, if any.
    """

    __slots__ = ("count", "function", "has_condition", "is_distinct", "ways")

    function: Function
    count: int
    ways: tuple[tuple[bool, bool], ...]
    is_distinct: bool
    has_condition: bool

    def __new__(
        cls,
        function: Function,
        args: Sequence[Expr],
        order: Sequence[SortKey] = (),
        where: Expr | None = None,
        is_distinct: bool = False,
    ) -> Aggregate:
        inputs = (*args, *(key.expr for key in order), *([] if where is None else [where]))
        ways, count = tuple(key.way for key in order), len(args)
        refuse_mixed([key.expr.dtype for key in order], "sort by")
        if is_distinct:
            refuse_mixed([one.dtype for one in args], "find distinct values of")

        def make(node: Aggregate) -> None:
            function.check_count(count)
            _set(node, "function", function)
            _set(node, "count", count)
            _set(node, "ways", ways)
            _set(node, "is_distinct", is_distinct)
            _set(node, "has_condition", where is not None)
            _set(node, "dtype", function.result([one.dtype for one in args]))
            _set(node, "traits", node.traits | Trait.AGGREGATE)

        made: Aggregate = _shared(cls, (function, count, ways, is_distinct, where is not None), make, inputs)
        return made

    @property
    def args(self) -> tuple[Expr, ...]:
        """The arguments."""
        return self.inputs[: self.count]

    @property
    def order(self) -> list[SortKey]:
        """The order in which the rows are read."""
        return [SortKey(one, *way) for one, way in zip(self.inputs[self.count :], self.ways)]

    @property
    def where(self) -> Expr | None:
        """The condition of the rows that count."""
        return self.inputs[-1] if self.has_condition else None

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same reduction of other inputs."""
        end = self.count + len(self.ways)
        order = [SortKey(one, *way) for one, way in zip(inputs[self.count : end], self.ways)]
        where = inputs[-1] if self.has_condition else None
        return Aggregate(self.function, inputs[: self.count], order, where, self.is_distinct)


class Window(Expr):
    """A function of the rows around each row.

    The inputs are the arguments, the expressions whose values divide the rows, and the sort keys.
    """

    __slots__ = ("count", "divisions", "frame", "function", "skips_missing", "ways")

    function: Function
    count: int
    divisions: int
    ways: tuple[tuple[bool, bool], ...]
    frame: Frame | None
    skips_missing: bool

    def __new__(
        cls,
        function: Function,
        args: Sequence[Expr],
        partition: Sequence[Expr] = (),
        order: Sequence[SortKey] = (),
        frame: Frame | None = None,
        skips_missing: bool = False,
    ) -> Window:
        inputs = (*args, *partition, *(key.expr for key in order))
        count, divisions, ways = len(args), len(partition), tuple(key.way for key in order)
        refuse_mixed([one.dtype for one in partition], "group by")
        refuse_mixed([key.expr.dtype for key in order], "sort by")

        def make(node: Window) -> None:
            function.check_count(count)
            _set(node, "function", function)
            _set(node, "count", count)
            _set(node, "divisions", divisions)
            _set(node, "ways", ways)
            _set(node, "frame", frame)
            _set(node, "skips_missing", skips_missing)
            _set(node, "dtype", function.result([one.dtype for one in args]))
            _set(node, "traits", node.traits | Trait.WINDOW)

        made: Window = _shared(cls, (function, count, divisions, ways, frame, skips_missing), make, inputs)
        return made

    @property
    def args(self) -> tuple[Expr, ...]:
        """The arguments."""
        return self.inputs[: self.count]

    @property
    def partition(self) -> tuple[Expr, ...]:
        """The expressions whose values divide the rows."""
        return self.inputs[self.count : self.count + self.divisions]

    @property
    def order(self) -> list[SortKey]:
        """The order of the rows."""
        return [SortKey(one, *way) for one, way in zip(self.inputs[self.count + self.divisions :], self.ways)]

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same window function of other inputs."""
        split = self.count + self.divisions
        order = [SortKey(one, *way) for one, way in zip(inputs[split:], self.ways)]
        partition = inputs[self.count : split]
        return Window(self.function, inputs[: self.count], partition, order, self.frame, self.skips_missing)


class PythonCall(Expr):
    """A column of the results of a Python function of the rows, which workers call before the rows are read.

    Attributes
    ----------
    function : object
        The function. Its columns are those of the relation that its results are added to.
    name : str
        The name of the column.
    """

    __slots__ = ("function", "name")

    function: Any
    name: str

    def __new__(cls, function: Any, name: str, args: Sequence[Expr], dtype: DType = None) -> PythonCall:
        def make(node: PythonCall) -> None:
            _set(node, "function", function)
            _set(node, "name", name)
            _set(node, "dtype", dtype)
            _set(node, "traits", node.traits | Trait.PYTHON)

        made: PythonCall = _shared(cls, (id(function), name, dtype), make, tuple(args))
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same column."""
        return PythonCall(self.function, self.name, inputs, self.dtype)


def literal(value: Operand) -> Expr:
    """Return a value as a node; a node as it is.

    Examples
    --------
    >>> literal(2).dtype, literal(None).dtype
    (DataType(int64), DataType(null))
    """
    if isinstance(value, Expr):
        return value
    if value is None:
        return NULL
    if isinstance(value, bool):
        return Literal(value, pa.bool_())
    if isinstance(value, int):
        return Literal(value, pa.int64())
    if isinstance(value, float):
        return Literal(value, pa.float64())
    if isinstance(value, str):
        return Literal(value, pa.string())
    raise TypeError(f"internal error: {type(value).__name__} is not a value of an expression")


#: The missing value without a type.
NULL = Literal(None, pa.null())


def postorder(roots: Iterable[Expr], stop: Callable[[Expr], bool] | None = None) -> Iterator[Expr]:
    """Return each distinct node once, after its inputs.

    Parameters
    ----------
    roots : iterable of Expr
        The expressions.
    stop : callable, optional
        Whether the inputs of a node are left out.
    """
    return in_postorder(roots, lambda node: () if stop is not None and stop(node) else node.inputs)
