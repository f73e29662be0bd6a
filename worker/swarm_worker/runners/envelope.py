"""Reads sessions that end with an envelope: one JSON object on stdout, events on stderr.

Its one rule: the envelope counts before the exit code, and the evidence before both.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import EventReader, usage_of
from swarm_worker.output.json_objects import Json, objects
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.evidence_of_work import EvidenceOfWork, agent_error
from swarm_worker.runners.provider_errors import denied, failure_of
from swarm_worker.runners.reader import STARTING, WORKING, Report

# What a program says of a command line that it does not understand, and of an interrupt.
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130
# What its provider lacks stands in the code for once.
UNPROVIDED: Final = ("provider_not_configured", "provider_init_failed")


class EnvelopeReader:
    """Reads one session and asks for the evidence that it did something."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._gate = EvidenceOfWork(plan)
        self._events = EventReader()
        self._last = ""
        self._told = Usage()

    @property
    def usage(self) -> Usage:
        """What the events say; an envelope's own sums count only where there were none."""
        return self._events.usage if self._events.model_used else self._events.usage.plus(self._told)

    @property
    def patience(self) -> float:
        return WORKING if self._events.has_events else STARTING

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        if not line.text.strip() or line.text.lstrip().startswith("{"):
            return ()
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        entries = self._events.read(line)
        for entry in entries:
            if entry.kind is LogKind.ERROR_OUTPUT:
                self._last = entry.text.strip() or self._last
        return entries

    def fed(self, line: OutputLine) -> Sequence[SessionLogLine]:
        return ()

    def end(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session."""
        envelope = next((found for found in reversed(objects(stdout)) if "reply" in found), None)
        if envelope is None:
            return Report("", self._without_envelope(exit_code))
        self._told = _told_usage(envelope)
        if envelope.get("error") is not None:
            return Report("", _failure(envelope["error"]))
        reply = envelope["reply"] if isinstance(envelope["reply"], str) else ""
        if exit_code != 0:
            return Report(reply, agent_error(self._plan, f"it exited with {exit_code}{self._said()}"))
        asked = self._events.model_used or self._told.input_tokens + self._told.output_tokens > 0
        return Report(reply, self._gate.fault(reply, asked=asked))

    def _without_envelope(self, exit_code: int) -> Failure:
        text = f"it exited with {exit_code} and left no envelope{self._said()}"
        if exit_code == WRONG_CALL:
            return Failure(
                FailureClass.BAD_CONFIG, f"the agent does not take the worker's call{self._said()}"
            )
        if exit_code == INTERRUPTED or (exit_code != 0 and self._last.startswith("Aborted!")):
            return Failure(FailureClass.CRASHED, f"the {self._plan.role} was interrupted: {text}")
        return agent_error(self._plan, text)

    def _said(self) -> str:
        return f": {one_line(self._last, 500)}" if self._last else ""


def _told_usage(envelope: Json) -> Usage:
    """What the envelope itself says; older engines say nothing but 0."""
    metadata = envelope.get("metadata")
    told: Json = metadata if isinstance(metadata, dict) else {}
    return usage_of(told.get("tokensIn"), told.get("tokensOut"), told.get("costUsd"))


def _failure(error: object) -> Failure:
    details: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    message, remedy = details.get("message"), details.get("remediation")
    text = message if isinstance(message, str) and message else json.dumps(error, ensure_ascii=False)
    remedy = remedy if isinstance(remedy, str) else ""
    if details.get("classification") == "protocol":
        hint = f"; {remedy}" if remedy else ""
        return Failure(FailureClass.BAD_CONFIG, f"the agent does not take the worker's call: {text}{hint}")
    if details.get("code") in UNPROVIDED:
        return denied(text, remedy or "configure the provider and its key")
    return failure_of(text, remedy=remedy)
