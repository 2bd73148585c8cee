"""The functions that expressions call: signature, type of the result, missing values, and how SQL writes them.

A function that is not in this table cannot be called. To add one, add a line.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import pyarrow as pa

from .dtype import DType, common_number, is_plain_text, is_real, is_whole, refuse_mixed, united_type, value_type

__all__ = ["FUNCTIONS", "Form", "Function", "Kind", "Missing", "function"]


class Kind(enum.Enum):
    """Over which rows a function computes one value."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"
    WINDOW = "window"


class Missing(enum.Enum):
    """What a function returns for missing values."""

    #: A missing value, if any argument is missing.
    STRICT = "strict"
    #: A value of its own, which is never missing.
    NEVER = "never"
    #: It depends: missing values are ignored, replaced, or also results.
    OWN = "own"


class Form(enum.Enum):
    """How SQL writes a function."""

    CALL = "name(a, b)"
    INFIX = "(a name b name c)"
    PREFIX = "(name a)"
    POSTFIX = "(a name)"
    INDEX = "a[b]"
    AMONG = "(a IN (b, c))"
    STAR = "name(*)"
    #: The value comes after the parameter: ``name(b) WITHIN GROUP (ORDER BY a)``.
    WITHIN = "name(b) WITHIN GROUP (ORDER BY a)"


#: Takes the types of the arguments, of which some may be unknown, and returns the type of the result, if known.
Rule = Callable[[Sequence[DType]], DType]


class Function:
    """A function.

    Attributes
    ----------
    name : str
        Its name in expressions, which identifies it.
    kind : Kind
        Whether it is a scalar function, an aggregate, which may be a window function too, or only a window function.
    least, most : int, int or None
        The number of arguments.
    missing : Missing
        What it returns for missing values.
    form : Form
        How SQL writes it.
    symbol : str
        Its name or operator in SQL.
    copies : bool
        Whether the planner of the cluster copies its arguments, so that calls within calls cost exponential time.
    is_volatile : bool
        Whether each call returns another value.
    """

    __slots__ = ("_rule", "copies", "form", "is_volatile", "kind", "least", "missing", "most", "name", "symbol")

    def __init__(
        self,
        name: str,
        rule: Rule,
        arity: tuple[int, int | None],
        kind: Kind = Kind.SCALAR,
        missing: Missing = Missing.STRICT,
        form: Form = Form.CALL,
        symbol: str = "",
        copies: bool = False,
        is_volatile: bool = False,
    ) -> None:
        self.name = name
        self._rule = rule
        self.least, self.most = arity
        self.kind = kind
        self.missing = missing
        self.form = form
        self.symbol = symbol or name
        self.copies = copies
        self.is_volatile = is_volatile

    def __repr__(self) -> str:
        return f"<Function {self.name}>"

    @property
    def wire_name(self) -> str:
        """The name in messages: that of the cluster's function, or its own for what SQL writes in another form."""
        return self.symbol if self.form in (Form.CALL, Form.WITHIN) else self.name

    def check_count(self, count: int) -> None:
        """Raise an error unless the function takes this number of arguments."""
        if count < self.least or (self.most is not None and count > self.most):
            most = "more" if self.most is None else self.most
            raise TypeError(f"internal error: {self.name} takes {self.least} to {most} arguments, not {count}")

    def result(self, kinds: Sequence[DType]) -> DType:
        """Return the type of the result for arguments of these types, or None if only the cluster knows it.

        Raises
        ------
        TypeError
            If an argument has values of several types, and the function is not one that takes any values.
        """
        if self.name not in _OF_ANY_VALUES:
            refuse_mixed(kinds, f"apply {self.name} to")
        return self._rule(kinds)


#: The functions that take columns with values of several types: they do not compare, convert or compute values.
_OF_ANY_VALUES = frozenset(
    (
        *("is_null", "is_not_null", "coalesce", "fill_null", "element", "named_struct"),
        *("count", "first_value", "last_value", "lag", "lead"),
    )
)


FUNCTIONS: dict[str, Function] = {}


def function(name: str) -> Function:
    """Return the function of a name.

    Raises
    ------
    KeyError
        If it is not in the table.

    Examples
    --------
    >>> import pyarrow as pa
    >>> function("sqrt").result([pa.int32()])
    DataType(double)
    """
    found = FUNCTIONS.get(name)
    if found is None:
        raise KeyError(f"internal error: the table of functions has no {name!r}")
    return found


