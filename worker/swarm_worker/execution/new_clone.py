"""The start of an attempt's clone: an earlier landing that needs none, the clone at the target's tip, what is in it."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_worker.domain.changes import EarlierWork, Landing
from swarm_worker.domain.model import Assignment, FailureClass
from swarm_worker.domain.ports import Notes
from swarm_worker.domain.workspaces import RetryFrom
from swarm_worker.execution.attempt_note import AttemptNote, write_note
from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.keeping import carry_folders
from swarm_worker.workspace.landing import carry_over
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.source import MissingWork, SourceRepository

# After these, the next attempt goes on from the work of the one before, unless the task says otherwise.
WORK_STANDS: Final = frozenset(
    {
        FailureClass.VALIDATION_FAILED,
        FailureClass.NO_VERDICT,
        FailureClass.VALIDATOR_FAILED,
        FailureClass.BAD_CHECK,
        FailureClass.BUILDER_BLOCKED,
        FailureClass.BUDGET_EXHAUSTED,
        FailureClass.LANDING_CONFLICT,
        FailureClass.LANDING_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class NewClone:
    """A clone that an attempt needs, before it is made."""

    source: SourceRepository
    assignment: Assignment
    swarm_id: str
    folder: Path
    # Written into the folder before the first session, so that a later process knows whose work is there.
    note: AttemptNote
    # Where the folders of `keep:` come from; None if there is no such place.
    carry_from: Path | None
    session_push: bool
    log: Notes

    async def landed_before(self, tip: str) -> Landing | None:
        """Returns the landing of an earlier attempt that the server did not hear of.

        After a restore of the database, epoch 2 and later, there may be attempts that the server has forgotten.
        """
        if self.assignment.attempt == 1 and self.assignment.epoch == 1:
            return None
        since = self.assignment.first_base
        task_id, creation = self.assignment.task.id, self.assignment.creation
        commit = await self.source.find_landed(task_id, self.swarm_id, since, tip, creation=creation)
        return Landing(self.source.target, commit, found=True) if commit else None

    async def make(self, tip: str) -> Clone:
        """Makes the clone at the tip, with the kept folders and the work of the attempt before.

        The clone of an attempt that lands accepted work is at the last commit of that work, and has no note: nothing
        in it is to be kept after a crash.

        Raises:
            MissingWork: the accepted work is not in the source.
            GitFailure, OSError: there is no clone, or only a part of one.
        """
        if (work := self.assignment.work) is not None:
            await self._obtain(work)
            return await self._clone_at(work.head)
        clone = await self._clone_at(tip)
        await asyncio.to_thread(write_note, self.folder, self.note)
        previous = self.assignment.previous_head
        if previous and self._goes_on():
            ref = attempt_ref(self.assignment.task.id, self.assignment.attempt - 1)
            applied = await self.source.obtain(previous, ref) and await carry_over(clone, previous)
            how = "is applied" if applied else f"does not apply; it is {previous[:12]}"
            self.log.note(f"the work of the attempt before {how}")
        return clone

    async def _obtain(self, work: EarlierWork) -> None:
        if not await self.source.obtain(work.head, work.ref):
            where = f"{work.ref} at {work.head[:12]}"
            raise MissingWork(f"the work of attempt {work.attempt}, {where}, is not in {self.source.path}")

    async def _clone_at(self, commit: str) -> Clone:
        # The rest of a worker that was killed was kept when the worker started again.
        if await asyncio.to_thread(self.folder.exists):
            await asyncio.to_thread(shutil.rmtree, self.folder)
        made = await make_clone(self.source, self.folder, commit, session_push=self.session_push)
        kept = self.assignment.task.keep
        carried = () if self.carry_from is None else await carry_folders(kept, self.carry_from, made.clone)
        for remark in (*made.remarks, *carried):
            self.log.note(f"clone: {remark}")
        return made.clone

    def _goes_on(self) -> bool:
        wanted = self.assignment.task.retry_from
        if wanted is None:
            return self.assignment.previous_failure in WORK_STANDS
        return wanted is RetryFrom.WORK
