"""The runs of one attempt's validator: when it is run again alone, and how it fails in the end.

Invariant: a validator that fails by itself says nothing about the work, so its failure never redoes the builder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.domain.finding_ids import with_ids
from swarm_worker.domain.model import (
    Assignment,
    CheckResult,
    Failure,
    FailureClass,
    Outcome,
    OutcomeKind,
    Verdict,
)
from swarm_worker.execution.checks import findings_of_checks, summary_of_checks
from swarm_worker.execution.session_result import ERROR_CHARS, SessionResult
from swarm_worker.output.verdicts import read_verdict

# Further runs cost a validator each; the builder's work is already paid for.
VALIDATOR_RUNS: Final = 3
LAST_WORDS_CHARS: Final = 1_000
CORRECT_CHECKS: Final = "checks run with /bin/sh; correct the plan, import it and retry the task"
# The waits for a provider that is limited: the first if it names no time, and the longest of those.
PROVIDER_WAIT_S: Final = 30.0
PROVIDER_WAIT_STEP_MAX_S: Final = 600.0
# A provider that limits the validator for longer than this in total is reported as a broken validator.
PROVIDER_WAIT_TOTAL_S: Final = 24 * 3600.0
# Failures that show that the validator itself, and not one verdict, is broken.
BROKEN: Final = (FailureClass.CRASHED, FailureClass.AGENT_ERROR, FailureClass.BAD_CONFIG)


class ValidatorEnd(NamedTuple):
    """The last run of a validator; `failure` is set if no run gave a verdict."""

    result: SessionResult
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class NextRun:
    """A further run of the validator: how long to wait for it, and the line for the log."""

    wait_s: float
    note: str


@dataclass(slots=True)
class ValidatorRuns:
    """The validator's runs so far; `failure` is set once no further run can help."""

    number: int = 1
    failure: Failure | None = None
    _faults: list[Failure] = field(default_factory=list)
    _limits: int = 0
    _waited_s: float = 0.0

    def record(self, result: SessionResult) -> NextRun | None:
        """Records a run; returns the next one, or None if this one decided or no further run can help."""
        fault = _fault_of(result)
        if fault is None:
            return None
        self.number += 1
        if fault.kind is FailureClass.PROVIDER_LIMITED and self._waited_s < PROVIDER_WAIT_TOTAL_S:
            return self._after_limit(fault)
        self._faults.append(fault)
        hopeless = fault.kind in (FailureClass.PROVIDER_DENIED, FailureClass.PROVIDER_LIMITED)
        if hopeless or len(self._faults) == VALIDATOR_RUNS:
            self.failure = self._final_failure(hopeless=hopeless)
            return None
        run = len(self._faults) + 1
        return NextRun(0.0, f"the validator is run again alone, {run} of {VALIDATOR_RUNS}: {fault.error}")

    def _after_limit(self, fault: Failure) -> NextRun:
        step_s = min(PROVIDER_WAIT_S * 2.0**self._limits, PROVIDER_WAIT_STEP_MAX_S)
        wait_s = step_s if fault.retry_after_s is None else fault.retry_after_s
        wait_s = min(wait_s, PROVIDER_WAIT_TOTAL_S - self._waited_s)
        self._limits = min(self._limits + 1, 16)
        # Counted with a second at least, so that the number of runs is bounded as well.
        self._waited_s += max(wait_s, 1.0)
        return NextRun(wait_s, f"the validator is run again alone in {wait_s:g} s: {fault.error}")

    def _final_failure(self, *, hopeless: bool) -> Failure:
        last = self._faults[-1]
        broken = hopeless or all(fault.kind in BROKEN for fault in self._faults)
        kind = FailureClass.VALIDATOR_FAILED if broken else FailureClass.NO_VERDICT
        runs = f" in {len(self._faults)} runs" if len(self._faults) > 1 else ""
        return Failure(kind, f"the validator gave no verdict{runs}: {last.error}")


def outcome_of_bad_checks(faults: Sequence[str]) -> Outcome:
    """Returns the outcome of checks that can't start, which no builder can correct."""
    error = f"{'; '.join(faults)}; {CORRECT_CHECKS}"
    return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.BAD_CHECK, error))


def outcome_of_failed_checks(failed: list[CheckResult], total: int, assignment: Assignment) -> Outcome:
    """Returns a rejection; a failed check needs no validator."""
    summary = summary_of_checks(failed, total=total)
    findings = with_ids(findings_of_checks(failed), assignment)
    return Outcome(
        OutcomeKind.FAILED,
        failure=Failure(FailureClass.VALIDATION_FAILED, summary),
        verdict=Verdict(passed=False, findings=findings, summary=summary),
    )


def outcome_of_verdict(ended: ValidatorEnd, assignment: Assignment) -> Outcome:
    """Returns the outcome of work that was judged."""
    validated = ended.result
    if ended.failure is not None:
        return Outcome(OutcomeKind.FAILED, failure=ended.failure, kill_receipt=validated.receipt)
    verdict = read_verdict(validated.reply).verdict
    if verdict is None:
        # Stopped, or declined: a builder did run, so the claim can't be given back free of charge.
        return Outcome(OutcomeKind.STOPPED, kill_receipt=validated.receipt)
    verdict = replace(verdict, findings=with_ids(verdict.findings, assignment))
    if verdict.passed:
        return Outcome(OutcomeKind.COMPLETED, verdict=verdict, kill_receipt=validated.receipt)
    error = f"the validator rejected the work: {one_line(rejection_reason(verdict), ERROR_CHARS)}"
    failure = Failure(FailureClass.VALIDATION_FAILED, error)
    return Outcome(OutcomeKind.FAILED, failure=failure, verdict=verdict, kill_receipt=validated.receipt)


def _fault_of(result: SessionResult) -> Failure | None:
    """Returns why the run decided nothing; None if it gave a verdict or was ended by an order."""
    if result.kind in (OutcomeKind.STOPPED, OutcomeKind.DECLINED):
        return None
    if result.failure is not None:
        return result.failure
    reading = read_verdict(result.reply)
    if reading.verdict is not None:
        return None
    if not result.reply.strip():
        return Failure(FailureClass.AGENT_ERROR, "it printed nothing")
    last_words = one_line(result.reply[-LAST_WORDS_CHARS:], LAST_WORDS_CHARS)
    return Failure(FailureClass.NO_VERDICT, f"{reading.fault}; its last words: {last_words}")


def rejection_reason(verdict: Verdict) -> str:
    """Returns the validator's reason for a FAIL: its summary, or else its findings."""
    return verdict.summary or "; ".join(finding.issue for finding in verdict.findings) or "it gave no reason"
