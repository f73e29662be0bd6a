"""Requests that must never wait for the writer, at a steady pace over their own connection.

Run as a program: `probe.py ADDRESS TOKEN SECONDS` prints, as JSON, the seconds to each answer: heartbeats,
kills of waiting tasks, kills of a held task until the order arrives, and one emergency stop.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.server import Client, next_claim, next_message

NAME = "probe"
PACE_S = 0.02


async def main() -> None:
    address, token, seconds = sys.argv[1:]
    endpoint = Endpoint(address, token)
    channel = dial(endpoint)
    client = Client(channel, endpoint.metadata)
    stream = client.claims(NAME, labels={"for": NAME}, slots=1)
    await next_message(stream)
    times: dict[str, list[float]] = {}
    end_s = time.monotonic() + float(seconds)
    beat = wire.HeartbeatRequest(worker=NAME, incarnation=f"{NAME}-1", phase=wire.WORKER_PHASE_ACTIVE)
    number = 0
    while time.monotonic() < end_s:
        await _timed(times, "beat", partial(client.call, "Heartbeat", beat))
        if number % 5 == 0:
            kill = operator_pb.KillTaskRequest(task_ids=[f"victim-{number // 5:05d}"])
            await _timed(times, "kill", partial(client.call, "KillTask", kill))
        number += 1
        await asyncio.sleep(PACE_S)
    await _timed(times, "order", partial(_kill_held, client, stream))
    stop = operator_pb.EmergencyStopRequest(cause="a drill")
    await _timed(times, "stop", partial(client.call, "EmergencyStop", stop))
    stream.cancel()
    await channel.close()
    print(json.dumps(times))


async def _timed(times: dict[str, list[float]], name: str, call: Callable[[], Awaitable[Any]]) -> None:
    begin = time.monotonic()
    took_s = await call()
    times.setdefault(name, []).append(took_s if isinstance(took_s, float) else time.monotonic() - begin)


async def _kill_held(client: Client, stream: Any) -> float:
    """Measures from the kill of a task that this worker holds to the arrival of the order."""
    claim = await next_claim(stream)
    record = wire.SessionRecord(
        lease_id=claim.lease_id, session_id="probe-1", runner="bench", role=session_pb2.SESSION_ROLE_BUILDER
    )
    await client.call("RecordSession", wire.RecordSessionRequest(worker=NAME, records=[record]))
    begin = time.monotonic()
    killing = asyncio.ensure_future(
        client.call("KillTask", operator_pb.KillTaskRequest(task_ids=[claim.task.task_id]))
    )
    while not (await next_message(stream)).orders:
        pass
    took_s = time.monotonic() - begin
    await killing
    return took_s


if __name__ == "__main__":
    asyncio.run(main())
