"""R7, R8: the wait of a task while a worker is idle, beside a bare call and a bare message of a stream."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self, TypeAlias

import grpc
from measure import Finding, Pairs, Samples, Setting, at_most
from programs import Running, echo, swarmd

from amplifier_swarm.channel import dial
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.server import Client, next_claim, next_message

ROUNDS = 150
PAYLOAD = b"x" * 200
Waiting: TypeAlias = "dict[int, asyncio.Future[wire.Claim]]"


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures both, in rounds beside their references."""
    submit, depend = Pairs(), Pairs()
    claims = []
    with echo() as bare, swarmd() as server:
        for number in range(setting.pairs):
            unary_ms, stream_ms = asyncio.run(_bare(bare))
            submit.add(asyncio.run(_submit(server, f"s{number}")), unary_ms)
            claim_ms, go_ms = asyncio.run(_depend(server, f"d{number}"))
            claims.append(claim_ms / stream_ms)
            depend.add(go_ms, stream_ms)
    yield Finding(
        "R7", "submit → start at an idle worker, p50 ÷ bare unary call", submit.ratios, at_most(5),
        beside=submit.beside("ms", "bare ms"),
    )  # fmt: skip
    yield Finding(
        "R8", "finished → dependent's go, p50 ÷ bare stream round trip", depend.ratios, at_most(6),
        beside=depend.beside("ms", "bare ms"),
    )  # fmt: skip
    yield Finding("R8", "… its claim alone", claims)


async def _bare(server: Running) -> tuple[float, float]:
    channel = grpc.aio.insecure_channel(server.endpoint.server)
    call: Any = channel.unary_unary("/bench.Echo/Unary")
    unary_ms = await _p50_ms(lambda: call(PAYLOAD))
    stream: Any = channel.stream_stream("/bench.Echo/Stream")()

    async def round_trip() -> None:
        await stream.write(PAYLOAD)
        await stream.read()

    stream_ms = await _p50_ms(round_trip)
    await stream.done_writing()
    await channel.close()
    return unary_ms, stream_ms


async def _p50_ms(call: Callable[[], Awaitable[Any]]) -> float:
    samples = Samples()
    for _ in range(20):
        await call()
    for _ in range(3 * ROUNDS):
        with samples.one():
            await call()
    return samples.ms(0.5)


async def _submit(server: Running, prefix: str) -> float:
    """Submits one task at a time for one worker that waits for it."""
    samples = Samples()
    async with _Client(server) as client:
        stream = await client.join("w0")
        for number in range(ROUNDS):
            task = task_pb2.TaskDefinition(task_id=f"{prefix}-{number}")
            with samples.one():
                adding = asyncio.ensure_future(client.add(task))
                claim = await next_claim(stream)
                await client.go("w0", claim)
            await adding
            await client.finish("w0", claim)
    return samples.ms(0.5)


async def _depend(server: Running, prefix: str) -> tuple[float, float]:
    """Works through a chain with two workers in turn, so that each dependent goes to an idle one."""
    claimed, started = Samples(), Samples()
    names = [f"{prefix}-{number}" for number in range(ROUNDS)]
    async with _Client(server) as client:
        streams = [await client.join(f"w{n}") for n in range(2)]
        waiting: Waiting = {n: asyncio.ensure_future(next_claim(stream)) for n, stream in enumerate(streams)}
        await client.add(
            *(
                task_pb2.TaskDefinition(task_id=name, dependencies=names[n - 1 : n] if n else [])
                for n, name in enumerate(names)
            )
        )
        holder, claim = await _first(waiting, streams)
        await client.go(f"w{holder}", claim)
        for _ in names[1:]:
            with started.one():
                with claimed.one():
                    finishing = asyncio.ensure_future(client.finish(f"w{holder}", claim))
                    holder, claim = await _first(waiting, streams)
                await client.go(f"w{holder}", claim)
            await finishing
        await client.finish(f"w{holder}", claim)
        for pending in waiting.values():
            pending.cancel()
    return claimed.ms(0.5), started.ms(0.5)


async def _first(waiting: Waiting, streams: list[Any]) -> tuple[int, wire.Claim]:
    done, _ = await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
    index = next(n for n, future in waiting.items() if future in done)
    claim = waiting[index].result()
    waiting[index] = asyncio.ensure_future(next_claim(streams[index]))
    return index, claim


class _Client:
    """The calls of workers, over one connection."""

    def __init__(self, server: Running) -> None:
        self._channel = dial(server.endpoint)
        self.rpc = Client(self._channel, server.endpoint.metadata)
        # Created once, like in a worker.
        self._worker = self.rpc.worker
        self._operator = self.rpc.operator
        self._streams: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for stream in self._streams:
            stream.cancel()
        await self._channel.close()

    async def join(self, worker: str) -> Any:
        stream = self.rpc.claims(worker)
        self._streams.append(stream)
        await next_message(stream)
        return stream

    async def add(self, *tasks: task_pb2.TaskDefinition) -> None:
        planned = [operator_pb.PlannedTask(definition=task) for task in tasks]
        request = operator_pb.AddTasksRequest(tasks=planned)
        await self._operator.AddTasks(iter([request]), metadata=self.rpc.metadata, timeout=20)

    async def go(self, worker: str, claim: wire.Claim) -> None:
        record = wire.SessionRecord(
            lease_id=claim.lease_id, session_id=f"{claim.task.task_id}-a1", runner="bench",
            role=session_pb2.SESSION_ROLE_BUILDER,
        )  # fmt: skip
        request = wire.RecordSessionRequest(worker=worker, records=[record])
        answer = await self._worker.RecordSession(request, metadata=self.rpc.metadata, timeout=20)
        assert answer.answers[0].go

    async def finish(self, worker: str, claim: wire.Claim) -> None:
        outcome = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED, validation_waived=True)
        item = wire.FinishedAttempt(lease_id=claim.lease_id, outcome=outcome)
        request = wire.FinishTaskRequest(worker=worker, finished=[item])
        await self._worker.FinishTask(request, metadata=self.rpc.metadata, timeout=20)
