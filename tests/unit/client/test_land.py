"""`swarmctl land`, and the places that name kept work."""

import json
from typing import Any

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.task_pb2 import Attempt, Landing, StartPoint, Task, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl

COMPLETED, NOT_STARTED = TaskStatus.TASK_STATUS_COMPLETED, TaskStatus.TASK_STATUS_NOT_STARTED
SUSPENDED = Hold(kind=HoldKind.HOLD_KIND_SUSPENDED, text="not yet")
LANDED = Landing(target="swarm/main", commit="c0ffee" * 7)


def refusal(name: str, why: str) -> Any:
    return wire.TaskRefusal(task_id=name, reason=ErrorReason.ERROR_REASON_INVALID_STATUS, message=why)


def test_land_names_the_reopened_tasks_and_how_many_wait(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["LandWork"] = wire.LandWorkResponse(
        tasks=[Task(task_id="draft", status=NOT_STARTED)], waiting=2
    )

    result = ctl("land", "draft")

    assert (result.code, result.out) == (0, "ID     STATUS       NAME\ndraft  not_started\n")
    assert result.err == "swarmctl: 2 tasks that had not started: waiting for it\n"
    assert operator.asked("LandWork") == [wire.LandWorkRequest(task_ids=["draft"])]


def test_work_that_has_landed_or_is_about_to_is_no_fault(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["LandWork"] = wire.LandWorkResponse(
        unchanged=[
            Task(task_id="a", status=COMPLETED, landed=LANDED),
            Task(task_id="b", status=NOT_STARTED),
            Task(task_id="c", status=TaskStatus.TASK_STATUS_HELD, hold=SUSPENDED),
        ]
    )

    result = ctl("land", "a", "b", "c")

    assert result.code == 0
    assert result.err.splitlines() == [
        "swarmctl: a has landed on swarm/main as c0ffeec0ffee; nothing was changed",
        "swarmctl: b is about to land; nothing was changed",
        "swarmctl: c is held; `swarmctl unhold c` lets it land; nothing was changed",
    ]


def test_a_refused_task_is_named_and_the_others_land(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["LandWork"] = wire.LandWorkResponse(
        tasks=[Task(task_id="draft", status=NOT_STARTED)], refused=[refusal("b", "can't land task 'b': why")]
    )

    result = ctl("land", "draft", "b")

    assert result.code == 7
    assert "draft" in result.out
    assert result.err.splitlines() == [
        "swarmctl: can't land task 'b': why",
        "swarmctl: 1 of 2 tasks could not be landed; the others are",
    ]


def test_land_prints_the_tasks_as_data(ctl: Ctl, operator: FakeOperator) -> None:
    task = Task(task_id="draft", status=NOT_STARTED, work_of=1, starts_at=StartPoint.START_POINT_LANDING)
    operator.answers["LandWork"] = wire.LandWorkResponse(tasks=[task])

    [shown] = json.loads(ctl("land", "draft", "-o", "json").out)

    assert (shown["starts_at"], shown["work_of"], shown["kept_ref"]) == ("landing", 1, None)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Task(kept_ref="refs/swarm/draft/1"), "kept as refs/swarm/draft/1; `swarmctl land draft` lands it"),
        (Task(work_of=1), "of attempt 1, which is to land"),
    ],
)
def test_show_says_where_accepted_work_is(ctl: Ctl, operator: FakeOperator, task: Task, text: str) -> None:
    task.task_id = "draft"
    operator.answers["GetTask"] = wire.GetTaskResponse(task=task, attempts=[Attempt(number=2, work_of=1)])

    shown = " ".join(ctl("show", "draft").out.split())

    assert text in shown
    assert "lands the work of attempt 1" in shown