# Rules for types.


def _always(kind: pa.DataType) -> Rule:
    return lambda kinds: kind


def _first(kinds: Sequence[DType]) -> DType:
    return kinds[0]


def _unknown(kinds: Sequence[DType]) -> DType:
    return None


def _arithmetic(kinds: Sequence[DType]) -> DType:
    """Return the type of an operator of the cluster, for numbers that it does not convert in a way of its own."""
    if any(kind is None or pa.types.is_null(kind) for kind in kinds):
        return None
    a, b = kinds[0], kinds[-1]
    assert a is not None and b is not None
    if pa.types.is_interval(b):
        # Times stay times of their unit.
        return a if pa.types.is_timestamp(a) else None
    is_plain = all(pa.types.is_signed_integer(kind) or kind in _REAL for kind in (a, b))
    return common_number(a, b) if is_plain and (a == b or is_whole(a) == is_whole(b) or _DOUBLE in (a, b)) else None


_DOUBLE = pa.float64()
_REAL = (pa.float32(), _DOUBLE)


def _subtracted(kinds: Sequence[DType]) -> DType:
    """Return the type of a difference: that of two times is a duration of the finer unit."""
    a, b = kinds
    if a is not None and b is not None and pa.types.is_timestamp(a) and pa.types.is_timestamp(b):
        units = ("s", "ms", "us", "ns")
        return pa.duration(max(a.unit, b.unit, key=units.index))
    return _arithmetic(kinds)


def _text(kinds: Sequence[DType]) -> DType:
    """Return the type of a string function that keeps the type of its strings."""
    return kinds[0] if kinds[0] is not None and is_plain_text(kinds[0]) else None


def _owned_text(kinds: Sequence[DType]) -> DType:
    """Return the type of a string function whose results are not views."""
    return pa.string() if kinds[0] == pa.string_view() else _text(kinds)


def _viewed_text(kinds: Sequence[DType]) -> DType:
    """Return the type of a function of regular expressions, whose pattern is a literal."""
    kind = _text(kinds)
    if kind is None or kinds[1] != pa.string():
        return None
    return kind if pa.types.is_string(kind) else pa.string_view()


def _list_of(rule: Rule) -> Rule:
    def result(kinds: Sequence[DType]) -> DType:
        kind = rule(kinds)
        return None if kind is None or pa.types.is_null(kind) else pa.list_(kind)

    return result


def _position(kinds: Sequence[DType]) -> DType:
    """Return the type of a number of characters."""
    kind = _text(kinds)
    return None if kind is None else pa.int64() if pa.types.is_large_string(kind) else pa.int32()


def _joined(kinds: Sequence[DType]) -> DType:
    """Return the type of concatenated strings."""
    if any(kind is None or not is_plain_text(kind) for kind in kinds):
        return None
    found = {kind for kind in kinds if kind != pa.string()}
    return found.pop() if len(found) == 1 else None if found else pa.string()


def _real(kinds: Sequence[DType]) -> DType:
    """Return the type of a function of real numbers."""
    if any(kind is None or not (is_whole(kind) or is_real(kind)) for kind in kinds):
        return None
    return kinds[0] if all(kind == pa.float32() for kind in kinds) else _DOUBLE


def _double(kinds: Sequence[DType]) -> DType:
    """Return the type of a function that computes with float64."""
    return None if _real(kinds) is None else _DOUBLE


def _same_number(kinds: Sequence[DType]) -> DType:
    """Return the type of a function of integers and floating-point numbers that keeps their type."""
    return kinds[0] if _real(kinds) is not None else None


def _sum(kinds: Sequence[DType]) -> DType:
    kind = kinds[0]
    if kind is None or pa.types.is_duration(kind):
        return kind
    if pa.types.is_signed_integer(kind):
        return pa.int64()
    if pa.types.is_unsigned_integer(kind):
        return pa.uint64()
    return _DOUBLE if is_real(kind) else None


def _product(kinds: Sequence[DType]) -> DType:
    return kinds[0] if kinds[0] in (pa.int64(), pa.uint64(), _DOUBLE) else None


def _own_real(kinds: Sequence[DType]) -> DType:
    """Return the type of a function that converts integers to float64 and keeps other numbers."""
    kind = kinds[0]
    return kind if kind is None or is_real(kind) else _double(kinds)


def _extreme(kinds: Sequence[DType]) -> DType:
    """Return the type of the smallest or largest value: a dictionary gives a plain value."""
    kind = kinds[0]
    return None if kind is None else value_type(kind)


