"""500 random tasks on four real workers of two slots: every one once, in order, and how fast."""

from collections.abc import Iterator
from pathlib import Path

from measure import Finding, Setting, timed
from programs import folder

from support.ledger import Ledger
from support.plans import random_plan, write_plan
from support.programs import stage

COUNT = 500


def findings(setting: Setting) -> Iterator[Finding]:
    """Makes one run for each seed; fails if a task ran twice, not at all, or too early."""
    per_s = []
    for seed in range(11, 11 + setting.pairs):
        with folder() as where:
            per_s.append(_per_s(where, seed))
    yield Finding("random", f"{COUNT} random tasks, 4 workers × 2 slots, sh sessions", per_s, unit=" tasks/s")


def _per_s(where: Path, seed: int) -> float:
    plan, ledger = random_plan(COUNT, seed), Ledger(where / "ledger")
    write_plan(where / "plan.yaml", plan)
    with stage(where) as swarm:
        swarm.swarmd()
        swarm.ctl("import", "plan.yaml")
        command = ("--runner", "command", "--no-validation", "--builder-command", str(ledger.script()))
        with timed() as timer:
            workers = [swarm.worker(f"w{n}", "--slots", "2", "--exit-when-done", *command) for n in range(4)]
            codes = [worker.process.wait(300) for worker in workers]
        assert codes == [0] * 4, codes
        assert set(swarm.statuses().values()) == {"completed"}
    ledger.judge(plan)
    return COUNT / timer.seconds
