"""The check of a silent run: which reasons it reports, and how often."""

import pytest

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.swarm_pb2 import Breaker, PausedRunner, StatusCount, Swarm
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import TOKEN, FakeOperator
from swarmctl.api.connection import Connection
from swarmctl.run import idle_check
from swarmctl.run.idle_check import END_AFTER_S, IDLE_S, LOOKED_AT, IdleCheck

NO_GPU = wire.Reason(kind=wire.REASON_KIND_NO_LABEL, message="no connected worker has the labels gpu=1")
BROKEN = wire.Reason(
    kind=wire.REASON_KIND_RUNNER_PAUSED, message="no runner may start sessions: command: exit 1"
)
LIMITED = wire.Reason(kind=wire.REASON_KIND_PROVIDER_LIMITED, message="the workers wait for their provider")
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


def of_tasks(
    operator: FakeOperator,
    reasons: dict[str, wire.Reason],
    *,
    under_way: int = 0,
    swarm: Swarm | None = None,
    wait: bool = False,
) -> IdleCheck:
    def listed(request: wire.ListTasksRequest) -> wire.ListTasksResponse:
        ready = TaskStatus.TASK_STATUS_NOT_STARTED in request.statuses
        names = list(reasons) if ready else [f"running-{number}" for number in range(under_way)]
        return wire.ListTasksResponse(tasks=[Task(task_id=name) for name in names], total=len(names))

    def explained(request: wire.ExplainTaskRequest) -> wire.ExplainTaskResponse:
        return wire.ExplainTaskResponse(reasons=[reasons[request.task_id]])

    def looked_at(_request: wire.GetSwarmRequest) -> wire.GetSwarmResponse:
        return wire.GetSwarmResponse(swarm=swarm or Swarm())

    operator.answers |= {"ListTasks": listed, "ExplainTask": explained, "GetSwarm": looked_at}
    return IdleCheck(Connection(Endpoint(server=operator.address, token=TOKEN)).stub, wait=wait)


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


def _paused(*, completed: int, cooldown_s: int = 300) -> Swarm:
    breaker = Breaker()
    if cooldown_s:
        breaker.cooldown.FromSeconds(cooldown_s)
    counts = [StatusCount(status=TaskStatus.TASK_STATUS_COMPLETED, count=completed)]
    return Swarm(counts=counts, paused_runners=[PausedRunner(runner="command", breaker=breaker)])


@pytest.mark.parametrize(
    "swarm",
    [
        pytest.param(_paused(completed=0), id="a runner that has never worked"),
        pytest.param(_paused(completed=5, cooldown_s=0), id="a person has to mend it"),
    ],
)
def test_a_run_whose_runner_is_paused_ends_with_the_reason(
    operator: FakeOperator, clock: Clock, swarm: Swarm
) -> None:
    check = of_tasks(operator, {"a": BROKEN}, swarm=swarm)

    clock.now_s += IDLE_S
    assert check.stuck_after_report() == ""
    clock.now_s += END_AFTER_S
    assert check.stuck_after_report() == f"a waits: {BROKEN.message}"


@pytest.mark.parametrize(
    ("reason", "wait"),
    [
        pytest.param(BROKEN, False, id="an outage that may pass"),
        pytest.param(LIMITED, False, id="a limit that resets"),
        pytest.param(BROKEN, True, id="somebody may free it"),
    ],
)
def test_a_run_that_may_go_on_by_itself_waits(
    operator: FakeOperator, clock: Clock, reason: wire.Reason, *, wait: bool
) -> None:
    check = of_tasks(operator, {"a": reason}, swarm=_paused(completed=int(not wait)), wait=wait)

    for _ in range(3):
        clock.now_s += IDLE_S + END_AFTER_S
        assert check.stuck_after_report() == ""


def test_a_backoff_that_ends_without_an_event_is_noticed(operator: FakeOperator, clock: Clock) -> None:
    backoff = wire.Reason(kind=wire.REASON_KIND_BACKOFF, message="its next attempt may start in 5 s")
    reasons = {"a": backoff}
    check = of_tasks(operator, reasons, swarm=_paused(completed=0))

    clock.now_s += IDLE_S
    assert check.stuck_after_report() == ""
    reasons["a"] = BROKEN
    clock.now_s += END_AFTER_S
    assert check.stuck_after_report() == ""
    clock.now_s += END_AFTER_S
    assert check.stuck_after_report() == f"a waits: {BROKEN.message}"
