"""The probe of the variables that sessions get: those that are missing in them, and names that are not set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from swarm_worker.preflight.probe import Probe

NAME: Final = "environment"
# Without these, programs behind a company's proxy or certificate authority reach no provider.
_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
NETWORK: Final = (
    *(name for proxy in _PROXIES for name in (proxy, proxy.lower())),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE"),
)

# Git and curl find the system's certificates without being pointed to them. Not so uv and Python's HTTP clients, which
# bring certificates of their own: what SSL_CERT_FILE names counts for them, be it the system's store.
_SYSTEM_STORES: Final = frozenset(
    (
        "/etc/ssl/certs",
        "/etc/ssl/cert.pem",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    )
)
_SYSTEM_VARIABLES: Final = frozenset(("CURL_CA_BUNDLE", "GIT_SSL_CAINFO"))


def probe_environment(
    own: Mapping[str, str], env: Mapping[str, str], *, passed: Sequence[str]
) -> Iterator[Probe]:
    """Yields a warning for each kind of variable that sessions miss; one success if there is none.

    `own` is the worker's environment, `env` its sessions', and `passed` the names of --pass-env.
    """
    absent = [
        name for name in NETWORK if own.get(name) and name not in env and not _is_default(name, own[name])
    ]
    unset = [name for name in passed if name not in own]
    if absent:
        yield Probe(
            NAME,
            f"set here and not passed to sessions: {', '.join(absent)}",
            warning=True,
            hint="add " + " ".join(f"--pass-env {name}" for name in absent),
        )
    if unset:
        yield Probe(
            NAME,
            f"named by --pass-env and not set here: {', '.join(unset)}",
            warning=True,
            hint="set each, or correct the name",
        )
    if not absent and not unset:
        names = ", ".join(passed)
        yield Probe(NAME, f"sessions get {names} too" if names else "sessions get the standard variables")


def _is_default(name: str, value: str) -> bool:
    return name in _SYSTEM_VARIABLES and value.rstrip("/") in _SYSTEM_STORES
