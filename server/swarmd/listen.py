"""The addresses on which swarmd may listen.

Invariant: without TLS it listens on loopback only.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from pathlib import Path
from typing import Any, Final

import structlog

from amplifier_swarm.channel import check_address
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.config import ServerConfig
from swarmd.rpc.server import Tls

# accept() fails with these while it has no descriptor or no memory.
_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log: Final = structlog.get_logger("swarmd")


def read_tls(config: ServerConfig) -> Tls | None:
    """Returns the files that the TLS flags name, or None if the flags are not set.

    Raises:
        ProgramExit: a flag is missing, or a file can't be read or is not what its flag asks for.
    """
    if config.tls_cert is None and config.tls_key is None:
        if config.tls_client_ca is not None:
            raise ProgramExit(ExitCode.USAGE, "--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if config.tls_cert is None or config.tls_key is None:
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both")
    _check_readable("--tls-cert", config.tls_cert)
    _check_readable("--tls-key", config.tls_key)
    if config.tls_client_ca is not None:
        _check_readable("--tls-client-ca", config.tls_client_ca)
    _check_identity(config.tls_cert, config.tls_key)
    if config.tls_client_ca is not None:
        _check_authority(config.tls_client_ca)
    return Tls(config.tls_cert, config.tls_key, config.tls_client_ca)


def _check_readable(flag: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {flag} {file}: {error.strerror}", hint="check the path"
        ) from error


def _check_identity(cert: Path, key: Path) -> None:
    """Raises ProgramExit unless the files are a certificate and its key; warns about a key that others can read."""
    text = key.read_bytes()
    if b"PRIVATE KEY-----" not in text:
        raise ProgramExit(
            ExitCode.USAGE, f"--tls-key {key} has no private key in PEM form", hint="check the file"
        )
    if b"ENCRYPTED" in text:
        raise ProgramExit(
            ExitCode.USAGE,
            f"--tls-key {key} has a passphrase",
            hint="give a key without one, in a file of mode 0600",
        )
    if b"BEGIN CERTIFICATE-----" not in cert.read_bytes():
        raise ProgramExit(
            ExitCode.USAGE, f"--tls-cert {cert} has no certificate in PEM form", hint="check the file"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ProgramExit(
                ExitCode.USAGE,
                f"--tls-key {key} does not belong to the certificate in {cert}",
                hint="the server's own certificate comes first in --tls-cert, then those that signed it",
            ) from error
        raise ProgramExit(
            ExitCode.USAGE,
            f"--tls-cert {cert} and --tls-key {key} can't be used: {error.reason}",
            hint="check the files",
        ) from error
    mode = key.stat().st_mode & 0o777
    if mode & 0o007:
        _log.warning(
            "every user of this machine can read the TLS key; chmod 600", path=str(key), mode=f"{mode:04o}"
        )


def _check_authority(authority: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=authority)
    except ssl.SSLError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"--tls-client-ca {authority} has no certificate in PEM form",
            hint="give the certificate of the authority that signs your clients' certificates",
        ) from error


def require_tls_or_loopback(address: str, flag: str, tls: Tls | None) -> None:
    """Refuses an address that the network reaches without TLS: tokens and tasks would be readable on the way.

    Raises:
        ProgramExit: the address is not a HOST:PORT, or it needs TLS.
    """
    if tls is None and not is_loopback(host_of(check_address(address, name=flag))):
        raise ProgramExit(
            ExitCode.USAGE,
            f"refusing to listen on {address} without TLS",
            hint="give --tls-cert and --tls-key, or listen on 127.0.0.1",
        )


class LoopErrors:
    """The event loop's handler of errors that no task sees: a failed accept is one line, not a traceback."""

    def __init__(self) -> None:
        self._silent_until_s = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Logs the error; asyncio tries a failed accept again each second, which is logged once a minute."""
        error = context.get("exception")
        if isinstance(error, ValueError) and "_start_serving" in context["message"]:
            return  # asyncio's second try of a failed accept, on a listener that is closed by now
        if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
            _log.error("an error outside of any task", what=context["message"], exc_info=error)
        elif loop.time() >= self._silent_until_s:
            self._silent_until_s = loop.time() + 60.0
            _log.error(
                "no new connection is taken; raise the limit of open files",
                error=os.strerror(error.errno or 0),
            )


def host_of(address: str) -> str:
    """Returns the host part of an address."""
    return address.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the host."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)
