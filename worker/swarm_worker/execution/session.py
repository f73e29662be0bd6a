"""Runs one session, from the go to the record of its end. Its one rule: no process without a go."""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Final

from swarm_worker.domain.environment import session_variables, task_variables
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
from swarm_worker.domain.names import session_id
from swarm_worker.domain.ports import Go
from swarm_worker.domain.types import Role
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.session_output import SessionLog, SessionOutput
from swarm_worker.execution.session_result import epitaph, failure_of_end, task_document
from swarm_worker.execution.start_throttle import StartPermit
from swarm_worker.output.replies import read_verdict
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.reader import OutputReader
from swarm_worker.storage.files import write_private
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.launch import Cause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

NOT_STARTED: Final = KillReceipt()
# A turn that asks for a few lines of JSON is short.
REPAIR_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What one session is to do, and for how long at most; `run` counts the sessions of its role."""

    role: Role
    prompt: str
    timeout_s: float
    # What to ask once more where a verdict is missing.
    repair: str = ""
    builder_result: BuilderResult | None = None
    run: int = 1


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What a session came to; `COMPLETED` if it ended by itself and well."""

    kind: OutcomeKind
    log: SessionLog
    reply: str = ""
    failure: Failure | None = None
    receipt: KillReceipt | None = None


class Session:
    """One session of one attempt."""

    def __init__(
        self, bench: SessionContext, assignment: Assignment, work: SessionSpec, *, stop: Stop
    ) -> None:
        self._bench = bench
        self._assignment = assignment
        self._work = work
        self._stop = stop
        name = session_id(assignment, work.role, run=work.run)
        self._start = SessionStart(assignment.lease_id, name, work.role, bench.runner.name)
        self._log = SessionLog(bench.desk, self._start, mask=bench.mask)
        self._task_file = bench.folder.session_file(name, "task.json")
        self._usage = Usage()
        self._exit_code: int | None = None

    async def run(self) -> tuple[SessionResult, SessionEnd | None]:
        """Runs it; returns what it came to, and its end, of which the server has to be told."""
        go = await self._ask()
        if not go.go:
            return self._without_go(go), None
        plan = self._plan()
        try:
            result = await self._turn(plan)
            if self._lacks_verdict(result) and self._bench.runner.resumable(plan):
                result = await self._repaired(result, plan)
        finally:
            for file in (plan.prompt_file, self._task_file):
                with contextlib.suppress(OSError):  # the next start removes it
                    file.unlink()
        return result, SessionEnd(self._start, self._exit_code, self._usage)

    async def _go(self) -> Go:
        await self._bench.fence.open()
        return await self._bench.desk.ask(self._start)

    async def _ask(self) -> Go:
        """The server's answer, or the order that came first."""
        asked = asyncio.create_task(self._go())
        try:
            with self._stop.kills(lambda _: asked.cancel()):
                await asyncio.wait((asked,))
        finally:
            asked.cancel()
        if self._stop.order is not None:
            return Go(go=False, order=self._stop.order)
        return asked.result()

    def _without_go(self, go: Go) -> SessionResult:
        if go.refusal:
            failure = Failure(FailureClass.BAD_CONFIG, f"the server refused the session: {go.refusal}")
            return SessionResult(OutcomeKind.FAILED, self._log, failure=failure)
        kind = OutcomeKind.DECLINED if go.order is None else OutcomeKind.STOPPED
        return SessionResult(kind, self._log, receipt=NOT_STARTED)

    def _plan(self) -> SessionPlan:
        return SessionPlan(
            session_id=self._start.session_id,
            role=self._work.role,
            task=self._assignment.task,
            prompt=self._work.prompt,
            project_root=self._bench.project_root,
            prompt_file=self._bench.folder.session_file(self._start.session_id, "prompt.md"),
            swarm_id=self._bench.swarm_id,
        )

    def _lacks_verdict(self, result: SessionResult) -> bool:
        completed = result.kind is OutcomeKind.COMPLETED
        return completed and self._work.role is Role.VALIDATOR and read_verdict(result.reply) is None

    async def _repaired(self, first: SessionResult, plan: SessionPlan) -> SessionResult:
        """Asks once more, in the same session, for the JSON alone; without it the first words stay the last."""
        self._log.note("the validator's reply has no readable verdict; asking once more for it")
        again = replace(plan, prompt=self._work.repair, resumed=True)
        second = await self._turn(again, timeout_s=min(REPAIR_S, self._work.timeout_s))
        return first if self._lacks_verdict(second) else second

    async def _turn(self, plan: SessionPlan, *, timeout_s: float | None = None) -> SessionResult:
        """One process, from its start to what it came to."""
        timeout_s = self._work.timeout_s if timeout_s is None else timeout_s
        reader = self._bench.runner.reader(plan)
        turn = await self._bench.starts.take(self._bench.runner.boot_s, self._stop)
        output = SessionOutput(
            reader,
            log=self._log,
            desk=self._bench.desk,
            start=self._start,
            spent=self._usage,
            begun=turn.over,
        )
        ended = await self._launch(plan, output, timeout_s=timeout_s, turn=turn)
        result = self._result(ended, output, reader, timeout_s=timeout_s)
        self._usage = self._usage.plus(reader.usage)
        self._exit_code = ended.exit_code
        self._log.note(epitaph(self._work.role, ended, result.failure))
        return result

    async def _launch(
        self, plan: SessionPlan, output: SessionOutput, *, timeout_s: float, turn: StartPermit
    ) -> RunEnd:
        try:
            launch = self._prepared(plan)
            self._log.note(f"{plan.role} session started, runner {self._bench.runner.name}")
            return await run_guarded(
                launch,
                limits=RunLimits(timeout_s, self._bench.stall_s, self._bench.grace_s),
                fence=self._bench.fence,
                stop=self._stop,
                sink=output,
            )
        except OSError as error:
            return RunEnd(Cause.SPAWN, error=f"can't write the session's files: {error}")
        finally:
            turn.over()
            output.end()

    def _prepared(self, plan: SessionPlan) -> Launch:
        """Writes what the session reads."""
        write_private(plan.prompt_file, plan.prompt)
        write_private(self._task_file, task_document(self._assignment, self._work.builder_result))
        runner = self._bench.runner
        runner.prepare(plan)
        variables = session_variables(
            plan.session_id, role=plan.role, prompt_file=plan.prompt_file, task_file=self._task_file
        )
        return Launch(
            argv=runner.argv(plan),
            cwd=plan.project_root,
            env={
                **self._bench.env,
                **task_variables(self._assignment, project_root=plan.project_root),
                **variables,
            },
            lock=self._bench.folder.guard_lock(plan.session_id),
            stdin=runner.stdin(plan),
            feed=runner.progress_file(plan),
        )

    def _result(
        self, ended: RunEnd, output: SessionOutput, reader: OutputReader, *, timeout_s: float
    ) -> SessionResult:
        receipt = replace(ended.receipt, last_output=output.last)
        ordered = self._stop.order is not None
        # An order that found the session ended takes nothing from what it came to.
        if ended.cause in (Cause.ORDER, Cause.FENCE) or (ordered and ended.cause is not Cause.EXIT):
            return SessionResult(OutcomeKind.STOPPED, self._log, receipt=receipt)
        killed = ordered or ended.cause in (Cause.TIMEOUT, Cause.STALL, Cause.LOST)
        known = receipt if killed else None
        if failure := failure_of_end(self._work.role, ended, timeout_s=timeout_s):
            return SessionResult(OutcomeKind.FAILED, self._log, failure=failure, receipt=known)
        report = reader.report(output.reply, exit_code=ended.exit_code or 0)
        kind = OutcomeKind.COMPLETED if report.failure is None else OutcomeKind.FAILED
        return SessionResult(kind, self._log, reply=report.reply, failure=report.failure, receipt=known)
