"""Expressions of plans: sharing, types, rewriting. No cluster is needed."""

import gc
import itertools

import numpy as np
import pyarrow as pa
import pytest
from partita.plan import expr as px
from partita.plan import nodes
from partita.plan.dtype import arrow_name, common_number, sort_of
from partita.plan.expr import Column, SortKey, aggregate, call, case, cast, comparison, window
from partita.plan.functions import FUNCTIONS, Kind
from partita.plan.relation import Filter, Query, Table
from partita.plan.rewrite import (
    columns_of,
    distinct_keys,
    is_volatile,
    plain_condition,
    split,
    substitute,
    transform,
    with_windows,
)

A, B = Column("a", pa.int64()), Column("b", pa.float64())
NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_()),
]


def test_equal_expressions_are_one_node():
    assert (A + 1) * 2 is (A + 1) * 2
    assert window("lag", A, 1, order=[SortKey(B)]) is window("lag", A, 1, order=[SortKey(B)])
    assert window("lag", A, 1, order=[SortKey(B)]) is not window("lag", A, 1, order=[SortKey(B, True)])
    assert aggregate("count", A) is not aggregate("count", A, is_distinct=True)


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations([1, 1.0, True, "1", 0.0, -0.0, None], 2)])
def test_literals_of_equal_values_differ(one, other):
    assert px.literal(one) is not px.literal(other)


def test_volatile_calls_differ():
    assert call("random") is not call("random")


def test_columns_of_different_types_differ():
    assert Column("a") is not A and Column("a", pa.int64()) is A


def test_nodes_are_immutable():
    with pytest.raises(AttributeError, match="immutable"):
        A.name = "b"
    with pytest.raises(AttributeError, match="immutable"):
        del A.name
    with pytest.raises(AttributeError, match="immutable"):
        Table("t").name = "u"


def test_unused_nodes_are_freed():
    before = len(nodes._nodes)
    made = A
    for _ in range(50_000):
        made = made + 7
    assert made.depth == 50_001
    del made
    gc.collect()
    assert len(nodes._nodes) < before + 100


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (A + 1, pa.int64()),
        (A + B, pa.float64()),
        (call("upper", Column("s", pa.large_string())), pa.large_string()),
        (comparison("lt", A, B), pa.bool_()),
        (call("fill_null", comparison("lt", A, B), False), pa.bool_()),
        (cast(A, pa.float32()), pa.float32()),
        (case([(comparison("lt", A, 0), 0)], A), pa.int64()),
        (case([(comparison("lt", A, 0), 0)]), pa.int64()),
        (case([(comparison("lt", A, 0), B)], A), pa.float64()),
        (case([(comparison("lt", A, 0), "x")], A), None),
        (aggregate("sum", Column("i", pa.int8())), pa.int64()),
        (aggregate("min", Column("d", pa.dictionary(pa.int32(), pa.string()))), pa.string()),
        (window("row_number"), pa.uint64()),
        (call("add", Column("u"), 1), None),
    ],
    ids=str,
)
def test_types(made, kind):
    assert made.dtype == kind


def test_casts_to_the_own_type_are_left_out():
    assert cast(A, pa.int64()) is A and cast(Column("a"), pa.int64()) is not Column("a")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_unknown_types(name):
    """Rules for types accept arguments of unknown types."""
    found = FUNCTIONS[name]
    found.result([None] * max(found.least, 1))
    assert found.kind in Kind and found.symbol


def test_wrong_number_of_arguments():
    with pytest.raises(TypeError, match="internal error: nullif takes 2 to 2 arguments, not 1"):
        call("nullif", A)
    with pytest.raises(KeyError, match="internal error: the table of functions has no 'nothing'"):
        call("nothing")


@pytest.mark.parametrize(("a", "b"), [*itertools.product(NUMBERS, NUMBERS)], ids=str)
def test_common_types_are_those_of_numpy(a, b):
    expected = pa.from_numpy_dtype(np.result_type(a.to_pandas_dtype(), b.to_pandas_dtype()))
    assert common_number(a, b) == expected


