"""Providers' errors are classified, and the wait that they ask for is parsed."""

import pytest

from swarm_worker.domain.model import FailureClass
from swarm_worker.runners.provider_errors import DENIED_REMEDIES, classify_error, retry_after_s

LIMITED = FailureClass.PROVIDER_LIMITED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("429; retry after 12s", 12),
        ("Retry-After: 12", 12),
        ('{"retry_after": 1.5}', 1.5),
        ("retry_after_ms=2500", 2.5),
        ("retry-after-ms: 300", 0.3),
        ("Please try again in 20s.", 20),
        ("Please retry after 2 minutes", 120),
        ("try again in 6m0s", 360),
        ("retry in 500ms", 0.5),
        ("wait for 3 seconds", 3),
        ("retry after 1 hour", 3600),
        ("retry after 100000", 3600),
        ("rate limit exceeded", None),
        ("after 3 retries it gave up", None),
        ("please retry later", None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_parsed(text: str, seconds: float | None) -> None:
    assert retry_after_s(text) == (None if seconds is None else pytest.approx(seconds))


def test_only_a_limited_provider_has_a_wait() -> None:
    assert classify_error("RateLimitError: retry after 7s").retry_after_s == 7
    assert classify_error("ContextLengthError: retry after 7s").retry_after_s is None


@pytest.mark.parametrize("name", DENIED_REMEDIES)
def test_a_lasting_refusal_names_the_remedy(name: str) -> None:
    failure = classify_error(f"Execution failed: {name}: no")

    assert failure.kind is FailureClass.PROVIDER_DENIED
    assert failure.error.endswith(f"{DENIED_REMEDIES[name]}, then run: swarmctl resume")


def test_an_error_class_matches_as_a_whole_word() -> None:
    assert classify_error("FileNotFoundError: x").kind is FailureClass.AGENT_ERROR


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("ConnectionError: Failed to connect to Ollama. Please check that Ollama is running.", LIMITED),
        ("ConnectionRefusedError: [Errno 111] Connection refused", LIMITED),
        ("APIConnectionError: Connection error.", LIMITED),
        ("APITimeoutError: Request timed out.", LIMITED),
        ("LLMError: Connection error.", LIMITED),
        ("LLMError: Request timed out.", LIMITED),
        ("LLMError: the answer has no content", FailureClass.AGENT_ERROR),
        ("LLMError: the connection error page was returned", FailureClass.AGENT_ERROR),
        ("ContextLengthError: x, after LLMError: Connection error.", FailureClass.AGENT_ERROR),
    ],
)
def test_a_provider_that_is_not_reached_is_asked_again_later(error: str, kind: FailureClass) -> None:
    assert classify_error(f"Execution failed: {error}").kind is kind
