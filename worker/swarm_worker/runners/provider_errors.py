"""The classes of a provider's errors, read from the error's text: agents report no usable error code.

Invariant: a failure that needs a person says what that person has to do.
"""

import re
from datetime import UTC, datetime
from typing import Final

from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.runners.limit_times import wait_of
from swarm_worker.runners.usage_limits import UsageLimit, find_limit

LIMITED_ERRORS: Final = (
    "RateLimitError",
    "ProviderUnavailableError",
    "NetworkError",
    "LLMTimeoutError",
    "StreamError",
    # Python's own and the SDKs' names, which modules of providers pass on: no server listens at the address.
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "APIConnectionError",
    "APITimeoutError",
)
# The remedy for each error that does not pass by itself.
DENIED_REMEDIES: Final = {
    "AuthenticationError": "give the sessions a valid key (--pass-env NAME, or the agent's own credentials)",
    "AccessDeniedError": "let the key use that model, or configure another one",
    "QuotaExceededError": "raise the provider's quota, or configure another provider",
    "ConfigurationError": "correct the provider's configuration",
    "NotFoundError": "configure a model that the provider has",
}
# Faults of the task: the same prompt fails again.
TASK_ERRORS: Final = ("ContextLengthError", "ContentFilterError", "InvalidRequestError")
CLASS_OF_ERROR: Final = (
    dict.fromkeys(LIMITED_ERRORS, FailureClass.PROVIDER_LIMITED)
    | dict.fromkeys(DENIED_REMEDIES, FailureClass.PROVIDER_DENIED)
    | dict.fromkeys(TASK_ERRORS, FailureClass.AGENT_ERROR)
)
# The class of all errors that a provider's module does not know better, with the words of its SDK.
_UNREACHED: Final = re.compile(r"\bLLMError: (?:Connection error|Request timed out)\b")
RESUME_HINT: Final = "then run: swarmctl resume"
# The longest wait for a provider that asks for more: the provider may answer earlier.
MAX_WAIT_S: Final = 3600.0


def classify_error(text: str, *, remedy: str = "") -> Failure:
    """Returns the failure for an error's text; the first error class in the text is the outermost and counts."""
    word = next((word for word in re.findall(r"[A-Za-z]+", text) if word in CLASS_OF_ERROR), "")
    unknown = FailureClass.PROVIDER_LIMITED if _UNREACHED.search(text) else FailureClass.AGENT_ERROR
    kind = CLASS_OF_ERROR.get(word, unknown)
    if not word and (limit := find_limit([text], now=datetime.now(UTC))):
        return limit_failure(limit)
    if kind is FailureClass.PROVIDER_DENIED:
        return denied_failure(text, remedy or DENIED_REMEDIES[word])
    wait_s = retry_after_s(text) if kind is FailureClass.PROVIDER_LIMITED else None
    return Failure(kind, f"{text}; {remedy}" if remedy else text, wait_s)


def limit_failure(limit: UsageLimit) -> Failure:
    """Returns the failure of a session that a provider's usage limit ended."""
    if limit.remedy:
        return denied_failure(limit.line, limit.remedy)
    text = f"the provider's limit: {limit.line}"
    return Failure(FailureClass.PROVIDER_LIMITED, text, limit.wait_s)


def denied_failure(text: str, remedy: str) -> Failure:
    """Returns the failure of a refusal that does not pass by itself; the server pauses the runner for it."""
    return Failure(FailureClass.PROVIDER_DENIED, f"{text}; {remedy}, {RESUME_HINT}")


def retry_after_s(text: str) -> float | None:
    """Returns the seconds that a provider asks to wait, as in `retry after 12s` or `Retry-After: 12`."""
    wait_s = wait_of(text, now=datetime.now(UTC))
    return None if wait_s is None else min(MAX_WAIT_S, wait_s)
