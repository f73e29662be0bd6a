"""Simulation of a whole swarm from one seed: a time of faults and operators, then a time in which all must end."""

import asyncio
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.audit import audit, refuse_overfull, settled
from sim.clones import PUSH_EVERY_S, Branch, cloning
from sim.faults import RESTART_S, Faults
from sim.machine import Ledger, Machine
from sim.money import BUILDER_COST, CAP, Payer, refuse_overrun
from sim.money import audit as money_audit
from sim.network import Link
from sim.operators import Operators
from sim.plans import Plans
from sim.process import SimLoop
from sim.seams import virtual
from sim.server import SimServer
from sim.worker import SimWorker
from sim.world import START_S, Violated, World
from swarmd.domain.lifecycle import OPEN, TaskStatus, Transition, advance
from swarmd.domain.model import Lease
from swarmd.domain.policy import Backoff, stop_after_s
from swarmd.engine.attempts import swarm_control
from swarmd.engine.attempts.outcomes import Outcomes
from swarmd.engine.swarm import EnginePolicy
from swarmd.engine.tasks import transitions
from swarmd.engine.workers.registry import HeartbeatPolicy
from swarmd.store import events, tasks
from swarmd.store import swarm as swarm_row
from swarmd.store.transaction import ReadTx, Tx

CONVERGE_S = 2 * 3600.0
INSPECT_S = 7.3
# The mean time between two orders to land kept work.
ORDER_EVERY_S = 25.0
Row = tuple[TaskStatus, Transition]


