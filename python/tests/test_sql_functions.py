"""Python functions that SQL statements call."""

import datetime
import threading

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from partita import PartitaError
from partita import dataframe as dd
from partita.distributed import Client
from polling import until

pytest.importorskip("cloudpickle")

#: The largest integer of 64 bits.
LARGEST = 2**63 - 1


@pytest.fixture(scope="module")
def sql():
    """A client of its own, whose functions nobody else sees."""
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def values(client, statement):
    """Return the values of the first column of a statement."""
    return client.sql(statement).column(0).to_pylist()


def test_a_function_of_pandas_gets_and_returns_columns(sql):
    def longest(words, others):
        assert isinstance(words, pd.Series)
        return words.where(words.str.len() >= others.str.len(), others)

    sql.register_function("longest", longest, ["string", "string"], "string")
    statement = "SELECT longest(a, b) FROM (VALUES ('x', 'yy'), ('zzz', 'z'), ('same', 'mine')) AS t(a, b)"
    assert sorted(values(sql, statement)) == ["same", "yy", "zzz"]


def test_a_function_of_arrow_gets_arrays(sql):
    sql.register_function("halves", lambda x: pc.divide(x, 2.0), [pa.float64()], pa.float64(), format="arrow")
    assert sorted(values(sql, "SELECT halves(value) FROM range(4)")) == [0.0, 0.5, 1.0, 1.5]


def test_a_function_may_be_in_every_part_of_a_statement(sql):
    sql.register_function("parity", lambda x: x % 2, ["int64"], "int64")
    grouped = (
        "SELECT parity(value) AS p, sum(parity(value) + value) AS s FROM range(10) GROUP BY parity(value) ORDER BY p"
    )
    assert sql.sql(grouped).to_pydict() == {"p": [0, 1], "s": [20, 30]}
    assert values(sql, "SELECT value FROM range(6) WHERE parity(value) = 1 ORDER BY parity(value), value") == [1, 3, 5]
    joined = "SELECT count(*) FROM range(6) a JOIN range(6) b ON parity(a.value) = b.value"
    assert values(sql, joined) == [6]


def test_a_function_runs_over_all_rows_of_many_partitions(sql):
    sql.register_function("plus_one", lambda x: x + 1, ["int64"], "int64")
    assert values(sql, "SELECT sum(plus_one(value)) FROM range(100000)") == [sum(range(1, 100_001))]


def test_missing_values_do_not_change_large_integers(sql):
    sql.register_function("same", lambda x: x, ["int64"], "int64")
    statement = f"SELECT same(a) FROM (VALUES ({LARGEST}), (NULL), (1)) AS t(a) ORDER BY a"
    assert values(sql, statement) == [1, LARGEST, None]


def test_missing_values_of_pandas_are_null(sql):
    sql.register_function("only_even", lambda x: x.where(x % 2 == 0), ["double"], "double")
    assert values(sql, "SELECT count(only_even(value)) FROM range(10)") == [5]


def test_arguments_are_cast_to_the_declared_types(sql):
    def name_of(x):
        return pd.Series([str(x.dtype)] * len(x))

    sql.register_function("type_of", name_of, ["float64"], "string")
    assert values(sql, "SELECT type_of(1) FROM range(1)") == ["float64"]


def test_arguments_that_would_change_are_refused(sql):
    sql.register_function("whole", lambda x: x, ["int64"], "int64")
    for argument in ("1.5", "'1'", "1, 2"):
        with pytest.raises(PartitaError, match=r"takes \(Int64\), not \(.*CAST"):
            sql.sql(f"SELECT whole({argument}) FROM range(1)")


def test_a_function_without_arguments_gets_the_number_of_rows(sql):
    sql.register_function("ones", lambda rows: [1] * rows, [], "int64")
    assert values(sql, "SELECT sum(ones()) FROM range(10)") == [10]