def _bits(kinds: Sequence[DType]) -> DType:
    a, b = kinds
    return a if a == b and a is not None and pa.types.is_integer(a) else None


def _element(kinds: Sequence[DType]) -> DType:
    kind = kinds[0]
    is_list = kind is not None and (pa.types.is_list(kind) or pa.types.is_large_list(kind))
    return kind.value_type if kind is not None and is_list else None


def _timestamp(kind: DType) -> DType:
    return kind if kind is not None and pa.types.is_timestamp(kind) else None


def _local(kind: DType) -> DType:
    return pa.timestamp(kind.unit) if kind is not None and pa.types.is_timestamp(kind) else None


_BOOLEAN, _WHOLE = _always(pa.bool_()), _always(pa.int64())


# The table.


def _add(*made: Function) -> None:
    for one in made:
        FUNCTIONS[one.name] = one


def _infix(name: str, symbol: str, rule: Rule, most: int | None = 2, missing: Missing = Missing.STRICT) -> Function:
    return Function(name, rule, (2 if most == 2 else 1, most), missing=missing, form=Form.INFIX, symbol=symbol)


def _aggregate(name: str, rule: Rule, count: int = 1, symbol: str = "", form: Form = Form.CALL) -> Function:
    return Function(name, rule, (count, count), Kind.AGGREGATE, Missing.OWN, form, symbol)


def _window(name: str, rule: Rule, least: int, most: int) -> Function:
    return Function(name, rule, (least, most), Kind.WINDOW, Missing.OWN)


