"""Sandboxed attempts with limits: a real worker, bubblewrap and control groups, in front of a fake server."""

import os
import sys
from pathlib import Path

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of, write_script
from support.git_repositories import COMMIT, new_repository, show
from swarm_worker.domain.sandbox import Resource
from swarm_worker.sandbox.abilities import probe_bubblewrap
from swarm_worker.supervision.limit_groups import find_limit_groups

pytestmark = pytest.mark.slow

BWRAP = task_pb2.SANDBOX_KIND_BWRAP
FAULT = probe_bubblewrap(Path("/nowhere"), os.environ).fault
needs_bwrap = pytest.mark.skipif(bool(FAULT), reason=f"no sandbox here: {FAULT}")


@needs_bwrap
async def test_builder_setup_and_checks_run_in_the_sandbox_and_the_work_lands(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    build = write_script(
        tmp_path,
        "build",
        f"hostname > built && ls {tmp_path} >> built 2>&1\ngit add built && {COMMIT} -m one\ntouch ~/only-mine",
    )
    worker.start("--workspace", "clone", builder=build)
    checks = ["test $(hostname) = sandbox", "test ! -e ~/only-mine", "grep -q set-up set-up.txt"]
    task = claim("t1", sandbox=BWRAP, checks=checks, setup=["hostname | sed s/sandbox/set-up/ > set-up.txt"])

    outcome = await outcome_of(fake, worker, task)

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    seen = show(worker.project, "swarm/main", "built").splitlines()
    assert seen[0] == "sandbox"
    # The script itself is shown, since the operator's command names it, and the folders of what is mounted.
    assert set(seen[1:]) == {"build", "project", "state", "state-clones"}
    assert list((worker.state / "w1" / "sessions").iterdir()) == []
    assert BWRAP in fake.registered[0].enforcement.sandboxes


@needs_bwrap
async def test_a_session_without_a_network_reaches_no_port_of_the_machine(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    build = write_script(tmp_path, "build", "test $(tail -n +3 /proc/net/dev | wc -l) = 1\n")
    worker.start("--sandbox", "bwrap", builder=build)

    outcome = await outcome_of(fake, worker, claim("t1", network=task_pb2.NETWORK_ACCESS_NONE))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert fake.registered[0].enforcement.sandboxes == [BWRAP]


async def test_a_session_over_its_limit_ends_with_its_name_and_the_next_one_is_not_harmed(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    if Resource.MEMORY not in find_limit_groups().parents:
        pytest.skip("no limit of memory here")
    hungry = "kept = []\nwhile True: kept.append(bytearray(8 << 20))"
    build = write_script(
        tmp_path, "build", f'[ "$SWARM_TASK_ID" = t2 ] || exec {sys.executable} -I -S -c "{hungry}"\n'
    )
    worker.start("--slots", "2", builder=build)
    greedy = claim("t1", limits=task_pb2.ResourceLimits(memory_bytes=64 * 1024**2))

    outcome = await outcome_of(fake, worker, greedy)
    other = await outcome_of(fake, worker, claim("t2", limits=greedy.task.limits))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_RESOURCE_EXHAUSTED
    assert outcome.error == "the builder reached its limit of memory (64M)"
    assert other.kind == task_pb2.OUTCOME_KIND_COMPLETED, other
    assert fake.registered[0].enforcement.limits.memory_bytes > 64 * 1024**2


async def test_a_worker_that_can_t_make_the_sandbox_does_not_start(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    worker.start("--sandbox", "bwrap", builder="/bin/true")

    assert await worker.exit_code() == 2
    assert "--sandbox bwrap is refused here: bwrap is not on PATH; install bubblewrap" in worker.err


@needs_bwrap
async def test_check_names_what_can_be_enforced(worker: WorkerProcess) -> None:
    worker.start("--check", "--sandbox", "bwrap", builder="/bin/true")

    assert await worker.exit_code() == 0, worker.err
    lines = worker.out.splitlines()
    assert "ok    sandbox: bubblewrap makes one for every session, with and without a network" in lines
    assert [line for line in lines if line.startswith("ok    limits: ")]


@needs_bwrap
async def test_check_fails_if_the_program_is_not_in_the_sandbox(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    program = tmp_path / "agents" / "agent"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    (worker.project / "agent").symlink_to(program)
    worker.start("--check", "--sandbox", "bwrap", builder="./agent")

    assert await worker.exit_code() == 1
    assert "the builder can't be started in it: ./agent is not there" in worker.out
