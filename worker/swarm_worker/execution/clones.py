"""The clones of one worker: whether it makes any, from which repository, and what a former process left of them.

Invariant: a clone that an earlier process left is kept by a ref before it may be removed.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.host import host_name
from amplifier_swarm.vocabulary import WorkspaceName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.names import clone_name
from swarm_worker.domain.ports import SessionReporter
from swarm_worker.domain.workspaces import WorkspaceKind
from swarm_worker.execution.clone_workspace import CloneWorkspace, landing_message, trailers
from swarm_worker.execution.guarded_git import GuardedGit
from swarm_worker.execution.landing import LandingRun
from swarm_worker.guard.marked import ATTEMPT_MARKERS, STATE_MARKER
from swarm_worker.startup import WorkerContext
from swarm_worker.supervision.fence import Fence, OpenFence
from swarm_worker.supervision.orphans import ProcessSupervisor
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.clone import open_clone
from swarm_worker.workspace.git_runner import GitFailure, GitRunner
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.repository import has_repository
from swarm_worker.workspace.snapshot import snapshot
from swarm_worker.workspace.source import SourceRepository

# Beside a clone: the attempt that it belongs to, for a later process.
NOTE: Final = "attempt.json"
DAY_S: Final = 86_400.0

_log = structlog.get_logger()


@dataclass(slots=True)
class Clones:
    """The maker of the clones of one worker."""

    source: SourceRepository
    folder: Path
    repository: str
    keep_failed_s: float
    session_push: bool
    guards: "_Guards"

    def workspace(
        self,
        assignment: Assignment,
        *,
        swarm_id: str,
        stop: Stop,
        fence: Fence,
        reporter: SessionReporter,
    ) -> CloneWorkspace:
        """Returns the workspace of an attempt; nothing is made before it is opened."""
        name = clone_name(assignment, swarm_id)
        known = task_variables(assignment, project_root=self.folder / name / "work")
        markers = {marker: known[marker] for marker in ATTEMPT_MARKERS if marker in known}
        source = self.source.with_runner(self.guards.git(name, fence, stop, markers))
        # Work is kept after an order to stop, and while the server is silent.
        keeper = self.source.with_runner(self.guards.git(name, self.guards.open_fence, Stop(grace_s=0), {}))
        message = landing_message(assignment, swarm_id)
        return CloneWorkspace(
            source=source,
            keeper=keeper,
            assignment=assignment,
            swarm_id=swarm_id,
            folder=self.folder / name,
            stop=stop,
            landing=LandingRun(source, reporter, assignment, swarm_id, stop, message),
            session_push=self.session_push,
        )

    async def recover(self) -> None:
        """Keeps the work in clones that a former process left, and removes those that are old."""
        for folder in sorted(await asyncio.to_thread(_clone_folders, self.folder)):
            try:
                ref = await self._keep(folder)
            except (GitFailure, OSError, ValueError, KeyError) as error:
                _log.warning("work in a clone could not be kept", folder=str(folder), error=str(error))
                continue
            if ref:
                _log.info("the work of an attempt that was cut off is kept", folder=str(folder), ref=ref)
            if await asyncio.to_thread(_age_s, folder) > self.keep_failed_s:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                await self.source.unpin(folder.name)

    async def _keep(self, folder: Path) -> str:
        """Keeps the work in a clone; returns its ref, empty if there is none or it was kept before."""
        note = json.loads(await asyncio.to_thread((folder / NOTE).read_text, "utf-8"))
        if note.get("kept"):
            return ""
        clone = await open_clone(self.source, folder)
        work = await snapshot(clone, note["name"], note["trailers"])
        ref = ""
        if work.changed:
            ref = (await self.source.keep(clone.control, work.head, attempt_ref(note["task"], note["attempt"]))).ref
        await asyncio.to_thread(write_note, folder, note | {"kept": ref or "nothing"})
        return ref
