"""The protocol holds in every state within the bounds, and the checker notices each missing rule."""

from dataclasses import fields, replace

import pytest

from model import protocol
from model.checker import explore
from model.configurations import SMALL, catches
from model.protocol import Bounds, Rules
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TRANSITIONS, TaskStatus, Transition, advance

RULES = [field.name for field in fields(Rules)]
# Dependencies are between tasks, and the model has one task.
_OF_DEPENDENCIES = {Transition.BLOCK, Transition.SKIP, Transition.REVIVE}
# What concerns landings is model.landing's.
_ELSEWHERE = {
    (TaskStatus.CLAIMED, Transition.COMPLETE),
    (TaskStatus.CLAIMED, Transition.HOLD),
    (TaskStatus.CLAIMED, Transition.WITHDRAW),
    (TaskStatus.COMPLETED, Transition.REOPEN),
    (TaskStatus.BLOCKED, Transition.KILL),
    (TaskStatus.BLOCKED, Transition.ACCEPT),
    (TaskStatus.BLOCKED, Transition.HOLD),
    (TaskStatus.SKIPPED, Transition.KILL),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_no_invariant_is_broken_in_any_state(name: str) -> None:
    report = explore(SMALL[name])

    print(f"{name}: {report}")  # noqa: T201  # the figures of the run
    assert not report.fault, report
    assert report.states > 10_000, "bounds so narrow that nothing was explored"


@pytest.mark.parametrize("rule", RULES)
def test_a_protocol_without_the_rule_is_caught(rule: str) -> None:
    report = explore(catches(rule), replace(Rules(), **{rule: False}))

    print(f"without {rule}: {report}")  # noqa: T201  # the trace
    assert report.fault, f"the mutant without {rule} survives {report}"
    assert len(report.trace) == report.depth, "the trace leads to the fault"


# The rule that is left out here has its bounds among the configurations above.
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "epoch_grows"])
def test_with_the_rule_the_same_bounds_show_no_fault(rule: str) -> None:
    bounds = replace(catches(rule), workers=1)

    assert not explore(bounds).fault


@pytest.mark.slow
def test_the_model_takes_every_row_of_the_table_that_one_task_can_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: set[tuple[TaskStatus, Transition]] = set()

    def noted(task_id: str, status: TaskStatus, transition: Transition) -> TaskStatus:
        taken.add((status, transition))
        return advance(task_id, status, transition)

    monkeypatch.setattr(protocol, "advance", noted)
    # All of it at once has ten times as many states, and takes the same rows.
    for bounds in (
        Bounds(workers=1, kills=2, retries=2, questions=1, suspensions=1),
        Bounds(workers=1, silences=1, kills=1, retries=1, accepts=1),
        Bounds(workers=1, silences=1, accepts=1, suspensions=1),
        Bounds(workers=1, silences=1, failures=0, approve=ApprovalPoint.AFTER),
    ):
        assert not explore(bounds).fault

    rows = {(status, transition) for status, row in TRANSITIONS.items() for transition in row}
    rows = {row for row in rows if row[1] not in _OF_DEPENDENCIES} - _ELSEWHERE
    assert taken == rows


def test_a_row_that_is_missing_from_the_table_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(task_id: str, status: TaskStatus, transition: Transition) -> TaskStatus:
        if transition is Transition.FINISH_KILL:
            raise InvalidStatus(task_id, status, doing=transition)
        return advance(task_id, status, transition)

    monkeypatch.setattr(protocol, "advance", refuses)

    report = explore(Bounds(workers=1, kills=1))

    assert "the table has no such row" in report.fault
