"""Runs queries with DuckDB: one JSON string of SQL per line in; out, for each, one byte that says whether it
succeeded (1) or failed (0), the length in bytes as a little-endian 64-bit integer, and the rows as an Arrow stream,
or the error as UTF-8."""

import json
import struct
import sys

import duckdb
import pyarrow as pa

connection = duckdb.connect()
connection.execute("set threads = 1")
connection.execute("set TimeZone = 'UTC'")
# PostgreSQL's order, which is DataFusion's.
connection.execute("set default_null_order = 'nulls_last_on_asc_first_on_desc'")


def run(sql: str) -> bytes:
    relation = connection.sql(sql)
    sink = pa.BufferOutputStream()
    if relation is not None:
        table = relation.to_arrow_table()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


for line in sys.stdin:
    try:
        succeeded, body = 1, run(json.loads(line))
    except Exception as error:
        succeeded, body = 0, str(error).encode()
    sys.stdout.buffer.write(struct.pack("<BQ", succeeded, len(body)) + body)
    sys.stdout.buffer.flush()
