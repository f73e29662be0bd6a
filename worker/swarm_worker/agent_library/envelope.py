"""The envelope: the last line of a session on stdout, in the format of the program `amplifier-agent`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

PROTOCOL_VERSION: Final = "0.3.0"
# A process runs one turn, or several that count as one.
TURN_ID: Final = "turn-1"


@dataclass(frozen=True, slots=True)
class EnvelopeFault:
    """The reason for a missing reply; `code` and `classification` use the words of the engine.

    `more` are further fields of the error.
    """

    code: str
    message: str
    classification: str = "engine"
    remediation: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Returns 2 if the call was wrong, 1 if the engine failed."""
        return 2 if self.classification == "protocol" else 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """The result of a session.

    The token counts are 0 if the `usage` events alone count; `more` are further fields of the metadata.
    """

    session_id: str
    engine_version: str
    reply: str = ""
    fault: EnvelopeFault | None = None
    duration_ms: int = 0
    mode: str | None = None
    correlation_id: str = field(default_factory=lambda: str(uuid4()))
    tokens_in: int = 0
    tokens_out: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.fault.exit_code if self.fault else 0

    def line(self) -> str:
        """Formats the envelope as JSON."""
        document = {
            "protocolVersion": PROTOCOL_VERSION,
            "sessionId": self.session_id,
            "turnId": TURN_ID if self.session_id else "",
            "reply": "" if self.fault else self.reply,
            "error": self._error(),
            "metadata": {
                "tokensIn": self.tokens_in,
                "tokensOut": self.tokens_out,
                "durationMs": self.duration_ms,
                "bundleDigest": "",
                "engineVersion": self.engine_version,
                "protocolVersion": PROTOCOL_VERSION,
                "correlationId": self.correlation_id,
                "activeMode": self.mode,
                **self.more,
            },
        }
        return json.dumps(document, ensure_ascii=True)

    def _error(self) -> dict[str, Any] | None:
        if self.fault is None:
            return None
        error = {
            "code": self.fault.code,
            "classification": self.fault.classification,
            "severity": "error",
            "correlationId": self.correlation_id,
            "message": self.fault.message,
            **self.fault.more,
        }
        return error | {"remediation": self.fault.remediation} if self.fault.remediation else error
