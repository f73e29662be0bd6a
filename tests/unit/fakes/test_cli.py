"""The stand-in for the amplifier command, in its old and its new version."""

import json
import re
import signal
from typing import Any

import pytest

from fakes.place import Place
from support.waiting import until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FILES: dict[str, Any] = {"files": ["a.txt"]}


def _new(place: Place) -> None:
    place.env["AMPLIFIER_STANDIN_CLI"] = "new"


def _lay_out(place: Place, session: str, **metadata: str) -> None:
    place.kept(session).mkdir(parents=True)
    (place.kept(session) / "metadata.json").write_text(json.dumps({"session_id": session} | metadata))


def test_the_old_version_prints_a_line_before_its_json(place: Place) -> None:
    done = place.cli()

    assert done.code == 0
    assert done.out.startswith("Bundle 'anchors' prepared successfully\n{\n")
    (document,) = done.documents
    assert document.keys() == {"status", "response", "session_id", "bundle", "model", "timestamp"}
    assert UUID.fullmatch(document["session_id"])


def test_the_new_version_prints_only_json_and_has_an_option_for_the_id(place: Place) -> None:
    _new(place)

    done = place.cli("--session-id", "t1-a1-builder-1")

    assert json.loads(done.out)["session_id"] == "t1-a1-builder-1"
    assert "prepared successfully" in done.err
    assert place.log("t1-a1-builder-1")


def test_only_the_new_version_has_an_option_for_the_id(place: Place) -> None:
    old = place.run("amplifier", "run", "--help").out
    refused = place.cli("--session-id", "x")
    _new(place)

    assert "--session-id" not in old
    assert (refused.code, refused.out) == (2, "")
    assert "--session-id" in place.run("amplifier", "run", "--help").out


@pytest.mark.parametrize("option", ["--cwd", "--agent", "-y"])
def test_an_unknown_command_or_option_prints_the_usage(place: Place, option: str) -> None:
    done = place.cli(option)

    assert (done.code, done.out, f"No such option: {option}" in done.err) == (2, "", True)


def test_a_model_requires_a_provider(place: Place) -> None:
    assert place.cli("-m", "gpt-5.4").code == 2
    assert place.cli("-p", "openai", "-m", "gpt-5.4").documents[0]["model"] == "gpt-5.4"


def test_a_long_prompt_comes_by_stdin(place: Place) -> None:
    assert place.cli(stdin="x" * 300_000).code == 0
    assert place.cli(stdin=" ").code == 1


def test_a_prepared_session_is_resumed_under_its_id(place: Place) -> None:
    _lay_out(place, "t1-a1-builder-1", bundle="bundle:mine")

    done = place.cli("--resume", "t1-a1-builder-1")

    assert "✓ Resuming session: t1-a1-builder-1\n" in done.out
    (document,) = done.documents
    assert (document["session_id"], document["bundle"]) == ("t1-a1-builder-1", "bundle:mine")
    assert place.log("t1-a1-builder-1")[0]["event"] == "session:resume"


def test_without_a_bundle_in_its_metadata_a_resumed_session_falls_back(place: Place) -> None:
    _lay_out(place, "s1")

    assert place.cli("--resume", "s1").documents[0]["bundle"] == "bundle:anchors"


@pytest.mark.parametrize("session", ["unknown", "task_1"])
def test_an_unknown_session_or_a_child_can_not_be_resumed(place: Place, session: str) -> None:
    if "_" in session:
        _lay_out(place, session, bundle="bundle:mine")

    done = place.cli("--resume", session)

    assert done.code == 1
    assert done.documents[-1]["error"] == f"Session '{session}' not found"


def test_events_are_logged_as_they_happen_and_the_rest_comes_at_the_end(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["stall"])
    _new(place)
    process = place.start("amplifier", "run", "--output-format", "json", "--session-id", "s1", "--", "Do it.")
    until(lambda: list(place.ledger.lines("usage")), "it has answered once")

    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)

    assert (process.returncode, out) == (-signal.SIGTERM, "")
    assert [path.name for path in place.kept("s1").iterdir()] == ["events.jsonl"]
    events = [event["event"] for event in place.log("s1")]
    assert events[:5] == ["session:start", "prompt:submit", "execution:start", "llm:request", "llm:response"]


def test_only_the_events_contain_tokens_and_costs(place: Place) -> None:
    place.task(**FILES)
    _new(place)

    done = place.cli("--session-id", "s1")

    assert "token" not in done.out
    used = [event["data"]["usage"] for event in place.log("s1") if event["event"] == "llm:response"]
    assert [(use["input_tokens"], use["output_tokens"], use["cost_usd"]) for use in used] == [
        (line["input"], line["output"], line["cost"]) for line in place.ledger.lines("usage")
    ]
    assert (place.project / "a.txt").exists()


