"""Puts the real worker on virtual time: the few places where it meets the machine are the simulation's here.

These are its clocks, its guards (a model, see machine.py), what it finds of former processes, the file that
stops it, its log and its random numbers. All else is the program's own code.
"""

import asyncio
import json
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amplifier_swarm.v1.task_pb2 import OUTCOME_KIND_COMPLETED
from amplifier_swarm.v1.worker_service_pb2 import FinishedAttempt
from sim.machine import Ledger, Machine, Tree
from sim.process import PROCESS, Process
from sim.world import Violated, World
from swarm_worker import worker
from swarm_worker.domain.model import KillReceipt
from swarm_worker.execution import attempt, slots
from swarm_worker.guard.containment import Containment
from swarm_worker.rpc import batcher, heartbeat, retry, session_reporter
from swarm_worker.rpc.claim_stream import ClaimStream
from swarm_worker.storage import outbox
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision import fence, guarded_run
from swarm_worker.supervision.host_watch import HostListener
from swarm_worker.supervision.launch import Launch
from swarm_worker.workspace.changes import Changes, Snapshot
from swarm_worker.workspace.git import NoTree
from swarmd.domain.leasing import parse_lease_id

# What the real worker says of itself when something is wrong with it, and never should here.
_FAULTS = ("fault of the worker", "can't keep an outcome on disk", "the server refuses an item")

# These name folders of this run.
_NOT_SEEDED = ("error", "file")


class Host(Process):
    """A process that knows its machine."""

    machine: Machine


def host() -> Host:
    """The worker process whose code runs now."""
    return cast("Host", PROCESS.get())


class SimHold:
    """What the worker does about processes whose guard is gone."""

    containment = Containment()
    mark = "sim"

    def __init__(self, *_: Any, **__: Any) -> None:
        self.machine = host().machine

    def cgroup(self, name: str) -> str:
        return ""

    async def adopt(self) -> None:
        """Ends what a former process and its guards have left."""
        await asyncio.sleep(0.1)
        self.machine.sweep()

    async def sweep(self, cgroup: str) -> KillReceipt:
        """Ends what a lost guard has left."""
        await asyncio.sleep(0.1)
        return KillReceipt("subreaper", self.machine.sweep())


class SimWatch:
    """The file that stops everything; whoever makes it or takes it away calls `look`."""

    def __init__(self, _folders: Any, listener: HostListener) -> None:
        self.stopped = False
        self._listener = listener
        self._machine = host().machine
        host().watch = self  # type: ignore[attr-defined]

    def look(self) -> None:
        """Tells what is new."""
        if self._machine.stop_file == self.stopped:
            return
        self.stopped = self._machine.stop_file
        if self.stopped:
            self._listener.stopped_by_file(self._machine.path / "EMERGENCY_STOP")
        else:
            self._listener.file_gone()

    async def run(self) -> None:
        """Nothing happens by itself."""
        await asyncio.get_running_loop().create_future()


class SimGuarded(guarded_run._GuardedRun):
    """The worker's side of a guard, but for the pipes and the program."""

    _hold: Any

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._number = host().number()

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other

    async def start(self, launch: Launch, *, fence_s: float) -> None:
        self._host, self._name = host(), launch.lock.stem
        role, task_id = launch.env.get("SWARM_ROLE", ""), launch.env["SWARM_TASK_ID"]
        machine: Machine = self._hold.machine
        tree = Tree(task_id, self._name, machine.name, alone=fence_s < math.inf)
        end = self._host.plans.end(self._name, role)  # type: ignore[attr-defined]
        self._model = machine.spawn(tree, end, session=bool(role))
        self._model.fence(fence_s)
        self._model.ended = lambda why: self._host.enter(partial(self._hears, why))
        self._guard: Any = SimpleNamespace(tell=self._told, wait=_nothing)

    def close(self) -> None:
        self._model.kill("orphaned", self._limits.grace_s)

    def _hears(self, why: str | None) -> None:
        if why is None:
            self._guard_ended()
            return
        plan = self._model.plan
        if why == "exit" and plan.stdout:
            self._takes(self._sink.stdout)(plan.stdout.encode() + b"\n")
        report = {
            "event": "ended", "cause": why, "containment": "subreaper", "found": 1, "terminated": 1,
            "killed": 0, "survivors": 0, "duration_s": 0.1, "code": plan.code if why == "exit" else -15,
        }  # fmt: skip
        self._reported(json.dumps(report).encode())

    def _told(self, message: str) -> bool:
        word, _, number = message.partition(" ")
        if word == "fence":
            self._model.fence(float(number))
        else:
            self._model.kill("order", float(number))
        return True


class SimOutbox(Outbox):
    """The real one, of which the ledger knows what is in it."""

    ledger: Ledger | None = None

    def put(self, finished: Sequence[FinishedAttempt]) -> None:
        super().put(finished)
        for each in finished:
            lease = parse_lease_id(each.lease_id)
            if self.ledger and lease and each.outcome.kind == OUTCOME_KIND_COMPLETED:
                self.ledger.kept.add((lease.task_key, lease.number))


class SimLog:
    """The worker's log: part of the world's, and where a fault of the program shows."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._begun: dict[tuple[str, str], int] = {}

    def info(self, event: str, **details: Any) -> None:
        """What the worker says."""
        if event == "task begun":
            self._begun[host().name, details["task"]] = details["attempt"]
        elif event == "task ended" and details["outcome"] == "completed":
            task = details["task"]
            self._ledger.done.add(task)
            self._ledger.completed.add((task, self._begun[host().name, task]))
        said = " ".join(f"{key}={value}" for key, value in details.items() if key not in _NOT_SEEDED)
        self._world.log(f"  {host().name}: {event} {said}")

    warning = info

    def error(self, event: str, **details: Any) -> None:
        """What the worker complains of."""
        self.info(event, **details)
        if event in _FAULTS:
            self._world.fail(Violated(f"{host().name} says: {event} {details}"))

    exception = error


@contextmanager
def virtual(world: World, ledger: Ledger) -> Iterator[None]:
    """The worker's code belongs to that world for as long as this holds."""
    state = random.getstate()
    random.seed(world.seed)
    ids, log = world.dice("incarnations"), SimLog(world, ledger)
    places: tuple[tuple[Any, str, Any], ...] = (
        *((module, "now_s", lambda: world.now_s) for module in (fence, heartbeat, _module(ClaimStream))),
        *((module, "between", random.uniform) for module in (retry, heartbeat)),
        *((module, "_log", log) for module in (worker, retry, batcher, heartbeat, outbox, slots)),
        (worker, "Hold", SimHold),
        (worker, "Outbox", SimOutbox),
        (SimOutbox, "ledger", ledger),
        (worker, "Watch", SimWatch),
        (worker, "choose", lambda _: Containment()),
        (worker, "uuid", SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=f"{ids.getrandbits(64):016x}"))),
        (attempt, "snapshot", _snapshot),
        (attempt, "changes", _changes),
        (guarded_run, "_GuardedRun", SimGuarded),
        (guarded_run, "time", SimpleNamespace(monotonic=lambda: world.now_s)),
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


async def _nothing() -> None:
    """Nothing to wait for."""


async def _snapshot(root: Any, files: Any, run: Any) -> Snapshot:
    return Snapshot(root, (), (), NoTree("no repository", silent=True))


async def _changes(before: Snapshot, run: Any) -> Changes:
    return Changes((), None)
