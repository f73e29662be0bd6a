"""The breaker: which failures are one fault, and when a role of a runner is paused for it.

A fault that several tasks meet in a row is rarely the fault of the tasks. The role is paused at the worker, or
everywhere, and the tasks get their retries back. Later one attempt, the probe, finds out whether the fault is gone.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from swarmd.domain.decision import Decision
from swarmd.domain.landing import SESSIONLESS, StartPoint
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import AttemptOutcome, FailureClass, Outcome, PausedRunner, SessionRole, Task
from swarmd.domain.policy import LANDING_FAILURES, PAUSING

# Two tasks may fail alike by chance.
TASKS: Final = 3
COOLDOWN_MAX_S: Final = 3_600.0
FINGERPRINT_CHARS: Final = 300
# How the event of a task begins that keeps its retries.
PUT_BACK: Final = "put back at no cost"
# The failures that a shared cause can have. Others are verdicts on the work, or name a limit that passes by itself.
_COUNTED: Final = frozenset(
    (
        FailureClass.AGENT_ERROR,
        FailureClass.CRASHED,
        FailureClass.STALLED,
        FailureClass.TIMEOUT,
        FailureClass.BAD_CHECK,
        FailureClass.NO_VERDICT,
    )
)
_OF_VALIDATORS: Final = frozenset((FailureClass.NO_VERDICT, FailureClass.VALIDATOR_FAILED))
# The builder did its part before these.
_BUILDER_WORKED: Final = frozenset(
    (FailureClass.VALIDATION_FAILED, FailureClass.BUILDER_BLOCKED, *_OF_VALIDATORS, *LANDING_FAILURES)
)
# A probe of these would pay a builder for a fault that only a person mends.
_PERSONS: Final = PAUSING | _OF_VALIDATORS | {FailureClass.BAD_CHECK}
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")
# Paths, and words with digits: ids, numbers and times.
_VARYING: Final = re.compile(r"\S*[/\\]\S*|\b(?=\w*\d)\w[\w.:-]*")
_GAPS: Final = re.compile(r"…(?:[\W_]*…)+")


class RunnerFault(NamedTuple):
    """A failure as the breaker counts it: two failures with the same fingerprint have the same cause."""

    role: SessionRole
    failure_class: FailureClass
    fingerprint: str
    # The text of this failure, for people.
    error: str


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs of an ended attempt about its runner: a fault, or the roles that did work."""

    fault: RunnerFault | None = None
    worked: frozenset[SessionRole] = frozenset()


NO_SIGNS: Final = Signs()


def signs_of(task_id: str, outcome: Outcome, decision: Decision, *, starts_at: StartPoint) -> Signs:
    """Returns what the decided outcome says about the runner."""
    signs = NO_SIGNS if starts_at in SESSIONLESS else _signs_of(task_id, outcome, decision)
    if starts_at is not StartPoint.VALIDATOR:
        return signs
    of_validator = signs.fault if signs.fault and signs.fault.role is SessionRole.VALIDATOR else None
    return Signs(of_validator, signs.worked - {SessionRole.BUILDER})


def _signs_of(task_id: str, outcome: Outcome, decision: Decision) -> Signs:
    if decision.ended_as not in (AttemptOutcome.COMPLETED, AttemptOutcome.FAILED):
        return NO_SIGNS
    failure = decision.failure_class
    if failure is None:
        both = (SessionRole.BUILDER, SessionRole.VALIDATOR)
        return Signs(worked=frozenset(both if outcome.verdict_passed else both[:1]))
    if failure in _COUNTED or failure in PAUSING:
        role = SessionRole.VALIDATOR if failure in _OF_VALIDATORS else SessionRole.BUILDER
        return Signs(RunnerFault(role, failure, fingerprint(decision.error, task_id), decision.error))
    if failure is FailureClass.VALIDATION_FAILED and _was_judged(outcome):
        return Signs(worked=frozenset(SessionRole))
    return Signs(worked=frozenset((SessionRole.BUILDER,) if failure in _BUILDER_WORKED else ()))


def fingerprint(error: str, task_id: str) -> str:
    """Returns the last line of an error without what differs from task to task: ids, paths, numbers, times."""
    lines = [line for line in error.splitlines() if line.strip()]
    last = _ESCAPES.sub("", lines[-1]) if lines else ""
    text = re.sub(rf"(?<!\w){re.escape(task_id)}(?!\w)", "…", last, flags=re.IGNORECASE)
    text = _GAPS.sub("…", _VARYING.sub("…", text))
    return " ".join(text.lower().split())[:FINGERPRINT_CHARS]


def put_back(task: Task, decision: Decision) -> Decision:
    """Returns the decision that costs the task nothing: it waits until its runner works, or goes to another one.

    A failure that ends a task at once keeps its decision where another attempt would pay a builder again.
    """
    if decision.failure_class in _OF_VALIDATORS or decision.ended_as is not AttemptOutcome.FAILED:
        return decision
    unchanged = {
        **decision.update,
        "failures": task.failures,
        "losses": task.losses,
        "landing_failures": task.landing_failures,
        "backoff_s": 0.0,
    }
    return replace(
        decision,
        transition=Transition.RETRY,
        detail=f"{PUT_BACK}: {decision.failure_class}: {decision.error}",
        update=unchanged,  # type: ignore[arg-type]  # a TypedDict with some fields replaced
    )


def is_charged(task: Task, decision: Decision) -> bool:
    """Returns whether the failure used up a retry."""
    return decision.update.get("failures", task.failures) > task.failures


def pauses_at_once(failure: FailureClass) -> bool:
    """Returns whether one such failure proves that the runner can't work."""
    return failure in PAUSING


def cooldown_s(failure: FailureClass, *, first_s: float, failed_probes: int) -> float:
    """Returns the wait before a probe starts by itself; 0 if a person has to mend something first."""
    if failure in _PERSONS:
        return 0.0
    return float(min(max(COOLDOWN_MAX_S, first_s), first_s * 2.0**failed_probes))


def freed_by(pause: PausedRunner) -> str:
    """Returns in words what frees a paused runner."""
    if pause.probe_task_id:
        return f"task {pause.probe_task_id} is tried now; if it works, all go on"
    if pause.half_open:
        return "the next task is tried alone; if it works, all go on"
    by_itself = f", and so does a wait of {pause.cooldown_s:g} s" if pause.cooldown_s else ""
    return f"`swarmctl resume` lets one task through{by_itself}; if it works, all go on"


def _was_judged(outcome: Outcome) -> bool:
    """Returns whether a validator gave the verdict, and not a failed check."""
    checks = json.loads(outcome.report).get("checks") or ()
    return all(check.get("exit_code", 0) == 0 for check in checks)
