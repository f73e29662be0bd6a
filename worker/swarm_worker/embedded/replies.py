"""Composes the final answer of a rehearsed session where its script does not bring one.

Every answer ends with the JSON that a builder or a validator owes. The one rule: after a failed
call the answer says so, whatever the script had meant to say.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarm_worker.embedded.task import Call, EmbeddedRole

PLAYED: Final = "Rehearsal: the script was played to its end."
STOPPED: Final = "Rehearsal: the script was left at its first failed call."
PASSED: Final = "Rehearsal: every call of the script succeeded; no model has judged the work."


@dataclass(frozen=True, slots=True)
class Played:
    """A call that the session has made, and what came of it."""

    call: Call
    success: bool
    output: str
    error: str

    @property
    def fault(self) -> str:
        """The failure in a line for people."""
        subject = self.call.arguments.get("path") or self.call.arguments.get("command", "")
        first = subject.strip().partition("\n")[0]
        return f"{self.call.tool} {first!r} failed: {self.error or 'no reason given'}"


def reply(role: EmbeddedRole, played: Sequence[Played], *, scripted: str) -> str:
    """The final answer after the calls made so far, of which only the last may have failed."""
    if played and not played[-1].success:
        return _stopped(role, played, scripted)
    if scripted.strip():
        return scripted
    if role is EmbeddedRole.BUILDER:
        return _ending(PLAYED, _built(played, status="completed", notes=PLAYED, blockers=[]))
    verdict = {"verdict": "PASS", "critical_issues": [], "recommendations": [], "summary": PASSED}
    return _ending(PASSED, verdict)


def _stopped(role: EmbeddedRole, played: Sequence[Played], scripted: str) -> str:
    fault = played[-1].fault
    said = f"{STOPPED}\n{fault}"
    if role is EmbeddedRole.BUILDER:
        return _ending(said, _built(played, status="blocked", notes=STOPPED, blockers=[fault]))
    # A script that expects the failure has findings of its own; they stand, and the proof with them.
    expected = _last_object(scripted)
    verdict = expected if expected.get("verdict") == "FAIL" else {"verdict": "FAIL", "summary": STOPPED}
    issues = verdict.get("critical_issues")
    path = played[-1].call.arguments.get("path", "")
    proof = {"file": path, "issue": fault, "severity": "critical"}
    return _ending(
        said, verdict | {"critical_issues": [*(issues if isinstance(issues, list) else []), proof]}
    )


def _built(played: Sequence[Played], *, status: str, notes: str, blockers: list[str]) -> dict[str, Any]:
    written = {
        item.call.arguments.get("path", ""): _last_object(item.output).get("created") is True
        for item in reversed(played)  # the first write of a file says whether it was there before
        if item.call.tool == "write_file" and item.success
    }
    result: dict[str, Any] = {
        "status": status,
        "files_created": sorted(path for path, created in written.items() if created),
        "files_modified": sorted(path for path, created in written.items() if not created),
        "tests_written": any(path.rpartition("/")[2].startswith("test_") for path in written),
        "implementation_notes": notes,
        "blockers": blockers,
    }
    tested = [item.success for item in played if "pytest" in item.call.arguments.get("command", "")]
    return result | {"tests_passed": all(tested)} if tested else result


def _ending(said: str, document: dict[str, Any]) -> str:
    return f"{said}\n{json.dumps(document, ensure_ascii=False)}"


def _last_object(text: str) -> dict[str, Any]:
    """The JSON object that a text ends with; an empty one if it does not."""
    decoder = json.JSONDecoder()
    for start in (index for index, char in enumerate(text) if char == "{"):
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        if isinstance(value, dict) and not text[end:].strip():
            return value
    return {}
