"""A turn of the library, as a worker sees it, and the traps of the library that a worker must get over."""

import io
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from support.library_child import LibraryChild
from swarm_worker.agent_library.life_sign import LifeSign
from swarm_worker.agent_library.log_events import ProviderLog
from swarm_worker.agent_library.ndjson import NdjsonStream
from swarm_worker.agent_library.request import TurnRequest
from swarm_worker.agent_library.session import LibrarySession

LONG_ID = "a-task-with-a-name-that-is-longer-than-the-library-allows-for-a-session-1a2b-a1-builder-1"[:81]


def test_a_turn_gives_the_events_and_the_envelope_that_a_worker_reads(child: LibraryChild) -> None:
    ended = child.run()

    assert ended.code == 0
    assert (child.project / "a.txt").exists()
    (begun,), (done,) = ended.named("tool/started"), ended.named("tool/completed")
    assert begun["name"] == done["name"] == "write_file"
    assert begun["toolCallId"] == done["toolCallId"]
    assert done["result"]["success"] is True
    assert done["durationMs"] >= 0
    assert "Done as asked." in "".join(event["text"] for event in ended.named("result/delta"))
    assert {event["params"]["sessionId"] for event in ended.events} == {child.session}
    envelope = ended.envelope
    assert (envelope["sessionId"], envelope["error"]) == (child.session, None)
    assert "Done as asked." in envelope["reply"]
    assert envelope["metadata"]["engineVersion"] == "0.21.0"


def test_usage_is_reported_as_it_grows_and_summed_up_in_the_envelope(child: LibraryChild) -> None:
    ended = child.run()

    used = ended.named("usage")
    metadata = ended.envelope["metadata"]
    assert len(used) == 2
    assert sum(event["inputTokens"] for event in used) == metadata["tokensIn"] > 0
    assert sum(event["outputTokens"] for event in used) == metadata["tokensOut"] > 0
    assert float(metadata["costUsd"]) == pytest.approx(sum(float(event["cost"]) for event in used))


def test_a_long_reply_reaches_the_log_whole(child: LibraryChild) -> None:
    reply = "".join(f"line {number}\n" for number in range(2_000))
    child.declare(("bash", {"command": "true"}), reply=reply)

    ended = child.run()

    assert "".join(event["text"] for event in ended.named("result/delta")) == reply
    assert ended.envelope["reply"] == reply


@pytest.mark.parametrize("fault", ["overload", "network"])
def test_a_provider_that_fails_once_costs_a_turn_and_no_work(child: LibraryChild, fault: str) -> None:
    child.faults(fault)

    ended = child.run()

    assert ended.code == 0, ended.out
    assert child.states() == ["failure", "success"]
    assert len(ended.named("tool/started")) == 1, "what was done before is not done again"
    mended = [event for event in ended.named("error") if event["code"] == "provider_failed"]
    assert [event["recoverable"] for event in mended] == [True]
    assert child.prompts()[1].startswith("The provider of the model failed")
    assert ended.named("result/delta")[0]["text"] == "I begin."
    assert "I begin." not in ended.envelope["reply"], "the reply is that of the last turn"


@pytest.mark.parametrize(
    ("fault", "code", "advice"),
    [
        ("bad_arguments", "invalid_input", "'timeout' must be at most 120. Correct the arguments."),
        ("unoffered_tool", "provider_failed", "named the tool 'apply_patch', which does not exist here"),
        ("unknown_outcome", "tool_recovery_blocked", "unknown how your last command ended"),
    ],
)
def test_a_wrong_call_ends_the_turn_and_the_next_one_says_what_was_wrong(
    child: LibraryChild, fault: str, code: str, advice: str
) -> None:
    child.faults(fault)

    ended = child.run()

    assert ended.code == 0, ended.out
    assert child.states() == ["failure", "success"]
    assert [(event["code"], event["recoverable"]) for event in ended.named("error")] == [(code, True)]
    assert advice in child.prompts()[1]


def test_a_provider_that_limits_the_first_request_is_asked_twice_with_the_whole_prompt(
    child: LibraryChild,
) -> None:
    child.faults("rate_limit", retry_after_s=12)

    ended = child.run(prompt="the whole task")

    assert ended.code == 1
    assert child.prompts() == ["the whole task", "the whole task"]
    error = ended.envelope["error"]
    assert (error["code"], error["retryable"], error["answered"]) == ("provider_failed", True, False)
    assert "retry after 12s" in error["lastLog"], "the cause is in the log alone"


