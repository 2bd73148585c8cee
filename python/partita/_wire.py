"""The few messages of Flight SQL that the client makes itself.

They are Protocol Buffers of two fields at most, so that no generated code is needed. The layout is that of
``FlightSql.proto`` of Apache Arrow.
"""

from __future__ import annotations

__all__ = ["command", "statement_query", "upload_command"]

_PREFIX = "type.googleapis.com/"
_LENGTH_DELIMITED = 2


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        if not number:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(value)) + value


def command(name: str, body: bytes) -> bytes:
    """A message of that name inside ``google.protobuf.Any``."""
    return _field(1, (_PREFIX + name).encode()) + _field(2, body)


def statement_query(sql: str) -> bytes:
    """``CommandStatementQuery``: asks a query."""
    return command("arrow.flight.protocol.sql.CommandStatementQuery", _field(1, sql.encode()))


def upload_command(json: bytes) -> bytes:
    """The command that goes before a partition's rows."""
    return command("partita.Upload", json)
