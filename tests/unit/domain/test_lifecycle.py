"""The transition table is complete and closed."""

import pytest

from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import (
    DEAD,
    FINAL,
    LEASED,
    OPEN,
    TRANSITIONS,
    TaskStatus,
    Transition,
    advance,
    diagram,
)


def test_every_status_has_its_row_and_can_be_reached() -> None:
    reached = {target for row in TRANSITIONS.values() for target in row.values()} | {TaskStatus.BLOCKED}

    assert set(TRANSITIONS) == set(TaskStatus)
    assert reached == set(TaskStatus)


def test_every_transition_is_used() -> None:
    assert {transition for row in TRANSITIONS.values() for transition in row} == set(Transition)


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("transition", Transition)
def test_a_transition_is_in_the_table_or_refused(status: TaskStatus, transition: Transition) -> None:
    if transition in TRANSITIONS[status]:
        assert advance("t", status, transition) is TRANSITIONS[status][transition]
        return
    with pytest.raises(InvalidStatus) as caught:
        advance("t", status, transition)
    assert caught.value.metadata == {"taskId": "t", "status": status}


def test_no_process_can_exist_before_the_go() -> None:
    """Only IN_PROGRESS and KILLING may have sessions, and GO is the only way into them."""
    ways_in = {
        (status, transition)
        for status, row in TRANSITIONS.items()
        for transition, target in row.items()
        if target in (TaskStatus.IN_PROGRESS, TaskStatus.KILLING)
        and status not in (TaskStatus.IN_PROGRESS, TaskStatus.KILLING)
    }

    assert ways_in == {(TaskStatus.CLAIMED, Transition.GO)}


def test_killed_and_completed_leave_only_by_an_operator() -> None:
    leaving = {t for t, target in TRANSITIONS[TaskStatus.KILLED].items() if target is not TaskStatus.KILLED}

    assert leaving == {Transition.REOPEN, Transition.ACCEPT}, "an operator's verbs"
    assert TRANSITIONS[TaskStatus.COMPLETED] == {Transition.REOPEN: TaskStatus.BLOCKED}, "to land its work"


def test_the_groups_of_statuses_cover_all_and_do_not_overlap() -> None:
    assert FINAL | OPEN | {TaskStatus.BLOCKED, TaskStatus.HELD} == set(TaskStatus)
    assert not FINAL & OPEN
    assert DEAD < FINAL
    assert LEASED < OPEN


def test_the_diagram_draws_every_transition() -> None:
    drawn = diagram()

    for status, row in TRANSITIONS.items():
        for transition, target in row.items():
            line = next(line for line in drawn.splitlines() if line.startswith(f"    {status} --> {target}:"))
            assert transition in line
