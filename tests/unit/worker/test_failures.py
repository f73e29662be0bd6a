"""What providers answer is classed, and how long they ask to wait is understood."""

import pytest

from swarm_worker.domain.model import FailureClass
from swarm_worker.runners.provider_errors import DENIED, failure_of, retry_after


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
def test_how_long_a_provider_asks_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after(text) == (None if seconds is None else pytest.approx(seconds))


def test_only_a_provider_that_is_waited_for_says_how_long() -> None:
    assert failure_of("RateLimitError: retry after 7s").retry_after_s == 7
    assert failure_of("ContextLengthError: retry after 7s").retry_after_s is None


@pytest.mark.parametrize("name", DENIED)
def test_a_refusal_for_good_says_what_to_do(name: str) -> None:
    failure = failure_of(f"Execution failed: {name}: no")

    assert failure.kind is FailureClass.PROVIDER_DENIED
    assert failure.error.endswith(f"{DENIED[name]}, then run: swarmctl resume")


def test_a_class_is_a_whole_word() -> None:
    assert failure_of("FileNotFoundError: x").kind is FailureClass.AGENT_ERROR
