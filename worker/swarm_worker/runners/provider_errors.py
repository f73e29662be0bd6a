"""Classes what a model's provider answered. The class stands in the text of an error, its code says nothing.

Its one rule: whoever has to do something about it is told what.
"""

import re
from typing import Final

from swarm_worker.domain.model import Failure, FailureClass

LIMITED: Final = (
    "RateLimitError",
    "ProviderUnavailableError",
    "NetworkError",
    "LLMTimeoutError",
    "StreamError",
)
# What to do about each that does not pass by itself.
DENIED: Final = {
    "AuthenticationError": "give the sessions a valid key (--pass-env NAME, or the agent's own credentials)",
    "AccessDeniedError": "let the key use that model, or configure another one",
    "QuotaExceededError": "raise the provider's quota, or configure another provider",
    "ConfigurationError": "correct the provider's configuration",
    "NotFoundError": "configure a model that the provider has",
}
# The task's own fault: the same prompt would fail again.
OWN: Final = ("ContextLengthError", "ContentFilterError", "InvalidRequestError")
CLASSES: Final = (
    dict.fromkeys(LIMITED, FailureClass.PROVIDER_LIMITED)
    | dict.fromkeys(DENIED, FailureClass.PROVIDER_DENIED)
    | dict.fromkeys(OWN, FailureClass.AGENT_ERROR)
)
THEN: Final = "then run: swarmctl resume"
# A provider that asks for more is not waited for: a later answer may be another.
MOST_S: Final = 3600.0
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_ASKED: Final = re.compile(
    r"(?:retry|try\s+again|wait)(?:[\s_-]*(?:after|in|for))?(?:[\s_-]*(ms|seconds?))?[\s\"':=]*"
    r"(\d+(?:\.\d+)?)\s*(ms|millis\w*|m(?:in\w*)?(?![a-z])|h(?:ours?)?(?![a-z]))?",
    re.IGNORECASE,
)


def failure_of(text: str, *, remedy: str = "") -> Failure:
    """The failure that an error's text tells of; the first class that it names is the outermost."""
    word = next((word for word in re.findall(r"[A-Za-z]+", text) if word in CLASSES), "")
    kind = CLASSES.get(word, FailureClass.AGENT_ERROR)
    if kind is FailureClass.PROVIDER_DENIED:
        return denied(text, remedy or DENIED[word])
    retry_after_s = retry_after(text) if kind is FailureClass.PROVIDER_LIMITED else None
    return Failure(kind, f"{text}; {remedy}" if remedy else text, retry_after_s)


def denied(text: str, remedy: str) -> Failure:
    """A refusal for good; the runner is paused for it."""
    return Failure(FailureClass.PROVIDER_DENIED, f"{text}; {remedy}, {THEN}")


def retry_after(text: str) -> float | None:
    """How long a provider asks to wait, as in `retry after 12s` or `Retry-After: 12`."""
    found = _ASKED.search(text)
    if found is None:
        return None
    unit = (found[3] or found[1] or "s").lower()
    short = "ms" if unit.startswith(("ms", "millis")) else unit[0]
    return min(MOST_S, float(found[2]) * _UNITS[short])