# Operators. These are the cluster's: integers wrap around, a division of integers truncates and fails for zero.
_add(
    _infix("add", "+", _arithmetic),
    _infix("subtract", "-", _subtracted),
    _infix("multiply", "*", _arithmetic),
    _infix("divide", "/", _arithmetic),
    _infix("remainder", "%", _arithmetic),
    _infix("concatenate", "||", _joined, None),
    _infix("bit_and", "&", _bits),
    _infix("bit_or", "|", _bits),
    _infix("bit_xor", "^", _bits),
    Function("negate", _first, (1, 1), form=Form.PREFIX, symbol="-"),
)
# Comparisons and conditions, with SQL's logic of three values.
_add(
    *(
        _infix(name, symbol, _BOOLEAN)
        for name, symbol in (("eq", "="), ("ne", "<>"), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="))
    ),
    _infix("same", "IS NOT DISTINCT FROM", _BOOLEAN, missing=Missing.NEVER),
    _infix("and", "AND", _BOOLEAN, None, Missing.OWN),
    _infix("or", "OR", _BOOLEAN, None, Missing.OWN),
    Function("not", _BOOLEAN, (1, 1), form=Form.PREFIX, symbol="NOT"),
    Function("is_null", _BOOLEAN, (1, 1), missing=Missing.NEVER, form=Form.POSTFIX, symbol="IS NULL"),
    Function("is_not_null", _BOOLEAN, (1, 1), missing=Missing.NEVER, form=Form.POSTFIX, symbol="IS NOT NULL"),
    Function("among", _BOOLEAN, (2, None), form=Form.AMONG, symbol="IN"),
)
# Missing values. The cluster plans all of them but `fill_null` as conditions.
_add(
    Function("coalesce", united_type, (1, None), missing=Missing.OWN, copies=True),
    Function("nullif", united_type, (2, 2), missing=Missing.OWN, copies=True),
    Function("fill_null", united_type, (2, 2), missing=Missing.OWN),
    Function("nan_as_null", _own_real, (1, 1), missing=Missing.OWN),
)
# Arithmetic with the meaning of pandas, NumPy and Arrow: both operands have the type of the result.
_add(
    *(
        Function(f"{style}_{name}", _same_number, (2, 2), missing=Missing.OWN)
        for style, names in (
            ("pandas", ("truediv", "floordiv", "mod")),
            ("numpy", ("floordiv", "mod", "pow")),
            ("arrow", ("add", "sub", "mul", "floordiv", "mod", "pow")),
        )
        for name in names
    )
)
# Functions of numbers.
_add(
    *(
        Function(name, _real, (1, 1))
        for name in (
            *("sqrt", "cbrt", "exp", "ln", "log2", "log10", "degrees", "radians", "floor", "ceil", "trunc", "signum"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        )
    ),
    Function("round", _same_number, (1, 1)),
    Function("power", _double, (2, 2)),
    Function("atan2", _real, (2, 2)),
    Function("abs", _first, (1, 1)),
    Function("greatest", united_type, (1, None), missing=Missing.OWN),
    Function("least", united_type, (1, None), missing=Missing.OWN),
    Function("random", _always(_DOUBLE), (0, 0), missing=Missing.NEVER, is_volatile=True),
)
# Functions of strings and lists.
_add(
    *(Function(name, _text, (1, 1)) for name in ("upper", "lower", "initcap")),
    *(Function(name, _text, (1, 2)) for name in ("btrim", "ltrim", "rtrim")),
    *(Function(name, _text, (2, 3)) for name in ("substr", "right", "repeat")),
    *(Function(name, _owned_text, (2, 3)) for name in ("lpad", "rpad")),
    Function("replace", _owned_text, (3, 3)),
    Function("regexp_replace", _viewed_text, (3, 4)),
    Function("regexp_match", _list_of(_viewed_text), (2, 3)),
    Function("regexp_like", _BOOLEAN, (2, 3)),
    Function("regexp_count", _WHOLE, (2, 2)),
    Function("starts_with", _BOOLEAN, (2, 2)),
    Function("ends_with", _BOOLEAN, (2, 2)),
    Function("strpos", _position, (2, 2)),
    Function("character_length", _position, (1, 1)),
    Function("md5", _always(pa.string_view()), (1, 1)),
    Function("string_to_array", _list_of(_text), (2, 2)),
    Function("make_array", _list_of(united_type), (1, None), missing=Missing.NEVER),
    Function("array_sort", _first, (1, 1)),
    # Missing items are left out.
    Function("array_to_string", _always(pa.string()), (2, 2)),
    # Of lists of lists, the number of all innermost items.
    Function("cardinality", _always(pa.uint64()), (1, 1)),
    Function("array_length", _always(pa.uint64()), (1, 1), missing=Missing.OWN),
    Function("element", _element, (2, 2), form=Form.INDEX, symbol="[]"),
    # A row for each item, and rows of the other columns repeated: only as a whole column of a projection.
    Function("unnest", _element, (1, 1), missing=Missing.OWN),
    Function("range", _list_of(_always(pa.int64())), (2, 2)),
    Function("named_struct", _unknown, (2, None), missing=Missing.NEVER),
)
# Functions of times.
_add(
    Function("date_part", _always(pa.int32()), (2, 2)),
    Function("date_trunc", lambda kinds: _timestamp(kinds[1]), (2, 2)),
    Function("make_date", _always(pa.date32()), (3, 3)),
    Function("to_char", _always(pa.string()), (2, 2)),
    Function("to_timestamp_micros", _always(pa.timestamp("us")), (2, 2)),
    Function("to_local_time", lambda kinds: _local(kinds[0]), (1, 1)),
)
# Aggregates, which are also window functions.
_add(
    Function("count_rows", _WHOLE, (0, 0), Kind.AGGREGATE, Missing.NEVER, Form.STAR, "count"),
    _aggregate("count", _WHOLE),
    _aggregate("sum", _sum),
    _aggregate("product", _product),
    _aggregate("min", _extreme),
    _aggregate("max", _extreme),
    _aggregate("avg", _double),
    *(_aggregate(name, _always(_DOUBLE)) for name in ("stddev_samp", "stddev_pop", "var_samp", "var_pop")),
    _aggregate("median", _own_real),
    _aggregate("percentile_cont", lambda kinds: _real(kinds[:1]), 2, form=Form.WITHIN),
    _aggregate("covar_samp", _always(_DOUBLE), 2),
    _aggregate("corr", _always(_DOUBLE), 2),
    _aggregate("regr_count", _always(pa.uint64()), 2),
    _aggregate("approx_distinct", _always(pa.uint64())),
    _aggregate("bool_or", _BOOLEAN),
    _aggregate("bool_and", _BOOLEAN),
    _aggregate("array_agg", _list_of(_first)),
    _aggregate("first_value", _first),
    _aggregate("last_value", _first),
)
# Window functions.
_add(
    _window("row_number", _always(pa.uint64()), 0, 0),
    _window("lag", _first, 1, 3),
    _window("lead", _first, 1, 3),
    *(_window(f"rolling_{name}", _always(_DOUBLE), 4, 4) for name in ("sum", "mean", "min", "max", "std", "var")),
    _window("rolling_count", _unknown, 4, 4),
)
