"""A task whose attempts change nothing any more waits for a person, and is not run to its last retry."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, outcome, task
from swarmd.domain.landing import ReportedChange
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.tasks import holding, retrying
from swarmd.store import holds

RED = ("make test", "make lint")
REPOSITORY: dict[str, Any] = {"repository": "r", "target": "swarm/main", "workspace": WorkspaceKind.CLONE}


async def reject(
    swarm: EngineHarness,
    worker: FakeWorker,
    *,
    patch: bytes = b"same",
    red: tuple[str, ...] = RED,
    **fields: str,
) -> None:
    """Runs the next attempt, which leaves this patch and these red checks."""
    claim = await worker.claim("a")
    assert await worker.start(claim) is None
    checks = [{"command": "make", "exit_code": 0}, *({"command": name, "exit_code": 2} for name in red)]
    ended = outcome("failed", failure="validation_failed", error="red", report=json.dumps({"checks": checks}))
    change = ReportedChange("b", f"head-{claim.number}", "{}", patch)
    await worker.finish(claim, replace(ended, change=change, verdict_passed=False, **fields))  # type: ignore[arg-type]
    await swarm.after_backoff()


async def begun(swarm: EngineHarness, **fields: int) -> FakeWorker:
    await swarm.add(task("a", max_retries=fields.get("max_retries", 5)))
    return await swarm.worker(**REPOSITORY)


async def test_the_same_change_with_the_same_red_checks_in_a_row_is_held(swarm: EngineHarness) -> None:
    worker = await begun(swarm)

    await reject(swarm, worker)
    assert await swarm.status("a") == "claimed"
    await reject(swarm, worker)

    found = await swarm.task("a")
    assert (found.status, found.failures, found.failure_class) == ("held", 1, "validation_failed")
    hold = await swarm.swarm.db.read(lambda tx: holds.lasting(tx, found.key))
    assert hold is not None
    assert (hold.kind, hold.attempt) == ("no_progress", 2)
    assert hold.text == "attempts 1 and 2 left the same change and the same red checks: make test, make lint"


@pytest.mark.parametrize(
    "second", [{"patch": b"other"}, {"red": ("make test",)}, {"patch": b""}, {"red": ()}], ids=str
)
async def test_another_change_or_other_checks_are_progress(
    swarm: EngineHarness, second: dict[str, bytes]
) -> None:
    worker = await begun(swarm)
    await reject(swarm, worker)

    await reject(swarm, worker, **second)  # type: ignore[arg-type]

    assert await swarm.status("a") == "claimed"


async def test_an_attempt_between_that_ended_otherwise_breaks_the_row(swarm: EngineHarness) -> None:
    worker = await begun(swarm)
    await reject(swarm, worker)
    await worker.fail("a", "timeout")
    await swarm.after_backoff()

    await reject(swarm, worker)

    assert await swarm.status("a") == "claimed"


async def test_a_task_without_a_retry_left_fails(swarm: EngineHarness) -> None:
    worker = await begun(swarm, max_retries=1)

    await reject(swarm, worker)
    await reject(swarm, worker)

    assert await swarm.status("a") == "failed"


@pytest.mark.parametrize("how", ["answer", "unhold", "retry"])
async def test_a_person_moves_it_on_and_it_is_held_again_if_nothing_changes(
    swarm: EngineHarness, how: str
) -> None:
    worker = await begun(swarm)
    await reject(swarm, worker)
    await reject(swarm, worker)
    key = (await swarm.task("a")).key
    hold = await swarm.swarm.db.read(lambda tx: holds.lasting(tx, key))
    assert hold is not None
    write: Any = {
        "answer": partial(
            holding.answer, name="a", hold_id=hold.hold_id, text="mock it", option=0, actor="p"
        ),
        "unhold": partial(holding.unhold, name="a", actor="p"),
        "retry": partial(retrying.retry, name="a"),
    }[how]

    await swarm.swarm.db.write(write)

    assert await swarm.status("a") == "claimed"
    claim = await worker.claim("a")
    assert [given.answer for given in claim.answers] == (["mock it"] if how == "answer" else [])
    await reject(swarm, worker)
    again = await swarm.status("a")
    assert again == ("claimed" if how == "retry" else "held"), "a retry forgets what was before"
