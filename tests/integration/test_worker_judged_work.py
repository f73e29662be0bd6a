"""A real worker whose validators write: what they change is reported, and a PASS for it counts for nothing."""

import subprocess
from pathlib import Path

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim
from support.standin_swarm import StandinSwarm

pytestmark = pytest.mark.slow

PASS = """echo '{"verdict": "PASS", "summary": "fine"}'"""
BUILDS = "echo built > a.py; echo x > b.py"


async def _outcome(
    worker: WorkerProcess, fake: FakeSwarm, validator: str, *, checks: tuple[str, ...] = ()
) -> task_pb2.Outcome:
    worker.start(
        builder=worker.script("builder.sh", BUILDS), validator=worker.script("validator.sh", validator)
    )
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1", files=["a.py", "b.py", "out/"], checks=checks)])
    await worker.until(lambda: "t1" in fake.outcomes, what="an outcome")
    return fake.outcomes["t1"]


def _validators(fake: FakeSwarm) -> list[str]:
    return [start.session_id for start in fake.starts if "validator" in start.session_id]


def _log(fake: FakeSwarm, session: str) -> str:
    return "\n".join(entry.text for entry in fake.entries[session])


def _make_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


async def test_work_that_its_validator_changed_is_checked_and_judged_again(
    worker: WorkerProcess, fake: FakeSwarm
) -> None:
    mends = f"grep -q mended a.py || echo mended >> a.py; {PASS}"

    outcome = await _outcome(worker, fake, mends, checks=("echo run >> .checks",))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert _validators(fake) == ["t1-a1-validator-1", "t1-a1-validator2-1"]
    assert outcome.verdict.summary.startswith("fine (files of the task changed while a validator ran")
    assert "a.py; the work was judged again" in outcome.verdict.summary
    assert "files of the task changed while the validator ran" in _log(fake, "t1-a1-validator-1")
    assert "changed while the validator" not in _log(fake, "t1-a1-validator2-1")
    assert _lines(worker.project / ".checks") == 2
    assert len(outcome.checks) == 1


@pytest.mark.parametrize("write", ["echo more >> a.py", "rm -f b.py; date +%s%N > a.py"])
async def test_a_validator_that_changes_the_work_each_time_approves_nothing(
    worker: WorkerProcess, fake: FakeSwarm, write: str
) -> None:
    outcome = await _outcome(worker, fake, f"{write}; {PASS}")

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == task_pb2.FAILURE_CLASS_NO_VERDICT
    assert "in 3 runs, files that it judged changed" in outcome.error
    assert "a.py" in outcome.error
    assert not outcome.HasField("verdict")
    assert len(_validators(fake)) == 3


async def test_a_change_that_breaks_a_check_is_a_failed_check(worker: WorkerProcess, fake: FakeSwarm) -> None:
    outcome = await _outcome(worker, fake, f"echo broken > a.py; {PASS}", checks=("grep -q built a.py",))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert "files of the task changed while a validator ran" in outcome.error
    assert [check.exit_code for check in outcome.checks] == [1]


async def test_a_rejection_says_what_its_validator_changed(worker: WorkerProcess, fake: FakeSwarm) -> None:
    outcome = await _outcome(worker, fake, """echo x >> a.py; echo '{"verdict": "FAIL", "summary": "bad"}'""")

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert "bad; files of the task changed while a validator ran" in outcome.error
    assert len(_validators(fake)) == 1


async def test_what_the_checks_write_too_and_what_is_rewritten_alike_is_no_change(
    worker: WorkerProcess, fake: FakeSwarm
) -> None:
    writes = "date +%s%N > a.py; cat b.py > c && cat c > b.py; mkdir -p out; date > out/report"

    outcome = await _outcome(worker, fake, f"{writes}; {PASS}", checks=("date +%s%N > a.py",))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert outcome.verdict.summary == "fine"
    assert len(_validators(fake)) == 1


async def test_other_files_are_named_in_the_log_and_change_no_verdict(
    worker: WorkerProcess, fake: FakeSwarm
) -> None:
    _make_repository(worker.project)

    outcome = await _outcome(worker, fake, f"echo x > report.xml; {PASS}")

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert outcome.verdict.summary == "fine"
    assert "other files changed while the validator ran" in _log(fake, "t1-a1-validator-1")
    assert "report.xml" in _log(fake, "t1-a1-validator-1")


async def test_a_validator_of_amplifier_that_writes_is_noticed(swarm: StandinSwarm) -> None:
    write = task_pb2.RehearsalCall(
        tool="write_file", arguments={"path": "a.py", "content": "by the validator"}
    )
    script = task_pb2.RehearsalScript(calls=[write], reply='{"verdict": "PASS"}')
    swarm.start("amplifier")

    outcome = await swarm.outcome(
        claim("t1", files=["a.py"], rehearsal=task_pb2.Rehearsal(validator=[script]))
    )

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.sessions == ["t1-a1-builder-1", "t1-a1-validator-1", "t1-a1-validator2-1"]
    assert "a.py" in outcome.verdict.summary
