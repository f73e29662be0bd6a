"""Calls of running sessions: what a session's token opens, how long, and that it reaches nothing of other tasks."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.definition import FollowUps
from swarmd.domain.errors import HoldRefused, InvalidRequest, InvalidTasks, TaskNotFound
from swarmd.domain.follow_ups import FollowUp, FollowUpLimits
from swarmd.domain.model import Usage
from swarmd.domain.sandbox import SandboxKind
from swarmd.domain.session_errors import FollowUpRefused, SessionOver
from swarmd.domain.session_grants import AnnouncedToken, SessionGrant
from swarmd.engine.attempts.session_calls import SessionCalls
from swarmd.engine.attempts.sessions import SessionEnd
from swarmd.engine.tasks import approving, holding
from swarmd.store import holds
from swarmd.store.reads import inbox, views

SECRET = "s" * 43
WANTED = FollowUp("Mend the date", "The parser takes 31 June.")


def token(number: int = 1) -> AnnouncedToken:
    return AnnouncedToken(f"{number:012x}", hashlib.sha256(SECRET.encode()).digest())


def text(number: int = 1) -> str:
    return f"swt1_session_{number:012x}_{SECRET}"


async def begin(
    swarm: EngineHarness, worker: FakeWorker, task_id: str = "a", *, number: int = 1, role: str = "builder"
) -> tuple[Claim, SessionGrant]:
    """Starts a session with a token; returns its claim and its grant."""
    claim = await worker.claim(task_id)
    assert await worker.start(claim, role, token=token(number)) is None
    return claim, swarm.swarm.live.grants.verify(text(number))


async def say(
    swarm: EngineHarness, grant: SessionGrant, text: str = "half", percent: int | None = 50
) -> None:
    write = partial(swarm.swarm.session_calls.set_progress, grant=grant, text=text, percent=percent)
    await swarm.swarm.db.write(write)


async def file(swarm: EngineHarness, grant: SessionGrant, wanted: FollowUp = WANTED) -> Any:
    return await swarm.swarm.db.write(
        partial(swarm.swarm.session_calls.file_task, grant=grant, wanted=wanted)
    )


def is_dead(swarm: EngineHarness, number: int = 1) -> bool:
    try:
        swarm.swarm.live.grants.verify(text(number))
    except SessionOver:
        return True
    return False


async def view(swarm: EngineHarness, task_id: str) -> views.TaskView:
    key = (await swarm.task(task_id)).key
    return await swarm.swarm.db.read(partial(views.task, key=key))


async def test_progress_shows_with_the_task_while_it_runs_and_with_the_session_after(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)

    await say(swarm, grant, "reading", None)
    await say(swarm, grant, "writing", 40)
    running = await view(swarm, "a")
    await worker.finish(claim, outcome("completed"))

    assert running.progress is not None
    assert (running.progress.text, running.progress.percent) == ("writing", 40)
    assert (await view(swarm, "a")).progress is None
    attempts = await swarm.swarm.db.read(partial(views.attempts, key=(await swarm.task("a")).key))
    [session] = attempts[0].sessions
    assert session.progress is not None
    assert session.progress.text == "writing"


async def test_events_of_progress_come_at_most_once_a_second(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    _, grant = await begin(swarm, await swarm.worker())

    for number in range(5):
        await say(swarm, grant, f"step {number}")
    swarm.clock.pass_s(1.5)
    await say(swarm, grant, "later")

    said = [event.cause for event in await swarm.events("a") if event.kind == "session_progress"]
    assert said == ["50 %: step 0", "50 %: later"]


@pytest.mark.parametrize(("text", "percent"), [("x" * 501, None), ("", 101), ("", -1)])
async def test_progress_out_of_range_is_refused(swarm: EngineHarness, text: str, percent: int | None) -> None:
    await swarm.add(task("a"))
    _, grant = await begin(swarm, await swarm.worker())

    with pytest.raises(InvalidRequest):
        await say(swarm, grant, text, percent)


async def test_a_token_dies_with_its_session(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)

    end = SessionEnd(claim.lease_id, grant.session_id, 0, Usage(0, 0, None))
    await swarm.swarm.db.write(partial(swarm.swarm.sessions.record_end, worker=worker.name, end=end))

    assert is_dead(swarm)
    with pytest.raises(SessionOver):
        await say(swarm, grant)


async def test_a_token_dies_when_the_next_session_of_its_attempt_begins(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await begin(swarm, worker)

    await begin(swarm, worker, number=2, role="validator")

    assert is_dead(swarm)
    assert not is_dead(swarm, 2)


async def test_a_kill_ends_the_token_at_once_while_the_session_still_lives(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    _, grant = await begin(swarm, await swarm.worker())

    await swarm.kill("a")

    assert await swarm.status("a") == "killing"
    assert is_dead(swarm)
    with pytest.raises(SessionOver):
        await say(swarm, grant)
    with pytest.raises(SessionOver):
        await file(swarm, grant)


async def test_a_lost_lease_ends_the_token_and_the_next_attempt_gets_another(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=3))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)

    await swarm.swarm.db.write(
        partial(swarm.swarm.outcomes.mark_lost, lease=grant.lease, cause="silent for too long")
    )
    await swarm.after_backoff()
    second, newer = await begin(swarm, worker, number=2)

    assert second.number == claim.number + 1
    assert is_dead(swarm)
    with pytest.raises(SessionOver):
        await say(swarm, grant)
    await say(swarm, newer)


async def test_a_token_survives_a_restart_of_the_server_and_a_dead_one_stays_dead(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as first:
        await first.add(task("a"), task("b"))
        worker = await first.worker(slots=2)
        await begin(first, worker)
        claim, _ = await begin(first, worker, "b", number=2)
        await worker.finish(claim, outcome("completed"))

    async with engine_harness(tmp_path / "swarm.db") as second:
        grant = second.swarm.live.grants.verify(text())
        await say(second, grant)
        assert is_dead(second, 2)
        await second.kill("a")
        assert is_dead(second)


async def test_a_wrong_secret_and_a_foreign_text_open_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await begin(swarm, await swarm.worker())

    for bad in ("", text()[:-1] + "x", text(2), text().replace("session", "operator"), text() + "s"):
        with pytest.raises(SessionOver):
            swarm.swarm.live.grants.verify(bad)


async def test_an_id_that_another_task_has_is_not_taken_from_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    _, grant = await begin(swarm, worker)

    claim = await worker.claim("b")
    await worker.start(claim, token=AnnouncedToken(token().token_id, b"x" * 32))

    assert swarm.swarm.live.grants.verify(text()) == grant


async def test_a_follow_up_has_the_bounds_of_its_parent_and_waits_for_a_person(swarm: EngineHarness) -> None:
    bounds: dict[str, Any] = {
        "sandbox": SandboxKind.NONE,
        "max_cost_nano": 7,
        "builder_timeout_s": 9.0,
        "phase": "build",
    }
    await swarm.add(task("a", checks=("true",), artifacts=("x",), **bounds))
    worker = await swarm.worker(slots=2)
    _, grant = await begin(swarm, worker)

    filed = await file(swarm, grant)

    assert (filed.task_id, filed.held) == ("a-f1", True)
    added = await swarm.task("a-f1")
    definition = await swarm.swarm.db.read(partial(views.definition, key=added.key))
    assert {name: getattr(definition, name) for name in bounds} == bounds
    assert (definition.discovered_from, definition.checks, definition.artifacts) == ("a", (), ())
    hold = await swarm.swarm.db.read(partial(holds.lasting, key=added.key))
    assert hold is not None
    assert (hold.kind, hold.held_by) == ("approval", grant.session_id)
    await worker.receive()
    assert len(worker.claims) == 1, "nobody gets it before the approval"

    approve = partial(approving.approve, name="a-f1", hold_ids={"a-f1": hold.hold_id}, actor="kim")
    await swarm.swarm.db.write(approve)
    assert (await worker.claim("a-f1")).definition.name == WANTED.name


async def test_a_follow_up_waits_for_its_approval_whatever_becomes_of_its_dependencies(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)
    wanted = FollowUp("later", "after this task", dependencies=("a",))
    await file(swarm, grant, wanted)

    await worker.finish(claim, outcome("completed"))

    assert await swarm.status("a-f1") == "held"


async def test_a_plan_may_let_follow_ups_start(swarm: EngineHarness) -> None:
    await swarm.add(task("a", follow_ups=FollowUps.START))
    worker = await swarm.worker(slots=2)
    _, grant = await begin(swarm, worker)

    filed = await file(swarm, grant)

    assert not filed.held
    assert (await worker.claim("a-f1")).number == 1


async def test_the_same_follow_up_again_changes_nothing_also_in_the_next_attempt(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)

    first, again = await file(swarm, grant), await file(swarm, grant)
    await worker.finish(claim, outcome("failed", failure="agent_error"))
    await swarm.after_backoff()
    _, newer = await begin(swarm, worker, number=2)

    assert first == again == await file(swarm, newer)
    with pytest.raises(TaskNotFound):
        await swarm.task("a-f2")


async def test_follow_ups_are_bounded_by_session_by_depth_and_by_the_plan(swarm: EngineHarness) -> None:
    await swarm.add(task("a", follow_ups=FollowUps.START), task("b", follow_ups=FollowUps.REFUSE))
    swarm.swarm.session_calls = SessionCalls(FollowUpLimits(per_session=2, depth=1))
    worker = await swarm.worker(slots=3)
    _, grant = await begin(swarm, worker)
    _, refused = await begin(swarm, worker, "b", number=2)

    await file(swarm, grant)
    await file(swarm, grant, FollowUp("two", "second"))

    with pytest.raises(FollowUpRefused, match="--follow-ups is 2"):
        await file(swarm, grant, FollowUp("three", "third"))
    with pytest.raises(FollowUpRefused, match="takes no follow-ups"):
        await file(swarm, refused)
    _, child = await begin(swarm, worker, "a-f1", number=3)
    with pytest.raises(FollowUpRefused, match="--follow-up-depth is 1"):
        await file(swarm, child)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (FollowUp("", "x"), InvalidRequest),
        (FollowUp("x", " "), InvalidRequest),
        (FollowUp("x", "y", dependencies=("b",)), InvalidRequest),
        (FollowUp("x" * 501, "y"), InvalidTasks),
        (FollowUp("x", "y", files=("/etc/passwd",)), InvalidTasks),
        (FollowUp("x", "y", checks=("",)), InvalidTasks),
    ],
)
async def test_a_bad_follow_up_stores_nothing(
    swarm: EngineHarness, wanted: FollowUp, error: type[Exception]
) -> None:
    await swarm.add(task("a"), task("b", "a"))
    _, grant = await begin(swarm, await swarm.worker())

    with pytest.raises(error):
        await file(swarm, grant, wanted)

    with pytest.raises(TaskNotFound):
        await swarm.task("a-f1")


async def test_ids_of_follow_ups_pass_by_tasks_that_are_there(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("A-F1", "a"))
    _, grant = await begin(swarm, await swarm.worker())

    assert (await file(swarm, grant)).task_id == "a-f2"


async def test_a_session_reads_its_dependencies_and_no_other_task(swarm: EngineHarness) -> None:
    await swarm.add(task("before"), task("other"), task("a", "before"))
    worker = await swarm.worker(slots=2)
    for name in ("before", "other"):
        claim = await worker.claim(name)
        await worker.start(claim)
        report = '{"builder_result": {"implementation_notes": "see x.md"}}'
        await worker.finish(claim, outcome("completed", report=report))
    _, grant = await begin(swarm, worker)
    read = swarm.swarm.session_calls.dependencies

    found = await swarm.swarm.db.read(partial(read, grant=grant, task_id=""))

    assert [result.task_id for result in found] == ["before"]
    with pytest.raises(TaskNotFound):
        await swarm.swarm.db.read(partial(read, grant=grant, task_id="other"))


async def ask(
    swarm: EngineHarness,
    grant: SessionGrant,
    text: str = "Which port?",
    options: tuple[str, ...] = ("80", "81"),
) -> Any:
    write = partial(swarm.swarm.session_calls.ask, grant=grant, text=text, options=options)
    return await swarm.swarm.db.write(write)


async def answered(swarm: EngineHarness, grant: SessionGrant, hold_id: str) -> str | None:
    read = partial(swarm.swarm.session_calls.answer_to, grant=grant, hold_id=hold_id)
    found = await swarm.swarm.db.read(read)
    return None if found is None else found.answer


async def answer(swarm: EngineHarness, hold_id: str, option: int = 1) -> None:
    write = partial(holding.answer, name="a", hold_id=hold_id, text="", option=option, actor="kim")
    await swarm.swarm.db.write(write)


def parked(hold_id: str) -> Any:
    question = {"text": "Which port?", "options": ["80", "81"], "hold_id": hold_id}
    report = json.dumps({"builder_result": {"status": "blocked", "questions": [question]}})
    return outcome("failed", failure="builder_blocked", error="it asks", report=report)


async def test_a_question_in_place_is_in_the_inbox_while_the_task_runs_and_is_answered_there(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", ask_timeout_s=60.0))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)

    asked = await ask(swarm, grant)

    assert (asked.wait_s, await swarm.status("a")) == (60.0, "in_progress")
    [entry] = (await swarm.swarm.db.read(inbox.read)).entries
    assert entry.task.hold is not None
    assert (entry.task.hold.hold_id, entry.task.hold.in_place) == (asked.hold_id, True)
    assert await answered(swarm, grant, asked.hold_id) is None
    assert await ask(swarm, grant) == asked, "the same question again is the same hold"
    await answer(swarm, asked.hold_id, 2)
    assert await answered(swarm, grant, asked.hold_id) == "81"
    assert (await view(swarm, "a")).hold is None
    await worker.finish(claim, outcome("completed"))
    assert await swarm.status("a") == "completed"


async def test_a_question_that_nobody_answers_holds_the_task_under_the_same_id(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)
    asked = await ask(swarm, grant)

    await worker.finish(claim, parked(asked.hold_id))

    held = (await view(swarm, "a")).hold
    assert held is not None
    assert (held.hold_id, held.in_place, await swarm.status("a")) == (asked.hold_id, False, "held")
    await answer(swarm, asked.hold_id)
    again = await worker.claim("a")
    assert (again.number, [said.answer for said in again.answers]) == (2, ["80"])


async def test_an_answer_that_comes_while_the_session_is_ended_lets_the_task_go_on_at_once(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)
    asked = await ask(swarm, grant)

    await answer(swarm, asked.hold_id)
    await worker.finish(claim, parked(asked.hold_id))

    again = await worker.claim("a")
    assert (again.number, [said.answer for said in again.answers]) == (2, ["80"])
    assert (await swarm.kinds("a")).count("task_held") == 1


async def test_the_end_of_the_attempt_ends_a_question_in_place(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)
    asked = await ask(swarm, grant)

    await worker.finish(claim, outcome("completed"))

    assert not (await swarm.swarm.db.read(inbox.read)).entries
    with pytest.raises(HoldRefused, match="no more"):
        await answer(swarm, asked.hold_id)


async def test_a_kill_ends_a_question_in_place_and_a_killed_session_asks_nothing(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim, grant = await begin(swarm, worker)
    asked = await ask(swarm, grant)

    await swarm.kill("a")
    with pytest.raises(SessionOver):
        await ask(swarm, grant, "And now?")
    await worker.finish(claim, outcome("stopped"))

    assert await swarm.status("a") == "killed"
    with pytest.raises(HoldRefused):
        await answer(swarm, asked.hold_id)


async def test_a_validator_and_a_second_question_at_once_are_refused(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    _, grant = await begin(swarm, worker)
    await ask(swarm, grant)

    with pytest.raises(HoldRefused, match="one at a time"):
        await ask(swarm, grant, "Which name?")
    for text, options in (("", ()), ("x" * 4_001, ()), ("x", ("",)), ("x", ("y",) * 21)):
        with pytest.raises(InvalidRequest):
            await ask(swarm, grant, text, options)
    _, validator = await begin(swarm, worker, number=2, role="validator")
    with pytest.raises(HoldRefused, match="builders alone"):
        await ask(swarm, validator)
