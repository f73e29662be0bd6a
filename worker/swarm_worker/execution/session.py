"""Runs one session, from the request for its go to its end.

Invariant: no process is started without a go.
"""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import (
    Assignment,
    BuilderResult,
    Failure,
    FailureClass,
    KillReceipt,
    OutcomeKind,
    SessionEnd,
    SessionStart,
    Usage,
)
from swarm_worker.domain.names import session_id, trial_id
from swarm_worker.domain.ports import GoAnswer
from swarm_worker.domain.session_tokens import draw_session_token
from swarm_worker.domain.types import Role
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.person_wait import PersonWait
from swarm_worker.execution.session_access import NO_REACH, SessionReach
from swarm_worker.execution.session_launch import prepare_launch
from swarm_worker.execution.session_output import SessionLog, SessionOutput
from swarm_worker.execution.session_result import (
    ERROR_CHARS,
    SessionResult,
    SessionRun,
    closing_log_line,
    explain_spawn,
    failure_of_end,
    name_git_lock,
)
from swarm_worker.execution.start_throttle import StartPermit
from swarm_worker.execution.trial import NOTE, TRIAL_S, failure_after_trial, is_unclear, trial_plan
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.reader import OutputReader
from swarm_worker.storage.private_folder import remove_private_in_thread
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

NOT_STARTED: Final = KillReceipt()
# The limit of a further turn that only has to write a few lines of JSON.
REPAIR_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """The work and the time limit of one session; `run` counts the attempt's sessions of its role."""

    role: Role
    prompt: str
    timeout_s: float
    # The prompt of a further turn if the verdict is missing.
    repair: str = ""
    builder_result: BuilderResult | None = None
    run: int = 1


