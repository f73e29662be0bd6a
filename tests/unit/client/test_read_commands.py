"""The commands that read: their requests, and their output in each form."""

import json

import pytest
import yaml
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.v1 import hold_pb2, session_pb2, task_pb2
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, StatusCount, Swarm, SwarmMode, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import Attempt, FailureClass, OutcomeKind, Task, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

AT = Timestamp(seconds=1_800_000_000, nanos=123_456_789)
AT_TEXT = "2027-01-15T08:00:00.123Z"
AT_LOCAL = "2027-01-15 08:00:00+00:00"
LATER = Timestamp(seconds=1_800_000_065)

# The keys that interface.md promises to programs.
TASK_KEYS = [
    "id", "name", "status", "phase", "type", "priority", "attempt", "max_retries", "dependencies",
    "blocked_by", "worker", "builder_session_id", "validator_session_id", "last_error", "failure_class",
    "cause", "estimated_hours", "created_at", "started_at", "completed_at",
    "took_s", "usage", "kill_receipt", "rehearsed", "landed", "kept_ref", "starts_at", "work_of", "hold",
    "max_cost", "max_tokens", "plan", "progress",
]  # fmt: skip
USAGE_KEYS = ["input_tokens", "output_tokens", "cost"]
SHOW_KEYS = ["description", "acceptance_criteria", "files", "attempts"]
ATTEMPT_KEYS = [
    "number", "outcome", "worker", "failure_class", "error", "claimed_at", "started_at", "ended_at",
    "sessions", "builder_result", "checks", "verdict", "findings", "kill_receipt", "late_results",
    "change", "landing", "work_of", "starts_at",
]  # fmt: skip
WORKER_KEYS = ["name", "status", "slots", "running", "host", "pid", "runner", "last_seen"]

FULL = Task(
    task_id="a",
    name="Alpha",
    status=TaskStatus.TASK_STATUS_IN_PROGRESS,
    phase="design",
    type="feature",
    priority=3,
    attempt=2,
    max_retries=2,
    dependencies=["b"],
    blocked_by=["b"],
    worker="w1",
    builder_session_id="s-b",
    validator_session_id="s-v",
    last_error="boom",
    failure_class=FailureClass.FAILURE_CLASS_TIMEOUT,
    cause="why not",
    estimated_hours=2.5,
    created_at=AT,
    started_at=AT,
    completed_at=LATER,
    took=Duration(seconds=64, nanos=500_000_000),
    usage=session_pb2.Usage(input_tokens=10, output_tokens=2, cost="0.0034075"),
)
BARE = Task(task_id="b", status=TaskStatus.TASK_STATUS_NOT_STARTED, priority=2, max_retries=2)


def test_a_task_in_a_list_has_the_promised_keys_and_values(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[FULL, BARE], total=2)

    [full, bare], _ = in_every_form(ctl, "list")

    assert list(full) == list(bare) == TASK_KEYS
    assert list(full["usage"]) == USAGE_KEYS
    assert full == {
        "id": "a",
        "name": "Alpha",
        "status": "in_progress",
        "phase": "design",
        "type": "feature",
        "priority": 3,
        "attempt": 2,
        "max_retries": 2,
        "dependencies": ["b"],
        "blocked_by": ["b"],
        "worker": "w1",
        "builder_session_id": "s-b",
        "validator_session_id": "s-v",
        "last_error": "boom",
        "failure_class": "timeout",
        "cause": "why not",
        "estimated_hours": 2.5,
        "created_at": AT_TEXT,
        "started_at": AT_TEXT,
        "completed_at": "2027-01-15T08:01:05.000Z",
        "took_s": 64.5,
        "usage": {"input_tokens": 10, "output_tokens": 2, "cost": "0.0034075"},
        "kill_receipt": None,
        "rehearsed": False,
        "landed": None,
        "kept_ref": None,
        "starts_at": "builder",
        "work_of": None,
        "hold": None,
        "max_cost": None,
        "max_tokens": None,
        "plan": None,
        "progress": None,
    }


