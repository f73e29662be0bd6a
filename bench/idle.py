"""A fleet of idle workers in one process: each has its connection, its claim stream and its heartbeat.

Run as a program: `idle.py ADDRESS TOKEN WORKERS BEAT_S` connects them all, and answers each line on its stdin
with a line of JSON about how they are. `echo` as the token's place opens bare streams of the echo server.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass

import grpc

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.calls import CALL_TIMEOUT_S, Link
from swarm_worker.claims import ClaimStream
from swarm_worker.stubs import Stubs, connected


@dataclass
class State:
    """How the fleet is."""

    workers: int
    # Streams that stand, and how often one had to be opened.
    open: int = 0
    openings: int = 0
    # When the last one came up.
    last_open_s: float = 0.0
    beats: int = 0
    missed: int = 0
    slowest_beat_s: float = 0.0


class Idle:
    """One worker; it hears its stream."""

    def __init__(self, name: str, endpoint: Endpoint, state: State, beat_s: float) -> None:
        self._name = name
        self._endpoint = endpoint
        self._state = state
        self._beat_s = beat_s
        self._incarnation = f"{time.monotonic_ns()}"
        self._standing = False

    async def run(self) -> None:
        """Listens and beats until it is cancelled."""
        async with connected(self._endpoint) as stubs:
            link = _Silent(self)
            stream = ClaimStream(stubs, request=self._request, listener=self, link=link)
            await asyncio.gather(stream.run(), self._beats(stubs))

    def opened(self, opened: wire.Opened, *, since: float) -> None:
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

    async def _beats(self, stubs: Stubs) -> None:
        await asyncio.sleep(random.uniform(0, self._beat_s))
        request = wire.HeartbeatRequest(
            worker=self._name, incarnation=self._incarnation, phase=wire.WORKER_PHASE_ACTIVE
        )
        while True:
            begin = time.monotonic()
            try:
                await stubs.service.Heartbeat(request, timeout=CALL_TIMEOUT_S, metadata=stubs.metadata)
                self._state.beats += 1
            except grpc.RpcError:
                self._state.missed += 1
            took_s = time.monotonic() - begin
            self._state.slowest_beat_s = max(self._state.slowest_beat_s, took_s)
            await asyncio.sleep(self._beat_s - took_s)

    def _request(self) -> wire.ClaimTaskRequest:
        return wire.ClaimTaskRequest(
            worker=self._name, incarnation=self._incarnation, instance=self._name, slots=1, runner="bench"
        )


class _Silent(Link):
    """Says nothing on stderr; tells the worker instead."""

    def __init__(self, worker: Idle) -> None:
        super().__init__("")
        self._worker = worker

    def failed(self, call: str, error: object) -> None:
        self._worker.lost()

    def answered(self, call: str) -> None:
        pass


async def main() -> None:
    """See above."""
    address, token, workers, beat_s = sys.argv[1:]
    state = State(int(workers))
    endpoint = Endpoint(address, token)
    fleet = [Idle(f"idle-{n}", endpoint, state, float(beat_s)) for n in range(state.workers)]
    tasks = [asyncio.create_task(worker.run()) for worker in fleet]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        print(json.dumps(asdict(state)), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
