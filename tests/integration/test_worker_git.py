"""The worker's own git runs under a guard: nothing that a repository makes git start outlives or escapes it."""

import os
import subprocess
from pathlib import Path

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of
from support.programs import alive

pytestmark = pytest.mark.slow

PASS = """cat > "$SWARM_PROJECT_ROOT/../prompt"\necho '{"verdict": "PASS"}'\n"""


def _repository(project: Path) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
    for args in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "--allow-empty", "-m", "start")):
        subprocess.run(("git", *args), cwd=project, check=True, capture_output=True)


async def _completed(fake: FakeSwarm, worker: WorkerProcess) -> None:
    outcome = await outcome_of(fake, worker, claim("t1"))
    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED


async def test_a_daemon_that_git_leaves_is_killed(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _repository(worker.project)
    pids = tmp_path / "pids"
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(
        f"#!/bin/sh\nsetsid sleep 600 > /dev/null 2>&1 &\necho $! >> '{pids}'\necho no >&2\nexit 1\n"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    worker.start(builder=worker.script("b.sh", "echo built"), validator=worker.script("v.sh", PASS))

    await _completed(fake, worker)

    left = [int(pid) for pid in pids.read_text().split()]
    assert left
    assert not any(alive(pid) for pid in left)


async def test_a_builder_can_not_run_a_program_through_the_worker_s_git(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    (worker.project / "tracked").write_text("one\n")
    _repository(worker.project)
    proof = tmp_path / "escaped"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nps -o ppid= $$ > '{proof}'\ncat\n")
    program.chmod(0o755)
    escape = (
        f"git config filter.x.clean '{program}'\ngit config filter.x.process '{program}'\n"
        f"git config core.fsmonitor '{program}'\ngit config diff.external '{program}'\n"
        "echo '* filter=x diff=x' > .git/info/attributes\necho two > tracked\necho built\n"
    )
    programs = {"builder": worker.script("b.sh", escape), "validator": worker.script("v.sh", PASS)}
    worker.start("--workspace", "shared", **programs)

    await _completed(fake, worker)

    assert not proof.exists()
    assert "tracked | +1 -1" in (worker.project.parent / "prompt").read_text()
