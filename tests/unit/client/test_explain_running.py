"""`explain` on a task that runs: since when, the last sign, and the limit that ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import LogEntry
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import ProgramSigns, Task, TaskDefinition, TaskStatus
from support.operator import FakeOperator
from swarmctl.render.blocks import Prose
from swarmctl.render.swarm import warning_blocks
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


def signs(now: datetime, **seconds: int) -> ProgramSigns:
    found = ProgramSigns()
    for field, offset in seconds.items():
        getattr(found, field).FromDatetime(now + timedelta(seconds=offset))
    return found


def test_the_times_at_which_the_limits_end_it_are_named(ctl: Ctl, running: FakeOperator) -> None:
    now = datetime.now(UTC)
    running.answers["ExplainTask"].signs.CopyFrom(signs(now, new_at=-365, times_out_at=3600, stalls_at=535))
    at = [(now + timedelta(seconds=offset)).astimezone().strftime("%H:%M:%S") for offset in (3600, 535)]

    out = " ".join(ctl("explain", "2.1").out.split())

    assert "- its program has printed nothing new for 6 min" in out
    assert f"{at[0]} at the latest, and at " in out
    assert f"{at[1]} if it prints nothing new until then" in out
    assert "--builder-timeout" not in out


def test_a_program_that_prints_at_its_end_is_not_called_quiet(ctl: Ctl, running: FakeOperator) -> None:
    running.answers["ExplainTask"].signs.CopyFrom(signs(datetime.now(UTC), times_out_at=3600))

    out = ctl("explain", "2.1").out

    assert "- its program prints nothing before its end" in out
    assert "if it prints" not in out


def test_a_quiet_task_is_the_first_line_of_status_and_red(ctl: Ctl, operator: FakeOperator) -> None:
    swarm = Swarm(mode=SwarmMode.SWARM_MODE_RUNNING, rehearsed=1)
    quiet = swarm.quiet_tasks.add(task_id="2.1", worker="w1")
    quiet.signs.CopyFrom(signs(datetime.now(UTC), new_at=-370, times_out_at=3600, stalls_at=530))
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=swarm)

    assert ctl("status").out.startswith("2.1: nothing new for 6 min; it is ended at ")
    [first, *_] = warning_blocks(swarm)
    assert isinstance(first, Prose)
    assert "red" in first.style


def test_a_session_without_output_is_named_so(ctl: Ctl, running: FakeOperator) -> None:
    running.answers["TailLog"] = lambda _: iter(())

    assert "- its session has shown no sign yet" in ctl("explain", "2.1").out


def test_programs_get_what_they_got_before(ctl: Ctl, running: FakeOperator) -> None:
    ctl("explain", "2.1", "-o", "json")

    assert running.asked("TailLog") == []
