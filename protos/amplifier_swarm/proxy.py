"""HTTP proxies between a program and its server.

Invariant: loopback is dialled directly, and so is every server without TLS: no proxy ever reads a token.
gRPC itself would use the proxies of the environment for any address.
"""

import os
import re
from collections.abc import Mapping
from typing import Final

from amplifier_swarm.light_imports import is_in_network

# gRPC reads these, in this order, in lower case only.
VARIABLES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
BYPASS_VARIABLES: Final = ("no_grpc_proxy", "no_proxy")
_LOOPBACK: Final = re.compile(r"(.+\.)?localhost|(::ffff:)?127(\.\d+){1,3}|::1|(0+:){7}0*1")
_DIRECT: Final = (("grpc.enable_http_proxy", 0),)


def is_loopback_host(host: str) -> bool:
    """Returns whether a host is this machine, by its name or address; looks up no name."""
    return _LOOPBACK.fullmatch(host.strip("[]").partition("%")[0].rstrip(".").lower()) is not None


def channel_options(address: str, *, tls: bool) -> tuple[tuple[str, int], ...]:
    """Returns the channel options that keep proxies away from a `HOST:PORT`, where they must be kept away."""
    return () if tls and not is_loopback_host(host_of(address)) else _DIRECT


def proxy_variable(address: str, *, tls: bool, environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns the variable whose proxy gRPC uses for a `HOST:PORT`; None if gRPC dials directly."""
    if channel_options(address, tls=tls):
        return None
    found = next((name for name in VARIABLES if environment.get(name)), None)
    bypass = next((environment[name] for name in BYPASS_VARIABLES if environment.get(name)), "")
    if any(_matches(host_of(address), entry.strip()) for entry in bypass.split(",")):
        return None
    return found


def host_of(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _matches(host: str, entry: str) -> bool:
    if "/" in entry:
        return is_in_network(host, entry)
    return bool(entry) and host.lower().endswith(entry.lower())
