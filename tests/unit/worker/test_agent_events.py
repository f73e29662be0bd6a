"""Events on stderr are found among other text, and usage is counted once."""

import json
from decimal import Decimal
from typing import Any

import pytest

from swarm_worker.domain.model import LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import EventReader
from swarm_worker.output.lines import OutputLine


def _event(method: str, **params: Any) -> OutputLine:
    return OutputLine(json.dumps({"method": method, "params": params}))


def _read(*lines: OutputLine) -> tuple[list[SessionLogLine], EventReader]:
    reader = EventReader()
    entries = [entry for line in lines for entry in reader.read(line)]
    return entries + reader.flush(), reader


def test_noise_is_logged_as_it_is() -> None:
    noise = ["Traceback (most recent call last):", "{not json", '["a list"]', '{"method": 7}', "{}", "1"]

    entries, reader = _read(*map(OutputLine, noise))

    assert entries == [SessionLogLine(LogKind.ERROR_OUTPUT, text) for text in noise]
    assert not reader.model_used


def test_tools_are_logged_with_their_arguments_and_results() -> None:
    entries, _ = _read(
        _event("tool/started", name="bash", args={"command": "ls"}),
        _event("tool/completed", name="bash", result={"success": True, "output": "a b"}, durationMs=12),
        _event("tool/completed", name="bash", result={"success": False, "error": {"message": "no"}}),
        _event("tool/completed", name="ls", result={"output": ["a", "b"]}, durationMs=0),
        _event("tool/completed", name="bash", result={"output": "x"}, durationMs=61_500, agentName="builder"),
        _event("tool/completed"),
    )

    assert entries == [
        SessionLogLine(LogKind.TOOL_STARTED, 'bash {"command": "ls"}'),
        SessionLogLine(LogKind.TOOL_COMPLETED, "bash done (12 ms): a b"),
        SessionLogLine(LogKind.TOOL_COMPLETED, "bash failed: no"),
        SessionLogLine(LogKind.TOOL_COMPLETED, "ls done: a\nb"),
        SessionLogLine(LogKind.TOOL_COMPLETED, "[builder] bash done (61.5 s): x"),
        SessionLogLine(LogKind.TOOL_COMPLETED, " done"),
    ]


def test_long_arguments_and_results_are_shortened_in_the_middle() -> None:
    written = {"path": "a.py", "content": "x" * 90_000}
    printed = {"stdout": "begin" + "y" * 90_000 + "the last line", "stderr": "", "returncode": 0}

    started, completed = _read(
        _event("tool/started", name="write_file", args=written),
        _event("tool/completed", name="bash", result={"success": True, "output": printed}),
    )[0]

    assert started.text.startswith('write_file {"path": "a.py", "content": "xxx')
    assert started.text.endswith('(89,500 characters more)"}')
    assert completed.text.startswith("bash done: begin")
    assert completed.text.endswith("the last line")
    assert "characters are left out" in completed.text
    assert len(started.text) < 1_000
    assert len(completed.text) < 3_000


def test_an_event_that_is_too_long_is_named_and_not_shown() -> None:
    entries, _ = _read(OutputLine('{"method": "tool/completed", "params": {"x": "' + "y" * 100, cut=True))

    assert [entry.text for entry in entries] == ["tool/completed: an event that is too long to be read"]


def test_the_pieces_of_a_reply_make_one_entry() -> None:
    entries, _ = _read(
        *(_event("result/delta", text=piece) for piece in ("Hel", "lo\n", "world")),
        _event("result/final", text=""),
        _event("result/delta", text="and more"),
    )

    assert entries == [
        SessionLogLine(LogKind.REPLY, "Hello\nworld"),
        SessionLogLine(LogKind.REPLY, "and more"),
    ]


def test_usage_is_added_up_and_a_roll_up_is_not_added_again() -> None:
    _, reader = _read(
        _event("usage", inputTokens=10, outputTokens=5, cost="0.0034075"),
        _event("usage", inputTokens=1, outputTokens=2, cost="0.0000025"),
        _event("usage", inputTokens=0, outputTokens=0, cost="0.00341", sessionCostTotal="0.00341"),
    )

    assert reader.usage == Usage(11, 7, Decimal("0.0034100"))
    assert reader.model_used


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"inputTokens": -5, "outputTokens": True},
        {"inputTokens": "many", "cost": "much"},
        {"cost": "NaN"},
        {"cost": "-1"},
        {"cost": "1e400"},
        {"inputTokens": 2**70},
        {"cost": [1]},
    ],
)
def test_usage_that_makes_no_sense_counts_as_none(params: dict[str, Any]) -> None:
    _, reader = _read(_event("usage", **params))

    assert reader.usage == Usage()
    assert not reader.model_used


def test_a_line_that_was_cut_is_not_an_event() -> None:
    line = OutputLine('{"params": {"inputTokens": 5}, "method": "usage"}', cut=True)

    entries, reader = _read(line)

    assert reader.usage == Usage()
    assert entries == [SessionLogLine(LogKind.ERROR_OUTPUT, line.text)]


def test_values_that_are_nested_too_deeply_are_harmless() -> None:
    nested = "[" * 900 + "]" * 900

    entries, _ = _read(OutputLine('{"method": "error", "params": {"code": "x", "message": ' + nested + "}}"))

    assert len(entries) == 1
