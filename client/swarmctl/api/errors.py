"""The one mapping from errors of the server to exit codes and lines with a hint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import grpc

from amplifier_swarm.errors import Violation, WireError, unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line

# A message of swarmd is a sentence or two; anything longer comes from another program.
MESSAGE_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class ExitMapping:
    """The exit code and the hint of one kind of error."""

    code: ExitCode
    hint: str = ""


class _ConnectionFailure(NamedTuple):
    """A kind of failed connection, recognised by any of its signs in gRPC's details."""

    signs: tuple[str, ...]
    problem: str
    hint: str


BY_REASON: Final[Mapping[str, ExitMapping]] = {
    "TASK_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl list` shows the ids"),
    "TASK_AMBIGUOUS": ExitMapping(ExitCode.USAGE, "give more of the id"),
    "WORKER_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl workers` shows the names"),
    "SESSION_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists its attempts"),
    "CHANGE_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists its attempts"),
    "ARTIFACT_REFUSED": ExitMapping(ExitCode.NEGATIVE),
    "ARTIFACT_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl artifacts TASK` lists the names"),
    "RESULT_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists what came too late"),
    "TOKEN_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl token list` shows the ids"),
    "INVALID_TASKS": ExitMapping(ExitCode.USAGE),
    "INVALID_REQUEST": ExitMapping(ExitCode.USAGE, "`swarmctl COMMAND --help` says what it takes"),
    "HOLD_REFUSED": ExitMapping(ExitCode.CONFLICT, "`swarmctl inbox` lists what waits for a person"),
    "INVALID_STATUS": ExitMapping(ExitCode.CONFLICT, "`swarmctl show TASK` says how it stands"),
    "TASKS_ACTIVE": ExitMapping(ExitCode.CONFLICT, "wait for them, or kill them first"),
    "WORKER_CONNECTED": ExitMapping(ExitCode.CONFLICT, "end the worker, or wait until it is silent"),
    "WORKER_NAME_TAKEN": ExitMapping(ExitCode.CONFLICT, "give the worker another --name"),
    "REHEARSAL_REFUSED": ExitMapping(ExitCode.CONFLICT),
    "STREAM_REPLACED": ExitMapping(ExitCode.CONFLICT),
    "SERVER_STOPPING": ExitMapping(ExitCode.UNREACHABLE, "try again when it is back"),
    "TOO_MANY_STREAMS": ExitMapping(ExitCode.NEGATIVE),
    "STORAGE_FULL": ExitMapping(ExitCode.NEGATIVE, "nothing was changed; free some space at the server"),
    "STORAGE_FAILED": ExitMapping(ExitCode.UNREACHABLE, "the outcome is unknown; look, and repeat it"),
    "TOKEN_INVALID": ExitMapping(
        ExitCode.UNAUTHENTICATED, "is it the token of this server? give --token-file or SWARM_TOKEN"
    ),
    "TOKEN_EXPIRED": ExitMapping(ExitCode.UNAUTHENTICATED),
    "JOIN_REFUSED": ExitMapping(ExitCode.DENIED),
    "ROLE_DENIED": ExitMapping(ExitCode.DENIED, "use a token of another role"),
    "DASHBOARD_OFF": ExitMapping(ExitCode.CONFLICT),
}

_BY_CODE: Final[Mapping[grpc.StatusCode, ExitMapping]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ExitMapping(ExitCode.USAGE),
    grpc.StatusCode.OUT_OF_RANGE: ExitMapping(ExitCode.USAGE),
    grpc.StatusCode.NOT_FOUND: ExitMapping(ExitCode.NOT_FOUND),
    grpc.StatusCode.PERMISSION_DENIED: ExitMapping(ExitCode.DENIED),
    grpc.StatusCode.UNAUTHENTICATED: ExitMapping(
        ExitCode.UNAUTHENTICATED, "give --token-file or SWARM_TOKEN"
    ),
    grpc.StatusCode.FAILED_PRECONDITION: ExitMapping(ExitCode.CONFLICT),
    grpc.StatusCode.ALREADY_EXISTS: ExitMapping(ExitCode.CONFLICT),
    grpc.StatusCode.ABORTED: ExitMapping(ExitCode.CONFLICT),
    grpc.StatusCode.UNIMPLEMENTED: ExitMapping(
        ExitCode.UNREACHABLE, "is it a swarmd, and as new as this swarmctl? see `swarmctl version`"
    ),
}
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
OTHER_ERROR: Final = ExitMapping(ExitCode.NEGATIVE, "the log of swarmd says more")


def explain(error: grpc.RpcError, *, server: str) -> ProgramExit:
    """Returns the exit code, message and hint for an error of a call to `server`."""
    wire = unpack(error)
    if not wire.reason and wire.code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(wire.message, server=server)
    if not wire.reason and wire.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ProgramExit(
            ExitCode.UNREACHABLE,
            f"swarmd at {server} did not answer in time",
            hint="the outcome is unknown; look, and repeat it",
        )
    meaning = BY_REASON.get(wire.reason) or _BY_CODE.get(wire.code, OTHER_ERROR)
    return _exit(wire, meaning)


def _exit(wire: WireError, meaning: ExitMapping) -> ProgramExit:
    message = one_line(wire.message, MESSAGE_LIMIT)
    faults = "; ".join(_fault(violation) for violation in wire.violations)
    if faults:
        message = one_line(faults, MESSAGE_LIMIT)
    # A hint of the server is more specific than ours.
    return ProgramExit(meaning.code, message, hint="" if "; " in message else meaning.hint)


def _fault(violation: Violation) -> str:
    place, message = violation.place, violation.message
    return message if message.startswith(place) else f"{place}: {message}"


def _unreachable(detail: str, *, server: str) -> ProgramExit:
    lowered = detail.lower()
    for failure in _CONNECTION_FAILURES:
        if any(sign in lowered for sign in failure.signs):
            return ProgramExit(ExitCode.UNREACHABLE, failure.problem.format(server=server), hint=failure.hint)
    cause = one_line(detail.rsplit("last error: ", 1)[-1], 200)
    return ProgramExit(
        ExitCode.UNREACHABLE,
        f"no swarmd answers at {server} ({cause})",
        hint="start one with `swarmd`, or give --server; give --tls-ca if it wants TLS",
    )
