"""Plans as text for display and as messages for the scheduler. No cluster is needed."""

import datetime
import decimal
import json
import time

import pyarrow as pa
import pytest
from partita.plan import expr as px
from partita.plan.expr import Column, Frame, Literal, SortKey, aggregate, call, case, cast, comparison, window
from partita.plan.layers import layered
from partita.plan.relation import (
    Distinct,
    Files,
    Filter,
    Grouping,
    Join,
    Named,
    Projection,
    Query,
    Sorting,
    Table,
    Union,
    Values,
)
from partita.plan.text import outline, tree
from partita.plan.wire import Request

A, B = Column("a", pa.int64()), Column("b", pa.float64())
ROWS = Table("t", {"a": pa.int64(), "b": pa.float64(), "c": pa.int64()})
#: Operations of a long chain.
STEPS = 1000
#: Time limit of encoding a long chain. Work that is not linear would take minutes.
SECONDS_MAX = 5


@pytest.mark.parametrize(
    ("made", "sql"),
    [
        (A + 1, '("a" + 1)'),
        (1 - A % 3, '(1 - ("a" % 3))'),
        (-A, '(- "a")'),
        (px.conjunction(px.is_null(A), px.not_null(B)), '(("a" IS NULL) AND ("b" IS NOT NULL))'),
        (call("among", A, 1, 2), '("a" IN (1, 2))'),
        (call("same", A, B), '("a" IS NOT DISTINCT FROM "b")'),
        (call("element", Column("l"), -1), '"l"[(-1)]'),
        (cast(A, pa.float64()), 'CAST("a" AS DOUBLE)'),
        (cast(A, pa.int8()), "arrow_cast(\"a\", 'Int8')"),
        (cast(Column("s"), pa.int64(), is_lenient=True), 'TRY_CAST("s" AS BIGINT)'),
        (case([(comparison("lt", A, 0), 0)], A), 'CASE WHEN ("a" < 0) THEN 0 ELSE "a" END'),
        (case([(1, "x"), (2, "y")], operand=A), "CASE \"a\" WHEN 1 THEN 'x' WHEN 2 THEN 'y' END"),
        (aggregate("count_rows"), "count(*)"),
        (aggregate("first_value", A, order=[SortKey(B)]), 'first_value("a" ORDER BY "b" ASC NULLS LAST)'),
        (aggregate("sum", A, where=px.not_null(B)), 'sum("a") FILTER (WHERE ("b" IS NOT NULL))'),
        (aggregate("percentile_cont", B, 0.5), 'percentile_cont(CAST(0.5 AS DOUBLE)) WITHIN GROUP (ORDER BY "b")'),
        (
            window("sum", A, partition=[B], order=[SortKey(A, True, True)], frame=Frame(-1, 2)),
            'sum("a") OVER (PARTITION BY "b" ORDER BY "a" DESC NULLS FIRST ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING)',
        ),
        (window("last_value", A, skips_missing=True), 'last_value("a") IGNORE NULLS OVER ()'),
        (window("count_rows"), "count(*) OVER ()"),
        (Column('x"y'), '"x""y"'),
    ],
)
def test_expressions(made, sql):
    assert str(made) == sql and f"{made}" == sql


@pytest.mark.parametrize(
    ("value", "dtype", "sql"),
    [
        (None, pa.null(), "NULL"),
        (None, pa.float64(), "CAST(NULL AS DOUBLE)"),
        (True, pa.bool_(), "TRUE"),
        (-5, pa.int64(), "(-5)"),
        (-(2**63), pa.int64(), "(-9223372036854775807 - 1)"),
        (5, pa.uint8(), "arrow_cast(5, 'UInt8')"),
        (1.5, pa.float64(), "CAST(1.5 AS DOUBLE)"),
        (float("-inf"), pa.float32(), "arrow_cast(CAST('-Infinity' AS DOUBLE), 'Float32')"),
        ("it's", pa.string(), "'it''s'"),
        (decimal.Decimal("1.50"), pa.decimal128(3, 2), "arrow_cast('1.50', 'Decimal128(3, 2)')"),
        (datetime.date(2024, 2, 29), pa.date32(), "DATE '2024-02-29'"),
        (7, pa.timestamp("ms", "UTC"), "arrow_cast(7, 'Timestamp(Millisecond, Some(\"UTC\"))')"),
        (7, pa.duration("s"), "arrow_cast(7, 'Duration(Second)')"),
    ],
)
def test_literals(value, dtype, sql):
    assert str(Literal(value, dtype)) == sql


