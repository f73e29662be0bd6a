"""The one mapping from errors of gRPC to the errors of this package."""

from typing import Final, NamedTuple

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.text import one_line
from amplifier_swarm_client.errors import NoAnswer, SwarmError, Unreachable
from amplifier_swarm_client.types.reasons import BY_REASON

# A message of swarmd is a sentence or two; anything longer comes from another program.
MESSAGE_LIMIT: Final = 1_000
# The beginning of gRPC's details where no connection could be made, so that the call was never sent.
_NOT_SENT: Final = ("failed to connect to all addresses", "dns resolution failed", "errors resolving")


class _ConnectionFailure(NamedTuple):
    """A kind of failed connection, recognised by any of its signs in gRPC's details."""

    signs: tuple[str, ...]
    problem: str
    hint: str


# Texts in gRPC's details of a failed connection, each with a problem and a hint.
_CONNECTION_FAILURES: Final = (
    _ConnectionFailure(
        ("connection refused",), "no swarmd answers at {server}", "start one with `swarmd`, or give --server"
    ),
    _ConnectionFailure(
        ("dns", "errors resolving", "address lookup"), "no such host: {server}", "check --server"
    ),
    _ConnectionFailure(
        ("security handshaker",), "the file of --tls-ca holds no certificate", "check --tls-ca"
    ),
    _ConnectionFailure(("wrong_version_number",), "{server} speaks no TLS", "leave --tls-ca out"),
    _ConnectionFailure(
        ("hostname verification",), "the certificate of {server} names another host", "check --server"
    ),
    _ConnectionFailure(
        ("socket closed",),
        "{server} closes the connection",
        "give --tls-ca if it wants TLS, --tls-cert and --tls-key if it asks for a certificate",
    ),
    _ConnectionFailure(("expired",), "the certificate of {server} has expired", "give the server a new one"),
    _ConnectionFailure(
        ("certificate_verify_failed",), "nobody vouches for the certificate of {server}", "check --tls-ca"
    ),
)


def error_of(error: grpc.RpcError, *, server: str) -> SwarmError:
    """Returns the error of a call to `server`, with the server's reason and data."""
    wire = unpack(error)
    if not wire.reason and wire.code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(wire.message, server=server)
    if not wire.reason and wire.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return NoAnswer(
            f"swarmd at {server} did not answer in time", hint="the outcome is unknown; look, and repeat it"
        )
    kind = BY_REASON.get(wire.reason, SwarmError)
    message = one_line(wire.message, MESSAGE_LIMIT)
    return kind(
        message,
        reason=wire.reason,
        data=wire.metadata,
        violations=wire.violations,
        passing=wire.code is grpc.StatusCode.UNAVAILABLE,
    )


def _unreachable(detail: str, *, server: str) -> Unreachable:
    lowered = detail.lower()
    sent = not lowered.startswith(_NOT_SENT)
    for failure in _CONNECTION_FAILURES:
        if any(sign in lowered for sign in failure.signs):
            problem = failure.problem.format(server=server)
            return Unreachable(problem, hint=failure.hint, passing=True, sent=sent)
    cause = one_line(detail.rsplit("last error: ", 1)[-1], 200)
    return Unreachable(
        f"no swarmd answers at {server} ({cause})",
        hint="start one with `swarmd`, or give --server; give --tls-ca if it wants TLS",
        passing=True,
        sent=sent,
    )
