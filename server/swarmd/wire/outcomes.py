"""Conversion of outcomes; the engine keeps the parts that it does not decide on as JSON."""

import hashlib
from functools import cache
from typing import Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from amplifier_swarm.masking import Mask
from amplifier_swarm.v1 import session_pb2, task_pb2
from swarmd.domain.completion import contradiction
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import NO_REPORT, FailureClass, Outcome, OutcomeKind
from swarmd.wire import changes, enums, values

MAX_ERROR: Final = 4_000
# Of a longer text in a report only the beginning is kept: no person reads more, and it goes with the next claim.
MAX_TEXT: Final = 64 * 1024
MAX_WAIT_S: Final = 86_400.0
_MASK: Final = Mask()
# The engine decides on these fields, so they are not part of the report.
_DECIDED: Final = ("kind", "failure_class", "error", "retry_after", "interrupted")


def check(message: task_pb2.Outcome) -> None:
    """Checks the enums of an outcome, its change and landing, and that it does not contradict itself.

    Raises: InvalidRequest for an unknown value, one that is out of range, or a contradiction.
    """
    changes.check_outcome(message)
    kind = enums.OUTCOME_KIND.from_wire(message.kind, "outcome.kind")
    failure_class = enums.FAILURE_CLASS.optional(message.failure_class, "outcome.failure_class")
    severities = [finding.severity for finding in message.verdict.findings]
    passed = _verdict_passed(message)
    landed = message.HasField("landing")
    if fault := contradiction(
        kind, failure_class, verdict_passed=passed, severities=severities, landed=landed
    ):
        raise InvalidRequest("finished.outcome", fault)


def read(message: task_pb2.Outcome) -> Outcome:
    """Converts a worker's outcome; cuts long texts and masks secrets in the message, which it changes."""
    # Of the unmasked message: a repeated outcome must have the same digest.
    digest = hashlib.sha256(message.SerializeToString(deterministic=True)).digest()
    # A patch has a limit of its own, and is not part of the report.
    change = changes.read_change(message.change) if message.HasField("change") else None
    message.ClearField("change")
    _cut_texts(message)
    _MASK.message(message)
    return Outcome(
        kind=enums.OUTCOME_KIND.from_wire(message.kind, "outcome.kind"),
        failure_class=enums.FAILURE_CLASS.optional(message.failure_class, "outcome.failure_class"),
        error=message.error[:MAX_ERROR],
        report=_report_json(message),
        digest=digest,
        survivors=message.kill_receipt.survivors,
        retry_after_s=_retry_after_s(message.retry_after) if message.HasField("retry_after") else None,
        verdict_passed=_verdict_passed(message),
        validation_waived=message.validation_waived,
        interrupted=message.interrupted,
        change=change,
        landing=changes.read_landing(message.landing) if message.HasField("landing") else None,
    )


def _cut_texts(message: Message) -> None:
    """Cuts each text of the message to MAX_TEXT characters, in place."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, field.name, _cut(value))
            else:
                value[:] = [_cut(text) for text in value]
        elif field.type == field.TYPE_MESSAGE:
            for inner in [value] if isinstance(value, Message) else value:
                _cut_texts(inner)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n… cut"


def _verdict_passed(message: task_pb2.Outcome) -> bool | None:
    return message.verdict.passed if message.HasField("verdict") else None


def _retry_after_s(asked: Duration) -> float:
    """Returns the provider's delay, clamped to MAX_WAIT_S: a provider may ask for any time."""
    return min(max(0.0, values.seconds(asked)), MAX_WAIT_S)


def _report_json(message: task_pb2.Outcome) -> str:
    # Performance: these two reports are those of nearly all tasks without a validator.
    names = [field.name for field, _ in message.ListFields() if field.name not in _DECIDED]
    if not names:
        return NO_REPORT
    if names == ["validation_waived"]:
        return _waived_json()
    report = task_pb2.Outcome()
    report.CopyFrom(message)
    for name in _DECIDED:
        report.ClearField(name)
    return _to_json(report)


@cache
def _waived_json() -> str:
    return _to_json(task_pb2.Outcome(validation_waived=True))


def _to_json(report: task_pb2.Outcome) -> str:
    try:
        return json_format.MessageToJson(report, indent=None, preserving_proto_field_name=True)
    except json_format.SerializeToJsonError as error:  # a duration of more than 10,000 years
        raise InvalidRequest("finished.outcome", f"can't be stored: {error}") from error


def read_report(report: str | None) -> task_pb2.Outcome:
    """Reads the stored parts of an outcome; empty if nothing was stored."""
    if not report or report == NO_REPORT:
        return task_pb2.Outcome()
    return json_format.Parse(report, task_pb2.Outcome(), ignore_unknown_fields=True)


def read_receipt(receipt: str) -> session_pb2.KillReceipt:
    """Reads a stored kill receipt."""
    return json_format.Parse(receipt, session_pb2.KillReceipt(), ignore_unknown_fields=True)


def to_message(
    kind: OutcomeKind, failure_class: FailureClass | None, error: str, report: str
) -> task_pb2.Outcome:
    """Rebuilds the message of an archived outcome."""
    message = read_report(report)
    message.kind = enums.OUTCOME_KIND.to_wire(kind)
    message.failure_class = enums.FAILURE_CLASS.to_wire(failure_class)
    message.error = error
    return message