@pytest.mark.parametrize(
    ("fault", "code", "log"),
    [
        ("auth", "provider_failed", "401"),
        ("quota", "provider_failed", "credit balance"),
        ("context", "context_exceeded", ""),
        ("other_model", "selector_rejected", ""),
    ],
)
def test_an_error_that_no_further_turn_can_mend_ends_the_session(
    child: LibraryChild, fault: str, code: str, log: str
) -> None:
    child.faults(fault)

    ended = child.run()

    assert ended.code == 1
    assert child.states() == ["failure"]
    assert ended.envelope["error"]["code"] == code
    assert log in ended.envelope["error"]["lastLog"]
    assert ended.named("error")[-1]["recoverable"] is False


def test_usage_that_the_library_forgets_stays_counted(child: LibraryChild) -> None:
    child.faults("no_numbers")

    ended = child.run()

    before, after = ended.named("usage")
    assert ended.envelope["metadata"]["tokensIn"] == before["inputTokens"] + after["inputTokens"]
    assert before["inputTokens"] > 0


def test_an_id_that_the_library_refuses_is_shortened_and_ours_is_shown(child: LibraryChild) -> None:
    child.session = LONG_ID

    ended = child.run()

    assert ended.code == 0, ended.out
    assert ended.envelope["sessionId"] == LONG_ID
    theirs = ended.envelope["metadata"]["agentSessionId"]
    assert len(theirs) == 64
    assert child.prompts(theirs) == ["do it"]


def test_a_further_turn_continues_the_conversation(child: LibraryChild) -> None:
    child.run()

    ended = child.run(resumed=True, prompt="and now?")

    assert ended.code == 0, ended.out
    assert ended.named("tool/started") == []
    assert child.states() == ["success", "success"]


def test_a_fresh_session_never_meets_an_old_conversation(child: LibraryChild) -> None:
    child.run()

    ended = child.run(prompt="again")

    assert ended.code == 0, ended.out
    assert child.prompts() == ["again"]


def test_a_session_that_is_open_elsewhere_is_an_error(child: LibraryChild) -> None:
    child.run()
    child.faults("none", "silent")
    with child.start() as other:
        try:
            assert other.stderr is not None
            assert b"thinking/alive" in other.stderr.readline()
            ended = child.run()
        finally:
            other.kill()

    assert ended.code == 1
    assert ended.envelope["error"]["code"] == "session_in_use"


def test_what_the_library_prints_never_reaches_the_answer(child: LibraryChild) -> None:
    child.faults("noisy")

    ended = child.run()

    assert ended.code == 0
    assert ended.envelope["error"] is None
    assert "optional module" in ended.named("error")[0]["message"]


def test_a_validator_has_no_tool_that_writes(child: LibraryChild) -> None:
    child.role, child.session = "validator", "t-a1-validator-1"
    child.declare(
        ("write_file", {"path": "b.txt", "content": "x"}), ("bash", {"command": "pwd"}), files=["a.txt"]
    )

    ended = child.run()

    assert ended.code == 0, ended.out
    assert [event["name"] for event in ended.named("tool/started")] == ["bash"]
    assert not (child.project / "b.txt").exists()


def test_a_turn_that_succeeds_without_an_answer_is_told_apart(child: LibraryChild) -> None:
    child.declare(files=[])
    child.faults("lie")

    assert child.run().envelope["metadata"]["modelAnswered"] is False


async def test_an_odd_error_within_a_turn_does_not_hide_that_a_model_answered() -> None:
    async def events() -> AsyncIterator[Any]:
        yield SimpleNamespace(
            type="output_delta", payload=SimpleNamespace(content=[SimpleNamespace(text="hm")])
        )
        raise ValueError("odd")

    async def start_turn(given: object) -> Any:
        return SimpleNamespace(events=events)

    library = SimpleNamespace(TextPart=str, TurnInput=list)
    stream = NdjsonStream("s", "t", io.StringIO())
    session = LibrarySession(library, TurnRequest("run"), stream, ProviderLog(stream))

    ended = await session._run_turn(SimpleNamespace(start_turn=start_turn), "do it", LifeSign(stream))

    assert ended.answered
    assert ended.fault is not None
    assert (ended.fault.code, ended.fault.message) == ("child_failed", "ValueError: odd")
