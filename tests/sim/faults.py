"""Faults drawn from the seed: crashes, frozen processes, networks, clocks, signals and files."""

from functools import partial
from typing import TYPE_CHECKING

from sim.network import Weather
from sim.server import jumped
from sim.worker import SimWorker
from swarm_worker.worker import Worker

if TYPE_CHECKING:
    from sim.simulation import Simulation

RESTART_S = 20.0


class Faults:
    """A source of faults, from `start` to `stop`."""

    def __init__(self, simulation: "Simulation") -> None:
        self._all = simulation
        self._world = simulation.world
        self._server = simulation.server
        self._dice = self._world.dice("faults")
        # A stream of its own, so that the other faults of a seed are what they would be without it.
        self._guard_dice = self._world.dice("stopped guards")
        self._calm = False

    def start(self) -> None:
        """Schedules the first fault."""
        self._schedule()
        if self._all.setting.stopped_guards:
            self._schedule_stopped_guard()

    def stop(self) -> None:
        """Ends all faults: frozen processes go on, and dead ones start again."""
        self._world.log("peace")
        self._calm = True
        for link in self._all.links.values():
            link.weather = Weather()
            link.cut(up=False, down=False)
        self._server.slow = False
        for name, worker in self._all.workers.items():
            self._stop_file(name, there=False)
            if worker is not None:
                worker.thaw()
        self._world.at(2 * RESTART_S, self._start_server)
        for name in self._all.workers:
            self._world.at(2 * RESTART_S, partial(self._all.start_worker, name))

    def weather(self) -> Weather:
        """Draws the quality of the network for a time."""
        bad = self._dice.random() < 0.6
        return Weather(
            delay_s=self._dice.choice((0.001, 0.02, 0.5)),
            loss=self._dice.choice((0.0, 0.05, 0.3)) if bad else 0.0,
            doubled=self._dice.choice((0.0, 0.1, 0.5)) if bad else 0.0,
            late=self._dice.choice((0.0, 0.02, 0.1)) if bad else 0.0,
            late_streams=self._all.setting.late_streams,
        )

    def _schedule(self) -> None:
        every_s = self._all.setting.fault_every_s
        self._world.at(self._dice.expovariate(1 / every_s), self._fault)

    def _fault(self) -> None:
        if self._calm:
            return
        setting = self._all.setting
        faults = (
            (self._crash_server, 2), (self._freeze_server, 1), (self._slow_server, 1), (self._crash_worker, 4),
            (self._freeze_worker, 2), (self._cut, setting.cuts), (self._reset, setting.resets),
            (self._new_weather, 2), (self._wall, 1), (self._signal, 2), (self._file, 1), (self._lose_guard, 1),
        )  # fmt: skip
        self._dice.choices([fault for fault, _ in faults], [weight for _, weight in faults])[0]()
        self._schedule()

    # ── the server ──────────────────────────────────────────────────────────────────────────────

    def _crash_server(self) -> None:
        if self._server.up:
            self._server.crash()
            for link in self._all.links.values():
                link.server_gone()
            self._world.at(self._span_s(), self._start_server)

    def _start_server(self) -> None:
        if not self._server.up:
            self._server.start()

    def _freeze_server(self) -> None:
        self._server.freeze(self._span_s())

    def _slow_server(self) -> None:
        self._server.slow = not self._server.slow

    def _wall(self) -> None:
        jumped(self._server.clock, self._dice)

    # ── workers ─────────────────────────────────────────────────────────────────────────────────

    def _crash_worker(self) -> None:
        name, worker = self._any_worker()
        if worker is not None:
            worker.crash()
            self._all.workers[name] = None
            self._world.at(self._span_s(), partial(self._all.start_worker, name))

    def _freeze_worker(self) -> None:
        _, worker = self._any_worker()
        if worker is not None:
            worker.freeze()
            self._world.at(self._span_s(), worker.thaw)

    def _signal(self) -> None:
        _, worker = self._any_worker()
        if worker is not None:
            worker.order(self._dice.choice((Worker.on_sigterm, Worker.on_sigint)))

    def _file(self) -> None:
        name, _ = self._any_worker()
        self._stop_file(name, there=True)
        self._world.at(self._span_s(), partial(self._stop_file, name, there=False))

    def _stop_file(self, name: str, *, there: bool) -> None:
        self._all.machines[name].stop_file = there
        if (worker := self._all.workers[name]) is not None:
            worker.check_stop_file()

    def _lose_guard(self) -> None:
        """Kills a guard. The loss of a guard and its worker at once is not promised to do no harm."""
        name, worker = self._any_worker()
        guards = [guard for guard in self._all.machines[name].guards if guard.untouched]
        if worker is not None and not worker.frozen and guards:
            self._dice.choice(guards).lose()

    def _schedule_stopped_guard(self) -> None:
        every_s = 3 * self._all.setting.fault_every_s
        self._world.at(self._guard_dice.expovariate(1 / every_s), self._stop_guard)

    def _stop_guard(self) -> None:
        """Stops a guard. A frozen worker with a guard that stays stopped is not promised to do no harm."""
        if self._calm:
            return
        name = self._guard_dice.choice(list(self._all.workers))
        worker = self._all.workers[name]
        guards = [guard for guard in self._all.machines[name].guards if guard.untouched]
        if worker is not None and not worker.frozen and guards:
            self._guard_dice.choice(guards).stop()
        self._schedule_stopped_guard()

    def _any_worker(self) -> tuple[str, SimWorker | None]:
        name = self._dice.choice(list(self._all.workers))
        return name, self._all.workers[name]

    # ── the network ─────────────────────────────────────────────────────────────────────────────

    def _cut(self) -> None:
        names = list(self._all.links)
        some = names if self._dice.random() < 0.2 else [self._dice.choice(names)]
        up, down = self._dice.choice(((True, True), (True, False), (False, True)))
        span_s = self._span_s()
        for name in some:
            self._all.links[name].cut(up=up, down=down)
            self._world.at(span_s, partial(self._all.links[name].cut, up=False, down=False))

    def _reset(self) -> None:
        self._all.links[self._dice.choice(list(self._all.links))].break_all()

    def _new_weather(self) -> None:
        weather = self.weather()
        for link in self._all.links.values():
            link.weather = weather

    def _span_s(self) -> float:
        """Draws the length of a fault: mostly short, at times longer than any deadline."""
        longest_s = 2.5 * self._all.setting.lost_after_s
        return self._dice.choice(
            (self._dice.uniform(0, 3), self._dice.uniform(0, 40), self._dice.uniform(0, longest_s))
        )
