"""Workers without sessions, any number in one process: claim, go, finish, repeatedly.

Run as a program: `load.py ADDRESS TOKEN WORKERS SLOTS SECONDS [HOLD_S]` prints its counts as JSON; with
HOLD_S each session lasts that long, which sets a pace. The same code drives swarmd and the echo server,
each worker over its own connection, like real ones. With several slots, the worker's own batcher merges
queued reports into shared messages.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub
from swarm_worker.rpc.batcher import Batcher
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, CallRetry, OutageLog

WARM_S = 1.0
BEAT_S = 10.0
# As a worker with --no-validation reports it.
COMPLETED = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED, validation_waived=True)


@dataclass
class Tally:
    """The counts of all workers together."""

    opened: int = 0
    steps: int = 0
    messages: int = 0
    refused: list[str] = field(default_factory=list)
    over: bool = False


class LoadWorker:
    """A worker without sessions."""

    def __init__(self, endpoint: Endpoint, name: str, slots: int, tally: Tally, hold_s: float = 0) -> None:
        self._hold_s = hold_s
        self._name = name
        self._slots = slots
        self._tally = tally
        self._metadata = endpoint.metadata
        self._channel = dial(endpoint)
        self._stub = WorkerServiceStub(self._channel)
        outages = OutageLog(endpoint.server)
        self._records = Batcher(
            self._record, retry=CallRetry("RecordSession", outages, cap_s=1.0), size_of=_size
        )
        self._outcomes = Batcher(
            self._finish, retry=CallRetry("FinishTask", outages, cap_s=1.0), size_of=_size
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._incarnation = f"{time.monotonic_ns()}"
        self._held: set[str] = set()

    async def run(self) -> None:
        """Works until the tally is over."""
        letters: list[asyncio.Task[Any]] = [
            asyncio.create_task(work) for work in (self._records.run(), self._outcomes.run(), self._beat())
        ]
        request = wire.ClaimTaskRequest(
            worker=self._name, incarnation=self._incarnation, instance=self._name, slots=self._slots,
            runner="bench",
        )  # fmt: skip
        stream = self._stub.ClaimTask(request, metadata=self._metadata, wait_for_ready=True)
        try:
            async for message in stream:
                self._tally.opened += message.HasField("opened")
                await self._take(message.claims)
                if self._tally.over:
                    break
        finally:
            stream.cancel()
            for task in (*letters, *self._tasks):
                task.cancel()
            await asyncio.gather(*letters, *self._tasks, return_exceptions=True)
            await self._channel.close()

    async def _take(self, claims: Sequence[wire.Claim]) -> None:
        if self._slots == 1 and not self._hold_s:
            for claim in claims:
                self._held.add(claim.lease_id)
                answers = await self._record([_start(claim)])
                assert answers[0].go
                await self._finish([wire.FinishedAttempt(lease_id=claim.lease_id, outcome=COMPLETED)])
                self._held.discard(claim.lease_id)
            return
        for claim in claims:
            task = asyncio.create_task(self._gathered(claim))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _gathered(self, claim: wire.Claim) -> None:
        self._held.add(claim.lease_id)
        answer = await self._records.request(_start(claim))
        assert answer.go
        await asyncio.sleep(self._hold_s)
        await self._outcomes.request(wire.FinishedAttempt(lease_id=claim.lease_id, outcome=COMPLETED))
        self._held.discard(claim.lease_id)

    async def _beat(self) -> None:
        """Says now and then that it is alive, as a run of minutes must."""
        while True:
            await asyncio.sleep(BEAT_S)
            request = wire.HeartbeatRequest(
                worker=self._name, incarnation=self._incarnation, lease_ids=self._held,
                phase=wire.WORKER_PHASE_ACTIVE,
            )  # fmt: skip
            await self._stub.Heartbeat(request, timeout=CALL_TIMEOUT_S, metadata=self._metadata)

    async def _record(self, records: Sequence[wire.SessionRecord]) -> Sequence[wire.SessionAnswer]:
        request = wire.RecordSessionRequest(worker=self._name, records=records)
        response = await self._stub.RecordSession(request, timeout=CALL_TIMEOUT_S, metadata=self._metadata)
        self._count(len(records))
        return response.answers

    async def _finish(self, finished: Sequence[wire.FinishedAttempt]) -> Sequence[wire.FinishResult]:
        request = wire.FinishTaskRequest(worker=self._name, finished=finished)
        response = await self._stub.FinishTask(request, timeout=CALL_TIMEOUT_S, metadata=self._metadata)
        self._count(len(finished))
        return response.results

    def _count(self, steps: int) -> None:
        self._tally.steps += steps
        self._tally.messages += 1


def _start(claim: wire.Claim) -> wire.SessionRecord:
    return wire.SessionRecord(
        lease_id=claim.lease_id, session_id=f"{claim.task.task_id}-a{claim.attempt}-e{claim.epoch}",
        runner="bench", role=session_pb2.SESSION_ROLE_BUILDER,
    )  # fmt: skip


def _size(message: wire.SessionRecord | wire.FinishedAttempt) -> int:
    return message.ByteSize()


async def _guarded(worker: LoadWorker, tally: Tally) -> None:
    try:
        await worker.run()
    except Exception as error:  # noqa: BLE001  # it is counted, and shown with the figures
        tally.refused.append(repr(error)[:300])


async def drive(
    endpoint: Endpoint, *, workers: int, slots: int, seconds: float, hold_s: float = 0
) -> dict[str, object]:
    """Lets the workers work for that long, once all are connected and warm."""
    tally = Tally()
    running = [
        asyncio.create_task(_guarded(LoadWorker(endpoint, f"load-{n}", slots, tally, hold_s), tally))
        for n in range(workers)
    ]
    while tally.opened + len(tally.refused) < workers:  # noqa: ASYNC110  # many may set it, and nothing hangs on the moment
        await asyncio.sleep(0.01)
    await asyncio.sleep(WARM_S)
    steps, messages, begin = tally.steps, tally.messages, time.perf_counter()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - begin
    steps, messages = tally.steps - steps, tally.messages - messages
    tally.over = True
    _, late = await asyncio.wait(running, timeout=5)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return {
        "per_s": steps / took_s, "messages_per_s": messages / took_s, "refused": tally.refused[:3],
        "opened": tally.opened,
    }  # fmt: skip


def main() -> None:
    address, token, workers, slots, seconds, *hold_s = sys.argv[1:]
    driving = drive(
        Endpoint(address, token), workers=int(workers), slots=int(slots), seconds=float(seconds),
        hold_s=float(hold_s[0]) if hold_s else 0,
    )  # fmt: skip
    print(json.dumps(asyncio.run(driving)))


if __name__ == "__main__":
    main()
