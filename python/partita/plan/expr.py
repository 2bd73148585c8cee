"""Expressions over the rows of a relation: frozen nodes, each with its type.

Nodes are shared: two expressions that are written alike are the same object, so that ``is`` compares them, and a value that
is used several times is found by counting. They are made by the functions of this module, such as :func:`call` and
:func:`case`, and by Python's arithmetic operators, which stand for the operators of SQL.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Union

import pyarrow as pa

from .dtype import DType
from .functions import Function, Kind, function

__all__ = [
    "NULL",
    "SO_FAR",
    "WHOLE",
    "Aggregate",
    "Call",
    "Case",
    "Cast",
    "Column",
    "Expr",
    "Frame",
    "Literal",
    "PythonCall",
    "SortKey",
    "Text",
    "Trait",
    "Window",
    "aggregate",
    "as_expr",
    "call",
    "case",
    "cast",
    "comparison",
    "conjunction",
    "disjunction",
    "interval",
    "is_null",
    "literal",
    "negation",
    "not_null",
    "postorder",
    "window",
]


class Trait:
    """What an expression contains, as bits."""

    WINDOW = 1
    AGGREGATE = 2
    PYTHON = 4
    TEXT = 8
    VOLATILE = 16


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


#: All rows up to the current one.
SO_FAR = Frame(None, 0)
#: All rows.
WHOLE = Frame(None, None)

#: The nodes by what identifies them. Nodes in a key are represented by their numbers, which are valid as long as the node
#: that has them as inputs exists, so that the end of a long chain does not end its nodes recursively.
_nodes: weakref.WeakValueDictionary[Hashable, Expr] = weakref.WeakValueDictionary()
_lock = threading.Lock()
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

    def __reduce__(self) -> Any:
        raise TypeError("internal error: expressions are not sent to other processes")

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the same operation of other inputs."""
        raise NotImplementedError

    def __str__(self) -> str:
        from .sql import render

        return render(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    # The operators of SQL, not those of pandas.

    def __add__(self, other: Operand) -> Expr:
        return call("add", self, literal(other))

    def __radd__(self, other: Operand) -> Expr:
        return call("add", literal(other), self)

    def __sub__(self, other: Operand) -> Expr:
        return call("subtract", self, literal(other))

    def __rsub__(self, other: Operand) -> Expr:
        return call("subtract", literal(other), self)

    def __mul__(self, other: Operand) -> Expr:
        return call("multiply", self, literal(other))

    def __rmul__(self, other: Operand) -> Expr:
        return call("multiply", literal(other), self)

    def __truediv__(self, other: Operand) -> Expr:
        return call("divide", self, literal(other))

    def __mod__(self, other: Operand) -> Expr:
        return call("remainder", self, literal(other))

    def __neg__(self) -> Expr:
        return call("negate", self)


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


class Text(Expr):
    """SQL that is not represented by nodes. It may use any column of the relation."""

    __slots__ = ("sql",)

    sql: str

    def __new__(cls, sql: str, dtype: DType = None) -> Text:
        def make(node: Text) -> None:
            _set(node, "sql", sql)
            _set(node, "dtype", dtype)
            _set(node, "traits", Trait.TEXT)

        made: Text = _shared(cls, (sql, dtype), make)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return the text."""
        return self


class Call(Expr):
    """A call of a scalar function."""

    __slots__ = ("function",)

    function: Function

    def __new__(cls, function: Function, args: Sequence[Expr], dtype: DType = None) -> Call:
        inputs = tuple(args)
        function.check_count(len(inputs))
        kind = dtype if dtype is not None else function.result([one.dtype for one in inputs])

        def make(node: Call) -> None:
            _set(node, "function", function)
            _set(node, "dtype", kind)
            if function.is_volatile:
                _set(node, "traits", node.traits | Trait.VOLATILE)

        made: Call = _shared(cls, (function, kind), make, inputs)
        return made

    def with_inputs(self, inputs: Sequence[Expr]) -> Expr:
        """Return a call with other arguments."""
        same = all(a.dtype == b.dtype for a, b in zip(self.inputs, inputs))
        return Call(self.function, inputs, self.dtype if same else None)


class Cast(Expr):
    """A conversion of a value. A lenient one gives a missing value if it fails."""

    __slots__ = ("is_lenient",)

    is_lenient: bool

    def __new__(cls, value: Expr, dtype: pa.DataType, is_lenient: bool = False) -> Cast:
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
        kind = dtype if dtype is not None else _common_type(values)

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


def _common_type(values: Sequence[Expr]) -> DType:
    """Return the type that all values have, apart from those that are always missing."""
    found = {one.dtype for one in values if one.dtype is None or not pa.types.is_null(one.dtype)}
    return found.pop() if len(found) == 1 else None


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


# Making of nodes.


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


def as_expr(value: Expr | str, dtype: DType = None) -> Expr:
    """Return SQL text as a node; a node as it is."""
    return value if isinstance(value, Expr) else Text(value, dtype)


def call(name: str, *args: Operand, dtype: DType = None) -> Expr:
    """Return a call of a scalar function.

    Parameters
    ----------
    name : str
        Name of the function in the table of functions.
    *args : Expr or value
        The arguments.
    dtype : pyarrow.DataType, optional
        The type of the result, where it does not follow from those of the arguments.

    Examples
    --------
    >>> import pyarrow as pa
    >>> print(call("upper", Column("a", pa.large_string())))
    upper("a")
    """
    return Call(function(name), [literal(one) for one in args], dtype)


def cast(value: Operand, dtype: pa.DataType, is_lenient: bool = False) -> Expr:
    """Return the conversion of a value, or the value if it has the type."""
    made = literal(value)
    return made if made.dtype == dtype else Cast(made, dtype, is_lenient)


def case(
    branches: Iterable[tuple[Operand, Operand]],
    otherwise: Operand = None,
    operand: Expr | None = None,
    dtype: DType = None,
) -> Expr:
    """Return the value of the first condition that is true.

    Parameters
    ----------
    branches : iterable of tuple
        Pairs of condition and value; with an operand, of a value that it may equal and the result.
    otherwise : Expr or value
        The result if no condition is true.
    operand : Expr, optional
        The value that is compared.
    dtype : pyarrow.DataType, optional
        The type of the result, where it does not follow from those of the values.

    Examples
    --------
    >>> a = Column("a")
    >>> print(case([(comparison("lt", a, 0), 0)], a))
    CASE WHEN ("a" < 0) THEN 0 ELSE "a" END
    """
    pairs = [literal(one) for pair in branches for one in pair]
    if not pairs:
        return literal(otherwise)
    first = [] if operand is None else [operand]
    last = [] if otherwise is None or otherwise is NULL else [literal(otherwise)]
    return Case([*first, *pairs, *last], bool(first), bool(last), dtype)


def interval(length: str) -> Expr:
    """Return a length of time in units of the calendar, such as ``"1 month"``, which is added to times.

    Examples
    --------
    >>> print(interval("1 month"))
    INTERVAL '1 month'
    """
    return Literal(length, pa.month_day_nano_interval())


def comparison(name: str, left: Operand, right: Operand) -> Expr:
    """Return a comparison of SQL, such as ``"eq"`` and ``"lt"``, which is missing where an operand is missing."""
    return call(name, left, right)


def _joined(name: str, conditions: Iterable[Expr], empty: bool) -> Expr:
    parts: list[Expr] = []
    for one in conditions:
        # A nested form of the same operator becomes one flat form.
        parts.extend(one.inputs if isinstance(one, Call) and one.function.name == name else [one])
    if not parts:
        return literal(empty)
    return parts[0] if len(parts) == 1 else call(name, *parts)


def conjunction(*conditions: Expr) -> Expr:
    """Return whether all conditions are true; true for none."""
    return _joined("and", conditions, True)


def disjunction(*conditions: Expr) -> Expr:
    """Return whether one condition is true; false for none."""
    return _joined("or", conditions, False)


def negation(condition: Expr) -> Expr:
    """Return the opposite of a condition.

    Examples
    --------
    >>> print(negation(is_null(Column("a"))))
    ("a" IS NOT NULL)
    """
    if isinstance(condition, Call):
        opposite = {"is_null": "is_not_null", "is_not_null": "is_null"}.get(condition.function.name)
        if opposite is not None:
            return call(opposite, *condition.inputs)
        if condition.function.name == "not":
            return condition.inputs[0]
    return call("not", condition)


def is_null(value: Expr) -> Expr:
    """Return whether a value is missing."""
    return call("is_null", value)


def not_null(value: Expr) -> Expr:
    """Return whether a value is not missing."""
    return call("is_not_null", value)


def aggregate(
    name: str,
    *args: Operand,
    order: Sequence[SortKey] = (),
    where: Expr | None = None,
    is_distinct: bool = False,
) -> Expr:
    """Return a reduction of the rows.

    Examples
    --------
    >>> print(aggregate("count", Column("a"), is_distinct=True))
    count(DISTINCT "a")
    """
    return Aggregate(function(name), [literal(one) for one in args], order, where, is_distinct)


def window(
    name: str,
    *args: Operand,
    partition: Sequence[Expr] = (),
    order: Sequence[SortKey] = (),
    frame: Frame | None = None,
    skips_missing: bool = False,
) -> Expr:
    """Return a window function.

    Examples
    --------
    >>> print(window("lag", Column("a"), 2, order=[SortKey(Column("b"))]))
    lag("a", 2) OVER (ORDER BY "b" ASC NULLS LAST)
    """
    made = function(name)
    if made.kind is Kind.SCALAR:
        raise TypeError(f"internal error: {name} is a scalar function")
    return Window(made, [literal(one) for one in args], partition, order, frame, skips_missing)


def postorder(roots: Iterable[Expr], stop: Callable[[Expr], bool] | None = None) -> Iterator[Expr]:
    """Return each distinct node once, after its inputs.

    Parameters
    ----------
    roots : iterable of Expr
        The expressions.
    stop : callable, optional
        Whether the inputs of a node are left out.
    """
    seen: set[Expr] = set()
    for root in roots:
        stack: list[tuple[Expr, bool]] = [(root, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                yield node
                continue
            if node in seen:
                continue
            seen.add(node)
            stack.append((node, True))
            if stop is None or not stop(node):
                stack.extend((one, False) for one in reversed(node.inputs) if one not in seen)