def test_times_and_dates_pass(sql):
    sql.register_function("next_day", lambda x: x + pd.Timedelta(days=1), [pa.timestamp("us")], pa.timestamp("us"))
    found = values(sql, "SELECT next_day(TIMESTAMP '2024-02-28 12:00:00') FROM range(1)")
    assert found == [datetime.datetime(2024, 2, 29, 12)]


def test_an_exception_names_the_function(sql):
    def fail(x):
        raise ValueError("bad value")

    sql.register_function("fail", fail, ["int64"], "int64")
    with pytest.raises(PartitaError, match="the Python function fail raised ValueError: bad value"):
        sql.sql("SELECT fail(value) FROM range(3)")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1, 2], "returned 2 values for 3 rows"),
        (7, "returned int"),
        (["x"] * 3, "fails|Could not convert|tried to convert"),
    ],
)
def test_a_result_that_does_not_fit_is_an_error(sql, result, message):
    sql.register_function("unfit", lambda x: result, ["int64"], "int64")
    with pytest.raises(PartitaError, match=message):
        sql.sql("SELECT unfit(value) FROM range(3)")


def test_a_function_is_replaced_and_taken_away(sql):
    sql.register_function("edition", lambda x: x * 0 + 1, ["int64"], "int64")
    sql.register_function("edition", lambda x: x * 0 + 2, ["int64"], "int64")
    assert values(sql, "SELECT edition(value) FROM range(1)") == [2]
    sql.unregister_function("edition")
    with pytest.raises(PartitaError, match="edition"):
        sql.sql("SELECT edition(value) FROM range(1)")
    with pytest.raises(KeyError, match="edition"):
        sql.unregister_function("edition")


def test_functions_belong_to_their_client(sql):
    sql.register_function("mine", lambda x: x, ["int64"], "int64")
    connection = sql._connection
    other = Client(connection.address, token=connection.token, set_as_default=False)
    with other, pytest.raises(PartitaError, match="mine"):
        other.sql("SELECT mine(1) FROM range(1)")


def test_a_persisted_table_keeps_what_a_function_returned(sql):
    sql.register_function("thrice", lambda x: 3 * x, ["int64"], "int64")
    frame = dd.read_sql("SELECT thrice(value) AS v FROM range(1000)", client=sql).persist()
    sql.unregister_function("thrice")
    assert frame.v.sum().compute() == 3 * sum(range(1000))


def test_a_job_that_is_cancelled_stops_its_function(sql, gate):
    def wait(x, path=gate.path, began=gate.began):
        import os
        import time

        open(began, "w").close()
        while not os.path.exists(path):
            time.sleep(0.01)
        return x

    sql.register_function("wait", wait, ["int64"], "int64")
    ended = []

    def run():
        try:
            sql.sql("SELECT sum(wait(value)) FROM range(3)")
        except PartitaError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    gate.wait_until_running()
    sql.cancel_job(sql._rest("jobs?state=running")["jobs"][0]["name"])
    thread.join(30)
    assert ended
    # Its slots are free again.
    assert values(sql, "SELECT sum(value) FROM range(3)") == [3]
    until(lambda: not sql._rest("jobs?state=running")["jobs"], "the job to end")


@pytest.mark.parametrize("name", ["Upper", "two words", "", "sum", "abs"])
def test_an_invalid_name_is_refused(sql, name):
    with pytest.raises((ValueError, PartitaError), match="name"):
        sql.register_function(name, len, ["int64"], "int64")


def test_invalid_types_and_formats_are_refused(sql):
    with pytest.raises(ValueError, match="unknown type 'number'"):
        sql.register_function("f", len, ["number"], "int64")
    with pytest.raises(TypeError, match="list of types"):
        sql.register_function("f", len, "int64", "int64")
    with pytest.raises(ValueError, match="format"):
        sql.register_function("f", len, ["int64"], "int64", format="numpy")
    with pytest.raises(TypeError, match="takes a function"):
        sql.register_function("f", 3, ["int64"], "int64")
