"""The events of `amplifier` sessions and of their children become usage, signs of life and readable lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from swarm_worker.domain.model import FailureClass, LogKind, Task, Usage
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.output.lines import EVENT_BYTES, LineSplitter, OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.cli_reader import MAX_CHILDREN, CliReader
from swarm_worker.runners.reader import SILENT_UNTIL_END, STARTING, WORKING, Report

OWN = Path("/sessions/t-a1-builder-1/events.jsonl")
CHILD = "0000000000000000-97c8d1e2f3a4b5c6_foundation-explorer"
CHILD_FILE = Path(f"/sessions/{CHILD}/events.jsonl")
SUCCESS = json.dumps({"status": "success", "response": "done", "session_id": "S"})


@pytest.fixture
def reader(tmp_path: Path) -> CliReader:
    return CliReader(SessionPlan(SessionId("t-a1-builder-1"), Role.BUILDER, Task("t", "{}"), "do", tmp_path))


def kernel(event: str, ts: str = "now", /, **data: Any) -> OutputLine:
    """Returns an event as the hook writes it, which moves an error beside the data."""
    schema = {"name": "amplifier.log", "ver": "1.0.0"}
    record = {"ts": ts, "lvl": "INFO", "schema": schema, "event": event, "session_id": "S"}
    beside = {"error": data.pop("error")} if "error" in data else {}
    return OutputLine(json.dumps(record | beside | ({"data": data} if data else {})))


def answer(tokens: int, ts: str = "now") -> OutputLine:
    return kernel("llm:response", ts, usage={"input_tokens": tokens, "output_tokens": 1, "cost_usd": None})


def texts(reader: CliReader, *lines: OutputLine, file: Path = OWN) -> list[str]:
    return [entry.text for line in lines for entry in reader.progress(line, file)]


def test_1_3_usage_and_progress_come_from_the_events(reader: CliReader) -> None:
    assert reader.stall_factor == SILENT_UNTIL_END

    reader.progress(kernel("session:start"), OWN)
    assert reader.stall_factor == STARTING
    used = {"input_tokens": 5, "output_tokens": 2, "cost_usd": 0.25}
    reader.progress(kernel("llm:response", usage=used), OWN)
    (started,) = reader.progress(kernel("tool:pre", tool_name="bash", tool_input={"command": "ls"}), OWN)
    reader.progress(OutputLine("{broken"), OWN)

    assert started.text == 'bash {"command": "ls"}'
    assert reader.stall_factor == WORKING
    assert (reader.usage.input_tokens, reader.usage.output_tokens, str(reader.usage.cost)) == (5, 2, "0.25")
    assert reader.report(SUCCESS, exit_code=0) == Report("done")


def test_1_3_events_without_a_model_s_answer_are_not_work(reader: CliReader) -> None:
    reader.progress(kernel("session:start"), OWN)

    failure = reader.report(SUCCESS, exit_code=0).failure

    assert failure is not None
    assert failure.kind is FailureClass.AGENT_ERROR
    assert "no model was ever asked" in failure.error


def test_the_work_of_children_is_followed_counted_and_told_apart(reader: CliReader) -> None:
    reader.progress(kernel("delegate:agent_spawned", agent="foundation:explorer", sub_session_id=CHILD), OWN)
    grandchild = "97c8d1e2f3a4b5c6-0123456789abcdef_self"
    lines = texts(
        reader,
        answer(7),
        kernel("tool:pre", tool_name="grep", tool_input={"pattern": "x"}),
        kernel("delegate:agent_spawned", sub_session_id=grandchild),
        file=CHILD_FILE,
    )
    reader.progress(answer(30), OWN)

    assert reader.progress_files == (CHILD_FILE, CHILD_FILE.parent.with_name(grandchild) / "events.jsonl")
    assert lines == ['[foundation-explorer] grep {"pattern": "x"}']
    assert reader.usage == Usage(37, 2)
    assert reader.stall_factor == WORKING


def test_a_child_that_is_continued_is_followed_too(reader: CliReader) -> None:
    reader.progress(kernel("tool:pre", tool_name="delegate", tool_input={"session_id": CHILD}), OWN)

    assert reader.progress_files == (CHILD_FILE,)


@pytest.mark.parametrize("child", ["../../etc", "/etc", "", "..", ".hidden", "a/b", "x" * 300, 7, None])
def test_a_child_s_id_can_name_no_other_folder(reader: CliReader, child: object) -> None:
    reader.progress(kernel("delegate:agent_spawned", sub_session_id=child), OWN)

    assert reader.progress_files == ()


def test_no_more_than_so_many_children_are_followed(reader: CliReader) -> None:
    for number in range(2 * MAX_CHILDREN):
        reader.progress(kernel("delegate:agent_spawned", sub_session_id=f"0-{number}_x"), OWN)

    assert len(reader.progress_files) == MAX_CHILDREN


def test_an_event_that_is_written_twice_counts_once(reader: CliReader) -> None:
    call = {"tool_name": "bash", "tool_input": {"command": "ls"}}
    one, other = (kernel("tool:pre", tool_call_id=number, **call) for number in ("1", "2"))
    lines = texts(
        reader,
        *(kernel("llm:request", "1"), kernel("llm:request", "2")),
        *(answer(5, "3"), answer(5, "4")),
        # Calls at the same time interleave.
        *(one, other, one, other),
        *(kernel("llm:request", "5"), kernel("llm:request", "6")),
        *(answer(5, "7"), answer(5, "8")),
    )

    assert reader.usage == Usage(10, 2)
    assert lines == ['bash {"command": "ls"}'] * 2


@pytest.mark.parametrize("size", [100_000, 2 * EVENT_BYTES])
def test_the_usage_of_a_long_line_is_counted_in_bounded_memory(reader: CliReader, size: int) -> None:
    used = {"input_tokens": 5, "output_tokens": 2, "cost_usd": "0.5", "details": {"reasoning": 1}}
    raw = {"text": 'a \\"usage\\": {} in a text' + "x" * size, "usage": {"prompt_tokens": 1}}
    data = {"provider": "p", "model": "m", "usage": used, "raw": raw}
    splitter = LineSplitter(EVENT_BYTES)
    lines = splitter.push(kernel("llm:response", **data).text.encode() + b"\n")

    texts(reader, *lines)

    assert len(lines[0].text) <= EVENT_BYTES
    assert (reader.usage.input_tokens, reader.usage.output_tokens, str(reader.usage.cost)) == (5, 2, "0.5")


def test_a_long_result_of_a_tool_is_logged_as_done(reader: CliReader) -> None:
    line = kernel("tool:post", tool_name="read_file", tool_call_id="c1", result={"output": "x" * 10_000})

    assert texts(reader, OutputLine(line.text[:5_000], cut=True)) == ["read_file done"]


def test_replies_and_the_reasons_of_failed_tools_are_logged(reader: CliReader) -> None:
    ran = {"stdout": "1 passed\n", "stderr": "", "returncode": 0}
    failed = {"stdout": "1 failed", "stderr": "boom", "returncode": 3}
    lines = texts(
        reader,
        kernel("content_block:end", block={"type": "thinking", "thinking": "hm"}),
        kernel("content_block:end", block={"type": "text", "text": "I run the tests."}),
        kernel("tool:post", tool_name="bash", result={"success": True, "output": ran, "error": None}),
        kernel("tool:post", tool_name="bash", result={"success": False, "output": failed, "error": None}),
        kernel("tool:post", tool_name="read_file", result={"success": True, "output": {"content": "text"}}),
        kernel(
            "tool:post",
            tool_name="edit_file",
            result={"success": False, "output": "no such file", "error": {"message": "no such file"}},
        ),
        kernel("tool:error", tool_name="task", error={"type": "RuntimeError", "msg": "not found"}),
        kernel("tool:post", tool_name="todo", result={"success": False}),
    )

    assert lines == [
        "I run the tests.",
        "bash done: 1 passed",
        "bash failed: exit code 3\n1 failed\nboom",
        "read_file done: text",
        "edit_file failed: no such file",
        "task failed: not found",
        "todo failed: it gave no reason",
    ]


def test_an_error_of_the_provider_is_logged_once(reader: CliReader) -> None:
    refused = "Error code: 429 - slow down"
    (entry,) = [
        entry
        for line in (kernel("llm:response", error=refused), kernel("provider:error", error=refused))
        for entry in reader.progress(line, OWN)
    ]

    assert (entry.kind, entry.text) == (LogKind.ERROR_OUTPUT, refused)


def test_what_every_turn_begins_with_is_not_logged(reader: CliReader) -> None:
    greeting = ("✓ Resuming session: s", "  Messages: 0", "Bundle 'anchors' prepared successfully")
    lines = [OutputLine(text) for text in (*greeting, "Could not check tool-web: no route")]

    assert [entry.text for line in lines for entry in reader.stdout(line)] == [lines[-1].text]
    assert [entry.text for line in lines for entry in reader.stderr(line)] == [lines[-1].text]


def test_an_error_in_a_box_is_named_by_its_words(reader: CliReader) -> None:
    box = (
        "╭───────────── Error ─────────────╮",
        "│ No such bundle: teem            │",
        "│ Run amplifier bundle list       │",
        "╰─────────────────────────────────╯",
    )
    for line in box:
        reader.stderr(OutputLine(line))

    failure = reader.report("", exit_code=1).failure

    assert failure is not None
    assert failure.error.endswith("left no JSON: Error No such bundle: teem Run amplifier bundle list")
