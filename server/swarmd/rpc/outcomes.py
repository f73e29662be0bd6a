"""Outcomes between the wire and the engine, which keeps what it does not decide on as JSON."""

import hashlib
from typing import Final

from google.protobuf import json_format

from amplifier_swarm.v1 import task_pb2
from swarmd.domain.model import FailureClass, Outcome, OutcomeKind
from swarmd.rpc import enums, values

MAX_ERROR: Final = 4_000


def read(message: task_pb2.Outcome) -> Outcome:
    """How a worker says that an attempt ended."""
    report = task_pb2.Outcome()
    report.CopyFrom(message)
    for field in ("kind", "failure_class", "error", "retry_after"):
        report.ClearField(field)
    return Outcome(
        kind=enums.OUTCOME_KIND.from_wire(message.kind, "outcome.kind"),
        failure_class=enums.FAILURE_CLASS.optional(message.failure_class, "outcome.failure_class"),
        error=message.error[:MAX_ERROR],
        report=json_format.MessageToJson(report, indent=None, preserving_proto_field_name=True),
        digest=hashlib.sha256(message.SerializeToString(deterministic=True)).digest(),
        retry_after_s=values.seconds(message.retry_after) if message.HasField("retry_after") else None,
    )


def read_report(report: str | None) -> task_pb2.Outcome:
    """What was kept of an outcome, its end aside; empty if nothing was."""
    return json_format.Parse(report or "{}", task_pb2.Outcome(), ignore_unknown_fields=True)


def whole(kind: OutcomeKind, failure_class: FailureClass | None, error: str, report: str) -> task_pb2.Outcome:
    """An archived outcome as it came in."""
    message = read_report(report)
    message.kind = enums.OUTCOME_KIND.to_wire(kind)
    message.failure_class = enums.FAILURE_CLASS.to_wire(failure_class)
    message.error = error
    return message
