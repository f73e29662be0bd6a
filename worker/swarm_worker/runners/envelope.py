"""The reader for sessions that end with an envelope: one JSON object on stdout, events on stderr.

Invariant: evidence of work outranks the envelope, and the envelope outranks the exit code.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import EventReader, usage_of
from swarm_worker.output.json_objects import Json, objects
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.evidence_of_work import EvidenceOfWork, agent_error
from swarm_worker.runners.provider_errors import classify_error, denied_failure
from swarm_worker.runners.reader import STARTING, WORKING, Report

# Exit codes of a program that rejects its command line, and of one that was interrupted.
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130
# The only error codes that name a fault of the provider; other faults are named in the message.
NO_PROVIDER_CODES: Final = ("provider_not_configured", "provider_init_failed")
ENVELOPE_KEYS: Final = frozenset(("reply", "error"))


class EnvelopeReader:
    """A reader of one session, which demands evidence that the session did something."""

    def __init__(
        self, plan: SessionPlan, *, failure_of: Callable[[Mapping[str, Any]], Failure] | None = None
    ) -> None:
        self._plan = plan
        self._failure_of = failure_of or _failure
        self._evidence = EvidenceOfWork(plan)
        self._events = EventReader()
        self._last = ""
        self._envelope_usage = Usage()

    @property
    def usage(self) -> Usage:
        """Returns the sum of the events; the envelope's sums count only if no event reported usage."""
        return (
            self._events.usage if self._events.model_used else self._events.usage.plus(self._envelope_usage)
        )

    @property
    def reached_model(self) -> bool:
        used = self._envelope_usage
        return self._events.model_reached or used.input_tokens + used.output_tokens > 0

    @property
    def stall_factor(self) -> float:
        return WORKING if self._events.has_events else STARTING

    @property
    def progress_files(self) -> Sequence[Path]:
        return ()

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

    def progress(self, line: OutputLine, file: Path) -> Sequence[SessionLogLine]:
        return ()

    def finish(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session by its envelope; see the invariant."""
        envelopes = [found for found in objects(stdout) if found.keys() >= ENVELOPE_KEYS]
        if not envelopes:
            return Report("", self._without_envelope(exit_code))
        envelope = envelopes[-1]
        if any(other != envelope for other in envelopes):
            # A tool that writes to the agent's own output may print an envelope too; none of them can be trusted.
            return Report("", agent_error(self._plan, f"it printed {len(envelopes)} envelopes that differ"))
        self._envelope_usage = _envelope_usage(envelope)
        if envelope.get("error") is not None:
            error = envelope["error"]
            return Report("", self._failure_of(error if isinstance(error, dict) else {"message": error}))
        reply = envelope["reply"] if isinstance(envelope["reply"], str) else ""
        if exit_code != 0:
            return Report(reply, agent_error(self._plan, f"it exited with {exit_code}{self._last_words()}"))
        used = self._envelope_usage
        asked = (
            self._events.model_used or used.input_tokens + used.output_tokens > 0 or _is_answered(envelope)
        )
        return Report(reply, self._evidence.failure(reply, asked=asked))

    def _without_envelope(self, exit_code: int) -> Failure:
        text = f"it exited with {exit_code} and left no envelope{self._last_words()}"
        if exit_code == WRONG_CALL:
            return Failure(
                FailureClass.BAD_CONFIG, f"the agent rejects the worker's call{self._last_words()}"
            )
        if exit_code == INTERRUPTED or (exit_code != 0 and self._last.startswith("Aborted!")):
            return Failure(FailureClass.CRASHED, f"the {self._plan.role} was interrupted: {text}")
        return agent_error(self._plan, text)

    def _last_words(self) -> str:
        return f": {one_line(self._last, 500)}" if self._last else ""


def _envelope_usage(envelope: Json) -> Usage:
    """Returns the sums of the envelope; older engines report 0."""
    sums = _metadata(envelope)
    return usage_of(sums.get("tokensIn"), sums.get("tokensOut"), sums.get("costUsd"))


def _is_answered(envelope: Json) -> bool:
    """Returns whether the engine says that a model answered; some models report no usage."""
    return _metadata(envelope).get("modelAnswered") is True


def _metadata(envelope: Json) -> Json:
    metadata = envelope.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _failure(details: Mapping[str, Any]) -> Failure:
    message, remedy = details.get("message"), details.get("remediation")
    text = (
        message
        if isinstance(message, str) and message
        else json.dumps(message or details, ensure_ascii=False)
    )
    remedy = remedy if isinstance(remedy, str) else ""
    if details.get("classification") == "protocol":
        hint = f"; {remedy}" if remedy else ""
        return Failure(FailureClass.BAD_CONFIG, f"the agent rejects the worker's call: {text}{hint}")
    if details.get("code") in NO_PROVIDER_CODES:
        return denied_failure(text, remedy or "configure the provider and its key")
    return classify_error(text, remedy=remedy)
