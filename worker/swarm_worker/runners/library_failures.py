"""The failure of an attempt whose session ended with an error of the library; `agent_library.errors` has the table."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from amplifier_swarm.text import one_line
from swarm_worker.agent_library.errors import PROVIDER_DENIED, PROVIDER_FAILED, PROVIDER_LIMITED, fault_of
from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.runners.provider_errors import RESUME_HINT, retry_after_s
from swarm_worker.runners.usage_limits import find_limit

LOG_CHARS: Final = 300
# Status codes of a refused key, or of a provider that is not paid.
_REFUSED: Final = re.compile(r"\b(?:401|402|403)\b")


class _ErrorFields:
    """The fields of an envelope's error, under the names that the library's own errors have."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = error.get("code")
        self.message = error.get("message")
        self.remedy = error.get("remediation")
        self.category = ""
        self.retryable = error.get("retryable")
        self.details = error.get("details")


def library_failure(error: Mapping[str, Any]) -> Failure:
    """Returns the failure for the error of an envelope that `agent_library` wrote."""
    fault = fault_of(_ErrorFields(error))
    log = one_line(str(error.get("lastLog") or ""), LOG_CHARS)
    rule = fault.rule
    kind = rule.failure if error.get("answered") is True else rule.unasked or rule.failure
    if fault.code == PROVIDER_FAILED:
        kind = _class_of_provider(kind, log, retryable=fault.retryable, unoffered=bool(fault.tool))
    text = _text(fault.code, fault.text, fault.details, log)
    wait_s = retry_after_s(log) if kind == PROVIDER_LIMITED else None
    if kind == PROVIDER_DENIED:
        text = f"{text}; mend that, {RESUME_HINT}"
    return Failure(FailureClass(kind), text, wait_s)


def _class_of_provider(kind: str, log: str, *, retryable: bool, unoffered: bool) -> str:
    if retryable:
        return PROVIDER_LIMITED
    if unoffered:
        return FailureClass.AGENT_ERROR
    limit = find_limit([log], now=datetime.now(UTC)) if log else None
    if limit is not None:
        return PROVIDER_DENIED if limit.remedy else PROVIDER_LIMITED
    return PROVIDER_DENIED if _REFUSED.search(log) else kind


def _text(code: str, said: str, details: Mapping[str, Any] | None, log: str) -> str:
    named = [f"{name} {value}" for name, value in (details or {}).items() if isinstance(value, str | int)]
    parts = [f"{code}: {said.rstrip('.')}", *([f"({', '.join(named)})"] if named else [])]
    return " ".join(parts) + (f"; the provider's last log line: {log}" if log else "")
