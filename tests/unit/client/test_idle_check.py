"""The check of a silent run: which reasons it reports, and how often."""

import pytest

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import TOKEN, FakeOperator
from swarmctl.api.connection import Connection
from swarmctl.run import idle_check
from swarmctl.run.idle_check import IDLE_S, IdleCheck

NO_GPU = wire.Reason(kind=wire.REASON_KIND_NO_LABEL, message="no connected worker has the labels gpu=1")
FULL = wire.Reason(kind=wire.REASON_KIND_NO_SLOT, message="all 2 slots of the workers that fit are in use")


class Clock:
    """A clock that a test sets."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(idle_check, "time", made)
    return made


def of_tasks(operator: FakeOperator, reasons: dict[str, wire.Reason]) -> IdleCheck:
    operator.answers |= {
        "ListTasks": wire.ListTasksResponse(tasks=[Task(task_id=name) for name in reasons]),
        "ExplainTask": lambda request: wire.ExplainTaskResponse(reasons=[reasons[request.task_id]]),
    }
    return IdleCheck(Connection(Endpoint(server=operator.address, token=TOKEN)).stub)


def test_what_only_another_worker_ends_is_reported_once_after_a_silence(
    operator: FakeOperator, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    check = of_tasks(operator, {"a": NO_GPU, "b": NO_GPU, "c": FULL})

    clock.now_s += IDLE_S - 1
    check.report_if_due()
    assert capsys.readouterr().err == ""
    clock.now_s += 1
    check.report_if_due()
    assert capsys.readouterr().err == f"swarmctl: a and 1 more wait: {NO_GPU.message}\n"
    assert check.due_s is None
    check.on_events()
    clock.now_s += IDLE_S
    check.report_if_due()
    assert capsys.readouterr().err == ""
    assert len(operator.asked("ListTasks")) == 2


def test_an_event_begins_a_new_silence(
    operator: FakeOperator, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    check = of_tasks(operator, {"a": NO_GPU})

    clock.now_s += IDLE_S - 1
    check.on_events()
    clock.now_s += IDLE_S - 1
    check.report_if_due()
    assert capsys.readouterr().err == ""
    clock.now_s += 1
    check.report_if_due()
    assert capsys.readouterr().err == f"swarmctl: a waits: {NO_GPU.message}\n"
