"""Programs of the worker itself, such as git, under a guard with the containment of the attempt's sessions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.names import helper_id
from swarm_worker.execution.context import SessionContext
from swarm_worker.guard.marked import ATTEMPT_MARKERS
from swarm_worker.output.lines import Tail
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.git import ProgramEnd

GRACE_S: Final = 0.5
STDERR_BYTES: Final = 16 * 1024


class _ProgramSink:
    stall_factor = 1.0

    def __init__(self, stdout: Callable[[bytes], None]) -> None:
        self.stdout = stdout
        self.errors = Tail(STDERR_BYTES)

    def stderr(self, chunk: bytes) -> None:
        self.errors.append(chunk)


@dataclass(frozen=True, slots=True)
class AttemptPrograms:
    """A GuardedProgram for one attempt; see the protocol."""

    context: SessionContext
    assignment: Assignment
    stop: Stop
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout_s: float,
        stdout: Callable[[bytes], None],
    ) -> ProgramEnd:
        name = helper_id(self.assignment, next(self._numbers))
        root = self.context.project_root
        known = {**self.context.env, **task_variables(self.assignment, project_root=root)}
        # The markers let the guard, and a later start of the worker, find processes that have escaped.
        markers: dict[str, str] = {name: known[name] for name in ATTEMPT_MARKERS if name in known}
        launch = Launch(argv, root, {**env, **markers}, self.context.folder.guard_lock(name))
        sink = _ProgramSink(stdout)
        limits = RunLimits(timeout_s, 0, GRACE_S)
        end = await run_guarded(launch, limits=limits, fence=self.context.fence, stop=self.stop, sink=sink)
        return ProgramEnd(_error(end.cause, end.error, timeout_s), sink.errors.text())


def _error(cause: EndCause, error: str, timeout_s: float) -> str:
    if cause is EndCause.EXIT:
        return ""
    if cause is EndCause.TIMEOUT:
        return f"git did not finish within {timeout_s:g} s"
    return error or f"git was stopped ({cause})"
