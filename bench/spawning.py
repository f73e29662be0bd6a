"""R5, R6: sessions per second of real workers, guard and records included, beside bare spawns of the same
program.

The program is a script of two lines that says PASS: builder and validator of every task.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Finding, Pairs, Setting, at_least
from programs import add_tasks, folder, start_swarmd

from amplifier_swarm.channel import Endpoint, dial_blocking
from amplifier_swarm.v1 import event_pb2, operator_service_pb2_grpc
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from support.programs import environment, stage

TASKS = 300
WORKERS, SLOTS = 2, 8
BARE_S = 2.0
AT_ONCE = 8


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures both in turn."""
    pairs = Pairs()
    for _ in range(setting.pairs):
        with folder() as where:
            stub = _stub(where)
            pairs.add(_sessions_per_s(where, stub), asyncio.run(_bare_per_s(stub)))
    yield Finding(
        "R5,R6", "sessions/s of real workers ÷ bare spawns", pairs.ratios, at_least(0.35),
        beside=pairs.beside("sessions/s", "spawns/s"),
    )  # fmt: skip


def _sessions_per_s(where: Path, stub: Path) -> float:
    with stage(where) as found:
        server = start_swarmd(found)
        command = ("--runner", "command", "--builder-command", str(stub), "--validator-command", str(stub))
        flags = ("--slots", str(SLOTS), "--log-level", "error", *command)
        for number in range(WORKERS):
            found.worker(f"w{number}", *flags).ready()
        add_tasks(server, TASKS)
        first_s, last_s = _span(server.endpoint)
    return 2 * TASKS / (last_s - first_s)


def _span(endpoint: Endpoint) -> tuple[float, float]:
    """Returns the seconds from the first claim to the last completion, by the server's clock."""
    first_s, completed = 0.0, 0
    with dial_blocking(endpoint) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        for message in stub.WatchEvents(operator_pb.WatchEventsRequest(follow=True), timeout=250):
            for event in message.events:
                at_s = event.happened_at.seconds + event.happened_at.nanos / 1e9
                if event.kind == event_pb2.EVENT_KIND_TASK_CLAIMED:
                    first_s = first_s or at_s
                completed += event.kind == event_pb2.EVENT_KIND_TASK_COMPLETED
                if completed == TASKS:
                    return first_s, at_s
    raise AssertionError("the events ended before the tasks did")


async def _bare_per_s(stub: Path) -> float:
    """Returns the number of such programs that one process can start and wait for per second, several at
    once.
    """
    done, begin = 0, time.perf_counter()

    async def one_by_one() -> None:
        nonlocal done
        while time.perf_counter() < begin + BARE_S:
            process = await asyncio.create_subprocess_exec(
                str(stub), stdout=asyncio.subprocess.DEVNULL, env=environment()
            )
            await process.wait()
            done += 1

    await asyncio.gather(*(one_by_one() for _ in range(AT_ONCE)))
    return done / (time.perf_counter() - begin)


def _stub(where: Path) -> Path:
    script = where / "stub"
    script.write_text('#!/bin/sh\necho \'{"verdict": "PASS"}\'\n')
    script.chmod(0o755)
    return script
