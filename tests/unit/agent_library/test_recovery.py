"""The decision about a further turn, the table of errors, and the signs of life."""

import asyncio
import io
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.library_site.amplifier_agent._errors import CATEGORIES
from support.waiting import eventually
from swarm_worker.agent_library.errors import RULES, UNKNOWN, LibraryFault, fault_of
from swarm_worker.agent_library.ids import VALID, library_id
from swarm_worker.agent_library.life_sign import LifeSign
from swarm_worker.agent_library.ndjson import NdjsonStream
from swarm_worker.agent_library.recovery import MOST_TURNS, WAITS_S, Recovery
from swarm_worker.agent_library.usage import TurnUsage, is_open
from swarm_worker.domain.model import FailureClass

LIMITED = LibraryFault("provider_failed", "The provider request failed.", retryable=True)
ARGUMENTS = LibraryFault("invalid_input", "bad arguments")


def test_every_code_of_the_library_has_a_row_and_every_row_a_class() -> None:
    assert CATEGORIES.keys() <= RULES.keys()
    for rule in (*RULES.values(), UNKNOWN):
        assert FailureClass(rule.failure)
        assert not rule.unasked or FailureClass(rule.unasked)
        assert bool(rule.turns) is bool(rule.advice)


def test_a_provider_that_keeps_failing_is_given_up_after_eight_turns() -> None:
    recovery = Recovery()

    waits = []
    while further := recovery.after(LIMITED, answered=True, in_this_turn=False):
        waits.append(further.wait_s)

    assert len(waits) == MOST_TURNS - 1
    assert waits[:4] == list(WAITS_S)
    assert set(waits[4:]) == {WAITS_S[-1]}


def test_a_turn_that_got_on_starts_the_waits_again() -> None:
    recovery = Recovery()
    for in_this_turn in (True, False, True):
        further = recovery.after(LIMITED, answered=True, in_this_turn=in_this_turn)

    assert further is not None
    assert further.wait_s == WAITS_S[0]


def test_wrong_arguments_are_answered_at_once_and_not_without_end() -> None:
    recovery = Recovery()
    turns = 0
    while further := recovery.after(ARGUMENTS, answered=True, in_this_turn=True):
        assert further.wait_s == 0
        assert "bad arguments." in further.prompt
        turns += 1

    assert turns == MOST_TURNS - 1


@pytest.mark.parametrize(
    "fault",
    [
        LibraryFault("provider_failed", "refused"),
        LibraryFault("selector_rejected", "another model"),
        LibraryFault("context_exceeded", "too long"),
        LibraryFault("session_in_use", "busy"),
        LibraryFault("a_code_of_later", "?"),
    ],
)
def test_an_error_that_waiting_does_not_mend_gets_no_further_turn(fault: LibraryFault) -> None:
    assert Recovery().after(fault, answered=True, in_this_turn=True) is None


def test_a_failed_tool_gets_one_further_turn() -> None:
    recovery, fault = Recovery(), LibraryFault("tool_callback_failed", "the handler raised")

    assert recovery.after(fault, answered=True, in_this_turn=True) is not None
    assert recovery.after(fault, answered=True, in_this_turn=True) is None


def test_an_error_that_is_not_of_the_library_is_a_fault_of_this_program() -> None:
    assert fault_of(ValueError("odd")) == LibraryFault("child_failed", "ValueError: odd")


@pytest.mark.parametrize("ours", ["t-a1-builder-1", "x" * 64])
def test_an_id_that_the_library_accepts_stays(ours: str) -> None:
    assert library_id(ours) == ours


@pytest.mark.parametrize("ours", ["x" * 65, "x" * 81, "short"])
def test_other_ids_are_replaced_by_valid_ones_that_differ(ours: str) -> None:
    assert VALID.fullmatch(library_id(ours))
    assert library_id(ours) != library_id(ours + "y")


def snapshot(*entries: tuple[int | None, int | None, Decimal | None]) -> Any:
    return SimpleNamespace(
        entries=[
            SimpleNamespace(
                provider="p", model=f"m{number}", tokens_in=came, tokens_out=went, cost=cost and {"USD": cost}
            )
            for number, (came, went, cost) in enumerate(entries)
        ]
    )


def test_usage_is_the_difference_to_the_last_known_sums_of_each_model() -> None:
    usage = TurnUsage()

    assert usage.update(snapshot((None, None, None))) == []
    (first,) = usage.update(snapshot((100, 7, Decimal("0.5"))))
    assert (first.tokens_in, first.tokens_out, first.cost) == (100, 7, Decimal("0.5"))
    assert usage.update(snapshot((None, None, None))) == []
    second, other = usage.update(snapshot((150, 9, Decimal("0.75")), (10, 1, None)))
    assert (second.tokens_in, second.tokens_out, second.cost) == (50, 2, Decimal("0.25"))
    assert (other.model, other.tokens_in, other.cost) == ("m1", 10, None)


def test_sums_that_shrink_are_not_taken_back() -> None:
    usage = TurnUsage()
    usage.update(snapshot((100, 7, None)))

    assert usage.update(snapshot((0, 7, None))) == []


def test_a_request_is_open_while_a_model_has_no_numbers() -> None:
    assert is_open(snapshot((None, None, None)))
    assert not is_open(snapshot((1, 1, None)))


async def test_signs_of_life_come_while_a_request_is_open_and_only_then() -> None:
    out = io.StringIO()
    life = LifeSign(NdjsonStream("s", "t", out), every_s=0.01)
    signs = asyncio.create_task(life.run())

    life.note_event(waits=True, is_reported=True)
    await eventually(lambda: out.getvalue().count("\n") >= 2, "two signs")
    life.note_event(waits=False, is_reported=True)
    seen = out.getvalue()
    signs.cancel()

    lines = [json.loads(line) for line in seen.splitlines()]
    assert len({line["params"]["sign"] for line in lines}) == len(lines), "a repeated line counts as silence"
    assert out.getvalue() == seen


def test_an_event_that_is_not_reported_is_a_sign_of_life_but_not_each_piece() -> None:
    out = io.StringIO()
    life = LifeSign(NdjsonStream("s", "t", out))

    for _ in range(100):
        life.note_event(waits=False, is_reported=False)

    assert out.getvalue().count("\n") == 1
