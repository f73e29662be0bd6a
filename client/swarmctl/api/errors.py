"""The one place where an error of the server becomes an exit code and a line with a hint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc

from amplifier_swarm.errors import Violation, WireError, unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line

# A server's message is a sentence or two; a page is not one of ours.
MESSAGE_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class ExitMapping:
    """What an error means to the one who typed the command."""

    code: ExitCode
    hint: str = ""


BY_REASON: Final[Mapping[str, ExitMapping]] = {
    "TASK_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl list` shows the ids"),
    "TASK_AMBIGUOUS": ExitMapping(ExitCode.USAGE, "give more of the id"),
    "WORKER_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl workers` shows the names"),
    "SESSION_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists its attempts"),
    "RESULT_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists what came too late"),
    "TOKEN_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl token list` shows the ids"),
    "INVALID_TASKS": ExitMapping(ExitCode.USAGE),
    "INVALID_REQUEST": ExitMapping(ExitCode.USAGE, "`swarmctl COMMAND --help` says what it takes"),
    "INVALID_STATUS": ExitMapping(ExitCode.CONFLICT, "`swarmctl show TASK` says how it stands"),
    "TASKS_ACTIVE": ExitMapping(ExitCode.CONFLICT, "wait for them, or kill them first"),
    "WORKER_NAME_TAKEN": ExitMapping(ExitCode.CONFLICT, "give the worker another --name"),
    "STREAM_REPLACED": ExitMapping(ExitCode.CONFLICT),
    "SERVER_STOPPING": ExitMapping(ExitCode.UNREACHABLE, "try again when it is back"),
    "TOO_MANY_STREAMS": ExitMapping(ExitCode.NEGATIVE),
    "STORAGE_FULL": ExitMapping(ExitCode.NEGATIVE, "nothing was changed; free some space at the server"),
    "STORAGE_FAILED": ExitMapping(ExitCode.UNREACHABLE, "the outcome is unknown; look, and repeat it"),
    "TOKEN_INVALID": ExitMapping(
        ExitCode.UNAUTHENTICATED, "is it the token of this server? give --token-file or SWARM_TOKEN"
    ),
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
# What gRPC's account of a failed connection tells apart, in words of its own: signs, problem, hint.
_NO_CONNECTION: Final = (
    (
        ("connection refused",),
        "no swarmd answers at {server}",
        "start one with `swarmd`, or give --server",
    ),
    (("dns", "errors resolving", "address lookup"), "no such host: {server}", "check --server"),
    (("security handshaker",), "the file of --tls-ca holds no certificate", "check --tls-ca"),
    (("wrong_version_number",), "{server} speaks no TLS", "leave --tls-ca out"),
    (("hostname verification",), "the certificate of {server} names another host", "check --server"),
    (("expired",), "the certificate of {server} has expired", "give the server a new one"),
    (
        ("certificate_verify_failed",),
        "nobody vouches for the certificate of {server}",
        "check --tls-ca",
    ),
)
_OTHER: Final = ExitMapping(ExitCode.NEGATIVE, "the log of swarmd says more")


def explain(error: grpc.RpcError, *, server: str) -> ProgramExit:
    """What to tell people about an error of a call to `server`."""
    wire = unpack(error)
    if not wire.reason and wire.code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(wire.message, server=server)
    if not wire.reason and wire.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ProgramExit(
            ExitCode.UNREACHABLE,
            f"swarmd at {server} did not answer in time",
            hint="the outcome is unknown; look, and repeat it",
        )
    meaning = BY_REASON.get(wire.reason) or _BY_CODE.get(wire.code, _OTHER)
    return _exit(wire, meaning)


def _exit(wire: WireError, meaning: ExitMapping) -> ProgramExit:
    message = one_line(wire.message, MESSAGE_LIMIT)
    faults = "; ".join(_fault(violation) for violation in wire.violations)
    if faults:
        message = one_line(faults, MESSAGE_LIMIT)
    # The server's own hint is nearer to the matter.
    return ProgramExit(meaning.code, message, hint="" if "; " in message else meaning.hint)


def _fault(violation: Violation) -> str:
    place, message = violation.place, violation.message
    return message if message.startswith(place) else f"{place}: {message}"


def _unreachable(detail: str, *, server: str) -> ProgramExit:
    lowered = detail.lower()
    for signs, problem, hint in _NO_CONNECTION:
        if any(sign in lowered for sign in signs):
            return ProgramExit(ExitCode.UNREACHABLE, problem.format(server=server), hint=hint)
    cause = one_line(detail.rsplit("last error: ", 1)[-1], 200)
    return ProgramExit(
        ExitCode.UNREACHABLE,
        f"no swarmd answers at {server} ({cause})",
        hint="start one with `swarmd`, or give --server; give --tls-ca if it wants TLS",
    )
