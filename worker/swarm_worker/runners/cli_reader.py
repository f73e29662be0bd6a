"""Reads sessions of `amplifier run`: JSON at the end of stdout, the kernel's events in a file of its own.

Its one rule: usage is demanded only where the events could have told it; the program itself tells none.
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
from swarm_worker.runners.envelope import WRONG_CALL
from swarm_worker.runners.evidence_of_work import EvidenceOfWork, agent_error
from swarm_worker.runners.provider_errors import failure_of
from swarm_worker.runners.reader import MUTE, STARTING, WORKING, Report

# Where no hook logs the session, the program misses its own file after the work is done, and says so first.
UNLOGGED: Final = ("session", "not found")
ASKING: Final = ("llm:", "provider:")


class CliReader:
    """Reads one session."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._gate = EvidenceOfWork(plan)
        self._events = EventReader()
        self._fed = Usage()
        self._seen = False
        self._begun = False
        self._asked = False
        self._last = ""

    @property
    def usage(self) -> Usage:
        return self._events.usage.plus(self._fed)

    @property
    def patience(self) -> float:
        """Without a hook that logs the session, nothing is heard before its end."""
        if not self._seen:
            return MUTE
        return WORKING if self._begun else STARTING

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Its JSON is spread over lines; what is no line of it is worth a log entry."""
        if not line.text.strip() or line.text.lstrip()[:1] in '{}"[]':
            return ()
        self._last = line.text.strip()
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        entries = self._events.read(line)
        for entry in entries:
            self._last = entry.text.strip() or self._last
        return entries

    def fed(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """An event of the kernel."""
        event = None if line.cut else _event(line.text)
        if event is None:
            return ()
        self._seen = True
        name, data = event
        self._begun = self._begun or name.startswith(("llm:response", "tool:"))
        self._asked = self._asked or name.startswith(ASKING)
        if name == "llm:response":
            self._fed = self._fed.plus(_usage(data))
        return _entries(name, data)

    def end(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """The last document counts; its status before the exit code, the evidence before both."""
        found = [document for document in objects(stdout) if "status" in document]
        if not found:
            return Report("", self._without_document(exit_code))
        errors = [document for document in found if document["status"] != "success"]
        answers = [document for document in found if document["status"] == "success"]
        if not answers or not all(map(_is_unlogged, errors)):
            return Report("", _failure(errors[-1]))
        reply = answers[-1].get("response")
        reply = reply if isinstance(reply, str) else ""
        if exit_code != 0 and not errors:
            return Report(reply, agent_error(self._plan, f"it exited with {exit_code}{self._said()}"))
        return Report(reply, self._gate.fault(reply, asked=self._asked or not self._seen))

    def _without_document(self, exit_code: int) -> Failure:
        if exit_code == WRONG_CALL:
            return Failure(
                FailureClass.BAD_CONFIG, f"amplifier does not take the worker's call{self._said()}"
            )
        return agent_error(self._plan, f"it exited with {exit_code} and left no JSON{self._said()}")

    def _said(self) -> str:
        return f": {one_line(self._last, 500)}" if self._last else ""


def _is_unlogged(document: Json) -> bool:
    text = str(document.get("error", "")).lower()
    return all(word in text for word in UNLOGGED)


def _failure(document: Json) -> Failure:
    kind, error = document.get("error_type"), document.get("error")
    text = error if isinstance(error, str) and error else json.dumps(document, ensure_ascii=False)
    return failure_of(f"{kind}: {text}" if isinstance(kind, str) and kind and kind not in text else text)


def _event(text: str) -> tuple[str, Mapping[str, Any]] | None:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    data = event.get("data")
    return event["event"], data if isinstance(data, dict) else event


def _usage(data: Mapping[str, Any]) -> Usage:
    used = data.get("usage")
    used = used if isinstance(used, dict) else {}
    return usage_of(
        used.get("input_tokens", used.get("input")),
        used.get("output_tokens", used.get("output")),
        used.get("cost_usd", used.get("cost")),
    )


def _entries(name: str, data: Mapping[str, Any]) -> Sequence[SessionLogLine]:
    tool = str(data.get("tool_name", data.get("tool", "")))
    if name == "tool:pre":
        text = json.dumps(data.get("tool_input", data.get("arguments")), ensure_ascii=False, default=str)
        return (SessionLogLine(LogKind.TOOL_STARTED, f"{tool} {text}"),)
    if name == "tool:post":
        result = data.get("result")
        failed = isinstance(result, dict) and result.get("success") is False
        return (SessionLogLine(LogKind.TOOL_COMPLETED, f"{tool} failed" if failed else f"{tool} done"),)
    if name == "tool:error":
        return (SessionLogLine(LogKind.TOOL_COMPLETED, f"{tool} failed: {data.get('error', '')}"),)
    return ()