@dataclass(frozen=True, slots=True)
class Setting:
    """The size and length of a run."""

    workers: int = 5
    fewest_workers: int = 2
    tasks: int = 22
    chaos_s: float = 380.0
    # Seconds between two faults, and between two actions of operators.
    fault_every_s: float = 12.0
    # Whether sessions stop their guards.
    stopped_guards: bool = True
    verb_every_s: float = 10.0
    heartbeat_s: float = 5.0
    suspect_after_s: float = 15.0
    lost_after_s: float = 60.0
    # Mean lengths of sessions, of which the seed takes one; a silent session may take three times as long.
    mean_s: tuple[float, ...] = (8.0, 25.0, 80.0)
    stall_s: float = 50.0
    # The share of tasks with exclusive names or files.
    exclusive: float = 0.4
    # The share of builders that ask a person; with 0 operators hold no tasks either.
    asking: float = 0.06
    # The share of runs whose sessions cost money, and whose tasks share a budget.
    funded: float = 0.0
    # The share of tasks that wait for an approval.
    approving: float = 0.15
    # The share of the operators' acts that forget a worker.
    forgets: float = 0.0
    # The share of runs in which every task has a clone and lands.
    cloning: float = 0.3
    # The share of requests for a stream that are late in any weather, and the weights of two faults.
    late_streams: float = 0.0
    cuts: int = 4
    resets: int = 3


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run."""

    seed: int
    digest: str
    events: int
    virtual_s: float
    sessions: int
    counts: Counter[str]
    # The number of times that each row of the table of transitions was taken.
    rows: Counter[Row]
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
    """All objects of a run."""

    def __init__(self, seed: int, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.world = World(seed)
        self.ledger = Ledger(self.world)
        self.server = SimServer(self.world, folder, _policy(setting))
        dice = self.world.dice("swarm")
        self.plans = Plans(
            seed,
            mean_s=dice.choice(setting.mean_s),
            stall_s=setting.stall_s,
            failing=dice.choice((0.0, 0.2, 0.5)),
            asking=setting.asking,
        )
        count = dice.randint(setting.fewest_workers, setting.workers)
        names = [f"w{number}" for number in range(1, count + 1)]
        self.clones = self.world.dice("clones").random() < setting.cloning
        self.ledger.files_shared = not self.clones
        self.operators = Operators(
            self.world,
            self.server,
            self.ledger,
            names,
            tasks=setting.tasks,
            exclusive=setting.exclusive,
            holding=setting.asking > 0,
            approving=setting.approving,
            forgets=setting.forgets,
        )
        self.operators.gone = self._gone
        self.payer = None
        if self.world.dice("funded").random() < setting.funded:
            self.operators.cap, self.payer = CAP, Payer(self.world, self.server)
            self.plans = replace(self.plans, cost=BUILDER_COST)
        self.machines: dict[str, Machine] = {}
        self.links: dict[str, Link] = {}
        self.workers: dict[str, SimWorker | None] = dict.fromkeys(names)
        self.faults = Faults(self)
        weather = self.faults.weather()
        for name in names:
            own = self.world.dice(f"machine {name}")
            path = folder / name
            self.machines[name] = Machine(self.world, self.ledger, name, own.randint(1, 3), own, path)
            self.links[name] = Link(self.world, self.server, name, weather)
        self._dice = self.world.dice("hosts")
        self._order_dice = self.world.dice("orders to land")
        self._calm = False
        self.branch = Branch(self.world, self.server)
        self._deaf: dict[str, int] = {}

    async def run(self) -> Counter[str]:
        """Runs to the end.

        Raises:
            Violated: a promise is broken.
        """
        self.server.start()
        await self.world.settle()
        self.server.kick()
        for name in self.workers:
            self.start_worker(name)
        for number in range(4):
            self.world.at(0.5 + number, self.operators.add)
        self.faults.start()
        self._next_verb()
        self._next_push()
        self._next_order()
        if self.payer is not None:
            self.payer.begin()
        self._inspect()
        await self._pass(START_S + self.setting.chaos_s)
        self._calm = True
        self.faults.stop()
        await self._converge()
        self.server.db.look(self.branch.audit)
        if self.payer is not None:
            self.server.db.look(lambda tx: money_audit(tx, events.after(tx, 0, limit=10_000_000)))
        return self.server.db.look(lambda tx: audit(tx, self.ledger, self.operators.told))

    def start_worker(self, name: str) -> None:
        """Starts a worker as soon as its machine allows it, unless a worker runs there."""
        machine = self.machines[name]

        def start() -> None:
            if self.workers[name] is None:
                gone = partial(self._left, name)
                self.workers[name] = SimWorker(
                    self.world, machine, self.links[name], self.plans, on_exit=gone
                )

        machine.when_quiet(start)

    def _gone(self) -> list[str]:
        live = {tree.worker for trees in self.ledger.live.values() for tree in trees}
        return [name for name, worker in self.workers.items() if worker is None and name not in live]

    def _left(self, name: str) -> None:
        self.workers[name] = None
        self.world.at(self._dice.uniform(1, RESTART_S), partial(self.start_worker, name))

    async def _pass(self, until_s: float) -> None:
        await self.world.run(until_s, after_each=self.server.kick)

    def _next_verb(self) -> None:
        self.world.at(self._dice.expovariate(1 / self.setting.verb_every_s), self._verb)

    def _verb(self) -> None:
        if not self._calm:
            self.operators.act()
            self._next_verb()

    def _next_push(self) -> None:
        if self.clones and not self._calm:
            self.world.at(self._dice.expovariate(1 / PUSH_EVERY_S), self._push)

    def _push(self) -> None:
        self.branch.push()
        self._next_push()

    def _next_order(self) -> None:
        if self.clones and not self._calm:
            self.world.at(self._order_dice.expovariate(1 / ORDER_EVERY_S), self._order)

    def _order(self) -> None:
        self.operators.land()
        self._next_order()

    # ── what must hold meanwhile ────────────────────────────────────────────────────────────────

    def _inspect(self) -> None:
        """Checks the invariants every few seconds, between all other calls."""
        self.server.check_memory()
        if self.server.serving:
            self.server.db.look(refuse_overfull)
            if self.payer is not None:
                self.server.db.look(refuse_overrun)
        self._refuse_deaf()
        self.world.at(INSPECT_S, self._inspect)

    def _refuse_deaf(self) -> None:
        """Checks that workers with answered heartbeats got the orders for what is being killed."""
        if not self.server.serving:
            return
        killing = {
            task.task_id for task in self.server.db.look(lambda tx: tasks.with_status(tx, TaskStatus.KILLING))
        }
        seen: dict[str, int] = {}
        for name, worker in self.workers.items():
            for guard in self.machines[name].guards if worker is not None else ():
                if worker is None or not guard.untouched or guard.tree.task_id not in killing:
                    continue
                beats = worker.service.beats
                seen[guard.tree.name] = self._deaf.get(guard.tree.name, beats)
                if beats > seen[guard.tree.name] + 3:
                    raise Violated(
                        f"{guard.tree.name} is being killed, and beats of {name} are answered without a word"
                    )
        self._deaf = seen

    async def _converge(self) -> None:
        """Waits after the last fault until everything has ended, and checks that nothing starts again."""
        end_s = self.world.now_s + CONVERGE_S
        while self.world.now_s < end_s and not self._quiet():
            await self._pass(self.world.now_s + 60)
            self.operators.tidy()
            if self.payer is not None:
                self.payer.raise_budget("5")
            if self.world.now_s > end_s - CONVERGE_S / 2:
                self.operators.end_what_runs_on()
        self._refuse_unrest()
        self.server.db.look(settled)

    def _quiet(self) -> bool:
        if not self.server.serving or self.ledger.count or any(m.outbox for m in self.machines.values()):
            return False
        return not self.server.db.look(swarm_row.has_open)

    def _refuse_unrest(self) -> None:
        if self._quiet():
            return
        live = [tree.name for found in self.ledger.live.values() for tree in found]
        kept = [name for name, machine in self.machines.items() if machine.outbox]
        still = self.server.db.look(_still_open)
        raise Violated(
            f"no end after {CONVERGE_S / 3600:.0f} hours: open {still}, live {live}, outboxes {kept}"
        )


def simulate(seed: int, setting: Setting = Setting(), *, echo: bool = False) -> Result:
    """Runs one seed; the result names a broken promise."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(_simulate(seed, setting, echo=echo))


