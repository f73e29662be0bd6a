"""The library's errors: what each code means for the session and for the attempt, in one table.

The worker reads the table too, so a code is mapped here and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

PROVIDER_FAILED: Final = "provider_failed"
# An error of this program itself.
OWN_FAULT: Final = "child_failed"
# The library is missing or too old.
NO_LIBRARY: Final = "library_missing"

AGENT_ERROR: Final = "agent_error"
BAD_CONFIG: Final = "bad_config"
CRASHED: Final = "crashed"
PROVIDER_DENIED: Final = "provider_denied"
PROVIDER_LIMITED: Final = "provider_limited"


class ErrorRule(NamedTuple):
    """The failure class of an error that ends the session, and what may be done before.

    `unasked` is the class if no model has answered yet, empty if it is the same. `turns` is how many further turns in
    the same session may follow such errors; `advice` is what they ask the model for.
    """

    failure: str
    unasked: str = ""
    turns: int = 0
    advice: str = ""


_LOOK: Final = "Look at the state of the files first; then go on with the task."
_AFTER_TOOL: Final = ErrorRule(AGENT_ERROR, turns=1, advice=f"A tool call ended your turn: {{text}} {_LOOK}")
_OWN_DOING: Final = ErrorRule(CRASHED)
_APPROVAL: Final = ErrorRule(BAD_CONFIG)

RULES: Final[Mapping[str, ErrorRule]] = {
    # The cause and whether waiting helps are in the error's other fields; see `recovery`, and the worker's
    # `library_failures`.
    PROVIDER_FAILED: ErrorRule(AGENT_ERROR, unasked=PROVIDER_DENIED),
    "engine_unavailable": ErrorRule(PROVIDER_DENIED),
    "selector_rejected": ErrorRule(PROVIDER_DENIED),
    "contract_version_mismatch": ErrorRule(BAD_CONFIG),
    "context_exceeded": ErrorRule(AGENT_ERROR),
    "image_unsupported": ErrorRule(AGENT_ERROR),
    # Raised for options, a file or the environment; within a turn it is the arguments of a tool call.
    "invalid_input": ErrorRule(
        AGENT_ERROR,
        unasked=BAD_CONFIG,
        turns=7,
        advice="Your last tool call was refused: {text} Correct its arguments, and go on with the task.",
    ),
    "tool_recovery_blocked": ErrorRule(
        AGENT_ERROR,
        turns=7,
        advice=f"It is unknown how your last command ended, so the calls after it were refused. {_LOOK}",
    ),
    "tool_failed": _AFTER_TOOL,
    "tool_completion_unknown": _AFTER_TOOL,
    "tool_callback_failed": _AFTER_TOOL,
    "tool_result_invalid": _AFTER_TOOL,
    # Every call is approved, so these can't happen.
    "approval_unavailable": _APPROVAL,
    "approval_denied": _APPROVAL,
    "approval_cancelled": _APPROVAL,
    "approval_timeout": _APPROVAL,
    "approval_invalid": _APPROVAL,
    "session_id_invalid": _OWN_DOING,
    "already_exists": _OWN_DOING,
    "not_found": _OWN_DOING,
    "session_in_use": _OWN_DOING,
    "busy": _OWN_DOING,
    "turn_cancelled": _OWN_DOING,
    "stream_already_consumed": _OWN_DOING,
    "closed": _OWN_DOING,
    # A full disk, or a folder that can't be written.
    "internal_failed": ErrorRule(CRASHED, unasked=BAD_CONFIG),
    OWN_FAULT: ErrorRule(CRASHED, unasked=BAD_CONFIG),
    NO_LIBRARY: ErrorRule(BAD_CONFIG),
}
# Codes of later versions.
UNKNOWN: Final = ErrorRule(AGENT_ERROR)


@dataclass(frozen=True, slots=True)
class LibraryFault:
    """An error of the library, free of its types; `details` holds JSON values."""

    code: str
    message: str
    remedy: str = ""
    category: str = ""
    retryable: bool = False
    details: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """Returns message and remedy as sentences."""
        return " ".join(
            f"{part.strip().rstrip('.')}." for part in (self.message, self.remedy) if part.strip()
        )

    @property
    def tool(self) -> str:
        """Returns the tool that the model called and that was not offered, empty for all other errors."""
        tool = (self.details or {}).get("tool")
        return str(tool) if tool and self.code == PROVIDER_FAILED else ""

    @property
    def proves_answer(self) -> bool:
        """Returns whether a turn ends with this error only after an answer of the model."""
        return bool(self.tool) or self.rule.turns > 0

    @property
    def rule(self) -> ErrorRule:
        """Returns the row of the table."""
        return RULES.get(self.code, UNKNOWN)


def fault_of(error: Any) -> LibraryFault:
    """Reads an `AgentError`, raised or from a turn's end; any other object counts as a fault of this program."""
    code = getattr(error, "code", None)
    if not isinstance(code, str):
        kind = type(error).__name__
        return LibraryFault(OWN_FAULT, f"{kind}: {error}" if str(error) else kind)
    details = getattr(error, "details", None)
    return LibraryFault(
        code,
        str(getattr(error, "message", "") or error),
        str(getattr(error, "remedy", "") or ""),
        str(getattr(error, "category", "") or ""),
        getattr(error, "retryable", False) is True,
        dict(details) if isinstance(details, Mapping) else None,
    )