class Session:
    """A session of one attempt; `run` may be called once."""

    def __init__(
        self, context: SessionContext, assignment: Assignment, spec: SessionSpec, *, stop: Stop
    ) -> None:
        self._context = context
        self._assignment = assignment
        self._spec = spec
        self._stop = stop
        name = session_id(assignment, spec.role, run=spec.run)
        self._token = draw_session_token()
        announced = self._token if context.access is not None else None
        self._start = SessionStart(assignment.lease_id, name, spec.role, context.runner.name, announced)
        self._reach = NO_REACH
        self._waits = PersonWait(stop.end_program)
        self._log = SessionLog(context.reporter, self._start, mask=context.mask)
        self._private = context.folder.session_file(name, "private")
        self._task_file = context.folder.session_file(name, "task.json")
        self._usage = Usage()
        # A further turn may continue the session's children.
        self._progress_files: Sequence[Path] = ()
        self._exit_code: int | None = None

    async def run(self) -> SessionRun:
        """Runs the session to its end, or returns without a process if it gets no go."""
        go = await self._await_go()
        if not go.granted:
            return SessionRun(self._result_without_go(go), None)
        async with self._open_reach() as self._reach:
            return await self._run_turns(self._plan())

    def _open_reach(self) -> AbstractAsyncContextManager[SessionReach]:
        access, name = self._context.access, self._start.session_id
        if access is None:
            return contextlib.nullcontext(NO_REACH)
        return access.opened(name, self._token.text, self._waits, self._log)

    async def _run_turns(self, plan: SessionPlan) -> SessionRun:
        try:
            result = await self._run_turn(plan)
            if self._needs_trial(result):
                result = await self._run_trial(result, plan)
            if self._lacks_verdict(result) and self._context.runner.resumable(plan):
                result = await self._ask_for_verdict(result, plan)
        finally:
            for file in (plan.prompt_file, self._task_file):
                with contextlib.suppress(OSError):  # the next start removes it
                    file.unlink()
            await remove_private_in_thread(self._private)
        return SessionRun(result, SessionEnd(self._start, self._exit_code, self._usage))

    async def _request_go(self) -> GoAnswer | None:
        await self._context.fence.wait_open()
        return await self._context.reporter.request_go(self._start)

    async def _await_go(self) -> GoAnswer:
        """Returns the server's answer, or a refusal if an order to stop comes first."""
        go = await self._stop.unless_ordered(self._request_go(), None)
        return go or GoAnswer(granted=False, order=self._stop.order)

    def _result_without_go(self, go: GoAnswer) -> SessionResult:
        if go.refusal:
            failure = Failure(FailureClass.AGENT_ERROR, f"the server refused the session: {go.refusal}")
            return SessionResult(OutcomeKind.FAILED, self._log, failure=failure)
        kind = OutcomeKind.DECLINED if go.order is None else OutcomeKind.STOPPED
        return SessionResult(kind, self._log, receipt=NOT_STARTED)

    def _plan(self) -> SessionPlan:
        return SessionPlan(
            session_id=self._start.session_id,
            role=self._spec.role,
            task=self._assignment.task,
            prompt=self._spec.prompt,
            project_root=self._context.project_root,
            prompt_file=self._context.folder.session_file(self._start.session_id, "prompt.md"),
            swarm_id=self._context.swarm_id,
        )

    def _needs_trial(self, result: SessionResult) -> bool:
        """Returns whether a trial has to distinguish a fault of the set-up from one of the task.

        A validator's failure is never charged to the task, so it needs none.
        """
        failed = result.failure is not None and is_unclear(result.failure, reached=result.reached_model)
        builds = self._spec.role is Role.BUILDER and self._context.runner.has_trials
        return failed and builds and self._stop.order is None

    async def _run_trial(self, first: SessionResult, plan: SessionPlan) -> SessionResult:
        """Runs the trial as a further turn of this session; returns the first result with its failure judged."""
        assert first.failure is not None
        exit_code = self._exit_code
        self._log.note(NOTE)
        trial = trial_plan(
            trial_id(self._assignment, plan.role),
            role=plan.role,
            project_root=plan.project_root,
            prompt_file=plan.prompt_file,
            swarm_id=plan.swarm_id,
        )
        self._progress_files = ()  # the trial has files of its own
        second = await self._run_turn(trial, timeout_s=TRIAL_S)
        self._exit_code = exit_code
        # The receipt of the process that was ended last proves what is left.
        receipt = first.receipt if second.receipt is None else second.receipt
        if second.kind is OutcomeKind.STOPPED:
            return replace(first, receipt=receipt)
        failure = failure_after_trial(first.failure, second.failure, reached=second.reached_model)
        return replace(first, failure=failure, receipt=receipt)

    def _lacks_verdict(self, result: SessionResult) -> bool:
        completed = result.kind is OutcomeKind.COMPLETED
        return completed and self._spec.role is Role.VALIDATOR and read_verdict(result.reply).verdict is None

    async def _ask_for_verdict(self, first: SessionResult, plan: SessionPlan) -> SessionResult:
        """Asks for the JSON alone in a further turn; returns the first result if that fails too."""
        fault = read_verdict(first.reply).fault
        self._log.note(f"the validator's reply has no verdict that counts: {fault}; asking once more for it")
        repair = replace(plan, prompt=self._spec.repair, resumed=True)
        second = await self._run_turn(repair, timeout_s=min(REPAIR_S, self._spec.timeout_s))
        return first if self._lacks_verdict(second) else second

    async def _run_turn(self, plan: SessionPlan, *, timeout_s: float | None = None) -> SessionResult:
        """Runs one process of the session and returns its result."""
        timeout_s = self._spec.timeout_s if timeout_s is None else timeout_s
        reader = self._context.runner.reader(plan)
        own = self._context.runner.progress_file(plan)
        self._progress_files = self._progress_files or (() if own is None else (own,))
        permit = await self._context.throttle.acquire(self._context.runner.boot_s, self._stop)
        output = SessionOutput(
            reader,
            log=self._log,
            reporter=self._context.reporter,
            start=self._start,
            earlier_usage=self._usage,
            progress_files=self._progress_files,
            on_working=permit.release,
        )
        ended = await self._launch(plan, output, timeout_s=timeout_s, permit=permit)
        result = self._result(ended, output, reader, timeout_s=timeout_s)
        self._usage = self._usage.plus(reader.usage)
        self._progress_files = output.progress_files
        self._exit_code = ended.exit_code
        self._log.note(closing_log_line(self._spec.role, ended, result.failure))
        return result

    async def _launch(
        self, plan: SessionPlan, output: SessionOutput, *, timeout_s: float, permit: StartPermit
    ) -> RunEnd:
        try:
            launch = prepare_launch(
                self._context,
                self._assignment,
                plan,
                task_file=self._task_file,
                private=self._private,
                builder_result=self._spec.builder_result,
                reach=self._reach,
            )
            self._log.note(self._opening_line(plan))
            self._log.prompt(plan.prompt)
            ended = await run_guarded(
                launch,
                limits=RunLimits(
                    timeout_s, self._context.stall_s, self._context.grace_s, self._waits.waited_s
                ),
                fence=self._context.fence,
                stop=self._stop,
                sink=output,
                progress=output,
            )
            return ended if ended.cause is not EndCause.SPAWN else explain_spawn(ended, launch)
        except OSError as error:
            return RunEnd(EndCause.SPAWN, error=f"can't write the session's files: {error}")
        finally:
            permit.release()
            output.flush()

    def _opening_line(self, plan: SessionPlan) -> str:
        """Returns the first line of a turn's log, with the session's id in the program if that differs."""
        runner = self._context.runner
        name = runner.backend_session(plan)
        known_as = "" if name == plan.session_id else f", its id there is {name}"
        return f"{plan.role} session started, runner {runner.name}{known_as}"

    def _result(
        self, ended: RunEnd, output: SessionOutput, reader: OutputReader, *, timeout_s: float
    ) -> SessionResult:
        receipt = replace(ended.receipt, last_output=output.last_output)
        ordered = self._stop.order is not None
        parked = self._waits.parked
        if parked is not None and not ordered and ended.cause is EndCause.ORDER:
            asks = Failure(FailureClass.BUILDER_BLOCKED, one_line(f"it asks: {parked.text}", ERROR_CHARS))
            return SessionResult(
                OutcomeKind.FAILED, self._log, failure=asks, receipt=receipt, question=parked
            )
        # An order that came after the session's own end does not change its result.
        if ended.cause in (EndCause.ORDER, EndCause.FENCE) or (ordered and ended.cause is not EndCause.EXIT):
            return SessionResult(OutcomeKind.STOPPED, self._log, receipt=receipt)
        killed = ordered or ended.cause in (EndCause.TIMEOUT, EndCause.STALL, EndCause.LOST, EndCause.LIMIT)
        kill_receipt = receipt if killed else None
        if failure := failure_of_end(self._spec.role, ended, timeout_s=timeout_s):
            return SessionResult(
                OutcomeKind.FAILED,
                self._log,
                failure=failure,
                receipt=kill_receipt,
                reached_model=reader.reached_model,
            )
        report = name_git_lock(
            reader.report(output.reply, exit_code=ended.exit_code or 0), self._context.project_root
        )
        kind = OutcomeKind.COMPLETED if report.failure is None else OutcomeKind.FAILED
        return SessionResult(
            kind,
            self._log,
            reply=report.reply,
            failure=report.failure,
            receipt=kill_receipt,
            reached_model=reader.reached_model,
        )