async def _simulate(seed: int, setting: Setting, *, echo: bool) -> Result:
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, ASYNC240  # once, before all
    folder = Path(tempfile.mkdtemp(prefix="sim-", dir=memory))
    simulation = Simulation(seed, setting, folder)
    world = simulation.world
    world.echo = _print if echo else None
    fault, counts, rows = "", Counter[str](), Counter[Row]()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(simulation.server.finish)
        stack.enter_context(virtual(world, simulation.ledger))
        stack.enter_context(_watched(simulation.ledger, rows))
        if simulation.clones:
            stack.enter_context(cloning(simulation.branch))
        try:
            counts = await simulation.run()
        except Violated as violated:
            fault = f"VIOLATED at {world.now_s - START_S:.4f}: {violated}"
            if violated.__cause__ is not None:
                fault += "\n" + "".join(traceback.format_exception(violated.__cause__)[-4:])
        for worker in simulation.workers.values():
            if worker is not None:
                worker.die()
        await world.settle(quietly=True)
    return Result(
        seed, world.digest, world.events, world.now_s - START_S, len(simulation.ledger.started), counts, rows,
        fault, list(world.lines),
    )  # fmt: skip


@contextmanager
def _watched(ledger: Ledger, rows: Counter[Row]) -> Iterator[None]:
    """Counts the rows that the engine takes, and checks its proofs of death at once."""
    mark_lost = Outcomes.mark_lost

    def checked(self: Outcomes, tx: Tx, lease: Lease, *, cause: str) -> None:
        if "no longer has" in cause:
            ledger.refuse_alive(lease)
        mark_lost(self, tx, lease, cause=cause)

    with pytest.MonkeyPatch.context() as patch:
        for module in (transitions, swarm_control):
            patch.setattr(module, "advance", partial(_noted, rows))
        patch.setattr(Outcomes, "mark_lost", checked)
        yield


def _noted(rows: Counter[Row], task_id: str, status: TaskStatus, transition: Transition) -> TaskStatus:
    after = advance(task_id, status, transition)
    rows[status, transition] += 1
    return after


def _policy(setting: Setting) -> EnginePolicy:
    pace = HeartbeatPolicy(
        heartbeat_s=setting.heartbeat_s,
        suspect_after_s=setting.suspect_after_s,
        lost_after_s=setting.lost_after_s,
        stop_after_s=stop_after_s(lost_after_s=setting.lost_after_s, suspect_after_s=setting.suspect_after_s),
        look_every_s=2.0,
    )
    return EnginePolicy(pace, Backoff(2.0, 60.0))


def _still_open(tx: ReadTx) -> list[str]:
    return sorted(
        f"{task_id} {status}" for task_id, (_, status) in tasks.states(tx).items() if status in OPEN
    )


def _print(line: str) -> Any:
    sys.stdout.write(line + "\n")
