"""The commands that change the swarm: their requests, output and exit codes."""

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.session_pb2 import KillReceipt
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import (
    Attempt,
    DisconnectPolicy,
    LateResult,
    Task,
    TaskDefinition,
    TaskStatus,
)
from support.operator import FakeOperator
from unit.client.conftest import Ctl

KILLED = TaskStatus.TASK_STATUS_KILLED
KILLING = TaskStatus.TASK_STATUS_KILLING
ONLINE, SUSPECT = WorkerStatus.WORKER_STATUS_ONLINE, WorkerStatus.WORKER_STATUS_SUSPECT
HEARD, BY = 1_763_800_000, 1_763_801_740
HEARD_TEXT, BY_TEXT = "2025-11-22T08:26:40.000Z", "2025-11-22T08:55:40.000Z"
GONE = WireError(grpc.StatusCode.UNAVAILABLE, "going down", "SERVER_STOPPING")


def swarm(seq: int = 10) -> wire.GetSwarmResponse:
    return wire.GetSwarmResponse(swarm=Swarm(mode=SwarmMode.SWARM_MODE_RUNNING, last_event_seq=seq))


def killed_event(seq: int, task_id: str) -> wire.WatchEventsResponse:
    return wire.WatchEventsResponse(events=[Event(seq=seq, task_id=task_id, status=KILLED)])


def receipt_of(request: wire.GetTaskRequest) -> wire.GetTaskResponse:
    receipt = KillReceipt(
        containment="subreaper", processes_found=3, terminated=3, killed=1, last_output="bye\n"
    )
    receipt.duration.FromMilliseconds(1_500)
    attempt = Attempt(number=1, kill_receipt=receipt)
    return wire.GetTaskResponse(
        task=Task(task_id=request.task_id, status=KILLED, attempt=1), attempts=[attempt]
    )


@pytest.fixture
def killing(operator: FakeOperator) -> FakeOperator:
    """A server at which two tasks run."""
    operator.answers |= {
        "GetSwarm": swarm(),
        "KillTask": lambda request: wire.KillTaskResponse(
            tasks=[Task(task_id=task_id, status=KILLING, worker="w1") for task_id in request.task_ids]
        ),
        "ListWorkers": wire.ListWorkersResponse(workers=[Worker(name="w1", status=ONLINE)]),
        "WatchEvents": lambda _: iter([killed_event(11, "b"), killed_event(12, "x"), killed_event(13, "a")]),
        "GetTask": receipt_of,
    }
    return operator


def test_kill_waits_for_every_task_and_prints_each_receipt(ctl: Ctl, killing: FakeOperator) -> None:
    result = ctl("kill", "a", "b", "--cause", "runaway")

    assert result.code == 0
    [request] = killing.asked("KillTask")
    assert (list(request.task_ids), request.cause) == (["a", "b"], "runaway")
    assert [(w.after_seq, w.follow) for w in killing.asked("WatchEvents")] == [(10, True)]
    for shown in ("3 found", "SIGTERM       3", "SIGKILL       1", "survivors     0", "after 1.5s", "bye"):
        assert result.out.count(shown) == 2
    assert result.err == "swarmctl: waiting until the processes of a, b are gone\n"


def test_a_receipt_is_data_too(ctl: Ctl, killing: FakeOperator) -> None:
    [task] = json.loads(ctl("kill", "a", "-o", "json").out)

    assert (task["id"], task["status"]) == ("a", "killed")
    assert task["kill_receipt"] == {
        "containment": "subreaper",
        "processes_found": 3,
        "terminated": 3,
        "killed": 1,
        "survivors": 0,
        "duration_s": 1.5,
        "last_output": "bye\n",
    }


def test_kill_without_waiting_asks_nothing_more(ctl: Ctl, killing: FakeOperator) -> None:
    result = ctl("kill", "a", "--no-wait")

    assert (result.code, result.out) == (0, "ID  STATUS   NAME\na   killing\n")
    assert not killing.asked("WatchEvents")


