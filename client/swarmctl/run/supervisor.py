"""The supervisor of a run: from the plan to the summary, through every way in which a run can end."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from enum import IntEnum
from functools import partial
from typing import Final

import grpc

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import (
    EmergencyStopRequest,
    GetSwarmRequest,
    ListWorkersRequest,
    PauseSwarmRequest,
    ResumeSwarmRequest,
)
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.connection import Connection
from swarmctl.api.paging import TaskList
from swarmctl.api.plan_upload import send_plan
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err
from swarmctl.render.live_board import FINAL
from swarmctl.render.plans import import_text
from swarmctl.render.printer import Printer
from swarmctl.run.child_process import Child
from swarmctl.run.earlier_run import earlier_text, land_kept, retry_failed, unfinished_tasks
from swarmctl.run.idle_check import IdleCheck
from swarmctl.run.messages import ChildExited, EventsReceived, Interrupted, MessageQueue
from swarmctl.run.progress import ProgressDisplay, progress_display
from swarmctl.run.restart_policy import TRIES, worth_a_restart
from swarmctl.run.server import PrivateServer
from swarmctl.run.settings import RunSettings
from swarmctl.run.summary import (
    FinishedRun,
    all_completed,
    is_over,
    next_lines,
    summary_blocks,
    summary_document,
)
from swarmctl.run.worker_token import ensure_worker_token
from swarmctl.run.workers import WorkerProcesses, worker_names

# Both causes begin with this text, so that the next run recognises its own pause and stop.
OUR_CAUSE: Final = "swarmctl run was interrupted"
# Events within a tenth of a second are shown together.
PAUSE_S: Final = 0.1
# The time for workers to exit after all tasks are done.
EXIT_WITHIN_S: Final = 15.0
# The time for the proof of an emergency stop, which gives no grace.
STOPPED_WITHIN_S: Final = 30.0


class StopLevel(IntEnum):
    """The number of requests to stop, and so the urgency."""

    NOT_REQUESTED = 0
    DRAIN = 1
    KILL = 2
    NOW = 3


def run_plan(plan: Plan, settings: RunSettings, printer: Printer) -> ExitCode:
    """Runs a plan to its end; returns OK only if every task is completed."""
    messages, paths = MessageQueue(), settings.paths
    if warning := paths.make():
        print_err(f"warning: {warning}; pass a --db in a folder of its own")
    with messages.signals_as_messages(), ExitStack() as stack:
        server = stack.enter_context(
            PrivateServer(settings.programs, paths, settings.server_flags, messages, notify=settings.notify)
        )
        connection = Connection(Endpoint(server=server.address, token=read_token(paths.token)))
        stack.enter_context(paths.announcing.announced(server.address))
        paths.note_run()
        stack.callback(connection.close)
        run = _Run(settings, server, connection, messages)
        try:
            end = run.run_to_completion(plan, printer)
        except grpc.RpcError as error:
            if not server.child.alive:
                raise run.server_lost_error() from error
            connection.raise_as_exit(error)
            raise
    printer.show(end, summary_document, summary_blocks)
    for line in next_lines(end, paths):
        print_err(f"swarmctl: {line}")
    return ExitCode.OK if all_completed(end.tasks) else ExitCode.NEGATIVE


class _Run:
    """A run whose server is up."""

    def __init__(
        self, settings: RunSettings, server: PrivateServer, connection: Connection, messages: MessageQueue
    ) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._server = server
        self._stub = connection.stub
        self._messages = messages
        self._stop_level = StopLevel.NOT_REQUESTED
        self._deadline: float | None = None  # of the wait for the workers, on the monotonic clock
        self._reported: set[str] = set()
        self._last_seq = 0  # of the last event that was shown
        self._idle_check = IdleCheck(connection.stub, wait=settings.wait)
        self._is_over = partial(is_over, self._stub, wait=settings.wait)
        self._stuck = ""  # why no worker may take what is left

    def run_to_completion(self, plan: Plan, printer: Printer) -> FinishedRun:
        """Imports the plan and runs the workers to their end; returns the tasks in their final state."""
        began_s = time.monotonic()
        print_err(f"swarmctl: swarmd at {self._server.address}, database {self._paths.db}")
        self._server.print_dashboard_link(self._stub)
        self._resume()
        earlier = unfinished_tasks(self._stub)
        self._import(plan)
        if text := earlier_text(earlier, plan):
            print_err(f"swarmctl: {text}")
        retry_failed(self._stub, asked=self._settings.retry_failed)
        land_kept(self._stub, self._settings.land)
        swarm = self._swarm()
        if not self._is_over():
            self._run_workers(printer, after=swarm.last_event_seq)
        tasks, usage = TaskList(self._stub).first(0), self._swarm().usage
        return FinishedRun(tasks, usage, time.monotonic() - began_s, self._stuck)

    def server_lost_error(self) -> ProgramExit:
        """Returns the error for an unexpected end of swarmd."""
        if not self._paths.db.exists():
            return ProgramExit(
                ExitCode.NEGATIVE,
                f"the database {self._paths.db} was removed in the middle of the run; its results are lost",
                hint="keep its folder out of reach of `git clean`; the same command begins from nothing",
            )
        last = self._server.child.last_line()
        problem = f"swarmd ended in the middle of the run{': ' if last else ''}{last}"
        return ProgramExit(ExitCode.NEGATIVE, problem, hint="the same command goes on where it was")

    def _swarm(self) -> Swarm:
        return self._stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm

    def _resume(self) -> None:
        """Resumes a swarm that an interrupted run has paused or stopped; a stop by another operator stands."""
        swarm = self._swarm()
        stopped = swarm.mode == SwarmMode.SWARM_MODE_STOPPED
        if stopped and not swarm.cause.startswith(OUR_CAUSE):
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"an emergency stop is in force: {swarm.cause or 'no cause given'}",
                hint=f"start `swarmd --db {self._paths.db}` and end the stop with `swarmctl resume`",
            )
        if swarm.mode == SwarmMode.SWARM_MODE_RUNNING and not swarm.paused_runners:
            return
        request = ResumeSwarmRequest(requeue=stopped)
        requeued = self._stub.ResumeSwarm(request, timeout=DEADLINE_S).requeued
        put_back = f"; {text_format.plural(len(requeued), 'killed task')} put back" if requeued else ""
        for paused in swarm.paused_runners:
            print_err(f"swarmctl: trying the runner {paused.runner} again, which was paused: {paused.cause}")
        if swarm.mode != SwarmMode.SWARM_MODE_RUNNING:
            print_err(f"swarmctl: going on where the last run was interrupted{put_back}")

    def _lost_workers(self) -> Sequence[str]:
        """Returns the workers of an earlier run that still hold tasks and have state here."""
        workers = self._stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
        return [w.name for w in workers if w.running and self._paths.has_state_of(w.name)]

    def _import(self, plan: Plan) -> None:
        sent = send_plan(self._stub, plan)
        for line in report_lines(plan.file, [*plan.warnings, *sent.warnings]):
            print_err(f"warning: {line}")
        print_err(f"swarmctl: {plan.file}: {import_text(sent)}")

    def _run_workers(self, printer: Printer, *, after: int) -> None:
        """Runs the workers until all of them have ended."""
        tasks = TaskList(self._stub).first(0)
        resume = f"swarmctl resume --server {self._server.address} --token-file {self._paths.token}"
        ensure_worker_token(self._stub, self._paths.worker_token)
        self._last_seq = after
        batches = streams.events(self._stub, after=after)
        self._messages.watch_child(self._server.child)
        with (
            WorkerProcesses(
                self._settings.programs,
                self._paths,
                server=self._server.address,
                project_root=self._settings.project_root,
                flags=(*self._settings.worker_flags, *(() if self._settings.wait else ("--exit-when-done",))),
                names=worker_names(self._settings.workers, self._lost_workers()),
                messages=self._messages,
            ) as workers,
            progress_display(self._stub, printer, tasks, resume=resume) as progress,
        ):
            self._messages.watch_events(streams.coalesced(batches, pause_s=PAUSE_S))
            self._loop(workers, progress)
            # The last worker may exit before its last event arrives.
            for rest in streams.events(self._stub, after=self._last_seq, follow=False):
                progress.show(rest)
        left = not self._stuck and not self._is_over()
        if self._stop_level is StopLevel.NOT_REQUESTED and left:
            logs = self._paths.log("worker-1").parent
            print_err(
                f"swarmctl: all workers have ended with work left; see {logs}; the same command goes on from here"
            )

    def _loop(self, workers: WorkerProcesses, progress: ProgressDisplay) -> None:
        while workers.active:
            match self._messages.get(
                _earliest(self._deadline, workers.next_restart_s, self._idle_check.due_s)
            ):
                case EventsReceived(events):
                    self._last_seq = events[-1].seq
                    progress.show(events)
                    self._idle_check.on_events()
                    self._set_deadline_when_done(workers, events)
                case ChildExited(child, code):
                    self._on_child_exit(workers, child, code)
                case Interrupted():
                    self._escalate_stop(workers)
                case None:
                    if self._deadline_passed():
                        return
                    workers.restart_due()
                    self._stuck = self._idle_check.stuck_after_report()
                case _:
                    continue
            if self._stop_level is StopLevel.NOW or self._stuck:
                return

    def _deadline_passed(self) -> bool:
        """Returns whether the deadline has passed and its reason still holds."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        if self._stop_level is not StopLevel.NOT_REQUESTED or self._is_over():
            return True
        self._deadline = None
        return False

    def _set_deadline_when_done(self, workers: WorkerProcesses, events: Sequence[Event]) -> None:
        """Sets a deadline for workers that do not leave although all tasks are done."""
        if self._deadline is None and any(event.status in FINAL for event in events) and self._is_over():
            self._deadline = time.monotonic() + EXIT_WITHIN_S
            if self._settings.wait:  # they do not leave by themselves
                workers.drain()

    def _on_child_exit(self, workers: WorkerProcesses, child: Child, code: int) -> None:
        if child is self._server.child:
            raise self.server_lost_error()
        workers.alive.remove(child)
        # A worker that we have stopped, or that has no work left, needs no restart.
        if self._stop_level is not StopLevel.NOT_REQUESTED or self._is_over():
            workers.cancel_restarts()
        elif worth_a_restart(code):
            wait_s = workers.schedule_restart(child, code)
            again = f"starting it again in {wait_s:.1f} s" if wait_s is not None else ""
            fate = again or f"given up after {TRIES} such ends"
            print_err(f"swarmctl: {child.exit_text(code)}; {fate}")
            return
        # Several workers that fail for one reason are reported once.
        if code and (last := child.last_line()) not in self._reported:
            self._reported.add(last)
            print_err(f"swarmctl: {child.exit_text(code)}")

    def _escalate_stop(self, workers: WorkerProcesses) -> None:
        """Raises the stop level by one and acts on it."""
        self._stop_level = StopLevel(min(self._stop_level + 1, StopLevel.NOW))
        if self._stop_level is StopLevel.DRAIN:
            print_err("swarmctl: stopping when the running tasks have ended; Ctrl-C again kills them")
            self._stub.PauseSwarm(PauseSwarmRequest(cause=OUR_CAUSE), timeout=DEADLINE_S)
            workers.drain()
        elif self._stop_level is StopLevel.KILL:
            print_err("swarmctl: emergency stop; the same command later puts back what it kills")
            self._stub.EmergencyStop(EmergencyStopRequest(cause=f"{OUR_CAUSE} twice"), timeout=DEADLINE_S)
            self._deadline = time.monotonic() + STOPPED_WITHIN_S


def _earliest(*times_s: float | None) -> float | None:
    """Returns the earliest of some times; None is never."""
    return min((time_s for time_s in times_s if time_s is not None), default=None)
