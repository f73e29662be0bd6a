"""The one table from errors of the domain to gRPC statuses."""

from collections.abc import Iterator, Sequence
from typing import Final

import grpc

from amplifier_swarm.errors import Violation, WireError
from swarmd.domain import caller_errors, errors, session_errors

_C = grpc.StatusCode
TABLE: Final[dict[type[errors.SwarmError], grpc.StatusCode]] = {
    errors.TaskNotFound: _C.NOT_FOUND,
    errors.TaskAmbiguous: _C.INVALID_ARGUMENT,
    errors.WorkerNotFound: _C.NOT_FOUND,
    errors.SessionNotFound: _C.NOT_FOUND,
    errors.ResultNotFound: _C.NOT_FOUND,
    errors.ChangeNotFound: _C.NOT_FOUND,
    errors.ArtifactNotFound: _C.NOT_FOUND,
    errors.ArtifactRefused: _C.RESOURCE_EXHAUSTED,
    errors.TokenNotFound: _C.NOT_FOUND,
    errors.BudgetNotFound: _C.NOT_FOUND,
    errors.InvalidTasks: _C.INVALID_ARGUMENT,
    errors.InvalidRequest: _C.INVALID_ARGUMENT,
    errors.InvalidStatus: _C.FAILED_PRECONDITION,
    errors.HoldRefused: _C.FAILED_PRECONDITION,
    session_errors.FollowUpRefused: _C.FAILED_PRECONDITION,
    errors.TasksActive: _C.FAILED_PRECONDITION,
    errors.WorkerConnected: _C.FAILED_PRECONDITION,
    errors.WorkerNameTaken: _C.ALREADY_EXISTS,
    errors.RehearsalRefused: _C.FAILED_PRECONDITION,
    errors.StreamReplaced: _C.ABORTED,
    errors.ServerStopping: _C.UNAVAILABLE,
    errors.TooManyStreams: _C.RESOURCE_EXHAUSTED,
    errors.StorageFull: _C.RESOURCE_EXHAUSTED,
    errors.StorageFailed: _C.UNAVAILABLE,
    caller_errors.TokenInvalid: _C.UNAUTHENTICATED,
    caller_errors.TokenExpired: _C.UNAUTHENTICATED,
    session_errors.SessionOver: _C.UNAUTHENTICATED,
    caller_errors.JoinRefused: _C.PERMISSION_DENIED,
    caller_errors.RoleDenied: _C.PERMISSION_DENIED,
    errors.DashboardOff: _C.FAILED_PRECONDITION,
}


# Errors travel in trailers, of which a peer accepts 8 KiB, so text that a caller sent is cut before it is sent back.
MAX_TEXT: Final = 1_000
MAX_FAULTS: Final = 3_600


def wire_error(error: errors.SwarmError) -> WireError:
    """Converts an error to its status, reason and details, cut to what trailers hold."""
    return WireError(
        TABLE[type(error)],
        _cut(error.message),
        error.reason,
        {key: _cut(value) for key, value in error.metadata.items()},
        list(_violations(error.faults)),
    )


def _violations(faults: Sequence[errors.FieldFault]) -> Iterator[Violation]:
    """Yields the first faults that fit into the trailers, at least one."""
    room = MAX_FAULTS
    for number, fault in enumerate(faults):
        violation = Violation(_cut(fault.place), _cut(fault.message))
        room -= _size(violation.place) + _size(violation.message)
        if number and room < 0:
            return
        yield violation


def _cut(text: str) -> str:
    if _size(text) <= MAX_TEXT:
        return text
    return text.encode()[: MAX_TEXT - 3].decode(errors="ignore") + "…"


def _size(text: str) -> int:
    return len(text.encode())
