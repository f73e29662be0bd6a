"""From the end of a task to its dependent at an idle worker, beside a bare call to the same server."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from grpc_health.v1 import health_pb2, health_pb2_grpc
from measure import Figure, Samples

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.programs import stage
from support.server import Client, next_claim, next_message

CHAIN = 400
Waiting: TypeAlias = "dict[int, asyncio.Future[wire.Claim]]"


def figures() -> Iterator[Figure]:
    """A chain worked through by two workers in turn, so that each dependent goes to an idle one."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-bench-"))
    try:
        with stage(folder) as swarm:
            swarm.swarmd()
            token = (folder / ".swarm" / "token").read_text().strip()
            yield from asyncio.run(_measure(Endpoint(swarm.address, token)))
    finally:
        shutil.rmtree(folder)


async def _measure(endpoint: Endpoint) -> list[Figure]:
    channel = dial(endpoint)
    client = Client(channel, endpoint.metadata)
    names = [f"t{n}" for n in range(CHAIN)]
    streams = [client.claims(f"w{n}") for n in range(2)]
    for stream in streams:
        await next_message(stream)
    await client.add(
        *(
            task_pb2.TaskDefinition(task_id=name, dependencies=names[n - 1 : n])
            for n, name in enumerate(names)
        )
    )
    bare, claimed, started = Samples(), Samples(), Samples()
    waiting: Waiting = {n: asyncio.ensure_future(next_claim(s)) for n, s in enumerate(streams)}
    holder, claim = await _first(waiting, streams)
    await _go(client, holder, claim)
    for _ in names[1:]:
        with bare.one():
            await _ping(client)
        # The holder's own stream is not listened to: its slot is busy until the outcome, then it is as idle
        # as the other, and the server gives the task to whom it likes.
        with started.one():
            with claimed.one():
                finishing = asyncio.ensure_future(_finish(client, holder, claim))
                holder, claim = await _first(waiting, streams)
            await _go(client, holder, claim)
        await finishing
    for pending in waiting.values():
        pending.cancel()
    for stream in streams:
        stream.cancel()
    await channel.close()
    ratio = started.ms(0.5) / bare.ms(0.5)
    return [
        Figure("bare round trip (health check)", bare.shown(), "the reference, in the same run"),
        Figure("outcome sent → dependent's claim", claimed.shown(), "durable before it is sent"),
        Figure("outcome sent → dependent's go", started.shown(), "both steps durable"),
        Figure("the last ÷ bare round trip, p50", f"{ratio:.1f}"),
    ]


async def _first(waiting: Waiting, streams: list[Any]) -> tuple[int, wire.Claim]:
    done, _ = await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
    index = next(n for n, future in waiting.items() if future in done)
    claim = waiting[index].result()
    waiting[index] = asyncio.ensure_future(next_claim(streams[index]))
    return index, claim


async def _go(client: Client, worker: int, claim: wire.Claim) -> None:
    record = wire.SessionRecord(
        lease_id=claim.lease_id, session_id=f"{claim.task.task_id}-a1", runner="bench",
        role=session_pb2.SESSION_ROLE_BUILDER,
    )  # fmt: skip
    answer = await client.call(
        "RecordSession", wire.RecordSessionRequest(worker=f"w{worker}", records=[record])
    )
    assert answer.answers[0].go


async def _finish(client: Client, worker: int, claim: wire.Claim) -> None:
    outcome = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED)
    item = wire.FinishedAttempt(lease_id=claim.lease_id, outcome=outcome)
    await client.call("FinishTask", wire.FinishTaskRequest(worker=f"w{worker}", finished=[item]))


async def _ping(client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    await stub.Check(health_pb2.HealthCheckRequest())
