"""One attempt at a task: builder, checks, validator. Plain control flow; it knows nothing of the wire.

Its one rule: only proof completes an attempt. What can't be read, was not run or did not say so is a failure.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker import prompts
from swarm_worker.checks import findings_of, red, run_checks, summary_of
from swarm_worker.config import Config
from swarm_worker.model import (
    Assignment,
    BuilderResult,
    CheckResult,
    Failure,
    FailureClass,
    Outcome,
    OutcomeKind,
    Role,
    Verdict,
)
from swarm_worker.output import SessionLog
from swarm_worker.replies import read_builder_result, read_verdict
from swarm_worker.session import Bench, Session, SessionResult, Work
from swarm_worker.stop import Stop

ERROR_CHARS: Final = 1_000


@dataclass(slots=True)
class Attempt:
    """One attempt; `run` is called once."""

    bench: Bench
    config: Config
    assignment: Assignment
    stop: Stop
    # Session ends that the server has not yet confirmed: an outcome should come after them.
    ends: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> Outcome:
        """Works on the task until it is done, has failed or is ordered to end."""
        built = await self._session(self._builder())
        claimed = read_builder_result(built.reply) if built.reply else None
        if built.kind is not OutcomeKind.COMPLETED:
            return replace(_unfinished(built), builder_result=claimed)
        return replace(await self._proven(built.log, claimed), builder_result=claimed)

    async def _proven(self, log: SessionLog, claimed: BuilderResult | None) -> Outcome:
        """What the attempt comes to once its builder says that it is done."""
        checked = await run_checks(
            self.bench,
            self.assignment,
            timeout_s=self._builder_timeout_s,
            stop=self.stop,
            log=log,
        )
        if checked.stopped is not None:
            return Outcome(OutcomeKind.STOPPED, checks=checked.results, kill_receipt=checked.stopped)
        if failed := red(checked.results):
            return _red(failed, checked.results)
        if not self._validates:
            return Outcome(OutcomeKind.COMPLETED, checks=checked.results)
        judged = await self._session(self._validator(claimed, checked.results))
        return replace(_judged(judged), checks=checked.results)

    async def _session(self, work: Work) -> SessionResult:
        result, end = await Session(self.bench, self.assignment, work, stop=self.stop).run()
        if end is not None:
            self.ends.append(end)
        return result

    def _builder(self) -> Work:
        agent = self.assignment.task.builder_agent or self.config.builder_agent
        prompt = prompts.builder(self.assignment, agent=agent)
        return Work(Role.BUILDER, prompt, self._builder_timeout_s)

    def _validator(self, claimed: BuilderResult | None, checks: tuple[CheckResult, ...]) -> Work:
        task = self.assignment.task
        agent = task.validator_agent or self.config.validator_agent
        prompt = prompts.validator(self.assignment, agent=agent, claimed=claimed, checks=checks)
        timeout_s = task.validator_timeout_s or self.config.validator_timeout
        return Work(Role.VALIDATOR, prompt, timeout_s, claimed or BuilderResult())

    @property
    def _builder_timeout_s(self) -> float:
        return self.assignment.task.builder_timeout_s or self.config.builder_timeout

    @property
    def _validates(self) -> bool:
        return not self.config.no_validation and self.assignment.task.validate is not False


def _unfinished(result: SessionResult) -> Outcome:
    return Outcome(result.kind, failure=result.failure, kill_receipt=result.receipt)


def _red(failed: list[CheckResult], results: tuple[CheckResult, ...]) -> Outcome:
    """A rejection without a validator: it has nothing to add to a red check."""
    summary = summary_of(failed, total=len(results))
    return Outcome(
        OutcomeKind.FAILED,
        failure=Failure(FailureClass.VALIDATION_FAILED, summary),
        checks=results,
        verdict=Verdict(passed=False, findings=findings_of(failed), summary=summary),
    )


def _judged(judged: SessionResult) -> Outcome:
    if judged.kind is OutcomeKind.DECLINED:  # a builder did run, so the claim can't be given back for free
        return Outcome(OutcomeKind.STOPPED, kill_receipt=judged.receipt)
    if judged.kind is not OutcomeKind.COMPLETED:
        return _unfinished(judged)
    verdict = read_verdict(judged.reply)
    if verdict is None:
        said = one_line(judged.reply[-ERROR_CHARS:], ERROR_CHARS) or "nothing"
        error = f"the validator ended without a readable verdict; its last words: {said}"
        return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.NO_VERDICT, error))
    if not verdict.passed:
        failure = Failure(FailureClass.VALIDATION_FAILED, f"the validator rejected the work: {_why(verdict)}")
        return Outcome(OutcomeKind.FAILED, failure=failure, verdict=verdict)
    return Outcome(OutcomeKind.COMPLETED, verdict=verdict)


def _why(verdict: Verdict) -> str:
    issues = "; ".join(finding.issue for finding in verdict.findings)
    return one_line(verdict.summary or issues or "it gave no reason", ERROR_CHARS)
