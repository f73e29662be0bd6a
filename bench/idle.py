"""A fleet of idle workers in one process: each has its connection, its claim stream and its heartbeat.

Run as a program: `idle.py ADDRESS TOKEN WORKERS BEAT_S` connects all workers and answers each line on stdin
with a line of JSON: `look` with the state of the fleet, `since` with the heartbeats since the last `since`.
With `echo` as token it opens bare streams of the echo server.
"""

import asyncio
import gc
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import NoReturn

import grpc
from measure import Samples

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.rpc.claim_stream import ClaimStream
from swarm_worker.rpc.connection import ServerConnection, connected
from swarm_worker.rpc.heartbeat import JITTER
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, OutageLog

# The interval at which the process measures its own stalls, which are not the server's time.
PULSE_S = 0.01


@dataclass
class State:
    """The state of the fleet."""

    workers: int
    # The number of open streams, and of openings.
    open: int = 0
    openings: int = 0
    # The time of the last opening.
    last_open_s: float = 0.0
    # The number of answered heartbeats.
    beats: int = 0


@dataclass
class Beats:
    """The heartbeats of the fleet over a time."""

    took: Samples = field(default_factory=Samples)
    missed: int = 0
    # The longest stall of this process, and so of all its workers.
    still_s: float = 0.0

    def document(self) -> dict[str, float]:
        """Returns the state for the program that asks."""
        shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "slowest_ms": 1.0}
        took = {name: self.took.ms(share) if self.took.seconds else 0.0 for name, share in shares.items()}
        return {
            "beats": len(self.took.seconds),
            "missed": self.missed,
            "still_ms": 1_000 * self.still_s,
            **took,
        }


@dataclass
class Fleet:
    """The state that all workers of the process share."""

    endpoint: Endpoint
    beat_s: float
    state: State
    beats: Beats = field(default_factory=Beats)

    async def pulse(self) -> NoReturn:
        """Notes when the process stands still."""
        while True:
            due = time.monotonic() + PULSE_S
            await asyncio.sleep(PULSE_S)
            self.beats.still_s = max(self.beats.still_s, time.monotonic() - due)

    def since(self) -> Beats:
        """Returns the heartbeats since the last call."""
        gc.collect()
        gc.freeze()
        gc.enable()
        beats, self.beats = self.beats, Beats()
        return beats


class Idle:
    """An idle worker that reads its stream."""

    def __init__(self, name: str, fleet: Fleet) -> None:
        self._name = name
        self._fleet = fleet
        self._state = fleet.state
        self._incarnation = f"{time.monotonic_ns()}"
        self._joined = asyncio.Event()
        self._standing = False

    async def run(self) -> None:
        """Listens and beats until it is cancelled."""
        async with connected(self._fleet.endpoint) as connection:
            outages = _Silent(self)
            stream = ClaimStream(connection, request=self._request, listener=self, outages=outages)
            await asyncio.gather(stream.run(), self._beat(connection))

    def opened(self, opened: wire.Opened, *, since: float) -> None:
        self._joined.set()
        self._standing = True
        self._state.open += 1
        self._state.openings += 1
        self._state.last_open_s = time.monotonic()

    def received(self, response: wire.ClaimTaskResponse) -> None:
        pass

    def lost(self) -> None:
        """Its stream has ended."""
        self._state.open -= self._standing
        self._standing = False

    async def _beat(self, connection: ServerConnection) -> NoReturn:
        """Sends heartbeats like a real worker: after the join, and then with the same jitter."""
        request = wire.HeartbeatRequest(
            worker=self._name, incarnation=self._incarnation, phase=wire.WORKER_PHASE_ACTIVE
        )
        await self._joined.wait()
        while True:
            begin = time.monotonic()
            try:
                await connection.service.Heartbeat(
                    request, timeout=CALL_TIMEOUT_S, metadata=connection.metadata
                )
                self._fleet.beats.took.seconds.append(time.monotonic() - begin)
                self._state.beats += 1
            except grpc.RpcError:
                self._fleet.beats.missed += 1
            rest_s = self._fleet.beat_s * random.uniform(1 - JITTER, 1 + JITTER)
            await asyncio.sleep(begin + rest_s - time.monotonic())

    def _request(self) -> wire.ClaimTaskRequest:
        return wire.ClaimTaskRequest(
            worker=self._name, incarnation=self._incarnation, instance=self._name, slots=1, runner="bench"
        )


class _Silent(OutageLog):
    """A stderr that reports to the worker instead."""

    def __init__(self, worker: Idle) -> None:
        super().__init__("")
        self._worker = worker

    def failed(self, call: str, error: object) -> None:
        self._worker.lost()

    def answered(self, call: str) -> None:
        pass


async def main() -> None:
    address, token, workers, beat_s = sys.argv[1:]
    # In force until the first request: see Fleet.since.
    gc.disable()
    fleet = Fleet(Endpoint(address, token), float(beat_s), State(int(workers)))
    idle = [Idle(f"idle-{n}", fleet) for n in range(fleet.state.workers)]
    tasks = [asyncio.create_task(each) for each in (fleet.pulse(), *(worker.run() for worker in idle))]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        answer = fleet.since().document() if line.strip() == b"since" else asdict(fleet.state)
        print(json.dumps(answer), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
