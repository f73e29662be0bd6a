"""`explain` on a task that runs: since when, the last sign, and the limit that ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import LogEntry
from amplifier_swarm.v1.task_pb2 import Task, TaskDefinition, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl

HELD = wire.Reason(kind=wire.REASON_KIND_HELD, message="worker w1 is working on it (attempt 1)")


@pytest.fixture
def running(operator: FakeOperator) -> FakeOperator:
    now = datetime.now(UTC)
    task = Task(task_id="2.1", status=TaskStatus.TASK_STATUS_IN_PROGRESS, attempt=1)
    task.started_at.FromDatetime(now - timedelta(minutes=10))
    entry = LogEntry(text="compiling\x1b[2J")
    entry.logged_at.FromDatetime(now - timedelta(minutes=6, seconds=5))
    operator.answers |= {
        "ExplainTask": wire.ExplainTaskResponse(task=task, reasons=[HELD]),
        "TailLog": lambda _: iter([wire.TailLogResponse(entries=[entry])]),
        "GetTask": wire.GetTaskResponse(task=task, definition=TaskDefinition()),
    }
    return operator


def test_it_has_the_beginning_the_last_sign_and_the_limit(ctl: Ctl, running: FakeOperator) -> None:
    lines = [line.strip() for line in ctl("explain", "2.1").out.splitlines()]

    assert f"- {HELD.message}" in lines
    assert any(line.startswith("- its attempt began at ") and ", 10m0" in line for line in lines)
    assert any(line.startswith("- the last sign of its session is 6m0") for line in lines)
    assert any(line.endswith("s old: compiling\\x1b[2J") for line in lines)
    assert "- the --builder-timeout of its worker ends it, or the --stall-timeout if it is silent" in lines
    assert [request.tail for request in running.asked("TailLog")] == [1]


def test_a_limit_of_the_task_file_is_named(ctl: Ctl, running: FakeOperator) -> None:
    definition = TaskDefinition(builder_timeout=Duration(seconds=900))
    running.answers["GetTask"] = wire.GetTaskResponse(definition=definition)

    assert "- its task file ends a builder that runs for 15m00s" in ctl("explain", "2.1").out


def test_a_session_without_output_is_named_so(ctl: Ctl, running: FakeOperator) -> None:
    running.answers["TailLog"] = lambda _: iter(())

    assert "- its session has shown no sign yet" in ctl("explain", "2.1").out


def test_programs_get_what_they_got_before(ctl: Ctl, running: FakeOperator) -> None:
    ctl("explain", "2.1", "-o", "json")

    assert running.asked("TailLog") == []
