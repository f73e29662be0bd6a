"""`approve` and `reject`: whose hold they name, what they refuse, and what they show."""

import grpc
import pytest

from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm.v1.hold_pb2 import ApprovalPoint, Hold, HoldKind
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, Swarm
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl

HELD = TaskStatus.TASK_STATUS_HELD
APPROVAL = Hold(
    hold_id="1-7",
    kind=HoldKind.HOLD_KIND_APPROVAL,
    text="may its work land?",
    point=ApprovalPoint.APPROVAL_POINT_BEFORE_LANDING,
)
QUESTION = Hold(hold_id="1-8", kind=HoldKind.HOLD_KIND_QUESTION, text="Which port?")


def held(task_id: str, hold: Hold = APPROVAL) -> wire.GetTaskResponse:
    return wire.GetTaskResponse(task=Task(task_id=task_id, status=HELD, hold=hold), holds=[hold])


@pytest.fixture
def waiting(operator: FakeOperator) -> FakeOperator:
    """A server at which every task waits for an approval, and `asks` has asked a question."""
    operator.answers |= {
        "GetTask": lambda request: held(request.task_id, QUESTION if request.task_id == "asks" else APPROVAL),
        "ListTasks": wire.ListTasksResponse(tasks=[held("a").task, held("asks", QUESTION).task], total=2),
        "ApproveTask": lambda request: wire.ApproveTaskResponse(
            tasks=[Task(task_id=each.task_id) for each in request.approvals]
        ),
        "RejectTask": lambda request: wire.RejectTaskResponse(task=Task(task_id=request.task_id)),
    }
    return operator


def sent(operator: FakeOperator) -> list[tuple[str, str]]:
    [request] = operator.asked("ApproveTask")
    return [(each.task_id, each.hold_id) for each in request.approvals]


def test_approve_names_the_holds_that_last_now(ctl: Ctl, waiting: FakeOperator) -> None:
    assert ctl("approve", "a", "b", "a").code == 0

    assert sent(waiting) == [("a", "1-7"), ("b", "1-7")]


def test_a_phase_is_approved_where_it_waits_for_an_approval(ctl: Ctl, waiting: FakeOperator) -> None:
    assert ctl("approve", "--phase", "design").code == 0

    assert sent(waiting) == [("a", "1-7")]
    [request] = waiting.asked("ListTasks")
    assert (request.phase, list(request.statuses)) == ("design", [HELD])


def test_a_task_that_waits_for_no_approval_keeps_no_other_from_it(ctl: Ctl, waiting: FakeOperator) -> None:
    result = ctl("approve", "asks", "a")

    assert sent(waiting) == [("a", "1-7")]
    assert result.code == 7
    assert result.err.splitlines() == [
        "swarmctl: task 'asks' waits for no approval",
        "swarmctl: 1 of 2 tasks could not be approved; the others are",
    ]


def test_the_second_of_two_people_is_told_who_was_first(ctl: Ctl, waiting: FakeOperator) -> None:
    said = "task 'a' was approved by kim already"
    waiting.answers["ApproveTask"] = WireError(
        grpc.StatusCode.FAILED_PRECONDITION,
        said,
        ErrorReason.Name(ErrorReason.ERROR_REASON_HOLD_REFUSED)[13:],
    )

    result = ctl("approve", "a")

    assert result.code == 7
    assert result.err.startswith(f"swarmctl: {said}")


@pytest.mark.parametrize("argv", [("approve",), ("approve", "a", "--phase", "p"), ("reject", "a")])
def test_a_command_that_says_too_little_or_too_much_sends_nothing(
    ctl: Ctl, waiting: FakeOperator, argv: tuple[str, ...]
) -> None:
    assert ctl(*argv).code == 2

    assert not waiting.asked("ApproveTask")
    assert not waiting.asked("RejectTask")


def test_a_phase_in_which_nothing_waits_is_an_error(ctl: Ctl, waiting: FakeOperator) -> None:
    waiting.answers["ListTasks"] = wire.ListTasksResponse()

    result = ctl("approve", "--phase", "design")

    assert (result.code, result.err) == (7, "swarmctl: no task of phase 'design' waits for an approval\n")


def test_a_reason_is_sent_as_it_was_typed(ctl: Ctl, waiting: FakeOperator) -> None:
    said = 'say "80",\n$HOME \\n'

    assert ctl("reject", "a", "--because", said).code == 0

    [request] = waiting.asked("RejectTask")
    assert (request.task_id, request.hold_id, request.text) == ("a", "1-7", said)
    assert ctl("reject", "asks", "--because", "no").err.startswith(
        "swarmctl: task 'asks' waits for no approval"
    )


def test_completed_work_is_rejected_without_a_hold_and_what_goes_back_is_named(
    ctl: Ctl, waiting: FakeOperator
) -> None:
    done = Task(task_id="a", status=TaskStatus.TASK_STATUS_COMPLETED)
    waiting.answers["GetTask"] = wire.GetTaskResponse(task=done, holds=[APPROVAL])
    waiting.answers["RejectTask"] = wire.RejectTaskResponse(task=done, dependents=2, dependent_ids=["b", "c"])

    back = ctl("reject", "a", "--because", "no", "--with-dependents")
    shown = ctl("reject", "a", "--because", "no", "--dry-run")

    asked = [(each.hold_id, each.with_dependents, each.dry_run) for each in waiting.asked("RejectTask")]
    assert asked == [("", True, False), ("", False, True)]
    assert back.err == "swarmctl: 2 tasks that built on it put back: b, c\n"
    assert shown.err == "swarmctl: 2 tasks that built on it would be put back: b, c; nothing was changed\n"


def test_dependents_are_for_completed_tasks_alone(ctl: Ctl, waiting: FakeOperator) -> None:
    assert ctl("reject", "a", "--because", "no", "--dry-run").code == 2

    assert not waiting.asked("RejectTask")


def test_the_inbox_names_the_command(ctl: Ctl, operator: FakeOperator) -> None:
    entry = wire.InboxEntry(task=held("a b").task, waiting=3)
    operator.answers["ListInbox"] = wire.ListInboxResponse(entries=[entry], held=1)
    paused = PausedRunner(runner="command", worker="w1", cause="3 tasks in a row ended alike: no module x")
    paused.breaker.freed_by = "`swarmctl resume` lets one task through; if it works, all go on"
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=Swarm(paused_runners=[paused]))

    shown = ctl("inbox").out

    assert shown.startswith(
        "Runner command at worker w1 is paused: 3 tasks in a row ended alike: no module x"
    )
    for part in ("lets one task through", "approval", "may its work land?", "swarmctl approve 'a b'"):
        assert part in shown
