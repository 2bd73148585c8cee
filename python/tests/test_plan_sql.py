"""SQL of plans. No cluster is needed."""

import datetime
import decimal
import time

import pyarrow as pa
import pytest

from partita.plan import expr as px
from partita.plan.expr import Column, Frame, Literal, SortKey, aggregate, call, case, cast, comparison, window
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
from partita.plan.sql import quote, source, statement

A, B = Column("a", pa.int64()), Column("b", pa.float64())
ROWS = Table("t", {"a": pa.int64(), "b": pa.float64(), "c": pa.int64()})
#: Operations of a long chain.
STEPS = 1000
#: Time limit of writing a long chain. Work that is not linear would take minutes.
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


def select(*outputs, rows=ROWS):
    return statement(Projection(rows, [Named(f"c{at}", one) for at, one in enumerate(outputs)]))


def test_simple_values_are_repeated():
    assert select(A + 1, (A + 1) * 2) == 'SELECT ("a" + 1) AS "c0", (("a" + 1) * 2) AS "c1" FROM "t"'


def test_values_that_are_used_twice_become_columns():
    shared = (A + B) * 2
    assert select(shared * shared, B) == (
        'SELECT ("__shared_0" * "__shared_0") AS "c0", "b" AS "c1" '
        'FROM (SELECT "b", (("a" + "b") * 2) AS "__shared_0" FROM "t")'
    )


def test_length_is_linear_in_the_nodes():
    made = A
    for _ in range(STEPS):
        made = made + made + 1
    started = time.monotonic()
    sql = select(made)
    assert len(sql) < 100 * STEPS and time.monotonic() - started < SECONDS_MAX


def test_nested_conditions_are_layers():
    """The planner copies the values of nested conditions."""
    made = A
    for at in range(STEPS):
        made = case([(comparison("lt", B, at), at)], made)
    started = time.monotonic()
    sql = select(made)
    assert sql.count("FROM (SELECT") == STEPS // 2 - 1 and time.monotonic() - started < SECONDS_MAX


def test_deep_expressions_are_layers():
    made = A
    for _ in range(STEPS):
        made = made + 1
    assert max(len(part) - len(part.lstrip("(")) for part in select(made).split("SELECT ")) < 50


def test_expressions_that_are_too_deep():
    made = A
    for _ in range(2 * STEPS):
        made = made + 1
    with pytest.raises(ValueError, match="more than 1500 levels; persist"):
        select(made)


def test_windows_within_windows():
    running = window("sum", A, order=[SortKey(B)], frame=px.SO_FAR)
    again = window("max", running + 1, order=[SortKey(B)])
    inner = 'sum("a") OVER (ORDER BY "b" ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)'
    assert select(again) == (
        'SELECT max("__shared_0") OVER (ORDER BY "b" ASC NULLS LAST) AS "c0" '
        f'FROM (SELECT "b", ({inner} + 1) AS "__shared_0" FROM "t")'
    )


def test_windows_in_conditions():
    number = window("row_number", order=[SortKey(B)])
    assert statement(Filter(ROWS, [comparison("eq", number, 1)])) == (
        'SELECT "a" AS "a", "b" AS "b", "c" AS "c" FROM (SELECT "a", "b", "c", '
        '(row_number() OVER (ORDER BY "b" ASC NULLS LAST) = 1) AS "__shared_0" FROM "t") WHERE "__shared_0"'
    )


def test_windows_over_filtered_rows():
    """Window functions above a filter are those of the rows that remain."""
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    number = window("row_number", order=[SortKey(B)])
    assert select(number, rows=rows).endswith('FROM "t" WHERE ("a" < 0)')
    again = select(window("sum", number + 1, order=[SortKey(B)]), rows=rows)
    assert again.endswith('FROM (SELECT "b" AS "b" FROM "t" WHERE ("a" < 0)))')


def test_windows_in_reductions():
    running = window("sum", A, order=[SortKey(B)])
    made = Grouping(ROWS, [Named("k", Column("c"))], [Named("v", aggregate("max", running))])
    assert statement(made).endswith('AS "__shared_0" FROM "t") GROUP BY 1')


def test_groupings():
    rows = Filter(ROWS, [px.not_null(A)])
    made = Grouping(rows, [Named("k", A)], [Named("v", aggregate("sum", B))])
    assert statement(made) == 'SELECT "a" AS "k", sum("b") AS "v" FROM "t" WHERE ("a" IS NOT NULL) GROUP BY 1'
    assert statement(Grouping(ROWS, (), [Named("n", aggregate("count_rows"))])) == 'SELECT count(*) AS "n" FROM "t"'


def test_orders():
    rows = Projection(ROWS, [Named("x", A), Named("k", B)])
    ordered = Sorting(rows, [SortKey(rows.column("k"), True)], 5)
    inner = '(SELECT "a" AS "x", "b" AS "k" FROM "t")'
    assert statement(ordered) == f'SELECT * FROM {inner} ORDER BY "k" DESC NULLS LAST LIMIT 5'
    # A selection may leave out the columns of the order.
    selected = Projection(ordered, [Named("x", rows.column("x"))])
    assert statement(selected) == f'SELECT "x" FROM {inner} ORDER BY "k" DESC NULLS LAST LIMIT 5'


def test_shared_relations_are_written_once():
    rows = Filter(ROWS, [comparison("lt", A, 0)])
    left, right = Projection(rows, [Named("x", A)]), Projection(rows, [Named("y", B)])
    assert statement(Join(left, right, "inner", [(left.column("x"), right.column("y"))])) == (
        'WITH "__relation_0" AS (SELECT * FROM "t" WHERE ("a" < 0)) '
        'SELECT * FROM (SELECT "a" AS "x" FROM "__relation_0") INNER JOIN (SELECT "b" AS "y" FROM "__relation_0") '
        'ON ("x" IS NOT DISTINCT FROM "y")'
    )


def test_nested_self_joins_are_linear():
    rows = Projection(ROWS, [Named("a", A)])
    for at in range(200):
        left = Projection(rows, [Named("l", rows.column("a"))])
        right = Projection(rows, [Named("r", rows.column("a"))])
        joined = Join(left, right, "inner", [(left.column("l"), right.column("r"))])
        rows = Projection(joined, [Named("a", joined.column("l") + at)])
    assert len(statement(rows)) < 200 * 400


def test_other_relations():
    assert source(ROWS) == '"t"' and source(Files("/x/it's.csv")) == "'/x/it''s.csv'"
    assert source(Query("SELECT 1 AS one")) == "(SELECT 1 AS one)"
    assert statement(Distinct(ROWS)) == 'SELECT DISTINCT * FROM "t"'
    assert statement(Union([ROWS, ROWS])) == 'SELECT * FROM "t" UNION ALL SELECT * FROM "t"'
    values = Values(["x", "y"], [(px.literal(1), px.literal("p"))])
    assert statement(values) == 'SELECT column1 AS "x", column2 AS "y" FROM (VALUES (1, \'p\'))'
    assert values.schema == {"x": pa.int64(), "y": pa.string()}
    assert quote("a b") == '"a b"'


def test_sides_of_a_join_have_different_names():
    with pytest.raises(ValueError, match="both sides of a join have columns"):
        Join(ROWS, ROWS, "cross", ())


def test_unknown_columns():
    with pytest.raises(KeyError, match="no column 'z'; columns: a, b, c"):
        ROWS.column("z")
