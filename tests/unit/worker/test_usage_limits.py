"""The usage limits that agents print are recognised, with the time to wait; similar words about a task are not."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.domain.types import Role
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.command_reader import CommandReader
from swarm_worker.runners.limit_times import MAX_LIMIT_S, SLACK_S
from swarm_worker.runners.reader import Report
from swarm_worker.runners.usage_limits import LIMITED_EXIT, find_limit, is_limit_message

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "wait_s"),
    [
        # Claude Code
        ("You've hit your limit · resets 3am (America/Mexico_City)", MAX_LIMIT_S),
        ("You've hit your limit · resets 8am (America/Mexico_City)", 2 * 3600 + SLACK_S),
        ("You've hit your session limit · resets 12:20pm (UTC)", 20 * 60 + SLACK_S),
        ("You’ve hit your weekly limit · resets Dec 2, 5pm (UTC)", MAX_LIMIT_S),
        ("Claude usage limit reached. Your limit will reset at 1pm (Etc/GMT).", 3600 + SLACK_S),
        ("Claude AI usage limit reached|1796043600", 3600 + SLACK_S),
        ("5-hour limit reached ∙ resets 2pm (UTC)", 7200 + SLACK_S),
        ("Opus weekly limit reached ∙ resets Nov 30 at 1pm (UTC)", 3600 + SLACK_S),
        ('API Error: 429 {"type":"error","error":{"type":"rate_limit_error","message":"no"}}', None),
        ("API Error: Repeated 529 Overloaded errors", None),
        (
            '{"type":"result","is_error":true,"result":"You\'ve hit your limit · resets 1pm (UTC)"}',
            3600 + SLACK_S,
        ),
        # Codex and OpenAI
        ("You've hit your usage limit. Upgrade to Pro or try again in 1 hour 12 minutes.", 4320.0),
        ("You've hit your usage limit. Try again in 3 days 4 hours 12 minutes.", MAX_LIMIT_S),
        ("You've hit your usage limit. Try again at 1:05 PM (UTC).", 3900 + SLACK_S),
        ("You've hit your usage limit. Try again at Nov 30th, 2026 1:40 PM (UTC).", 6000 + SLACK_S),
        ("stream error: exceeded retry limit, last status: 429 Too Many Requests", None),
        (
            "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000. Please try again in 1.898s.",
            1.898,
        ),
        ("Rate limit reached for gpt-5. Please try again in 250ms.", 0.25),
        # Gemini
        ('{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34s"}]}}', 34.0),
        ("Quota exceeded for metric: generate_requests, limit: 50. Please retry in 34.07s.", 34.07),
        (
            "You exceeded your current quota, please check your plan and billing details. Please retry in 5s.",
            5.0,
        ),
        ("You have exhausted your capacity on this model. Your quota will reset after 1h12m3s.", 4323.0),
        ("You have exhausted your daily quota on this model.", None),
        # others
        ("Sorry, you have been rate-limited. Please wait a moment before trying again.", None),
        ("You have exceeded your premium request allowance.", None),
        ("litellm.RateLimitError: AnthropicException - no", None),
        ("HTTP 429", None),
        ("error code: 429", None),
        ("Retry-After: 30", 30.0),
        ("ratelimit: too many requests, retry after 2 minutes", 120.0),
        ("rate limit exceeded, resets at 2026-11-30T12:10:00Z", 600 + SLACK_S),
        ("The model is overloaded. Please try again later.", None),
        ("You're out of extra usage · resets 1pm (UTC)", 3600 + SLACK_S),
        ("You have used up your weekly usage", None),
        ("You’ve used all your premium requests for this month", None),
        ("API Error: Request rejected (429) · this may be a temporary capacity issue", None),
        ("Resource has been exhausted (e.g. check quota).", None),
        ("ThrottlingException: Too many tokens", None),
        ("Selected model is at capacity. Please try a different model.", None),
        ("Spending cap reached resets 1pm (UTC)", 3600 + SLACK_S),
        # times
        ("You've hit your limit · resets 1pm UTC", 3600 + SLACK_S),
        ("You've hit your limit · resets 13:00 UTC", 3600 + SLACK_S),
        ("You've hit your limit · resets 5am PST", 3600 + SLACK_S),
        ("You've hit your limit · resets 5am PT", 3600 + SLACK_S),
        ("You've hit your limit · resets 7am America/Chicago", 3600 + SLACK_S),
        ("You've hit your limit · resets Jan 2, 5pm (UTC)", MAX_LIMIT_S),
        ("You've hit your limit · try again in 2 weeks", MAX_LIMIT_S),
        ("You've hit your limit · try again in 1 month", MAX_LIMIT_S),
        ("Retry-After: Mon, 30 Nov 2026 13:00:00 GMT", 3600 + SLACK_S),
        ("retry-after-ms: 1500", 1.5),
    ],
)
def test_a_usage_limit_is_recognised_with_its_wait(line: str, wait_s: float | None) -> None:
    limit = find_limit(["working", line, ""], now=NOW)

    assert limit is not None
    assert not limit.remedy
    assert limit.wait_s == (None if wait_s is None else pytest.approx(wait_s))
    assert is_limit_message(line)


@pytest.mark.parametrize(
    "line",
    [
        "Credit balance is too low",
        '{"error":{"code":"insufficient_quota","message":"You exceeded your current quota, please check your plan"}}',
        "Invalid API key · Please run /login",
        "OAuth token has expired",
        "Failed to authenticate. API Error: 401 OAuth token has expired",
        "Your credit balance is too low to access the API.",
        "You've run out of credits",
        "Insufficient credits. Add more",
        "402 Payment Required",
    ],
)
def test_a_refusal_that_does_not_pass_has_a_remedy(line: str) -> None:
    limit = find_limit([line], now=NOW)

    assert limit is not None
    assert limit.remedy
    assert is_limit_message(line)


@pytest.mark.parametrize(
    "line",
    [
        "I wrote the rate limiter in src/limits.py; all 12 tests pass.",
        "FAILED tests/test_limit.py::test_429 - assert 429 == 200",
        "The limit of 80 characters a line is kept.",
        "Added a retry with backoff for the upload.",
        "error: expected 3 arguments, got 429",
        "4 passed in 429.00s",
        "model not found",
        "",
    ],
)
def test_words_about_a_task_are_not_a_limit(line: str) -> None:
    assert find_limit([line], now=NOW) is None


def test_a_reset_that_has_just_passed_is_not_taken_for_tomorrow_s() -> None:
    late = NOW.replace(hour=3, minute=4, tzinfo=ZoneInfo("America/Mexico_City"))

    limit = find_limit(["You've hit your limit · resets 3am (America/Mexico_City)"], now=late)

    assert limit is not None
    assert limit.wait_s == SLACK_S


@pytest.mark.parametrize(
    "words", ["resets 25:00", "resets Feb 30, 5pm", "resets 3am (No/Where)", "resets 99pm"]
)
def test_a_time_that_can_not_be_read_is_no_error(words: str) -> None:
    limit = find_limit([f"You've hit your limit · {words}"], now=NOW)

    assert limit is not None


def _report(exit_code: int, *, out: str = "", err: str = "", role: Role = Role.BUILDER) -> Report:
    reader = CommandReader(role)
    for line in out.splitlines():
        reader.stdout(OutputLine(line))
    for line in err.splitlines():
        reader.stderr(OutputLine(line))
    reader.finish()
    return reader.report(out, exit_code=exit_code)


LIMIT = "You've hit your limit · resets 3am (America/Mexico_City)"
DONE = '{"status": "completed"}'


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("stream", ["out", "err"])
def test_a_session_that_a_limit_ended_neither_failed_nor_completed(
    exit_code: int, role: Role, stream: str
) -> None:
    failure = _report(exit_code, role=role, **{stream: f"{LIMIT}\n"}).failure

    assert failure is not None
    assert failure.kind is FailureClass.PROVIDER_LIMITED
    assert LIMIT in failure.error
    assert failure.retry_after_s is not None


@pytest.mark.parametrize(
    "out",
    [
        f"I fixed the message {LIMIT!r}.\n{DONE}\n",
        f"{DONE}\n",
        f"{LIMIT}\none\ntwo\nthree",
        "all done\n",
        "Done. The API now answers 429 Too Many Requests when the rate limit is exceeded.",
        "Retry-After: 5 is now sent by the middleware; tests pass.",
        "The middleware sends Retry-After: 5.",
        "Too many requests get the status 429.",
        "Error handling: the client waits when the rate limit is exceeded.",
        "The page says: you've hit your limit.",
    ],
)
def test_a_builder_that_succeeds_may_write_about_limits(out: str) -> None:
    assert _report(0, out=out).failure is None


WARNINGS = "(node:1) ExperimentalWarning: x\n" * 4
WRAPPED = """{"type":"result","is_error":true,"result":"You've hit your limit · resets 3am","status":"x"}"""


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize(
    ("out", "err"),
    [
        (LIMIT, WARNINGS),
        (LIMIT, "warning: an old version\n" * 2),
        (f"Loading\nMCP: connected\nModel: x\n{LIMIT}", ""),
        ("You've hit your limit.\nTry again in 2 hours.", ""),
        (WRAPPED, ""),
        ("", f"{WARNINGS}{LIMIT}"),
        ("", "Error: 429 Too Many Requests\n" + "    at a (a.js:1)\n" * 5),
        ("", "Error: 429 Too Many Requests\n" + "    at async f (a.js:1:2)\n    at b.js:3:4\n" * 3),
        ("", f"{LIMIT}\ntokens used\n0\nsession id: 019a-7c\n"),
        ("", 'API Error: 429 {\n  "error": {\n    "code": 429,\n    "message": "no"\n  }\n}\n'),
    ],
)
def test_a_limit_is_found_among_lines_that_say_nothing(exit_code: int, out: str, err: str) -> None:
    failure = _report(exit_code, out=out, err=err).failure

    assert failure is not None
    assert failure.kind is FailureClass.PROVIDER_LIMITED


def test_an_error_body_over_several_lines_reports_a_limit() -> None:
    body = '{\n  "error": {\n    "status": "RESOURCE_EXHAUSTED",\n    "code": 1,\n    "a": 2,\n    "b": []\n  }\n}'

    failure = _report(1, err=body).failure

    assert failure is not None
    assert failure.kind is FailureClass.PROVIDER_LIMITED


def test_a_failed_test_about_limits_is_no_limit() -> None:
    out = "FAILED tests/test_mw.py::test_429 - AssertionError: Too Many Requests\n1 failed, 2 passed\n"

    failure = _report(1, out=out).failure

    assert failure is not None
    assert failure.kind is FailureClass.AGENT_ERROR


def test_a_limit_in_the_middle_of_a_failed_session_did_not_end_it() -> None:
    failure = _report(1, out=f"{LIMIT}\nretrying\nworking\ncan't compile\n").failure

    assert failure is not None
    assert failure.kind is FailureClass.AGENT_ERROR


def test_a_script_reports_a_limit_by_its_exit_code() -> None:
    failure = _report(LIMITED_EXIT, err="come back in 20 minutes\n").failure

    assert failure == Failure(
        FailureClass.PROVIDER_LIMITED, "the provider's limit: come back in 20 minutes", 1200.0
    )


@pytest.mark.parametrize(
    ("seconds", "wait_s"), [("600", 600.0), ("1e99", None), ("true", None), ('"9"', None)]
)
def test_a_script_reports_a_limit_by_an_event(seconds: str, wait_s: float | None) -> None:
    event = f'{{"method": "provider/limited", "params": {{"message": "no more", "retryAfterSeconds": {seconds}}}}}'

    assert _report(1, err=event).failure == Failure(
        FailureClass.PROVIDER_LIMITED, "the provider's limit: no more", wait_s
    )
    assert _report(0, err=event, out=DONE).failure is None


def test_a_lasting_refusal_pauses_the_runner() -> None:
    failure = _report(1, err="Credit balance is too low\n").failure

    assert failure is not None
    assert failure.kind is FailureClass.PROVIDER_DENIED
    assert "swarmctl resume" in failure.error
