"""Encoding of the Flight SQL messages that the client sends.

They are Protocol Buffers of at most two fields, so no generated code is needed. ``FlightSql.proto`` of Apache Arrow
defines the layout.
"""

from __future__ import annotations

__all__ = ["command", "quote", "statement_query", "upload_command"]

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
    """Encode a message inside ``google.protobuf.Any``."""
    return _field(1, (_PREFIX + name).encode()) + _field(2, body)


def statement_query(sql: str) -> bytes:
    """Encode ``CommandStatementQuery`` for a SQL query."""
    return command("arrow.flight.protocol.sql.CommandStatementQuery", _field(1, sql.encode()))


def upload_command(json: bytes) -> bytes:
    """Encode the command that precedes the rows of an uploaded partition."""
    return command("partita.Upload", json)


def quote(name: str) -> str:
    """Quote a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
