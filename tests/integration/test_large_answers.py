"""Answers of more than one message or page: nothing is lost or repeated at a border."""

from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from support.database import read_content
from support.server import Client, Server
from swarmd.rpc.streams import MESSAGE_BYTES, PAGE

TASKS = 600
NAMES = [f"t{number}" for number in range(TASKS)]


@pytest.fixture
async def client(served: Server) -> Client:
    """A client of a server with 3 MB of tasks, more than a page cache of SQLite and ten messages."""
    client = served.client()
    text = "x" * 5_000
    await client.add(*(task_pb2.TaskDefinition(task_id=name, name=name, description=text) for name in NAMES))
    return client


async def messages(stream: Any) -> list[Any]:
    return [message async for message in stream]


async def test_a_backup_of_many_messages_is_the_whole_database(client: Client, tmp_path: Path) -> None:
    answer = await messages(client.operator.Backup(pb.BackupRequest(), metadata=client.metadata))
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"".join(message.chunk for message in answer))

    assert len(answer) > 10
    assert max(len(message.chunk) for message in answer) == MESSAGE_BYTES
    assert read_content(copy).faults == []


async def test_an_export_of_many_messages_has_each_task_once_in_order(client: Client) -> None:
    answer = await messages(client.operator.ExportTasks(pb.ExportTasksRequest(), metadata=client.metadata))

    assert len(answer) > 10
    assert [task.definition.task_id for message in answer for task in message.tasks] == NAMES


async def test_events_of_many_pages_come_without_gap_or_repetition(client: Client) -> None:
    answer = await messages(client.operator.WatchEvents(pb.WatchEventsRequest(), metadata=client.metadata))

    numbers = [event.seq for message in answer for event in message.events]
    assert len(numbers) > PAGE
    assert len(answer) > 1
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_list_of_many_pages_has_each_task_once_in_order(client: Client) -> None:
    request = pb.ListTasksRequest(page_size=128)
    names: list[str] = []
    while True:
        answer = await client.call("ListTasks", request)
        names += [task.task_id for task in answer.tasks]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token

    assert names == NAMES
