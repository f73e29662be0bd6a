"""Conversion: every message is within its bounds and can be encoded."""

import json
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.model import (
    Assignment,
    BuilderResult,
    CheckResult,
    Failure,
    FailureClass,
    Finding,
    KillReceipt,
    LogKind,
    Outcome,
    OutcomeKind,
    SessionEnd,
    SessionLogLine,
    SessionStart,
    Usage,
    Verdict,
)
from swarm_worker.domain.types import LeaseId, Role, SessionId
from swarm_worker.rpc import assignments, convert
from swarm_worker.rpc.orders import stop_order

HOSTILE = "a\0b\ud800c" + "x" * 100_000


def test_a_claim_becomes_an_assignment_with_the_task_as_json() -> None:
    definition = task_pb2.TaskDefinition(
        task_id="t1",
        files=["a.py"],
        validate=False,
        builder_timeout=Duration(seconds=90),
        stall_timeout=Duration(),
        check_timeout=Duration(seconds=60),
        rehearsal=task_pb2.Rehearsal(builder=[task_pb2.RehearsalScript(reply="done")]),
    )
    finding = session_pb2.Finding(finding_id="f1", issue="wrong")
    claim = wire.Claim(
        task=definition, lease_id="lease", attempt=3, epoch=2, findings=[finding], last_error="why"
    )

    assignment = assignments.assignment(claim)

    assert isinstance(assignment, Assignment)
    assert (assignment.task.id, assignment.task.name, assignment.attempt, assignment.epoch) == (
        "t1",
        "t1",
        3,
        2,
    )
    assert (assignment.task.validate, assignment.task.builder_timeout_s) == (False, 90)
    assert assignment.task.validator_timeout_s is None
    assert (assignment.task.stall_timeout_s, assignment.task.check_timeout_s) == (0, 60)
    assert assignment.findings == (Finding("f1", "", "wrong", ""),)
    document = json.loads(assignment.task.document)
    assert (document["task_id"], document["files"]) == ("t1", ["a.py"])
    assert document["rehearsal"] == {"builder": [{"reply": "done"}]}


def test_validate_is_unset_unless_the_task_sets_it() -> None:
    claim = wire.Claim(task=task_pb2.TaskDefinition(task_id="t"))

    assert assignments.assignment(claim).task.validate is None


def test_every_outcome_can_be_sent_however_hostile_its_text() -> None:
    outcome = Outcome(
        OutcomeKind.FAILED,
        failure=Failure(FailureClass.VALIDATION_FAILED, HOSTILE),
        builder_result=BuilderResult(
            status=HOSTILE, files_created=(HOSTILE,) * 10_000, implementation_notes=HOSTILE
        ),
        checks=(CheckResult(HOSTILE, 3, HOSTILE, 1.5),),
        verdict=Verdict(
            passed=False, findings=(Finding("f1", HOSTILE, HOSTILE, HOSTILE),) * 50, summary=HOSTILE
        ),
        kill_receipt=KillReceipt("subreaper", 5, 5, 2, 0, 0.25, HOSTILE),
    )

    message = wire.FinishedAttempt.FromString(convert.finished(LeaseId("l"), outcome).SerializeToString())

    found = message.outcome
    assert (found.kind, found.failure_class) == (
        task_pb2.OUTCOME_KIND_FAILED,
        task_pb2.FAILURE_CLASS_VALIDATION_FAILED,
    )
    assert found.error.startswith("a\ufffdb?cx")
    assert len(found.error) == 4_000
    assert len(found.builder_result.implementation_notes) == 16_000
    assert len(found.builder_result.files_created) <= 200
    assert len(found.checks[0].output_tail) == 8_000
    assert len(found.verdict.findings[0].issue) == 4_000
    assert len(found.kill_receipt.last_output) == 4_000
    assert found.kill_receipt.duration.ToMilliseconds() == 250
    assert message.ByteSize() < 2 * 1024 * 1024


def test_every_kind_and_class_has_a_value_on_the_wire() -> None:
    for kind in OutcomeKind:
        assert convert.finished(LeaseId("l"), Outcome(kind)).outcome.kind > 0
    for failure in FailureClass:
        outcome = Outcome(OutcomeKind.FAILED, failure=Failure(failure, ""))
        assert convert.finished(LeaseId("l"), outcome).outcome.failure_class > 0
    for log in LogKind:
        assert convert.log_entry(SessionLogLine(log, ""), number=1, wall_s=0).kind > 0


def test_a_log_entry_is_cut_at_8_kib_and_says_so() -> None:
    entry = convert.log_entry(SessionLogLine(LogKind.OUTPUT, "\u00fc" * 5_000), number=7, wall_s=1.5)

    assert len(entry.text.encode()) <= 8 * 1024
    assert entry.text.endswith("\u2026 [10000 bytes, cut]")
    assert (entry.number, entry.logged_at.ToMilliseconds()) == (7, 1500)
    exact = convert.log_entry(SessionLogLine(LogKind.OUTPUT, "x" * 8192), number=8, wall_s=0)
    assert exact.text == "x" * 8192


def test_an_end_without_a_process_has_no_exit_code() -> None:
    start = SessionStart(LeaseId("l"), SessionId("s"), Role.BUILDER, "command")

    none = convert.session_end(SessionEnd(start, None, Usage()))
    some = convert.session_end(SessionEnd(start, 0, Usage(1, 2, Decimal("1E-7"))))

    assert not none.end.HasField("exit_code")
    assert some.end.HasField("exit_code")
    assert some.end.usage.cost == "0.0000001"
    assert not convert.session_start(start).HasField("end")


def test_an_order_of_an_unknown_kind_is_a_plain_stop() -> None:
    actions = {
        wire.ORDER_ACTION_STOP: True,
        wire.ORDER_ACTION_STOP_NOW: False,
        wire.ORDER_ACTION_ABANDON: False,
        77: True,
    }

    for action, graceful in actions.items():
        order = wire.Order(lease_id="l", cause="c")
        order.action = action  # type: ignore[assignment]  # a later version's
        assert stop_order(order).graceful is graceful


def test_the_wait_that_a_provider_asked_for_is_passed_on() -> None:
    limited = Failure(FailureClass.PROVIDER_LIMITED, "429", retry_after_s=1.5)

    said = convert.finished(LeaseId("lease"), Outcome(OutcomeKind.FAILED, failure=limited)).outcome
    assert said.retry_after == Duration(seconds=1, nanos=500_000_000)

    unsaid = Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.PROVIDER_LIMITED, "429"))
    assert not convert.finished(LeaseId("lease"), unsaid).outcome.HasField("retry_after")


def test_the_usage_of_turns_adds_up_and_a_missing_price_counts_as_none() -> None:
    priced, free = Usage(1, 2, Decimal("0.5")), Usage(10, 20)

    assert priced.plus(free).plus(priced) == Usage(12, 24, Decimal("1.0"))
    assert free.plus(free) == Usage(20, 40)
