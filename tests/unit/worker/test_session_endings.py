"""Each way in which Amplifier's contract lets a session end, and the failure class that the reader derives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swarm_worker.domain.model import FailureClass, Task, Usage
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.cli_reader import CliReader
from swarm_worker.runners.envelope import EnvelopeReader
from swarm_worker.runners.reader import STARTING, WORKING, Report

DENIED, LIMITED = FailureClass.PROVIDER_DENIED, FailureClass.PROVIDER_LIMITED
ERROR, CONFIG, CRASHED = FailureClass.AGENT_ERROR, FailureClass.BAD_CONFIG, FailureClass.CRASHED
FINAL = '{"method":"result/final","params":{"text":""}}'
USED = '{"method":"usage","params":{"inputTokens":10,"outputTokens":5,"provider":"x"}}'


def plan(root: Path, role: Role = Role.BUILDER, *files: str) -> SessionPlan:
    return SessionPlan(SessionId("t-a1-builder-1"), role, Task("t", "{}", files=files), "do", root)


def envelope(reply: object = "done", error: object = None, **metadata: object) -> str:
    sums = {"tokensIn": 0, "tokensOut": 0, "durationMs": 1529, "activeMode": None, **metadata}
    return json.dumps(
        {"protocolVersion": "0.3.0", "sessionId": "S", "turnId": "turn-1", "reply": reply, "error": error}
        | {"metadata": sums}
    )


def engine_error(message: str, code: str = "internal", classification: str = "engine", **more: str) -> str:
    error = {"code": code, "classification": classification, "severity": "error", "message": message, **more}
    return envelope("", error)


@dataclass(frozen=True)
class Row:
    """A session's output and exit code, and the expected failure class; None for success."""

    what: str
    out: str
    code: int
    expected: FailureClass | None
    said: str = ""
    err: tuple[str, ...] = (USED,)


def llm(name: str, text: str = "it said so") -> str:
    return engine_error(f"RuntimeError: Execution failed: {name}: {text}")


ENGINE = [
    Row("2.2 success, all counts 0", envelope(), 0, None),
    Row("2.2 pre-boot error", engine_error("no", "argv_workspace_invalid", "protocol"), 2, CONFIG, "no"),
    Row("2.2 no approval", engine_error("no", "approval_unconfigured", "protocol", remediation="Pass -y"), 2,
        CONFIG, "Pass -y"),
    Row("2.1 unknown mode", engine_error("no", "argv_mode_unknown", "protocol"), 2, CONFIG, "rejects"),
    Row("2.2 protocol skew", engine_error("skew", "protocol_version_mismatch", "protocol"), 2, CONFIG, "skew"),
    Row("2.2 unknown option", "", 2, CONFIG, "No such option", ("Usage: x", "Error: No such option: --x")),
    Row("2.2 engine error", engine_error("ModuleNotFoundError: x"), 1, ERROR, "ModuleNotFoundError"),
    Row("2.2 approval", engine_error("no", "approval_timeout", "approval"), 3, ERROR),
    Row("2.2 SIGINT as it is", "", 1, CRASHED, "interrupted", ("Aborted!",)),
    Row("2.2 SIGINT as documented", "", 130, CRASHED, "interrupted", ("[info] Interrupted",)),
    Row("2.2 traceback, no envelope", "", 1, ERROR, "left no envelope: ValueError: x", ("Traceback", "ValueError: x")),
    Row("2.2 envelope before the code", engine_error("x"), 0, ERROR, "x"),
    Row("2.2 code without an error", envelope(), 1, ERROR, "exited with 1"),
    *(Row(f"2.2 {name}", llm(name), 1, LIMITED, name) for name in
      ("RateLimitError", "ProviderUnavailableError", "NetworkError", "LLMTimeoutError", "StreamError")),
    *(Row(f"2.2 {name}", llm(name), 1, DENIED, "swarmctl resume") for name in
      ("AuthenticationError", "AccessDeniedError", "QuotaExceededError", "ConfigurationError", "NotFoundError")),
    *(Row(f"2.2 {name}", llm(name), 1, ERROR, name) for name in
      ("ContextLengthError", "ContentFilterError", "InvalidRequestError")),
    Row("2.2 the outermost class counts", llm("ContextLengthError", "after RateLimitError"), 1, ERROR),
    Row("2.2 no provider, by its code", engine_error("no key", "provider_not_configured"), 1, DENIED, "resume"),
    Row("2.3 noise among events", envelope(), 0, None, "", ("INFO x", "{broken", USED, "Traceback", "[1]")),
    Row("2.3 result/final ends nothing", envelope(), 0, None, "", (FINAL, USED)),
    Row("2.5 no credentials", envelope("Error: No providers available"), 0, ERROR, "no evidence", ()),
    Row("2.5 no usage", envelope(), 0, ERROR, "no model was ever asked", ()),
    Row("2.5 usage of nothing", envelope(), 0, ERROR, "no model", ('{"method":"usage","params":{"inputTokens":0}}',)),
    Row("2.5 no reply", envelope(""), 0, ERROR, "the reply is empty"),
    Row("2.5 an error for a reply", envelope("Error: closed"), 0, ERROR, "Error: closed"),
    Row("a newer engine's own sums are evidence", envelope(tokensIn=7, tokensOut=1), 0, None, "", ()),
]  # fmt: skip


