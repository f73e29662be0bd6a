"""The factory of attempts. It is loaded with the first claim, together with everything that only attempts need.

Invariant: `worker` and `slots` import this module at run time in one place, `Worker._attempts`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from amplifier_swarm.masking import Mask
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.model import (
    Assignment,
    Failure,
    FailureClass,
    KillReceipt,
    Outcome,
    OutcomeKind,
    SessionEnd,
    Task,
)
from swarm_worker.domain.ports import SessionGateway
from swarm_worker.domain.sandbox import NetworkAccess
from swarm_worker.domain.types import LeaseId
from swarm_worker.domain.workspaces import WorkspaceKind
from swarm_worker.execution.attempt import Attempt
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.session_access import SessionAccess
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.execution.workspaces import SharedWorkspace, Workspace
from swarm_worker.guard.marked import STATE_MARKER
from swarm_worker.rpc import assignments, convert
from swarm_worker.rpc.reporter import Reporter
from swarm_worker.rpc.session_reporter import RpcSessionReporter
from swarm_worker.sandbox.bwrap import Bubblewrap
from swarm_worker.sandbox.confinement import Confinement, guarded_git
from swarm_worker.sandbox.seccomp import filter_program
from swarm_worker.startup import WorkerContext
from swarm_worker.supervision.fence import Fence, OpenFence
from swarm_worker.supervision.hidden_paths import hidden_paths
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor

if TYPE_CHECKING:  # loaded only where clones are made
    from swarm_worker.execution.clones import Clones


@dataclass(frozen=True, slots=True)
class AttemptFactory:
    """A factory of attempts and of their final messages, without secrets."""

    attempt: Callable[[Assignment, Stop], Attempt]
    mask: Mask

    def assignment(self, claim: wire.Claim) -> Assignment:
        """Returns the claim's task and lease as a value."""
        return assignments.assignment(claim)

    def finished(
        self, lease_id: LeaseId, outcome: Outcome, ended: Iterable[SessionEnd] = ()
    ) -> wire.FinishedAttempt:
        """Returns the outcome as the message that is stored and sent."""
        finished = convert.finished(lease_id, outcome, ended)
        self.mask.message(finished.outcome)
        return finished

    def with_reason(self, outcome: Outcome, stop: Stop) -> Outcome:
        """Returns the outcome, which says that it was interrupted if it comes with the end of the worker.

        A session that the signal to the worker has ended too has no order.
        """
        interrupts = stop.worker_signalled if stop.order is None else stop.order.interrupts
        return (
            replace(outcome, interrupted=True)
            if outcome.kind is OutcomeKind.STOPPED and interrupts
            else outcome
        )

    def not_run(self, lease_id: LeaseId, *, stopped: bool) -> wire.FinishedAttempt:
        """Returns the message for a claim without a session: stopped by an order, or declined."""
        kind = OutcomeKind.STOPPED if stopped else OutcomeKind.DECLINED
        return convert.finished(lease_id, Outcome(kind, kill_receipt=KillReceipt() if stopped else None))

    def fault(self, error: Exception, found: Outcome | None = None) -> Outcome:
        """Returns the outcome of an attempt that failed because of a defect of the worker.

        The kill receipt of an outcome that was found before stands, since it may name survivors.
        """
        failure = Failure(FailureClass.AGENT_ERROR, f"fault of the worker: {error!r}")
        receipt = None if found is None else found.kill_receipt
        return Outcome(OutcomeKind.FAILED, failure=failure, kill_receipt=receipt)


def attempt_factory(
    config: WorkerConfig,
    setup: WorkerContext,
    *,
    reporter: Reporter,
    supervisor: ProcessSupervisor,
    fence: Fence,
    throttle: StartThrottle,
    swarm_id: Callable[[], str],
    clones: "Clones | None",
    gateway: SessionGateway | None = None,
) -> AttemptFactory:
    """Returns the factory of one worker; `swarm_id` is called for each attempt, since a new stream may change it.

    Without `clones` all work in the project root; without `gateway` sessions do not reach the server.
    """
    session_reporter = RpcSessionReporter(reporter)
    env: Mapping[str, str] = {**setup.env, STATE_MARKER: supervisor.state_mark}
    shared = _shared_context(config, setup, env, reporter=session_reporter, fence=fence, throttle=throttle)
    if gateway is not None:
        shared = replace(shared, access=SessionAccess(gateway, setup.folder))
    confinement_of = _confinements(setup)

    def attempt(assignment: Assignment, stop: Stop) -> Attempt:
        task = assignment.task
        context = replace(
            shared,
            fence=OpenFence(supervisor) if task.keep_on_disconnect else fence,
            swarm_id=swarm_id(),
            confinement=confinement_of(task),
            stall_s=config.stall_timeout if task.stall_timeout_s is None else task.stall_timeout_s,
        )
        workspace: Workspace = SharedWorkspace(setup.project_root)
        if clones is not None and task.workspace is not WorkspaceKind.SHARED:
            workspace = clones.workspace(
                assignment, swarm_id=swarm_id(), stop=stop, fence=fence, reporter=session_reporter
            )
        return Attempt(context, config, assignment, stop, workspace, setup.templates)

    return AttemptFactory(attempt, setup.mask)


def _confinements(setup: WorkerContext) -> Callable[[Task], Confinement]:
    """Returns a function from a task to its confinement; what it reads of the project is read now, before any session.

    Raises:
        OSError: the filter of system calls can't be written.
    """
    abilities, found = setup.abilities, setup.abilities.bubblewrap
    runtime = abilities.containers.runtime
    if not found.path and runtime is None:
        return lambda task: Confinement(task.limits.lowest(abilities.own_limits))
    bubblewrap = None
    if runtime is not None:
        from swarm_worker.sandbox.container_probe import write_profile  # noqa: PLC0415  # other workers do without

        runtime = replace(runtime, seccomp=write_profile(setup.folder.path / "seccomp.json"))
    else:
        seccomp = setup.folder.path / "seccomp"
        if content := filter_program():
            seccomp.write_bytes(content)
        bubblewrap = Bubblewrap(found.path, found.options, seccomp if content else None)
    guarded = list(guarded_git(setup.project_root))

    def confinement(task: Task) -> Confinement:
        sandboxed = abilities.uses_sandbox(task.sandbox, task.network)
        return Confinement(
            limits=task.limits.lowest(abilities.own_limits),
            bubblewrap=bubblewrap if sandboxed else None,
            container=runtime if sandboxed else None,
            network=task.network is NetworkAccess.FULL,
            bindings=abilities.bindings,
            guarded=guarded,
        )

    return confinement


def _shared_context(
    config: WorkerConfig,
    setup: WorkerContext,
    env: Mapping[str, str],
    *,
    reporter: RpcSessionReporter,
    fence: Fence,
    throttle: StartThrottle,
) -> SessionContext:
    """Returns the context of all attempts, which each attempt completes."""
    secret_files = (config.token_file, config.tls_cert, config.tls_key)
    return SessionContext(
        runner=setup.runner,
        reporter=reporter,
        fence=fence,
        throttle=throttle,
        folder=setup.folder,
        project_root=setup.project_root,
        env=env,
        swarm_id="",
        stall_s=config.stall_timeout,
        grace_s=config.kill_grace,
        umask=int(config.session_umask, 8),
        hidden=hidden_paths(setup.folder.path.parent, setup.project_root, secret_files),
        mask=setup.mask,
        tracer=setup.tracer,
        artifacts=reporter,
    )
