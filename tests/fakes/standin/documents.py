"""The output of the `amplifier` CLI on stdout."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Documents:
    """A writer of text or of indented JSON; if `clean`, stdout carries nothing but the JSON."""

    form: str
    clean: bool

    @property
    def json(self) -> bool:
        return self.form != "text"

    def remark(self, text: str) -> None:
        """Writes a line for people."""
        (sys.stderr if self.json and self.clean else sys.stdout).write(text + "\n")
        sys.stdout.flush()

    def failure(self, error: str, session: str, kind: str = "") -> int:
        """Writes an error; returns the exit code."""
        if not self.json:
            sys.stdout.write(f"Error: {error}\n")
            return 1
        document: dict[str, object] = {
            "status": "error",
            "error": error,
            "session_id": session,
            "timestamp": _now(),
        }
        self._write(document | ({"error_type": kind} if kind else {}))
        return 1

    def success(
        self, response: str, *, session: str, bundle: str, model: str, trace: Sequence[dict[str, object]]
    ) -> int:
        """Writes the answer; returns the exit code. No format contains tokens or costs."""
        if not self.json:
            sys.stdout.write(f"\n{response}\n")
            return 0
        document: dict[str, object] = {
            "status": "success",
            "response": response,
            "session_id": session,
            "bundle": f"bundle:{bundle}",
            "model": model,
            "timestamp": _now(),
        }
        if self.form == "json-trace":
            document |= {"execution_trace": list(trace), "metadata": {"total_tool_calls": len(trace)}}
        self._write(document)
        return 0

    def _write(self, document: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat()