def test_names_of_types():
    assert arrow_name(pa.dictionary(pa.int32(), pa.string())) == "Dictionary(Int32, Utf8)"
    assert sort_of(pa.dictionary(pa.int8(), pa.large_string())) == "strings"
    with pytest.raises(NotImplementedError, match="cannot convert to list"):
        arrow_name(pa.list_(pa.int8()))


def test_conditions_are_joined_flat():
    parts = [comparison("lt", A, at) for at in range(3)]
    assert px.conjunction(px.conjunction(*parts[:2]), parts[2]) is px.conjunction(*parts)
    assert px.conjunction() is px.literal(True) and px.disjunction() is px.literal(False)
    assert px.disjunction(parts[0]) is parts[0]
    assert split(px.conjunction(*parts)) == parts


def test_negation():
    assert px.negation(px.negation(comparison("lt", A, 0))) is comparison("lt", A, 0)
    assert px.negation(px.is_null(A)) is px.not_null(A)


def test_substitution_of_columns():
    made, other = substitute([A + Column("c"), px.literal("a")], {"a": B * 2})
    assert made is B * 2 + Column("c") and other is px.literal("a")


def test_shared_nodes_are_changed_once():
    seen = []
    made = A
    for _ in range(60):
        made = made + made
    transform([made], lambda node: (seen.append(node), node)[1])
    assert len(seen) == 61


def test_deep_expressions_are_rewritten():
    made = A
    for at in range(20_000):
        made = made + at
    (other,) = substitute([made], {"a": B})
    assert other.depth == made.depth and list(columns_of([other])) == ["b"]


def filled(condition, value=False):
    return call("fill_null", condition, value)


LESS, EQUAL = comparison("lt", A, 0), comparison("eq", B, 1)


@pytest.mark.parametrize(
    ("condition", "plain"),
    [
        (filled(LESS), LESS),
        (px.conjunction(filled(LESS), filled(EQUAL)), px.conjunction(LESS, EQUAL)),
        (px.disjunction(filled(LESS), px.conjunction(EQUAL, filled(LESS))), None),
        (filled(filled(LESS)), LESS),
        (filled(px.conjunction(filled(LESS), EQUAL)), px.conjunction(LESS, EQUAL)),
        (px.negation(filled(LESS)), px.negation(filled(LESS))),
        (filled(LESS, True), filled(LESS, True)),
        (case([(filled(LESS), True)], False), case([(filled(LESS), True)], False)),
    ],
    ids=str,
)
def test_plain_conditions(condition, plain):
    """Only where a missing condition drops the row like a false one, it stays missing."""
    assert plain_condition(condition) is (px.disjunction(LESS, px.conjunction(EQUAL, LESS)) if plain is None else plain)


def test_distinct_keys():
    assert distinct_keys([SortKey(A), SortKey(B), SortKey(A, True)]) == (SortKey(A), SortKey(B))
    assert SortKey(A, True, False).reverse == SortKey(A, False, True)


def test_volatile_relations():
    rows = Table("t", {"a": pa.int64()})
    sampled = Filter(rows, [comparison("lt", call("random"), 0.5)])
    assert not is_volatile(rows) and is_volatile(sampled) and is_volatile(Filter(sampled, [LESS]))
    assert is_volatile(Query("SELECT random() AS a"))


def test_windows_become_columns():
    rows = Table("t", {"a": pa.int64(), "b": pa.float64(), "c": pa.int64()})
    number = window("row_number", order=[SortKey(A)])
    relation, (made, other) = with_windows(rows, [number + A, B])
    assert relation.schema == {"a": pa.int64(), "b": pa.float64(), "__window_0": pa.uint64()}
    assert made is call("add", Column("__window_0", pa.uint64()), A) and other is B
    assert with_windows(rows, [A])[0] is rows
