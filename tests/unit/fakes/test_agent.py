"""The stand-in for amplifier-agent follows the contract: arguments, envelope, files."""

import json
import signal

import pytest

from fakes.place import Place, turn_argv
from support.waiting import until

WRITE = {
    "calls": [{"tool": "write_file", "arguments": {"path": "a.txt", "content": "A"}}],
    "reply": "Written.",
}
MODE = "---\nmode:\n  name: look\n  tools:\n    safe: [read_file]\n  default_action: block\n---\nLook.\n"


def test_a_turn_ends_with_one_line_whose_tokens_are_always_0(place: Place) -> None:
    done = place.turn()

    assert done.code == 0
    assert done.out.count("\n") == 1
    envelope = done.envelope
    assert (envelope["sessionId"], envelope["turnId"], envelope["error"]) == ("s1", "turn-1", None)
    assert envelope["reply"].startswith("Done as asked.")
    assert (envelope["metadata"]["tokensIn"], envelope["metadata"]["tokensOut"]) == (0, 0)
    assert sum(usage["inputTokens"] for usage in done.named("usage")) > 0


def test_every_answer_has_its_empty_result_final_and_the_last_word_is_not_among_them(place: Place) -> None:
    place.task(rehearsal={"builder": [WRITE]})

    done = place.turn()

    assert [final["text"] for final in done.named("result/final")] == ["", ""]
    assert "".join(delta["text"] for delta in done.named("result/delta")) == "Written."
    methods = [name for name, _ in done.events]
    assert methods.index("result/final") < methods.index("tool/started") < methods.index("tool/completed")
    (completed,) = done.named("tool/completed")
    assert completed["result"]["success"] is True
    assert (place.project / "a.txt").read_text() == "A"


def test_costs_are_text_and_the_last_usage_is_their_sum_with_0_tokens(place: Place) -> None:
    place.task(rehearsal={"builder": [WRITE]})

    *calls, rollup = place.turn().named("usage")

    assert all(isinstance(call["cost"], str) for call in calls)
    assert (rollup["inputTokens"], rollup["outputTokens"], "cost" in rollup) == (0, 0, False)
    assert float(rollup["sessionCostTotal"]) == pytest.approx(sum(float(call["cost"]) for call in calls))


def test_a_model_without_a_price_has_no_cost(place: Place) -> None:
    config = place.folder / "host.json"
    config.write_text('{"provider": {"module": "chat-completions", "config": {"default_model": "local"}}}')

    (usage,) = place.turn("--config", str(config)).named("usage")

    assert (usage["model"], usage["provider"], "cost" in usage) == ("local", "chat-completions", False)


def test_plain_lines_stand_among_the_events(place: Place) -> None:
    assert any(not line.startswith("{") for line in place.turn().err.splitlines())


@pytest.mark.parametrize("option", ["--provider", "--model", "--agent", "--stdio", "-x"])
def test_an_unknown_option_is_a_usage_text_and_no_envelope(place: Place, option: str) -> None:
    done = place.turn(option)

    assert (done.code, done.out) == (2, "")
    assert f"No such option: {option}" in done.err


def test_a_prompt_that_begins_with_a_dash_needs_two_before_it(place: Place) -> None:
    argv = turn_argv(place.project, prompt="- first\n- second", session="s1")
    without = [word for word in argv if word != "--"]

    assert place.run("amplifier-agent", *argv).code == 0
    assert place.run("amplifier-agent", *without).code == 2


def test_a_prompt_on_stdin_is_not_read(place: Place) -> None:
    done = place.run("amplifier-agent", "run", "--session-id", "s1", "-y", "--output", "json", stdin="Do it.")

    assert (done.code, done.out) == (2, "")
    assert "prompt_required" in done.err


