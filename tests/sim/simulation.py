"""A whole swarm from one seed: a time of faults and of people, then a time in which all must come to an end."""

import asyncio
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sim.attempt import Plans
from sim.audit import audit, settled
from sim.machine import Ledger, Machine
from sim.network import Link, Weather
from sim.operators import Operators
from sim.server import SimServer, jumped
from sim.worker import SimWorker
from sim.world import START_S, Violated, World
from swarmd.domain.lifecycle import OPEN, TaskStatus
from swarmd.domain.policy import Backoff, stop_after_s
from swarmd.engine.fleet import Pace
from swarmd.engine.swarm import Policy
from swarmd.store import swarm as swarm_row
from swarmd.store import tasks
from swarmd.store.transaction import ReadTx

CONVERGE_S = 2 * 3600.0
HOST_S = 20.0
INSPECT_S = 7.3


@dataclass(frozen=True, slots=True)
class Setting:
    """How large and how long."""

    workers: int = 5
    tasks: int = 30
    chaos_s: float = 1_500.0
    # Seconds between two faults, and between two verbs of operators.
    fault_every_s: float = 30.0
    verb_every_s: float = 25.0
    heartbeat_s: float = 5.0
    suspect_after_s: float = 15.0
    lost_after_s: float = 120.0
    late_joins: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    seed: int
    digest: str
    events: int
    virtual_s: float
    sessions: int
    counts: Counter[str]
    fault: str = ""
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: {self.events} events, {self.virtual_s / 3600:.1f} virtual hours, "
            f"{self.sessions} sessions, log {self.digest[:16]}"
        )
        if not self.fault:
            return head
        again = f"PYTHONPATH=tests python -m sim.run --seed {self.seed} --verbose"
        return "\n".join([f"{head}\n{self.fault}\n(again: {again})", *self.lines[-50:]])


