"""The types that plans know are those that the cluster gives."""

import itertools

import pyarrow as pa
import pytest
from partita.plan import expr as px
from partita.plan import wire
from partita.plan.dtype import is_plain_text
from partita.plan.expr import Column, SortKey, aggregate, call, cast, window
from partita.plan.functions import FUNCTIONS, Form, Kind
from partita.plan.relation import Grouping, Named, Projection, Values

WHOLE = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
REAL = (pa.float32(), pa.float64())
TEXTS = (pa.string(), pa.large_string(), pa.string_view())
TIMES = (*(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")), pa.timestamp("us", "UTC"))
SPANS = tuple(pa.duration(unit) for unit in ("s", "ms", "us", "ns"))
KINDS = (*WHOLE, *REAL, pa.bool_(), *TEXTS, *TIMES, *SPANS, pa.date32(), pa.decimal128(10, 2))
#: A relation with a column of each type, without values.
ROWS = Projection(Values((), ()), [Named(f"c{at}", cast(None, kind)) for at, kind in enumerate(KINDS)])
COLUMNS = {kind: ROWS.column(f"c{at}") for at, kind in enumerate(KINDS)}
ORDER = [SortKey(COLUMNS[pa.int64()])]
#: Functions of which the arguments have to be of certain types.
TYPED = {
    "date_trunc": lambda one: call("date_trunc", "day", one),
    "date_part": lambda one: call("date_part", "day", one),
    "to_char": lambda one: call("to_char", one, "%Y"),
    "lpad": lambda one: call("lpad", one, 3, "x"),
    "rpad": lambda one: call("rpad", one, 3, "x"),
    "repeat": lambda one: call("repeat", one, 3),
    "right": lambda one: call("right", one, 3),
    "substr": lambda one: call("substr", one, 3),
    "to_timestamp_micros": lambda one: call("to_timestamp_micros", one, "%Y"),
    "element": lambda one: call("element", call("make_array", one), 1),
    "array_sort": lambda one: call("array_sort", call("make_array", one)),
    "cardinality": lambda one: call("cardinality", call("make_array", one)),
    "percentile_cont": lambda one: aggregate("percentile_cont", one, 0.5),
    "lag": lambda one: window("lag", one, 1, order=ORDER),
    "lead": lambda one: window("lead", one, 1, order=ORDER),
}
#: Functions whose arguments have the same type.
ALIKE = ("greatest", "least", "atan2", "fill_null", "coalesce", "nullif")


@pytest.fixture(scope="module")
def type_of(client):
    """Return the type that the cluster gives to an expression, or None if it refuses it."""

    def ask(made):
        relation = Grouping if made.traits & px.Trait.AGGREGATE else None
        outputs = [Named("v", made)]
        query = Projection(ROWS, outputs) if relation is None else relation(ROWS, (), outputs)
        try:
            return client._connection.schema(wire.rows(query)).types[0]
        except Exception:
            return None

    return ask


def samples(name):
    """Return calls of a function with columns of all types that it may accept."""
    found = FUNCTIONS[name]
    if name in TYPED:
        return [TYPED[name](one) for one in COLUMNS.values()]
    if found.kind is Kind.WINDOW and name.startswith("rolling"):
        bounds = (COLUMNS[pa.timestamp("us")], 1, 0)
        return [window(name, COLUMNS[pa.float64()], *bounds, order=ORDER, frame=px.SO_FAR)]
    make = {Kind.SCALAR: call, Kind.AGGREGATE: aggregate, Kind.WINDOW: window}[found.kind]
    if found.least == 0:
        return [make(name)]
    if name in ("and", "or"):
        return [make(name, one, one) for one in COLUMNS.values()]
    if found.least == 1:
        return [make(name, one) for one in COLUMNS.values()]
    if found.least == 2 and (name in ALIKE or ("_" in name and name.split("_")[0] in ("pandas", "numpy", "arrow"))):
        return [make(name, one, one) for one in COLUMNS.values()]
    if found.least == 2 and found.form is Form.INFIX and name in ("add", "subtract", "multiply", "divide", "remainder"):
        kinds = (pa.int8(), pa.int32(), pa.int64(), pa.uint64(), *REAL, *TIMES[2:], *SPANS[2:], pa.decimal128(10, 2))
        return [make(name, COLUMNS[a], COLUMNS[b]) for a, b in itertools.product(kinds, kinds)]
    if found.least == 2:
        return [make(name, one, one) for one in COLUMNS.values()]
    return [make(name, *[one] * found.least) for one in COLUMNS.values()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rules(type_of, name):
    """A known type is that of the cluster, for all types of arguments that the cluster accepts."""
    wrong = []
    for made in samples(name):
        found = type_of(made) if made.dtype is not None else None
        if found is not None and found != made.dtype:
            wrong.append((str(made), [one.dtype for one in made.inputs], made.dtype, found))
    assert not wrong


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_literals_and_columns(type_of, kind):
    assert type_of(COLUMNS[kind]) == kind
    assert type_of(px.case([(px.is_null(COLUMNS[kind]), COLUMNS[kind])])) == kind
    assert type_of(px.case([(px.is_null(COLUMNS[kind]), px.NULL)], COLUMNS[kind])) == kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not is_plain_text(kind)], ids=str)
def test_times_and_numbers_become_text(type_of, kind):
    assert type_of(cast(COLUMNS[kind], pa.string())) == pa.string()


@pytest.mark.parametrize("value", [1, -1, 1.5, True, "x", None])
def test_plain_literals(type_of, value):
    assert type_of(px.literal(value)) == px.literal(value).dtype


def test_functions_with_two_types(type_of):
    for a, b in itertools.product(TIMES, TIMES):
        made = COLUMNS[a] - COLUMNS[b]
        assert type_of(made) in (made.dtype, None)
    for kind in TIMES:
        for made in (COLUMNS[kind] + px.interval("1 month"), call("date_trunc", "month", COLUMNS[kind])):
            assert type_of(made) == made.dtype
    for a, b in itertools.product(TEXTS, TEXTS):
        made = call("concatenate", COLUMNS[a], COLUMNS[b])
        assert made.dtype in (None, type_of(made))
    for a, b in itertools.product((*WHOLE, *REAL), (*WHOLE, *REAL)):
        one, other = COLUMNS[a], COLUMNS[b]
        made = [call(name, one, other) for name in ("coalesce", "fill_null", "greatest", "least", "nullif")]
        made += [px.case([(px.is_null(one), one)], other), px.case([(px.is_null(one), other)], one)]
        for each in made:
            assert each.dtype in (None, type_of(each)), (str(each), a, b, type_of(each))
    assert Column("c0", pa.int8()) is COLUMNS[pa.int8()]
