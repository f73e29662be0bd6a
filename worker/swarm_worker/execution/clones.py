"""The clones of one worker: whether it makes any, from which repository, and what a former process left of them.

Invariant: a clone that an earlier process left is kept by a ref before it may be removed.
"""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.host import host_name
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.vocabulary import WorkspaceName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.names import clone_name
from swarm_worker.domain.ports import LandingReporter
from swarm_worker.execution.attempt_note import AttemptNote, read_note
from swarm_worker.execution.clone_workspace import CloneWorkspace
from swarm_worker.execution.guarded_git import GuardedGit
from swarm_worker.execution.kept_work import KeptWorkspace
from swarm_worker.guard.marked import ATTEMPT_MARKERS, STATE_MARKER
from swarm_worker.startup import WorkerContext
from swarm_worker.supervision.fence import Fence, OpenFence
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor
from swarm_worker.workspace.checkout import UserCheckout
from swarm_worker.workspace.clone import open_clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.keeping import (
    WorkspaceEntry,
    WorkspaceState,
    discard_workspace,
    list_workspaces,
    record_end,
    remove_leftovers,
    remove_workspace,
)
from swarm_worker.workspace.mirror import open_source
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.snapshot import snapshot
from swarm_worker.workspace.source import SourceRepository

DAY_S: Final = 86_400.0
GIB: Final = 1024**3
# A clone that git can't read may have work too: a snapshot mends what a killed git or a session has left.
NOT_KEPT: Final = frozenset({WorkspaceState.DIRTY, WorkspaceState.UNMERGED, WorkspaceState.BROKEN})

_log = structlog.get_logger()


@dataclass(slots=True)
class Clones:
    """The clones of one worker."""

    source: SourceRepository
    folder: Path
    # Where ignored folders are carried over from; None with --repo.
    project_root: Path | None
    # Names the repository at the server, so that landings on one target wait for each other.
    repository: str
    keep_failed_s: float
    session_push: bool
    guards: "GitGuards"
    min_free_bytes: float
    leased: set[str] = field(default_factory=set)
    _full: bool = False

    def has_room(self) -> bool:
        """Returns whether the disk has what must be free, and logs each change; without room, claims are given back."""
        free = shutil.disk_usage(_existing(self.folder)).free
        was, self._full = self._full, free < self.min_free_bytes
        if self._full != was:
            what = "claims are given back" if self._full else "claims are taken again"
            _log.warning(
                f"disk of the clones: {what}",
                free_gib=round(free / GIB, 1),
                wanted_gib=self.min_free_bytes / GIB,
            )
        return not self._full

    def register(self, request: wire.ClaimTaskRequest) -> None:
        """Adds what the server needs to know for clones and landings."""
        request.repository = self.repository
        request.target = self.source.target
        request.workspace = task_pb2.WORKSPACE_KIND_CLONE
        request.starts.append(task_pb2.START_POINT_LANDING)

    def workspace(
        self, assignment: Assignment, *, swarm_id: str, stop: Stop, fence: Fence, reporter: LandingReporter
    ) -> CloneWorkspace:
        """Returns the workspace of an attempt; nothing is made before it is opened."""
        name = clone_name(assignment, swarm_id)
        variables = task_variables(assignment, project_root=self.folder / name)
        markers: dict[str, str] = {
            marker: variables[marker] for marker in ATTEMPT_MARKERS if marker in variables
        }
        workspace = CloneWorkspace if assignment.work is None else KeptWorkspace
        return workspace(
            source=self.source.with_runner(self.guards.git(fence, stop, markers)),
            # Work is kept after an order to stop, and while the server is silent.
            keeper=self.source.with_runner(self.guards.git(self.guards.open_fence, Stop(grace_s=0.0), {})),
            assignment=assignment,
            swarm_id=swarm_id,
            folder=self.folder / name,
            stop=stop,
            fence=fence,
            reporter=reporter,
            carry_from=self.project_root,
            session_push=self.session_push,
            leased=self.leased,
        )

    async def recover(self) -> None:
        """Keeps the work in clones that a former process left, and removes those that are old."""
        await self._finish_removals()
        for entry in await list_workspaces(self.source, self.folder, self.leased):
            try:
                await self._recover(entry)
            except (GitFailure, OSError, ValueError) as error:
                _log.warning(
                    "a clone could not be kept or removed", folder=str(entry.folder), error=str(error)
                )

    async def _finish_removals(self) -> None:
        try:
            await remove_leftovers(self.source, self.folder)
        except (GitFailure, OSError) as error:
            _log.warning("a clone could not be removed", folder=str(self.folder), error=str(error))

    async def _recover(self, entry: WorkspaceEntry) -> None:
        if entry.state in NOT_KEPT:
            try:
                note = await asyncio.to_thread(read_note, entry.folder)
            except FileNotFoundError:
                # The note is written before the first session, so the worker died while it made the clone.
                await discard_workspace(self.source, entry.folder)
            else:
                await self._keep(entry.folder, note)
        elif entry.state is not WorkspaceState.LEASED and entry.age_s > self.keep_failed_s:
            await remove_workspace(self.source, entry.folder, self.leased)

    async def _keep(self, folder: Path, note: AttemptNote) -> None:
        clone = await open_clone(self.source, folder)
        work = await snapshot(clone, note.message, note.trailers)
        ref = attempt_ref(note.task_id, note.attempt)
        if work.changed:
            ref = (await self.source.keep(clone.control, work.head, ref)).ref
            _log.info("the work of an attempt that was cut off is kept", task=note.task_id, ref=ref)
        await record_end(clone, work.head, landed=False)


