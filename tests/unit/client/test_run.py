"""`swarmctl run` with programs that only pretend: who is started and stopped, and how each ending is told."""

import json
import os
import shlex
import signal
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.errors import Violation, WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import TOKEN, FakeOperator
from support.waiting import until
from swarmctl.run.conductor import OUR_CAUSE
from swarmctl.run.programs import Programs
from unit.client.conftest import Ctl

COMPLETED = TaskStatus.TASK_STATUS_COMPLETED
FAILED = TaskStatus.TASK_STATUS_FAILED
RUNNING = SwarmMode.SWARM_MODE_RUNNING

# Each writes down how it was called, its pid and its end; it waits for a file or for a signal.
SWARMD = """\
#!/bin/sh
echo "$$ $@" >> {folder}/swarmd.calls
trap 'echo asked >> {folder}/swarmd.ends; exit 0' TERM
{first}
(umask 077; printf %s {token} > {folder}/state/token)
echo "swarmd ready grpc={address} dashboard=off db={folder}/state/swarm.db pid=$$"
while [ ! -e {folder}/crash ]; do sleep 0.02; done
echo "swarmd: the disk is gone" >&2
exit 1
"""
WORKER = """\
#!/bin/sh
echo "$$ $@" >> {folder}/workers.calls
trap 'echo asked >> {folder}/workers.ends; exit 0' TERM INT
{first}
while [ ! -e {folder}/release ]; do sleep 0.02; done
"""