def test_an_argument_beyond_128_kib_can_not_be_passed(place: Place) -> None:
    with pytest.raises(OSError, match="too long"):
        place.turn(prompt="x" * 131_072)
    assert place.turn(prompt="x" * 131_071).code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("-y", ""), "approval_unconfigured"),
        (("w", "Not_a_slug"), "argv_workspace_invalid"),
        (("0.3.0", "0.2.0"), "protocol_version_mismatch"),
    ],
)
def test_a_wrong_call_is_reported_in_an_envelope_without_a_session(
    place: Place, change: tuple[str, str], code: str
) -> None:
    argv = [
        change[1] if word == change[0] else word for word in turn_argv(place.project, prompt="p", session="s")
    ]

    done = place.run("amplifier-agent", *[word for word in argv if word])

    assert done.code == 2
    assert done.envelope["error"]["code"] == code
    assert done.envelope["error"]["classification"] == "protocol"
    assert (done.envelope["sessionId"], "activeMode" in done.envelope["metadata"]) == ("", False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"providr": {}}', "config_unknown_key"),
        ('{"provider": {"module": "acme"}}', "config_invalid_provider_module"),
        ('{"approval": {"mode": "maybe"}}', "config_invalid_type"),
        ("[]", "config_malformed_json"),
        (None, "config_unreadable"),
    ],
)
def test_a_configuration_is_closed_at_its_top(place: Place, text: str | None, code: str) -> None:
    config = place.folder / "host.json"
    if text is not None:
        config.write_text(text)

    done = place.turn("--config", str(config))

    assert (done.code, done.envelope["error"]["code"]) == (2, code)


def test_a_mode_is_found_from_the_process_s_folder_and_blocks_what_it_does_not_name(place: Place) -> None:
    place.task(rehearsal={"builder": [WRITE]})
    modes = place.project / ".amplifier" / "modes"
    modes.mkdir(parents=True)
    (modes / "look.md").write_text(MODE)

    elsewhere = place.turn("--mode", "look", cwd=place.folder)
    done = place.turn("--mode", "look")

    assert (elsewhere.code, elsewhere.envelope["error"]["code"]) == (2, "argv_mode_unknown")
    assert (done.code, done.envelope["metadata"]["activeMode"]) == (0, "look")
    assert done.named("tool/started") == []
    assert not (place.project / "a.txt").exists()


def test_a_mode_is_found_in_the_user_s_home_too(place: Place) -> None:
    modes = place.home / ".amplifier" / "modes"
    modes.mkdir(parents=True)
    (modes / "look.md").write_text(MODE.replace("[read_file]", "\n      - read_file\n      - write_file"))
    place.task(rehearsal={"builder": [WRITE]})

    assert place.turn("--mode", "look").code == 0
    assert (place.project / "a.txt").exists()


def test_the_session_s_files_are_created_by_the_first_tool_call_and_record_the_end(place: Place) -> None:
    place.task(rehearsal={"builder": [WRITE]})

    place.turn()

    folder = place.sessions / "s1"
    assert json.loads((folder / "metadata.json").read_text())["last_turn"] == "complete"
    roles = [json.loads(line)["role"] for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert roles == ["user", "tool", "assistant"]
    assert json.loads((folder / "audits" / "turn-turn-1.json").read_text())["exitCode"] == 0


def test_a_turn_that_is_killed_before_a_tool_call_leaves_no_folder(place: Place) -> None:
    place.task()
    place.faults(builder=["silent"])
    process = place.start("amplifier-agent", *turn_argv(place.project, prompt="p", session="s1"))
    until(lambda: list(place.ledger.lines("start")), "it began")

    process.kill()
    process.wait(10)

    assert not (place.sessions / "s1").exists()


def test_fresh_deletes_what_was_kept_and_resume_goes_on_with_it(place: Place) -> None:
    transcript = place.sessions / "s1" / "transcript.jsonl"
    place.turn(prompt="First.")
    place.turn("--resume", prompt="Second.")
    resumed = transcript.read_text()
    place.turn(prompt="Third.")

    assert [word in resumed for word in ("First.", "Second.")] == [True, True]
    assert "First." not in transcript.read_text()


def test_resuming_an_unknown_session_starts_blank_without_an_error(place: Place) -> None:
    done = place.turn("--resume", session="never-seen")

    assert (done.code, done.envelope["error"]) == (0, None)


def test_an_id_is_not_validated(place: Place) -> None:
    place.turn(session="../../esc")

    assert (place.sessions.parents[1] / "esc" / "transcript.jsonl").exists()


def test_an_underscore_makes_the_session_look_like_a_child(place: Place) -> None:
    assert {usage["agentName"] for usage in place.turn(session="task_1").named("usage")[:1]} == {"1"}
    assert "agentName" not in place.turn(session="task-1").named("usage")[0]


def test_a_sigterm_ends_it_without_an_envelope_and_a_sigint_with_code_1(place: Place) -> None:
    place.task()
    place.faults(builder=["stall", "stall"])
    ends = []
    for number, sent in enumerate((signal.SIGTERM, signal.SIGINT), 1):
        process = place.start("amplifier-agent", *turn_argv(place.project, prompt="p", session="s1"))
        until(lambda number=number: len(list(place.ledger.lines("start"))) == number, "it began")  # type: ignore[misc]
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)
        ends.append((process.returncode, out, "Aborted!" in err))

    assert ends == [(-signal.SIGTERM, "", False), (1, "", True)]