@dataclass(slots=True)
class GitGuards:
    """The guards under which a worker runs git: each has a lock of its own."""

    locks: Path
    markers: Mapping[str, str]
    open_fence: OpenFence
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def git(self, fence: Fence, stop: Stop, markers: Mapping[str, str]) -> GuardedGit:
        """Returns a way to run git that ends by that fence and that order."""
        return GuardedGit(fence, stop, self._next_lock, {**self.markers, **markers})

    def _next_lock(self) -> Path:
        return self.locks / f"git-{next(self._numbers)}.lock"


async def open_clones(
    config: WorkerConfig, context: WorkerContext, supervisor: ProcessSupervisor
) -> Clones | None:
    """Returns the clones of a worker, None if no clone can be made and none was asked for; logs which, and why.

    Raises:
        ProgramExit: Clones were asked for and can't be made.
    """
    folder = Path(f"{context.folder.path.parent}-clones") / context.folder.name
    guards = GitGuards(
        context.folder.path / "guards", {STATE_MARKER: supervisor.state_mark}, OpenFence(supervisor)
    )
    source = open_source(
        context.project_root,
        folder.parent,
        repo=config.repo,
        target=config.target,
        runner=guards.git(guards.open_fence, Stop(grace_s=0.0), {}),
    )
    if not await _is_usable(config, source):
        return None
    tip, repository = await _opened(config, source)
    clones = Clones(
        source=source,
        folder=folder,
        project_root=None if config.repo else context.project_root,
        repository=repository,
        keep_failed_s=config.keep_failed * DAY_S,
        session_push=config.session_push,
        guards=guards,
        min_free_bytes=config.min_free_disk * GIB,
    )
    _log.info("each task works in a clone of its own", target=source.target, tip=tip[:12], folder=str(folder))
    await _warn_of_uncommitted(clones)
    await clones.recover()
    return clones


async def _warn_of_uncommitted(clones: Clones) -> None:
    if clones.project_root is None:
        return
    source = clones.source
    try:
        checkout = UserCheckout(clones.project_root, source.target, source.runner, await source.facts())
        paths = await checkout.uncommitted(untracked=True)
    except GitFailure as error:
        _log.warning("git can't tell which files are not committed", error=str(error))
        return
    if paths:
        _log.warning(
            "files that are not committed are not in the clones", count=len(paths), first=", ".join(paths[:3])
        )


async def _is_usable(config: WorkerConfig, source: SourceRepository) -> bool:
    """Returns whether clones can be made; raises ProgramExit if they can't and were asked for."""
    found = await source.inspect()
    if found.usable:
        return True
    if config.repo or config.workspace == WorkspaceName.CLONE:
        raise ProgramExit(ExitCode.USAGE, f"can't make clones: {found.reason}", hint="see docs/workspaces.md")
    _log.warning("sessions work in the project root itself", reason=found.reason)
    return False


class _OpenedTarget(NamedTuple):
    tip: str
    repository: str


async def _opened(config: WorkerConfig, source: SourceRepository) -> _OpenedTarget:
    """Makes sure that the target exists; returns its tip, and the name of the repository for the server."""
    try:
        tip = await source.ensure_target()
        return _OpenedTarget(tip, config.repo or f"{host_name()}:{(await source.facts()).git_dir}")
    except GitFailure as error:
        hint = "pass another --target"
        raise ProgramExit(ExitCode.USAGE, f"can't use {source.target}: {error}", hint=hint) from error


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
