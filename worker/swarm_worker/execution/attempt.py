"""One attempt at a task: builder, checks, validator. Plain control flow; it knows nothing of the wire.

Its one rule: only proof completes an attempt. What can't be read, was not run or did not say so is a failure.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.finding_ids import named
from swarm_worker.domain.model import (
    Assignment,
    BuilderResult,
    CheckResult,
    Failure,
    FailureClass,
    Outcome,
    OutcomeKind,
    SessionEnd,
    Verdict,
)
from swarm_worker.domain.names import session_id
from swarm_worker.domain.types import Role
from swarm_worker.execution.checks import ChecksResult, findings_of, red, run_checks, summary_of
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.guarded_program import AttemptPrograms
from swarm_worker.execution.session import Session, SessionResult, SessionSpec
from swarm_worker.execution.session_output import SessionLog
from swarm_worker.output.replies import read_builder_result, read_verdict
from swarm_worker.prompts import build
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.changes import Changes, changes_since, take_snapshot

ERROR_CHARS: Final = 1_000
# A validator that came to nothing is run again alone: the builder's work has been paid for.
VALIDATOR_RUNS: Final = 3
AGAIN: Final = (
    FailureClass.CRASHED,
    FailureClass.TIMEOUT,
    FailureClass.STALLED,
    FailureClass.PROVIDER_LIMITED,
)
# How long a provider is waited for that asks for patience: if it does not say, and at most.
LIMITED_S: Final = 30.0
LIMITED_MOST_S: Final = 300.0


@dataclass(slots=True)
class Attempt:
    """One attempt; `run` is called once."""

    bench: SessionContext
    config: WorkerConfig
    assignment: Assignment
    stop: Stop
    templates: build.Templates | None = None
    # The ends of sessions that nobody has been told of; they go with what is told next, or with the outcome.
    ended: list[SessionEnd] = field(default_factory=list)
    # Those that are on their way: an outcome should come after them.
    ends: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> Outcome:
        """Works on the task until it is done, has failed or is ordered to end."""
        task, attempt = self.assignment.task, self.assignment.attempt
        with self.bench.tracer.attempt(self.assignment.traceparent, task=task.id, attempt=attempt) as span:
            outcome = await self._run()
            span.set_attributes(outcome=outcome.kind)
            if outcome.failure is not None:
                span.fail(outcome.failure.kind)
            return outcome

    async def _run(self) -> Outcome:
        task = self.assignment.task
        programs = AttemptPrograms(self.bench, self.assignment, self.stop)
        root = self.bench.project_root
        before = await take_snapshot(root, task.files, programs) if self._validates else None
        built = await self._session(self._builder())
        claimed = read_builder_result(built.reply) if built.reply else None
        if built.kind is not OutcomeKind.COMPLETED:
            return replace(_unfinished(built), builder_result=claimed)
        # Before the checks: what they write is not the builder's work.
        changed = None if before is None else await changes_since(before, programs)
        outcome = await self._proven(built.log, claimed, changed)
        return replace(outcome, builder_result=claimed, kill_receipt=built.receipt or outcome.kill_receipt)

    async def _proven(
        self, log: SessionLog, claimed: BuilderResult | None, changed: Changes | None
    ) -> Outcome:
        """What the attempt comes to once its builder says that it is done."""
        checked = await self._checked(log)
        if checked.stopped is not None:
            return Outcome(OutcomeKind.STOPPED, checks=checked.results, kill_receipt=checked.stopped)
        if failed := red(checked.results):
            return self._red(failed, checked.results)
        if changed is None:
            return Outcome(OutcomeKind.COMPLETED, checks=checked.results)
        work = self._validator(claimed, checked.results, changed)
        return replace(self._judged(await self._judgement(work)), checks=checked.results)

    async def _checked(self, log: SessionLog) -> ChecksResult:
        timeout_s = self.assignment.task.check_timeout_s or self.config.check_timeout
        if self.assignment.task.checks:
            self._tell_ends()
        with self.bench.tracer.span("checks", checks=len(self.assignment.task.checks)) as span:
            checked = await run_checks(
                self.bench, self.assignment, timeout_s=timeout_s, stop=self.stop, log=log
            )
            if failed := red(checked.results):
                span.fail(f"{len(failed)} red")
            return checked

    async def _judgement(self, work: SessionSpec) -> SessionResult:
        """What a validator came to; one that crashed or hung is no reason to build anew."""
        judged = await self._session(work)
        for run in range(2, VALIDATOR_RUNS + 1):
            if judged.failure is None or judged.failure.kind not in AGAIN:
                break
            judged.log.note(f"the validator is run again alone, {run} of {VALIDATOR_RUNS}")
            self._tell_ends()
            await self._wait_for_provider(judged.failure)
            judged = await self._session(replace(work, run=run))
        return judged

    async def _wait_for_provider(self, failure: Failure) -> None:
        if failure.kind is not FailureClass.PROVIDER_LIMITED:
            return
        asked_s = LIMITED_S if failure.retry_after_s is None else failure.retry_after_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(asked_s, LIMITED_MOST_S)):
                await self.stop.ordered.wait()

    async def _session(self, work: SessionSpec) -> SessionResult:
        name = session_id(self.assignment, work.role, run=work.run)
        # In one message with what this one asks.
        self._tell_ends()
        with self.bench.tracer.span(f"{work.role} session", session=name) as span:
            result, end = await Session(self.bench, self.assignment, work, stop=self.stop).run()
            if result.failure is not None:
                span.fail(result.failure.kind)
        if end is not None:
            self.ended.append(end)
        return result

    def _tell_ends(self) -> None:
        self.ends += [asyncio.create_task(self.bench.desk.end(end)) for end in self.ended]
        self.ended.clear()

    def _builder(self) -> SessionSpec:
        agent = self.assignment.task.builder_agent or self.config.builder_agent
        prompt = build.builder(self.assignment, agent=agent, templates=self.templates)
        return SessionSpec(Role.BUILDER, prompt, self._builder_timeout_s)

    def _validator(
        self, claimed: BuilderResult | None, checks: tuple[CheckResult, ...], changed: Changes
    ) -> SessionSpec:
        task = self.assignment.task
        prompt = build.validator(
            self.assignment,
            agent=task.validator_agent or self.config.validator_agent,
            claimed=claimed,
            checks=checks,
            changes=changed,
            templates=self.templates,
        )
        timeout_s = task.validator_timeout_s or self.config.validator_timeout
        repair = build.repair(self.assignment, Role.VALIDATOR)
        return SessionSpec(Role.VALIDATOR, prompt, timeout_s, repair, claimed or BuilderResult())

    def _red(self, failed: list[CheckResult], results: tuple[CheckResult, ...]) -> Outcome:
        """A rejection without a validator: it has nothing to add to a red check."""
        summary = summary_of(failed, total=len(results))
        found = named(findings_of(failed), self.assignment)
        return Outcome(
            OutcomeKind.FAILED,
            failure=Failure(FailureClass.VALIDATION_FAILED, summary),
            checks=results,
            verdict=Verdict(passed=False, findings=found, summary=summary),
        )

    def _judged(self, judged: SessionResult) -> Outcome:
        if (
            judged.kind is OutcomeKind.DECLINED
        ):  # a builder did run, so the claim can't be given back for free
            return Outcome(OutcomeKind.STOPPED, kill_receipt=judged.receipt)
        if judged.kind is not OutcomeKind.COMPLETED:
            return _unfinished(judged)
        verdict = read_verdict(judged.reply)
        if verdict is None:
            said = one_line(judged.reply[-ERROR_CHARS:], ERROR_CHARS) or "nothing"
            error = f"the validator ended without a readable verdict; its last words: {said}"
            return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.NO_VERDICT, error))
        verdict = replace(verdict, findings=named(verdict.findings, self.assignment))
        if verdict.passed:
            return Outcome(OutcomeKind.COMPLETED, verdict=verdict, kill_receipt=judged.receipt)
        failure = Failure(FailureClass.VALIDATION_FAILED, f"the validator rejected the work: {_why(verdict)}")
        return Outcome(OutcomeKind.FAILED, failure=failure, verdict=verdict, kill_receipt=judged.receipt)

    @property
    def _builder_timeout_s(self) -> float:
        return self.assignment.task.builder_timeout_s or self.config.builder_timeout

    @property
    def _validates(self) -> bool:
        return not self.config.no_validation and self.assignment.task.validate is not False


def _unfinished(result: SessionResult) -> Outcome:
    return Outcome(result.kind, failure=result.failure, kill_receipt=result.receipt)


def _why(verdict: Verdict) -> str:
    issues = "; ".join(finding.issue for finding in verdict.findings)
    return one_line(verdict.summary or issues or "it gave no reason", ERROR_CHARS)
