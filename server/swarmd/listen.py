"""The addresses on which swarmd may listen.

Invariant: without TLS it listens on loopback only.
"""

import ipaddress
import os
import socket

from amplifier_swarm.channel import check_address
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.config import ServerConfig
from swarmd.rpc.server import Tls


def read_tls(config: ServerConfig) -> Tls | None:
    """Returns the files that the TLS flags name, or None if the flags are not set.

    Raises:
        ProgramExit: a flag is missing, or a file can't be read.
    """
    if config.tls_cert is None and config.tls_key is None:
        if config.tls_client_ca is not None:
            raise ProgramExit(ExitCode.USAGE, "--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if config.tls_cert is None or config.tls_key is None:
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both")
    for file in (config.tls_cert, config.tls_key, config.tls_client_ca):
        if file is not None and not os.access(file, os.R_OK):
            raise ProgramExit(ExitCode.USAGE, f"can't read {file}", hint="check the --tls flags")
    return Tls(config.tls_cert, config.tls_key, config.tls_client_ca)


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
