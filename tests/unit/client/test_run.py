"""`swarmctl run` with fake programs: which children start and stop, and how each ending is reported."""

import json
import os
import shlex
import signal
import stat
from collections.abc import Iterator

import grpc
import pytest

from amplifier_swarm.errors import Violation, WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task
from fakes.operator_server import FAILED, RUN, FakeOperatorServer
from support.programs import LIBRARY_PLACES
from support.waiting import until
from swarmctl.run.supervisor import OUR_CAUSE
from unit.client.conftest import Ctl


class _AnyTook:
    """Equal to a line that says how long a run took."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith("took ")

    __hash__ = None  # type: ignore[assignment]


ANY_TOOK = _AnyTook()


def test_a_run_that_completes_ends_with_0_and_a_summary(alone: Ctl, fake: FakeOperatorServer) -> None:
    result = alone(*RUN)

    assert result.code == 0
    assert result.out.splitlines() == [
        "TASK  STATUS     ATTEMPTS  TOOK  TOKENS  LAST ERROR",
        "a     completed         1",
        "b     completed         1",
        "2 tasks: 2 completed",
        ANY_TOOK,
    ]
    talk = result.err.splitlines()
    assert talk[0].startswith(
        f"swarmctl: swarmd at {fake.operator.address}, database {fake.folder}/state/swarm.db"
    )
    assert talk[1] == "swarmctl: plan.yaml: 2 added, 0 changed, 0 unchanged"
    assert [line[9:] for line in talk[2:-1]] == ["[1/2] a task completed", "[2/2] b task completed"]
    assert talk[-1] == (
        f"swarmctl: all of it is in {fake.folder}/state/swarm.db; `swarmctl list` in this folder shows it"
    )


def test_each_child_gets_the_paths_of_everything(alone: Ctl, fake: FakeOperatorServer) -> None:
    alone(*RUN, "--project-root", ".", "--dashboard", "127.0.0.1:0")

    state = f"{fake.folder}/state"
    [[_, *swarmd]] = fake.calls("swarmd")
    assert swarmd == shlex.split(
        f"--db {state}/swarm.db --listen 127.0.0.1:0 --token-file {state}/token --dashboard 127.0.0.1:0"
    )
    for number, (_, *worker) in enumerate(
        sorted(fake.calls("workers"), key=lambda call: call[call.index("--name") + 1]), start=1
    ):
        assert worker == shlex.split(
            f"--server {fake.operator.address} --project-root . --exit-when-done "
            f"--prompts {state}/run-prompts "
            f"--accept-prompts none --name worker-{number} "
            f"--state-dir {state}/workers --token-file {state}/worker-token"
        )


def test_the_flags_of_workers_go_on_to_them_and_what_was_not_given_does_not(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    flags = [
        *("--slots", "2", "--runner", "command", "--builder-agent", "b", "--validator-agent", "v"),
        *("--builder-config", "b.yaml", "--validator-config", "v.yaml", "--bundle", "foundation"),
        *("--no-validation", "--builder-command", "sh", "--validator-command", "true"),
        *("--builder-timeout", "90", "--validator-timeout", "1.5", "--stall-timeout", "7"),
        *("--kill-grace", "2", "--label", "os=linux", "--label", "gpu=1"),
        *("--pass-env", "KEY_A", "--pass-env", "KEY_B"),
    ]

    alone(*RUN, *flags)

    [call, _] = fake.calls("workers")
    begin = call.index("--slots")
    assert call[begin : begin + len(flags)] == flags


def test_its_summary_is_data(alone: Ctl, fake: FakeOperatorServer) -> None:
    document = json.loads(alone(*RUN, "-o", "json").out)

    assert document["completed"] is True
    assert [task["status"] for task in document["tasks"]] == ["completed", "completed"]


def test_a_task_that_failed_makes_it_a_negative_result(alone: Ctl, fake: FakeOperatorServer) -> None:
    failed = Task(task_id="a", status=FAILED, attempt=3, last_error="boom")
    fake.operator.answers["WatchEvents"] = lambda request: fake.end(request, failed)

    result = alone(*RUN)

    assert result.code == 1
    assert result.out.splitlines()[1:] == [
        "a     failed         3                boom",
        "1 task: 1 failed",
        ANY_TOOK,
    ]
    assert result.err.splitlines()[-2] == (
        "swarmctl: a failed: `swarmctl show a` says more; the same `run` with --retry-failed runs it again"
    )


def test_a_plan_with_a_fault_starts_nothing(alone: Ctl, fake: FakeOperatorServer) -> None:
    (fake.folder / "plan.yaml").write_text("tasks:\n  - id: 1\n")

    result = alone(*RUN)

    assert result.code == 2
    assert result.err.startswith('plan.yaml:2: task "1": id: must be text')
    assert fake.calls("swarmd") == []
    assert not (fake.folder / "state").exists()


def test_a_fault_that_the_server_finds_starts_no_worker(alone: Ctl, fake: FakeOperatorServer) -> None:
    faults = [Violation("tasks[1].task_id", "no good; choose another")]
    fake.operator.answers["AddTasks"] = WireError(
        grpc.StatusCode.INVALID_ARGUMENT, "1 fault", "INVALID_TASKS", {"count": "1"}, faults
    )

    result = alone(*RUN)

    assert result.code == 2
    assert result.err.splitlines()[-1] == 'plan.yaml:3: task "b": id: no good; choose another'
    assert (fake.calls("workers"), fake.ends("swarmd")) == ([], 1)


def test_why_swarmd_does_not_start_is_passed_on_with_its_code(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.write(swarmd='echo noise >&2; echo "swarmd: pid 7 has it; stop it" >&2; exit 3')

    result = alone(*RUN)

    assert (result.code, result.out, result.err) == (3, "", "swarmd: pid 7 has it; stop it\n")


def test_a_swarmd_that_dies_without_a_word_is_reported_with_its_log(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    fake.write(swarmd="kill -9 $$")

    result = alone(*RUN)

    assert result.code == 1
    assert (
        result.err == f"swarmctl: swarmd ended with exit code -9; see {fake.folder}/state/logs/swarmd.log\n"
    )


def test_a_swarmd_that_says_something_else_is_stopped(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.write(swarmd="echo hello")

    result = alone(*RUN)

    assert result.code == 1
    assert result.err.startswith("swarmctl: swarmd did not say that it is ready; see ")
    assert fake.ends("swarmd") == 1


def test_an_interrupt_before_the_server_is_ready_stops_it(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.write(swarmd=f"kill -INT {os.getpid()}; while true; do sleep 0.02; done")

    result = alone(*RUN)

    assert (result.code, result.out, result.err) == (130, "", "")
    assert fake.ends("swarmd") == 1


def test_workers_that_fail_for_one_reason_say_it_once(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.write(worker='echo "swarm-worker: no runner here; install one" >&2; exit 2')
    fake.operator.answers["WatchEvents"] = lambda request: fake.happen() if request.follow else ()

    result = alone(*RUN)

    assert result.code == 1
    [first, second, _] = result.err.splitlines()[2:]
    assert first.endswith(" ended with exit code 2: swarm-worker: no runner here; install one")
    assert second.startswith(f"swarmctl: all workers have ended with work left; see {fake.folder}/state/logs")
    assert len(fake.calls("workers")) == 2, "what is configured wrongly is not tried again"


def test_a_server_that_dies_in_the_middle_is_reported_with_its_last_line(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
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


def interrupting(fake: FakeOperatorServer, times: int) -> None:
    """Presses Ctrl-C that often, each time after the last one has had its effect."""

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if request.follow:
            until(lambda: len(fake.calls("workers")) == 2, "both workers run")
            os.kill(os.getpid(), signal.SIGINT)
            if times == 2:
                until(lambda: fake.operator.asked("PauseSwarm"), "the first is obeyed")
                os.kill(os.getpid(), signal.SIGINT)
            yield from fake.happen()

    fake.operator.answers["WatchEvents"] = watch


def test_the_first_interrupt_starts_nothing_new_and_lets_workers_finish(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    interrupting(fake, times=1)

    result = alone(*RUN)

    assert result.code == 1
    [request] = fake.operator.asked("PauseSwarm")
    assert request.cause == OUR_CAUSE
    assert (fake.ends("workers"), fake.operator.asked("EmergencyStop")) == (2, [])
    assert "swarmctl: stopping when the running tasks have ended; Ctrl-C again kills them" in result.err
    assert "work left" not in result.err


def test_the_second_interrupt_is_an_emergency_stop(alone: Ctl, fake: FakeOperatorServer) -> None:
    # Busy workers do not leave at the first request.
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


def test_what_it_makes_is_for_its_owner_alone(alone: Ctl, fake: FakeOperatorServer) -> None:
    alone(*RUN)

    state = fake.folder / "state"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert {"swarmd.log", "worker-1.log", "worker-2.log"} <= set(modes)


def test_signals_are_as_before_when_it_has_ended(alone: Ctl, fake: FakeOperatorServer) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    alone(*RUN)

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_run_without_an_amplifier_and_without_a_runner_is_refused_before_anything_starts(
    alone: Ctl, fake: FakeOperatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(fake.folder))
    monkeypatch.setenv("HOME", str(fake.folder))
    for name in ("SWARM_WORKER_RUNNER", "SWARM_WORKER_AGENT_PYTHON", *LIBRARY_PLACES):
        monkeypatch.delenv(name, raising=False)

    result = alone(*RUN)

    assert result.code == 2
    assert "neither amplifier-agent nor amplifier is on PATH" in result.err
    assert "--runner embedded for a rehearsal" in result.err
    assert not (fake.folder / "state").exists()


def test_a_python_that_is_named_counts_as_an_amplifier(
    alone: Ctl, fake: FakeOperatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARM_WORKER_RUNNER", raising=False)
    fake.write(worker='echo "swarm-worker: $*" >&2; exit 2')

    result = alone(*RUN, "--agent-python", "agent/bin/python")

    assert "neither amplifier-agent" not in result.err
    assert "--agent-python agent/bin/python" in result.err, "the worker gets it, and tries it"


def test_builders_that_share_a_git_work_tree_are_warned_of_before_anything_runs(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    (fake.folder / ".git").mkdir()
    (fake.folder / "sub").mkdir()

    shared = alone(*RUN, "--project-root", "sub")
    slots = alone(*RUN[:-1], "1", "--slots", "3", "--project-root", "sub")
    single = alone(*RUN[:-1], "1", "--project-root", "sub")
    rehearsal = alone(*RUN, "--project-root", "sub", "--runner", "embedded")

    assert "warning: 2 builders at once share one git work tree" in shared.err.splitlines()[0]
    assert "warning: 3 builders at once" in slots.err
    assert "at once share one git work tree" not in single.err
    assert "at once share one git work tree" not in rehearsal.err


@pytest.mark.parametrize("flag", ["--server", "--token-file", "--tls-ca", "--tls-cert", "--tls-key"])
def test_flags_of_another_server_are_refused(alone: Ctl, flag: str) -> None:
    result = alone(*RUN, flag, "127.0.0.1:1")

    assert result.code == 2
    assert f"takes no {flag}" in result.err
