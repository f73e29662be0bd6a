"""A name is never shared by more tasks than it allows, and the checker notices each missing rule."""

from dataclasses import fields, replace

import pytest

from model.checker import explore
from model.exclusive import NAMES, SHOWS_NAMES, SMALL_NAMES, NameRules

RULES = [field.name for field in fields(NameRules)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_NAMES)
def test_a_name_is_exclusive_in_every_state(name: str) -> None:
    report = explore(SMALL_NAMES[name], NameRules(), machine=NAMES)

    print(f"{name}: {report}")  # noqa: T201  # the figures of the run
    assert not report.fault, report
    assert report.states > 1_000, "bounds so narrow that nothing was explored"


@pytest.mark.parametrize("rule", RULES)
def test_names_without_the_rule_are_caught(rule: str) -> None:
    report = explore(SHOWS_NAMES[rule], replace(NameRules(), **{rule: False}), machine=NAMES)

    print(f"without {rule}: {report}")  # noqa: T201  # the trace
    assert report.fault, f"the mutant without {rule} survives {report}"


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_with_the_rule_the_same_bounds_show_no_fault(rule: str) -> None:
    assert not explore(SHOWS_NAMES[rule], NameRules(), machine=NAMES).fault