def test_killing_what_is_killed_is_done_at_once(ctl: Ctl, killing: FakeOperator) -> None:
    killing.answers["KillTask"] = wire.KillTaskResponse(tasks=[Task(task_id="a", status=KILLED)])
    killing.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a", status=KILLED))

    result = ctl("kill", "a")

    assert (result.code, result.err) == (0, "")
    assert "it had not begun" in result.out
    assert not killing.asked("WatchEvents")


def test_kill_waits_over_a_restart_of_the_server_and_misses_nothing(
    ctl: Ctl, killing: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse] | WireError:
        count = len(killing.asked("WatchEvents"))
        if count == 1:
            return iter([killed_event(11, "b")])
        return GONE if count == 2 else iter([killed_event(12, "a")])

    killing.answers["WatchEvents"] = watch

    result = ctl("kill", "a", "b")

    assert result.code == 0
    assert [request.after_seq for request in killing.asked("WatchEvents")] == [10, 11, 11]
    assert result.err.splitlines()[1:] == ["swarmctl: the server is away; waiting for it"]


def silent_worker(name: str = "w1", *, heard: bool = True) -> Worker:
    worker = Worker(name=name, status=SUSPECT)
    worker.stopped_by.FromSeconds(BY)
    if heard:
        worker.last_seen_at.FromSeconds(HEARD)
    return worker


def test_kill_says_who_is_silent_since_when_and_by_when_the_processes_end_by_themselves(
    ctl: Ctl, killing: FakeOperator
) -> None:
    killing.answers["ListWorkers"] = wire.ListWorkersResponse(workers=[silent_worker(), silent_worker("w2")])

    result = ctl("kill", "a")

    assert result.code == 0
    assert result.err.splitlines()[1:] == [
        (
            f"swarmctl: a is held by w1, silent since {HEARD_TEXT};"
            f" its processes end by themselves by {BY_TEXT}; waiting on"
        )
    ]


def test_kill_says_so_of_a_worker_that_falls_silent_while_it_waits(ctl: Ctl, killing: FakeOperator) -> None:
    suspect = Event(seq=11, kind=EventKind.EVENT_KIND_WORKER_SUSPECT, worker="w1")
    seen = wire.WatchEventsResponse(events=[suspect])

    def events(_request: object) -> Iterator[wire.WatchEventsResponse]:
        yield seen
        yield seen
        yield killed_event(12, "a")

    killing.answers["WatchEvents"] = events
    answers = iter([Worker(name="w1", status=ONLINE), silent_worker(heard=False)])
    last = silent_worker(heard=False)
    killing.answers["ListWorkers"] = lambda _: wire.ListWorkersResponse(workers=[next(answers, last)])

    result = ctl("kill", "a")

    assert result.code == 0
    assert result.err.splitlines()[1:] == [
        (
            "swarmctl: a is held by w1, not heard since the server started;"
            f" its processes end by themselves by {BY_TEXT}; waiting on"
        )
    ], "and says it once"


def test_kill_promises_no_end_of_a_session_that_is_to_be_kept(ctl: Ctl, killing: FakeOperator) -> None:
    killing.answers["ListWorkers"] = wire.ListWorkersResponse(workers=[silent_worker()])
    keep = TaskDefinition(on_disconnect=DisconnectPolicy.DISCONNECT_POLICY_KEEP)
    killing.answers["GetTask"] = lambda request: wire.GetTaskResponse(
        task=receipt_of(request).task, definition=keep
    )

    line = ctl("kill", "a").err.splitlines()[1]

    assert "its processes go on (`on_disconnect: keep`) until that worker is heard again" in line
    assert BY_TEXT not in line


def test_kill_waits_no_longer_than_its_timeout(ctl: Ctl, killing: FakeOperator) -> None:
    killing.answers["WatchEvents"] = killing.silence
    killing.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a", status=KILLING, attempt=1))

    result = ctl("kill", "a", "--timeout", "0.1")

    assert result.code == 1
    assert "no receipt yet" in result.out
    assert result.err.splitlines()[1:] == [
        (
            "swarmctl: no proof yet that the processes of a are gone;"
            " the kill stays in force; `swarmctl show TASK` says when it is done"
        )
    ]


