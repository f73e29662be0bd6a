"""A session whose output, duration and end are read from a file of the project.

`parts.json` maps task ids, or `*`, to parts. Only the standard library is used: the program runs where sessions run.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

LOOK_EVERY_S = 0.02
FINDINGS = [
    {
        "file": "src/desk/scan.py",
        "issue": "Two scans within one frame: the second is lost.",
        "severity": "critical",
    },
    {"file": "tests/test_scan.py", "issue": "No test covers an unknown carrier.", "severity": "minor"},
]
WORK = (
    ("read_file", "docs/desk.md", "the page of the design that says how scans are kept"),
    ("read_file", "src/desk/scan.py", "the scanner as it is"),
    ("write_file", "src/desk/scan.py", "a queue in front of the store"),
    ("write_file", "tests/test_scan.py", "a test for two scans in one frame"),
    ("bash", "python -m pytest -q tests/test_scan.py", "...\n3 passed in 0.41s"),
)
REPLY = """Scans go through a **queue** now, so that none is lost:

```python
queue.put(scan)  # in place of store.add(scan)
```
"""


def main() -> int:
    """Plays builder or validator; returns the exit code."""
    root, task = Path(os.environ["SWARM_PROJECT_ROOT"]), os.environ["SWARM_TASK_ID"]
    role, attempt = os.environ["SWARM_ROLE"], int(os.environ["SWARM_ATTEMPT"])
    parts: Mapping[str, Mapping[str, Any]] = json.loads((root / "parts.json").read_text())
    part = {**parts.get("*", {}), **parts.get(task, {})}
    if role == "builder":
        for number in range(part.get("lines", 0)):
            say(part.get("line", "line {} of what the session printed").format(number))
        work(float(part.get("seconds", 0)), part.get("say", ""))
        if part.get("hold"):
            hold(Path(part.get("cues", root / "cues")) / task)
        write(root, part, attempt)
        return build(part, attempt)
    work(float(part.get("validator_seconds", part.get("seconds", 0) / 3)), "")
    return validate(part, attempt)


def work(seconds: float, say: str) -> None:
    """Emits tool calls, text and usage over the given time, like a model."""
    steps = max(1, round(seconds / 0.4)) if seconds else 1
    for step in range(steps):
        name, what, result = WORK[step % len(WORK)]
        event("tool/started", name=name, args={"command" if name == "bash" else "path": what})
        time.sleep(seconds / steps)
        event("tool/completed", name=name, durationMs=400, result={"success": True, "output": result})
        if step % 4 == 3:
            event("result/delta", text=say or REPLY)
        event("usage", inputTokens=2_400 + 310 * step, outputTokens=260, cost=f"{0.011 + 0.0008 * step:.4f}")


def hold(cue: Path) -> None:
    """Prints the lines of the cue as they arrive, until a line is `end`."""
    for line in lines(cue):
        if line == "end":
            return
        say(line)


def lines(path: Path) -> Iterator[str]:
    """Yields the complete lines of a file that is still being written or does not exist yet."""
    at = 0
    while True:
        text = path.read_text() if path.exists() else ""
        end = text.rfind("\n") + 1
        yield from text[at:end].splitlines()
        at = max(at, end)
        time.sleep(LOOK_EVERY_S)


def write(root: Path, part: Mapping[str, Any], attempt: int) -> None:
    """Writes, removes and renames the files of the part; ATTEMPT in a text becomes the number."""
    for path, text in part.get("writes", {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text.replace("ATTEMPT", str(attempt)))
    for path in part.get("removes", ()):
        (root / path).unlink()
    for before, now in part.get("renames", {}).items():
        (root / before).rename(root / now)


def build(part: Mapping[str, Any], attempt: int) -> int:
    """Prints a builder's result, in the first attempts a question of `asks` each; returns the exit code."""
    if attempt <= part.get("fails", 0):
        say(part.get("error", "the build tool can't find its configuration"), sys.stderr)
        return 1
    if attempt <= len(asked := part.get("asks", ())):
        say(json.dumps({"status": "blocked", "questions": [asked[attempt - 1]]}))
        return 0
    answers = [{"finding_id": f"a{attempt - 1}f1", "kind": "fixed", "why": "scans go through a queue now"}]
    notes = part.get("notes", "Put a queue in front of the store and a test beside it.")
    result = {"status": "completed", "files_created": ["tests/test_scan.py"], "files_modified": ["src/desk/scan.py"],
              "tests_written": True, "tests_passed": True, "implementation_notes": notes,
              "answers": answers if attempt > 1 else []}  # fmt: skip
    say(json.dumps(result))
    return 0


def validate(part: Mapping[str, Any], attempt: int) -> int:
    """Prints a verdict, a FAIL in the part's first `rejects` attempts; returns the exit code."""
    rejects = attempt <= part.get("rejects", 0)
    verdict = {"verdict": "FAIL" if rejects else "PASS", "confidence": 0.9, "test_quality_score": 7,
               "critical_issues": part.get("findings", FINDINGS[: 3 - attempt]) if rejects else [],
               "recommendations": ["Test the empty scan too."],
               "summary": part.get("summary", "Every criterion was looked at, one by one.")}  # fmt: skip
    say(json.dumps(verdict))
    return 0


def event(method: str, **params: object) -> None:
    """Prints an event of the running session."""
    say(json.dumps({"method": method, "params": params}), sys.stderr)


def say(line: str, where: TextIO = sys.stdout) -> None:
    """Prints a line."""
    where.write(f"{line}\n")
    where.flush()


if __name__ == "__main__":
    sys.exit(main())
