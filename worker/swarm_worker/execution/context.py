"""The settings and collaborators that all sessions of a worker share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from amplifier_swarm.masking import Mask
from swarm_worker.domain.ports import ArtifactSink, SessionReporter
from swarm_worker.execution.session_access import SessionAccess
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.runners.base import Runner
from swarm_worker.sandbox.confinement import NOT_CONFINED, Confinement
from swarm_worker.storage.state_dir import StateFolder
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.hidden_paths import HiddenPaths
from swarm_worker.telemetry.tracing import NULL_TRACER, Tracer


class SessionFolder(Protocol):
    """The folder in which sessions run; see workspaces.Workspace, which imports this module."""

    @property
    def root(self) -> Path: ...

    @property
    def borrowed(self) -> Sequence[Path]: ...


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The settings and collaborators of one attempt's sessions."""

    runner: Runner
    reporter: SessionReporter
    fence: Fence
    throttle: StartThrottle
    folder: StateFolder
    project_root: Path
    env: Mapping[str, str]
    swarm_id: str
    stall_s: float
    grace_s: float
    umask: int
    hidden: HiddenPaths
    # Knows the secret values in `env`.
    mask: Mask
    tracer: Tracer = NULL_TRACER
    confinement: Confinement = NOT_CONFINED
    # None where no file is left for people.
    artifacts: ArtifactSink | None = None
    # None where sessions do not reach the server.
    access: SessionAccess | None = None

    def within(self, workspace: SessionFolder) -> "SessionContext":
        """Returns the context of sessions that run in that workspace."""
        confinement = self.confinement.within(workspace.root, lambda: workspace.borrowed)
        return replace(self, project_root=workspace.root, confinement=confinement)
