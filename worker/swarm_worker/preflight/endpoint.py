"""The probe that a provider's address accepts connections; only `--check` runs it, since a start needs no network."""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.providers import DEFAULT_ADDRESSES, ConfiguredProvider

NAME: Final = "endpoint"
CONNECT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_OLLAMA_PORT: Final = 11434


class Place(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def probe_endpoint(provider: ConfiguredProvider, variables: Mapping[str, str]) -> Probe:
    """Connects to the provider's address and sends nothing.

    A refusal fails for an address that was configured, and for one on this machine. It is a warning for the
    provider's public address, which another way may lead to.
    """
    configured = provider.address(variables)
    address = configured or DEFAULT_ADDRESSES.get(provider.name, "")
    if not address:
        return Probe(NAME, f"the address of {provider.name} is not known here", unproven=True)
    try:
        place = parse_address(address, provider.name)
    except ValueError as error:
        text = f"{provider.name}: {address!r} is not an address: {error}"
        return Probe(NAME, text, ok=False, hint="correct it, as in http://127.0.0.1:8000/v1")
    local = _is_local(place.host)
    if not local and (proxy := _proxy_variable(variables)):
        return Probe(NAME, f"{provider.name} at {place} was not tried: sessions use {proxy}", unproven=True)
    try:
        with socket.create_connection(place, timeout=CONNECT_S):
            return Probe(NAME, f"{provider.name} at {place} accepts connections")
    except OSError as error:
        text = f"{provider.name} at {place} can't be reached: {error.strerror or error}"
    hint = "start the provider, or correct its address"
    if configured or local:
        return Probe(NAME, text, ok=False, hint=hint)
    return Probe(NAME, text, warning=True, hint=hint)


def parse_address(address: str, provider: str = "") -> Place:
    """Parses a URL, or a host with or without a port.

    Raises:
        ValueError: there is no host, or the port is not a number from 1 to 65535.
    """
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in _PORTS:
        raise ValueError(f"{parts.scheme}:// is neither http:// nor https://")
    if not parts.hostname:
        raise ValueError("it names no host")
    default = _OLLAMA_PORT if provider == "ollama" and parts.scheme == "http" else _PORTS[parts.scheme]
    port = default if parts.port is None else parts.port
    if not port:
        raise ValueError("port 0 can't be reached")
    # A server listens on all addresses there; a client reaches it on its own machine.
    return Place("127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname, port)  # noqa: S104


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxy_variable(variables: Mapping[str, str]) -> str:
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
    return next((name for name in names if variables.get(name)), "")
