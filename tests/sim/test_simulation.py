"""Whole swarms from seeds: no promise breaks, the same seed gives the same run, and a missing rule is noticed.

`PYTHONPATH=tests python -m sim.run --seed N --verbose` replays one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.mutants import FORGETTING, FUNDED, MUTANTS, Patch, noticed
from sim.run import Total
from sim.simulation import simulate

# Two tests, so that two processes share the work; `make soak` takes more seeds.
CHUNKS = (range(50), range(100, 200))
# Events that a chunk of seeds must contain, or it has proven nothing.
MET = {
    "expiry_paused", "result_accepted", "result_archived", "runner_paused", "server_started",
    "swarm_paused", "swarm_resumed", "swarm_stopped", "task_landing", "worker_draining", "worker_lost",
    "worker_suspect",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", CHUNKS, ids=str)
def test_every_promise_is_kept_under_faults_and_every_row_of_the_table_is_taken(seeds: range) -> None:
    total = Total()
    for seed in seeds:
        result = simulate(seed)
        assert not result.fault, str(result)
        total.add(result)

    assert not MET - total.counts.keys(), "the seeds came through too little"
    # The rarest rows are not in every hundred seeds; those of the last hundred take all.
    assert seeds != CHUNKS[-1] or not total.untaken, "the seeds took too few rows"
    print(total)  # noqa: T201  # the figures


@pytest.mark.slow
def test_workers_that_are_gone_are_forgotten_and_no_task_runs_twice() -> None:
    total = Total()
    forgotten = 0
    for seed in range(10):
        result = simulate(seed, FORGETTING)
        assert not result.fault, str(result)
        total.add(result)
        forgotten += sum("operator: forget" in line and "done" in line for line in result.lines)

    assert forgotten or total.counts["worker_lost"], "nothing was forgotten"
    print(total)  # noqa: T201  # the figures


@pytest.mark.slow
def test_a_budget_that_tasks_share_is_never_overrun_together() -> None:
    total = Total()
    for seed in range(8):
        result = simulate(seed, FUNDED)
        assert not result.fault, str(result)
        total.add(result)

    assert {"budget_reached", "budget_raised", "task_unheld"} <= total.counts.keys(), "no budget was reached"
    print(total)  # noqa: T201  # the figures


@pytest.mark.slow
def test_the_same_seed_makes_the_same_log_in_any_process() -> None:
    def logs(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        argv = [sys.executable, "-m", "sim.run", "--seed", "3", "--seeds", "3", "--each"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        return "\n".join(line for line in done.stdout.splitlines() if line.startswith("seed "))

    own = "\n".join(str(simulate(seed)) for seed in (3, 4, 5))

    assert logs("1") == logs("2") == own
    assert len({line.rpartition(" ")[2] for line in own.splitlines()}) == 3, "each seed has its own"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_swarm_without_the_rule_is_noticed(mutant: Patch) -> None:
    result = noticed(mutant)

    assert result is not None, f"{mutant.__doc__} Nobody notices"
    print(result)  # noqa: T201  # the trace
