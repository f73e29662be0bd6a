"""The server to dial, with the credentials for it."""

from dataclasses import replace
from typing import Final

from amplifier_swarm.channel import Endpoint, check_address
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.program import check_threads
from amplifier_swarm.text import one_line
from amplifier_swarm_client.settings import (
    ConnectionSettings,
    ca_of,
    refuse_operator_in_session,
    server_of,
    token_of,
)

# The threads of gRPC.
THREADS: Final = 8


def find_endpoint(settings: ConnectionSettings, *, with_token: bool = True) -> Endpoint:
    """Returns the server and the credentials that the settings describe.

    Raises:
        ProgramExit: A setting is wrong, or no token can be used.
    """
    server = check_address(server_of(settings), name="--server")
    tls_ca = ca_of(settings)
    _check_certificate(settings)
    token = token_of(settings) if with_token else ""
    if settings.is_discovered:
        refuse_operator_in_session(token)
    check_threads(THREADS)
    return pinned(
        Endpoint(
            server,
            token,
            tls_ca,
            settings.tls_cert,
            settings.tls_key,
            tls_ca_fingerprint=settings.tls_ca_fingerprint,
        )
    )


def pinned(endpoint: Endpoint) -> Endpoint:
    """Returns the endpoint with the certificate of its CA, if it has the fingerprint only.

    Raises:
        ProgramExit: The server can't be reached, or neither it nor --tls-ca has a certificate with the fingerprint.
    """
    if not endpoint.tls_ca_fingerprint:
        return endpoint
    # Imported here: few clients have a fingerprint.
    from amplifier_swarm.pinning import FirstContactFailed, fetch_authority, read_authority  # noqa: PLC0415

    if endpoint.tls_ca is not None:
        authority = read_authority(endpoint.tls_ca, endpoint.tls_ca_fingerprint)
        return replace(endpoint, tls_ca=None, pinned_ca=authority)
    try:
        authority = fetch_authority(endpoint.server, endpoint.tls_ca_fingerprint)
    except FirstContactFailed as error:
        raise ProgramExit(
            ExitCode.UNREACHABLE,
            f"no TLS server answers at {endpoint.server} ({one_line(str(error), 200)})",
            hint="start one with `swarmd --tls-auto`, or check --server",
        ) from error
    return replace(endpoint, pinned_ca=authority)


def _check_certificate(settings: ConnectionSettings) -> None:
    """Raises ProgramExit unless the client's certificate is complete; gRPC's own error names no file."""
    cert, key = settings.tls_cert, settings.tls_key
    if (cert is None) != (key is None):
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both or neither")
    if cert is None:
        return
    if settings.tls_ca is None and not settings.tls_ca_fingerprint:
        raise ProgramExit(
            ExitCode.USAGE, "--tls-cert needs TLS", hint="give --tls-ca or --tls-ca-fingerprint too"
        )
    # Imported here: few clients have a certificate.
    import ssl  # noqa: PLC0415

    try:
        # Without a password, an encrypted key would be asked for at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"{cert} and {key} are not a certificate and its key",
            hint="check --tls-cert and --tls-key; the key must not be encrypted",
        ) from error
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"can't read {cert} or {key}: {error.strerror}",
            hint="check --tls-cert and --tls-key",
        ) from error