class Simulation:
    """Everything of one run."""

    def __init__(self, seed: int, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.world = World(seed)
        self.ledger = Ledger(self.world)
        self.server = SimServer(self.world, folder, _policy(setting))
        self.dice = self.world.dice("faults")
        self.plans = Plans(
            seed, mean_s=self.dice.choice((15.0, 60.0, 200.0)), failing=self.dice.choice((0.0, 0.1, 0.4))
        )
        names = [f"w{number}" for number in range(1, self.dice.randint(2, setting.workers) + 1)]
        self.operators = Operators(self.world, self.server, names, tasks=setting.tasks)
        self.machines: dict[str, Machine] = {}
        self.links: dict[str, Link] = {}
        self.workers: dict[str, SimWorker | None] = {}
        weather = self._weather()
        for name in names:
            dice = self.world.dice(f"machine {name}")
            self.machines[name] = Machine(self.world, self.ledger, name, dice.randint(1, 3), dice)
            self.links[name] = Link(self.world, self.server, name, weather)
            self.workers[name] = None
        self.calm = False
        self._deaf: dict[str, int] = {}

    # ── a run ───────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Counter[str]:
        """Raises Violated where a promise is broken."""
        self.server.start()
        await self.world.settle()
        self.server.kick()
        for name in self.workers:
            self._start_worker(name)
        for number in range(4):
            self.world.at(0.5 + number, self.operators.add)
        self._next_fault()
        self._next_verb()
        self._inspect()
        await self._pass(START_S + self.setting.chaos_s)
        self._make_peace()
        await self._converge()
        return self.server.db.look(lambda tx: audit(tx, self.ledger, self.operators.told))

    async def _pass(self, until_s: float) -> None:
        await self.world.run(until_s, after_each=self.server.kick)

    def _inspect(self) -> None:
        """Every few seconds, between whatever else happens."""
        self.server.check_memory()
        self._refuse_deaf()
        self.world.at(INSPECT_S, self._inspect)

    def _refuse_deaf(self) -> None:
        """Whoever hears answers to heartbeats has been told to end what is being killed."""
        if not self.server.serving:
            return
        killing = {
            task.task_id for task in self.server.db.look(lambda tx: tasks.with_status(tx, TaskStatus.KILLING))
        }
        seen: dict[str, int] = {}
        for name, worker in self.workers.items():
            for guard in self.machines[name].guards if worker is not None else ():
                if worker is None or not guard.untouched or guard.process.task_id not in killing:
                    continue
                session_id = guard.process.session_id
                seen[session_id] = self._deaf.get(session_id, worker.beats)
                if worker.beats > seen[session_id] + 3:
                    raise Violated(
                        f"{session_id} is being killed, and heartbeats of {name} are answered without a word"
                    )
        self._deaf = seen

    async def _converge(self) -> None:
        """Faults are over: everything must come to an end, and stay there."""
        end_s = self.world.now_s + CONVERGE_S
        while self.world.now_s < end_s and not self._quiet():
            await self._pass(self.world.now_s + 60)
            if self.server.serving and self.world.now_s > end_s - CONVERGE_S / 2:
                self.operators.end_what_runs_on()
        self._refuse_unrest()
        self.server.db.look(settled)

    def _quiet(self) -> bool:
        if not self.server.serving or self.ledger.count or any(m.disk for m in self.machines.values()):
            return False
        return not self.server.db.look(swarm_row.has_open)

    def _refuse_unrest(self) -> None:
        if self._quiet():
            return
        live = [process.session_id for found in self.ledger.live.values() for process in found]
        kept = [name for name, machine in self.machines.items() if machine.disk]
        still = self.server.db.look(_still_open)
        raise Violated(
            f"no end after {CONVERGE_S / 3600:.0f} hours: open {still}, live {live}, outboxes {kept}"
        )

    # ── workers ─────────────────────────────────────────────────────────────────────────────────

    def _start_worker(self, name: str) -> None:
        machine = self.machines[name]

        def start() -> None:
            if self.workers[name] is None:
                gone = partial(self._left, name)
                self.workers[name] = SimWorker(self.world, machine, self.links[name], self.plans, gone=gone)

        machine.when_quiet(start)

    def _left(self, name: str) -> None:
        self.workers[name] = None
        self.world.at(self.dice.uniform(1, HOST_S), partial(self._start_worker, name))

    # ── faults ──────────────────────────────────────────────────────────────────────────────────

    def _next_fault(self) -> None:
        self.world.at(self.dice.expovariate(1 / self.setting.fault_every_s), self._fault)

    def _fault(self) -> None:
        if self.calm:
            return
        faults = (
            (self._crash_server, 2), (self._freeze_server, 1), (self._slow_server, 1), (self._crash_worker, 4),
            (self._freeze_worker, 2), (self._cut, 4), (self._reset, 3), (self._new_weather, 2), (self._wall, 1),
        )  # fmt: skip
        self.dice.choices([fault for fault, _ in faults], [weight for _, weight in faults])[0]()
        self._next_fault()

    def _next_verb(self) -> None:
        self.world.at(self.dice.expovariate(1 / self.setting.verb_every_s), self._verb)

    def _verb(self) -> None:
        if not self.calm:
            self.operators.act()
            self._next_verb()

    def _crash_server(self) -> None:
        if self.server.up:
            self.server.crash()
            for link in self.links.values():
                link.server_gone()
            self.world.at(self._span_s(), self._start_server)

    def _start_server(self) -> None:
        if not self.server.up:
            self.server.start()

    def _freeze_server(self) -> None:
        self.server.freeze(self._span_s())

    def _slow_server(self) -> None:
        self.server.slow = not self.server.slow

    def _crash_worker(self) -> None:
        name = self.dice.choice(list(self.workers))
        worker = self.workers[name]
        if worker is not None:
            worker.crash()
            self.workers[name] = None
            self.world.at(self._span_s(), partial(self._start_worker, name))

    def _freeze_worker(self) -> None:
        worker = self.workers[self.dice.choice(list(self.workers))]
        if worker is not None:
            worker.freeze()
            self.world.at(self._span_s(), worker.thaw)

    def _cut(self) -> None:
        names = list(self.links)
        some = names if self.dice.random() < 0.2 else [self.dice.choice(names)]
        up, down = self.dice.choice(((True, True), (True, False), (False, True)))
        span_s = self._span_s()
        for name in some:
            self.links[name].cut(up=up, down=down)
            self.world.at(span_s, partial(self.links[name].cut, up=False, down=False))

    def _reset(self) -> None:
        self.links[self.dice.choice(list(self.links))].break_all()

    def _new_weather(self) -> None:
        weather = self._weather()
        for link in self.links.values():
            link.weather = weather

    def _wall(self) -> None:
        jumped(self.server.clock, self.dice)

    def _span_s(self) -> float:
        """How long a fault lasts: mostly short, at times longer than any deadline."""
        longest_s = 2.5 * self.setting.lost_after_s
        return self.dice.choice(
            (self.dice.uniform(0, 3), self.dice.uniform(0, 40), self.dice.uniform(0, longest_s))
        )

    def _weather(self) -> Weather:
        bad = self.dice.random() < 0.6
        return Weather(
            delay_s=self.dice.choice((0.001, 0.02, 0.5)),
            loss=self.dice.choice((0.0, 0.05, 0.3)) if bad else 0.0,
            doubled=self.dice.choice((0.0, 0.1, 0.5)) if bad else 0.0,
            late=self.dice.choice((0.0, 0.02, 0.1)) if bad else 0.0,
            late_joins=self.setting.late_joins,
        )

    def _make_peace(self) -> None:
        """Everything works from now on, and an operator has said that it may go on."""
        self.world.log("peace")
        self.calm = True
        for link in self.links.values():
            link.weather = Weather()
            link.cut(up=False, down=False)
        self.server.slow = False
        for worker in self.workers.values():
            if worker is not None:
                worker.thaw()
        self.world.at(400.0, self._start_server)
        for name in self.workers:
            self.world.at(400.0, partial(self._start_worker, name))
        self.world.at(420.0, partial(self.operators.resume, requeue=False))


def simulate(seed: int, setting: Setting = Setting(), *, echo: bool = False) -> Result:
    """Runs one seed; a broken promise is in the result."""
    return asyncio.run(_simulate(seed, setting, echo=echo))


async def _simulate(seed: int, setting: Setting, *, echo: bool) -> Result:
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, ASYNC240  # once, before all
    folder = Path(tempfile.mkdtemp(prefix="sim-", dir=memory))
    simulation = Simulation(seed, setting, folder)
    world = simulation.world
    if echo:
        world.echo = _print
    fault, counts = "", Counter[str]()
    try:
        counts = await simulation.run()
    except Violated as violated:
        fault = f"VIOLATED at {world.now_s - START_S:.4f}: {violated}"
        if violated.__cause__ is not None:
            fault += "\n" + "".join(traceback.format_exception(violated.__cause__)[-4:])
    finally:
        simulation.server.finish()
        shutil.rmtree(folder, ignore_errors=True)
    return Result(
        seed, world.digest, world.events, world.now_s - START_S, len(simulation.ledger.started), counts, fault,
        list(world.lines),
    )  # fmt: skip


def _policy(setting: Setting) -> Policy:
    pace = Pace(
        heartbeat_s=setting.heartbeat_s,
        suspect_after_s=setting.suspect_after_s,
        lost_after_s=setting.lost_after_s,
        stop_after_s=stop_after_s(lost_after_s=setting.lost_after_s, suspect_after_s=setting.suspect_after_s),
        look_every_s=2.0,
    )
    return Policy(pace, Backoff(2.0, 60.0))


def _still_open(tx: ReadTx) -> list[str]:
    return sorted(f"{task_id} {status}" for task_id, (_, status) in tasks.keys(tx).items() if status in OPEN)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
