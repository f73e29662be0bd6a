"""The envelope and the events have the shapes of amplifier-agent."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from swarm_worker.agent_library.envelope import Envelope, EnvelopeFault
from swarm_worker.agent_library.ndjson import LINE_LIMIT_BYTES, TEXT_LIMITS_CHARS, ErrorLog, NdjsonStream
from swarm_worker.embedded.hooks import Translator

NAMES = {"sessionId": "s-1", "turnId": "turn-1"}


@pytest.fixture
def stream() -> NdjsonStream:
    return NdjsonStream("s-1", "turn-1", io.StringIO())


@pytest.fixture
def translated(stream: NdjsonStream, coordinator: Any) -> Any:
    Translator(stream).attach(coordinator.hooks)
    return coordinator.hooks


def sent(stream: NdjsonStream) -> list[dict[str, Any]]:
    assert isinstance(stream.file, io.StringIO)
    return [json.loads(line) for line in stream.file.getvalue().splitlines()]


def test_the_envelope_of_a_reply() -> None:
    envelope = Envelope("s-1", "2.0.2", reply="dóne\n", duration_ms=7, mode="validate", correlation_id="c")

    assert "\n" not in envelope.line()
    assert envelope.exit_code == 0
    assert json.loads(envelope.line()) == {
        "protocolVersion": "0.3.0",
        "sessionId": "s-1",
        "turnId": "turn-1",
        "reply": "dóne\n",
        "error": None,
        "metadata": {
            "tokensIn": 0,
            "tokensOut": 0,
            "durationMs": 7,
            "bundleDigest": "",
            "engineVersion": "2.0.2",
            "protocolVersion": "0.3.0",
            "correlationId": "c",
            "activeMode": "validate",
        },
    }


def test_the_envelope_of_a_fault_has_no_reply() -> None:
    fault = EnvelopeFault("internal", "RuntimeError: Execution failed: RateLimitError: slow down")
    envelope = Envelope("s-1", "2.0.2", reply="half", fault=fault, correlation_id="c")

    document = json.loads(envelope.line())

    assert envelope.exit_code == 1
    assert document["reply"] == ""
    assert document["error"] == {
        "code": "internal",
        "classification": "engine",
        "severity": "error",
        "correlationId": "c",
        "message": "RuntimeError: Execution failed: RateLimitError: slow down",
    }


def test_a_wrong_call_is_exit_2_and_names_no_session() -> None:
    fault = EnvelopeFault("prompt_required", "no prompt", "protocol", "give one")
    envelope = Envelope("", "", fault=fault)

    document = json.loads(envelope.line())

    assert envelope.exit_code == 2
    assert (document["sessionId"], document["turnId"]) == ("", "")
    assert document["error"]["remediation"] == "give one"


async def test_a_tool_call_becomes_two_events(translated: Any, stream: NdjsonStream) -> None:
    about = {"tool_name": "bash", "tool_call_id": "c1", "tool_input": {"command": "true"}}
    result = {"success": True, "output": {"exit_code": 0}, "error": None}

    await translated.emit("tool:pre", about)
    await translated.emit("tool:post", about | {"result": result})

    started, completed = sent(stream)
    call = NAMES | {"toolCallId": "c1", "name": "bash"}
    assert started == {"method": "tool/started", "params": call | {"args": {"command": "true"}}}
    assert isinstance(completed["params"].pop("durationMs"), int)
    assert completed == {"method": "tool/completed", "params": call | {"result": result}}


async def test_an_answer_becomes_usage_text_and_an_empty_final(translated: Any, stream: NdjsonStream) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    block = {"type": "text", "text": "hello"}

    await translated.emit(
        "llm:response", {"provider": "p", "model": "m", "usage": usage, "duration_ms": 4, "status": "ok"}
    )
    await translated.emit("content_block:end", {"block_type": "text", "block_index": 0, "block": block})
    await translated.emit("content_block:end", {"block_type": "tool_call", "block_index": 1, "block": {}})
    await translated.emit("provider:response", {"provider": "p", "iteration": 1})

    used = {"inputTokens": 3, "outputTokens": 2, "llmDurationMs": 4, "provider": "p", "model": "m"}
    assert sent(stream) == [
        {"method": "usage", "params": NAMES | used},
        {"method": "result/delta", "params": NAMES | {"text": "hello"}},
        {"method": "result/final", "params": NAMES | {"text": ""}},
    ]


async def test_a_broken_provider_becomes_an_error_event(translated: Any, stream: NdjsonStream) -> None:
    await translated.emit("provider:error", {"provider": "p", "error": "ValueError: x"})

    assert sent(stream) == [
        {
            "method": "error",
            "params": NAMES | {"code": "runtime", "message": "ValueError: x", "recoverable": False},
        }
    ]


def test_a_long_string_is_cut_anywhere_in_an_event(stream: NdjsonStream) -> None:
    stream.send("x", args={"content": "é" * 10_000}, result={"output": ["y" * 10_000]})

    params = sent(stream)[0]["params"]
    assert params["args"]["content"].startswith("é" * TEXT_LIMITS_CHARS[0])
    assert params["args"]["content"].endswith("… (10000 characters in all)")
    assert len(params["result"]["output"][0]) < TEXT_LIMITS_CHARS[0] + 50


def test_an_event_fits_into_a_line_with_any_characters(stream: NdjsonStream) -> None:
    stream.send("x", args={"path": "😀" * 10_000, "content": "😀" * 10_000})

    params = sent(stream)[0]["params"]
    assert params["args"]["content"].startswith("😀" * TEXT_LIMITS_CHARS[1])
    assert len(json.dumps(params)) < LINE_LIMIT_BYTES


def test_hostile_text_stays_within_its_line(stream: NdjsonStream) -> None:
    stream.send("x", text='\n{"method":"usage"}\r\x1b[2J\u2028\ud800')

    assert len(sent(stream)) == 1


@pytest.fixture
def logger(stream: NdjsonStream) -> Iterator[logging.Logger]:
    own = logging.getLogger("swarm-test-errors")
    handler = ErrorLog(stream)
    own.addHandler(handler)
    own.propagate = False
    yield own
    own.removeHandler(handler)


def test_only_errors_of_the_log_become_events(logger: logging.Logger, stream: NdjsonStream) -> None:
    logger.warning("quiet")
    logger.error("loud %d", 1)

    assert [event["params"]["message"] for event in sent(stream)] == ["loud 1"]
