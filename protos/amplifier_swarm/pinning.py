"""The certificate of a server's CA by its fingerprint: from a file, or from the server itself at the first contact.

Invariant: nothing secret is sent before the server is verified. The first contact makes a TLS handshake that verifies
nothing, reads the certificates that the server shows, and closes. Of these only one is used: the one whose SHA-256 is
the fingerprint, which came by another way. Whoever stands between can show the true CA's certificate, which is public,
or others, which have other fingerprints; nobody can make a second certificate with that SHA-256. The connection proper
then trusts that CA alone, and whoever stands between has no certificate from it. So the first contact can be
disturbed, but not deceived.
"""

import base64
import binascii
import hashlib
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.fingerprint import PREFIX
from amplifier_swarm.proxy import host_of, proxy_variable
from amplifier_swarm.text_files import without_bom

if TYPE_CHECKING:
    import ssl

    from amplifier_swarm.channel import Endpoint

TIMEOUT_S: Final = 10.0
_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----", re.ASCII
)


class VerifiedCertificate(NamedTuple):
    """The names and addresses of a server's certificate, and the fingerprint of the authority that it shows with it."""

    names: Sequence[str]
    # None if the server does not show its authority's certificate: then no fingerprint finds it.
    fingerprint: str | None


class FirstContactFailed(Exception):
    """The server could not be reached, or makes no TLS handshake; a later try may succeed."""


def fingerprint_of(certificate: bytes) -> str:
    """Returns the fingerprint of a certificate in DER form."""
    return PREFIX + hashlib.sha256(certificate).hexdigest()


def certificates_in(pem: bytes) -> list[bytes]:
    """Returns the certificates of a PEM file in DER form; leaves out what can't be decoded."""
    found = []
    for body in _PEM.findall(without_bom(pem)):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except binascii.Error:
            continue
    return found


def authority_from(pem: bytes, fingerprint: str) -> bytes | None:
    """Returns the certificate with that fingerprint, in PEM form; None if it is not among those of the file."""
    return _with_fingerprint(certificates_in(pem), fingerprint)


def read_authority(file: Path, fingerprint: str) -> bytes:
    """Returns the certificate of a CA file that has the fingerprint, in PEM form.

    Raises:
        ProgramExit: The file can't be read, or has no such certificate.
    """
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {file}: {error.strerror}", hint="check --tls-ca"
        ) from error
    if (found := authority_from(pem, fingerprint)) is None:
        raise ProgramExit(
            ExitCode.USAGE,
            f"{file} has no certificate with the fingerprint {fingerprint}",
            hint="check --tls-ca and --tls-ca-fingerprint, or leave one of them out",
        )
    return found


def fetch_authority(server: str, fingerprint: str) -> bytes:
    """Asks the server for the certificate of its CA; returns it in PEM form. Blocks for TIMEOUT_S at most, twice.

    Raises:
        FirstContactFailed: There is no TLS server at the `HOST:PORT`, or it is out of reach.
        ProgramExit: The server shows no certificate with the fingerprint.
    """
    found = _with_fingerprint(shown_certificates(server), fingerprint)
    if found is None:
        raise ProgramExit(
            ExitCode.UNREACHABLE,
            f"{server} shows no certificate with the fingerprint {fingerprint}",
            hint="compare it with the line that swarmd prints at its start; if it is right, somebody stands between",
        )
    return found


def shown_certificates(server: str) -> list[bytes]:
    """Returns the certificates that a server shows, unverified, its own one first, in DER form.

    Raises:
        FirstContactFailed: There is no TLS server at the `HOST:PORT`, or it is out of reach.
    """
    # Imported here: most programs never need it.
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # In TLS 1.3 a server that asks for our certificate has shown us its own before.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with connect(server) as line, context.wrap_socket(line, server_hostname=host_of(server)) as secure:
            return _chain(secure)
    except (OSError, ValueError) as error:
        raise FirstContactFailed(str(error)) from error


def verified_certificate(endpoint: "Endpoint", authority: bytes) -> VerifiedCertificate:
    """Returns the certificate of a server whose chain the authority, in PEM form, vouches for.

    The server's name is not compared with those of the certificate: the caller learns them.

    Raises:
        FirstContactFailed: The server is out of reach, or its certificate is not from that authority.
    """
    import ssl  # noqa: PLC0415  # as above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cadata=without_bom(authority).decode("ascii"))
        if endpoint.tls_cert is not None and endpoint.tls_key is not None:
            context.load_cert_chain(endpoint.tls_cert, endpoint.tls_key)
        with connect(endpoint.server) as line, context.wrap_socket(line) as secure:
            chain, subject = _chain(secure), secure.getpeercert() or {}
    except (OSError, ValueError) as error:
        raise FirstContactFailed(str(error)) from error
    trusted = set(certificates_in(authority))
    root = next((der for der in chain if der in trusted), None)
    names: Any = subject.get("subjectAltName", ())
    return VerifiedCertificate(
        [_plain_name(kind, name) for kind, name in names if kind in ("DNS", "IP Address")],
        None if root is None else fingerprint_of(root),
    )


def _plain_name(kind: str, name: str) -> str:
    import ipaddress  # noqa: PLC0415  # as above

    return str(ipaddress.ip_address(name.strip())) if kind == "IP Address" else name.lower()


def connect(server: str) -> socket.socket:
    """Opens a connection to a `HOST:PORT`, through the proxy that gRPC would use with TLS.

    Raises:
        OSError: The server or the proxy is out of reach, or the proxy refuses.
    """
    host, port = host_of(server), int(server.rpartition(":")[2])
    variable = proxy_variable(server, tls=True)
    if variable is None:
        return socket.create_connection((host, port), timeout=TIMEOUT_S)
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415  # as ssl
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    proxy = urlsplit(os.environ[variable])
    tunnel = HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=TIMEOUT_S)
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    headers = {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    tunnel.set_tunnel(host, port, headers)
    try:
        tunnel.connect()
    except HTTPException as error:
        raise OSError(f"the proxy of ${variable} gives no tunnel") from error
    line: socket.socket = tunnel.sock
    return line


def _chain(secure: "ssl.SSLSocket") -> list[bytes]:
    if hasattr(secure, "get_unverified_chain"):  # Python 3.13
        return list(secure.get_unverified_chain())
    inner: Any = secure._sslobj  # type: ignore[attr-defined]  # noqa: SLF001  # the same, before it was public
    return [
        der for one in inner.get_unverified_chain() for der in certificates_in(one.public_bytes().encode())
    ]


def _with_fingerprint(certificates: Sequence[bytes], fingerprint: str) -> bytes | None:
    """Returns the certificate with that fingerprint, in PEM form."""
    found = next((der for der in certificates if fingerprint_of(der) == fingerprint), None)
    return None if found is None else _pem(found)


def _pem(der: bytes) -> bytes:
    body = binascii.b2a_base64(der, newline=False).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()
