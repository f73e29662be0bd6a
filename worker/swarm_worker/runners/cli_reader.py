"""The reader for sessions of `amplifier run`: JSON at the end of stdout, the kernel's events in a progress file.

Invariant: a reply without usage fails only if the events were read; the program itself reports no usage.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import EventReader
from swarm_worker.output.boxes import BoxReader
from swarm_worker.output.json_objects import Json, objects
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.envelope import WRONG_CALL
from swarm_worker.runners.evidence_of_work import EvidenceOfWork, agent_error
from swarm_worker.runners.kernel_events import RESPONSE, KernelEvents, log_lines
from swarm_worker.runners.provider_errors import classify_error
from swarm_worker.runners.reader import SILENT_UNTIL_END, STARTING, WORKING, Report

# Words of the error that the program prints before its answer if no hook logs the session: it misses its own log.
UNLOGGED_WORDS: Final = ("session", "not found")
MODEL_EVENTS: Final = ("llm:", "provider:")
# Lines with which each turn begins; the log names the session already.
_GREETING: Final = re.compile(r"Bundle '.*' prepared successfully|✓ Resuming session: .*|\s*Messages: \d+")
# More children of one turn are not followed: each costs a look at its file twice a second.
MAX_CHILDREN: Final = 64


class CliReader:
    """A reader of one turn of a session."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._evidence = EvidenceOfWork(plan)
        self._events = EventReader()
        self._box = BoxReader()
        # By the files that they are read from: the session's own, and those of its children.
        self._kernels: dict[Path, KernelEvents] = {}
        self._children: dict[Path, None] = {}
        self._progress_usage = Usage()
        self._begun = False
        self._model_asked = False
        self._last = ""
        self._last_error = ""

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

    @property
    def progress_files(self) -> Sequence[Path]:
        """Returns the files of the session's children, which work while the session itself is silent."""
        return tuple(self._children)

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Logs the line unless it looks like a part of the JSON document, which spans several lines."""
        if not line.text.strip() or line.text.lstrip()[:1] in '{}"[]' or _GREETING.fullmatch(line.text):
            return ()
        self._last = self._box.read(line.text) or self._last
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        if _GREETING.fullmatch(line.text):
            return ()
        entries = self._events.read(line)
        for entry in entries:
            self._last = self._box.read(entry.text) or self._last
        return entries

    def progress(self, line: OutputLine, file: Path) -> Sequence[SessionLogLine]:
        """Reads an event of the kernel."""
        event = self._kernels.setdefault(file, KernelEvents()).read(line)
        if event is None:
            return ()
        self._begun = self._begun or event.name.startswith((RESPONSE, "tool:"))
        self._model_asked = self._model_asked or event.name.startswith(MODEL_EVENTS)
        self._progress_usage = self._progress_usage.plus(event.usage)
        if event.child and len(self._children) < MAX_CHILDREN:
            self._children[file.parent.parent / event.child / file.name] = None
        entries = [entry for entry in log_lines(event) if not self._is_same_error(entry)]
        # The folder of a child is named for its spans and its agent; no other folder has an underscore.
        child = file.parent.name.partition("_")[2]
        return [replace(entry, text=f"[{child}] {entry.text}") for entry in entries] if child else entries

    def _is_same_error(self, entry: SessionLogLine) -> bool:
        """Returns whether the entry repeats the last error: a refusal makes an event of each layer it passes."""
        if entry.kind is not LogKind.ERROR_OUTPUT:
            return False
        same, self._last_error = entry.text in self._last_error, entry.text
        return same

    @property
    def _has_progress(self) -> bool:
        return any(kernel.seen for kernel in self._kernels.values())

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
