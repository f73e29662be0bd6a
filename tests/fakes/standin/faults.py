"""Faults of runs, drawn from a seed: the same plan meets the same faults, whatever the order of its runs.

The file named by AMPLIFIER_STANDIN_FAULTS is a JSON object: `seed`; `rates` by role and fault;
`runs`, the faults of `TASK/ROLE` in their order, which precede any draw; `retry_after_s`, the wait that a
provider asks for, null if it names none; `slow_start_s`; `child_s`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

DIGEST_BITS = 64


class Fault(StrEnum):
    """A deviation of a run from the expected behaviour."""

    NONE = "none"
    # The provider's errors.
    RATE_LIMIT = "rate_limit"
    OVERLOAD = "overload"
    NETWORK = "network"
    AUTH = "auth"
    QUOTA = "quota"
    CONTEXT = "context"
    # Ends without an envelope.
    CRASH = "crash"
    EXIT = "exit"
    # Silence of a living process: after some work, or from the start.
    STALL = "stall"
    SILENT = "silent"
    # Failures that look like successes.
    LIE = "lie"
    ERROR_REPLY = "error_reply"
    TOOL_FAILURES = "tool_failures"
    # Answers that can't be used.
    MISSING_VERDICT = "missing_verdict"
    PROSE_THEN_JSON = "verdict_prose_then_json_on_repair"
    BROKEN_JSON = "broken_json"
    # An honest rejection.
    REJECT = "reject"
    # Nothing wrong, but not easy to read or to end.
    SLOW_START = "slow_start"
    ORPHAN = "orphan"
    NOISY = "noisy"
    DELEGATE = "delegate"
    # Only for the library: the traps that end one of its turns, and a cancel that never returns.
    BAD_ARGUMENTS = "bad_arguments"
    UNOFFERED_TOOL = "unoffered_tool"
    UNKNOWN_OUTCOME = "unknown_outcome"
    OTHER_MODEL = "other_model"
    NO_NUMBERS = "no_numbers"
    CANCEL_HANGS = "cancel_hangs"
    # A delegated child that works for `child_s`, while the session itself is silent.
    LONG_CHILD = "long_child"
    # Only for the `amplifier` CLI: after the work, it fails to find its own session.
    TWO_DOCUMENTS = "two_documents"


# The error class in amplifier-core, and the provider's words.
PROVIDER_ERRORS: Mapping[Fault, tuple[str, str]] = {
    Fault.RATE_LIMIT: ("RateLimitError", "Error code: 429 - rate limit exceeded"),
    Fault.OVERLOAD: ("ProviderUnavailableError", "Error code: 529 - overloaded"),
    Fault.NETWORK: ("NetworkError", "connection reset by peer"),
    Fault.AUTH: ("AuthenticationError", "Error code: 401 - invalid x-api-key"),
    Fault.QUOTA: ("QuotaExceededError", "Error code: 403 - credit balance is too low"),
    Fault.CONTEXT: ("ContextLengthError", "Error code: 400 - prompt is too long"),
}
# Errors of the first request; the others come after an answer that was paid for.
AT_ONCE = frozenset({Fault.RATE_LIMIT, Fault.AUTH, Fault.QUOTA, Fault.CONTEXT})


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a whole run of a plan."""

    seed: int = 0
    rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    runs: Mapping[str, list[str]] = field(default_factory=dict)
    retry_after_s: float | None = None
    slow_start_s: float = 0.3
    child_s: float = 3.0
    always: Fault | None = None

    def draw(self, task: str, role: str, run: int) -> Fault:
        """Returns the fault of a run, counted from 0, of a task and role."""
        if self.always is not None:
            return self.always
        planned = self.runs.get(f"{task}/{role}", [])
        if run < len(planned):
            return Fault(planned[run])
        digest = hashlib.sha256(f"{self.seed}/{task}/{role}/{run}".encode()).digest()
        chance = int.from_bytes(digest[: DIGEST_BITS // 8]) / 2**DIGEST_BITS
        for name, rate in self.rates.get(role, {}).items():
            chance -= rate
            if chance < 0:
                return Fault(name)
        return Fault.NONE

    def message(self, fault: Fault) -> str:
        """Returns the engine's error text for a provider's fault."""
        kind, words = PROVIDER_ERRORS[fault]
        waits = fault in (Fault.RATE_LIMIT, Fault.OVERLOAD) and self.retry_after_s is not None
        hint = f"; retry after {self.retry_after_s:g}s" if waits else ""
        return f"{kind}: {words}{hint}"


def read_faults(environ: Mapping[str, str]) -> Faults:
    """Returns the faults that the environment asks for.

    AMPLIFIER_STANDIN_KEY names the variable of a provider's key; if that variable is not set, no provider is available.
    """
    key = environ.get("AMPLIFIER_STANDIN_KEY", "")
    if key and not environ.get(key):
        return Faults(always=Fault.LIE)
    name = environ.get("AMPLIFIER_STANDIN_FAULTS", "")
    document: dict[str, Any] = json.loads(Path(name).read_text("utf-8")) if name else {}
    return Faults(**document)
