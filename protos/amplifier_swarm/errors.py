"""Errors on the wire, for both ends: a google.rpc.Status with exactly one ErrorInfo.

The modules that read and make errors are loaded with the first error: most workers never meet one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

DOMAIN: Final = "amplifier-swarm"


@dataclass(frozen=True, slots=True)
class Violation:
    """A fault of a request; `place` is a path such as `tasks[3].dependencies[0]`."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class WireError:
    """An error as the wire carries it.

    `reason` is a name of ErrorReason without its prefix; empty if the error is not one of ours (a broken
    connection, a server of another kind).
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()


def pack(error: WireError) -> Any:
    """Returns the status that `ServicerContext.abort_with_status` takes."""
    from google.rpc import code_pb2, error_details_pb2, status_pb2  # noqa: PLC0415  # see the module
    from grpc_status import rpc_status  # noqa: PLC0415  # see the module

    status = status_pb2.Status(code=getattr(code_pb2, error.code.name), message=error.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(error.metadata))
    )
    if error.violations:
        status.details.add().Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=v.place, description=v.message)
                    for v in error.violations
                ]
            )
        )
    return rpc_status.to_status(status)


def unpack(error: grpc.RpcError) -> WireError:
    """Reads an error that a call raised, sync or aio, from any server."""
    from google.rpc import error_details_pb2  # noqa: PLC0415  # see the module
    from grpc_status import rpc_status  # noqa: PLC0415  # see the module

    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name.lower().replace("_", " ")
    status = rpc_status.from_call(error)
    if status is None:
        return WireError(code, message)
    info, faults = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(faults.DESCRIPTOR):
            detail.Unpack(faults)
    if info.domain != DOMAIN:
        return WireError(code, message)
    return WireError(
        code,
        message,
        info.reason,
        dict(info.metadata),
        tuple(Violation(v.field, v.description) for v in faults.field_violations),
    )
