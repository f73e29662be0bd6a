"""A real worker whose sessions fail before they reach a model: the set-up is blamed, or the task."""

import shlex

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import claim, stop
from support.standin_swarm import StandinSwarm

pytestmark = pytest.mark.slow

AGENT, CLI = "amplifier-agent", "amplifier"
BAD_CONFIG = task_pb2.FAILURE_CLASS_BAD_CONFIG
AGENT_ERROR = task_pb2.FAILURE_CLASS_AGENT_ERROR
both = pytest.mark.parametrize("runner", [AGENT, CLI])
# What a program prints whose option was renamed by an update.
RENAMED = "echo 'Error: No such option: --output' >&2; exit 2"
# A program that dies at once, as after an update that broke it.
DIES = "echo \"ModuleNotFoundError: No module named 'rich'\" >&2; exit 1"


def _replace(swarm: StandinSwarm, runner: str, body: str, *, trials_work: bool = False) -> None:
    """Replaces the program; with `trials_work`, only for sessions that are not trials."""
    program = swarm.folder / "bin" / runner
    kept = program.with_name(f"real-{runner}")
    if not kept.exists():
        program.rename(kept)
    passes = f'case $SWARM_SESSION_ID in *-trial-*) exec {shlex.quote(str(kept))} "$@" ;; esac\n'
    program.write_text(f"#!/bin/sh\n{passes if trials_work else ''}{body}\n")
    program.chmod(0o755)


async def _started(swarm: StandinSwarm, runner: str) -> None:
    swarm.start(runner)
    await swarm.worker.until(lambda: swarm.fake.registered, what="it registers")


@both
async def test_a_provider_that_is_missing_pauses_the_runner_and_costs_the_task_nothing(
    swarm: StandinSwarm, runner: str
) -> None:
    swarm.faults(builder=("lie",), trial=("lie",))
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.failure_class == BAD_CONFIG
    assert "No providers available" in outcome.error
    assert "swarmctl resume" in outcome.error
    assert swarm.sessions == ["t1-a1-builder-1"]
    assert [record.session_id for record in swarm.fake.ends] == swarm.sessions


@both
@pytest.mark.parametrize("body", [RENAMED, DIES])
async def test_a_program_that_an_update_broke_pauses_the_runner(
    swarm: StandinSwarm, runner: str, body: str
) -> None:
    await _started(swarm, runner)
    _replace(swarm, runner, body)

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.failure_class == BAD_CONFIG
    assert ("No such option" if body == RENAMED else "No module named") in outcome.error


@both
async def test_a_task_that_ends_its_own_agent_pauses_nobody(swarm: StandinSwarm, runner: str) -> None:
    await _started(swarm, runner)
    for lease, body in (("t1", RENAMED), ("t2", DIES)):
        _replace(swarm, runner, body, trials_work=True)

        outcome = await swarm.outcome(claim(lease, files=["a.py"]))

        assert outcome.failure_class == AGENT_ERROR
    assert "a.py" not in swarm.files
    assert swarm.recorded() == swarm.used() != (0, 0), "what the trials used is counted"


@both
async def test_a_program_that_is_gone_pauses_the_runner(swarm: StandinSwarm, runner: str) -> None:
    await _started(swarm, runner)
    (swarm.folder / "bin" / runner).unlink()

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.failure_class == BAD_CONFIG
    assert "swarmctl resume" in outcome.error


@both
async def test_a_refusal_that_the_trial_meets_is_the_cause(swarm: StandinSwarm, runner: str) -> None:
    swarm.faults(builder=("lie",), trial=("auth",))
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_PROVIDER_DENIED


async def test_an_order_ends_a_trial_and_what_it_started(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("lie",), trial=("silent",))
    await _started(swarm, AGENT)
    swarm.fake.send(claims=[claim("t1")])
    trials = ("trial",)
    await swarm.worker.until(
        lambda: [note for note in swarm.ledger if note.get("role") in trials], what="the trial starts"
    )

    swarm.fake.send(orders=[stop("t1")])
    await swarm.worker.until(lambda: "t1" in swarm.fake.outcomes, what="an outcome")

    receipt = swarm.fake.outcomes["t1"].kill_receipt
    assert receipt.processes_found > 0
    assert receipt.survivors == 0
