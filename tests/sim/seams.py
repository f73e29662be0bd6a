"""Seams of the real worker: patches that put it on virtual time where it meets the machine.

The patches replace its clocks, its guards (by the model of machine.py), its search for leftovers, its host watch, its
log and its random numbers. All else is the program's own code.
"""

import asyncio
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amplifier_swarm.v1.task_pb2 import OUTCOME_KIND_COMPLETED
from amplifier_swarm.v1.worker_service_pb2 import FinishedAttempt
from sim.machine import Guard, Ledger, Machine, Tree
from sim.process import PROCESS, Process
from sim.world import Violated, World
from swarm_worker import shutdown, worker
from swarm_worker.domain.model import KillReceipt
from swarm_worker.execution import attempt, slots, workspaces
from swarm_worker.guard.containment import SUBREAPER, Containment
from swarm_worker.guard.protocol import ALIVE_REPORT, FENCE, PING, KillCounts, ended_report, parse_order
from swarm_worker.rpc import batcher, heartbeat, leases, retry, session_reporter
from swarm_worker.rpc.claim_stream import ClaimStream
from swarm_worker.storage import outbox
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision import fence, guard_watch, guarded_run, kill_receipt, limits_watch
from swarm_worker.supervision.guard_locks import GuardLock
from swarm_worker.supervision.guard_watch import GuardWatch, WatchedRun
from swarm_worker.supervision.guarded_run import GuardedRun
from swarm_worker.supervision.host_watch import HostListener
from swarm_worker.supervision.model import Launch
from swarm_worker.supervision.supervisor import NO_TRACES, SessionTraces
from swarm_worker.workspace.changes import Changes, Snapshot
from swarm_worker.workspace.git import NoTree
from swarmd.domain.lease_ids import parse_lease_id

# Log events of the real worker that mean a fault of its own.
_FAULTS = (
    "fault of the worker in an attempt",
    "fault of the worker in the outbox",
    "can't keep an outcome on disk",
    "the server refuses an item",
)

# The share of attempts that meet a defect of the worker before the go.
FAULTY = 0.01

# Details that name folders of this run, and so differ between runs of one seed.
_NOT_SEEDED = ("error", "file")


class Host(Process):
    """A worker process, with its machine."""

    machine: Machine


def host() -> Host:
    """Returns the worker process whose code runs now."""
    return cast("Host", PROCESS.get())


class SimSupervisor:
    """The process supervisor, on the machine's model."""

    containment = Containment()
    state_mark = "sim"

    def __init__(self, *_: Any, **__: Any) -> None:
        self.machine = host().machine
        self.guards = SimpleNamespace(watch=GuardWatch(lambda: None))

    def traces_of(self, launch: Launch) -> SessionTraces:
        return NO_TRACES

    async def kill_leftovers(self) -> None:
        """Kills what a former process and its guards have left."""
        await asyncio.sleep(0.1)
        self.machine.kill_orphans()

    async def kill_orphans(self, traces: SessionTraces) -> KillReceipt:
        """Kills what a lost guard has left."""
        await asyncio.sleep(0.1)
        return KillReceipt("subreaper", self.machine.kill_orphans())


class SimHostWatch:
    """The host watch; a fault that makes or removes the stop file calls `check`."""

    def __init__(self, _folders: Any, listener: HostListener) -> None:
        self.stopped = False
        self._listener = listener
        self._machine = host().machine
        host().watch = self  # type: ignore[attr-defined]

    def check(self) -> None:
        """Passes on what has changed."""
        if self._machine.stop_file == self.stopped:
            return
        self.stopped = self._machine.stop_file
        if self.stopped:
            self._listener.on_stop_file(self._machine.path / "EMERGENCY_STOP")
        else:
            self._listener.on_stop_file_removed()

    async def run(self) -> None:
        """Waits until it is cancelled."""
        await asyncio.get_running_loop().create_future()


class SimGuardClient:
    """The worker's handle on a guard of the model, which never stays continued."""

    pid = 0

    def __init__(self, model: Guard, send: Callable[[bytes], bool]) -> None:
        self._model = model
        self.send = send

    def is_stopped(self) -> bool:
        """Returns whether the session keeps the guard stopped."""
        return self._model.stopped

    def resume(self) -> None:
        """Does nothing: the session stops the guard again at once."""

    def ping(self) -> None:
        """Asks for a sign of life."""
        self.send(PING)

    def kill(self) -> None:
        """Kills the guard."""
        if self._model.alive:
            self._model.lose()

    async def wait(self) -> None:
        """Returns at once."""


