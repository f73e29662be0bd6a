"""Attempts that land the accepted work of an earlier one: a real worker and real repositories, and a fake server."""

import signal
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of, stop
from support.git_repositories import git, log, new_repository, show

pytestmark = pytest.mark.slow


async def _drafted(
    fake: FakeSwarm, worker: WorkerProcess, *flags: str, build: str = "echo one > mine"
) -> wire.KeptWork:
    """Lets a builder do work that is kept and does not land; returns that work."""
    new_repository(worker.project)
    worker.start("--workspace", "clone", *flags, builder=worker.script("../build", build))
    outcome = await outcome_of(fake, worker, claim("draft", land=False))
    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert log(worker.project, "swarm/main") == ["first"]
    change, session = outcome.change, fake.starts[-1].session_id
    return wire.KeptWork(attempt=1, base=change.base, head=change.head, ref=change.ref, session_id=session)


def _landing(work: wire.KeptWork, **fields: Any) -> wire.Claim:
    """Returns the claim of an attempt that lands the work."""
    return claim(
        "landing",
        **{"task_id": "draft", "attempt": 2, "land": True, "first_base": work.base, **fields},
        starts_at=task_pb2.START_POINT_LANDING,
        work=work,
    )


def _commit_on_target(worker: WorkerProcess, name: str, text: str) -> None:
    git(worker.project, "checkout", "-q", "swarm/main")
    (worker.project / name).write_text(text, encoding="utf-8")
    git(worker.project, "add", name)
    git(worker.project, "commit", "-q", "-m", "theirs")
    git(worker.project, "checkout", "-q", "main")


def _clones(worker: WorkerProcess) -> list[Path]:
    return list(worker.state.parent.glob("**/clone.json"))