@dataclass
class FakeSwarm:
    """A private server and its workers, as `run` sees them; what they do is up to the test."""

    folder: Path
    operator: FakeOperator
    mode: SwarmMode.ValueType = RUNNING
    cause: str = ""
    done: bool = False
    tasks: list[Task] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def write(self, *, swarmd: str = "", worker: str = "") -> None:
        """The programs; each runs its line before it waits."""
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
        return Swarm(mode=self.mode, cause=self.cause, done=self.done, last_event_seq=1)

    def happen(self, *events: Event) -> Iterator[wire.WatchEventsResponse]:
        """The events, and then nothing more."""
        yield wire.WatchEventsResponse(events=events)
        self.ended.wait()

    def complete(self, request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        """All tasks are completed as soon as somebody looks, and the workers leave."""
        ends = [Task(task_id=task.task_id, status=COMPLETED, attempt=1) for task in self.tasks]
        return self.end(request, *ends)

    def end(self, request: wire.WatchEventsRequest, *tasks: Task) -> Iterator[wire.WatchEventsResponse]:
        """The tasks have ended like this as soon as somebody looks, and the workers leave."""
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
        """How a program was called, each time: its pid and its arguments."""
        path = self.folder / f"{name}.calls"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def ends(self, name: str) -> int:
        """How many of a program's processes were asked to end."""
        path = self.folder / f"{name}.ends"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def left(self) -> list[int]:
        """The processes that are still there."""
        pids = [int(call[0]) for name in ("swarmd", "workers") for call in self.calls(name)]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def fake(operator: FakeOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSwarm]:
    made = FakeSwarm(tmp_path, operator, tasks=[Task(task_id="a"), Task(task_id="b")])
    made.write()
    monkeypatch.setattr("swarmctl.commands.run.installed", made.programs)
    (tmp_path / "plan.yaml").write_text("tasks:\n  - id: a\n  - id: b\n")
    operator.answers |= {
        "GetSwarm": lambda _: wire.GetSwarmResponse(swarm=made.swarm()),
        "ListTasks": lambda _: wire.ListTasksResponse(tasks=made.tasks, total=len(made.tasks)),
        "AddTasks": wire.AddTasksResponse(added=2),
        "WatchEvents": made.complete,
        "PauseSwarm": wire.PauseSwarmResponse(),
        "EmergencyStop": wire.EmergencyStopResponse(),
        "ResumeSwarm": wire.ResumeSwarmResponse(requeued=["a"]),
    }
    yield made
    made.ended.set()
    assert made.left() == []


RUN = ("run", "plan.yaml", "--db", "state/swarm.db", "--workers", "2")


def test_a_run_that_completes_ends_with_0_and_a_summary(alone: Ctl, fake: FakeSwarm) -> None:
    result = alone(*RUN)

    assert result.code == 0
    assert result.out.splitlines() == [
        "TASK  STATUS     ATTEMPTS  TOOK  TOKENS  LAST ERROR",
        "a     completed         1",
        "b     completed         1",
        "2 tasks: 2 completed",
    ]
    talk = result.err.splitlines()
    assert talk[0].startswith(
        f"swarmctl: swarmd at {fake.operator.address}, database {fake.folder}/state/swarm.db"
    )
    assert talk[1] == "swarmctl: plan.yaml: 2 added, 0 changed, 0 unchanged"
    assert [line[9:] for line in talk[2:]] == ["[1/2] a task completed", "[2/2] b task completed"]


def test_each_child_is_told_where_everything_is(alone: Ctl, fake: FakeSwarm) -> None:
    alone(*RUN, "--project-root", ".", "--dashboard", "127.0.0.1:0")

    state = f"{fake.folder}/state"
    [[_, *swarmd]] = fake.calls("swarmd")
    assert swarmd == shlex.split(
        f"--db {state}/swarm.db --listen 127.0.0.1:0 --token-file {state}/token --dashboard 127.0.0.1:0"
    )
    for number, (_, *worker) in enumerate(sorted(fake.calls("workers"), key=lambda call: call[6]), start=1):
        assert worker == shlex.split(
            f"--server {fake.operator.address} --project-root . --name worker-{number} "
            f"--state-dir {state}/workers --token-file {state}/token --exit-when-done"
        )


def test_the_flags_of_workers_go_on_to_them_and_what_was_not_given_does_not(
    alone: Ctl, fake: FakeSwarm
) -> None:
    flags = [
        *("--slots", "2", "--runner", "command", "--builder-agent", "b", "--validator-agent", "v"),
        *("--no-validation", "--builder-command", "sh", "--validator-command", "true"),
        *("--builder-timeout", "90", "--validator-timeout", "1.5", "--stall-timeout", "7"),
        *("--kill-grace", "2", "--label", "os=linux", "--label", "gpu=1"),
    ]

    alone(*RUN, *flags)

    [call, _] = fake.calls("workers")
    begin = call.index("--slots")
    assert call[begin : begin + len(flags)] == flags


def test_its_summary_is_data(alone: Ctl, fake: FakeSwarm) -> None:
    document = json.loads(alone(*RUN, "-o", "json").out)

    assert document["completed"] is True
    assert [task["status"] for task in document["tasks"]] == ["completed", "completed"]


def test_a_task_that_failed_makes_it_a_negative_result(alone: Ctl, fake: FakeSwarm) -> None:
    failed = Task(task_id="a", status=FAILED, attempt=3, last_error="boom")
    fake.operator.answers["WatchEvents"] = lambda request: fake.end(request, failed)

    result = alone(*RUN)

    assert result.code == 1
    assert result.out.splitlines()[1:] == ["a     failed         3                boom", "1 task: 1 failed"]


def test_a_plan_with_a_fault_starts_nothing(alone: Ctl, fake: FakeSwarm) -> None:
    (fake.folder / "plan.yaml").write_text("tasks:\n  - id: 1\n")

    result = alone(*RUN)

    assert result.code == 2
    assert result.err.startswith('plan.yaml:2: task "1": id: must be text')
    assert fake.calls("swarmd") == []
    assert not (fake.folder / "state").exists()


def test_a_fault_that_the_server_finds_starts_no_worker(alone: Ctl, fake: FakeSwarm) -> None:
    faults = [Violation("tasks[1].task_id", "no good; choose another")]
    fake.operator.answers["AddTasks"] = WireError(
        grpc.StatusCode.INVALID_ARGUMENT, "1 fault", "INVALID_TASKS", {"count": "1"}, faults
    )

    result = alone(*RUN)

    assert result.code == 2
    assert result.err.splitlines()[-1] == 'plan.yaml:3: task "b": id: no good; choose another'
    assert (fake.calls("workers"), fake.ends("swarmd")) == ([], 1)


def test_why_swarmd_does_not_start_is_passed_on_with_its_code(alone: Ctl, fake: FakeSwarm) -> None:
    fake.write(swarmd='echo noise >&2; echo "swarmd: pid 7 has it; stop that one" >&2; exit 3')

    result = alone(*RUN)

    assert (result.code, result.out, result.err) == (3, "", "swarmd: pid 7 has it; stop that one\n")


def test_a_swarmd_that_dies_without_a_word_is_told_with_its_log(alone: Ctl, fake: FakeSwarm) -> None:
    fake.write(swarmd="kill -9 $$")

    result = alone(*RUN)

    assert result.code == 1
    assert (
        result.err == f"swarmctl: swarmd ended with exit code -9; see {fake.folder}/state/logs/swarmd.log\n"
    )


def test_a_swarmd_that_says_something_else_is_stopped(alone: Ctl, fake: FakeSwarm) -> None:
    fake.write(swarmd="echo hello")

    result = alone(*RUN)

    assert result.code == 1
    assert result.err.startswith("swarmctl: swarmd did not say that it is ready; see ")
    assert fake.ends("swarmd") == 1


def test_an_interrupt_before_the_server_is_ready_stops_it(alone: Ctl, fake: FakeSwarm) -> None:
    fake.write(swarmd=f"kill -INT {os.getpid()}; while true; do sleep 0.02; done")

    result = alone(*RUN)

    assert (result.code, result.out, result.err) == (130, "", "")
    assert fake.ends("swarmd") == 1


def test_workers_that_fail_for_one_reason_say_it_once(alone: Ctl, fake: FakeSwarm) -> None:
    fake.write(worker='echo "swarm-worker: no runner here; install one" >&2; exit 2')
    fake.operator.answers["WatchEvents"] = lambda request: fake.happen() if request.follow else ()

    result = alone(*RUN)

    assert result.code == 1
    [first, second] = result.err.splitlines()[2:]
    assert first.endswith(" ended with exit code 2: swarm-worker: no runner here; install one")
    assert second == f"swarmctl: all workers have ended with work left; see {fake.folder}/state/logs"


def test_a_server_that_dies_in_the_middle_is_told_by_its_last_words(alone: Ctl, fake: FakeSwarm) -> None:
    def crash(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        until(lambda: len(fake.calls("workers")) == 2, "both workers run")
        (fake.folder / "crash").touch()
        yield from fake.happen()

    fake.operator.answers["WatchEvents"] = crash

    result = alone(*RUN)

    assert result.code == 1
    assert result.err.splitlines()[-1] == (
        "swarmctl: swarmd ended in the middle of the run: swarmd: the disk is gone; "
        "the same command goes on where it was"
    )
    assert fake.ends("workers") == 2


def interrupting(fake: FakeSwarm, times: int) -> None:
    """Has the user press Ctrl-C so often, each time when the last has had its effect."""

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if request.follow:
            until(lambda: len(fake.calls("workers")) == 2, "both workers run")
            os.kill(os.getpid(), signal.SIGINT)
            if times == 2:
                until(lambda: fake.operator.asked("PauseSwarm"), "the first is obeyed")
                os.kill(os.getpid(), signal.SIGINT)
            yield from fake.happen()

    fake.operator.answers["WatchEvents"] = watch


def test_the_first_interrupt_starts_nothing_new_and_lets_workers_finish(alone: Ctl, fake: FakeSwarm) -> None:
    interrupting(fake, times=1)

    result = alone(*RUN)

    assert result.code == 1
    [request] = fake.operator.asked("PauseSwarm")
    assert request.cause == OUR_CAUSE
    assert (fake.ends("workers"), fake.operator.asked("EmergencyStop")) == (2, [])
    assert "swarmctl: stopping when the running tasks have ended; Ctrl-C again kills them" in result.err
    assert "work left" not in result.err


def test_the_second_interrupt_is_an_emergency_stop(alone: Ctl, fake: FakeSwarm) -> None:
    # Workers that are busy do not leave when they are first asked.
    fake.write(worker="trap : TERM INT")
    interrupting(fake, times=2)

    def stop(_: wire.EmergencyStopRequest) -> wire.EmergencyStopResponse:
        (fake.folder / "release").touch()
        return wire.EmergencyStopResponse()

    fake.operator.answers["EmergencyStop"] = stop

    result = alone(*RUN)

    assert result.code == 1
    [request] = fake.operator.asked("EmergencyStop")
    assert request.cause.startswith(OUR_CAUSE)


@pytest.mark.parametrize(
    ("mode", "cause", "requeue"),
    [
        (SwarmMode.SWARM_MODE_PAUSED, OUR_CAUSE, False),
        (SwarmMode.SWARM_MODE_PAUSED, "lunch", False),
        (SwarmMode.SWARM_MODE_STOPPED, f"{OUR_CAUSE} twice", True),
    ],
)
def test_a_run_goes_on_where_one_was_interrupted(
    alone: Ctl, fake: FakeSwarm, mode: SwarmMode.ValueType, cause: str, *, requeue: bool
) -> None:
    fake.mode, fake.cause = mode, cause

    assert alone(*RUN).code == 0
    assert [request.requeue for request in fake.operator.asked("ResumeSwarm")] == [requeue]


def test_the_emergency_stop_of_somebody_else_stands(alone: Ctl, fake: FakeSwarm) -> None:
    fake.mode, fake.cause = SwarmMode.SWARM_MODE_STOPPED, "the building burns"

    result = alone(*RUN)

    assert result.code == 7
    assert "swarmctl: an emergency stop is in force: the building burns; " in result.err
    assert (fake.operator.asked("ResumeSwarm"), fake.calls("workers")) == ([], [])


def test_a_run_with_nothing_left_to_do_starts_no_worker(alone: Ctl, fake: FakeSwarm) -> None:
    fake.done = True
    fake.tasks = [Task(task_id="a", status=COMPLETED)]
    fake.operator.answers["AddTasks"] = wire.AddTasksResponse(unchanged=1)

    result = alone(*RUN)

    assert result.code == 0
    assert "plan.yaml: 0 added, 0 changed, 1 unchanged" in result.err
    assert fake.calls("workers") == []


def test_what_it_makes_is_for_its_owner_alone(alone: Ctl, fake: FakeSwarm) -> None:
    alone(*RUN)

    state = fake.folder / "state"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert {"swarmd.log", "worker-1.log", "worker-2.log"} <= set(modes)


def test_signals_are_as_before_when_it_has_ended(alone: Ctl, fake: FakeSwarm) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    alone(*RUN)

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