class SimGuardedRun(GuardedRun):
    """The worker's side of a guard, without pipes and program."""

    _supervisor: Any

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._number = host().number()

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other

    async def start(self, launch: Launch, lock: GuardLock, *, fence_s: float) -> None:
        self._launch = launch
        self._host, self._name = host(), launch.lock.stem
        role, task_id = launch.env.get("SWARM_ROLE", ""), launch.env["SWARM_TASK_ID"]
        machine: Machine = self._supervisor.machine
        tree = Tree(task_id, self._name, machine.name, alone=fence_s < math.inf)
        end = self._host.plans.end(self._name, role)  # type: ignore[attr-defined]
        self._model = machine.spawn(tree, end, session=bool(role))
        self._model.set_fence(fence_s)
        self._model.on_end = lambda why: self._host.enter(partial(self._on_model_end, why))
        self._guard: Any = SimGuardClient(self._model, self._send)
        self._watched = WatchedRun(self._guard, self._name, grace_s=self._limits.grace_s, fence_s=fence_s)
        self._supervisor.guards.watch.add(self._watched)

    def close(self) -> None:
        self._supervisor.guards.watch.remove(self._watched)
        self._model.kill("orphaned", self._limits.grace_s)

    def _on_model_end(self, why: str | None) -> None:
        if why is None:
            self._on_guard_end()
            return
        plan = self._model.plan
        if why == "exit" and plan.stdout:
            self._noting_output(self._sink.stdout)(plan.stdout.encode() + b"\n")
        code = plan.code if why == "exit" else -15
        self._on_report(ended_report(code, why, SUBREAPER, KillCounts(1, 1, 0, 0), 0.1))

    def _send(self, packet: bytes) -> bool:
        order = parse_order(packet)
        if order.name == FENCE:
            self._model.set_fence(order.number)
        elif order.name == PING:
            if not self._model.stopped:
                self._host.enter(partial(self._on_report, ALIVE_REPORT))
        else:
            self._model.kill("order", order.number)
        return True


class SimOutbox(Outbox):
    """The real outbox; the ledger notes the completed outcomes in it."""

    ledger: Ledger | None = None

    def write(self, finished: Sequence[FinishedAttempt]) -> None:
        super().write(finished)
        for each in finished:
            lease = parse_lease_id(each.lease_id)
            if self.ledger and lease and each.outcome.kind == OUTCOME_KIND_COMPLETED:
                self.ledger.kept.add((lease.task_key, lease.number))


class SimLog:
    """The worker's log, as a part of the world's log; an event that means a fault fails the run."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._begun: dict[tuple[str, str], int] = {}

    def info(self, event: str, **details: Any) -> None:
        """Logs an event."""
        if event == "attempt started":
            self._begun[host().name, details["task"]] = details["attempt"]
        elif event == "attempt ended" and details["outcome"] == "completed":
            task = details["task"]
            self._ledger.done.add(task)
            self._ledger.completed.add((task, self._begun[host().name, task]))
        text = " ".join(f"{key}={value}" for key, value in details.items() if key not in _NOT_SEEDED)
        self._world.log(f"  {host().name}: {event} {text}")

    warning = info

    def error(self, event: str, **details: Any) -> None:
        """Logs an event, and fails the run if the event means a fault."""
        self.info(event, **details)
        if event in _FAULTS and not isinstance(sys.exc_info()[1], InjectedFault):
            self._world.fail(Violated(f"{host().name} says: {event} {details}"))

    exception = error


@contextmanager
def virtual(world: World, ledger: Ledger) -> Iterator[None]:
    """Puts the worker's code into the world for the length of the context."""
    state = random.getstate()
    random.seed(world.seed)
    ids, log = world.dice("incarnations"), SimLog(world, ledger)
    places: tuple[tuple[Any, str, Any], ...] = (
        *((module, "now_s", lambda: world.now_s) for module in (fence, heartbeat, _module(ClaimStream))),
        *((module, "uniform", random.uniform) for module in (retry, heartbeat)),
        *(
            (module, "_log", log)
            for module in (worker, shutdown, retry, guard_watch, batcher, leases, outbox, slots, workspaces)
        ),
        (worker, "ProcessSupervisor", SimSupervisor),
        (worker, "Outbox", SimOutbox),
        (SimOutbox, "ledger", ledger),
        (worker, "HostWatch", SimHostWatch),
        (worker, "choose_containment", lambda _: Containment()),
        (worker, "random_id", lambda: f"{ids.getrandbits(64):016x}"),
        (attempt, "take_snapshot", _snapshot),
        (attempt, "changes_since", _changes),
        (guarded_run, "GuardedRun", SimGuardedRun),
        *(
            (module, "time", SimpleNamespace(monotonic=lambda: world.now_s))
            for module in (limits_watch, kill_receipt)
        ),
        (guard_watch, "boot_s", lambda: world.now_s),
        (guarded_run, "now_s", lambda: world.now_s),
        (session_reporter, "time", SimpleNamespace(time=lambda: world.now_s)),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in places:
            patch.setattr(module, name, value)
        try:
            yield
        finally:
            random.setstate(state)


def _module(thing: Any) -> Any:
    return __import__(thing.__module__, fromlist=["_"])


class InjectedFault(Exception):
    """A defect of the worker before the go, which the simulation injects."""


async def _snapshot(root: Any, files: Any, run: Any) -> Snapshot:
    if host().dice.random() < FAULTY:
        raise InjectedFault("a defect before the go")
    return Snapshot(root, (), (), NoTree("no repository", silent=True))


async def _changes(before: Snapshot, run: Any) -> Changes:
    return Changes((), None)
