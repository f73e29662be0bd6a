"""Runs one attempt at a task: builder, checks, validator. Plain control flow, independent of the wire.

Invariant: only proof completes an attempt. A check that fails, and a verdict that is missing, unreadable or
negative, is a failure.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.finding_ids import with_ids
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
from swarm_worker.domain.ports import Notes
from swarm_worker.domain.reply_rules import unfinished_reason
from swarm_worker.domain.types import Role
from swarm_worker.execution.artifacts import upload_artifacts
from swarm_worker.execution.attempt_programs import AttemptPrograms
from swarm_worker.execution.checks import (
    ChecksResult,
    failed_checks,
    findings_of_checks,
    run_checks,
    summary_of_checks,
)
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.judged_work import JudgedWork, judged_paths
from swarm_worker.execution.session import Session, SessionSpec
from swarm_worker.execution.session_result import ERROR_CHARS, SessionResult, outcome_of_builder, report_of
from swarm_worker.execution.validation import ValidatorEnd, ValidatorRuns, rejection_reason
from swarm_worker.execution.workspaces import AttemptLog, Workspace
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.prompts import build
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.changes import Changes, changes_since, take_snapshot

CORRECT_CHECKS: Final = "checks run with /bin/sh; correct the plan, import it and retry the task"


@dataclass(slots=True)
class Attempt:
    """A single attempt at a task; `run` may be called once."""

    context: SessionContext
    config: WorkerConfig
    assignment: Assignment
    stop: Stop
    workspace: Workspace
    templates: build.Templates | None = None
    # The ends of sessions that are not reported yet; the next report or the outcome includes them.
    unreported_ends: list[SessionEnd] = field(default_factory=list)
    # The reports of ends that are under way; an outcome must wait for them.
    end_reports: list[asyncio.Task[None]] = field(default_factory=list)
    # The validators that have run; each session has a number of its own.
    validators: int = 0

    async def run(self) -> Outcome:
        """Runs the attempt until it has completed, has failed or is ordered to stop."""
        task, attempt = self.assignment.task, self.assignment.attempt
        with self.context.tracer.attempt(self.assignment.traceparent, task=task.id, attempt=attempt) as span:
            outcome = await self._run()
            span.set_attributes(outcome=outcome.kind)
            if outcome.failure is not None:
                span.fail(outcome.failure.kind)
            return outcome

    async def _run(self) -> Outcome:
        """Runs the attempt in its workspace, which is closed whatever the outcome is."""
        self.context = self.context.within(self.workspace)
        work = self._work if self.assignment.work is None else self._land
        ended = await self.workspace.open(self._run_checks) or await work()
        return await self.workspace.close(ended)

    async def _land(self) -> Outcome:
        """Lands work that was accepted earlier, without a session."""
        log = AttemptLog(self.assignment)
        return await self.workspace.land(Outcome(OutcomeKind.COMPLETED), log, self._run_checks)

    async def _work(self) -> Outcome:
        task = self.assignment.task
        programs = AttemptPrograms(self.context, self.assignment, self.stop)
        root = self.context.project_root
        before = await take_snapshot(root, task.files, programs) if self._validates else None
        built_since_s = time.time()
        built = await self._run_session(self._builder_spec())
        report = report_of(built)
        if built.kind is not OutcomeKind.COMPLETED or (report and unfinished_reason(report)):
            await self._leave_artifacts(built)
            return replace(outcome_of_builder(built, report), builder_result=report)
        if nothing := await self.workspace.keep_built(built.log):
            await self._leave_artifacts(built)
            failed = Outcome(OutcomeKind.FAILED, failure=nothing, kill_receipt=built.receipt)
            return replace(failed, builder_result=report)
        # Compared before the checks run, since files that checks write are not the builder's work.
        changed = None if before is None else await changes_since(before, programs)
        work = JudgedWork(root, judged_paths(task.files, report), programs)
        while True:
            if before is not None:
                await work.record_before_checks()
            checked = await self._run_checks(task.checks, built.log, since_s=built_since_s)
            await self._leave_artifacts(built)
            await self.workspace.discard_changes("the checks", built.log)
            outcome = await self._verify(checked, report, changed, work)
            if before is None or outcome.kind is not OutcomeKind.COMPLETED or not work.must_judge_again:
                break
            changed = await changes_since(before, programs)
        outcome = replace(work.outcome(outcome), checks=checked.results)
        if outcome.kind is OutcomeKind.COMPLETED:
            outcome = await self.workspace.land(outcome, built.log, self._run_checks)
        return replace(outcome, builder_result=report, kill_receipt=built.receipt or outcome.kill_receipt)

    async def _leave_artifacts(self, built: SessionResult) -> None:
        """Uploads the files that the task leaves for people; an order ends the upload."""
        sink = self.context.artifacts
        if sink is None or not self.assignment.task.artifacts or built.kind is OutcomeKind.DECLINED:
            return
        upload = upload_artifacts(sink, self.assignment, self.context.project_root, built.log)
        await self.stop.unless_ordered(upload, None)

    async def _verify(
        self,
        checked: ChecksResult,
        report: BuilderResult | None,
        changed: Changes | None,
        work: JudgedWork,
    ) -> Outcome:
        """Returns the outcome after a builder that reports success: checks first, then the validator."""
        if checked.stopped is not None:
            return Outcome(OutcomeKind.STOPPED, kill_receipt=checked.stopped)
        if checked.start_faults:
            error = f"{'; '.join(checked.start_faults)}; {CORRECT_CHECKS}"
            return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.BAD_CHECK, error))
        if failed := failed_checks(checked.results):
            return self._outcome_of_failed_checks(failed, len(checked.results))
        if changed is None:
            waived = self.assignment.task.validate is not False
            return Outcome(OutcomeKind.COMPLETED, validation_waived=waived)
        spec = self._validator_spec(report, checked.results, changed)
        await work.record_before_validator()
        ended = await self._run_validator(spec)
        if ended.result.kind is not OutcomeKind.STOPPED:
            for note in await work.compare_after_validator():
                ended.result.log.note(note)
        await self.workspace.discard_changes("the validator", ended.result.log)
        return self._outcome_of_verdict(ended)

    async def _run_checks(self, commands: tuple[str, ...], log: Notes, *, since_s: float) -> ChecksResult:
        """Runs the commands in the workspace; `since_s` is when the work began, in seconds since the epoch."""
        task = self.assignment.task
        if commands:
            self._report_ends()
        with self.context.tracer.span("checks", checks=len(commands)) as span:
            checked = await run_checks(
                self.context,
                replace(self.assignment, task=replace(task, checks=commands)),
                timeout_s=task.check_timeout_s or self.config.check_timeout,
                stop=self.stop,
                log=log,
                built_since_s=since_s,
            )
            if failed := failed_checks(checked.results):
                span.fail(f"{len(failed)} failed")
            return checked

    async def _run_validator(self, spec: SessionSpec) -> ValidatorEnd:
        """Runs the validator until it gives a verdict or is beyond help; its failures never redo the builder."""
        runs = ValidatorRuns(self.validators + 1)
        while True:
            validated = await self._run_session(replace(spec, run=runs.number))
            self.validators += 1
            again = runs.record(validated)
            if again is None:
                return ValidatorEnd(validated, runs.failure)
            validated.log.note(again.note)
            self._report_ends()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again.wait_s):
                    await self.stop.ordered.wait()

    async def _run_session(self, spec: SessionSpec) -> SessionResult:
        name = session_id(self.assignment, spec.role, run=spec.run)
        # The batcher sends these reports and this session's request for its go in one message.
        self._report_ends()
        with self.context.tracer.span(f"{spec.role} session", session=name) as span:
            run = await Session(self.context, self.assignment, spec, stop=self.stop).run()
            if run.result.failure is not None:
                span.fail(run.result.failure.kind)
        if run.end is not None:
            self.unreported_ends.append(run.end)
        return run.result

    def _report_ends(self) -> None:
        report_end = self.context.reporter.report_end
        self.end_reports += [asyncio.create_task(report_end(end)) for end in self.unreported_ends]
        self.unreported_ends.clear()

    def _builder_spec(self) -> SessionSpec:
        task = self.assignment.task
        agent = task.builder_agent or self.config.builder_agent
        prompt = build.builder_prompt(
            self.assignment, agent=agent, offered=self._offers(agent), templates=self.templates
        )
        timeout_s = task.builder_timeout_s or self.config.builder_timeout
        return SessionSpec(Role.BUILDER, prompt, timeout_s)

    def _validator_spec(
        self, report: BuilderResult | None, checks: tuple[CheckResult, ...], changed: Changes
    ) -> SessionSpec:
        task = self.assignment.task
        agent = task.validator_agent or self.config.validator_agent
        prompt = build.validator_prompt(
            self.assignment,
            agent=agent,
            offered=self._offers(agent),
            report=report,
            checks=checks,
            changes=changed,
            templates=self.templates,
        )
        timeout_s = task.validator_timeout_s or self.config.validator_timeout
        repair = build.repair_prompt(self.assignment, Role.VALIDATOR)
        return SessionSpec(Role.VALIDATOR, prompt, timeout_s, repair, report or BuilderResult())

    def _offers(self, agent: str) -> bool:
        return self.context.runner.offers_agent(agent, self.context.project_root)

    def _outcome_of_failed_checks(self, failed: list[CheckResult], total: int) -> Outcome:
        """Returns a rejection; a failed check needs no validator."""
        summary = summary_of_checks(failed, total=total)
        findings = with_ids(findings_of_checks(failed), self.assignment)
        return Outcome(
            OutcomeKind.FAILED,
            failure=Failure(FailureClass.VALIDATION_FAILED, summary),
            verdict=Verdict(passed=False, findings=findings, summary=summary),
        )

    def _outcome_of_verdict(self, ended: ValidatorEnd) -> Outcome:
        validated = ended.result
        if ended.failure is not None:
            return Outcome(OutcomeKind.FAILED, failure=ended.failure, kill_receipt=validated.receipt)
        verdict = read_verdict(validated.reply).verdict
        if verdict is None:
            # Stopped, or declined: a builder did run, so the claim can't be given back free of charge.
            return Outcome(OutcomeKind.STOPPED, kill_receipt=validated.receipt)
        verdict = replace(verdict, findings=with_ids(verdict.findings, self.assignment))
        if verdict.passed:
            return Outcome(OutcomeKind.COMPLETED, verdict=verdict, kill_receipt=validated.receipt)
        error = f"the validator rejected the work: {one_line(rejection_reason(verdict), ERROR_CHARS)}"
        failure = Failure(FailureClass.VALIDATION_FAILED, error)
        return Outcome(OutcomeKind.FAILED, failure=failure, verdict=verdict, kill_receipt=validated.receipt)

    @property
    def _validates(self) -> bool:
        return not self.config.no_validation and self.assignment.task.validate is not False
