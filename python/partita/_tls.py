"""Encrypted connections to processes that are recognized by the fingerprint of their certificate."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import socket
import ssl
import time

from ._errors import TokenRefused, Unreachable

__all__ = ["certificate_of", "fingerprint_of", "page_token", "request"]

#: A name in every certificate, for clients that check names.
CERTIFICATE_NAME = "partita"
#: A token ends with the fingerprint of the scheduler's certificate: the SHA-256 hash of its DER form.
_TOKEN = re.compile(r"(?P<secret>.+)\.(?P<fingerprint>[0-9a-f]{64})")
#: The message from which the token of the dashboard is derived, with the cluster's token as the key.
_PAGE_TOKEN_INPUT = b"partita page token"


def fingerprint_of(token: str) -> str:
    """Return the fingerprint in a token.

    Raises
    ------
    TokenRefused
        If the token has none.
    """
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise TokenRefused(
            "invalid token: expected SECRET.FINGERPRINT with the fingerprint of the scheduler's certificate; copy the "
            "whole token from the access file or from `partita access`"
        )
    return found["fingerprint"]


def page_token(token: str) -> str:
    """Return the token of the dashboard, which opens nothing else."""
    return hmac.new(token.encode(), _PAGE_TOKEN_INPUT, hashlib.sha256).hexdigest()


def _connect(address: str, fingerprint: str, timeout: float) -> ssl.SSLSocket:
    """Connect to a process. Nothing is sent before it has proved that it owns the expected certificate."""
    end = time.monotonic() + timeout
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The certificate itself is compared, so no authority needs to vouch for it.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, _, port = address.rpartition(":")
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), timeout)
        plain.settimeout(max(end - time.monotonic(), 0.001))
        try:
            encrypted = context.wrap_socket(plain, server_hostname=CERTIFICATE_NAME)
        except BaseException:
            plain.close()
            raise
    except ssl.SSLError:
        raise Unreachable(f"cannot reach {address}: another program listens there: it does not use TLS") from None
    except (OSError, ValueError) as error:
        raise Unreachable(f"cannot reach {address}: {error}") from None
    found = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(found, fingerprint):
        encrypted.close()
        raise Unreachable(
            f"cannot reach {address}: another process listens there: it does not have the expected certificate"
        )
    return encrypted


def certificate_of(address: str, fingerprint: str, timeout: float) -> str:
    """Return the certificate of the process at an address, in PEM.

    Raises
    ------
    Unreachable
        If no connection is established within `timeout` seconds, or the certificate has another fingerprint.
    """
    with _connect(address, fingerprint, timeout) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


def request(
    address: str, fingerprint: str, path: str, method: str, headers: dict[str, str], timeout: float
) -> tuple[int, bytes]:
    """Send a request by HTTPS and return the status and the body.

    Raises
    ------
    Unreachable
        If the process cannot be reached or has another certificate.
    """
    connection = http.client.HTTPConnection(address, timeout=timeout)
    connection.sock = _connect(address, fingerprint, timeout)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"lost the connection to {address}: {error}") from None
    finally:
        connection.close()
