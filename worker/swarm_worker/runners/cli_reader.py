"""The reader for sessions of `amplifier run`: JSON at the end of stdout, the kernel's events in a progress file.

Invariant: a reply without usage fails only if the events were read; the program itself reports no usage.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import EventReader, usage_of
from swarm_worker.output.json_objects import Json, objects
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.envelope import WRONG_CALL
from swarm_worker.runners.evidence_of_work import EvidenceOfWork, agent_error
from swarm_worker.runners.provider_errors import classify_error
from swarm_worker.runners.reader import SILENT_UNTIL_END, STARTING, WORKING, Report

# Words of the error that the program prints before its answer if no hook logs the session: it misses its own log.
UNLOGGED_WORDS: Final = ("session", "not found")
MODEL_EVENTS: Final = ("llm:", "provider:")


class KernelEvent(NamedTuple):
    """A line of the progress file."""

    name: str
    data: Mapping[str, Any]


class CliReader:
    """A reader of one session."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._evidence = EvidenceOfWork(plan)
        self._events = EventReader()
        self._progress_usage = Usage()
        self._has_progress = False
        self._begun = False
        self._model_asked = False
        self._last = ""

    @property
    def usage(self) -> Usage:
        return self._events.usage.plus(self._progress_usage)

    @property
    def reached_model(self) -> bool:
        return self._begun or self._events.model_reached

    @property
    def stall_factor(self) -> float:
        """Returns SILENT_UNTIL_END until an event was read: without a logging hook there are no events."""
        if not self._has_progress:
            return SILENT_UNTIL_END
        return WORKING if self._begun else STARTING

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Logs the line unless it looks like a part of the JSON document, which spans several lines."""
        if not line.text.strip() or line.text.lstrip()[:1] in '{}"[]':
            return ()
        self._last = line.text.strip()
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        entries = self._events.read(line)
        for entry in entries:
            self._last = entry.text.strip() or self._last
        return entries

    def progress(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Reads an event of the kernel."""
        event = None if line.cut else _parse_event(line.text)
        if event is None:
            return ()
        self._has_progress = True
        self._begun = self._begun or event.name.startswith(("llm:response", "tool:"))
        self._model_asked = self._model_asked or event.name.startswith(MODEL_EVENTS)
        if event.name == "llm:response":
            self._progress_usage = self._progress_usage.plus(_usage(event.data))
        return _log_lines(event)

    def finish(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges by the last document; evidence outranks the document's status, and that outranks the exit code."""
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
            return Report(reply, agent_error(self._plan, f"it exited with {exit_code}{self._last_words()}"))
        asked = self._model_asked or not self._has_progress
        return Report(reply, self._evidence.failure(reply, asked=asked))

    def _without_document(self, exit_code: int) -> Failure:
        if exit_code == WRONG_CALL:
            return Failure(
                FailureClass.BAD_CONFIG, f"amplifier rejects the worker's call{self._last_words()}"
            )
        return agent_error(self._plan, f"it exited with {exit_code} and left no JSON{self._last_words()}")

    def _last_words(self) -> str:
        return f": {one_line(self._last, 500)}" if self._last else ""


def _is_unlogged(document: Json) -> bool:
    text = str(document.get("error", "")).lower()
    return all(word in text for word in UNLOGGED_WORDS)


def _failure(document: Json) -> Failure:
    kind, error = document.get("error_type"), document.get("error")
    text = error if isinstance(error, str) and error else json.dumps(document, ensure_ascii=False)
    return classify_error(f"{kind}: {text}" if isinstance(kind, str) and kind and kind not in text else text)


def _parse_event(text: str) -> KernelEvent | None:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    data = event.get("data")
    return KernelEvent(event["event"], data if isinstance(data, dict) else event)


def _usage(data: Mapping[str, Any]) -> Usage:
    used = data.get("usage")
    used = used if isinstance(used, dict) else {}
    return usage_of(
        used.get("input_tokens", used.get("input")),
        used.get("output_tokens", used.get("output")),
        used.get("cost_usd", used.get("cost")),
    )


def _log_lines(event: KernelEvent) -> Sequence[SessionLogLine]:
    name, data = event
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
