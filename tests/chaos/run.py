"""Chaos runs: `PYTHONPATH=tests python -m chaos.run --seed N` repeats a run and prints its timeline."""

import argparse
import heapq
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos import audit
from chaos.arena import Arena, Stalls, arena
from chaos.audit import Harm, Record
from chaos.nemesis import OF_SERVER, Fault, Step, draw
from chaos.sessions import ChaosLedger, Trait, draw_plan, draw_traits, expected
from support.plans import write_plan
from support.programs import alive
from support.waiting import until

WORKERS: Final = 8
TASKS: Final = 60
# After a fault a worker reconnects within its backoff; its leases expire 5 s after it fell silent.
AFTERMATH_S: Final = 12.0
END_S: Final = 60.0
# A healthy swarm starts a session within this time, or has ended.
QUIET_S: Final = 20.0
OVER: Final = frozenset({"completed", "failed", "skipped", "killed"})
_LAST_CHANCE_S: Final = 6.0

Say = Callable[[str], None]


@dataclass
class Report:
    """The result of a run."""

    seed: int
    record: Record
    faults: list[str]
    steps: Sequence[Step]
    seconds: float
    late_results: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """Returns the figures on one line."""
        attempts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items()))
        return (
            f"seed {self.seed}: {len(self.record.statuses)} tasks, {len(self.record.attempts)} attempts"
            f" ({attempts}), {self.late_results} late results archived, {len(self.steps)} faults,"
            f" {len(self.faults)} violations, {self.seconds:.0f} s"
        )