def test_what_is_unset_is_null(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[BARE], total=1)

    [[bare], _] = in_every_form(ctl, "list")

    empty = {key for key, value in bare.items() if value is None}
    given = "id name status priority attempt max_retries dependencies blocked_by usage rehearsed starts_at"
    assert empty == set(TASK_KEYS) - set(given.split())
    assert bare["name"] == "b"


@pytest.mark.parametrize("status", TaskStatus.values()[1:])
def test_a_status_is_its_word(ctl: Ctl, operator: FakeOperator, status: TaskStatus.ValueType) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[Task(task_id="a", status=status)], total=1)

    word = TaskStatus.Name(status).removeprefix("TASK_STATUS_").lower()
    assert json.loads(ctl("list", "-o", "json", "--status", word).out)[0]["status"] == word
    assert list(operator.asked("ListTasks")[0].statuses) == [status]


def test_list_requests_the_given_filters(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[BARE], total=7)

    result = ctl(
        "list", "--status", "failed", "--status", "killed", "--phase", "p", "--search", "x", "--limit", "1"
    )

    [request] = operator.asked("ListTasks")
    assert (request.phase, request.search, request.page_size) == ("p", "x", 1)
    assert list(request.statuses) == [TaskStatus.TASK_STATUS_FAILED, TaskStatus.TASK_STATUS_KILLED]
    assert result.err == "swarmctl: 1 of 7 tasks; --limit 0 shows all\n"


def pages(request: wire.ListTasksRequest) -> wire.ListTasksResponse:
    """Returns 2,500 tasks page by page."""
    begin = int(request.page_token or 0)
    end = min(begin + request.page_size, 2_500)
    return wire.ListTasksResponse(
        tasks=[Task(task_id=f"t{i}") for i in range(begin, end)],
        next_page_token=str(end) if end < 2_500 else "",
        total=2_500,
    )


