"""The landing of one attempt's work: the right, the combination with the tip, its checks, and the swap.

Invariant: the target moves only by compare-and-swap, from a tip on which the task has not landed to a commit on which
the checks have passed.
"""

import time
from dataclasses import dataclass, replace
from typing import Final

from swarm_worker.domain.changes import Landing
from swarm_worker.domain.finding_ids import with_ids
from swarm_worker.domain.model import (
    Assignment,
    Failure,
    FailureClass,
    Finding,
    Outcome,
    OutcomeKind,
    Verdict,
)
from swarm_worker.domain.ports import LandingReporter, LandingRight, Notes
from swarm_worker.execution.checks import failed_checks, findings_of_checks, summary_of_checks
from swarm_worker.execution.workspaces import CheckRunner
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.clone import Clone, check_out
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.landing import Conflict, LandingMessage, combine
from swarm_worker.workspace.snapshot import WorkSnapshot
from swarm_worker.workspace.source import PublishResult, SourceRepository

# How often the target may move between the checks and the swap. With the right, only people and other swarms move it.
MAX_RACES: Final = 10
SHOWN_FILES: Final = 20


@dataclass(frozen=True, slots=True)
class LandingRun:
    """The landing of one attempt; `land` may be called once."""

    source: SourceRepository
    reporter: LandingReporter
    assignment: Assignment
    swarm_id: str
    stop: Stop
    fence: Fence
    message: LandingMessage

    async def land(
        self, clone: Clone, work: WorkSnapshot, outcome: Outcome, log: Notes, run_checks: CheckRunner
    ) -> Outcome:
        """Lands the work; returns the outcome with the landing, or that of a landing that was stopped or failed.

        Raises:
            MissingCommit: the target lacks the commit of the last landing.
            GitFailure: git failed; the target is as it was, or the landing is found by the next attempt.
        """
        for _ in range(MAX_RACES):
            right = await self._right(log)
            if not right.granted:
                return Outcome(OutcomeKind.STOPPED)
            ended = await self._try(clone, work, outcome, log, run_checks, needs=right.tip)
            if ended is not None:
                return ended
            log.note(f"{self.source.target} moved meanwhile; combining again")
        return _failed(f"{self.source.target} moved {MAX_RACES} times while the checks ran")

    async def _right(self, log: Notes) -> LandingRight:
        """Returns the server's answer, or a refusal if an order to stop comes first."""
        log.note(f"waiting for the right to land on {self.source.target}")
        return await self.stop.unless_ordered(self._request(), LandingRight(granted=False))

    async def _request(self) -> LandingRight:
        await self.fence.wait_open()
        return await self.reporter.request_landing(self.assignment.lease_id)

    async def _try(
        self,
        clone: Clone,
        work: WorkSnapshot,
        outcome: Outcome,
        log: Notes,
        run_checks: CheckRunner,
        *,
        needs: str,
    ) -> Outcome | None:
        """Lands on the present tip; returns None if the target moved before the swap."""
        target, task = self.source.target, self.assignment.task
        tip = await self.source.fetch(needs)
        if found := await self.source.find_landed(task.id, self.swarm_id, work.base, tip):
            log.note(f"found on {target} as {found[:12]}: an earlier attempt had landed it")
            return replace(outcome, landing=Landing(target, found, found=True))
        combined = await combine(
            clone, work.base, work.head, tip, style=task.landing.value, message=self.message
        )
        if isinstance(combined, Conflict):
            return self._conflict(combined)
        if combined.commit == tip:
            log.note(f"nothing to land: {target} has these changes already")
            return replace(outcome, landing=Landing(target, tip, onto=tip))
        commands = (*(task.checks if tip != work.base else ()), *task.landing_checks)
        if commands and (refused := await self._check(clone, combined.commit, commands, log, run_checks)):
            return refused
        return await self._swap(clone, tip, combined.commit, outcome, log)

    async def _check(
        self, clone: Clone, commit: str, commands: tuple[str, ...], log: Notes, run_checks: CheckRunner
    ) -> Outcome | None:
        """Runs the checks on the combination; returns the outcome if they stop the landing."""
        await check_out(clone, commit)
        log.note(f"checks on {commit[:12]}, the combination with {self.source.target}")
        checked = await run_checks(commands, log, since_s=time.time())
        if checked.stopped is not None:
            return Outcome(OutcomeKind.STOPPED, kill_receipt=checked.stopped)
        if checked.start_faults:
            return Outcome(
                OutcomeKind.FAILED, failure=Failure(FailureClass.BAD_CHECK, "; ".join(checked.start_faults))
            )
        failed = failed_checks(checked.results)
        if not failed:
            return None
        summary = summary_of_checks(failed, total=len(commands))
        error = f"on the combination with {self.source.target}: {summary}"
        findings = with_ids(findings_of_checks(failed), self.assignment)
        verdict = Verdict(passed=False, findings=findings, summary=error)
        return replace(_failed(error), verdict=verdict, checks=checked.results)

    async def _swap(self, clone: Clone, old: str, new: str, outcome: Outcome, log: Notes) -> Outcome | None:
        if self.stop.order is not None:
            return Outcome(OutcomeKind.STOPPED)
        published = await self.source.publish(clone.control, old, new)
        if published.result is PublishResult.MOVED:
            return None
        if published.result is PublishResult.BLOCKED:
            raise GitFailure(published.reason)
        log.note(f"landed on {self.source.target} as {new[:12]}")
        return replace(outcome, landing=Landing(self.source.target, new, onto=old))

    def _conflict(self, conflict: Conflict) -> Outcome:
        files = ", ".join(conflict.files[:SHOWN_FILES])
        others = f", which landed with {', '.join(conflict.tasks)}" if conflict.tasks else ""
        error = f"the work conflicts with {self.source.target}{others}: {files}"
        issue = f"Your work conflicts with what is on {self.source.target} now{others}. Reconcile both."
        found = [Finding("", file, issue, "major") for file in conflict.files[:SHOWN_FILES]]
        verdict = Verdict(passed=False, findings=with_ids(found, self.assignment), summary=error)
        failure = Failure(FailureClass.LANDING_CONFLICT, error)
        return Outcome(OutcomeKind.FAILED, failure=failure, verdict=verdict)


def _failed(error: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.LANDING_FAILED, error))
