"""`swarmctl run` after a run that was interrupted or killed, and the state that a run leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, SwarmMode, Worker
from amplifier_swarm.v1.task_pb2 import Task
from fakes.operator_server import COMPLETED, RUN, FakeOperatorServer
from support.waiting import until
from swarm_worker.config import WorkerConfig
from swarmctl.cli.worker_flags import WorkerFlags
from swarmctl.parent_death import NOT_STARTED
from swarmctl.run.supervisor import OUR_CAUSE
from swarmctl.run.workers import worker_names
from unit.client.conftest import Ctl

# The flags that `run` sets itself, or that its workers do not need.
OWN = {
    *("server", "name", "project_root", "exit_when_done", "state_dir", "token_file", "check", "ask"),
    *("list_workspaces", "remove_workspaces", "exit_when_idle", "drain_deadline"),
    *(
        "tls_ca",
        "tls_ca_fingerprint",
        "tls_cert",
        "tls_key",
        "log_format",
        "log_level",
        "prompts",
        "accept_prompts",
    ),
}


def test_every_other_flag_of_a_worker_can_be_given_to_a_run() -> None:
    assert {field.name for field in fields(WorkerFlags)} == {
        field.name for field in fields(WorkerConfig)
    } - OWN


@pytest.mark.parametrize(
    ("mode", "cause", "requeue"),
    [
        (SwarmMode.SWARM_MODE_PAUSED, OUR_CAUSE, False),
        (SwarmMode.SWARM_MODE_PAUSED, "lunch", False),
        (SwarmMode.SWARM_MODE_STOPPED, f"{OUR_CAUSE} twice", True),
    ],
)
def test_a_run_goes_on_where_one_was_interrupted(
    alone: Ctl, fake: FakeOperatorServer, mode: SwarmMode.ValueType, cause: str, *, requeue: bool
) -> None:
    fake.mode, fake.cause = mode, cause

    assert alone(*RUN).code == 0
    assert [request.requeue for request in fake.operator.asked("ResumeSwarm")] == [requeue]


def test_the_emergency_stop_of_somebody_else_stands(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.mode, fake.cause = SwarmMode.SWARM_MODE_STOPPED, "the building burns"

    result = alone(*RUN)

    assert result.code == 7
    assert "swarmctl: an emergency stop is in force: the building burns; " in result.err
    assert (fake.operator.asked("ResumeSwarm"), fake.calls("workers")) == ([], [])


def test_a_run_with_nothing_left_to_do_starts_no_worker(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.done = True
    fake.tasks = [Task(task_id="a", status=COMPLETED)]
    fake.operator.answers["AddTasks"] = wire.AddTasksResponse(unchanged=1)

    result = alone(*RUN)

    assert result.code == 0
    assert "plan.yaml: 0 added, 0 changed, 1 unchanged" in result.err
    assert fake.calls("workers") == []


def test_a_runner_that_was_paused_is_tried_again(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.paused = [PausedRunner(runner="amplifier", cause="no credit left")]
    fake.operator.answers["ResumeSwarm"] = wire.ResumeSwarmResponse()

    result = alone(*RUN)

    assert [request.requeue for request in fake.operator.asked("ResumeSwarm")] == [False]
    line = "swarmctl: trying the runner amplifier again, which was paused: no credit left"
    assert line in result.err.splitlines()
    assert "going on" not in result.err


def test_a_runner_that_is_paused_meanwhile_is_reported_with_the_command_that_resumes_it(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        kind = EventKind.EVENT_KIND_RUNNER_PAUSED
        if request.follow:
            yield wire.WatchEventsResponse(
                events=[Event(seq=2, kind=kind, task_id="a", worker="worker-1", cause="amplifier: 401")]
            )
        yield from fake.end(request, Task(task_id="a", status=COMPLETED))

    fake.operator.answers["WatchEvents"] = watch

    lines = alone(*RUN).err.splitlines()

    [paused] = [line for line in lines if "runner paused" in line]
    assert paused[9:] == (
        "[0/2] runner paused (worker-1, a): amplifier: 401; mend that, then `swarmctl resume "
        f"--server {fake.operator.address} --token-file {fake.folder}/state/token`"
    )


def test_the_last_events_are_printed_however_late_they_arrive(alone: Ctl, fake: FakeOperatorServer) -> None:
    kind = EventKind.EVENT_KIND_TASK_COMPLETED
    first, last = (
        Event(seq=seq, kind=kind, task_id=task_id, status=COMPLETED) for seq, task_id in ((2, "a"), (3, "b"))
    )

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if not request.follow:
            yield wire.WatchEventsResponse(events=[e for e in (first, last) if e.seq > request.after_seq])
            return
        # The workers leave before the stream has delivered the last event.
        yield wire.WatchEventsResponse(events=[first])
        fake.done = True
        (fake.folder / "release").touch()
        fake.ended.wait()

    fake.operator.answers["WatchEvents"] = watch

    lines = alone(*RUN).err.splitlines()

    assert [line[9:] for line in lines[2:-1]] == ["[1/2] a task completed", "[2/2] b task completed"]


def test_workers_that_hold_tasks_of_an_earlier_run_come_back(alone: Ctl, fake: FakeOperatorServer) -> None:
    (fake.folder / "state" / "workers" / "worker-7").mkdir(parents=True)
    fake.workers = [
        Worker(name="worker-1"),
        Worker(name="worker-7", running=1),
        # A worker that is not of a run: its state is elsewhere.
        Worker(name="elsewhere", running=1),
    ]

    alone(*RUN)

    names = {call[call.index("--name") + 1] for call in fake.calls("workers")}
    assert names == {"worker-7", "worker-1"}


@pytest.mark.parametrize(
    ("size", "holders", "names"),
    [
        (2, [], ["worker-1", "worker-2"]),
        (2, ["worker-2"], ["worker-2", "worker-1"]),
        (1, ["worker-2"], ["worker-2"]),
        (1, ["worker-3", "worker-9"], ["worker-3", "worker-9"]),
        (3, ["worker-1", "worker-2"], ["worker-1", "worker-2", "worker-3"]),
    ],
)
def test_the_workers_are_as_many_as_asked_and_include_all_holders(
    size: int, holders: list[str], names: list[str]
) -> None:
    assert worker_names(size, holders) == names


def test_a_database_in_use_is_reported_with_the_remedy(alone: Ctl, fake: FakeOperatorServer) -> None:
    said = "swarmd: here/swarm.db: another swarmd has this database open (pid 4711); use it"
    fake.write(swarmd=f'echo "{said}" >&2; exit 3')

    result = alone(*RUN)

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        f"swarmctl: a swarmd that runs already has {fake.folder}/state/swarm.db open (pid 4711); let that run "
        "end, or end its server with `kill 4711`; or give another --db\n"
    )


# A run without the programs that it would start.
ALONE = """\
import signal, sys
from swarmctl import main
from swarmctl.commands import run
from swarmctl.programs import Programs
signal.signal(signal.SIGINT, signal.SIG_DFL)
run.installed = lambda: Programs((sys.argv[1],), (sys.argv[2],))
main.run(sys.argv[3:])
"""


@pytest.mark.slow
def test_a_run_that_is_killed_outright_leaves_nothing_behind(fake: FakeOperatorServer) -> None:
    fake.operator.answers["WatchEvents"] = lambda request: fake.happen()
    programs = [*fake.programs().swarmd, *fake.programs().worker]
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, *programs, *RUN], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        until(lambda: len(fake.calls("workers")) == 2, "both workers run")

        run.send_signal(signal.SIGKILL)
        run.wait()

    until(lambda: not fake.left(), "server and workers are gone")
    assert (fake.ends("swarmd"), fake.ends("workers")) == (1, 2)


def test_a_child_whose_parent_is_gone_already_never_becomes_the_program() -> None:
    here = os.getpid()

    done = _tether("15", str(here + 1), "/bin/echo", "hello")

    assert (done.returncode, done.stdout) == (128 + 15, "")


def test_a_program_that_is_not_there_is_one_line() -> None:
    done = _tether("15", str(os.getpid()), "/nowhere/program")

    assert done.returncode == NOT_STARTED
    assert done.stderr == "swarmctl: can't start /nowhere/program: No such file or directory\n"


def _tether(*arguments: str) -> subprocess.CompletedProcess[str]:
    from swarmctl import parent_death  # noqa: PLC0415  # its place is all that is asked for

    argv = [sys.executable, "-I", "-S", parent_death.__file__, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)
