"""A flood of heartbeats: `beats.py ADDRESS TOKEN WORKERS SECONDS` prints the answers per second."""

import asyncio
import json
import sys
import time

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub

WARM_S = 0.5


async def main() -> None:
    address, token, workers, seconds = sys.argv[1:]
    endpoint = Endpoint(address, token)
    beats = [0] * int(workers)

    async def beat(number: int) -> None:
        async with dial(endpoint) as channel:
            stub = WorkerServiceStub(channel)
            name = f"beat-{number}"
            claim = wire.ClaimTaskRequest(
                worker=name, incarnation=name, instance=name, slots=1, runner="bench"
            )
            stream = stub.ClaimTask(claim, metadata=endpoint.metadata)
            await stream.read()
            request = wire.HeartbeatRequest(worker=name, incarnation=name, phase=wire.WORKER_PHASE_ACTIVE)
            while True:
                await stub.Heartbeat(request, metadata=endpoint.metadata, timeout=10)
                beats[number] += 1

    tasks = [asyncio.create_task(beat(number)) for number in range(int(workers))]
    while not all(beats):  # noqa: ASYNC110  # many may set it, and nothing hangs on the moment
        await asyncio.sleep(0.01)
    await asyncio.sleep(WARM_S)
    before, begin = sum(beats), time.perf_counter()
    await asyncio.sleep(float(seconds))
    per_s = (sum(beats) - before) / (time.perf_counter() - begin)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"per_s": per_s}))


if __name__ == "__main__":
    asyncio.run(main())