def test_a_delegated_child_logs_in_a_folder_of_its_own(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["delegate"])
    _new(place)

    place.cli("--session-id", "s1")

    (child,) = {path.name for path in place.kept("s1").parent.iterdir()} - {"s1"}
    assert child.endswith("_builder")
    (spawned,) = [event for event in place.log("s1") if event["event"] == "delegate:agent_spawned"]
    assert spawned["data"]["sub_session_id"] == child
    assert [event["event"] for event in place.log(child)].count("llm:response") == 2


def test_the_old_version_writes_some_events_twice_and_answers_are_long(place: Place) -> None:
    _lay_out(place, "s1", bundle="bundle:mine")
    place.cli("--resume", "s1")
    _new(place)
    place.cli("--session-id", "s2")

    for session, times in (("s1", 2), ("s2", 1)):
        answers = [event for event in place.log(session) if event["event"] == "llm:response"]
        assert len(answers) == times
        assert answers[0] == answers[-1]
        assert len(json.dumps(answers[0])) > 64 * 1024


@pytest.mark.slow
def test_two_cold_starts_at_once_are_one_too_many_unless_the_tools_were_listed(place: Place) -> None:
    place.env["AMPLIFIER_STANDIN_COLD_S"] = "2"
    words = ("amplifier", "run", "--output-format", "json", "--", "Do it.")
    first = place.start(*words)
    until((place.home / ".amplifier" / "cache" / "lock").exists, "the first fills the cache")
    late = place.run(*words)

    assert (late.code, first.wait(timeout=20)) == (1, 0)
    assert "could not lock config file" in late.documents[-1]["error"]
    assert place.run("amplifier", "tool", "list").code == 0
    assert place.run(*words).code == 0


@pytest.mark.parametrize("words", [("tool", "list", "-b", "absent"), ("run", "-B", "absent", "--", "Do it.")])
def test_an_unknown_bundle_is_an_error(place: Place, words: tuple[str, ...]) -> None:
    done = place.run("amplifier", *words)

    assert (done.code, "Bundle 'absent' not found" in done.out) == (1, True)


def test_a_provider_s_error_is_a_document_and_code_1(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["rate_limit"], retry_after_s=0.1)

    done = place.cli()

    assert done.code == 1
    (document,) = done.documents
    assert document["status"] == "error"
    assert document["error"].startswith("Execution failed: RateLimitError: ")


def test_work_that_was_done_can_end_with_two_documents_and_code_1(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["two_documents"])

    done = place.cli()

    assert done.code == 1
    assert [document["status"] for document in done.documents] == ["error", "success"]
    assert "not found" in done.documents[0]["error"]
    assert (place.project / "a.txt").exists()


@pytest.mark.slow
def test_a_sigint_lets_the_answer_finish_and_is_a_success(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["slow_start"], slow_start_s=0.5)
    process = place.start("amplifier", "run", "--output-format", "json", "--", "Do it.")
    until(lambda: list(place.ledger.lines("start")), "it began")

    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)

    assert process.returncode == 0
    assert '"status": "success"' in out


def test_the_trace_names_the_tool_calls(place: Place) -> None:
    place.task(**FILES)

    (document,) = place.run("amplifier", "run", "--output-format", "json-trace", "--", "Do it.").documents

    assert [step["tool"] for step in document["execution_trace"]] == ["write_file"]
    assert document["metadata"]["total_tool_calls"] == 1


def test_in_text_the_id_is_said_before_the_answer(place: Place) -> None:
    out = place.run("amplifier", "run", "--", "Do it.").out

    assert re.search(rf"Session ID: {UUID.pattern}\n.*Done as asked", out, re.DOTALL)


def test_there_is_no_way_to_kill_a_session(place: Place) -> None:
    done = place.run("amplifier", "session", "kill", "s1")

    assert (done.code, "No such command 'kill'" in done.err) == (2, True)
    assert "list" in place.run("amplifier", "session", "--help").out


def test_a_list_of_sessions_cuts_their_ids(place: Place) -> None:
    _new(place)
    place.cli("--session-id", "t1-a1-builder-1")

    assert "t1-a1-builder-1" not in place.run("amplifier", "session", "list", "--format", "json").out


def test_the_task_tool_is_gone(place: Place) -> None:
    done = place.run("amplifier", "tool", "invoke", "task", "agent=x")

    assert (done.code, "Tool 'task' not found" in done.out) == (1, True)
