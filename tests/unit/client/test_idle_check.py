"""The check of a silent run: which reasons it reports, and how often."""

import pytest

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import TOKEN, FakeOperator
from swarmctl.api.connection import Connection
from swarmctl.run import idle_check
from swarmctl.run.idle_check import END_AFTER_S, IDLE_S, LOOKED_AT, IdleCheck

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


def of_tasks(operator: FakeOperator, reasons: dict[str, wire.Reason], *, under_way: int = 0) -> IdleCheck:
    def listed(request: wire.ListTasksRequest) -> wire.ListTasksResponse:
        ready = TaskStatus.TASK_STATUS_NOT_STARTED in request.statuses
        names = list(reasons) if ready else [f"running-{number}" for number in range(under_way)]
        return wire.ListTasksResponse(tasks=[Task(task_id=name) for name in names], total=len(names))

    def explained(request: wire.ExplainTaskRequest) -> wire.ExplainTaskResponse:
        return wire.ExplainTaskResponse(reasons=[reasons[request.task_id]])

    operator.answers |= {"ListTasks": listed, "ExplainTask": explained}
    return IdleCheck(Connection(Endpoint(server=operator.address, token=TOKEN)).stub)


def test_what_only_another_worker_ends_is_reported_once_after_a_silence(
    operator: FakeOperator, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    check = of_tasks(operator, {"a": NO_GPU, "b": NO_GPU, "c": FULL})

    clock.now_s += IDLE_S - 1
    assert check.stuck_after_report() == ""
    assert capsys.readouterr().err == ""
    clock.now_s += 1
    assert check.stuck_after_report() == ""
    assert capsys.readouterr().err == f"swarmctl: a and 1 more wait: {NO_GPU.message}\n"
    assert check.due_s is None
    check.on_events()
    clock.now_s += IDLE_S
    assert check.stuck_after_report() == ""
    assert capsys.readouterr().err == ""


def test_an_event_begins_a_new_silence(
    operator: FakeOperator, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    check = of_tasks(operator, {"a": NO_GPU})

    clock.now_s += IDLE_S - 1
    check.on_events()
    clock.now_s += IDLE_S - 1
    assert check.stuck_after_report() == ""
    assert capsys.readouterr().err == ""
    clock.now_s += 1
    assert check.stuck_after_report() == ""
    assert capsys.readouterr().err == f"swarmctl: a waits: {NO_GPU.message}\n"


def test_a_run_in_which_nothing_else_is_left_ends_after_a_second_look(
    operator: FakeOperator, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    check = of_tasks(operator, {"a": NO_GPU, "b": NO_GPU})

    clock.now_s += IDLE_S
    assert check.stuck_after_report() == ""
    clock.now_s += END_AFTER_S - 1
    assert check.stuck_after_report() == ""
    clock.now_s += 1
    assert check.stuck_after_report() == f"a and 1 more wait: {NO_GPU.message}"
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("reasons", "under_way"),
    [
        ({"a": NO_GPU, "b": FULL}, 0),
        ({"a": NO_GPU}, 1),
        ({f"{number}": NO_GPU for number in range(LOOKED_AT)} | {"last": FULL}, 0),
    ],
)
def test_a_run_with_something_else_left_goes_on(
    operator: FakeOperator, clock: Clock, reasons: dict[str, wire.Reason], under_way: int
) -> None:
    check = of_tasks(operator, reasons, under_way=under_way)

    for _ in range(3):
        clock.now_s += IDLE_S + END_AFTER_S
        assert check.stuck_after_report() == ""


def test_an_event_before_the_second_look_begins_anew(operator: FakeOperator, clock: Clock) -> None:
    check = of_tasks(operator, {"a": NO_GPU})

    clock.now_s += IDLE_S
    assert check.stuck_after_report() == ""
    check.on_events()
    clock.now_s += END_AFTER_S
    assert check.stuck_after_report() == ""
    clock.now_s += END_AFTER_S
    assert check.stuck_after_report() == f"a waits: {NO_GPU.message}"
