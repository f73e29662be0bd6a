"""Clones and a branch on virtual time: the real workspace and landing of the worker, on a repository that is a model.

Each use of git takes a while, in which the worker may die, hang or lose its lease. The branch itself moves at one
moment or not at all, as git's does.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from sim.process import PROCESS, Process
from sim.server import SimServer
from sim.world import Violated, World
from swarm_worker import worker
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.ports import LandingReporter
from swarm_worker.execution import clone_workspace, landing, new_clone
from swarm_worker.execution.clone_workspace import CloneWorkspace
from swarm_worker.execution.kept_work import KeptWorkspace
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.clone import MadeClone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.landing import Combination, Conflict, LandingMessage
from swarm_worker.workspace.snapshot import WorkSnapshot
from swarm_worker.workspace.source import Kept, MissingCommit, Publication, PublishResult
from swarm_worker.workspace.work_change import WorkChange
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome, TaskKey
from swarmd.domain.placement import must_land
from swarmd.engine.tasks.reopening import DONE_AGAIN
from swarmd.store import attempts, events, landings, tasks
from swarmd.store.events import Event, EventKind
from swarmd.store.reads import views
from swarmd.store.transaction import ReadTx
from swarmd.wire.outcomes import read_report

TARGET = "swarm/main"
# The longest time of one use of git.
GIT_S = 0.6
# The share of combinations that conflict.
CONFLICTING = 0.1
# The mean time between two commits of people on the branch.
PUSH_EVERY_S = 60.0
# The share of accepted work whose ref is gone when it is to land.
GONE = 0.15


class Landed(NamedTuple):
    """A commit of the branch; the task is empty if a person made it."""

    commit: str
    task_id: str
    creation: str = ""


def commit_of(*parts: object) -> str:
    """Returns the name of a commit with that content."""
    return hashlib.sha1("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Branch:
    """The branch on which all workers land, whatever any program believes of it."""

    world: World
    server: SimServer
    commits: list[Landed] = field(default_factory=lambda: [Landed(commit_of("the beginning"), "")])
    # Combinations by their commit: the task, and the tip on which they were made and checked.
    made: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def tip(self) -> str:
        return self.commits[-1].commit

    def place(self, commit: str) -> int:
        """Returns the place of a commit of the branch; -1 if it is not there."""
        return next((place for place, found in enumerate(self.commits) if found.commit == commit), -1)

    def push(self) -> None:
        """Adds a commit of a person."""
        self.world.log(f"a person commits on {TARGET}")
        self.commits.append(Landed(commit_of("a person", len(self.commits)), ""))

    def swap(self, assignment: Assignment, old: str, new: str) -> bool:
        """Moves the branch; returns False if its tip is not `old`.

        Raises:
            Violated: the commit was not checked on that tip, or the attempt may not land.
        """
        if self.tip != old:
            return False
        task_id, onto = self.made[new]
        name = f"{task_id}, attempt {assignment.attempt},"
        if onto != old:
            raise Violated(f"{name} lands on a tip that it was not checked on")
        before = sum(found.task_id == task_id for found in self.commits)
        if (
            before
            and self.server.serving
            and before > self.server.db.look(partial(_times_done_again, task_id=task_id))
        ):
            raise Violated(f"{name} lands, and {task_id} has landed before")
        if self.server.serving:
            self.server.db.look(lambda tx: _refuse_without_right(tx, task_id, assignment.attempt))
        self.world.log(f"{name} lands as {new[:8]}")
        self.commits.append(Landed(new, task_id, assignment.creation))
        return True

    def audit(self, tx: ReadTx) -> None:
        """Checks the whole database against the branch.

        Raises:
            Violated: a task completed in a clone, and its work is neither on the branch nor kept as it asks.
        """
        on_branch = {found.task_id for found in self.commits}
        for task_id, (key, status) in tasks.states(tx).items():
            _refuse_landing_of_two(tx, task_id, key)
            accepted = landings.accepted_work(tx, key) if status is TaskStatus.COMPLETED else None
            if accepted is None or not accepted.in_clone:
                continue
            if accepted.landed and task_id not in on_branch:
                raise Violated(f"{task_id} is completed, and its work is not on {TARGET}")
            if not accepted.landed and (must_land(views.definition(tx, key)) or not accepted.work.ref):
                raise Violated(f"{task_id} is completed, and its work is neither on {TARGET} nor kept")


def _refuse_landing_of_two(tx: ReadTx, task_id: str, key: TaskKey) -> None:
    """Checks that no two attempts of a task were completed by one landing, late results apart.

    Raises:
        Violated: work that was to be done again counts by what had landed before.
    """
    seen: dict[str, int] = {}
    for attempt in views.attempts(tx, key):
        if attempt.outcome is not AttemptOutcome.COMPLETED or attempt.late_results:
            continue
        commit = read_report(attempt.report).landing.commit
        if commit in seen:
            raise Violated(
                f"{task_id}, attempt {attempt.number}, is completed by the landing of attempt {seen[commit]}"
            )
        if commit:
            seen[commit] = attempt.number


def _times_done_again(tx: ReadTx, task_id: str) -> int:
    """Returns how often a person had work of the task done again: it may land as often again."""
    history = events.after(tx, 0, limit=10_000_000, task_id=task_id)
    return sum(event.kind is EventKind.TASK_REJECTED or is_rerun(event) for event in history)


def is_rerun(event: Event) -> bool:
    """Returns whether a person runs a task again whose work has counted, or was about to."""
    return event.kind is EventKind.TASK_REOPENED and event.cause.startswith(DONE_AGAIN)


def _refuse_without_right(tx: ReadTx, task_id: str, number: int) -> None:
    task = tasks.find(tx, task_id)
    record = None if task is None else attempts.find(tx, task.key, number)
    if record is None or record.target_key is None or record.outcome is not None:
        raise Violated(f"{task_id}, attempt {number}, lands after its lease has ended")
    first = landings.next_in_turn(tx, record.target_key)
    if first is None or (first.task_key, first.number) != (record.lease.task_key, number):
        raise Violated(f"{task_id}, attempt {number}, lands, and another attempt has the right")


@dataclass
class SimSource:
    """The source repository, as one attempt uses it. A `fence` ends its git, as a guard does."""

    branch: Branch
    assignment: Assignment
    fence: Fence | None
    target: str = TARGET
    path: Path = Path("repository")

    async def _git(self) -> None:
        """Passes the time of one use of git.

        Raises:
            GitFailure: the worker may not run anything any more.
        """
        process = PROCESS.get()
        assert process is not None
        await asyncio.sleep(process.dice.uniform(0, GIT_S))
        if self.fence is not None and self.fence.left_s == 0:
            raise GitFailure("git was ended by the fence")

    async def fetch(self, needs: str = "") -> str:
        await self._git()
        if needs and self.branch.place(needs) < 0:
            raise MissingCommit(f"the target does not contain the last landing {needs}")
        return self.branch.tip

    async def find_landed(
        self, task_id: str, _swarm_id: str, since: str, tip: str, *, creation: str
    ) -> str | None:
        await self._git()
        found = self.branch.commits[self.branch.place(since) + 1 : self.branch.place(tip) + 1]
        own = (one.commit for one in found if (one.task_id, one.creation) == (task_id, creation))
        return next(own, None)

    async def publish(self, _objects: Path, old: str, new: str) -> Publication:
        await self._git()
        try:
            moved = self.branch.swap(self.assignment, old, new)
        except Violated as fault:
            self.branch.world.fail(fault)
            raise
        await self._git()
        return Publication(PublishResult.DONE if moved else PublishResult.MOVED)

    async def keep(self, _objects: Path, _commit: str, ref: str) -> Kept:
        await self._git()
        return Kept(ref)

    async def obtain(self, _commit: str, _ref: str) -> bool:
        process = cast("Process", PROCESS.get())
        return self.assignment.work is None or process.dice.random() >= GONE


@dataclass
class SimClone:
    """A clone without files."""

    source: SimSource
    base: str
    control: Path = Path("control")
    head: str = ""

    def __post_init__(self) -> None:
        assignment = self.source.assignment
        self.head = commit_of(self.base, assignment.task.id, assignment.attempt, assignment.epoch)


class SimClones:
    """The clones of one worker."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch

    def register(self, request: wire.ClaimTaskRequest) -> None:
        """Adds the repository to the worker's registration."""
        request.repository, request.target = "sim", TARGET
        request.workspace = task_pb2.WORKSPACE_KIND_CLONE
        request.starts.append(task_pb2.START_POINT_LANDING)

    def has_room(self) -> bool:
        """Returns True: the disk of the simulation is never full."""
        return True

    def workspace(
        self, assignment: Assignment, *, swarm_id: str, stop: Stop, fence: Fence, reporter: LandingReporter
    ) -> CloneWorkspace:
        """Returns the real workspace, on the model of the repository."""
        kind = CloneWorkspace if assignment.work is None else KeptWorkspace
        source = SimSource(self._branch, assignment, fence)
        keeper = SimSource(self._branch, assignment, None)
        return kind(
            source=cast("Any", source),
            keeper=cast("Any", keeper),
            assignment=assignment,
            swarm_id=swarm_id,
            folder=Path(f"clone-{assignment.task.id}-{assignment.attempt}"),
            stop=stop,
            fence=fence,
            reporter=reporter,
            carry_from=None,
            session_push=False,
            leased=set(),
        )


