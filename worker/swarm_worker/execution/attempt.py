"""Runs one attempt at a task: builder, checks, validator. Plain control flow, independent of the wire.

Invariant: only proof completes an attempt. A check that fails, and a verdict that is missing, unreadable or
negative, is a failure.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from swarm_worker.config import WorkerConfig
from swarm_worker.domain.model import (
    Assignment,
    BuilderResult,
    CheckResult,
    Failure,
    FailureClass,
    KillReceipt,
    Outcome,
    OutcomeKind,
    SessionEnd,
)
from swarm_worker.domain.names import session_id
from swarm_worker.domain.ports import GoAnswer, Notes
from swarm_worker.domain.reply_rules import unfinished_reason
from swarm_worker.domain.types import Role
from swarm_worker.domain.workspaces import AttemptStart
from swarm_worker.execution import validation
from swarm_worker.execution.artifacts import upload_artifacts
from swarm_worker.execution.attempt_programs import AttemptPrograms
from swarm_worker.execution.checks import (
    ChecksResult,
    failed_checks,
    run_checks,
)
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.judged_work import JudgedWork, judged_paths
from swarm_worker.execution.session import Session, SessionSpec
from swarm_worker.execution.session_result import SessionResult, outcome_of_builder, report_of
from swarm_worker.execution.workspaces import AttemptLog, Workspace
from swarm_worker.prompts import build
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.changes import Changes, Snapshot, changes_since, snapshot_of, take_snapshot


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
        work = {None: self._work, AttemptStart.LANDING: self._land}.get(
            self.assignment.starts_at, self._judge
        )
        ended = await self.workspace.open(self._run_checks) or await work()
        return await self.workspace.close(ended)

    async def _land(self) -> Outcome:
        """Lands work that was accepted earlier, without a session."""
        log = AttemptLog(self.assignment)
        return await self.workspace.land(Outcome(OutcomeKind.COMPLETED), log, self._run_checks)

    async def _work(self) -> Outcome:
        task = self.assignment.task
        programs = self._programs()
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
        leave = partial(self._leave_artifacts, built)
        outcome = await self._prove(before, changed, report, built.log, since_s=built_since_s, leave=leave)
        if outcome.kind is OutcomeKind.COMPLETED:
            outcome = await self.workspace.land(outcome, built.log, self._run_checks)
        return replace(outcome, builder_result=report, kill_receipt=built.receipt or outcome.kill_receipt)

    async def _judge(self) -> Outcome:
        """Checks the work that an earlier attempt has left, and has it judged if the attempt starts with that."""
        if (refused := await self._refused_go()) is not None:
            return refused
        work, start = self.assignment.work, self.assignment.starts_at
        assert work is not None
        log, since_s = AttemptLog(self.assignment), time.time()
        before = changed = None
        if start is AttemptStart.VALIDATOR and self._validates:
            before = snapshot_of(self.context.project_root, work.base)
            changed = await changes_since(before, self._programs())
        report = self.assignment.work_result
        outcome = await self._prove(before, changed, report, log, since_s=since_s)
        if start is AttemptStart.CHECKS:  # the verdict of the earlier attempt stands
            outcome = replace(outcome, validation_waived=False)
        if outcome.kind is OutcomeKind.COMPLETED:
            return await self.workspace.land(outcome, log, self._run_checks)
        return outcome

    async def _refused_go(self) -> Outcome | None:
        """Asks for the go of an attempt without a builder; returns the outcome if it gets none."""
        go = await self.stop.unless_ordered(self._request_checks(), None)
        if go is not None and go.granted:
            return None
        if go is not None and go.refusal:
            error = f"the server refused the checks: {go.refusal}"
            return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.AGENT_ERROR, error))
        stopped = go is None or go.order is not None
        return Outcome(OutcomeKind.STOPPED if stopped else OutcomeKind.DECLINED, kill_receipt=KillReceipt())

    async def _request_checks(self) -> GoAnswer:
        await self.context.fence.wait_open()
        return await self.context.reporter.request_checks(self.assignment.lease_id)

    async def _prove(
        self,
        before: Snapshot | None,
        changed: Changes | None,
        report: BuilderResult | None,
        log: Notes,
        *,
        since_s: float,
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> Outcome:
        """Runs the checks, and the validator if there is a snapshot from before the work; returns their outcome.

        `leave` is called after the checks, so that what they write is left for people too.
        """
        task, programs = self.assignment.task, self._programs()
        work = JudgedWork(self.context.project_root, judged_paths(task.files, report), programs)
        while True:
            if before is not None:
                await work.record_before_checks()
            checked = await self._run_checks(task.checks, log, since_s=since_s)
            if leave is not None:
                await leave()
            await self.workspace.discard_changes("the checks", log)
            outcome = await self._verify(checked, report, changed, work)
            if before is None or outcome.kind is not OutcomeKind.COMPLETED or not work.must_judge_again:
                return replace(work.outcome(outcome), checks=checked.results)
            changed = await changes_since(before, programs)

    def _programs(self) -> AttemptPrograms:
        return AttemptPrograms(self.context, self.assignment, self.stop)

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
            return validation.outcome_of_bad_checks(checked.start_faults)
        if failed := failed_checks(checked.results):
            return validation.outcome_of_failed_checks(failed, len(checked.results), self.assignment)
        if changed is None:
            return Outcome(OutcomeKind.COMPLETED, validation_waived=self._asks_for_verdict)
        spec = self._validator_spec(report, checked.results, changed)
        await work.record_before_validator()
        ended = await self._run_validator(spec)
        if ended.result.kind is not OutcomeKind.STOPPED:
            for note in await work.compare_after_validator():
                ended.result.log.note(note)
        await self.workspace.discard_changes("the validator", ended.result.log)
        return validation.outcome_of_verdict(ended, self.assignment)

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

    async def _run_validator(self, spec: SessionSpec) -> validation.ValidatorEnd:
        """Runs the validator until it gives a verdict or is beyond help; its failures never redo the builder."""
        runs = validation.ValidatorRuns(self.validators + 1)
        while True:
            validated = await self._run_session(replace(spec, run=runs.number))
            self.validators += 1
            again = runs.record(validated)
            if again is None:
                return validation.ValidatorEnd(validated, runs.failure)
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

    @property
    def _validates(self) -> bool:
        return not self.config.no_validation and self._asks_for_verdict

    @property
    def _asks_for_verdict(self) -> bool:
        # A person may ask for the validator of a task that does without.
        judges = self.assignment.starts_at is AttemptStart.VALIDATOR
        return judges or self.assignment.task.validate is not False
