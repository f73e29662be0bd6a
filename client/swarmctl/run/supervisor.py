"""Leads one run from its plan to its summary, and through every way in which it can end before."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import grpc

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import (
    CreateLoginCodeRequest,
    EmergencyStopRequest,
    GetSwarmRequest,
    ListWorkersRequest,
    PauseSwarmRequest,
    ResumeSwarmRequest,
)
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.connection import Connection
from swarmctl.api.paging import TaskList
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import say
from swarmctl.plan.faults import lines
from swarmctl.plan.read import Plan
from swarmctl.plan.send import send_plan
from swarmctl.programs import Programs
from swarmctl.render.live_board import FINAL
from swarmctl.render.plans import sent_text
from swarmctl.render.printer import Printer
from swarmctl.run.child_process import Child
from swarmctl.run.messages import ChildExited, EventsReceived, Interrupted, MessageQueue
from swarmctl.run.paths import RunPaths
from swarmctl.run.progress import ProgressDisplay, showing
from swarmctl.run.restart_policy import TRIES, worth_a_restart
from swarmctl.run.server import PrivateServer
from swarmctl.run.summary import all_completed, summary_blocks, summary_document
from swarmctl.run.workers import WorkerProcesses, crew

# Both causes begin like this, so that the next run knows its own pause and its own stop.
OUR_CAUSE: Final = "swarmctl run was interrupted"
# Events of a tenth of a second are shown together.
PAUSE_S: Final = 0.1
# A worker told to exit when done has this long for it; it has nothing left to do.
EXIT_WITHIN_S: Final = 15.0
# An emergency stop gives no grace; this is for the proof that all is gone.
STOPPED_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What the command line asks for."""

    programs: Programs
    place: RunPaths
    workers: int
    project_root: Path
    dashboard: str
    notify: Sequence[str]
    worker_flags: Sequence[str]


class StopLevel(IntEnum):
    """How often the user has asked for an end, and so how soon it is to be."""

    UNASKED = 0
    WHEN_RUNNING_TASKS_END = 1
    WHEN_SESSIONS_ARE_KILLED = 2
    NOW = 3


def run_plan(plan: Plan, settings: RunSettings, printer: Printer) -> ExitCode:
    """Runs a plan to its end; OK only if every task is completed then."""
    inbox, place = MessageQueue(), settings.place
    place.make()
    with inbox.catching_signals(), ExitStack() as stack:
        server = stack.enter_context(
            PrivateServer(settings.programs, place, settings.dashboard, inbox, notify=settings.notify)
        )
        connection = Connection(Endpoint(server=server.address, token=read_token(place.token)))
        stack.callback(connection.close)
        run = _Run(settings, server, connection, inbox)
        try:
            tasks = run.conduct(plan, printer)
        except grpc.RpcError as error:
            if not server.child.alive:
                raise run.server_lost() from error
            connection.raise_for_people(error)
            raise
    printer.put(tasks, summary_document, summary_blocks)
    return ExitCode.OK if all_completed(tasks) else ExitCode.NEGATIVE


