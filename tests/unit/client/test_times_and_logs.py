"""Times in one zone, amounts in few words, and the parts of logs and events that are asked for."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.session_pb2 import LogEntry, LogKind, SessionRole
from amplifier_swarm.v1.swarm_pb2 import Swarm
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import FakeOperator
from swarmctl import text_format
from unit.client.conftest import Ctl

NOW = datetime.now(UTC)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()


def event_at(moment: datetime) -> Event:
    event = Event(seq=1)
    event.happened_at.FromDatetime(moment)
    return event


@pytest.mark.usefixtures("berlin")
def test_a_moment_is_local_and_has_its_offset() -> None:
    event = event_at(datetime(2026, 11, 30, 23, 30, tzinfo=UTC))

    assert text_format.moment(event, "happened_at") == "2026-12-01 00:30:00+01:00"
    assert text_format.moment(Event(), "happened_at") == ""


@pytest.mark.usefixtures("berlin")
def test_a_time_of_another_day_has_its_date() -> None:
    event = event_at(datetime(2026, 11, 30, 23, 30, tzinfo=UTC))

    same_day = datetime(2026, 12, 1, 5, tzinfo=UTC)
    assert text_format.clock(event, "happened_at", now=same_day) == "00:30:00"
    assert text_format.clock(event, "happened_at", now=same_day + timedelta(1)) == "2026-12-01 00:30:00"


@pytest.mark.usefixtures("berlin")
def test_times_in_texts_of_the_server_are_local_too() -> None:
    text = "held by task a since 2026-11-30T23:30:00Z, and 2026-11-30T23:30:00.123456Z"

    shown = text_format.localized(text, now=datetime(2026, 12, 1, 5, tzinfo=UTC))

    assert shown == "held by task a since 00:30:00, and 00:30:00"
    assert text_format.localized("nothing at 12:00") == "nothing at 12:00"


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (7_500, "2 h 5 min")]
)
def test_minutes_are_in_words(seconds: int, text: str) -> None:
    assert text_format.minutes(seconds) == text


@pytest.mark.usefixtures("berlin")
def test_utc_is_used_everywhere_if_it_is_asked_for(ctl: Ctl, operator: FakeOperator) -> None:
    event = event_at(datetime(2026, 11, 30, 23, 30, tzinfo=UTC))
    operator.answers["WatchEvents"] = lambda _: iter([wire.WatchEventsResponse(events=[event])])

    assert "2026-12-01 00:30:00+01:00" in ctl("events").out
    assert "2026-11-30 23:30:00+00:00" in ctl("events", "--utc").out


@pytest.mark.parametrize(
    ("cost", "text"),
    [("30.1802", "$30.18"), ("1234.5", "$1,234.50"), ("0.0034075", "$0.0034"), ("cheap", "cheap")],
)
def test_an_amount_has_the_digits_that_matter(cost: str, text: str) -> None:
    assert text_format.dollars(cost) == text


@pytest.mark.parametrize(
    ("done", "everything", "text"),
    [
        (0, 5_000, "5,000 estimated hours"),
        (0, 1, "1 estimated hour"),
        (12.5, 40, "12.5 of 40 estimated hours"),
    ],
)
def test_hours_are_counted_once_some_are_done(done: float, everything: float, text: str) -> None:
    assert text_format.hours(done, everything) == text


def entries() -> list[LogEntry]:
    found = [LogEntry(number=1, text="compiling"), LogEntry(number=2, text="2 tests failed")]
    for entry, age in zip(found, (timedelta(hours=2), timedelta(minutes=1)), strict=True):
        entry.logged_at.FromDatetime(NOW - age)
    return found


@pytest.fixture
def logged(operator: FakeOperator) -> FakeOperator:
    answer = wire.TailLogResponse(
        session_id="s", role=SessionRole.SESSION_ROLE_BUILDER, attempt=1, entries=entries()
    )
    operator.answers |= {
        "GetTask": wire.GetTaskResponse(task=Task(task_id="a")),
        "TailLog": lambda _: iter([answer]),
    }
    return operator


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize("flags", [("--since", "30m"), ("--grep", r"\d+ tests? failed")])
def test_logs_show_the_entries_that_are_asked_for(ctl: Ctl, flags: tuple[str, str]) -> None:
    assert ctl("logs", "a", *flags).out.splitlines() == [
        "==> builder, attempt 1, session s",
        "  2 tests failed",
    ]


@pytest.mark.usefixtures("logged")
def test_log_entries_have_their_times_if_that_is_asked_for(ctl: Ctl) -> None:
    [_, first, _] = ctl("logs", "a", "--timestamps", "--utc").out.splitlines()

    stamp = (NOW - timedelta(hours=2)).isoformat(" ", "seconds")
    assert first == f"{stamp}   compiling"


def test_a_prompt_is_printed_as_it_is_if_it_is_asked_for(ctl: Ctl, logged: FakeOperator) -> None:
    pieces = [LogEntry(number=at, kind=LogKind.LOG_KIND_PROMPT, text=f"part {at}\n") for at in (3, 4)]
    answer = next(iter(logged.answers["TailLog"](None)))
    answer.entries.extend(pieces)

    said = ctl("logs", "a").out
    asked = ctl("logs", "a", "--prompt").out

    assert "part" not in said
    assert asked.splitlines() == ["==> builder, attempt 1, session s", "part 3", "part 4"]
    assert [request.kind for request in logged.asked("TailLog")] == [0, LogKind.LOG_KIND_PROMPT]


def test_the_tail_of_a_log_is_asked_of_the_server(ctl: Ctl, logged: FakeOperator) -> None:
    ctl("logs", "a", "--tail", "5")

    assert [request.tail for request in logged.asked("TailLog")] == [5]


def test_a_pattern_that_is_none_is_refused_in_one_line(ctl: Ctl, logged: FakeOperator) -> None:
    result = ctl("logs", "a", "--grep", "(")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("swarmctl: --grep '(' is not a regular expression: ")
    assert result.err.count("\n") == 1
    assert logged.asked("TailLog") == []


def test_the_tail_of_the_events_begins_at_their_number(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers |= {
        "GetSwarm": wire.GetSwarmResponse(swarm=Swarm(last_event_seq=100)),
        "WatchEvents": lambda _: iter([wire.WatchEventsResponse()]),
    }

    ctl("events", "--tail", "7")

    assert [request.after_seq for request in operator.asked("WatchEvents")] == [93]


def test_the_tail_of_the_events_of_a_task_counts_its_own(ctl: Ctl, operator: FakeOperator) -> None:
    seqs = (3, 20, 71)

    def watch(request: wire.WatchEventsRequest) -> object:
        found = [Event(seq=seq, task_id="a") for seq in seqs if seq > request.after_seq]
        return iter([wire.WatchEventsResponse(events=found)])

    operator.answers |= {"GetTask": wire.GetTaskResponse(task=Task(task_id="a")), "WatchEvents": watch}

    lines = ctl("events", "--task", "a", "--tail", "2").out.splitlines()

    assert [line.split()[0] for line in lines] == ["20", "71"]
