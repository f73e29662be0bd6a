"""The workspace of one attempt in a clone of its own: made at the target's tip, its work kept as commits, and landed.

Invariant: a builder's commits are kept by a ref of the source before anything else happens to them.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.domain.changes import Change, ChangedFile
from swarm_worker.domain.model import (
    Assignment,
    Failure,
    FailureClass,
    Outcome,
    OutcomeKind,
)
from swarm_worker.domain.names import session_id
from swarm_worker.domain.ports import LandingReporter, Notes
from swarm_worker.domain.types import Role
from swarm_worker.execution.attempt_note import AttemptNote, write_note
from swarm_worker.execution.checks import failed_checks, summary_of_checks
from swarm_worker.execution.landing import LandingRun
from swarm_worker.execution.new_clone import NewClone
from swarm_worker.execution.workspaces import CheckRunner
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.clone import Clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.keeping import record_end, remove_workspace
from swarm_worker.workspace.landing import LandingMessage
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.snapshot import WorkSnapshot, restore, snapshot
from swarm_worker.workspace.source import MissingCommit, MissingWork, SourceRepository
from swarm_worker.workspace.work_change import read_change

ERROR_CHARS: Final = 1_000
SHOWN_PATHS: Final = 5


@dataclass(slots=True)
class _Buffer:
    """A log for what happens before the first session; its lines are written into that session's log."""

    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)


class _KeptWork(NamedTuple):
    """The work that a session left, and the change as the server gets it."""

    work: WorkSnapshot
    change: Change


