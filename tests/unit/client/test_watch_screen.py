"""The full screen of `watch`: its content, and the requests of its keys."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.session_pb2 import KillReceipt, LogEntry, SessionRole, Usage
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, StatusCount, Swarm, SwarmMode, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import Attempt, FailureClass, Task, TaskStatus
from support.operator import FakeOperator
from support.waiting import DEADLINE_S
from support.watch_screen import pages, screen
from swarmctl.tui.overview_screen import OverviewScreen

HOSTILE = "[red]x[/red] \x1b]0;owned\x07\x1b[2J\u202e"
RUNNING = Task(
    task_id="build-1", name=HOSTILE, status=TaskStatus.TASK_STATUS_IN_PROGRESS, attempt=2, max_retries=2, worker="w1",
    builder_session_id="s1", usage=Usage(input_tokens=1_200, output_tokens=300, cost="0.0420"),
)  # fmt: skip
FAILED = Task(
    task_id="broken", name="Break it", status=TaskStatus.TASK_STATUS_FAILED, attempt=3, max_retries=2,
    failure_class=FailureClass.FAILURE_CLASS_AGENT_ERROR, last_error="no\x1b[31m luck",
)  # fmt: skip
ASKS = Task(
    task_id="asks", name="Ask it", status=TaskStatus.TASK_STATUS_HELD, attempt=1,
    hold=Hold(hold_id="1-7", kind=HoldKind.HOLD_KIND_QUESTION, text=f"Which {HOSTILE}\nport?"),
)  # fmt: skip
RESTS = Task(
    task_id="rests", name="Rest", status=TaskStatus.TASK_STATUS_HELD,
    hold=Hold(hold_id="1-8", kind=HoldKind.HOLD_KIND_SUSPENDED, text="after the fair", held_by="ann"),
)  # fmt: skip
WAITING = Task(task_id="later", name="Later", status=TaskStatus.TASK_STATUS_NOT_STARTED)
DONE = Task(task_id="done", name="Done", status=TaskStatus.TASK_STATUS_COMPLETED, attempt=1)
SWARM = Swarm(
    mode=SwarmMode.SWARM_MODE_RUNNING,
    counts=[
        StatusCount(status=TaskStatus.TASK_STATUS_NOT_STARTED, count=1),
        StatusCount(status=TaskStatus.TASK_STATUS_IN_PROGRESS, count=1),
        StatusCount(status=TaskStatus.TASK_STATUS_COMPLETED, count=1),
        StatusCount(status=TaskStatus.TASK_STATUS_FAILED, count=1),
    ],
    workers=2,
    slots=4,
    estimated_hours=40,
    completed_hours=12.5,
    usage=Usage(input_tokens=5_000, output_tokens=700, cost="1.25"),
)
WORKERS = [
    Worker(
        name="w1", status=WorkerStatus.WORKER_STATUS_ONLINE, slots=2, running=1, runner="command", host="h1"
    ),
    Worker(name="w2", status=WorkerStatus.WORKER_STATUS_SUSPECT, slots=2, runner="command", host="h2"),
]


@pytest.fixture
def swarm(operator: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> FakeOperator:
    """A quiet server with four tasks and two workers, polled often."""
    monkeypatch.setattr("swarmctl.tui.poller.PAUSE_S", 0.05)
    monkeypatch.setattr("swarmctl.tui.poller.POLL_EVERY_S", 0.2)
    monkeypatch.setattr("swarmctl.tui.task_screen.POLL_EVERY_S", 0.2)
    operator.answers |= {
        "GetSwarm": wire.GetSwarmResponse(swarm=SWARM),
        "ListWorkers": wire.ListWorkersResponse(workers=WORKERS),
        "WatchEvents": operator.silence,
        "GetTask": lambda request: wire.GetTaskResponse(task=RUNNING),
        "ExplainTask": wire.ExplainTaskResponse(reasons=[wire.Reason(message="worker w1 holds it")]),
        "TailLog": operator.silence,
    }
    pages(operator, RUNNING, FAILED, WAITING, DONE)
    return operator


OVERVIEW = """\
 Amplifier Swarm  running  at host:7433
 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  2/4 ended 50% 12.5 of 40 estimated hours
 1 not_started, 1 in_progress, 1 completed, 1 failed
 2 workers with 4 slots, 1 busy; used 5,000 in, 700 out, $1.25
 Worker w2 has been silent since the server started
 1 task failed: broken; 3 lists them

 1 running 1  2 tasks 4  3 attention 1  4 workers 2  5 events
 TASK     STATUS       ROLE     TRY  AGE    SPENT  WORKER  NAME
 build-1  in_progress  builder    2       $0.0420  w1      [red]x[/red] \\x1b]0…"""


async def test_the_overview_fits_a_small_terminal(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.until("build-1", "q Quit")

        lines = watch.lines()

    assert "\n".join(lines[:10]) == OVERVIEW
    assert len(lines) == 24
    assert lines[-1] == "/ Search f Filter k Kill r Retry d Drain p Pause P Resume E STOP ALL q Quit"


async def test_a_wide_terminal_shows_workers_and_events_beside(swarm: FakeOperator) -> None:
    event = Event(seq=7, kind=EventKind.EVENT_KIND_TASK_FAILED, task_id="broken", cause=HOSTILE)

    def happen(_: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        yield wire.WatchEventsResponse(events=[event])
        yield from swarm.silence(None)

    swarm.answers["WatchEvents"] = happen
    async with screen(swarm, (200, 50)) as watch:
        text = await watch.until("Workers", "Events", "broken task failed: [red]x[/red]")

    assert "w2      suspect   0/2" in text


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_no_view_lets_hostile_text_through(swarm: FakeOperator, size: tuple[int, int]) -> None:
    hostile = Event(seq=1, kind=EventKind.EVENT_KIND_TASK_KILLED, task_id="a", worker="w", cause=HOSTILE)
    swarm.answers["WatchEvents"] = lambda _: iter([wire.WatchEventsResponse(events=[hostile])])
    swarm.answers["ListWorkers"] = wire.ListWorkersResponse(
        workers=[Worker(name="w1", host=HOSTILE, runner=HOSTILE, labels={HOSTILE: HOSTILE})]
    )
    async with screen(swarm, size) as watch:
        for view, sign in ("1", "[red]"), ("2", "[red]"), ("3", "no\\x1b"), ("4", "[red]"), ("5", "[red]"):
            await watch.press(view)
            text = await watch.until(sign)

            assert not set("\x1b\x07\u202e") & set(text)


async def test_events_during_the_shutdown_of_the_screen_are_not_an_error(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.until("build-1")
        overview = watch.app.screen
        assert isinstance(overview, OverviewScreen)
        await overview.query("#head").remove()

        overview.show_outage("no answer")


async def test_problems_that_need_a_person_are_shown_first(swarm: FakeOperator) -> None:
    swarm.answers["GetSwarm"] = wire.GetSwarmResponse(
        swarm=Swarm(
            mode=SwarmMode.SWARM_MODE_STOPPED,
            cause="smoke",
            paused_runners=[PausedRunner(runner="amplifier-agent", cause="no credit")],
            expiry_paused=True,
        )
    )
    async with screen(swarm) as watch:
        await watch.until("EMERGENCY STOP in force: smoke; P ends it")

        needs = watch.lines()[4:10]

    assert needs == [
        " EMERGENCY STOP in force: smoke; P ends it",
        " Runner amplifier-agent is paused: no credit",
        "   Mend that, then `P`; until then it starts no session.",
        " Most workers fell silent at once; nobody is given up until they are heard",
        " Worker w2 has been silent since the server started",
        " 1 task failed: broken; 3 lists them",
    ]


async def test_the_search_is_the_servers(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.press("slash")
        await watch.type("ro")
        await watch.until("2 tasks 1", "with “ro”", "broken")
        await watch.press("enter")
        assert "later" not in "\n".join(watch.lines()[8:])

        await watch.press("escape")
        await watch.until("2 tasks 4", "later")

    # Each snapshot lists the running tasks too.
    searches = [request for request in swarm.asked("ListTasks") if request.search]
    assert {request.page_size for request in searches} == {500}
    assert searches[-1].search == "ro"


async def test_the_filter_goes_through_the_statuses_that_there_are(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        for status in ("not_started", "in_progress", "completed", "failed"):
            await watch.press("f")
            await watch.until(f"only {status}", "2 tasks 1")
        await watch.press("f")
        await watch.until("2 tasks 4")


async def test_a_snapshot_follows_an_event_at_once(swarm: FakeOperator) -> None:
    def happen(_: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        pages(swarm, FAILED, Task(task_id="fresh", status=TaskStatus.TASK_STATUS_CLAIMED, worker="w1"))
        yield wire.WatchEventsResponse(events=[Event(seq=1, kind=EventKind.EVENT_KIND_TASK_CLAIMED)])
        yield from swarm.silence(None)

    swarm.answers["WatchEvents"] = happen
    async with screen(swarm) as watch:
        await watch.until("fresh  claimed")


async def test_the_cursor_stays_on_its_row(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.press("2", "down", "down")
        pages(swarm, WAITING, DONE)
        await watch.until("2 tasks 2")
        await watch.press("k")

        await watch.until("Kill later?")


@pytest.mark.slow
async def test_kill_asks_first_and_says_what_came_of_it(swarm: FakeOperator) -> None:
    killing = Task(task_id="build-1", status=TaskStatus.TASK_STATUS_KILLING)
    swarm.answers["KillTask"] = wire.KillTaskResponse(tasks=[killing])
    async with screen(swarm) as watch:
        await watch.press("k")
        await watch.until("Kill build-1?")
        await watch.press("escape")
        assert not swarm.asked("KillTask")
        await watch.press("k")
        await watch.type("too slow")
        await watch.press("enter")

        await watch.until_notified("build-1 is ordered to end")

    assert swarm.asked("KillTask") == [wire.KillTaskRequest(task_ids=["build-1"], cause="too slow")]


@dataclass(frozen=True)
class Order:
    """Keys, the typed text, the request, its answer, and the notification."""

    keys: str
    typed: str
    wanted: Any
    answer: Any
    told: str


ORDERS = [
    Order("3r", "", wire.RetryTaskRequest(task_ids=["broken"]),
          wire.RetryTaskResponse(tasks=[WAITING], revived=2), "later is not_started; 2 skipped tasks"),
    Order("p", "lunch", wire.PauseSwarmRequest(cause="lunch"), wire.PauseSwarmResponse(), "paused:"),
    Order("P", "", wire.ResumeSwarmRequest(), wire.ResumeSwarmResponse(), "resumed"),
    Order("P", "requeue", wire.ResumeSwarmRequest(requeue=True),
          wire.ResumeSwarmResponse(requeued=["a"]), "resumed; 1 task put back"),
    Order("4d", "", wire.DrainWorkerRequest(worker="w1"),
          wire.DrainWorkerResponse(workers=WORKERS[:1]), "draining w1"),
    Order("D", "60", wire.DrainWorkerRequest(all=True, deadline=Duration(seconds=60)),
          wire.DrainWorkerResponse(), "no worker is connected"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.keys}-{order.typed}")
async def test_each_key_sends_its_request(swarm: FakeOperator, order: Order) -> None:
    method = type(order.wanted).__name__.removesuffix("Request")
    swarm.answers[method] = order.answer
    async with screen(swarm) as watch:
        await watch.press(*order.keys)
        await watch.until("Esc: no")
        await watch.type(order.typed)
        await watch.press("enter")

        await watch.until_notified(order.told)

    assert swarm.asked(method) == [order.wanted]


def hold_tasks(operator: FakeOperator, *held: Task) -> None:
    """Adds held tasks to the swarm."""
    pages(operator, FAILED, *held)
    counts = [StatusCount(status=TaskStatus.TASK_STATUS_HELD, count=len(held))]
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=Swarm(counts=counts))
    operator.answers["GetTask"] = wire.GetTaskResponse(task=held[0])


async def test_held_tasks_stand_before_failed_ones_with_what_they_wait_for(swarm: FakeOperator) -> None:
    hold_tasks(swarm, ASKS, RESTS)
    async with screen(swarm, (120, 30)) as watch:
        await watch.until("2 tasks wait for a person: asks, rests; 3 lists them, a answers")
        await watch.press("3")
        await watch.until("3 attention 3", "question", "suspended", "agent_error")

        rows = [line for line in watch.lines() if line.startswith((" asks ", " rests ", " broken "))]

    assert [row.split()[0] for row in rows] == ["asks", "rests", "broken"]
    assert "Which [red]x[/red]" in rows[0]
    assert "after the fair" in rows[1]
    assert not set("\x1b\x07\u202e") & set("".join(rows))


OPTIONS = Task(
    task_id="asks", status=TaskStatus.TASK_STATUS_HELD,
    hold=Hold(hold_id="1-9", kind=HoldKind.HOLD_KIND_QUESTION, text="Sure?", options=["yes", "no"]),
)  # fmt: skip
SETTLED = [
    ("task", ASKS, 'not "80"', wire.AnswerTaskRequest(task_id="asks", hold_id="1-7", text='not "80"')),
    ("list", ASKS, "80", wire.AnswerTaskRequest(task_id="asks", hold_id="1-7", text="80")),
    ("list", OPTIONS, "2", wire.AnswerTaskRequest(task_id="asks", hold_id="1-9", option=2)),
    ("task", OPTIONS, "9" * 9, wire.AnswerTaskRequest(task_id="asks", hold_id="1-9", option=999_999)),
    ("list", RESTS, "", wire.UnholdTaskRequest(task_ids=["rests"])),
]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "task", "typed", "wanted"), SETTLED)
async def test_a_held_task_is_settled_in_the_list_and_on_its_screen(
    swarm: FakeOperator, place: str, task: Task, typed: str, wanted: Any
) -> None:
    hold_tasks(swarm, task)
    swarm.answers |= {"AnswerTask": wire.AnswerTaskResponse(), "UnholdTask": wire.UnholdTaskResponse()}
    async with screen(swarm) as watch:
        await watch.press("3", *(["enter"] if place == "task" else []))
        await watch.until("worker w1 holds it" if place == "task" else "attention 2")
        await watch.press("a")
        text = await watch.until("Esc: no")
        await watch.type(typed)
        await watch.press("enter")
        await watch.until_notified("has its answer" if task is not RESTS else "may start")

    assert swarm.asked(type(wanted).__name__.removesuffix("Request")) == [wanted]
    assert not set("\x1b\x07\u202e") & set(text)


@pytest.mark.slow
async def test_a_task_that_is_not_held_has_nothing_to_answer(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.press("a")
        await watch.until_notified("3 lists the held tasks")
        await watch.press("enter")
        await watch.until("worker w1 holds it")
        await watch.press("a")
        await watch.until_notified("The task is not held")


@pytest.mark.slow
async def test_a_deadline_that_is_not_a_number_drains_nobody(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.press("D")
        await watch.type("soon")
        await watch.press("enter")

        await watch.until_notified("refused: soon is not a number of seconds")

    assert not swarm.asked("DrainWorker")


async def test_a_refusal_is_shown_and_the_screen_goes_on(swarm: FakeOperator) -> None:
    swarm.answers["PauseSwarm"] = WireError(grpc.StatusCode.PERMISSION_DENIED, "viewers only", "ROLE_DENIED")
    async with screen(swarm) as watch:
        await watch.press("p", "enter")

        await watch.until_notified("refused: viewers only; use a token of another role")


@pytest.mark.slow
async def test_an_emergency_stop_wants_its_word_typed_and_shows_the_receipts(swarm: FakeOperator) -> None:
    stopped = Swarm(mode=SwarmMode.SWARM_MODE_STOPPED, cause="smoke")
    receipt = KillReceipt(processes_found=3, killed=3)
    killed = Task(task_id="build-1", status=TaskStatus.TASK_STATUS_KILLED)
    swarm.answers["EmergencyStop"] = wire.EmergencyStopResponse(
        swarm=stopped,
        killing=["build-1"],
        workers=[wire.StoppingWorker(worker="w1", reachable=True, task_ids=["build-1"])],
    )
    swarm.answers["GetTask"] = wire.GetTaskResponse(
        task=killed, attempts=[Attempt(number=1, worker="w1", kill_receipt=receipt)]
    )
    async with screen(swarm, (120, 30)) as watch:
        await watch.press("E")
        await watch.type("yes")
        await watch.press("enter")
        await watch.until_notified("Only the word stop does it")
        assert not swarm.asked("EmergencyStop")
        await watch.press("backspace", "backspace", "backspace")
        await watch.type("stop smoke")
        await watch.press("enter")

        text = await watch.until("EMERGENCY STOP in force", "gone at")
        await watch.press("escape")
        await watch.until("build-1  in_progress")

    assert swarm.asked("EmergencyStop") == [wire.EmergencyStopRequest(cause="smoke")]
    assert "mode     stopped: smoke" in text


def log(*texts: str) -> wire.TailLogResponse:
    entries = [LogEntry(number=number, text=text) for number, text in enumerate(texts, 1)]
    return wire.TailLogResponse(
        session_id="s1", role=SessionRole.SESSION_ROLE_BUILDER, attempt=2, entries=entries
    )


async def test_a_task_has_its_reasons_and_its_live_log(swarm: FakeOperator) -> None:
    def tail(_: wire.TailLogRequest) -> Iterator[wire.TailLogResponse]:
        yield log("first\n", f"{HOSTILE}\n")
        yield from swarm.silence(None)

    swarm.answers["TailLog"] = tail
    async with screen(swarm) as watch:
        await watch.press("enter")
        text = await watch.until("first", "[red]x[/red] \\x1b]0;owned")

    assert text.splitlines()[1] == "in_progress  builder, attempt 2 of 3, w1, 1,200 in, 300 out, $0.0420"
    assert "- worker w1 holds it" in text
    assert "==> builder, attempt 2, session s1" in text
    assert not set("\x1b\x07\u202e") & set(text)
    [asked] = swarm.asked("TailLog")
    assert (asked.task_id, asked.attempt, asked.follow) == ("build-1", 2, True)


@pytest.mark.slow
async def test_a_next_attempt_is_followed_without_repeating_the_last(swarm: FakeOperator) -> None:
    second, third = Task(), Task()
    second.CopyFrom(RUNNING)
    third.CopyFrom(RUNNING)
    third.attempt = 3

    def tail(request: wire.TailLogRequest) -> Iterator[wire.TailLogResponse]:
        yield log(f"of attempt {request.attempt}")
        if request.attempt == 3:
            yield from swarm.silence(None)

    swarm.answers["TailLog"] = tail
    async with screen(swarm) as watch:
        await watch.press("enter")
        await watch.until("of attempt 2")
        swarm.answers["GetTask"] = wire.GetTaskResponse(task=third)
        text = await watch.until("of attempt 3")

    assert text.count("of attempt 2") == 1
    assert [request.attempt for request in swarm.asked("TailLog")] == [2, 3]


@pytest.mark.slow
async def test_a_task_shows_all_that_is_known_and_takes_orders(swarm: FakeOperator) -> None:
    swarm.answers["RetryTask"] = wire.RetryTaskResponse(tasks=[WAITING])
    async with screen(swarm) as watch:
        await watch.press("enter")
        await watch.until("worker w1 holds it")
        await watch.press("i")
        await watch.until("priority")
        await watch.press("r", "enter")
        await watch.until_notified("later is not_started")
        await watch.press("i", "escape")
        await watch.until("1 running 1")

    assert swarm.asked("RetryTask") == [wire.RetryTaskRequest(task_ids=["build-1"])]


@pytest.mark.slow
async def test_a_server_that_is_away_is_reported_and_waited_for(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        swarm.answers["GetSwarm"] = WireError(grpc.StatusCode.UNAVAILABLE, "down", "SERVER_STOPPING")
        await watch.until("down; below is the last that was known", "build-1")
        swarm.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=SWARM)

        await watch.until_so(lambda: "the last that was known" not in watch.text(), "it is back")


async def test_q_leaves(swarm: FakeOperator) -> None:
    async with screen(swarm) as watch:
        await watch.until("build-1")
        await watch.press("q")

        await watch.until_so(lambda: not watch.app.is_running, "the screen has gone")


@pytest.mark.slow
async def test_an_answer_for_a_task_that_was_left_is_dropped(swarm: FakeOperator) -> None:
    asked, left = threading.Event(), threading.Event()

    def late(_: wire.GetTaskRequest) -> wire.GetTaskResponse:
        asked.set()
        left.wait(DEADLINE_S)
        return wire.GetTaskResponse(task=RUNNING)

    swarm.answers["GetTask"] = late
    async with screen(swarm) as watch:
        await watch.press("enter")
        await watch.until_so(asked.is_set, "the task is asked for")
        await watch.press("escape")
        await watch.until("1 running 1")
        left.set()
        await watch.until_so(
            lambda: not any(thread.name == "watch-task" for thread in threading.enumerate()),
            "the answer came",
        )
        await watch.until("1 running 1")
