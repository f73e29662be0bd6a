"""500 random tasks on four real workers of two slots: every one once, in order, and how fast."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, timed

from support.ledger import Ledger
from support.plans import random_plan, write_plan
from support.programs import stage

COUNT = 500


def figures(*, seeds: tuple[int, ...] = (11, 12)) -> Iterator[Figure]:
    """One run a seed; fails if a task ran twice, not at all, or too early."""
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix="swarm-bench-"))
        try:
            yield _run(folder, seed)
        finally:
            shutil.rmtree(folder)


def _run(folder: Path, seed: int) -> Figure:
    plan, ledger = random_plan(COUNT, seed), Ledger(folder / "ledger")
    write_plan(folder / "plan.yaml", plan)
    with stage(folder) as swarm:
        swarm.swarmd()
        swarm.ctl("import", "plan.yaml")
        command = ("--runner", "command", "--no-validation", "--builder-command", str(ledger.script()))
        with timed() as timer:
            workers = [swarm.worker(f"w{n}", "--slots", "2", "--exit-when-done", *command) for n in range(4)]
            codes = [worker.process.wait(300) for worker in workers]
        assert codes == [0] * 4, codes
        assert set(swarm.statuses().values()) == {"completed"}
    ledger.judge(plan)
    return Figure(
        f"{COUNT} random tasks, seed {seed}",
        f"{timer.seconds:.1f} s, {COUNT / timer.seconds:.0f} tasks/s",
        "4 workers × 2 slots, guard and sh session each; every task once, none before its dependencies",
    )
