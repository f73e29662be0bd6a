"""What an ended attempt means for its task: budgets and backoff. Chance comes in as a number from 0 to 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.model import FailureClass, Task

# A worker that dies is rarely the task's fault, a task that kills three workers is.
MAX_LOSSES: Final = 2
# A worker's own clock ends a session with the grace period of a kill; this much of it is waited for.
GRACE_ROOM_S: Final = 10.0
# A provider that asks to wait without saying how long.
PROVIDER_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt: up to `first_s`, doubling, up to `most_s`; full jitter."""

    first_s: float = 2.0
    most_s: float = 300.0

    def delay_s(self, tries: int, chance: float) -> float:
        """The wait after the given number of tries (from 1). Full jitter spreads a herd best."""
        return chance * float(min(self.most_s, self.first_s * 2.0 ** (tries - 1)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt that did not succeed."""

    retry: bool
    failures: int
    losses: int
    backoff_s: float


def judge(
    task: Task, failure: FailureClass, *, backoff: Backoff, chance: float, retry_after_s: float | None = None
) -> Verdict:
    """Counts the failure against its own budget and says whether another attempt follows.

    Lost workers have a budget of their own, and a provider that asks to wait, or refuses, uses up none: that
    says nothing about the task.
    """
    if failure is FailureClass.PROVIDER_DENIED:
        # The runner is paused; the task may go on at another one at once.
        return Verdict(retry=True, failures=task.failures, losses=task.losses, backoff_s=0.0)
    if failure is FailureClass.PROVIDER_LIMITED:
        # Spread over half the wait again, so that a fleet does not come back as one.
        wait_s = (PROVIDER_WAIT_S if retry_after_s is None else retry_after_s) * (1 + chance / 2)
        return Verdict(retry=True, failures=task.failures, losses=task.losses, backoff_s=wait_s)
    if failure is FailureClass.WORKER_LOST:
        losses = task.losses + 1
        return Verdict(
            retry=losses <= MAX_LOSSES,
            failures=task.failures,
            losses=losses,
            backoff_s=backoff.delay_s(losses, chance),
        )
    failures = task.failures + 1
    return Verdict(
        retry=failures <= task.max_retries,
        failures=failures,
        losses=task.losses,
        backoff_s=backoff.delay_s(failures, chance),
    )


def came_back_twice(findings: Sequence[Sequence[str]]) -> Sequence[str]:
    """The findings that stand in each of the three latest verdicts: more of the same will not help.

    `findings` has the ids of each verdict's findings, the latest first.
    """
    latest = findings[:3]
    if len(latest) < 3:
        return ()
    return [finding for finding in latest[0] if all(finding in older for older in latest[1:])]


def stop_after_s(*, lost_after_s: float, suspect_after_s: float) -> float:
    """How long a worker may go unheard before it must end its sessions, well before they are given to others.

    Leaves room for two late heartbeats and the grace of a kill; never less than half of `lost_after_s`.
    """
    return max(lost_after_s - 2 * suspect_after_s - GRACE_ROOM_S, lost_after_s / 2)
