"""The faults of the stand-ins match those of the real programs; the draw of faults; the ledger."""

import os
import signal
from typing import Any

import pytest

from fakes.place import Place, turn_argv
from fakes.standin.faults import Fault, Faults
from fakes.standin.ledger import Ledger, started
from support.waiting import until

FILES: dict[str, Any] = {"files": ["a.txt", "b.txt"]}


def _fault(place: Place, fault: str, role: str = "builder", **more: object) -> None:
    place.task(role, **FILES)
    place.faults(builder=[fault], validator=[fault], **more)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit", "RateLimitError"),
        ("overload", "ProviderUnavailableError"),
        ("network", "NetworkError"),
        ("auth", "AuthenticationError"),
        ("quota", "QuotaExceededError"),
        ("context", "ContextLengthError"),
    ],
)
def test_a_provider_s_error_is_internal_and_its_class_is_in_the_message(
    place: Place, fault: str, kind: str
) -> None:
    _fault(place, fault)

    done = place.turn()

    assert done.code == 1
    error = done.envelope["error"]
    assert (error["code"], error["classification"], done.envelope["reply"]) == ("internal", "engine", "")
    assert error["message"].startswith(f"RuntimeError: Execution failed: {kind}: ")
    assert done.envelope["sessionId"] == "s1"


def test_a_rate_limit_may_say_how_long_to_wait(place: Place) -> None:
    _fault(place, "rate_limit", retry_after_s=0.1)
    message = place.turn().envelope["error"]["message"]
    place.faults(builder=["none", "rate_limit"])
    without_wait = place.turn().envelope["error"]["message"]

    assert message.endswith("retry after 0.1s")
    assert "retry" not in without_wait


def test_an_overload_comes_after_an_answer_that_was_paid_for(place: Place) -> None:
    _fault(place, "overload")

    assert [usage["inputTokens"] > 0 for usage in place.turn().named("usage")] == [True]
    assert (place.project / "a.txt").exists()


def test_a_crash_is_a_signal_and_an_exit_a_traceback_both_without_an_envelope(place: Place) -> None:
    place.task(**FILES)
    place.faults(builder=["crash", "exit"])

    crash, ended = place.turn(), place.turn()

    assert (crash.code, crash.out) == (-signal.SIGKILL, "")
    assert (ended.code, ended.out, "Traceback" in ended.err) == (1, "", True)


@pytest.mark.parametrize(("fault", "answers"), [("stall", 1), ("silent", 0)])
def test_a_stall_is_a_living_process_without_further_output(place: Place, fault: str, answers: int) -> None:
    _fault(place, fault)
    process = place.start("amplifier-agent", *turn_argv(place.project, prompt="p", session="s1"))

    until(lambda: len(list(place.ledger.lines())) == 1 + answers, "it is where it stalls")

    assert process.poll() is None
    assert place.ledger.alive() == [process.pid]


def test_without_a_provider_the_run_succeeds_without_usage(place: Place) -> None:
    _fault(place, "lie")

    done = place.turn()

    assert (done.code, done.envelope["error"]) == (0, None)
    assert done.envelope["reply"] == "Error: No providers available"
    assert done.named("usage") == []


def test_without_the_named_key_there_is_no_provider(place: Place) -> None:
    place.env["AMPLIFIER_STANDIN_KEY"] = "ACME_KEY"
    without = place.turn().envelope["reply"]
    place.env["ACME_KEY"] = "secret"

    assert without == "Error: No providers available"
    assert place.turn().envelope["reply"].startswith("Done")


def test_an_error_reply_was_paid_for_and_looks_like_success(place: Place) -> None:
    _fault(place, "error_reply")

    done = place.turn()

    assert (done.code, done.envelope["reply"].startswith("Error:")) == (0, True)
    assert done.named("usage")


def test_a_session_all_of_whose_tools_fail_succeeds_and_claims_its_work(place: Place) -> None:
    _fault(place, "tool_failures")

    done = place.turn()

    assert (done.code, "completed" in done.envelope["reply"]) == (0, True)
    assert [tool["result"]["success"] for tool in done.named("tool/completed")] == [False, False]
    assert not (place.project / "a.txt").exists()


