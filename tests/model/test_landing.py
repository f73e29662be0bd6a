"""Landings are safe in every state within the bounds, and the checker notices each missing rule."""

from dataclasses import fields, replace

import pytest

from model.checker import explore
from model.landing import state as landing_state
from model.landing.configurations import SMALL, landing_catches
from model.landing.invariants import machine
from model.landing.state import LandingBounds, LandingRules
from swarmd.domain.lifecycle import TaskStatus, Transition, advance

RULES = [field.name for field in fields(LandingRules)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_no_invariant_is_broken_in_any_state(name: str) -> None:
    report = explore(SMALL[name], LandingRules(), machine=machine())

    print(f"{name}: {report}")  # noqa: T201  # the figures of the run
    assert not report.fault, report
    assert report.states > 4_000, "bounds so narrow that nothing was explored"


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_landings_without_the_rule_are_caught(rule: str) -> None:
    rules = replace(LandingRules(), **{rule: False})

    report = explore(landing_catches(rule), rules, machine=machine(rules))

    print(f"without {rule}: {report}")  # noqa: T201  # the trace
    assert report.fault, f"the mutant without {rule} survives {report}"
    assert report.fault.startswith("L"), "an invariant notices it, and not a fault of the model"
    assert len(report.trace) == report.depth, "the trace leads to the fault"


def test_a_claim_completes_by_a_landing_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[tuple[TaskStatus, Transition]] = set()

    def noted(task_id: str, status: TaskStatus, transition: Transition) -> TaskStatus:
        taken.add((status, transition))
        return advance(task_id, status, transition)

    monkeypatch.setattr(landing_state, "advance", noted)

    assert not explore(LandingBounds(tasks=1), LandingRules(), machine=machine()).fault
    assert (TaskStatus.CLAIMED, Transition.COMPLETE) in taken