def play(
    folder: Path,
    seed: int,
    *,
    say: Say = lambda _: None,
    tasks: int = TASKS,
    workers: int = WORKERS,
    calm: bool = False,
) -> Report:
    """Runs the plan of the seed under the faults of the seed, or under none, and audits the end."""
    began_s = time.monotonic()
    rng = random.Random(seed)
    plan = draw_plan(tasks, seed, rng)
    traits = draw_traits(plan, rng)
    goal = expected(plan, traits)
    ledger = ChaosLedger(folder / "ledger")
    steps = [] if calm else draw(seed, workers=workers)
    with Stalls() as stalls, arena(folder, ledger.stage_traits(traits), seed=seed) as found:
        # Failures by the task's own fault end it at once; what is retried are losses.
        write_plan(folder / "plan.yaml", plan, max_retries=0)
        found.stage.ctl("import", "plan.yaml")
        found.enlist(workers)
        until(lambda: len(ledger.began()) >= workers // 2, "the run is under way", deadline_s=END_S)
        harms = _Timeline(found, ledger, traits, steps, say).run()
        _settle(found, ledger, goal)
        _end(found, ledger)
    record = audit.read(found.stage.state / "swarm.db")
    harms += [Harm(from_s - 1.0, to_s + AFTERMATH_S, None) for from_s, to_s in stalls]
    report = Report(
        seed=seed,
        record=record,
        faults=list(audit.faults(record, ledger, plan, goal, harms)),
        steps=steps,
        seconds=time.monotonic() - began_s,
        late_results=sum(attempt.late_results for attempt in record.attempts),
        counts=Counter(attempt.outcome for attempt in record.attempts),
    )
    say(report.summary())
    return report


class _Timeline:
    """The steps, applied and healed at their times."""

    def __init__(
        self, found: Arena, ledger: ChaosLedger, traits: Mapping[str, Trait], steps: Sequence[Step], say: Say
    ) -> None:
        self._arena = found
        self._traits = traits
        self._ledger = ledger
        self._steps = steps
        self._say = say
        self._began_s = time.monotonic()

    def run(self) -> list[Harm]:
        """Runs all steps; returns the times of all faults."""
        # Actions by time: the end of a step before the start of the next one.
        plan: list[tuple[float, int, bool, Step]] = [
            (step.at_s, number, True, step) for number, step in enumerate(self._steps)
        ]
        heapq.heapify(plan)
        harms, since = [], {}
        while plan:
            at_s, number, begins, step = heapq.heappop(plan)
            self._wait_until(at_s)
            if begins:
                self._spare_last_chances(step)
                since[number] = time.time()
                self._log("begins", step)
                self._arena.apply(step)
                heapq.heappush(plan, (self._now_s() + step.for_s, number, False, step))
            else:
                self._log("ends", step)
                self._arena.heal(step)
                workers = None if step.fault in OF_SERVER else frozenset(f"w{n}" for n in step.workers)
                harms.append(Harm(since[number], time.time() + AFTERMATH_S, workers))
        return harms

    def _spare_last_chances(self, step: Step) -> None:
        """Waits until the fault hits no session whose task was lost twice: a third loss would fail the task."""
        hit = {f"w{n}" for n in step.workers} if step.workers else None
        end_s = time.monotonic() + _LAST_CHANCE_S
        while time.monotonic() < end_s:
            at_risk = self._ledger.last_chances(self._traits)
            if not (at_risk if hit is None else at_risk & hit) or step.fault is Fault.RESET:
                return
            time.sleep(0.05)

    def _wait_until(self, at_s: float) -> None:
        while (left_s := at_s - self._now_s()) > 0:
            time.sleep(min(left_s, 0.2))

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    def _log(self, what: str, step: Step) -> None:
        done = len(self._ledger.ended())
        self._say(f"{self._now_s():6.2f} s  {what:6}  {step.describe()}  [{done} sessions done]")


def _settle(found: Arena, ledger: ChaosLedger, goal: dict[str, str]) -> None:
    """Waits until everything has ended, or until nothing changes; the audit distinguishes the two."""
    done = {task for task, status in goal.items() if status == "completed"}
    seen, seen_s = -1, time.monotonic()
    while time.monotonic() - seen_s < QUIET_S:
        if {task for task, _ in ledger.ended()} >= done and set(found.stage.statuses().values()) <= OVER:
            return
        if seen != (seen := len(ledger.lines())):
            seen_s = time.monotonic()
        time.sleep(0.2)


def _end(found: Arena, ledger: ChaosLedger) -> None:
    """Ends the programs one by one as an operator would, and checks that no process is left."""
    count = range(len(found.workers))
    until(lambda: not any(found.outbox(n) for n in count), "every outcome is delivered", deadline_s=END_S)
    for worker in found.workers:
        worker.send(signal.SIGTERM)
    codes = [worker.process.wait(60) for worker in found.workers]
    assert codes == [0] * len(found.workers), f"the workers left with {codes}"
    assert found.server.end() == 0, found.server.said()
    left = [pid for pid in ledger.processes() if alive(pid)]
    assert left == [], f"processes are left: {left}"
    for program in found.stage.programs:
        assert "Traceback" not in program.said(), program.said()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs seeds and prints their timelines; returns 1 if one has a violation."""
    parser = argparse.ArgumentParser(prog="chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds from there on")
    parser.add_argument("--calm", action="store_true", help="without any fault")
    given = parser.parse_args(argv)
    # No program may outlive a run that is interrupted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reports = []
    for seed in range(given.seed, given.seed + given.count):
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        report = play(folder, seed, say=show, calm=given.calm)
        for fault in report.faults:
            show(f"  VIOLATION {fault}; see {folder}")
        if not report.faults:
            shutil.rmtree(folder)
        reports.append(report)
    show(_figures(reports))
    return 1 if any(report.faults for report in reports) else 0


def _figures(reports: Sequence[Report]) -> str:
    """Returns the figures of all runs on one line."""
    counts = sum((report.counts for report in reports), Counter[str]())
    attempts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))
    tasks = sum(len(report.record.statuses) for report in reports)
    faults = sum(len(report.steps) for report in reports)
    late = sum(report.late_results for report in reports)
    violations = sum(len(report.faults) for report in reports)
    return (
        f"{len(reports)} nights, {faults:,} faults; {tasks:,} tasks, {counts.total():,} attempts ({attempts}),"
        f" {late:,} late results archived; {violations} violations"
    )


def show(line: str) -> None:
    """Prints a line and flushes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
