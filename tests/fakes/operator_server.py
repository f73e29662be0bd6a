"""A fake swarmd and fake workers, for the tests of `swarmctl run`."""

import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, Swarm, SwarmMode, Worker
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import TOKEN, FakeOperator
from support.programs import alive
from swarmctl.programs import Programs

COMPLETED = TaskStatus.TASK_STATUS_COMPLETED
FAILED = TaskStatus.TASK_STATUS_FAILED
WORKER_TOKEN = f"swt1_worker_0123456789ab_{'s' * 43}"
RUNNING = SwarmMode.SWARM_MODE_RUNNING

# The command line of most tests of a run.
RUN = ("run", "plan.yaml", "--db", "state/swarm.db", "--workers", "2")
# Each program writes its pid, arguments and end to files, and waits for a file or for a signal. Asked twice, it writes
# one line: the kernel signals a parent's death once for each thread of the parent that had become its parent.
SWARMD = """\
#!/bin/sh
echo "$$ $@" >> {folder}/swarmd.calls
trap 'trap "" TERM; echo asked >> {folder}/swarmd.ends; exit 0' TERM
{first}
(umask 077; printf %s {token} > {folder}/state/token; : >> {folder}/state/swarm.db)
echo "swarmd ready grpc={address} dashboard=off db={folder}/state/swarm.db pid=$$"
while [ ! -e {folder}/crash ]; do sleep 0.02; done
echo "swarmd: the disk is gone" >&2
exit 1
"""
WORKER = """\
#!/bin/sh
echo "$$ $@" >> {folder}/workers.calls
trap 'trap "" TERM INT; echo asked >> {folder}/workers.ends; exit 0' TERM INT
{first}
while [ ! -e {folder}/release ]; do sleep 0.02; done
"""


@dataclass
class FakeOperatorServer:
    """A private server and its workers, as `run` sees them; each test sets their behaviour."""

    folder: Path
    operator: FakeOperator
    mode: SwarmMode.ValueType = RUNNING
    cause: str = ""
    done: bool = False
    paused: list[PausedRunner] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def write(self, *, swarmd: str = "", worker: str = "") -> None:
        """Writes the programs; each runs its line before it waits."""
        for name, script, first in (("swarmd", SWARMD, swarmd), ("worker", WORKER, worker)):
            path = self.folder / name
            place = shlex.quote(str(self.folder))
            path.write_text(
                script.format(folder=place, token=TOKEN, address=self.operator.address, first=first)
            )
            path.chmod(0o700)

    def programs(self) -> Programs:
        return Programs((str(self.folder / "swarmd"),), (str(self.folder / "worker"),))

    def swarm(self, _: object = None) -> Swarm:
        return Swarm(
            mode=self.mode, cause=self.cause, done=self.done, last_event_seq=1, paused_runners=self.paused
        )

    def list_tasks(self, request: wire.ListTasksRequest) -> wire.ListTasksResponse:
        """Answers ListTasks, filtered by status."""
        found = [task for task in self.tasks if not request.statuses or task.status in request.statuses]
        return wire.ListTasksResponse(tasks=found, total=len(found))

    def happen(self, *events: Event) -> Iterator[wire.WatchEventsResponse]:
        """Sends the events, and then nothing more."""
        yield wire.WatchEventsResponse(events=events)
        self.ended.wait()

    def complete(self, request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        """Completes all tasks as soon as their events are watched; the workers leave."""
        ends = [Task(task_id=task.task_id, status=COMPLETED, attempt=1) for task in self.tasks]
        return self.end(request, *ends)

    def end(self, request: wire.WatchEventsRequest, *tasks: Task) -> Iterator[wire.WatchEventsResponse]:
        """Ends the tasks like this as soon as their events are watched; the workers leave."""
        if not request.follow:
            return
        self.tasks, self.done = list(tasks), True
        (self.folder / "release").touch()
        kinds = {COMPLETED: EventKind.EVENT_KIND_TASK_COMPLETED, FAILED: EventKind.EVENT_KIND_TASK_FAILED}
        yield from self.happen(
            *(
                Event(seq=2 + i, kind=kinds[task.status], task_id=task.task_id, status=task.status)
                for i, task in enumerate(tasks)
            )
        )

    def calls(self, name: str) -> list[list[str]]:
        """Returns the pid and the arguments of each call of a program."""
        path = self.folder / f"{name}.calls"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def ends(self, name: str) -> int:
        """Returns the number of a program's processes that were asked to end."""
        path = self.folder / f"{name}.ends"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def left(self) -> list[int]:
        """Returns the pids of the processes that still run."""
        pids = [int(call[0]) for name in ("swarmd", "workers") for call in self.calls(name)]
        return [pid for pid in pids if alive(pid)]