def test_d19_a_list_is_read_page_by_page_to_its_end(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = pages

    result = ctl("list", "--limit", "0", "-o", "json")

    assert [task["id"] for task in json.loads(result.out)] == [f"t{i}" for i in range(2_500)]
    assert result.err == ""
    assert [request.page_size for request in operator.asked("ListTasks")] == [1_000] * 3


def test_d19_a_list_that_is_cut_says_so(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = pages

    result = ctl("list")

    assert len(result.out.splitlines()) == 1_001
    assert result.err == "swarmctl: 1,000 of 2,500 tasks; --limit 0 shows all\n"


def test_a_table_is_aligned_and_whole_where_it_is_piped(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "x" * 120
    operator.answers["ListTasks"] = wire.ListTasksResponse(
        tasks=[
            Task(task_id=long, status=TaskStatus.TASK_STATUS_FAILED, priority=7, name="日本", last_error="no")
        ],
        total=1,
    )

    assert ctl("list").out == (
        f"ID{' ' * 118}  STATUS  PRIORITY  PHASE  ATTEMPT  WORKER  NAME  WHY\n"
        f"{long}  failed  {7!s:<8}  {'':<5}  {'':<7}  {'':<6}  日本  no\n"
    )


def attempt() -> Attempt:
    return Attempt(
        number=1,
        worker="w1",
        outcome=task_pb2.AttemptOutcome.ATTEMPT_OUTCOME_KILLED,
        failure_class=FailureClass.FAILURE_CLASS_VALIDATION_FAILED,
        error="rejected",
        claimed_at=AT,
        started_at=AT,
        ended_at=LATER,
        sessions=[
            session_pb2.Session(
                session_id="s1",
                role=session_pb2.SessionRole.SESSION_ROLE_BUILDER,
                runner="command",
                exit_code=0,
            )
        ],
        builder_result=session_pb2.BuilderResult(
            status="completed", files_created=["a.py"], tests_passed=True
        ),
        checks=[session_pb2.CheckResult(command="pytest", exit_code=1, output_tail="1 failed")],
        verdict=session_pb2.Verdict(
            passed=False,
            confidence=float("nan"),
            findings=[session_pb2.Finding(file="a.py", issue="wrong", severity="critical")],
        ),
        kill_receipt=session_pb2.KillReceipt(processes_found=3, terminated=3, killed=1, last_output="bye"),
        late_results=[task_pb2.LateResult(received_at=LATER)],
    )


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (OutcomeKind.OUTCOME_KIND_COMPLETED, "; `swarmctl accept TASK --attempt 4` lets it count"),
        (OutcomeKind.OUTCOME_KIND_FAILED, ""),
    ],
)
def test_show_says_how_a_late_result_can_count_if_it_can(
    ctl: Ctl, operator: FakeOperator, kind: OutcomeKind.ValueType, advice: str
) -> None:
    late = task_pb2.LateResult(received_at=LATER, outcome=task_pb2.Outcome(kind=kind))
    kept = Attempt(number=4, late_results=[late])
    operator.answers["GetTask"] = wire.GetTaskResponse(task=BARE, attempts=[kept])

    assert ctl("show", "b").out.endswith(f"late results  1, kept; -o json shows them{advice}\n")


def test_show_has_the_definition_and_every_attempt(ctl: Ctl, operator: FakeOperator) -> None:
    definition = task_pb2.TaskDefinition(
        task_id="a", description="Do it.", acceptance_criteria=["works"], files=["a.py"]
    )
    operator.answers["GetTask"] = wire.GetTaskResponse(task=FULL, definition=definition, attempts=[attempt()])

    document, text = in_every_form(ctl, "show", "a")

    assert set(TASK_KEYS + SHOW_KEYS) <= set(document)
    [shown] = document["attempts"]
    assert list(shown) == ATTEMPT_KEYS
    assert (shown["outcome"], shown["sessions"][0]["role"], shown["sessions"][0]["exit_code"]) == (
        "killed",
        "builder",
        0,
    )
    assert (shown["verdict"]["verdict"], shown["verdict"]["confidence"]) == ("FAIL", None)
    assert shown["findings"] == [
        {"finding_id": None, "file": "a.py", "issue": "wrong", "severity": "critical"}
    ]
    assert (shown["kill_receipt"]["processes_found"], shown["kill_receipt"]["last_output"]) == (3, "bye")
    assert shown["late_results"][0]["received_at"] == "2027-01-15T08:01:05.000Z"
    for shown in (
        "Do it.",
        "- works",
        "Attempt 1",
        "killed (validation_failed)",
        "[critical] a.py: wrong",
        "bye",
    ):
        assert shown in text


def test_workers_have_the_promised_keys(ctl: Ctl, operator: FakeOperator) -> None:
    worker = Worker(
        name="w1",
        status=WorkerStatus.WORKER_STATUS_ONLINE,
        slots=2,
        running=1,
        host="h",
        pid=7,
        runner="embedded",
    )
    worker.last_seen_at.CopyFrom(AT)
    operator.answers["ListWorkers"] = wire.ListWorkersResponse(workers=[worker, Worker(name="w2")])

    [first, second], text = in_every_form(ctl, "workers")

    assert set(WORKER_KEYS) <= set(first)
    assert (first["status"], first["last_seen"], first["pid"]) == ("online", AT_TEXT, 7)
    assert (second["status"], second["last_seen"], second["pid"]) == (None, None, None)
    assert text.splitlines()[1].split()[:7] == ["w1", "online", "2", "1", "embedded", "h", "7"]


def test_status_counts_every_status(ctl: Ctl, operator: FakeOperator) -> None:
    swarm = Swarm(
        mode=SwarmMode.SWARM_MODE_PAUSED,
        cause="lunch",
        counts=[
            StatusCount(status=TaskStatus.TASK_STATUS_COMPLETED, count=2),
            StatusCount(status=TaskStatus.TASK_STATUS_FAILED, count=1),
        ],
    )
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=swarm)

    document, text = in_every_form(ctl, "status")

    assert (document["mode"], document["cause"], document["total"]) == ("paused", "lunch", 3)
    assert document["counts"] == {
        **dict.fromkeys(
            ("blocked", "not_started", "claimed", "in_progress", "killing", "killed", "skipped", "held"), 0
        ),
        "completed": 2,
        "failed": 1,
    }
    assert "paused: lunch" in text
    assert "2 of 3 completed" in text


