"""Streams over restarts of the server, and shell completion."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.session_pb2 import LogEntry
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import TOKEN, FakeOperator
from swarmctl.api import streams
from swarmctl.api.connection import Connection
from swarmctl.cli.registry import COMMANDS
from unit.client.conftest import Ctl

GONE = WireError(grpc.StatusCode.UNAVAILABLE, "going down", "SERVER_STOPPING")


def test_a_log_that_is_followed_over_a_restart_repeats_no_line(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    def tail(request: wire.TailLogRequest) -> Iterator[wire.TailLogResponse | WireError]:
        numbers = [1, 2] if request.after_cursor == 0 else [3]
        entries = [LogEntry(number=number, cursor=10 + number, text=f"line {number}") for number in numbers]
        yield wire.TailLogResponse(session_id="s", entries=entries)
        if request.after_cursor == 0:
            yield GONE

    operator.answers["TailLog"] = tail
    operator.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a"))

    result = ctl("logs", "a", "--follow")

    assert result.code == 0
    assert [line.strip() for line in result.out.splitlines()[1:]] == ["line 1", "line 2", "line 3"]
    assert [request.after_cursor for request in operator.asked("TailLog")] == [0, 12]


def test_events_that_are_followed_go_on_after_the_last_one_seen(
    operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    first = wire.WatchEventsResponse(events=[Event(seq=6), Event(seq=7)])
    second = wire.WatchEventsResponse(events=[Event(seq=8)])
    operator.answers["WatchEvents"] = lambda request: (
        [first, GONE] if request.after_seq == 5 else [wire.WatchEventsResponse(), second]
    )

    connection = Connection(Endpoint(server=operator.address, token=TOKEN))
    stream = streams.events(connection.stub, after=5)
    seen = [event.seq for _ in range(2) for event in next(stream)]
    connection.close()

    assert seen == [6, 7, 8]


def test_an_error_that_no_wait_heals_ends_a_stream(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["WatchEvents"] = WireError(
        grpc.StatusCode.PERMISSION_DENIED, "viewers only", "ROLE_DENIED"
    )

    result = ctl("events", "--follow")

    assert (result.code, result.err) == (4, "swarmctl: viewers only; use a token of another role\n")


def test_what_comes_within_a_pause_is_one_batch() -> None:
    batches = iter([[1], [2, 3], [4]])

    found = [item for batch in streams.coalesced(batches, pause_s=0.0) for item in batch]

    assert found == [1, 2, 3, 4]


def test_an_error_comes_after_what_came_before_it() -> None:
    def batches() -> Iterator[list[int]]:
        yield [1]
        raise KeyError("x")

    stream = streams.coalesced(batches(), pause_s=0.0)

    assert next(stream) == [1]
    with pytest.raises(KeyError):
        next(stream)


def completed(words: str, server: str = "127.0.0.1:1") -> subprocess.CompletedProcess[str]:
    """Returns the words that bash offers after these words, of which the last is incomplete."""
    environment = {
        **os.environ,
        "SWARM_TOKEN": TOKEN,
        "SWARM_SERVER": server,
        "_SWARMCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    swarmctl = Path(sys.executable).with_name("swarmctl")
    return subprocess.run([swarmctl], env=environment, capture_output=True, text=True, check=False)


def test_a_shell_is_offered_the_commands() -> None:
    done = completed("swarmctl ")

    assert set(COMMANDS) <= set(done.stdout.split())


@pytest.mark.slow
def test_a_shell_is_offered_the_tasks_that_the_server_knows(operator: FakeOperator) -> None:
    tasks = [Task(task_id="alpha"), Task(task_id="alter"), Task(task_id="x", name="alp")]
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=tasks)

    done = completed("swarmctl show al", operator.address)

    assert done.stdout.split() == ["alpha", "alter"]
    assert operator.asked("ListTasks")[0].search == "al"


@pytest.mark.slow
def test_the_server_named_on_the_line_is_the_one_that_is_asked(operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[Task(task_id="alpha")])

    assert completed(f"swarmctl --server {operator.address} kill al").stdout.split() == ["alpha"]
    assert completed(f"swarmctl kill --server {operator.address} al").stdout.split() == ["alpha"]


@pytest.mark.slow
def test_a_shell_is_offered_nothing_in_silence_where_no_server_answers() -> None:
    done = completed("swarmctl kill al")

    assert (done.stdout.strip(), done.stderr) == ("", "")
