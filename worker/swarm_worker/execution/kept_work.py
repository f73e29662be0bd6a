"""The landing of work that an earlier attempt has done and that was accepted: a clone at its last commit, no session.

Invariant: such an attempt makes no commit of its own but the landing, and keeps nothing by a ref.
"""

from dataclasses import replace

from swarm_worker.domain.changes import EarlierWork
from swarm_worker.domain.model import KillReceipt, Outcome, OutcomeKind
from swarm_worker.domain.ports import Notes
from swarm_worker.execution.clone_workspace import CloneWorkspace
from swarm_worker.execution.workspaces import CheckRunner
from swarm_worker.workspace.snapshot import WorkSnapshot


class KeptWorkspace(CloneWorkspace):
    """A clone of the accepted work of an earlier attempt."""

    __slots__ = ()

    @property
    def _kept(self) -> EarlierWork:
        assert self.assignment.work is not None
        return self.assignment.work

    async def open(self, run_checks: CheckRunner) -> Outcome | None:
        self._work = WorkSnapshot(self._kept.head, self._kept.base, uncommitted=False)
        return await CloneWorkspace.open(self, run_checks)

    async def land(self, outcome: Outcome, log: Notes, run_checks: CheckRunner) -> Outcome:
        """Lands the work; the receipt of a stop is empty, since no session was to end."""
        for line in self._buffer.lines:
            log.note(line)
        ended = await super().land(outcome, log, run_checks)
        if ended.kind is OutcomeKind.STOPPED and ended.kill_receipt is None:
            return replace(ended, kill_receipt=KillReceipt())
        return ended

    async def close(self, outcome: Outcome) -> Outcome:
        """Removes the clone: all that is in it is on the target, or kept by the ref of the earlier attempt."""
        self.leased.discard(self.folder.name)
        if self._clone is not None and self._work is not None:
            await self._remove(self._clone, self._work)
        return outcome

    @property
    def _trailers(self) -> dict[str, str]:
        """The trailers of the attempt that did the work."""
        session = {"Swarm-Session": self._kept.session_id} if self._kept.session_id else {}
        return {**super()._trailers, "Swarm-Attempt": str(self._kept.attempt), **session}
