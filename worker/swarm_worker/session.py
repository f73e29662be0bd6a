"""Runs one session, from the go to the record of its end. Its one rule: no process without a go."""

import asyncio
import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from swarm_worker.environment import session_variables, task_variables
from swarm_worker.fence import Fence
from swarm_worker.model import (
    Assignment,
    BuilderResult,
    Failure,
    FailureClass,
    KillReceipt,
    OutcomeKind,
    Role,
    SessionEnd,
    SessionStart,
)
from swarm_worker.names import session_id
from swarm_worker.output import SessionLog, SessionOutput
from swarm_worker.ports import Desk, Go
from swarm_worker.process import Cause, Ended, Launch, Limits, run_guarded
from swarm_worker.runners.base import Reader, Runner, SessionPlan
from swarm_worker.state import StateFolder, private_folder, write_private
from swarm_worker.stop import Stop

NOT_STARTED: Final = KillReceipt()


@dataclass(frozen=True, slots=True)
class Bench:
    """What every session of a worker is run with."""

    runner: Runner
    desk: Desk
    fence: Fence
    folder: StateFolder
    project_root: Path
    env: Mapping[str, str]
    stall_s: float
    grace_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """What one session is to do, and for how long at most."""

    role: Role
    prompt: str
    timeout_s: float
    builder_result: BuilderResult | None = None


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

    def __init__(self, bench: Bench, assignment: Assignment, work: Work, *, stop: Stop) -> None:
        self._bench = bench
        self._assignment = assignment
        self._work = work
        self._stop = stop
        self._start = SessionStart(
            assignment.lease_id, session_id(assignment, work.role), work.role, bench.runner.name
        )
        self._log = SessionLog(bench.desk, self._start)

    async def run(self) -> tuple[SessionResult, asyncio.Task[None] | None]:
        """Runs it; returns what it came to, and the record of its end that is under way."""
        go = await self._ask()
        if not go.go:
            return self._without_go(go), None
        plan = self._plan()
        reader = self._bench.runner.reader(plan)
        ended, output = await self._launch(plan, reader)
        result = self._result(ended, output, reader)
        self._log.note(_epitaph(self._work.role, ended, result))
        end = SessionEnd(self._start, ended.exit_code, reader.usage)
        return result, asyncio.create_task(self._bench.desk.end(end))

    async def _ask(self) -> Go:
        """The server's answer, or the order that came first."""
        asked = asyncio.create_task(self._bench.desk.ask(self._start))
        told = asyncio.create_task(self._stop.ordered.wait())
        await asyncio.wait((asked, told), return_when=asyncio.FIRST_COMPLETED)
        for task in (asked, told):
            task.cancel()
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
        )

    async def _launch(self, plan: SessionPlan, reader: Reader) -> tuple[Ended, SessionOutput]:
        output = SessionOutput(reader, log=self._log, desk=self._bench.desk, start=self._start)
        folder = self._bench.folder.session(plan.session_id)
        try:
            launch = self._prepared(plan, folder)
            self._log.note(f"{plan.role} session started, runner {self._bench.runner.name}")
            ended = await run_guarded(
                launch,
                limits=Limits(self._work.timeout_s, self._bench.stall_s, self._bench.grace_s),
                fence=self._bench.fence,
                stop=self._stop,
                sink=output,
            )
        except OSError as error:
            ended = Ended(Cause.SPAWN, error=f"can't write the session's files: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        output.end()
        return ended, output

    def _prepared(self, plan: SessionPlan, folder: Path) -> Launch:
        """Writes what the session reads."""
        private_folder(folder)
        prompt_file, task_file = folder / "prompt.md", folder / "task.json"
        write_private(prompt_file, plan.prompt)
        write_private(task_file, _task_document(self._assignment, self._work))
        return Launch(
            argv=self._bench.runner.argv(plan),
            cwd=plan.project_root,
            env={
                **self._bench.env,
                **task_variables(self._assignment, project_root=plan.project_root),
                **session_variables(
                    plan.session_id, role=plan.role, prompt_file=prompt_file, task_file=task_file
                ),
            },
            lock=self._bench.folder.guard_lock(plan.session_id),
            stdin=plan.prompt.encode(errors="replace"),
        )

    def _result(self, ended: Ended, output: SessionOutput, reader: Reader) -> SessionResult:
        receipt = replace(ended.receipt, last_output=output.last)
        if self._stop.order is not None or ended.cause in (Cause.ORDER, Cause.FENCE):
            return SessionResult(OutcomeKind.STOPPED, self._log, receipt=receipt)
        if failure := _failure(self._work, ended, stall_s=self._bench.stall_s):
            killed = receipt if ended.cause in (Cause.TIMEOUT, Cause.STALL) else None
            return SessionResult(OutcomeKind.FAILED, self._log, failure=failure, receipt=killed)
        report = reader.report(output.reply, exit_code=ended.exit_code or 0)
        kind = OutcomeKind.COMPLETED if report.failure is None else OutcomeKind.FAILED
        return SessionResult(kind, self._log, reply=report.reply, failure=report.failure)


def _failure(work: Work, ended: Ended, *, stall_s: float) -> Failure | None:
    """What is wrong whatever the session printed."""
    if ended.cause is Cause.SPAWN:
        return Failure(FailureClass.BAD_CONFIG, ended.error)
    if ended.cause is Cause.TIMEOUT:
        return Failure(FailureClass.TIMEOUT, f"the {work.role} ran longer than {work.timeout_s:g} s")
    if ended.cause is Cause.STALL:
        return Failure(FailureClass.STALLED, f"the {work.role} was silent for {stall_s:g} s")
    if ended.cause is Cause.LOST or ended.exit_code is None:
        return Failure(FailureClass.CRASHED, f"the {work.role} is gone: {ended.error}")
    if ended.exit_code < 0:
        return Failure(FailureClass.CRASHED, f"the {work.role} was ended by {_signal(-ended.exit_code)}")
    return None


def _task_document(assignment: Assignment, work: Work) -> str:
    """The task as JSON, with, for a validator, what the builder said."""
    if work.builder_result is None:
        return assignment.task.document
    result = {name: getattr(work.builder_result, name) for name in BuilderResult.__dataclass_fields__}
    return json.dumps({**json.loads(assignment.task.document), "builder_result": result}, ensure_ascii=False)


def _epitaph(role: Role, ended: Ended, result: SessionResult) -> str:
    code = "" if ended.exit_code is None else f", exit code {ended.exit_code}"
    left = ended.receipt.terminated + ended.receipt.killed
    found = f"; {ended.receipt.processes_found} processes were ended" if left else ""
    why = f": {result.failure.error}" if result.failure else ""
    return f"{role} session ended by {ended.cause}{code}{found}{why}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
