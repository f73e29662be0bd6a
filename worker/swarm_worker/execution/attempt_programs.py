"""Programs of the worker itself, such as git, under a guard with the containment of the attempt's sessions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.names import helper_id
from swarm_worker.execution.context import SessionContext
from swarm_worker.guard.marked import ATTEMPT_MARKERS
from swarm_worker.supervision.guarded_program import ProgramRun, run_program
from swarm_worker.supervision.model import EndCause, Launch
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.git import ProgramEnd


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
        ran = await run_program(launch, stdout, timeout_s=timeout_s, fence=self.context.fence, stop=self.stop)
        return program_end(ran, timeout_s)


def program_end(ran: ProgramRun, timeout_s: float) -> ProgramEnd:
    """Returns the end of a git as the library for changes of files reads it."""
    end, stderr = ran
    if end.cause is EndCause.EXIT:
        return ProgramEnd("", stderr)
    if end.cause is EndCause.TIMEOUT:
        return ProgramEnd(f"git did not finish within {timeout_s:g} s", stderr)
    return ProgramEnd(end.error or f"git was stopped ({end.cause})", stderr)