def test_kill_says_so_when_the_session_had_ended_by_itself(ctl: Ctl, killing: FakeOperator) -> None:
    attempt = Attempt(number=1, late_results=[LateResult()])
    killing.answers["GetTask"] = wire.GetTaskResponse(
        task=Task(task_id="a", status=KILLED, attempt=1), attempts=[attempt]
    )

    assert "the session had ended by itself; what it came to is in the archive" in ctl("kill", "a").out


def test_processes_that_outlive_a_kill_are_a_negative_result(ctl: Ctl, killing: FakeOperator) -> None:
    attempt = Attempt(number=1, kill_receipt=KillReceipt(survivors=2))
    killing.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a"), attempts=[attempt])

    result = ctl("kill", "a")

    assert result.code == 1
    assert result.err.endswith(
        "swarmctl: processes of a still run after the kill; "
        "`swarmctl show a` names the worker; end them on its host\n"
    )
    assert "proven empty" not in result.out
    assert "not empty" in result.out


@pytest.mark.parametrize(
    ("arguments", "method", "fields"),
    [
        (["retry", "a", "b"], "RetryTask", {"task_ids": ["a", "b"], "failed": False}),
        (["retry", "--failed"], "RetryTask", {"task_ids": [], "failed": True}),
        (["retry", "a", "--despite-survivors"], "RetryTask", {"task_ids": ["a"], "despite_survivors": True}),
        (["accept", "a", "--attempt", "2"], "AcceptResult", {"task_id": "a", "attempt": 2}),
        (["depend", "a", "--on", "b"], "AddDependency", {"task_id": "a", "dependency": "b"}),
        (["depend", "a", "--on", "b", "--remove"], "RemoveDependency", {"task_id": "a", "dependency": "b"}),
        (["pause"], "PauseSwarm", {}),
        (["resume"], "ResumeSwarm", {"requeue": False}),
        (["resume", "--requeue"], "ResumeSwarm", {"requeue": True}),
        (["drain", "w1"], "DrainWorker", {"worker": "w1", "all": False}),
        (["drain", "--all"], "DrainWorker", {"worker": "", "all": True}),
        (["emergency-stop", "--cause", "fire"], "EmergencyStop", {"cause": "fire"}),
        (["token", "create", "--role", "viewer", "--name", "x"], "CreateToken", {"role": 1, "name": "x"}),
        (["token", "revoke", "t1"], "RevokeToken", {"token_id": "t1"}),
        (["token", "list"], "ListTokens", {}),
    ],
)
def test_a_command_sends_the_given_request(
    ctl: Ctl, operator: FakeOperator, arguments: list[str], method: str, fields: dict[str, Any]
) -> None:
    operator.answers[method] = getattr(wire, f"{method}Response")()

    result = ctl(*arguments)

    assert result.code == 0
    [request] = operator.asked(method)
    assert {name: _plain(getattr(request, name)) for name in fields} == fields


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else list(value)


@pytest.mark.parametrize(
    ("arguments", "deadline_s"), [([], None), (["--deadline", "90.5"], 90.5), (["--deadline", "0"], 0)]
)
def test_a_drain_without_a_deadline_waits_forever(
    ctl: Ctl, operator: FakeOperator, arguments: list[str], deadline_s: float | None
) -> None:
    operator.answers["DrainWorker"] = wire.DrainWorkerResponse(workers=[Worker(name="w1")])

    ctl("drain", "w1", *arguments)

    [request] = operator.asked("DrainWorker")
    seconds = request.deadline.ToMilliseconds() / 1_000 if request.HasField("deadline") else None
    assert seconds == deadline_s


