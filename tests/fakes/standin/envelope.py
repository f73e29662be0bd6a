"""The envelope: the last line of `amplifier-agent run` on stdout, and its exit codes."""

import json
import time
import uuid
from dataclasses import dataclass, field

PROTOCOL = "0.3.0"
VERSION = "0.14.1"
EXIT_CODES = {"engine": 1, "protocol": 2, "approval": 3}


class Refusal(Exception):
    """An error for a call that is refused before the turn."""

    def __init__(
        self, code: str, message: str, *, remediation: str = "", classification: str = "protocol"
    ) -> None:
        super().__init__(message)
        self.code, self.remediation, self.classification = code, remediation, classification


@dataclass(slots=True)
class Envelope:
    """The result of the process."""

    session: str = ""
    mode: str | None = None
    begun_s: float = field(default_factory=time.monotonic)
    correlation: str = field(default_factory=lambda: str(uuid.uuid4()))

    def reply(self, text: str) -> str:
        return self._line("turn-1", text, None, {"activeMode": self.mode})

    def failure(self, message: str) -> str:
        """Returns the line for a failure of the engine; its code is always `internal`."""
        return self._line("turn-1", "", self._error("internal", "engine", message), {"activeMode": None})

    def refusal(self, refusal: Refusal) -> str:
        error = self._error(refusal.code, refusal.classification, str(refusal))
        if refusal.remediation:
            error["remediation"] = refusal.remediation
        self.session = ""
        return self._line("", "", error, {})

    def _error(self, code: str, classification: str, message: str) -> dict[str, object]:
        return {
            "code": code,
            "classification": classification,
            "severity": "error",
            "correlationId": self.correlation,
            "message": message,
        }

    def _line(self, turn: str, reply: str, error: dict[str, object] | None, more: dict[str, object]) -> str:
        metadata: dict[str, object] = {
            # Always 0: only the usage events contain the sums.
            "tokensIn": 0,
            "tokensOut": 0,
            "durationMs": round((time.monotonic() - self.begun_s) * 1000),
            "bundleDigest": "",
            "engineVersion": VERSION,
            "protocolVersion": PROTOCOL,
            "correlationId": self.correlation,
        }
        document = {
            "protocolVersion": PROTOCOL,
            "sessionId": self.session,
            "turnId": turn,
            "reply": reply,
            "error": error,
            "metadata": metadata | more,
        }
        return json.dumps(document) + "\n"