async def _make_clone(source: SimSource, _folder: Path, base: str, *, session_push: bool) -> MadeClone:
    await source._git()
    return MadeClone(cast("Any", SimClone(source, base)))


async def _snapshot(clone: SimClone, _message: str, _trailers: Mapping[str, str], **_: Any) -> WorkSnapshot:
    await clone.source._git()
    return WorkSnapshot(clone.head, clone.base, uncommitted=True)


async def _combine(
    clone: SimClone, base: str, head: str, tip: str, *, style: str, message: LandingMessage
) -> Combination | Conflict:
    await clone.source._git()
    process = cast("Process", PROCESS.get())
    if tip != base and process.dice.random() < CONFLICTING:
        return Conflict(("x.py",))
    combined = commit_of(tip, head)
    clone.source.branch.made[combined] = (clone.source.assignment.task.id, tip)
    return Combination(combined)


async def _restore(clone: SimClone, _head: str) -> tuple[str, ...]:
    await clone.source._git()
    return ()


async def _read_change(_clone: SimClone, base: str, head: str) -> WorkChange:
    return WorkChange(base, head, (), 1, "+one line\n")


async def _nothing(*_: Any, **__: Any) -> bool:
    return True


@contextmanager
def cloning(branch: Branch) -> Iterator[None]:
    """Gives every worker clones for the length of the context."""

    async def open_clones(self: Any) -> None:
        self._clones = SimClones(branch)

    places: tuple[tuple[Any, str, Any], ...] = (
        (worker.Worker, "_open_clones", open_clones),
        (new_clone, "make_clone", _make_clone),
        (clone_workspace, "snapshot", _snapshot),
        (clone_workspace, "restore", _restore),
        (clone_workspace, "read_change", _read_change),
        (new_clone, "carry_over", _nothing),
        (clone_workspace, "record_end", _nothing),
        (clone_workspace, "remove_workspace", _nothing),
        (clone_workspace, "write_note", lambda *_: None),
        (new_clone, "write_note", lambda *_: None),
        (landing, "combine", _combine),
        (landing, "check_out", _restore),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in places:
            patch.setattr(module, name, value)
        yield
