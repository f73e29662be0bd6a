"""The one mapping from errors of the server to exit codes and lines with a hint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc

from amplifier_swarm.errors import Violation
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line
from amplifier_swarm_client.errors import NoAnswer, Unreachable
from amplifier_swarm_client.failures import MESSAGE_LIMIT, error_of


@dataclass(frozen=True, slots=True)
class ExitMapping:
    """The exit code and the hint of one kind of error."""

    code: ExitCode
    hint: str = ""


BY_REASON: Final[Mapping[str, ExitMapping]] = {
    "TASK_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl list` shows the ids"),
    "TASK_AMBIGUOUS": ExitMapping(ExitCode.USAGE, "give more of the id"),
    "WORKER_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl workers` shows the names"),
    "SESSION_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists its attempts"),
    "CHANGE_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists its attempts"),
    "ARTIFACT_REFUSED": ExitMapping(ExitCode.NEGATIVE),
    "ARTIFACT_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl artifacts TASK` lists the names"),
    "RESULT_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl show TASK` lists what came too late"),
    "BUDGET_NOT_FOUND": ExitMapping(ExitCode.NOT_FOUND, "`swarmctl budget` lists those that there are"),
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
    "SESSION_OVER": ExitMapping(ExitCode.UNAUTHENTICATED),
    "FOLLOW_UP_REFUSED": ExitMapping(ExitCode.CONFLICT),
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
OTHER_ERROR: Final = ExitMapping(ExitCode.NEGATIVE, "the log of swarmd says more")


def explain(error: grpc.RpcError, *, server: str) -> ProgramExit:
    """Returns the exit code, message and hint for an error of a call to `server`."""
    found = error_of(error, server=server)
    if isinstance(found, Unreachable | NoAnswer):
        return ProgramExit(ExitCode.UNREACHABLE, found.message, hint=found.hint)
    meaning = BY_REASON.get(found.reason) or _BY_CODE.get(error.code(), OTHER_ERROR)
    faults = "; ".join(_fault(violation) for violation in found.violations)
    message = one_line(faults or found.message, MESSAGE_LIMIT)
    # A hint of the server is more specific than ours.
    return ProgramExit(meaning.code, message, hint="" if "; " in message else meaning.hint)


def _fault(violation: Violation) -> str:
    place, message = violation.place, violation.message
    return message if message.startswith(place) else f"{place}: {message}"