def test_status_begins_with_the_runners_that_are_paused(ctl: Ctl, operator: FakeOperator) -> None:
    paused = PausedRunner(runner="amplifier", cause="401:\nno such key", paused_at=AT)
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(
        swarm=Swarm(mode=SwarmMode.SWARM_MODE_RUNNING, paused_runners=[paused])
    )

    document, text = in_every_form(ctl, "status")

    [found] = document["paused_runners"]
    expected = {"runner": "amplifier", "cause": "401:\nno such key", "paused_at": AT_TEXT}
    assert {name: found[name] for name in expected} == expected
    assert text.splitlines()[:2] == [
        f"Runner amplifier is paused since {AT_LOCAL}: 401: no such key",
        "  Mend that, then `swarmctl resume`; until then it starts no session.",
    ]


def test_blocked_lists_what_waits_and_for_what(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(
        tasks=[Task(task_id="c", status=TaskStatus.TASK_STATUS_BLOCKED, blocked_by=["a", "b"])], total=1
    )

    [[task], text] = in_every_form(ctl, "blocked")

    assert task["blocked_by"] == ["a", "b"]
    assert text == "ID  WAITS FOR  NAME\nc   a, b\n"
    assert list(operator.asked("ListTasks")[0].statuses) == [TaskStatus.TASK_STATUS_BLOCKED]


def test_explain_says_every_reason(ctl: Ctl, operator: FakeOperator) -> None:
    reason = wire.Reason(
        kind=wire.ReasonKind.REASON_KIND_NO_WORKER, message="no worker is connected", task_ids=["a"]
    )
    operator.answers["ExplainTask"] = wire.ExplainTaskResponse(task=BARE, reasons=[reason])

    document, text = in_every_form(ctl, "explain", "b")

    assert document["reasons"] == [
        {"kind": "no_worker", "message": "no worker is connected", "task_ids": ["a"]}
    ]
    assert "- no worker is connected" in text


def test_explain_names_a_paused_runner(ctl: Ctl, operator: FakeOperator) -> None:
    reason = wire.Reason(
        kind=wire.ReasonKind.REASON_KIND_RUNNER_PAUSED, message="no runner may start sessions: amplifier: 401"
    )
    operator.answers["ExplainTask"] = wire.ExplainTaskResponse(task=BARE, reasons=[reason])

    document, text = in_every_form(ctl, "explain", "b")

    assert document["reasons"][0]["kind"] == "runner_paused"
    assert "- no runner may start sessions: amplifier: 401" in text


def test_the_event_of_a_paused_runner_says_what_to_do(ctl: Ctl, operator: FakeOperator) -> None:
    event = Event(
        seq=7,
        happened_at=AT,
        kind=EventKind.EVENT_KIND_RUNNER_PAUSED,
        task_id="a",
        worker="w1",
        cause="amplifier: " + "4" * 400,
    )
    operator.answers["WatchEvents"] = [wire.WatchEventsResponse(events=[event])]

    text = ctl("events").out

    assert text.startswith(f"     7  {AT_LOCAL}  runner paused (w1, a): amplifier: 444")
    assert text.endswith("4…; mend that, then `swarmctl resume`\n")
    assert json.loads(ctl("events", "-o", "json").out)["kind"] == "runner_paused"


def test_what_nothing_keeps_can_start(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ExplainTask"] = wire.ExplainTaskResponse(task=BARE)

    assert "it can start at once" in ctl("explain", "b").out


def test_events_are_lines_or_a_document_each(ctl: Ctl, operator: FakeOperator) -> None:
    event = Event(
        seq=7,
        happened_at=AT,
        kind=EventKind.EVENT_KIND_TASK_FAILED,
        task_id="a",
        attempt=2,
        worker="w1",
        cause="boom\n8  forged",
        status=TaskStatus.TASK_STATUS_FAILED,
    )
    unknown = Event(seq=8, kind=99)  # type: ignore[arg-type]  # of a newer server
    operator.answers["WatchEvents"] = [wire.WatchEventsResponse(events=[event, unknown])]
    operator.answers["GetTask"] = wire.GetTaskResponse(task=FULL)

    first, second = ctl("events", "--after", "6", "--task", "al", "-o", "json").out.splitlines()

    assert json.loads(first) == {
        "seq": 7,
        "happened_at": AT_TEXT,
        "kind": "task_failed",
        "task": "a",
        "status": "failed",
        "attempt": 2,
        "worker": "w1",
        "session_id": None,
        "cause": "boom\n8  forged",
    } | dict.fromkeys(("actor", "because"))
    assert json.loads(second)["kind"] == "99"
    [request] = operator.asked("WatchEvents")
    assert (request.after_seq, request.task_id, request.follow) == (6, "a", False)
    assert ctl("events").out.splitlines()[0] == (
        f"     7  {AT_LOCAL}  a task failed (attempt 2, w1): boom 8 forged"
    )
    assert [d["seq"] for d in yaml.safe_load_all(ctl("events", "-o", "yaml").out)] == [7, 8]


def log(role: str, number: int, text: str) -> wire.TailLogResponse:
    kind = session_pb2.LogKind.LOG_KIND_OUTPUT
    return wire.TailLogResponse(
        session_id=f"s-{role}",
        role=session_pb2.SessionRole.Value(f"SESSION_ROLE_{role.upper()}"),
        attempt=1,
        entries=[session_pb2.LogEntry(number=number, kind=kind, text=text)],
    )


def test_logs_announce_each_session_and_show_nothing_that_steers(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=FULL)
    operator.answers["TailLog"] = [
        log("builder", 1, "hello\n"),
        log("builder", 2, "\x1b]52;c;x\x07two\nlines"),
        log("validator", 1, "fine"),
    ]

    result = ctl("logs", "a", "--role", "builder", "--attempt", "1")

    assert result.out == (
        "==> builder, attempt 1, session s-builder\n  hello\n"
        "  \\x1b]52;c;x\\x07two\n  lines\n"
        "==> validator, attempt 1, session s-validator\n  fine\n"
    )
    [request] = operator.asked("TailLog")
    assert (request.task_id, request.attempt, request.follow) == ("a", 1, False)
    assert request.role == session_pb2.SessionRole.SESSION_ROLE_BUILDER


HOSTILE = "\x1b[2J\x9b31m\u202e\u200b[bold]x"


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
@pytest.mark.parametrize("tty", [True, False])
def test_no_text_of_a_task_steers_a_terminal(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch, output: str, *, tty: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: tty)
    monkeypatch.setenv("TERM", "dumb")
    task = Task(task_id="a", name=HOSTILE, last_error=HOSTILE, worker=HOSTILE)
    definition = task_pb2.TaskDefinition(description=HOSTILE)
    operator.answers["GetTask"] = wire.GetTaskResponse(task=task, definition=definition, attempts=[attempt()])

    out = ctl("show", "a", "-o", output, "--no-color").out

    assert not set(out) & {"\x1b", "\x9b"}
    assert "[bold]" in out
    if tty or output != "yaml":
        assert not set(out) & {"\u202e", "\u200b"}


def test_show_has_the_whole_question_its_answer_and_the_notes(ctl: Ctl, operator: FakeOperator) -> None:
    asked = hold_pb2.Hold(
        kind=hold_pb2.HOLD_KIND_QUESTION, text="Which\nport?", options=["80"], ended_by="kim", answer='"80"'
    )
    asked.ended_at.FromSeconds(1)
    note = hold_pb2.Note(text="Mind the\x1b[31m tests.", author="lee")
    operator.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a"), holds=[asked], notes=[note])

    out = ctl("show", "a").out

    for shown in ("Which\n", "port? [1] 80", "kim answered at", '"80"', "lee, ", "Mind the"):
        assert shown in out
    assert "\x1b[31m" not in out