async def test_kept_work_lands_without_a_session(fake: FakeSwarm, worker: WorkerProcess) -> None:
    work = await _drafted(fake, worker)

    outcome = await outcome_of(fake, worker, _landing(work, name="Draft it", creation="0123456789abcdef"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert outcome.landing.commit == git(worker.project, "rev-parse", "swarm/main")
    assert not outcome.HasField("change"), "what changed is the work of the earlier attempt"
    assert len(fake.starts) == 1, "the builder's session is the only one"
    assert fake.calls["LandTask"] == 1
    assert git(worker.project, "log", "-1", "--format=%B", "swarm/main").splitlines() == [
        "Draft it", "", "Swarm-Task: draft", "Swarm-Attempt: 1", f"Swarm-Session: {work.session_id}",
        "Swarm-Id: 0123456789ab", "Swarm-Creation: 0123456789abcdef",
    ]  # fmt: skip
    assert task_pb2.START_POINT_LANDING in fake.registered[0].starts
    assert git(worker.project, "for-each-ref", "--format=%(refname)", "refs/swarm/draft") == work.ref
    assert not [clone for clone in _clones(worker) if "landing" in clone.read_text(encoding="utf-8")]
    assert "landed on swarm/main" in worker.err


async def test_kept_work_is_checked_in_its_clone_even_if_nothing_else_has_landed(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    work = await _drafted(fake, worker)
    seen = tmp_path / "seen"
    checks = [f"cat mine prepared >> {seen}"]

    outcome = await outcome_of(
        fake,
        worker,
        _landing(work, setup=["echo ready > prepared"], checks=checks, landing_checks=["test -f mine"]),
    )

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert seen.read_text(encoding="utf-8") == "one\nready\n"
    assert show(worker.project, "swarm/main", "mine") == "one"


async def test_kept_work_is_combined_with_what_has_landed_meanwhile(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    work = await _drafted(fake, worker)
    _commit_on_target(worker, "theirs", "two\n")

    outcome = await outcome_of(fake, worker, _landing(work, checks=["test -f mine && test -f theirs"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert log(worker.project, "swarm/main") == ["draft", "theirs", "first"]


async def test_a_conflict_has_its_files_as_findings_and_keeps_the_work(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    work = await _drafted(fake, worker)
    _commit_on_target(worker, "mine", "theirs\n")

    outcome = await outcome_of(fake, worker, _landing(work))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_LANDING_CONFLICT
    assert [finding.file for finding in outcome.verdict.findings] == ["mine"]
    assert not outcome.verdict.passed
    assert git(worker.project, "for-each-ref", "--format=%(objectname)", "refs/swarm/draft") == work.head
    reconciled = await outcome_of(
        fake,
        worker,
        claim(
            "again", task_id="draft", attempt=3, land=True, first_base=work.base, previous_head=work.head,
            previous_failure=task_pb2.FAILURE_CLASS_LANDING_CONFLICT,
        ),
    )  # fmt: skip
    assert reconciled.kind == task_pb2.OUTCOME_KIND_COMPLETED, reconciled
    assert show(worker.project, "swarm/main", "mine") == "one"


async def test_a_red_check_on_the_combination_does_not_land(fake: FakeSwarm, worker: WorkerProcess) -> None:
    work = await _drafted(fake, worker)

    outcome = await outcome_of(fake, worker, _landing(work, landing_checks=["echo no good; exit 3"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_LANDING_FAILED
    assert "no good" in outcome.verdict.findings[0].issue
    assert log(worker.project, "swarm/main") == ["first"]


async def test_a_landing_that_nobody_heard_of_is_found(fake: FakeSwarm, worker: WorkerProcess) -> None:
    work = await _drafted(fake, worker)
    first = await outcome_of(fake, worker, _landing(work))
    again = _landing(work, attempt=3)
    again.lease_id = "again"

    outcome = await outcome_of(fake, worker, again)

    assert (outcome.landing.commit, outcome.landing.found) == (first.landing.commit, True)
    assert fake.calls["LandTask"] == 1, "it asks for no right"


async def test_work_whose_ref_is_gone_is_reported_as_missing(fake: FakeSwarm, worker: WorkerProcess) -> None:
    work = await _drafted(fake, worker)
    gone = wire.KeptWork(attempt=1, base=work.base, head="1" * 40, ref=work.ref)

    outcome = await outcome_of(fake, worker, _landing(gone))

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == task_pb2.FAILURE_CLASS_WORK_MISSING
    assert outcome.error.startswith(f"the work of attempt 1, {work.ref} at {'1' * 12}, is not in ")
    assert fake.calls["LandTask"] == 0


async def test_an_order_ends_a_landing_and_its_checks(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    work = await _drafted(fake, worker)
    began = tmp_path / "began"
    sent = _landing(work, checks=[f"touch {began}; exec tail -f /dev/null"])
    fake.send(claims=[sent])
    await worker.until(began.exists, what="the check runs")

    fake.orders.append(stop(sent.lease_id))
    await worker.until(lambda: sent.lease_id in fake.outcomes, what="an outcome")

    outcome = fake.outcomes[sent.lease_id]
    assert outcome.kind == task_pb2.OUTCOME_KIND_STOPPED
    assert outcome.kill_receipt.survivors == 0
    assert log(worker.project, "swarm/main") == ["first"]


async def test_a_worker_that_was_killed_in_a_landing_leaves_no_clone_and_no_ref(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    work = await _drafted(fake, worker)
    _commit_on_target(worker, "theirs", "two\n")
    began = tmp_path / "began"
    fake.send(claims=[_landing(work, checks=[f"touch {began}; exec tail -f /dev/null"])])
    await worker.until(began.exists, what="the check runs")

    worker.signal(signal.SIGKILL)
    await worker.exit_code()
    fake.registered.clear()
    worker.start("--workspace", "clone")
    await worker.until(lambda: fake.registered, what="it registers")

    assert not _clones(worker)
    assert git(worker.project, "for-each-ref", "--format=%(refname)", "refs/swarm/draft") == work.ref