def test_forgetting_a_worker_names_the_tasks_that_it_frees(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ForgetWorker"] = wire.ForgetWorkerResponse(task_ids=["a", "b"])

    assert ctl("workers", "forget", "w1").out.split() == ["FREED", "TASK", "a", "b"]
    assert (
        ctl("workers", "-o", "json", "forget", "w1").out == '{\n  "task_ids": [\n    "a",\n    "b"\n  ]\n}\n'
    )
    assert {request.worker for request in operator.asked("ForgetWorker")} == {"w1"}


def test_retry_says_what_it_revived(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["RetryTask"] = wire.RetryTaskResponse(tasks=[Task(task_id="a")], revived=2)

    assert ctl("retry", "a").err == "swarmctl: 2 skipped tasks revived\n"


def test_retrying_all_failed_tasks_where_there_are_none_is_no_error(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["RetryTask"] = wire.RetryTaskResponse()

    result = ctl("retry", "--failed", "-o", "json")

    assert (result.code, result.out, result.err) == (0, "[]\n", "swarmctl: no task has failed\n")


def test_a_late_result_that_is_accepted_completes_its_task(ctl: Ctl, operator: FakeOperator) -> None:
    done = Task(task_id="alpha", status=TaskStatus.TASK_STATUS_COMPLETED)
    operator.answers["AcceptResult"] = wire.AcceptResultResponse(task=done)

    result = ctl("accept", "al", "--attempt", "2")

    assert (result.code, result.out) == (0, "ID     STATUS     NAME\nalpha  completed\n")
    assert json.loads(ctl("accept", "al", "--attempt", "2", "-o", "json").out)[0]["id"] == "alpha"


def test_a_result_that_was_never_kept_is_not_found(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["AcceptResult"] = WireError(
        grpc.StatusCode.NOT_FOUND, "no completed result of attempt 3 of task 'a'", "RESULT_NOT_FOUND"
    )

    result = ctl("accept", "a", "--attempt", "3")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "swarmctl: no completed result of attempt 3 of task 'a'; `swarmctl show TASK` lists what came too late\n"
    )


@pytest.mark.parametrize("arguments", [["a"], ["a", "--attempt", "0"], ["--attempt", "1"]])
def test_a_result_is_accepted_by_task_and_attempt(
    ctl: Ctl, operator: FakeOperator, arguments: list[str]
) -> None:
    assert ctl("accept", *arguments).code == 2
    assert operator.requests == []


def test_a_new_token_is_alone_on_stdout(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["CreateToken"] = wire.CreateTokenResponse(
        token="swt1_secret", info=wire.Token(token_id="t1", role=wire.Role.ROLE_WORKER)
    )

    assert ctl("token", "create", "--role", "worker").out == "swt1_secret\n"
    assert json.loads(ctl("token", "create", "--role", "worker", "-o", "json").out) == {
        "token": "swt1_secret",
        "token_id": "t1",
        "role": "worker",
        "kind": None,
        "name": None,
        "created_at": None,
        "expires_at": None,
        "revoked_at": None,
        "labels": {},
        "max_uses": 0,
        "uses": 0,
        "used_at": None,
        "worker": None,
        "joined_by": None,
    }


@pytest.mark.parametrize(
    ("flags", "request_"),
    [
        (["viewer", "--expires", "30m"], {"role": 1, "valid_for": 1_800}),
        (["worker", "--expires", "1.5h"], {"role": 2, "valid_for": 5_400, "uses": 1}),
        (["worker", "--uses", "0"], {"role": 2, "uses": 0}),
        (["worker", "--label", "pool=gpu", "--label", "a=b=c", "--expires", "7d"],
         {"role": 2, "valid_for": 604_800, "uses": 1, "labels": {"pool": "gpu", "a": "b=c"}}),
        (["worker"], {"role": 2}),
    ],
)  # fmt: skip
def test_terms_make_a_join_token_of_a_workers_token(
    ctl: Ctl, operator: FakeOperator, flags: list[str], request_: dict[str, Any]
) -> None:
    operator.answers["CreateToken"] = wire.CreateTokenResponse(token="t", info=wire.Token(token_id="t1"))

    assert ctl("token", "create", "--role", *flags).code == 0

    [asked] = operator.asked("CreateToken")
    expected = wire.CreateTokenRequest(role=request_["role"])
    if "valid_for" in request_:
        expected.valid_for.FromSeconds(request_["valid_for"])
    if "uses" in request_:
        expected.join.CopyFrom(wire.JoinTerms(max_uses=request_["uses"], labels=request_.get("labels", {})))
    assert asked == expected


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["viewer", "--uses", "2"], "--label and --uses are for the role worker, not viewer"),
        (["operator", "--label", "a=b"], "--label and --uses are for the role worker, not operator"),
        (["worker", "--label", "a"], "'a' is not KEY=VALUE"),
        (
            ["worker", "--expires", "soon"],
            "'soon' is not a time; give a number and s, m, h or d, such as 24h",
        ),
        (["worker", "--uses", "-1"], "invalid value for '--uses'"),
    ],
)
def test_terms_that_mean_nothing_are_one_line_and_no_token(
    ctl: Ctl, operator: FakeOperator, flags: list[str], fault: str
) -> None:
    result = ctl("token", "create", "--role", *flags)

    assert (result.code, operator.requests) == (2, [])
    assert fault in result.err


def test_the_list_names_who_joined_by_what(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTokens"] = wire.ListTokensResponse(
        tokens=[
            wire.Token(token_id="j1", kind=wire.TOKEN_KIND_JOIN, uses=1, max_uses=3, labels={"pool": "gpu"}),
            wire.Token(token_id="j2", kind=wire.TOKEN_KIND_JOIN, uses=7),
            wire.Token(token_id="c1", kind=wire.TOKEN_KIND_CREDENTIAL, worker="w1", joined_by="j1"),
        ]
    )

    lines = ctl("token", "list").out.splitlines()

    assert ["1 of 3" in lines[1], "pool=gpu" in lines[1], "7" in lines[2], "by j1" in lines[3]] == [True] * 4


def test_a_backup_is_whole_and_for_its_owner_alone(ctl: Ctl, operator: FakeOperator, tmp_path: Path) -> None:
    operator.answers["Backup"] = [wire.BackupResponse(chunk=b"ab"), wire.BackupResponse(chunk=b"cd")]

    result = ctl("backup", "copy.db")

    path = tmp_path / "copy.db"
    assert (result.code, path.read_bytes()) == (0, b"abcd")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert result.err == "swarmctl: 4 bytes written to copy.db\n"


def test_a_backup_that_breaks_off_leaves_the_older_one(
    ctl: Ctl, operator: FakeOperator, tmp_path: Path
) -> None:
    def broken(_: object) -> Iterator[wire.BackupResponse]:
        yield wire.BackupResponse(chunk=b"ab")
        raise RuntimeError

    operator.answers["Backup"] = broken
    older = b"SQLite format 3\0".ljust(68, b"\0") + b"SWRM"
    (tmp_path / "copy.db").write_bytes(older)

    result = ctl("backup", "copy.db")

    assert result.code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    assert (tmp_path / "copy.db").read_bytes() == older


def test_a_folder_that_is_not_there_is_one_line(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["Backup"] = [wire.BackupResponse(chunk=b"ab")]

    result = ctl("backup", "nowhere/copy.db")

    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "No such file or directory" in result.err


def test_watch_prints_a_line_an_event_where_it_is_piped(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    operator.answers |= {
        "GetSwarm": swarm(seq=10),
        "WatchEvents": lambda _: iter([killed_event(11, "a")]) if not ended.is_set() else GONE,
    }

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    # The user leaves where the command waits for the server.
    monkeypatch.setattr("time.sleep", sleep)

    result = ctl("watch", "-o", "json")

    assert result.code == 130
    assert json.loads(result.out)["task"] == "a"
    assert operator.asked("WatchEvents")[0].after_seq == 10
