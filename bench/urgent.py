"""R13: urgent requests while the writer is saturated: a slow disk, a flow of events."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from fleet import idle_fleet
from measure import Finding, Samples, Setting, at_most
from programs import HERE, Running, add_tasks, run, swarmd

from amplifier_swarm.channel import dial_blocking
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import operator_service_pb2_grpc, task_pb2
from support.programs import environment

SECONDS = 6
# On a disk with 5 ms more latency they keep the writer in a commit, and create some 200 events a second.
WORKERS = 2
CONNECTED = 1_000
DRILLS = 20
TASKS = 20_000
VICTIMS = 1_000
NAMES = {
    "beat": "a heartbeat",
    "kill": "a kill",
    "stop": "an emergency stop",
    "order": "a kill → the order is there",
}
GOALS = {"beat": at_most(25), "kill": at_most(25), "stop": at_most(25), "order": at_most(1_000)}


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures the p99 of each, over the rounds."""
    rounds: dict[str, list[float]] = {}
    for _ in range(setting.pairs):
        with swarmd(slow_fsync=True) as server:
            add_tasks(server, TASKS)
            _add_for_the_probe(server)
            for name, times in _probe(server).items():
                rounds.setdefault(name, []).append(Samples(times).ms(0.99))
    for name, values in rounds.items():
        yield Finding("R13", f"p99 of the answer to {NAMES[name]}", values, GOALS[name], unit=" ms")


def stop_findings(_setting: Setting) -> Iterator[Finding]:
    """Measures the emergency stop alone, repeatedly, under full load of the workers."""
    samples = Samples()
    with swarmd() as server, idle_fleet(server, CONNECTED):
        add_tasks(server, TASKS)
        with _flood(server), dial_blocking(server.endpoint) as channel:
            stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
            for _ in range(DRILLS):
                with samples.one():
                    stub.EmergencyStop(operator_pb.EmergencyStopRequest(cause="a drill"), timeout=60)
                stub.ResumeSwarm(operator_pb.ResumeSwarmRequest(requeue=True), timeout=60)
    yield Finding(
        "stop",
        f"slowest answer to an emergency stop, {CONNECTED:,} workers hold a task",
        [samples.ms(1)],
        at_most(1_000),
        unit=" ms",
        beside={"drills": DRILLS, "median ms": samples.ms(0.5)},
    )


def _probe(server: Running) -> dict[str, list[float]]:
    with _flood(server):
        found: dict[str, list[float]] = run(
            "probe.py", server.endpoint.server, server.endpoint.token, SECONDS
        )
    return found


@contextlib.contextmanager
def _flood(server: Running) -> Iterator[None]:
    """Workers at work until the block ends."""
    endpoint = server.endpoint
    load = [sys.executable, str(HERE / "load.py"), endpoint.server, endpoint.token, str(WORKERS), "1", "600"]
    env = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    flood = subprocess.Popen(load, env=env, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        flood.kill()
        flood.wait(30)


def _add_for_the_probe(server: Running) -> None:
    """Adds one task that only the probe may have, and some that wait to be killed."""
    own = task_pb2.TaskDefinition(task_id="held", labels={"for": "probe"})
    last = task_pb2.TaskDefinition(task_id="never", labels={"for": "nobody"})
    waiting = [
        task_pb2.TaskDefinition(task_id=f"victim-{n:05d}", dependencies=["never"]) for n in range(VICTIMS)
    ]
    planned = [operator_pb.PlannedTask(definition=each) for each in (own, last, *waiting)]
    with dial_blocking(server.endpoint) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        stub.AddTasks(iter([operator_pb.AddTasksRequest(tasks=planned)]), timeout=60)
