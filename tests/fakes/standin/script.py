"""The script of a session: the calls and the reply of its task's rehearsal for this attempt and role.

Without a rehearsal, a builder writes the declared files of its task, and a validator reads them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILDER = "builder"
VALIDATOR = "validator"
# A session of the worker that asks for one word; its id has the mark.
TRIAL, TRIAL_MARK = "trial", "-trial-"
# What stands in for a declared folder, which nothing else would make.
FOLDER_FILE = "STANDIN.md"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call."""

    tool: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """A session's task, role and script. An empty reply is generated."""

    task: str
    role: str
    attempt: int
    calls: tuple[Call, ...]
    reply: str = ""


def read_scene(environ: Mapping[str, str]) -> Scene:
    """Returns the scene that the worker's variables describe; without them, a builder without calls."""
    task, role = environ.get("SWARM_TASK_ID", ""), environ.get("SWARM_ROLE", BUILDER)
    if TRIAL_MARK in environ.get("SWARM_SESSION_ID", ""):
        role = TRIAL  # planned faults of a trial are its own, and the rates of builders do not meet it
    attempt = int(environ.get("SWARM_ATTEMPT", "1"))
    name = environ.get("SWARM_TASK_FILE", "")
    document = json.loads(Path(name).read_text("utf-8")) if name else {}
    scripts = document.get("rehearsal", {}).get(role, [])
    if not scripts:
        return Scene(task, role, attempt, _unscripted(document, role, attempt))
    script = scripts[min(attempt, len(scripts)) - 1]
    calls = tuple(Call(call["tool"], call.get("arguments", {})) for call in script.get("calls", []))
    return Scene(task, role, attempt, calls, script.get("reply", ""))


def reply_of(scene: Scene, failed: str) -> str:
    """Returns the final answer; after a failed call it reports the failure, whatever the script says."""
    if scene.role == VALIDATOR:
        return _verdict(scene, failed)
    if scene.reply and not failed:
        return scene.reply
    written = [call.arguments.get("path", "") for call in scene.calls if call.tool == "write_file"]
    result = {
        "status": "blocked" if failed else "completed",
        "files_created": sorted(set(written)),
        "files_modified": [],
        "tests_written": any(Path(path).name.startswith("test_") for path in written),
        "implementation_notes": f"Played by a stand-in; attempt {scene.attempt}.",
        "blockers": [failed] if failed else [],
    }
    return f"Done as asked.\n{json.dumps(result)}"


def _verdict(scene: Scene, failed: str) -> str:
    if not failed:
        passed = {"verdict": "PASS", "confidence": 0.9, "critical_issues": [], "summary": "Nothing found."}
        return scene.reply or f"I looked at every file.\n{json.dumps(passed)}"
    issue = {"file": "", "issue": failed, "severity": "critical"}
    planned = _ending(scene.reply)
    verdict = planned if planned.get("verdict") == "FAIL" else {"verdict": "FAIL", "summary": failed}
    return json.dumps(verdict | {"critical_issues": [*verdict.get("critical_issues", []), issue]})


def _ending(text: str) -> dict[str, Any]:
    start = text.find("{")
    try:
        found = json.loads(text[start:]) if start >= 0 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _unscripted(document: Mapping[str, Any], role: str, attempt: int) -> tuple[Call, ...]:
    files = [name + FOLDER_FILE if name.endswith("/") else name for name in document.get("files", [])]
    if role == VALIDATOR:
        return tuple(Call("read_file", {"path": name}) for name in files)
    text = f"Written by a stand-in for task {document.get('task_id', '')}, attempt {attempt}.\n"
    return tuple(Call("write_file", {"path": name, "content": text}) for name in files)
