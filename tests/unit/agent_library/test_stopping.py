"""The end of a turn from outside: it is bounded, has no envelope, and leaves what can be resumed or not."""

import signal
import subprocess

import pytest

from support.library_child import LibraryChild, end_of
from support.waiting import until
from swarm_worker.domain.model import Task
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.library import Library, LibraryRunner


def begun(process: subprocess.Popen[bytes]) -> None:
    """Waits until the turn has begun, or the command of its call runs."""
    assert process.stderr is not None
    while (line := process.stderr.readline()) and b"tool/started" not in line and b"alive" not in line:
        pass


def resumable(child: LibraryChild) -> bool:
    """Returns what the worker's runner says of the child's session."""
    runner = LibraryRunner(Library("python", "3", "0", lists_models=False), configs={}, env={"HOME": "/"})
    runner.swarms = child.folder
    name, swarm_id = SessionId(child.session), child.sessions.name
    plan = SessionPlan(name, Role.BUILDER, Task("t", "{}"), "p", child.project, swarm_id=swarm_id)
    return runner.resumable(plan)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_turn_and_ends_the_process(child: LibraryChild, number: signal.Signals) -> None:
    child.declare(("bash", {"command": "sleep 600"}))
    with child.start() as process:
        begun(process)
        begun(process)
        process.send_signal(number)
        ended = end_of(process)

    assert ended.code == -number
    assert ended.out == ""
    assert child.states() == ["cancelled"]


@pytest.mark.slow
def test_a_cancel_that_never_returns_does_not_keep_the_process(child: LibraryChild) -> None:
    child.faults("cancel_hangs")
    with child.start() as process:
        begun(process)
        process.send_signal(signal.SIGTERM)
        ended = end_of(process)

    assert ended.code == -signal.SIGALRM
    assert ended.out == ""


def test_a_signal_between_two_turns_ends_the_process(child: LibraryChild) -> None:
    child.faults("overload")
    with child.start("--waits", "600") as process:
        assert process.stderr is not None
        until(lambda: b'"recoverable": true' in process.stderr.readline(), "it waits")  # type: ignore[union-attr]
        process.send_signal(signal.SIGTERM)
        ended = end_of(process)

    assert (ended.code, ended.out) == (-signal.SIGTERM, "")


def test_a_killed_session_has_no_history_and_is_not_resumed(child: LibraryChild) -> None:
    child.faults("crash")

    ended = child.run()

    assert ended.code == -signal.SIGKILL
    transcript = child.sessions / "sessions" / child.session / "transcript.jsonl"
    assert transcript.read_bytes() == b"", "the library leaves an empty transcript, which it would resume"
    assert not resumable(child)


def test_an_ended_session_is_resumable(child: LibraryChild) -> None:
    assert not resumable(child)
    child.run()
    assert resumable(child)


def test_threads_of_the_library_do_not_keep_the_process(child: LibraryChild) -> None:
    child.faults("noisy")

    assert child.run().code == 0
