"""The audit accepts a consistent record and finds each inconsistency."""

from dataclasses import replace
from pathlib import Path

import pytest

from chaos.audit import Attempt, Harm, Record, faults
from chaos.sessions import ChaosLedger

PLAN = {"a": [], "b": ["a"]}
GOAL = {"a": "completed", "b": "completed"}
HARMS = [Harm(0.0, 5.0, frozenset({"w1"}))]
LINES = [
    "start a 1 builder 11", "at a 1 w1 1.0",
    "start a 2 builder 12", "at a 2 w2 6.0", "end a 2 builder 12",
    "start b 1 builder 13", "at b 1 w2 7.0", "end b 1 builder 13",
]  # fmt: skip


def attempt(task: str, number: int, worker: str, outcome: str, claimed_s: float) -> Attempt:
    return Attempt(
        task=task, number=number, worker=worker, outcome=outcome, failure=None, started=True,
        claimed_s=claimed_s, ended_s=claimed_s + 1.0, sessions=1, late_results=0,
    )  # fmt: skip


GOOD = Record(
    statuses=GOAL,
    attempts=[
        attempt("a", 1, "w1", "lost", 1.0),
        attempt("a", 2, "w2", "completed", 6.0),
        attempt("b", 1, "w2", "completed", 7.0),
    ],
    events={
        ("a", "task_claimed"): 2, ("a", "task_completed"): 1, ("a", "task_released"): 0, ("a", "session_started"): 2,
        ("b", "task_claimed"): 1, ("b", "task_completed"): 1, ("b", "task_released"): 0, ("b", "session_started"): 1,
        ("a", "result_accepted"): 0, ("b", "result_accepted"): 0,
    },
    last_status=GOAL,
    gaps=0,
    integrity="ok",
)  # fmt: skip


# The worker of the first attempt of `a` was given up, and its result arrived while the second was a claim.
LATE = replace(
    GOOD,
    attempts=[
        replace(attempt("a", 1, "w1", "completed", 1.0), late_results=1),
        replace(attempt("a", 2, "w2", "released", 6.0), started=False, sessions=0),
        GOOD.attempts[2],
    ],
    events={
        **GOOD.events,
        ("a", "task_completed"): 0, ("a", "result_accepted"): 1, ("a", "task_released"): 1, ("a", "session_started"): 1,
    },
)  # fmt: skip


def found(folder: Path, record: Record, lines: list[str], harms: list[Harm]) -> list[str]:
    ledger = ChaosLedger(folder / "ledger")
    ledger.path.write_text("".join(f"{line}\n" for line in lines))
    return list(faults(record, ledger, PLAN, GOAL, harms))


def test_a_consistent_record_is_accepted(tmp_path: Path) -> None:
    assert found(tmp_path, GOOD, LINES, HARMS) == []


def test_the_late_result_of_a_lost_attempt_counts_and_releases_the_claim_after_it(tmp_path: Path) -> None:
    lines = [*LINES[:2], "end a 1 builder 11", *LINES[5:]]
    assert found(tmp_path, LATE, lines, HARMS) == []


def altered(index: int, **fields: object) -> Record:
    """Returns the record with one attempt changed."""
    attempts = list(GOOD.attempts)
    attempts[index] = replace(attempts[index], **fields)  # type: ignore[arg-type]
    return replace(GOOD, attempts=attempts)


@pytest.mark.parametrize(
    ("record", "lines", "said"),
    [
        (replace(GOOD, integrity="page 3"), LINES, "the database is damaged"),
        (replace(GOOD, gaps=1), LINES, "the event sequence has 1 gaps"),
        (replace(GOOD, statuses=GOAL | {"b": "failed"}), LINES, "in a faultless run it is completed"),
        (replace(GOOD, last_status=GOAL | {"b": "in_progress"}), LINES, "by its last event in_progress"),
        (replace(GOOD, events={**GOOD.events, ("a", "task_claimed"): 1}), LINES, "a: events"),
        (replace(GOOD, events={**GOOD.events, ("b", "session_started"): 0}), LINES, "not every session"),
        (altered(0, outcome="completed"), LINES, "has 2 completed attempts"),
        (altered(1, number=3), LINES, "attempts have the numbers [1, 3]"),
        (altered(2, late_results=1), LINES, "has another result besides"),
        (
            replace(LATE, events={**LATE.events, ("a", "result_accepted"): 0}),
            LINES,
            "has another result besides",
        ),
        (replace(LATE, events={**LATE.events, ("a", "task_completed"): 1}), LINES, "a: events"),
        (altered(1, outcome="lost"), LINES, "has 0 completed attempts"),
        (
            replace(GOOD, attempts=[GOOD.attempts[1], GOOD.attempts[0]]),
            LINES,
            "went on after it was completed",
        ),
        (altered(0, started=False), LINES, "ran without a go"),
        (altered(0, sessions=0), LINES, "ran without a go"),
        (altered(0, outcome="failed"), [*LINES, "end a 1 builder 11"], "did its work and does not count"),
        (GOOD, [*LINES, "overlap a 2"], "two sessions of one task at once"),
        (GOOD, [*LINES, "start b 1 builder 14"], "ran 2 times"),
        (GOOD, [*LINES, "start b 2 builder 14"], "ran without a go"),
        (GOOD, [*LINES[5:], *LINES[:5]], "b began before its dependencies had ended"),
        (GOOD, LINES[:-1], "its session never came to its end"),
    ],
)
def test_each_inconsistency_is_found(tmp_path: Path, record: Record, lines: list[str], said: str) -> None:
    assert any(said in fault for fault in found(tmp_path, record, lines, HARMS))


@pytest.mark.parametrize(
    "harm",
    [Harm(0.0, 5.0, frozenset({"w2"})), Harm(3.0, 5.0, frozenset({"w1"})), Harm(-5.0, -1.0, None)],
    ids=["another worker", "too late", "too early"],
)
def test_a_loss_that_no_fault_explains_is_found(tmp_path: Path, harm: Harm) -> None:
    assert any("nothing was wrong" in fault for fault in found(tmp_path, GOOD, LINES, [harm]))
