"""Reads sessions that end with an envelope: one JSON object on stdout, events on stderr.

Its one rule: an exit code of 0 and an envelope without error are no evidence. Sessions in which no model
was ever asked, or no tool ever worked, have ended just so.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from amplifier_swarm.text import one_line
from swarm_worker.events import EventReader
from swarm_worker.lines import Line
from swarm_worker.model import Entry, Failure, FailureClass, LogKind, Role, Usage
from swarm_worker.replies import last_object
from swarm_worker.runners.base import Report, SessionPlan

_LIMITED = ("RateLimitError", "ProviderUnavailableError", "NetworkError", "LLMTimeoutError", "StreamError")
_DENIED = (
    "AuthenticationError",
    "AccessDeniedError",
    "QuotaExceededError",
    "ConfigurationError",
    "NotFoundError",
)
# amplifier-core's error classes of which the task itself is not at fault.
CLASSES: Final = dict.fromkeys(_LIMITED, FailureClass.PROVIDER_LIMITED) | dict.fromkeys(
    _DENIED, FailureClass.PROVIDER_DENIED
)


class EnvelopeReader:
    """Reads one session and asks for the evidence that it did something."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._events = EventReader()
        self._last = ""

    @property
    def usage(self) -> Usage:
        return self._events.usage

    def stdout(self, line: Line) -> Sequence[Entry]:
        if not line.text.strip() or line.text.lstrip().startswith("{"):
            return ()
        return (Entry(LogKind.OUTPUT, line.text),)

    def stderr(self, line: Line) -> Sequence[Entry]:
        entries = self._events.read(line)
        for entry in entries:
            if entry.kind is LogKind.ERROR_OUTPUT:
                self._last = entry.text.strip() or self._last
        return entries

    def end(self) -> Sequence[Entry]:
        return self._events.end()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """The envelope counts before the exit code; the evidence counts before both."""
        envelope = last_object(stdout)
        if envelope is None or "reply" not in envelope:
            return Report(
                "", self._agent_error(f"it exited with {exit_code} and left no envelope{self._said()}")
            )
        if envelope.get("error") is not None:
            return Report("", _failure(envelope["error"]))
        reply = envelope["reply"] if isinstance(envelope["reply"], str) else ""
        if missing := self._missing(reply, exit_code):
            return Report(reply, self._agent_error(missing))
        return Report(reply)

    def _missing(self, reply: str, exit_code: int) -> str:
        if exit_code != 0:
            return f"it exited with {exit_code}{self._said()}"
        if not reply.strip():
            return "no evidence of work: the reply is empty"
        if reply.lstrip().startswith("Error:"):
            return f"no evidence of work: the reply is {one_line(reply, 500)!r}"
        if not self._events.used:
            return "no evidence of work: no model was ever asked (no usage was reported)"
        if self._plan.role is Role.BUILDER and (absent := self._absent_files()):
            return f"no evidence of work: declared but not there: {', '.join(absent)}"
        return ""

    def _absent_files(self) -> list[str]:
        root = self._plan.project_root.resolve()
        return [name for name in self._plan.task.files if not _is_inside(root / name, root)]

    def _said(self) -> str:
        return f": {one_line(self._last, 500)}" if self._last else ""

    def _agent_error(self, text: str) -> Failure:
        return Failure(FailureClass.AGENT_ERROR, f"the {self._plan.role} gave no result: {text}")


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # not there, a loop of links, or no path at all
        return False


def _failure(error: object) -> Failure:
    """The class of what went wrong stands in the message alone; the codes are all the same."""
    details: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    message = details.get("message")
    text = message if isinstance(message, str) and message else json.dumps(error, ensure_ascii=False)
    words = re.findall(r"[A-Za-z]+", text)
    kind = next((CLASSES[word] for word in words if word in CLASSES), FailureClass.AGENT_ERROR)
    remedy = details.get("remediation")
    return Failure(kind, f"{text}; {remedy}" if isinstance(remedy, str) and remedy else text)
