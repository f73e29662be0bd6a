"""The one error type, with its closed list of codes."""

from typing import Any

CATEGORIES = {
    "provider_failed": "provider", "context_exceeded": "provider",
    "engine_unavailable": "lifecycle", "contract_version_mismatch": "lifecycle", "closed": "lifecycle",
    "selector_rejected": "selection", "invalid_input": "input", "image_unsupported": "input",
    "tool_recovery_blocked": "executor", "tool_failed": "executor", "tool_completion_unknown": "executor",
    "tool_callback_failed": "executor", "tool_result_invalid": "executor",
    "approval_unavailable": "approval", "approval_denied": "approval", "approval_cancelled": "approval",
    "approval_timeout": "approval", "approval_invalid": "approval",
    "session_id_invalid": "session", "already_exists": "session", "not_found": "session",
    "session_in_use": "session",
    "busy": "turn", "turn_cancelled": "turn", "stream_already_consumed": "turn", "internal_failed": "internal",
}  # fmt: skip


class AgentError(Exception):
    """An error of the library."""

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.category = CATEGORIES[code]
        self.message = message
        self.remedy = remedy
        self.retryable = retryable
        self.correlation_id = "c-1"
        self.details = details
