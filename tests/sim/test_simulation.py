"""Whole swarms from seeds: no promise breaks, the same seed tells the same story, and a broken engine is noticed.

`PYTHONPATH=tests python -m sim.run --seed N --verbose` replays one.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sim.mutants import HARSH, MUTANTS, TRIES
from sim.simulation import simulate

CHUNKS = 20
SEEDS_PER_CHUNK = 10
# What a chunk of seeds must have come through, or it has proven nothing.
MET = {
    "result_archived", "server_started", "session_started", "swarm_paused", "swarm_resumed", "swarm_stopped",
    "task_blocked", "task_completed", "task_failed", "task_killed", "task_killing", "task_released",
    "task_reopened", "task_retrying", "task_skipped", "worker_draining", "worker_lost", "worker_suspect",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_promise_is_kept_under_faults(chunk: int) -> None:
    counts = Counter[str]()
    for seed in range(chunk * SEEDS_PER_CHUNK, (chunk + 1) * SEEDS_PER_CHUNK):
        result = simulate(seed)
        assert not result.fault, str(result)
        counts.update(result.counts)

    assert not MET - counts.keys(), f"seeds that never saw {MET - counts.keys()}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 10_007])
def test_the_same_seed_makes_the_same_log(seed: int) -> None:
    assert simulate(seed).digest == simulate(seed).digest


@pytest.mark.slow
def test_the_same_seed_makes_the_same_log_in_another_process() -> None:
    def digest(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        argv = [sys.executable, "-m", "sim.run", "--seed", "5"]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.splitlines()[
            0
        ]

    assert digest("1") == digest("2") == str(simulate(5))


def test_other_seeds_make_other_logs() -> None:
    assert len({simulate(seed).digest for seed in (1, 2)}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_an_engine_without_the_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)

    for seed in range(TRIES):
        result = simulate(seed, HARSH)
        if result.fault:
            print(f"{name}: {result}")  # noqa: T201  # the trace
            return

    pytest.fail(f"the mutant {name} survives {TRIES} seeds")
