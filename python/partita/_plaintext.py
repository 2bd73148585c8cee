"""Clusters that do not encrypt (``--plaintext``): proofs of the token's secret, which itself is never sent.

Client and server prove to each other by HMAC-SHA256 over both sides' nonces that they know the secret, the server
first. gRPC opens its connections itself, so a connection of this module opens a session, and each call of gRPC carries
a proof of its own, which the server accepts once.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pyarrow.flight as flight

from ._errors import Unreachable

__all__ = ["REQUESTS", "SESSION", "CallProofs", "Session", "SessionKey", "prove"]

#: What a connection is for: requests on it, or a session for calls on other connections.
REQUESTS = 0
SESSION = 1

#: Name and key of a session.
SessionKey = tuple[str, bytes]

_MAGIC = b"\x01partita"
_VERSION = 1
#: Length of a nonce, and of a proof, in bytes.
_BYTES = 32
#: The server's replies.
_ACCEPTED = 0
_NEEDS_TLS = 1
_REPLIES = (0, 1, 2, 3)


def _sign(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def prove(connection: socket.socket, secret: str, worker: str | None, purpose: int) -> SessionKey:
    """Prove to the server that this process knows the secret, after the server has proved it.

    Parameters
    ----------
    connection : socket.socket
        A connection on which nothing was sent.
    secret : str
        The secret.
    worker : str or None
        The identity of the worker that is expected; None for the scheduler.
    purpose : int
        What the connection is for.

    Returns
    -------
    tuple
        Name and key of the session, if it is for one.

    Raises
    ------
    Unreachable
        If another process listens at the address.
    """
    nonce = os.urandom(_BYTES)
    connection.sendall(_MAGIC + bytes((_VERSION, purpose)) + nonce)
    _read_reply(connection)
    challenge = _read(connection, 2 * _BYTES)
    identity = bytes.fromhex(worker) if worker else bytes(_BYTES)
    transcript = bytes((_VERSION, purpose)) + identity + nonce + challenge[:_BYTES]
    expected = _sign(secret.encode(), b"partita plaintext server " + transcript)
    if not hmac.compare_digest(expected, challenge[_BYTES:]):
        raise Unreachable("another process listens there: it does not know the secret of the token")
    connection.sendall(_sign(secret.encode(), b"partita plaintext client " + transcript))
    _read_reply(connection)
    return challenge[:_BYTES].hex(), _sign(secret.encode(), b"partita plaintext session" + transcript)


def _read(connection: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        piece = connection.recv(count - len(read))
        if not piece:
            raise Unreachable(_OTHER_PROGRAM)
        read += piece
    return read


_OTHER_PROGRAM = "another program listens there: it does not answer as a cluster with --plaintext"


def _read_reply(connection: socket.socket) -> None:
    reply = _read(connection, 1)[0]
    if reply == _NEEDS_TLS:
        raise Unreachable(
            "the process there uses TLS and was started without --plaintext; use its whole token, SECRET.FINGERPRINT"
        )
    if reply not in _REPLIES:
        raise Unreachable(_OTHER_PROGRAM)
    if reply != _ACCEPTED:
        raise Unreachable("the process there refused the connection; use the same version of Partita on both sides")


class Session:
    """A session with a process, which lasts as long as its connection.

    Parameters
    ----------
    connection : socket.socket
        The connection on which both sides have proved that they know the secret.
    key : tuple
        Name and key of the session.
    """

    def __init__(self, connection: socket.socket, key: SessionKey) -> None:
        self._connection = connection
        # Only its end is of interest.
        self._connection.setblocking(False)
        self._name, self._key = key
        self._calls = 0

    def is_open(self) -> bool:
        """Return whether the process still knows the session."""
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def authorization(self) -> str:
        """Return the header of the next call, which counts once."""
        self._calls += 1
        proof = _sign(self._key, b"partita plaintext call" + self._calls.to_bytes(8, "big"))
        return f"Partita {self._name} {self._calls} {proof.hex()}"

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def __del__(self) -> None:
        # The Flight client that uses the session does not tell when it ends.
        self.close()


class CallProofs(flight.ClientMiddlewareFactory):  # type: ignore[misc]
    """Gives each call of a Flight client its proof.

    Parameters
    ----------
    open_session : callable
        Opens a session with the process that is called.
    """

    def __init__(self, open_session: Callable[[], Session]) -> None:
        super().__init__()
        self._open = open_session
        self._session: Session | None = None
        self._lock = threading.Lock()

    def start_call(self, info: Any) -> flight.ClientMiddleware:
        """Return the middleware of one call."""
        return _CallProof(self.authorization())

    def authorization(self) -> str:
        """Return the header of the next call, in a new session if the former one has ended."""
        with self._lock:
            if self._session is None or not self._session.is_open():
                self.close()
                self._session = self._open()
            return self._session.authorization()

    def close(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            with contextlib.suppress(OSError):
                self._session.close()
            self._session = None


class _CallProof(flight.ClientMiddleware):  # type: ignore[misc]
    def __init__(self, header: str) -> None:
        super().__init__()
        self._header = header

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": self._header}
