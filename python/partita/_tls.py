"""Connections to the processes of a cluster, which are recognized before anything is sent to them."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import re
import socket
import ssl
import time

from . import _plaintext
from ._errors import TokenRefused, Unreachable

__all__ = ["Trust", "page_token"]

#: A name in every certificate, for clients that check names.
CERTIFICATE_NAME = "partita"
#: A token ends with the fingerprint of the scheduler's certificate, the SHA-256 hash of its DER form, or with
#: ``plaintext`` if the cluster does not encrypt.
_TOKEN = re.compile(r"(?P<secret>.+)\.(?P<mark>[0-9a-f]{64}|plaintext)")
#: The message from which the token of the dashboard is derived, with the secret of the cluster's token as the key.
_PAGE_TOKEN_INPUT = b"partita page token"


def page_token(token: str) -> str:
    """Return the token of the dashboard, which opens nothing else."""
    found = _TOKEN.fullmatch(token)
    secret = found["secret"] if found else token
    return hmac.new(secret.encode(), _PAGE_TOKEN_INPUT, hashlib.sha256).hexdigest()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Trust:
    """How the processes of a cluster are recognized.

    Parameters
    ----------
    token : str
        The cluster's token.
    tls_ca_file : str, optional
        File with the certificates of authorities (PEM) that vouch for the scheduler's certificate.

    Raises
    ------
    TokenRefused
        If the token does not say how the scheduler is recognized.
    """

    def __init__(self, token: str, tls_ca_file: str | os.PathLike[str] | None = None) -> None:
        found = _TOKEN.fullmatch(token)
        if found is None and not tls_ca_file:
            raise TokenRefused(
                "invalid token: expected SECRET.FINGERPRINT with the fingerprint of the scheduler's certificate, or "
                "SECRET.plaintext for a cluster with --plaintext; copy the whole token from the access file or from "
                "`partita access`"
            )
        self._token = token
        self._secret = found["secret"] if found else token
        self.is_plaintext = found is not None and found["mark"] == "plaintext"
        self._fingerprint = found["mark"] if found and not self.is_plaintext else ""
        self.tls_ca_file = os.fspath(tls_ca_file) if tls_ca_file and not self.is_plaintext else None

    @property
    def authorization(self) -> str | None:
        """The header that shows the token; None if it must not be sent."""
        return None if self.is_plaintext else f"Bearer {self._token}"

    def connect(self, address: str, timeout: float, worker: str | None = None) -> socket.socket:
        """Connect to the scheduler, or to a worker with this fingerprint.

        Nothing is sent before the process has proved who it is.

        Raises
        ------
        Unreachable
            If no connection is established within `timeout` seconds, or another process listens at the address.
        """
        return self._open(address, timeout, worker)[0]

    def session(self, address: str, timeout: float, worker: str | None = None) -> _plaintext.Session:
        """Open a session with a process that does not encrypt, for calls on other connections."""
        connection, session = self._open(address, timeout, worker, _plaintext.SESSION)
        return _plaintext.Session(connection, session)

    def _open(
        self, address: str, timeout: float, worker: str | None, purpose: int = _plaintext.REQUESTS
    ) -> tuple[socket.socket, _plaintext.SessionKey]:
        end = time.monotonic() + timeout
        try:
            plain = socket.create_connection(_split(address), timeout)
        except (OSError, ValueError) as error:
            raise Unreachable(f"cannot reach {address}: {error}") from None
        try:
            plain.settimeout(max(end - time.monotonic(), 0.001))
            if self.is_plaintext:
                key = _plaintext.prove(plain, self._secret, worker, purpose)
                plain.settimeout(timeout)
                return plain, key
            if self.tls_ca_file is not None and worker is None:
                return self._encrypt_by_authority(plain, address), ("", b"")
            return self._encrypt(plain, worker or self._fingerprint), ("", b"")
        except Unreachable as error:
            plain.close()
            raise Unreachable(f"cannot reach {address}: {error}") from None
        except OSError as error:
            plain.close()
            raise Unreachable(f"cannot reach {address}: {error}") from None
        except BaseException:
            plain.close()
            raise

    def _encrypt(self, plain: socket.socket, fingerprint: str) -> ssl.SSLSocket:
        context = _context()
        # The certificate itself is compared, so no authority needs to vouch for it.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        encrypted = _wrap(context, plain, CERTIFICATE_NAME)
        found = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found, fingerprint):
            encrypted.close()
            raise Unreachable("another process listens there: it does not have the expected certificate")
        return encrypted

    def _encrypt_by_authority(self, plain: socket.socket, address: str) -> ssl.SSLSocket:
        context = _context()
        try:
            context.load_verify_locations(cafile=self.tls_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"cannot use the certificates of authorities in {self.tls_ca_file}: {error}") from None
        return _wrap(context, plain, _split(address)[0])

    def certificate(self, address: str, timeout: float, worker: str | None = None) -> str:
        """Return the certificates, in PEM, by which gRPC recognizes the process at an address.

        Raises
        ------
        Unreachable
            If no connection is established within `timeout` seconds, or another process listens at the address.
        """
        with self.connect(address, timeout, worker) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            if self.tls_ca_file is not None and worker is None:
                with open(self.tls_ca_file) as file:
                    return file.read()
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")

    def request(self, address: str, path: str, method: str, timeout: float) -> tuple[int, bytes]:
        """Send a request to the scheduler and return the status and the body.

        Raises
        ------
        Unreachable
            If the scheduler cannot be reached or another process listens at the address.
        """
        connection = http.client.HTTPConnection(address, timeout=timeout)
        connection.sock = self.connect(address, timeout)
        headers = {"Authorization": self.authorization} if self.authorization else {}
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"lost the connection to {address}: {error}") from None
        finally:
            connection.close()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _wrap(context: ssl.SSLContext, plain: socket.socket, name: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"the authorities of tls_ca_file do not vouch for the process there: {error.verify_message}"
        ) from None
    except ssl.SSLError:
        raise Unreachable(
            "another program listens there: it does not use TLS; if the cluster runs with --plaintext, use its whole "
            "token, SECRET.plaintext"
        ) from None