@pytest.mark.parametrize(
    ("fault", "repaired"),
    [("missing_verdict", False), ("broken_json", False), ("verdict_prose_then_json_on_repair", True)],
)
def test_a_missing_verdict_can_be_repaired_in_the_same_session(
    place: Place, fault: str, *, repaired: bool
) -> None:
    _fault(place, fault, "validator")
    first = place.turn().envelope["reply"]

    second = place.turn("--resume", prompt="Give the JSON.").envelope["reply"]

    assert not first.endswith("}")
    assert second.endswith("}") is repaired
    assert [line["resumed"] for line in place.ledger.lines("start")] == [False, True]
    assert place.ledger.runs("t1", "validator") == 1


def test_a_rejection_finds_something_else_each_time(place: Place) -> None:
    place.task("validator", **FILES)
    place.faults(validator=["reject", "reject"])

    said = [place.turn().envelope["reply"] for _ in range(2)]

    assert ["defect number 1" in said[0], "defect number 2" in said[1]] == [True, True]
    assert all('"verdict": "FAIL"' in text for text in said)


def test_a_slow_start_says_nothing_until_its_first_answer(place: Place) -> None:
    _fault(place, "slow_start", slow_start_s=0.3)

    done = place.turn()

    assert done.code == 0
    assert done.envelope["metadata"]["durationMs"] >= 300


def test_an_orphan_outlives_the_engine_and_its_group(place: Place) -> None:
    _fault(place, "orphan")

    assert place.turn().code == 0

    (left,) = place.ledger.lines("orphan")
    assert place.ledger.alive() == [left["pid"]]
    assert os.getsid(left["pid"]) == left["pid"]


def test_noise_changes_nothing_of_what_is_reported(place: Place) -> None:
    _fault(place, "noisy")

    done = place.turn()

    assert "Traceback" in done.err
    assert len(max(done.err.split("\n"), key=len)) >= 100_000
    assert done.named("usage")[-1]["sessionCostTotal"]
    assert done.envelope["error"] is None


def test_a_delegated_child_reports_under_its_own_id_and_without_a_cost(place: Place) -> None:
    _fault(place, "delegate")

    done = place.turn()

    children = [usage for usage in done.named("usage") if usage["sessionId"] != "s1"]
    assert len(children) == 2
    assert {usage["agentName"] for usage in children} == {"builder"}
    assert all(usage["sessionId"].startswith("0" * 16 + "-") for usage in children)
    assert all(usage["sessionId"].endswith("_builder") and usage["turnId"] == "" for usage in children)
    assert not any("cost" in usage for usage in children)


def test_the_ledger_contains_the_reported_usage(place: Place) -> None:
    _fault(place, "delegate")

    done = place.turn()

    counted = [usage for usage in done.named("usage") if "sessionCostTotal" not in usage]
    noted = list(place.ledger.lines("usage"))
    assert [(line["input"], line["output"], line["cost"]) for line in noted] == [
        (usage["inputTokens"], usage["outputTokens"], usage.get("cost")) for usage in counted
    ]
    (start,), (end,) = place.ledger.lines("start"), place.ledger.lines("end")
    assert (start["session"], start["task"], start["role"], start["attempt"]) == ("s1", "t1", "builder", 1)
    assert (start["fault"], end["exit_code"]) == ("delegate", 0)


def test_the_same_seed_draws_the_same_faults_and_runs_differ() -> None:
    rates = {"builder": {"crash": 0.3, "lie": 0.3}}
    tasks = [f"t{number}" for number in range(300)]

    first = [Faults(1, rates).draw(task, "builder", 0) for task in tasks]
    again = [Faults(1, rates).draw(task, "builder", 0) for task in tasks]
    then = [Faults(1, rates).draw(task, "builder", 1) for task in tasks]

    assert first == again != then
    assert set(first) == {Fault.CRASH, Fault.LIE, Fault.NONE}
    assert 60 < first.count(Fault.CRASH) < 120
    assert {Faults(1, rates).draw(task, "validator", 0) for task in tasks} == {Fault.NONE}


def test_a_reused_pid_is_not_alive(place: Place) -> None:
    ledger = Ledger(place.folder / "other.jsonl")
    ledger.add(event="start", pid=os.getpid(), born="1")
    assert ledger.alive() == []

    ledger.add(event="orphan", pid=os.getpid(), born=started(os.getpid()))
    assert ledger.alive() == [os.getpid()]
