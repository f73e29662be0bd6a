"""Retry budgets and backoff. `chance` is a random number from 0 to 1, drawn by the caller."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarmd.domain.model import FailureClass, Outcome, Task

# The death of one worker is rarely the fault of the task; the death of three is.
MAX_LOSSES: Final = 2
# Work that was accepted meets what others have landed meanwhile. Each further builder starts from the new tip.
MAX_LANDING_FAILURES: Final = 3
LANDING_FAILURES: Final = frozenset((FailureClass.LANDING_CONFLICT, FailureClass.LANDING_FAILED))
# A Pod may be preempted again and again. One that is evicted for what its own task uses up would be so forever.
MAX_INTERRUPTIONS: Final = 10
# A worker that fences itself gives its sessions the grace period of a kill; the server waits this long for it.
GRACE_ROOM_S: Final = 10.0
# Another attempt would pay the builder again and meet the same obstacle, which is not the builder's: its task, its
# validator or its checks must be corrected first. The task fails at once, with its budgets as they are.
FINAL_FAILURES: Final = frozenset(
    (
        FailureClass.NO_VERDICT,
        FailureClass.VALIDATOR_FAILED,
        FailureClass.BAD_CHECK,
    )
)
# The wait for a provider that asks to wait and names no time.
PROVIDER_WAIT_S: Final = 60.0
# Every further session would meet the same provider or the same broken set-up, or every further builder the same broken
# validator.
PAUSING: Final = frozenset(
    (FailureClass.PROVIDER_DENIED, FailureClass.BAD_CONFIG, FailureClass.VALIDATOR_FAILED)
)


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before the next attempt: up to `first_s`, doubled each time, at most `most_s`; full jitter."""

    first_s: float = 2.0
    most_s: float = 300.0
    # The first wait before a runner that is paused for a shared fault may try one task.
    cooldown_s: float = 300.0

    def delay_s(self, tries: int, chance: float) -> float:
        """Returns the wait after the given number of tries (from 1); full jitter avoids a thundering herd."""
        return chance * float(min(self.most_s, self.first_s * 2.0 ** (tries - 1)))


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """The decision about a task whose attempt did not succeed."""

    retry: bool
    failures: int
    losses: int
    landing_failures: int
    backoff_s: float


def decide_retry(
    task: Task, failure: FailureClass, *, backoff: Backoff, chance: float, retry_after_s: float | None = None
) -> RetryDecision:
    """Counts the failure against its budget and decides whether another attempt follows.

    Lost workers have a budget of their own, and so have failures to land. A provider that asks to wait, or refuses,
    and a session that can't be started as configured use up no budget, since they say nothing about the task.
    An interrupted attempt uses up nothing, and the next one waits for nothing.
    FINAL_FAILURES use up no budget either, and no attempt follows.
    """
    unchanged = RetryDecision(
        retry=True,
        failures=task.failures,
        losses=task.losses,
        landing_failures=task.landing_failures,
        backoff_s=0.0,
    )
    if failure in FINAL_FAILURES:
        return replace(unchanged, retry=False)
    if failure in PAUSING or failure is FailureClass.INTERRUPTED:
        # The runner is paused; another runner may claim the task at once.
        return unchanged
    if failure is FailureClass.PROVIDER_LIMITED:
        # The jitter is up to half the wait, so that a fleet does not return all at once.
        return replace(unchanged, backoff_s=provider_wait_s(retry_after_s) * (1 + chance / 2))
    if failure in LANDING_FAILURES:
        # Nothing gets better by waiting: the next attempt starts from the tip that this one could not land on.
        landing_failures = task.landing_failures + 1
        again = landing_failures <= MAX_LANDING_FAILURES
        return replace(unchanged, retry=again, landing_failures=landing_failures)
    if failure is FailureClass.WORKER_LOST:
        losses = task.losses + 1
        wait_s = backoff.delay_s(losses, chance)
        return replace(unchanged, retry=losses <= MAX_LOSSES, losses=losses, backoff_s=wait_s)
    failures = task.failures + 1
    wait_s = backoff.delay_s(failures, chance)
    return replace(unchanged, retry=failures <= task.max_retries, failures=failures, backoff_s=wait_s)


def provider_wait_s(retry_after_s: float | None) -> float:
    """Returns the wait that a provider asks for, or the default if it names none."""
    return PROVIDER_WAIT_S if retry_after_s is None else retry_after_s


def repeated_findings(findings: Sequence[Sequence[str]]) -> Sequence[str]:
    """Returns the findings in each of the three latest verdicts: another attempt would repeat them.

    `findings` has the finding ids of each verdict, the latest first.
    """
    latest = findings[:3]
    if len(latest) < 3:
        return ()
    return [finding for finding in latest[0] if all(finding in older for older in latest[1:])]


def stop_after_s(*, lost_after_s: float, suspect_after_s: float) -> float:
    """Returns how long a worker may be disconnected before it must end its sessions.

    The time ends well before others get the tasks: it leaves room for two late heartbeats and the grace of a kill.
    It is never less than half of `lost_after_s`.
    """
    return max(lost_after_s - 2 * suspect_after_s - GRACE_ROOM_S, lost_after_s / 2)


def findings_of(outcome: Outcome) -> Sequence[str]:
    """Returns the ids of the findings in the outcome's report."""
    verdict = json.loads(outcome.report).get("verdict") or {}
    return [finding.get("finding_id", "") for finding in verdict.get("findings") or ()]


def stopped_as(outcome: Outcome, interruptions: int) -> FailureClass:
    """Returns the class of an attempt that its worker ended without an order."""
    interrupted = outcome.interrupted and interruptions < MAX_INTERRUPTIONS
    return FailureClass.INTERRUPTED if interrupted else FailureClass.WORKER_LOST
