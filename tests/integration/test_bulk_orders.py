"""Kills and retries of many tasks: each refusal is named, and no other order waits for them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amplifier_swarm.v1 import error_reason_pb2, task_pb2
from amplifier_swarm.v1 import operator_service_pb2 as pb
from support.server import Client, Server, refusal, server

pytestmark = pytest.mark.slow
MANY = 5_000


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    async with server(tmp_path) as found:
        yield found


async def add(client: Client, *task_ids: str, done: str = "", cause: str = "") -> None:
    planned = [
        pb.PlannedTask(
            definition=task_pb2.TaskDefinition(task_id=task_id, name=task_id),
            status=task_pb2.TASK_STATUS_COMPLETED if task_id == done else task_pb2.TASK_STATUS_NOT_STARTED,
        )
        for task_id in task_ids
    ]
    await client.operator.AddTasks(iter([pb.AddTasksRequest(tasks=planned)]), metadata=client.metadata)


def refusals(response: pb.KillTaskResponse | pb.RetryTaskResponse) -> list[tuple[str, str]]:
    return [(one.task_id, error_reason_pb2.ErrorReason.Name(one.reason)) for one in response.refused]


async def test_wrong_and_ended_ids_among_many_keep_no_other_task_alive(served: Server) -> None:
    client = served.client()
    await add(client, "a", "b", "done", "pair-1", "pair-2", done="done")

    wanted = ["a", "ghost", "done", "pair", "b", "a"]
    killed = await client.call("KillTask", pb.KillTaskRequest(task_ids=wanted, cause="dear"))

    assert [task.task_id for task in killed.tasks] == ["a", "b"]
    assert refusals(killed) == [
        ("ghost", "ERROR_REASON_TASK_NOT_FOUND"),
        ("done", "ERROR_REASON_INVALID_STATUS"),
        ("pair", "ERROR_REASON_TASK_AMBIGUOUS"),
    ]
    assert "it is completed" in killed.refused[1].message
    assert [await client.status(task_id) for task_id in ("a", "b", "done", "pair-1")] == [
        "killed", "killed", "completed", "not_started",
    ]  # fmt: skip


async def test_a_retry_names_what_it_refuses_and_retries_the_others_dependencies_first(
    served: Server,
) -> None:
    client = served.client()
    await client.add(
        task_pb2.TaskDefinition(task_id="first", name="f"),
        task_pb2.TaskDefinition(
            task_id="then",
            name="t",
            dependencies=["first"],
            on_dependency_failure=task_pb2.DEPENDENCY_FAILURE_POLICY_RUN,
        ),
    )
    await client.call("KillTask", pb.KillTaskRequest(task_ids=["then", "first"]))

    retried = await client.call("RetryTask", pb.RetryTaskRequest(task_ids=["then", "ghost", "first"]))

    assert [task.task_id for task in retried.tasks] == ["first", "then"]
    assert refusals(retried) == [("ghost", "ERROR_REASON_TASK_NOT_FOUND")]
    assert [await client.status(task_id) for task_id in ("first", "then")] == ["not_started", "blocked"]


@pytest.mark.parametrize("method", ["KillTask", "RetryTask"])
async def test_an_emergency_stop_overtakes_an_order_about_thousands_of_tasks(
    served: Server, method: str
) -> None:
    client = served.client()
    names = [f"t{number:05d}" for number in range(MANY)]
    await add(client, *names)
    if method == "RetryTask":
        await client.call("KillTask", pb.KillTaskRequest(task_ids=names))
    order = getattr(pb, f"{method}Request")(task_ids=names)

    waiting = asyncio.ensure_future(client.call(method, order))
    while await client.status(names[0]) == ("killed" if method == "RetryTask" else "not_started"):
        pass
    await client.call("EmergencyStop", pb.EmergencyStopRequest(cause="fire"))

    assert not waiting.done(), "the stop was answered first"
    done = await waiting
    assert len(done.tasks) + done.omitted == MANY
    assert done.ByteSize() < 4 * 1024 * 1024


async def test_the_answer_about_many_tasks_fits_into_one_message(served: Server) -> None:
    client = served.client()
    names = [f"t{number:05d}" for number in range(MANY)]
    await add(client, *names)

    killed = await client.call("KillTask", pb.KillTaskRequest(task_ids=names, cause="x" * 500))

    assert killed.ByteSize() < 3 * 1024 * 1024
    assert 0 < len(killed.tasks) < MANY
    assert len(killed.tasks) + killed.omitted == MANY


async def test_thousands_of_unknown_ids_cost_no_spelling_hints(served: Server) -> None:
    client = served.client()
    await add(client, *(f"t{number:05d}" for number in range(MANY)))
    unknown = [f"x{number:05d}" for number in range(1_000)]

    many = await refusal(client.call("KillTask", pb.KillTaskRequest(task_ids=unknown)))
    one = await refusal(client.call("KillTask", pb.KillTaskRequest(task_ids=["t0000l"])))

    assert many.message == "no task 'x00000'"
    assert "; did you mean 't0" in one.message