def test_two_cold_starts_at_once_are_one_too_many_unless_the_cache_was_prepared(place: Place) -> None:
    cache = place.home / ".amplifier-agent" / "cache"
    (cache / "prepared").unlink()
    place.env["AMPLIFIER_STANDIN_COLD_S"] = "60"
    first = place.start("amplifier-agent", "prepare")
    until((cache / "lock").exists, "the first one warms the cache")

    second = place.turn()
    first.kill()
    first.wait(20)
    place.env["AMPLIFIER_STANDIN_COLD_S"] = "0"

    assert second.code == 1
    assert "could not lock config file" in second.envelope["error"]["message"]
    assert place.run("amplifier-agent", "prepare").code == 0
    assert place.turn().code == 0


def test_doctor_is_strict_about_a_cold_cache(place: Place) -> None:
    (place.home / ".amplifier-agent" / "cache" / "prepared").unlink()
    cold = [place.run("amplifier-agent", "doctor", *flags).code for flags in ([], ["--strict"])]

    prepared = place.run("amplifier-agent", "prepare")

    assert cold == [0, 1]
    assert (prepared.code, prepared.out) == (0, "[ OK ] bundle cache primed\n")
    assert place.run("amplifier-agent", "doctor", "--strict").code == 0


@pytest.mark.parametrize("pair", [("--resume", "--fresh"), ("-y", "-n")])
def test_options_that_exclude_each_other_are_refused(place: Place, pair: tuple[str, str]) -> None:
    done = place.run("amplifier-agent", "run", "--session-id", "s1", *pair, "--", "Do it.")

    assert (done.code, done.out) == (2, "")
    assert "are mutually exclusive" in done.err


def test_its_home_and_workspace_may_come_from_the_environment(place: Place) -> None:
    place.env |= {"AMPLIFIER_AGENT_HOME": str(place.folder / "elsewhere"), "AMPLIFIER_AGENT_WORKSPACE": "ws"}

    done = place.run("amplifier-agent", "run", "--session-id", "s1", "-y", "--", "Do it.")

    assert (done.code, done.out.startswith("Done as asked.")) == (0, True)
    kept = place.folder / "elsewhere" / "state" / "workspaces" / "ws" / "sessions" / "s1"
    assert (kept / "transcript.jsonl").exists()


def test_it_says_which_version_and_protocol_it_is(place: Place) -> None:
    version = json.loads(place.run("amplifier-agent", "version", "--json").out)

    assert version == {"version": "0.14.1", "protocolVersion": "0.3.0"}
    assert "--session-id" in place.run("amplifier-agent", "run", "--help").out
    assert "--bundle" not in place.run("amplifier-agent", "run", "--help").out
    assert place.run("amplifier-agent", "steal").code == 2