@dataclass(slots=True)
class CloneWorkspace:
    """A private clone for one attempt; see `workspaces.Workspace`. Methods are called once, in the order there."""

    # Its git ends with the attempt: by an order, or when the server is silent for too long.
    source: SourceRepository
    # Its git goes on after an order, since work is kept after a kill. It never changes the target.
    keeper: SourceRepository
    assignment: Assignment
    swarm_id: str
    folder: Path
    stop: Stop
    # Nothing lands while the server is silent for too long, whatever the task's sessions may do.
    fence: Fence
    reporter: LandingReporter
    # Where the folders of `keep:` come from; None if there is no such place.
    carry_from: Path | None
    session_push: bool
    # The names of clones in use, which no collection removes.
    leased: set[str]
    _buffer: _Buffer = field(default_factory=_Buffer)
    _clone: Clone | None = None
    _work: WorkSnapshot | None = None
    _change: Change | None = None

    @property
    def root(self) -> Path:
        return self.folder / "work"

    @property
    def borrowed(self) -> Sequence[Path]:
        return () if self._clone is None else self._clone.borrowed

    async def open(self, run_checks: CheckRunner) -> Outcome | None:
        self.leased.add(self.folder.name)
        try:
            tip = await self.source.fetch(self.assignment.base)
            new = self._new_clone()
            if landing := await new.landed_before(tip):
                return Outcome(OutcomeKind.COMPLETED, landing=landing)
            self._clone = await new.make(tip)
        except MissingCommit as error:
            return Outcome(OutcomeKind.DECLINED, failure=_bad_config(str(error)))
        except MissingWork as error:
            return self._failed(Failure(FailureClass.WORK_MISSING, str(error)))
        except (GitFailure, OSError) as error:
            return self._failed(_bad_config(f"can't make the task's clone: {error}"))
        return await self._set_up(run_checks)

    async def keep_built(self, log: Notes) -> Failure | None:
        for line in self._buffer.lines:
            log.note(line)
        try:
            work, change = await self._keep(log)
        except (GitFailure, OSError) as error:
            return Failure(FailureClass.CRASHED, f"the builder's work could not be kept: {error}")
        if not work.changed and self.assignment.task.must_change:
            return Failure(
                FailureClass.AGENT_ERROR, "the builder changed no file; say `changes: none` if it need not"
            )
        log.note(f"the work is {change.head[:12]}, kept as {change.ref}: {_summary(change)}")
        return None

    async def discard_changes(self, maker: str, log: Notes) -> None:
        if self._clone is None or self._work is None:
            return
        try:
            paths = await restore(self._clone, self._work.head)
        except (GitFailure, OSError) as error:
            log.note(f"what {maker} changed could not be thrown away: {error}")
            return
        if paths:
            log.note(f"{maker} changed files, and the changes were thrown away: {_few(paths)}")

    async def land(self, outcome: Outcome, log: Notes, run_checks: CheckRunner) -> Outcome:
        if self._clone is None or self._work is None or not self.assignment.task.land:
            return outcome
        landing = LandingRun(
            source=self.source,
            reporter=self.reporter,
            assignment=self.assignment,
            swarm_id=self.swarm_id,
            stop=self.stop,
            fence=self.fence,
            message=LandingMessage(self.assignment.task.name, self._trailers),
            clone=self._clone,
            work=self._work,
            accepted=outcome,
            log=log,
            run_checks=run_checks,
        )
        try:
            return await landing.land()
        except MissingCommit as error:
            return self._failed(Failure(FailureClass.LANDING_FAILED, str(error)))
        except (GitFailure, OSError) as error:
            return self._failed(Failure(FailureClass.LANDING_FAILED, f"the work could not land: {error}"))

    async def close(self, outcome: Outcome) -> Outcome:
        self.leased.discard(self.folder.name)
        if self._clone is None:
            return outcome
        if self._change is None and outcome.kind is not OutcomeKind.DECLINED:
            try:
                await self._keep(_Buffer())
            except (GitFailure, OSError) as error:
                outcome = _with_error(outcome, f"the work in {self.root} could not be kept: {error}")
        if self._work is not None and (outcome.kind is OutcomeKind.COMPLETED or not self._work.changed):
            await self._remove(self._clone, self._work)
        else:
            with contextlib.suppress(OSError):  # then the clone counts as in use until the worker ends
                await asyncio.to_thread(write_note, self.folder, self._attempt_note(ended=True))
        return replace(outcome, change=self._change)

    def _new_clone(self) -> NewClone:
        return NewClone(
            source=self.source,
            assignment=self.assignment,
            swarm_id=self.swarm_id,
            folder=self.folder,
            note=self._attempt_note(),
            carry_from=self.carry_from,
            session_push=self.session_push,
            log=self._buffer,
        )

    def _attempt_note(self, *, ended: bool = False) -> AttemptNote:
        task = self.assignment.task
        return AttemptNote(task.id, self.assignment.attempt, task.name, self._trailers, ended)

    async def _set_up(self, run_checks: CheckRunner) -> Outcome | None:
        """Runs the task's setup; returns an outcome if it fails or is stopped."""
        commands = self.assignment.task.setup
        if not commands:
            return None
        ran = await run_checks(commands, self._buffer, since_s=time.time())
        if ran.stopped is not None:
            return Outcome(OutcomeKind.STOPPED, kill_receipt=ran.stopped)
        if failed := failed_checks(ran.results):
            tail = one_line(failed[0].output_tail[-ERROR_CHARS:], ERROR_CHARS)
            summary = summary_of_checks(failed, total=len(commands))
            return self._failed(_bad_config(f"the task's setup failed: {summary}; its last output: {tail}"))
        return None

    async def _keep(self, log: Notes) -> _KeptWork:
        """Commits what the session left, keeps it by a ref of the source, and describes it."""
        assert self._clone is not None
        clone = replace(self._clone, source=self.keeper)
        task = self.assignment.task
        work = await snapshot(clone, task.name, self._trailers, known=task.keep)
        for remark in work.remarks:
            log.note(remark)
        ref = ""
        if work.changed:
            kept = await self.keeper.keep(
                clone.control, work.head, attempt_ref(task.id, self.assignment.attempt)
            )
            ref = kept.ref
            if kept.remark:
                log.note(kept.remark)
        self._work, self._change = work, Change(work.base, work.head, ref, ignored=work.ignored)
        await record_end(clone, work.head, landed=False)
        self._change = await _described(clone, self._change)
        return _KeptWork(work, self._change)

    @property
    def _trailers(self) -> dict[str, str]:
        """The trailers of the attempt's commits, by which they are found again."""
        return {
            "Swarm-Task": self.assignment.task.id,
            "Swarm-Attempt": str(self.assignment.attempt),
            "Swarm-Session": session_id(self.assignment, Role.BUILDER),
            "Swarm-Id": self.swarm_id,
            **({"Swarm-Creation": self.assignment.creation} if self.assignment.creation else {}),
        }

    def _failed(self, failure: Failure) -> Outcome:
        if self.stop.order is not None:
            return Outcome(OutcomeKind.STOPPED)
        return Outcome(
            OutcomeKind.FAILED, failure=replace(failure, error=one_line(failure.error, ERROR_CHARS))
        )

    async def _remove(self, clone: Clone, work: WorkSnapshot) -> None:
        try:
            await restore(clone, work.head)
            await record_end(clone, work.head, landed=True)
            await remove_workspace(self.keeper, self.folder)
        except (GitFailure, OSError):
            return  # the next collection of old workspaces removes it


async def _described(clone: Clone, change: Change) -> Change:
    read = await read_change(clone, change.base, change.head)
    files = tuple(ChangedFile(file.path, file.status, file.added, file.removed) for file in read.files)
    return replace(change, files=files, file_count=read.file_count, patch=read.patch)


def _bad_config(error: str) -> Failure:
    return Failure(FailureClass.BAD_CONFIG, error)


def _with_error(outcome: Outcome, error: str) -> Outcome:
    failure = outcome.failure
    if failure is None:
        return outcome
    return replace(outcome, failure=replace(failure, error=f"{failure.error}; {error}"))


def _summary(change: Change) -> str:
    added = sum(file.added or 0 for file in change.files)
    removed = sum(file.removed or 0 for file in change.files)
    return f"{change.file_count} file{'' if change.file_count == 1 else 's'}, +{added} −{removed}"


def _few(paths: Sequence[str]) -> str:
    more = len(paths) - SHOWN_PATHS
    return ", ".join(sorted(paths)[:SHOWN_PATHS]) + (f" and {more} more" if more > 0 else "")