def projection(*outputs, rows=ROWS):
    return Projection(rows, [Named(f"c{at}", one) for at, one in enumerate(outputs)])


def steps(relation):
    """Return the text of the relations that compute a relation, each after its inputs."""
    return [str(one).partition("\n")[0] for one in layered(relation)]


def message(relation):
    """Return the message of a relation."""
    found = Request(relation).encoded()
    return json.loads(found[found.index(b'{"text') :])


def test_simple_values_are_repeated():
    made = projection(A + 1, (A + 1) * 2)
    assert steps(made) == ["table t", 'project "c0" = ("a" + 1), "c1" = (("a" + 1) * 2)']


def test_values_that_are_used_twice_become_columns():
    shared = (A + B) * 2
    assert steps(projection(shared * shared, B))[1:] == [
        'project "b", "__shared_0" = (("a" + "b") * 2)',
        'project "c0" = ("__shared_0" * "__shared_0"), "c1" = "b"',
    ]


def test_size_is_linear_in_the_nodes():
    made = A
    for _ in range(STEPS):
        made = made + made + 1
    started = time.monotonic()
    size = len(Request(projection(made)).encoded())
    assert size < 200 * STEPS and time.monotonic() - started < SECONDS_MAX


def test_nested_conditions_are_layers():
    """The planner copies the values of nested conditions."""
    made = A
    for at in range(STEPS):
        made = case([(comparison("lt", B, at), at)], made)
    started = time.monotonic()
    assert len(layered(projection(made))) == STEPS // 2 + 1 and time.monotonic() - started < SECONDS_MAX


def test_deep_expressions_are_layers():
    made = A
    for _ in range(STEPS):
        made = made + 1
    assert max(step.count("(") for step in steps(projection(made))) < 50


def test_expressions_that_are_too_deep():
    made = A
    for _ in range(2 * STEPS):
        made = made + 1
    with pytest.raises(ValueError, match="more than 1500 levels; persist"):
        layered(projection(made))


def test_windows_within_windows():
    running = window("sum", A, order=[SortKey(B)], frame=px.SO_FAR)
    again = window("max", running + 1, order=[SortKey(B)])
    inner = 'sum("a") OVER (ORDER BY "b" ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)'
    assert steps(projection(again))[1:] == [
        f'project "b", "__shared_0" = ({inner} + 1)',
        'project "c0" = max("__shared_0") OVER (ORDER BY "b" ASC NULLS LAST)',
    ]


def test_windows_in_conditions():
    number = window("row_number", order=[SortKey(B)])
    assert steps(Filter(ROWS, [comparison("eq", number, 1)]))[1:] == [
        'project "a", "b", "c", "__shared_0" = (row_number() OVER (ORDER BY "b" ASC NULLS LAST) = 1)',
        'filter "__shared_0"',
        'project "a", "b", "c"',
    ]


def test_windows_over_filtered_rows():
    """Window functions above a filter are those of the rows that remain."""
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    number = window("row_number", order=[SortKey(B)])
    again = steps(projection(window("sum", number + 1, order=[SortKey(B)]), rows=rows))
    assert again[1] == 'filter ("a" < 0)' and len(again) == 4


def test_windows_in_reductions():
    running = window("sum", A, order=[SortKey(B)])
    made = Grouping(ROWS, [Named("k", Column("c"))], [Named("v", aggregate("max", running))])
    assert steps(made)[-1] == 'group by "k" = "c": "v" = max("__shared_0")'


def value(function, column):
    return px.Subquery(Grouping(ROWS, (), [Named("value", aggregate(function, column))]))


def test_values_of_relations_are_columns_of_a_joined_row():
    """Reductions of the same rows are computed together."""
    low, high = value("min", A), value("max", B)
    made = Filter(ROWS, [comparison("ge", A, low), comparison("lt", A, high)])
    relations = message(made)["plan"]["relations"]
    assert [next(iter(one)) for one in relations] == ["table", "group", "join", "filter", "project"]
    assert [name for name, _ in relations[1]["group"][2]] == ["__value_0", "__value_1"]
    assert relations[2] == {"join": [1, 0, "cross", []]}
    assert [name for name, _ in relations[4]["project"][1]] == list(ROWS.schema)


