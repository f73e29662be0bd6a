"""The final answer of a rehearsed session, if its script has none.

Every answer ends with the JSON that a builder or a validator owes.

Invariant: after a failed call the answer reports the failure, whatever the script's own reply says.
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
class PlayedCall:
    """A call that the session has made, with its result."""

    call: Call
    success: bool
    output: str
    error: str

    @property
    def fault(self) -> str:
        """Describes the failure in one line."""
        subject = self.call.arguments.get("path") or self.call.arguments.get("command", "")
        first = subject.strip().partition("\n")[0]
        return f"{self.call.tool} {first!r} failed: {self.error or 'no reason given'}"


def reply(role: EmbeddedRole, played: Sequence[PlayedCall], *, scripted: str) -> str:
    """Returns the final answer after the calls so far, of which only the last may have failed."""
    if played and not played[-1].success:
        return _reply_after_failure(role, played, scripted)
    if scripted.strip():
        return scripted
    if role is EmbeddedRole.BUILDER:
        return _with_json(PLAYED, _builder_result(played, status="completed", notes=PLAYED, blockers=[]))
    verdict = {"verdict": "PASS", "critical_issues": [], "recommendations": [], "summary": PASSED}
    return _with_json(PASSED, verdict)


def _reply_after_failure(role: EmbeddedRole, played: Sequence[PlayedCall], scripted: str) -> str:
    fault = played[-1].fault
    text = f"{STOPPED}\n{fault}"
    if role is EmbeddedRole.BUILDER:
        return _with_json(text, _builder_result(played, status="blocked", notes=STOPPED, blockers=[fault]))
    # A script that expects the failure has its own findings; the failed call is added to them as evidence.
    expected = _last_object(scripted)
    verdict = expected if expected.get("verdict") == "FAIL" else {"verdict": "FAIL", "summary": STOPPED}
    issues = verdict.get("critical_issues")
    path = played[-1].call.arguments.get("path", "")
    proof = {"file": path, "issue": fault, "severity": "critical"}
    return _with_json(
        text, verdict | {"critical_issues": [*(issues if isinstance(issues, list) else []), proof]}
    )


def _builder_result(
    played: Sequence[PlayedCall], *, status: str, notes: str, blockers: list[str]
) -> dict[str, Any]:
    written = {
        item.call.arguments.get("path", ""): _last_object(item.output).get("created") is True
        for item in reversed(played)  # the first write of a file reports whether the file was new
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


def _with_json(text: str, document: dict[str, Any]) -> str:
    return f"{text}\n{json.dumps(document, ensure_ascii=False)}"


def _last_object(text: str) -> dict[str, Any]:
    """Returns the JSON object at the end of a text, or an empty one."""
    decoder = json.JSONDecoder()
    for start in (index for index, char in enumerate(text) if char == "{"):
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        if isinstance(value, dict) and not text[end:].strip():
            return value
    return {}
