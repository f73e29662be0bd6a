"""Attempts that judge the work of an earlier one: a real worker and real repositories, and a fake server."""

from typing import Any

import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of
from support.git_repositories import git, new_repository, show

COMPLETED, FAILED = task_pb2.OUTCOME_KIND_COMPLETED, task_pb2.OUTCOME_KIND_FAILED
SAYS = """#!/bin/sh
cat "$SWARM_PROMPT_FILE" > "$SEEN"
echo '{"verdict": "VERDICT", "findings": FOUND, "summary": "looked at it"}'
"""


def _validator(worker: WorkerProcess, verdict: str, found: str = "[]") -> str:
    text = SAYS.replace("VERDICT", verdict).replace("FOUND", found)
    return worker.script("../judge", text.replace("$SEEN", str(worker.project.parent / "seen")))


async def _drafted(fake: FakeSwarm, worker: WorkerProcess, validator: str) -> wire.KeptWork:
    """Lets a builder do work that a red check rejects; returns that work."""
    new_repository(worker.project)
    build = worker.script("../build", "echo one > mine")
    worker.start("--workspace", "clone", builder=build, validator=validator)
    outcome = await outcome_of(fake, worker, claim("draft", checks=["test -e never"]))
    assert outcome.kind == FAILED, outcome
    change = outcome.change
    return wire.KeptWork(attempt=1, base=change.base, head=change.head, ref=change.ref)


def _again(work: wire.KeptWork, start: "task_pb2.StartPoint.ValueType", **fields: Any) -> wire.Claim:
    given = {"task_id": "draft", "attempt": 2, "first_base": work.base, **fields}
    return claim("again", **given, starts_at=start, work=work)


async def test_the_validator_alone_judges_the_work_and_it_lands(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    work = await _drafted(fake, worker, _validator(worker, "PASS"))

    again = _again(work, task_pb2.START_POINT_VALIDATOR, checks=["test -f mine"])
    outcome = await outcome_of(fake, worker, again)

    assert (outcome.kind, outcome.verdict.passed) == (COMPLETED, True), outcome
    assert [check.exit_code for check in outcome.checks] == [0]
    assert show(worker.project, "swarm/main", "mine") == "one"
    roles = [(record.checks, record.session_id.split("-")[-2:-1]) for record in fake.starts]
    assert roles == [(False, ["builder"]), (True, []), (False, ["validator"])], "no builder ran again"
    assert "mine" in (worker.project.parent / "seen").read_text(encoding="utf-8"), "it sees what was changed"
    assert git(worker.project, "for-each-ref", "--format=%(refname)", "refs/swarm/draft") == work.ref


async def test_a_validator_that_rejects_the_work_lands_nothing(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    found = '[{"severity": "major", "issue": "it is wrong", "file": "mine"}]'
    work = await _drafted(fake, worker, _validator(worker, "FAIL", found))

    outcome = await outcome_of(fake, worker, _again(work, task_pb2.START_POINT_VALIDATOR))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED, outcome
    assert [finding.issue for finding in outcome.verdict.findings] == ["it is wrong"]
    assert fake.calls["LandTask"] == 0


@pytest.mark.parametrize(("check", "kind"), [("test -f mine", COMPLETED), ("test -e never", FAILED)])
async def test_checks_alone_run_no_session(
    fake: FakeSwarm, worker: WorkerProcess, check: str, kind: "task_pb2.OutcomeKind.ValueType"
) -> None:
    work = await _drafted(fake, worker, _validator(worker, "FAIL"))

    outcome = await outcome_of(fake, worker, _again(work, task_pb2.START_POINT_CHECKS, checks=[check]))

    assert outcome.kind == kind, outcome
    assert not outcome.validation_waived, "the verdict of the attempt before stands"
    assert [record.checks for record in fake.starts] == [False, True]