def test_values_beside_aggregates_are_joined_to_the_groups():
    share = Grouping(ROWS, [Named("k", A)], [Named("v", aggregate("sum", B) / value("sum", B))])
    kinds = [next(iter(one)) for one in message(share)["plan"]["relations"]]
    assert kinds == ["table", "group", "group", "join", "project"]


def test_messages():
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    made = Grouping(rows, [Named("k", A)], [Named("v", aggregate("sum", B, where=px.not_null(A)))])
    found = message(Sorting(made, [SortKey(made.column("k"), True)], 5))
    assert found == {
        "text": "t | filter | group by k: v | sort by k | first 5",
        "purpose": "rows",
        "plan": {
            "types": ["Int64"],
            "expressions": [
                {"column": "a"},
                {"literal": [0, 0]},
                {"call": ["lt", [0, 1]]},
                {"column": "b"},
                {"call": ["is_not_null", [0]]},
                {
                    "aggregate": {
                        "function": "sum",
                        "arguments": [3],
                        "order": [],
                        "condition": 4,
                        "distinct": False,
                    }
                },
                {"column": "k"},
            ],
            "relations": [
                {"table": "t"},
                {"filter": [0, [2]]},
                {"group": [1, [["k", 0]], [["v", 5]]]},
                {"sort": [2, [[6, True, False]], 5]},
            ],
        },
    }


@pytest.mark.parametrize(
    ("value", "dtype", "found"),
    [
        (None, pa.null(), ["Null", None]),
        (True, pa.bool_(), ["Boolean", True]),
        (2**63, pa.uint64(), ["UInt64", 2**63]),
        (0.1, pa.float64(), ["Float64", "0.1"]),
        (float("-inf"), pa.float32(), ["Float32", "-inf"]),
        ("it's", pa.string(), ["Utf8", "it's"]),
        (decimal.Decimal("1E+3"), pa.decimal128(4, 0), ["Decimal128(4, 0)", "1000"]),
        (datetime.date(2024, 2, 29), pa.date32(), ["Date32", "2024-02-29"]),
        (7, pa.timestamp("ms", "UTC"), ['Timestamp(Millisecond, Some("UTC"))', 7]),
    ],
)
def test_values_in_messages(value, dtype, found):
    """Values other than integers are strings, which keep all of their digits."""
    plan = message(projection(Literal(value, dtype)))["plan"]
    assert [plan["types"][0], plan["expressions"][0]["literal"][1]] == found


def test_shared_relations_are_sent_once():
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    left, right = Projection(rows, [Named("x", A)]), Projection(rows, [Named("y", B)])
    joined = Join(left, right, "inner", [(left.column("x"), right.column("y"))])
    assert [next(iter(one)) for one in message(joined)["plan"]["relations"]] == [
        "table",
        "filter",
        "project",
        "project",
        "join",
    ]


def test_nested_self_joins_are_linear():
    rows = Projection(ROWS, [Named("a", A)])
    for at in range(200):
        left = Projection(rows, [Named("l", rows.column("a"))])
        right = Projection(rows, [Named("r", rows.column("a"))])
        joined = Join(left, right, "inner", [(left.column("l"), right.column("r"))])
        rows = Projection(joined, [Named("a", joined.column("l") + at)])
    found = message(rows)
    assert len(found["plan"]["relations"]) == 802 and len(found["text"]) <= 300


def test_trees():
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    both = Union([rows, rows])
    assert tree(both) == 'union\n  step 1: filter ("a" < 0)\n    table t\n  step 1'
    assert str(both) == tree(both)


def test_outlines():
    assert outline(Files("/x/a.csv")) == "/x/a.csv"
    many = Files('partita-files:{"paths": ["/x/a.csv", "/x/b.csv"]}')
    assert outline(Distinct(many)) == "/x/a.csv and 1 more | distinct"
    assert outline(Query("SELECT 1 AS one")) == "SELECT 1 AS one"
    values = Values(["x", "y"], [(px.literal(1), px.literal("p"))])
    assert values.schema == {"x": pa.int64(), "y": pa.string()}
    assert outline(Union([values, ROWS])) == "(values; t) | concatenate"


def test_sides_of_a_join_have_different_names():
    with pytest.raises(ValueError, match="both sides of a join have columns"):
        Join(ROWS, ROWS, "cross", ())


def test_unknown_columns():
    with pytest.raises(KeyError, match="no column 'z'; columns: a, b, c"):
        ROWS.column("z")
