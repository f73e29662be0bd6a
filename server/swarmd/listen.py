"""The addresses on which swarmd may listen.

Invariant: without TLS it listens on loopback only.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from amplifier_swarm.channel import check_address
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.host import host_name
from amplifier_swarm.state_paths import TLS
from swarmd.config import ServerConfig, certificate_name
from swarmd.tls.files import TlsFiles

if TYPE_CHECKING:
    from swarmd.tls.authority import OwnAuthority

# accept() fails with these while it has no descriptor or no memory.
_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

OFF: Final = "off"
# Addresses that mean all of this machine's, each with the one by which its own programs reach it.
ANY_HOSTS: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # only with TLS

_log: Final = structlog.get_logger("swarmd")


class ServerTls(NamedTuple):
    """The certificates of the server, and the CA that it made them with, if it did."""

    files: TlsFiles
    authority: "OwnAuthority | None" = None

    def poll(self, wall_us: int) -> bool:
        """Renews what is old and reads changed files again; returns whether there is another certificate."""
        if self.authority is not None:
            self.authority.renew_if_due(_utc(wall_us))
        return self.files.poll()


def read_tls(config: ServerConfig) -> ServerTls | None:
    """Returns the certificates that the TLS flags name; None without any, and with --tls-auto.

    Raises:
        ProgramExit: a flag is missing, a file can't be read or is not what its flag asks for, or an address needs TLS.
    """
    tls = None
    if config.tls_auto:
        if config.tls_cert is not None or config.tls_key is not None:
            raise ProgramExit(
                ExitCode.USAGE,
                "--tls-auto makes the certificate itself",
                hint="leave --tls-cert and --tls-key out, or leave --tls-auto out",
            )
    elif config.tls_name:
        raise ProgramExit(
            ExitCode.USAGE, "--tls-name needs --tls-auto", hint="add --tls-auto, or leave it out"
        )
    elif config.tls_cert is None and config.tls_key is None:
        if config.tls_client_ca is not None:
            raise ProgramExit(ExitCode.USAGE, "--tls-client-ca needs --tls-cert and --tls-key")
    elif config.tls_cert is None or config.tls_key is None:
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both")
    else:
        tls = ServerTls(TlsFiles(config.tls_cert, config.tls_key, config.tls_client_ca))
    has_tls = config.tls_auto or tls is not None
    require_tls_or_loopback(config.listen, "--listen", has_tls=has_tls)
    if config.dashboard != OFF:
        require_tls_or_loopback(config.dashboard, "--dashboard", has_tls=has_tls)
    return tls


def make_tls(config: ServerConfig, folder: Path, *, wall_us: int) -> ServerTls:
    """Returns the certificates of --tls-auto, made where they are missing or old, below the folder of the database.

    Raises:
        ProgramExit: the folder can't be written, or a file in it can't be used.
    """
    # Imported here: it is large, and only this flag needs it.
    from swarmd.tls.authority import OwnAuthority  # noqa: PLC0415

    names = (*config.tls_name, *_own_names(config.listen))
    try:
        authority = OwnAuthority(folder / TLS, names, _utc(wall_us))
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{error.filename or folder}: {error.strerror}", hint="check the disk"
        ) from error
    file = authority.server_file
    return ServerTls(TlsFiles(file, file, config.tls_client_ca), authority)


def _own_names(listen: str) -> Iterator[str]:
    """Yields the names by which programs of this machine call the server, and the one that --listen has."""
    host = host_of(listen)
    for name in ("" if host in ANY_HOSTS else host, host_name()):
        with contextlib.suppress(ValueError):
            yield certificate_name(name)
    yield from ("localhost", "127.0.0.1", "::1")


def _utc(wall_us: int) -> datetime:
    return datetime.fromtimestamp(wall_us / 1_000_000, UTC)


def dialled_address(address: str) -> str:
    """Returns the address by which programs of this machine reach a server that listens on all addresses."""
    host, _, port = address.rpartition(":")
    return f"{ANY_HOSTS.get(host.strip('[]'), host)}:{port}"


def require_tls_or_loopback(address: str, flag: str, *, has_tls: bool) -> None:
    """Refuses an address that the network reaches without TLS: tokens and tasks would be readable on the way.

    Raises:
        ProgramExit: the address is not a HOST:PORT, or it needs TLS.
    """
    if not has_tls and not is_loopback(host_of(check_address(address, name=flag))):
        raise ProgramExit(
            ExitCode.USAGE,
            f"refusing to listen on {address} without TLS",
            hint="give --tls-auto, or --tls-cert and --tls-key, or listen on 127.0.0.1",
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
