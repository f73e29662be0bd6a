"""A shared budget is overrun by what is reported in one beat at most, and the checker notices each missing rule."""

from dataclasses import fields, replace

import pytest

from model.checker import explore
from model.funds import FUNDS, SHOWS_FUNDS, SMALL_FUNDS, FundRules

RULES = [field.name for field in fields(FundRules)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_FUNDS)
def test_a_shared_budget_is_kept_in_every_state(name: str) -> None:
    report = explore(SMALL_FUNDS[name], FundRules(), machine=FUNDS)

    print(f"{name}: {report}")  # noqa: T201  # the figures of the run
    assert not report.fault, report
    assert report.states > 1_000, "bounds so narrow that nothing was explored"


@pytest.mark.parametrize("rule", RULES)
def test_budgets_without_the_rule_are_caught(rule: str) -> None:
    report = explore(SHOWS_FUNDS[rule], replace(FundRules(), **{rule: False}), machine=FUNDS)

    print(f"without {rule}: {report}")  # noqa: T201  # the trace
    assert report.fault, f"the mutant without {rule} survives {report}"


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_with_the_rule_the_same_bounds_show_no_fault(rule: str) -> None:
    assert not explore(SHOWS_FUNDS[rule], FundRules(), machine=FUNDS).fault
