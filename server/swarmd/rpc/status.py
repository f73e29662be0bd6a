"""The one table from what a verb may refuse to what a caller sees."""

from typing import Final

import grpc

from amplifier_swarm.errors import Violation, WireError
from swarmd.domain import errors

_C = grpc.StatusCode
TABLE: Final[dict[type[errors.SwarmError], grpc.StatusCode]] = {
    errors.TaskNotFound: _C.NOT_FOUND,
    errors.TaskAmbiguous: _C.INVALID_ARGUMENT,
    errors.WorkerNotFound: _C.NOT_FOUND,
    errors.SessionNotFound: _C.NOT_FOUND,
    errors.ResultNotFound: _C.NOT_FOUND,
    errors.TokenNotFound: _C.NOT_FOUND,
    errors.InvalidTasks: _C.INVALID_ARGUMENT,
    errors.InvalidRequest: _C.INVALID_ARGUMENT,
    errors.InvalidStatus: _C.FAILED_PRECONDITION,
    errors.TasksActive: _C.FAILED_PRECONDITION,
    errors.WorkerNameTaken: _C.ALREADY_EXISTS,
    errors.StreamReplaced: _C.ABORTED,
    errors.ServerStopping: _C.UNAVAILABLE,
    errors.StorageFull: _C.RESOURCE_EXHAUSTED,
    errors.StorageFailed: _C.UNAVAILABLE,
    errors.TokenInvalid: _C.UNAUTHENTICATED,
    errors.RoleDenied: _C.PERMISSION_DENIED,
}


def wire_error(error: errors.SwarmError) -> WireError:
    """The error as it goes over the wire."""
    return WireError(
        TABLE[type(error)],
        error.message,
        error.reason,
        error.metadata,
        [Violation(fault.place, fault.message) for fault in error.faults],
    )
