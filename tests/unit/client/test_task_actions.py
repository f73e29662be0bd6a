"""Kills and retries of many tasks: refusals are named, the rest is done, and the exit code says so."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm.v1.swarm_pb2 import Swarm
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from swarmctl.api.task_actions import IDS_PER_CALL
from unit.client.conftest import Ctl

KILLED = TaskStatus.TASK_STATUS_KILLED


def kills(*bad: str) -> Any:
    """Returns an answer that refuses these ids, as an error if it kills nothing."""

    def answer(request: wire.KillTaskRequest) -> Any:
        wrong: Sequence[str] = [name for name in request.task_ids if name in bad]
        if len(wrong) == len(request.task_ids):
            return WireError(grpc.StatusCode.NOT_FOUND, f"no task {wrong[0]!r}", "TASK_NOT_FOUND")
        return wire.KillTaskResponse(
            tasks=[Task(task_id=name, status=KILLED) for name in request.task_ids if name not in bad],
            refused=[
                wire.TaskRefusal(
                    task_id=name, reason=ErrorReason.ERROR_REASON_TASK_NOT_FOUND, message=f"no task {name!r}"
                )
                for name in wrong
            ],
        )

    return answer


@pytest.fixture
def killing(operator: FakeOperator) -> FakeOperator:
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=Swarm())
    return operator


def test_a_wrong_id_among_many_is_named_and_the_others_are_killed(ctl: Ctl, killing: FakeOperator) -> None:
    killing.answers["KillTask"] = kills("ghost")

    done = ctl("kill", "a", "ghost", "b", "--no-wait")

    assert done.code == 3
    assert [line.split()[0] for line in done.out.splitlines()] == ["ID", "a", "b"]
    assert done.err == (
        "swarmctl: no task 'ghost'\nswarmctl: 1 of 3 tasks could not be killed; the others are\n"
    )


def test_a_kill_of_wrong_ids_only_names_them_all(ctl: Ctl, killing: FakeOperator) -> None:
    killing.answers["KillTask"] = kills("ghost", "phantom")

    both, one = ctl("kill", "ghost", "phantom"), ctl("kill", "ghost")

    assert (both.code, both.out) == (3, "")
    assert "no task 'ghost'" in both.err
    assert "no task 'phantom'" in both.err
    assert both.err.endswith("swarmctl: none of 2 tasks could be killed\n")
    assert (one.code, one.err) == (3, "swarmctl: no task 'ghost'; `swarmctl list` shows the ids\n")


def test_thousands_of_ids_go_in_several_calls(ctl: Ctl, killing: FakeOperator) -> None:
    names = [f"t{number}" for number in range(2 * IDS_PER_CALL + 1)]
    killing.answers["KillTask"] = kills()

    assert ctl("kill", *names, "--no-wait").code == 0

    calls = [list(request.task_ids) for request in killing.asked("KillTask")]
    assert [len(ids) for ids in calls] == [IDS_PER_CALL, IDS_PER_CALL, 1]
    assert [task_id for ids in calls for task_id in ids] == names


def test_a_refused_retry_is_named_and_the_others_are_retried(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["RetryTask"] = wire.RetryTaskResponse(
        tasks=[Task(task_id="a")],
        refused=[
            wire.TaskRefusal(
                task_id="b",
                reason=ErrorReason.ERROR_REASON_INVALID_STATUS,
                message="can't retry task 'b': it is completed",
            )
        ],
    )

    done = ctl("retry", "a", "b")

    assert done.code == 7
    assert "can't retry task 'b': it is completed" in done.err
    assert "1 of 2 tasks could not be retried; the others are" in done.err
    assert done.out.splitlines()[1].split()[0] == "a"