class _Run:
    """One run, with its server up."""

    def __init__(
        self, settings: RunSettings, server: PrivateServer, connection: Connection, inbox: MessageQueue
    ) -> None:
        self._settings = settings
        self._place = settings.place
        self._server = server
        self._stub = connection.stub
        self._inbox = inbox
        self._patience = StopLevel.UNASKED
        # Of the monotonic clock: when the workers are no longer waited for.
        self._deadline: float | None = None
        self._told: set[str] = set()
        # The last event that was shown.
        self._seen = 0

    def conduct(self, plan: Plan, printer: Printer) -> Sequence[Task]:
        """From the import to the end; the tasks as they then are."""
        say(f"swarmctl: swarmd at {self._server.address}, database {self._place.db}")
        if self._server.dashboard != "off":
            self._tell_dashboard()
        self._resume()
        self._send(plan)
        swarm = self._swarm()
        if not swarm.done:
            self._work(printer, after=swarm.last_event_seq)
        return TaskList(self._stub).first(0)

    def _tell_dashboard(self) -> None:
        """A link that is good once, and how to get the next one."""
        link = self._stub.CreateLoginCode(CreateLoginCodeRequest(), timeout=DEADLINE_S)
        say(
            f"swarmctl: dashboard at {link.url} (once, within {text_format.span(text_format.seconds(link.valid_for))})"
        )
        here = f"--server {self._server.address} --token-file {self._place.token}"
        say(f"swarmctl: for another link, `swarmctl dashboard {here}`")

    def server_lost(self) -> ProgramExit:
        """What to say when swarmd is gone."""
        last = self._server.child.last_line()
        told = f"swarmd ended in the middle of the run{': ' if last else ''}{last}"
        return ProgramExit(ExitCode.NEGATIVE, told, hint="the same command goes on where it was")

    def _swarm(self) -> Swarm:
        return self._stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm

    def _resume(self) -> None:
        """Takes back what an interrupted run left behind; the stop of somebody else stands."""
        swarm = self._swarm()
        stopped = swarm.mode == SwarmMode.SWARM_MODE_STOPPED
        if stopped and not swarm.cause.startswith(OUR_CAUSE):
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"an emergency stop is in force: {swarm.cause or 'no cause given'}",
                hint=f"start `swarmd --db {self._place.db}` and end the stop with `swarmctl resume`",
            )
        if swarm.mode == SwarmMode.SWARM_MODE_RUNNING and not swarm.paused_runners:
            return
        request = ResumeSwarmRequest(requeue=stopped)
        requeued = self._stub.ResumeSwarm(request, timeout=DEADLINE_S).requeued
        put_back = f"; {text_format.plural(len(requeued), 'killed task')} put back" if requeued else ""
        for paused in swarm.paused_runners:
            say(f"swarmctl: trying the runner {paused.runner} again, which was paused: {paused.cause}")
        if swarm.mode != SwarmMode.SWARM_MODE_RUNNING:
            say(f"swarmctl: going on where the last run was interrupted{put_back}")

    def _resume_command(self) -> str:
        return f"swarmctl resume --server {self._server.address} --token-file {self._place.token}"

    def _holders(self) -> Sequence[str]:
        """The workers of an earlier run that did not come to say what became of their tasks."""
        workers = self._stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
        return [w.name for w in workers if w.running and self._place.has_state_of(w.name)]

    def _send(self, plan: Plan) -> None:
        sent = send_plan(self._stub, plan)
        for line in lines(plan.file, [*plan.warnings, *sent.warnings]):
            say(f"warning: {line}")
        say(f"swarmctl: {plan.file}: {sent_text(sent)}")

    def _work(self, printer: Printer, *, after: int) -> None:
        """Has the workers work until all of them have ended."""
        tasks = TaskList(self._stub).first(0)
        self._seen = after
        batches = streams.events(self._stub, after=after)
        self._inbox.watch_child(self._server.child)
        with (
            WorkerProcesses(
                self._settings.programs,
                self._place,
                server=self._server.address,
                project_root=self._settings.project_root,
                flags=self._settings.worker_flags,
                names=crew(self._settings.workers, self._holders()),
                inbox=self._inbox,
            ) as fleet,
            showing(self._stub, printer, tasks, resume=self._resume_command()) as progress,
        ):
            self._inbox.watch_events(streams.gathered(batches, pause_s=PAUSE_S))
            self._loop(fleet, progress)
            # The last worker may leave before its last event is here.
            for rest in streams.events(self._stub, after=self._seen, follow=False):
                progress.show(rest)
        if self._patience is StopLevel.UNASKED and not self._swarm().done:
            logs = self._place.log("worker-1").parent
            say(
                f"swarmctl: all workers have ended with work left; see {logs}; the same command goes on from here"
            )

    def _loop(self, fleet: WorkerProcesses, progress: ProgressDisplay) -> None:
        while fleet.working:
            match self._inbox.take(_earlier(self._deadline, fleet.next_s)):
                case EventsReceived(events):
                    self._seen = events[-1].seq
                    progress.show(events)
                    self._look_for_the_end(events)
                case ChildExited(child, code):
                    self._on_end(fleet, child, code)
                case Interrupted():
                    self._hurry(fleet)
                case None:
                    if self._waited_enough():
                        return
                    fleet.restart()
                case _:
                    continue
            if self._patience is StopLevel.NOW:
                return

    def _waited_enough(self) -> bool:
        """Whether the deadline has come, and still has its reason."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        if self._patience is not StopLevel.UNASKED or self._swarm().done:
            return True
        self._deadline = None
        return False

    def _look_for_the_end(self, events: Sequence[Event]) -> None:
        """Workers leave by themselves when all is done; the deadline is for one that does not."""
        if self._deadline is None and any(event.status in FINAL for event in events) and self._swarm().done:
            self._deadline = time.monotonic() + EXIT_WITHIN_S

    def _on_end(self, fleet: WorkerProcesses, child: Child, code: int) -> None:
        if child is self._server.child:
            raise self.server_lost()
        fleet.alive.remove(child)
        # One that we have told to end, or that has nothing left to do, may end as it likes.
        if self._patience is not StopLevel.UNASKED or self._swarm().done:
            fleet.restart_none()
        elif worth_a_restart(code):
            again_s = fleet.died(child, code)
            fate = (
                f"given up after {TRIES} such ends"
                if again_s is None
                else f"starting it again in {again_s:.1f} s"
            )
            say(f"swarmctl: {child.ending(code)}; {fate}")
            return
        # Three workers that fail for one reason need say it once.
        if code and (last := child.last_line()) not in self._told:
            self._told.add(last)
            say(f"swarmctl: {child.ending(code)}")

    def _hurry(self, fleet: WorkerProcesses) -> None:
        """One step further than the last time."""
        self._patience = StopLevel(min(self._patience + 1, StopLevel.NOW))
        if self._patience is StopLevel.WHEN_RUNNING_TASKS_END:
            say("swarmctl: stopping when the running tasks have ended; Ctrl-C again kills them")
            self._stub.PauseSwarm(PauseSwarmRequest(cause=OUR_CAUSE), timeout=DEADLINE_S)
            fleet.drain()
        elif self._patience is StopLevel.WHEN_SESSIONS_ARE_KILLED:
            say("swarmctl: emergency stop; the same command later puts back what it kills")
            self._stub.EmergencyStop(EmergencyStopRequest(cause=f"{OUR_CAUSE} twice"), timeout=DEADLINE_S)
            self._deadline = time.monotonic() + STOPPED_WITHIN_S


def _earlier(one: float | None, other: float | None) -> float | None:
    """The earlier of two moments, either of which may never come."""
    return min((moment for moment in (one, other) if moment is not None), default=None)
