"""Session logs: bounded, without secrets, harmless for terminals, and resumable by one cursor."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import GrpcWorker
from support.server import Client, Server, server

KEY = "sk-ant-" + "a" * 40


async def begun(client: Client) -> tuple[GrpcWorker, worker_pb.Claim, str]:
    """Returns a worker in the middle of a session, its claim and the id of the session."""
    await client.add(TaskDefinition(task_id="a"))
    hand = GrpcWorker(client)
    claim = await hand.claim()
    return hand, claim, await hand.start(claim)


async def log(client: Client, **request: Any) -> list[session_pb2.LogEntry]:
    stored = client.operator.TailLog(pb.TailLogRequest(task_id="a", **request), metadata=client.metadata)
    return [entry async for message in stored for entry in message.entries]


async def test_a_long_log_keeps_its_head_and_tail_and_marks_the_gap(
    served: Server,
) -> None:
    client = served.client()
    hand, claim, session = await begun(client)
    for _ in range(10):
        await hand.say(claim, session, *["x"] * 1_000)

    entries = await log(client)

    assert [entry.number for entry in entries] == [*range(1, 501), *range(5_500, 10_001)]
    assert (entries[500].kind, entries[500].text) == (session_pb2.LOG_KIND_GAP, "5,000 entries are not kept")
    cursors = [entry.cursor for entry in entries]
    assert cursors == sorted(set(cursors))


async def test_the_operator_sets_how_much_of_a_log_is_kept(tmp_path: Path) -> None:
    async with server(tmp_path, session_log_head=2, session_log_tail=3) as served:
        client = served.client()
        hand, claim, session = await begun(client)
        await hand.say(claim, session, *map(str, range(1, 11)))

        texts = [entry.text for entry in await log(client)]

    assert texts == ["1", "2", "5 entries are not kept", "8", "9", "10"]


async def test_a_log_goes_on_after_any_cursor_over_all_sessions(served: Server) -> None:
    client = served.client()
    hand, claim, builder = await begun(client)
    await hand.say(claim, builder, "b1", "b2")
    validator = await hand.start(claim, "validator")
    await hand.say(claim, validator, "v1", "v2")

    whole = await log(client)

    assert [entry.text for entry in whole] == ["b1", "b2", "v1", "v2"]
    for place, entry in enumerate(whole, start=1):
        assert await log(client, after_cursor=entry.cursor) == whole[place:]
    assert [entry.text for entry in await log(client, tail=1)] == ["b2", "v2"]
    assert [entry.text for entry in await log(client, role=session_pb2.SESSION_ROLE_VALIDATOR)] == [
        "v1",
        "v2",
    ]


async def test_a_log_of_one_kind_counts_no_gaps(served: Server) -> None:
    client = served.client()
    hand, claim, session = await begun(client)
    await hand.say(claim, session, "do it", "well", kind=session_pb2.LOG_KIND_PROMPT)
    await hand.say(claim, session, "done")

    prompt = await log(client, kind=session_pb2.LOG_KIND_PROMPT, tail=1)
    said = await log(client, kind=session_pb2.LOG_KIND_OUTPUT)

    assert [entry.text for entry in prompt] == ["do it", "well"]
    assert [entry.text for entry in said] == ["done"]
    [rest] = await log(client, kind=session_pb2.LOG_KIND_PROMPT, after_cursor=prompt[0].cursor)
    assert rest == prompt[1]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await log(client, kind=99)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.slow
async def test_a_follower_misses_nothing_of_either_attempt_over_a_retry(served: Server) -> None:
    client = served.client()
    hand, claim, session = await begun(client)
    await hand.say(claim, session, "first")
    [seen] = await log(client)
    await hand.say(claim, session, "last words")
    await hand.finish(claim, "failed", error="no")
    again = await hand.claim()
    await hand.say(again, await hand.start(again), "second try")

    assert [entry.text for entry in await log(client)] == ["second try"]
    rest = await log(client, after_cursor=seen.cursor)
    assert [entry.text for entry in rest] == ["last words", "second try"]
    assert [entry.text for entry in await log(client, attempt=1)] == ["first", "last words"]


async def test_secrets_and_terminal_controls_are_never_stored(served: Server) -> None:
    client = served.client()
    hand, claim, session = await begun(client)
    pem = ["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADAN", "-----END PRIVATE KEY-----"]
    drawn = "\x1b[31mred\x1b[0m, then \x1b]52;c;aGk=\x07"
    await hand.say(claim, session, f"key {KEY}", drawn, *pem, f"s\x1b[0mk-{KEY[3:]}", "10%\r100%")
    check = session_pb2.CheckResult(command="env", output_tail=KEY)
    await hand.finish(claim, "failed", error=f"401: {KEY}", checks=[check])

    assert [entry.text for entry in await log(client, attempt=1)] == [
        "key [secret]", "red, then \\x1b]52;c;aGk=\\x07", *["[secret]"] * 3, "[secret]", "10%\n100%",
    ]  # fmt: skip
    found = await client.get("a")
    assert found.task.last_error == "401: [secret]"
    assert found.attempts[0].checks[0].output_tail == "[secret]"
    stored = b"".join((served.folder / name).read_bytes() for name in ("swarm.db", "swarm.db-wal"))
    assert KEY.encode() not in stored