@pytest.mark.parametrize("row", ENGINE, ids=lambda row: row.what)
def test_d14_each_end_of_amplifier_agent_has_a_failure_class(tmp_path: Path, row: Row) -> None:
    reader = EnvelopeReader(plan(tmp_path))
    for line in row.err:
        reader.stderr(OutputLine(line))

    _expect(reader.report(row.out, exit_code=row.code), row)


def test_2_5_all_tools_failing_is_not_work_if_a_file_was_declared(tmp_path: Path) -> None:
    reader = EnvelopeReader(plan(tmp_path, Role.BUILDER, "made.py"))
    reader.stderr(OutputLine(USED))

    _expect(reader.report(envelope(), exit_code=0), Row("", "", 0, ERROR, "declared but not there: made.py"))


def test_a_declared_file_that_was_removed_is_work(tmp_path: Path) -> None:
    (tmp_path / "old.py").touch()
    reader = EnvelopeReader(plan(tmp_path, Role.BUILDER, "old.py"))
    reader.stderr(OutputLine(USED))
    (tmp_path / "old.py").unlink()

    assert reader.report(envelope(), exit_code=0).failure is None


def event(method: str, **params: Any) -> OutputLine:
    return OutputLine(json.dumps({"method": method, "params": params}))


def test_2_3_usage_counts_children_but_not_their_sum(tmp_path: Path) -> None:
    reader = EnvelopeReader(plan(tmp_path))

    reader.stderr(event("usage", inputTokens=100, outputTokens=10, cost="0.0034075"))
    reader.stderr(
        event("usage", inputTokens=50, outputTokens=5, sessionId="0-a_builder", agentName="builder")
    )
    reader.stderr(
        event("usage", inputTokens=0, outputTokens=0, sessionCostTotal="0.0034075", cost="0.0034075")
    )

    assert (reader.usage.input_tokens, reader.usage.output_tokens) == (150, 15)
    assert str(reader.usage.cost) == "0.0034075"


def test_2_2_an_envelope_s_sums_count_only_without_usage_events(tmp_path: Path) -> None:
    reader = EnvelopeReader(plan(tmp_path))
    reader.report(envelope(tokensIn=7, tokensOut=1, costUsd="0.5"), exit_code=0)
    assert (reader.usage.input_tokens, str(reader.usage.cost)) == (7, "0.5")

    reader = EnvelopeReader(plan(tmp_path))
    reader.stderr(OutputLine(USED))
    reader.report(envelope(tokensIn=7, tokensOut=1), exit_code=0)
    assert reader.usage == Usage(10, 5)


def test_2_3_silence_before_the_first_event_is_not_a_stall_yet(tmp_path: Path) -> None:
    reader = EnvelopeReader(plan(tmp_path))
    reader.stderr(OutputLine("INFO booting"))
    assert reader.stall_factor == STARTING

    reader.stderr(event("tool/started", name="bash"))
    assert reader.stall_factor == WORKING


OLD = "Bundle 'anchors' prepared successfully\n✓ Resuming session: S\n"


def document(**fields: object) -> str:
    return json.dumps({"session_id": "S", "timestamp": "now", **fields}, indent=2) + "\n"


SUCCESS = document(status="success", response="done", bundle="bundle:anchors", model="m")
LOST = document(status="error", error="Session 'S' not found")

PROGRAM = [
    Row("1.2 the old shape", OLD + SUCCESS, 0, None),
    Row("1.2 the new shape", SUCCESS, 0, None),
    Row("1.2 two documents", OLD + LOST + SUCCESS, 1, None),
    Row("1.2 two documents, the other way", OLD + SUCCESS + LOST, 1, None),
    Row("1.2 the session really is unknown", LOST, 1, ERROR, "not found"),
    Row("1.2 an error", OLD + document(status="error", error="boom"), 1, ERROR, "boom"),
    Row("1.2 an error after a success", SUCCESS + document(status="error", error="boom"), 1, ERROR, "boom"),
    Row("1.2 typed by its kind", document(status="error", error="429", error_type="RateLimitError"), 1, LIMITED, "429"),
    Row("1.2 typed by its text", document(status="error", error="AuthenticationError: 401"), 1, DENIED, "resume"),
    Row("1.1 unknown option", "", 2, CONFIG, "No such option", ("Error: No such option: --x",)),
    Row("1.1 no provider", "Error: Prompt required in single mode\n", 1, ERROR, "left no JSON"),
    Row("1.3 SIGINT, success-shaped", OLD + document(status="success", response=""), 0, ERROR, "empty"),
    Row("1.3 no document at all", OLD, 0, ERROR, "left no JSON"),
    Row("2.5 an error for a reply", document(status="success", response="Error: x"), 0, ERROR, "no evidence"),
    Row("a code without an error", SUCCESS, 1, ERROR, "exited with 1"),
]  # fmt: skip


@pytest.mark.parametrize("row", PROGRAM, ids=lambda row: row.what)
def test_d14_each_end_of_amplifier_has_a_failure_class(tmp_path: Path, row: Row) -> None:
    reader = CliReader(plan(tmp_path))
    for line in row.err:
        reader.stderr(OutputLine(line))

    _expect(reader.report(row.out, exit_code=row.code), row)


def _expect(report: Report, row: Row) -> None:
    kind = report.failure.kind if report.failure else None
    assert kind == row.expected, report.failure
    assert report.failure is None or row.said in report.failure.error
