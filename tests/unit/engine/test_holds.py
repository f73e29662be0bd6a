"""Holds: a held task waits for a person, uses up nothing, and never starts by itself."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.errors import HoldRefused, InvalidRequest, InvalidStatus
from swarmd.domain.holds import Hold, HoldKind
from swarmd.engine.reports import explain
from swarmd.engine.tasks import holding, late_results, lookup
from swarmd.store import holds
from swarmd.store.reads import inbox


async def ask(
    swarm: EngineHarness, worker: FakeWorker, *questions: object, blockers: tuple[str, ...] = ()
) -> Hold:
    """Lets the builder of task a end with questions; returns the hold."""
    claim = await worker.claim("a")
    await worker.start(claim)
    report = json.dumps({"builder_result": {"questions": questions, "blockers": blockers}})
    await worker.finish(claim, outcome("failed", failure="builder_blocked", error="it asks", report=report))
    return await lasting(swarm)


async def lasting(swarm: EngineHarness, task_id: str = "a") -> Hold:
    key = (await swarm.task(task_id)).key
    found = await swarm.swarm.db.read(partial(holds.lasting, key=key))
    assert found is not None
    return found


async def answer(
    swarm: EngineHarness, hold_id: str, text: str = "", *, option: int = 0, actor: str = "kim"
) -> None:
    await swarm.swarm.db.write(
        partial(holding.answer, name="a", hold_id=hold_id, text=text, option=option, actor=actor)
    )


async def test_a_builder_that_asks_holds_its_task_at_no_cost(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("after", "a"))
    worker = await swarm.worker()

    asked = await ask(swarm, worker, {"text": "Which port?", "options": ["80", "8080"]})

    assert (asked.kind, asked.text, asked.options) == (HoldKind.QUESTION, "Which port?", ("80", "8080"))
    assert await swarm.statuses("a", "after") == ["held", "blocked"]
    held = await swarm.task("a")
    assert (held.failures, held.losses, held.attempt) == (0, 0, 1)
    await swarm.after_backoff()
    await worker.receive()
    assert len(worker.claims) == 1, "a held task is given to nobody"


async def test_several_questions_stand_below_each_other(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()

    asked = await ask(
        swarm, worker, {"text": "Which port?", "options": ["80", "81"]}, {"text": "Which name?"}
    )

    assert asked.text == "1. Which port? (80 / 81)\n2. Which name?"
    assert asked.options == ()


async def test_blockers_are_the_question_of_a_builder_that_asks_none(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()

    asked = await ask(swarm, worker, blockers=("no database password", "no licence"))

    assert asked.text == "no database password\nno licence"


async def test_an_answer_starts_the_next_attempt_which_gets_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    asked = await ask(swarm, worker, {"text": "Which port?", "options": ["80", "8080"]})

    await answer(swarm, asked.hold_id, option=2)

    claim = await worker.claim("a")
    assert claim.number == 2
    assert [(each.text, each.answer, each.ended_by) for each in claim.answers] == [
        ("Which port?", "8080", "kim")
    ]


async def test_every_later_attempt_gets_answers_and_notes(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=3))
    worker = await swarm.worker()
    asked = await ask(swarm, worker, {"text": "Which port?"})
    await answer(swarm, asked.hold_id, '80, or "81"\nif that is free')
    await swarm.swarm.db.write(partial(holding.note, name="a", text="Mind the tests.", actor="lee"))
    await worker.fail("a")
    await swarm.after_backoff()

    claim = await worker.claim("a")

    assert claim.number == 3
    assert [each.answer for each in claim.answers] == ['80, or "81"\nif that is free']
    assert [(note.text, note.author) for note in claim.notes] == [("Mind the tests.", "lee")]


async def test_the_same_answer_may_come_again_and_another_one_names_the_first(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    asked = await ask(swarm, worker, {"text": "Which port?"})
    await answer(swarm, asked.hold_id, "80", actor="kim")

    await answer(swarm, asked.hold_id, "80", actor="lee")
    with pytest.raises(HoldRefused, match="was answered by kim already: '80'"):
        await answer(swarm, asked.hold_id, "81", actor="lee")

    assert (await worker.claim("a")).number == 2


async def test_an_answer_that_comes_again_does_not_answer_the_next_question(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    first = await ask(swarm, worker, {"text": "Which port?"})
    await answer(swarm, first.hold_id, "80")
    second = await ask(swarm, worker, {"text": "Which name?"})

    await answer(swarm, first.hold_id, "80")

    assert await swarm.status("a") == "held"
    assert (await lasting(swarm)).hold_id == second.hold_id


@pytest.mark.parametrize(
    ("text", "option", "fault"),
    [
        ("", 0, "text: is empty"),
        ("  \n", 0, "text: is empty"),
        ("80", 1, "stands beside a text"),
        ("", 3, "3 is not one of them: the question has the options 1 to 2"),
        ("x" * 16_001, 0, "has 16,001 characters"),
    ],
)
async def test_a_bad_answer_is_refused_and_the_task_still_waits(
    swarm: EngineHarness, text: str, option: int, fault: str
) -> None:
    await swarm.add(task("a"))
    asked = await ask(swarm, await swarm.worker(), {"text": "Which port?", "options": ["80", "81"]})

    with pytest.raises(InvalidRequest, match=fault):
        await answer(swarm, asked.hold_id, text, option=option)

    assert await swarm.status("a") == "held"


@pytest.mark.parametrize("hold_id", ["", "1", "1-99", "x-y", "0-1"])
async def test_an_answer_to_no_hold_is_refused(swarm: EngineHarness, hold_id: str) -> None:
    await swarm.add(task("a"))
    await ask(swarm, await swarm.worker(), {"text": "Which port?"})

    with pytest.raises((InvalidRequest, HoldRefused)):
        await answer(swarm, hold_id, "80")

    assert await swarm.status("a") == "held"


@pytest.mark.parametrize("status", ["not_started", "blocked"])
async def test_an_operator_holds_a_task_that_waits_and_lets_it_go(swarm: EngineHarness, status: str) -> None:
    await swarm.add(task("before"), task("a", "before") if status == "blocked" else task("a"))
    hold = partial(holding.hold, name="a", cause="wait for the audit", actor="kim")

    await swarm.swarm.db.write(hold)
    await swarm.swarm.db.write(hold)

    assert await swarm.status("a") == "held"
    held = await lasting(swarm)
    assert (held.kind, held.text, held.held_by) == (HoldKind.SUSPENDED, "wait for the audit", "kim")
    await swarm.swarm.db.write(partial(holding.unhold, name="a", actor="lee"))
    assert await swarm.status("a") == status


async def test_a_held_task_is_ready_at_once_if_its_dependency_completed_meanwhile(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("before"), task("a", "before"))
    await swarm.swarm.db.write(partial(holding.hold, name="a", cause="", actor=""))
    worker = await swarm.worker()
    await worker.complete("before")
    assert await swarm.status("a") == "held"

    await swarm.swarm.db.write(partial(holding.unhold, name="a", actor=""))

    assert (await worker.claim("a")).number == 1


async def test_a_running_task_can_not_be_held(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("a"))

    with pytest.raises(InvalidStatus, match="can't hold task 'a': it is in_progress; hold it when"):
        await swarm.swarm.db.write(partial(holding.hold, name="a", cause="", actor=""))


async def test_an_operator_does_not_hold_a_task_that_waits_for_an_answer(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await ask(swarm, await swarm.worker(), {"text": "Which port?"})

    with pytest.raises(HoldRefused, match="swarmctl answer a TEXT"):
        await swarm.swarm.db.write(partial(holding.hold, name="a", cause="", actor="kim"))


async def test_a_question_is_not_ended_by_unhold(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await ask(swarm, await swarm.worker(), {"text": "Which port?"})

    with pytest.raises(HoldRefused, match="swarmctl answer a TEXT"):
        await swarm.swarm.db.write(partial(holding.unhold, name="a", actor=""))


async def test_a_kill_ends_a_hold_and_no_answer_brings_the_task_back(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    asked = await ask(swarm, await swarm.worker(), {"text": "Which port?"})

    await swarm.kill("a")

    assert await swarm.status("a") == "killed"
    with pytest.raises(HoldRefused, match="waits for that answer no more"):
        await answer(swarm, asked.hold_id, "80")
    assert await swarm.status("a") == "killed"


async def test_a_retry_of_a_held_task_starts_it_without_an_answer(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await ask(swarm, worker, {"text": "Which port?"})

    await swarm.retry("a")

    assert (await worker.claim("a")).answers == ()


async def test_a_kill_of_a_session_that_asks_wins(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")

    await worker.finish(claim, outcome("failed", failure="builder_blocked", error="it asks"))

    assert await swarm.status("a") == "killed"


async def test_a_hold_survives_a_restart(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "db") as before:
        await before.add(task("a"))
        asked = await ask(before, await before.worker(), {"text": "Which port?"})
    async with engine_harness(tmp_path / "db") as after:
        worker = await after.worker()
        assert await after.status("a") == "held"

        await answer(after, asked.hold_id, "80")

        assert (await worker.claim("a")).answers[0].answer == "80"


async def test_the_inbox_shows_first_what_most_tasks_wait_for(swarm: EngineHarness) -> None:
    await swarm.add(
        task("a"), task("b"), task("c", "b", estimated_hours=2.0), task("d", "c", estimated_hours=0.5)
    )
    for name in "ab":
        await swarm.swarm.db.write(partial(holding.hold, name=name, cause="", actor=""))

    found = await swarm.swarm.db.read(inbox.read)

    assert [(entry.task.task_id, entry.waiting, entry.waiting_hours) for entry in found.entries] == [
        ("b", 2, 2.5), ("a", 0, 0.0),
    ]  # fmt: skip
    assert found.held == 2


async def test_a_swarm_with_nothing_but_held_tasks_is_done(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await ask(swarm, await swarm.worker(), {"text": "Which port?"})

    assert swarm.swarm.live.done


@pytest.mark.parametrize(
    ("question", "command"),
    [
        (
            {"text": "Which port?", "options": ["80", "81"]},
            "Which port? [1] 80 [2] 81; `swarmctl answer a --option N`",
        ),
        ({"text": "Which port?"}, "Which port?; `swarmctl answer a TEXT`"),
    ],
)
async def test_explain_has_the_options_and_the_command_that_takes_them(
    swarm: EngineHarness, question: object, command: str
) -> None:
    await swarm.add(task("a"))
    await ask(swarm, await swarm.worker(), question)
    engine = swarm.swarm

    def read(tx: Any) -> explain.TaskFacts:
        return explain.read_facts(tx, lookup.resolve(tx, "a"), engine.live, exclusive_files=False)

    [reason] = explain.reasons(await engine.db.read(read), engine.live, engine.retry_timers)
    assert reason.message == f"its builder asks: {command} answers"


async def test_a_late_result_of_a_task_that_is_held_meanwhile_waits_for_its_operator(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    lost = await swarm.worker("w1")
    claim = await lost.claim("a")
    await lost.start(claim)
    [lease] = swarm.swarm.live.leases_of(lost.name)
    await swarm.swarm.db.write(partial(swarm.swarm.outcomes.mark_lost, lease=lease.lease, cause="it is gone"))
    await swarm.swarm.db.write(partial(holding.hold, name="a", cause="", actor=""))

    await lost.finish(claim, outcome("completed"))

    assert await swarm.status("a") == "held"
    await swarm.swarm.db.write(partial(late_results.accept, task_id="a", number=1))
    assert await swarm.status("a") == "completed"
