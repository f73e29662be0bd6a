"""`swarmctl emergency-stop`: the workers that it waits for, and its receipt for each worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.errors import WireError
from amplifier_swarm.state_paths import project_state
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.session_pb2 import KillReceipt
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import Attempt, DisconnectPolicy, Task, TaskDefinition, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

KILLED = TaskStatus.TASK_STATUS_KILLED
KILLING = TaskStatus.TASK_STATUS_KILLING
ONLINE = WorkerStatus.WORKER_STATUS_ONLINE
SUSPECT = WorkerStatus.WORKER_STATUS_SUSPECT
AT = Timestamp(seconds=1_800_000_000)
AT_TEXT = "2027-01-15T08:00:00.000Z"
BY_TEXT = "2027-01-15T08:05:00.000Z"
IN_FORCE = "swarmctl: nothing starts until `swarmctl resume`"
Events = Iterator[wire.WatchEventsResponse]


class Night:
    """A swarm under an emergency stop: the holders of its tasks, and the proven ends."""

    def __init__(self, operator: FakeOperator, holders: dict[str, str]) -> None:
        self.operator = operator
        self.holders = holders
        self.gone: set[str] = set()
        self.unreachable: set[str] = set()
        self.statuses = dict.fromkeys(holders.values(), ONLINE)
        self.survivors = 0
        operator.answers |= {
            "EmergencyStop": self.stop,
            "ListTasks": lambda _: wire.ListTasksResponse(tasks=self.killing()),
            "ListWorkers": lambda _: wire.ListWorkersResponse(
                workers=[self.worker(name, status) for name, status in self.statuses.items()]
            ),
            "GetTask": self.task,
            "WatchEvents": operator.silence,
        }

    def stop(self, _: object) -> wire.EmergencyStopResponse:
        return wire.EmergencyStopResponse(
            swarm=Swarm(mode=SwarmMode.SWARM_MODE_STOPPED, cause="fire", last_event_seq=10),
            killing=list(self.holders),
            killed=["claimed"],
            workers=[self.stopping(name) for name in sorted({task.worker for task in self.killing()})],
        )

    def stopping(self, name: str) -> wire.StoppingWorker:
        task_ids = [task.task_id for task in self.killing() if task.worker == name]
        if name not in self.unreachable:
            return wire.StoppingWorker(worker=name, reachable=True, task_ids=task_ids)
        by = Timestamp(seconds=AT.seconds + 300)
        return wire.StoppingWorker(worker=name, task_ids=task_ids, stopped_by=by)

    def worker(self, name: str, status: WorkerStatus.ValueType) -> Worker:
        by = Timestamp(seconds=AT.seconds + 300) if status == SUSPECT else None
        return Worker(name=name, status=status, stopped_by=by)

    def killing(self) -> list[Task]:
        return [
            Task(task_id=task, status=KILLING, worker=worker)
            for task, worker in self.holders.items()
            if task not in self.gone
        ]

    def task(self, request: wire.GetTaskRequest) -> wire.GetTaskResponse:
        attempt = Attempt(number=1, worker=self.holders[request.task_id])
        task = Task(task_id=request.task_id, status=KILLING, attempt=1)
        if request.task_id in self.gone:
            task.status = KILLED
            task.completed_at.CopyFrom(AT)
            receipt = KillReceipt(processes_found=3, killed=2, survivors=self.survivors)
            attempt.kill_receipt.CopyFrom(receipt)
        return wire.GetTaskResponse(task=task, attempts=[attempt])

    def ends(self, *tasks: str) -> Event:
        """Returns the event that proves the end of the first task; the others have ended unseen."""
        self.gone |= set(tasks)
        return Event(seq=11 + len(self.gone), task_id=tasks[0], status=KILLED)

    def watch(self, *events: Any) -> None:
        """Sends the events, and then nothing more; a callable makes its event when it is due."""

        def answer(request: wire.WatchEventsRequest) -> Events:
            for event in events:
                yield wire.WatchEventsResponse(events=[event() if callable(event) else event])
            yield from self.operator.silence(request)

        self.operator.answers["WatchEvents"] = answer


@pytest.fixture
def night(operator: FakeOperator) -> Night:
    return Night(operator, {"a": "w1", "b": "w1", "c": "w2"})


def test_a_stop_waits_until_every_session_is_proven_gone_and_prints_a_receipt_a_worker(
    ctl: Ctl, night: Night
) -> None:
    night.watch(lambda: night.ends("c"), lambda: night.ends("a"), lambda: night.ends("b"))

    result = ctl("emergency-stop", "--cause", "fire")

    assert result.code == 0
    assert result.err.splitlines() == [
        IN_FORCE,
        "swarmctl: waiting until the sessions of 2 workers are gone",
    ]
    assert result.out.splitlines() == [
        "mode     stopped: fire",
        "killing  a, b, c",
        "killed   claimed",
        "WORKER  ITS SESSIONS                      FOUND  SIGTERM  SIGKILL  SURVIVORS  TASKS",
        f"w1      gone at {AT_TEXT}      6        0        4          0  a, b",
        f"w2      gone at {AT_TEXT}      3        0        2          0  c",
    ]


def test_the_stop_itself_is_the_first_thing_that_is_asked(ctl: Ctl, night: Night) -> None:
    night.watch(lambda: night.ends("a", "b", "c"), lambda: night.ends("b"), lambda: night.ends("c"))

    ctl("emergency-stop")

    assert night.operator.requests[0][0] == "EmergencyStop"
    assert [(w.after_seq, w.follow) for w in night.operator.asked("WatchEvents")] == [(10, True)]


def test_receipts_are_data_too(ctl: Ctl, night: Night) -> None:
    night.gone = {"a", "b", "c"}

    document, _ = in_every_form(ctl, "emergency-stop")

    assert (document["mode"], document["killing"], document["killed"]) == (
        "stopped",
        ["a", "b", "c"],
        ["claimed"],
    )
    first, second = document["receipts"]
    assert {key: value for key, value in first.items() if key != "tasks"} == {
        "worker": "w1",
        "reach": "stopped",
        "task_ids": ["a", "b"],
        "stopped_at": AT_TEXT,
        "stopped_by": None,
        "processes_found": 6,
        "terminated": 0,
        "killed": 4,
        "survivors": 0,
    }
    assert [(task["id"], task["status"]) for task in first["tasks"]] == [("a", "killed"), ("b", "killed")]
    assert second["tasks"][0]["kill_receipt"]["processes_found"] == 3


def test_what_is_proven_before_anybody_looks_is_not_waited_for(ctl: Ctl, night: Night) -> None:
    night.gone = {"a", "b", "c"}

    result = ctl("emergency-stop")

    assert (result.code, result.err) == (0, f"{IN_FORCE}\n")
    assert night.operator.asked("WatchEvents") == []
    assert "w2      gone at" in result.out


def test_a_worker_that_can_not_be_reached_is_not_waited_for(ctl: Ctl, night: Night) -> None:
    night.unreachable = {"w2"}
    night.watch(lambda: night.ends("a"), lambda: night.ends("b"))

    result = ctl("emergency-stop")

    assert result.code == 0
    assert "swarmctl: waiting until the sessions of 1 worker are gone" in result.err
    first, second = result.out.splitlines()[-2:]
    assert first.split()[:4] == ["w1", "gone", "at", AT_TEXT]
    assert " ".join(second.split()) == f"w2 unreachable: end by themselves by {BY_TEXT} c"


def test_with_nobody_in_reach_there_is_no_wait(ctl: Ctl, night: Night) -> None:
    night.unreachable = {"w1", "w2"}

    document = json.loads(ctl("emergency-stop", "-o", "json").out)

    assert [(w["reach"], w["stopped_at"], w["stopped_by"]) for w in document["receipts"]] == [
        ("unreachable", None, BY_TEXT)
    ] * 2
    assert document["receipts"][0]["survivors"] is None
    assert night.operator.asked("WatchEvents") == []


@pytest.mark.parametrize(
    "kind",
    [
        EventKind.EVENT_KIND_WORKER_SUSPECT,
        EventKind.EVENT_KIND_WORKER_LEFT,
        EventKind.EVENT_KIND_WORKER_LOST,
    ],
)
def test_a_worker_that_falls_silent_meanwhile_is_waited_for_no_longer(
    ctl: Ctl, night: Night, kind: EventKind.ValueType
) -> None:
    night.watch(lambda: night.ends("a", "b"), lambda: night.ends("b"), Event(seq=20, kind=kind, worker="w2"))

    result = ctl("emergency-stop")

    assert result.code == 0
    assert " ".join(result.out.splitlines()[-1].split()) == "w2 silent: end by themselves c"


def test_a_worker_that_was_silent_before_is_not_waited_for_though_its_stream_is_open(
    ctl: Ctl, night: Night
) -> None:
    night.statuses = {"w1": SUSPECT, "w2": SUSPECT}

    document = json.loads(ctl("emergency-stop", "-o", "json").out)

    assert [(worker["reach"], worker["stopped_by"]) for worker in document["receipts"]] == [
        ("silent", BY_TEXT)
    ] * 2


def test_no_time_is_promised_for_sessions_that_are_to_be_kept(ctl: Ctl, night: Night) -> None:
    night.statuses = {"w1": SUSPECT, "w2": SUSPECT}
    keep = TaskDefinition(on_disconnect=DisconnectPolicy.DISCONNECT_POLICY_KEEP)
    night.operator.answers["GetTask"] = lambda request: wire.GetTaskResponse(
        task=night.task(request).task, attempts=night.task(request).attempts, definition=keep
    )

    last = ctl("emergency-stop").out.splitlines()[-1]

    assert " ".join(last.split()) == "w2 silent: those to be kept end when it is heard again c"


def test_a_worker_that_comes_back_meanwhile_is_waited_for_again(ctl: Ctl, night: Night) -> None:
    night.unreachable = {"w2"}
    joined = Event(seq=11, kind=EventKind.EVENT_KIND_WORKER_JOINED, worker="w2")
    night.watch(joined, lambda: night.ends("a"), lambda: night.ends("b"), lambda: night.ends("c"))

    document = json.loads(ctl("emergency-stop", "-o", "json").out)

    assert [worker["reach"] for worker in document["receipts"]] == ["stopped", "stopped"]


def test_a_worker_that_is_heard_and_proves_nothing_is_a_negative_result_in_the_end(
    ctl: Ctl, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmctl.api.stop_wait.WITHIN_S", 0.2)
    night.gone = {"a", "b"}

    result = ctl("emergency-stop")

    assert result.code == 1
    assert result.out.splitlines()[-1].split()[:4] == ["w2", "not", "proven", "gone"]
    problem = "swarmctl: no proof within 0 s from 1 worker: w2; look at their hosts and logs"
    assert result.err.splitlines()[-1] == problem


def test_a_server_that_stays_away_does_not_hang_the_stop(
    ctl: Ctl, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmctl.api.stop_wait.WITHIN_S", 0.2)
    gone = WireError(grpc.StatusCode.UNAVAILABLE, "going down", "SERVER_STOPPING")
    night.operator.answers |= {"WatchEvents": gone, "GetTask": gone}

    result = ctl("emergency-stop")

    assert result.code == 5
    assert result.err.splitlines()[0] == IN_FORCE


def test_processes_that_outlive_the_stop_are_a_negative_result(ctl: Ctl, night: Night) -> None:
    night.gone, night.survivors = {"a", "b", "c"}, 1

    result = ctl("emergency-stop")

    assert result.code == 1
    problem = (
        "swarmctl: processes of a, b, c still run after the stop; "
        "`swarmctl show TASK` names the worker of each; end them on their hosts"
    )
    assert result.err.splitlines()[-1] == problem
    assert "survived at" in result.out
    assert "gone at" not in result.out


def test_a_stop_without_waiting_lists_the_ordered_workers(ctl: Ctl, night: Night) -> None:
    night.unreachable = {"w2"}

    result = ctl("emergency-stop", "--no-wait")

    assert (result.code, result.err) == (0, f"{IN_FORCE}\n")
    first, second = result.out.splitlines()[-2:]
    assert first.split() == ["w1", "ordered", "to", "end", "a,", "b"]
    assert " ".join(second.split()) == f"w2 unreachable: end by themselves by {BY_TEXT} c"
    assert [name for name, _ in night.operator.requests] == ["EmergencyStop"]


def test_a_stop_of_a_swarm_at_rest_is_done_at_once(ctl: Ctl, night: Night) -> None:
    night.holders = {}

    result = ctl("emergency-stop")

    assert (result.code, result.out) == (0, "mode    stopped: fire\nkilled  claimed\n")
    assert [name for name, _ in night.operator.requests] == ["EmergencyStop"]


@pytest.mark.parametrize("started", [True, False])
def test_without_an_answer_the_file_that_stops_workers_is_named(
    alone: Ctl, tmp_path: Path, *, started: bool
) -> None:
    folder = project_state(tmp_path).folder / "workers"
    if started:
        folder.mkdir(parents=True)

    result = alone("--server", "127.0.0.1:1", "emergency-stop")

    way = (
        f"`touch {folder}/EMERGENCY_STOP`"
        if started
        else "create a file EMERGENCY_STOP in the --state-dir of each"
    )
    assert result.code == 5
    assert f"to end the sessions of workers without their server, {way};" in result.err
    assert result.err.count("\n") == 1
