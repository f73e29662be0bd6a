"""Imports of plans: all or nothing, and changes of stored tasks."""

import asyncio
import threading
from dataclasses import replace

import pytest

from support.engine import EngineHarness, task
from swarmd.domain.errors import InvalidStatus, InvalidTasks, TasksActive
from swarmd.engine.tasks import plans


async def refused(swarm: EngineHarness, *plan: object) -> list[tuple[str, str]]:
    """Imports a plan that must be refused and not stored; returns its faults."""
    with pytest.raises(InvalidTasks) as caught:
        await swarm.add(*plan)  # type: ignore[arg-type]
    assert await swarm.events() == [event for event in await swarm.events() if event.kind == "server_started"]
    return [(fault.place, fault.message) for fault in caught.value.faults]


async def test_d3_a_missing_dependency_is_refused_and_a_near_name_offered(swarm: EngineHarness) -> None:
    faults = await refused(swarm, task("node"), task("b", "nope", "zzz"))

    assert faults == [
        ("tasks[1].dependencies[0]", 'depends on unknown task "nope"; did you mean "node"?'),
        ("tasks[1].dependencies[1]", 'depends on unknown task "zzz"; add it to the file or correct the name'),
    ]


async def test_d5_cycles_are_refused_and_the_shortest_is_shown(swarm: EngineHarness) -> None:
    faults = await refused(swarm, task("a", "b"), task("b", "c"), task("c", "a", "d"), task("d", "c"))

    assert faults == [
        ("tasks[2].dependencies", "dependency cycle: c -> d -> c; remove one of these dependencies")
    ]


async def test_d5_a_task_that_waits_for_itself_is_refused(swarm: EngineHarness) -> None:
    faults = await refused(swarm, task("a", "a"))

    assert faults == [("tasks[0].dependencies[0]", "dependency cycle: a -> a; a task can't wait for itself")]


@pytest.mark.slow
async def test_a_long_cycle_is_shown_with_ten_names(swarm: EngineHarness) -> None:
    faults = await refused(swarm, *(task(f"t{n}", f"t{(n + 1) % 1000}") for n in range(1000)))

    assert faults[0][1] == (
        "dependency cycle: t0 -> t1 -> t2 -> t3 -> t4 -> t5 -> t6 -> t7 -> t8 -> … 991 more … -> t0;"
        " remove one of these dependencies"
    )


async def test_the_same_file_again_changes_nothing_whatever_has_run_meanwhile(swarm: EngineHarness) -> None:
    plan = [task("a"), task("b", "a"), task("c")]
    await swarm.add(*plan)
    worker = await swarm.worker()
    await worker.complete("a")
    before = await swarm.events()

    again = await swarm.add(*plan)

    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    assert await swarm.events() == before


async def test_a_waiting_task_is_changed_and_a_running_one_is_not(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()
    await worker.claim("a")

    changed = await swarm.add(task("b", "a", description="more"))

    assert (changed.changed, await swarm.status("b")) == (1, "blocked")
    with pytest.raises(TasksActive, match="can't change running tasks: task 'a' is claimed"):
        await swarm.add(task("a", description="other"), task("new"))
    assert len(await swarm.kinds("new")) == 0


async def test_final_statuses_of_a_file_are_kept_and_all_others_start_again(
    swarm: EngineHarness,
) -> None:
    await swarm.add(
        task("done", status="completed"),
        task("bad", status="failed"),
        task("dead", status="killed"),
        task("was-running", "done", status="in_progress"),
        task("was-claimed", status="claimed"),
        task("after-bad", "bad", status="blocked"),
        task("after-all", "done", "was-claimed", status="completed"),
    )

    assert await swarm.statuses("done", "bad", "dead", "was-running", "was-claimed", "after-bad", "after-all") == [
        "completed", "failed", "killed", "not_started", "not_started", "skipped", "completed",
    ]  # fmt: skip


async def test_an_import_warns_of_what_it_has_to_skip_and_of_repetitions(swarm: EngineHarness) -> None:
    added = await swarm.add(task("bad", status="failed"), task("b", "bad"), task("c", "bad", "bad"))

    assert [(odd.place, odd.message) for odd in added.warnings] == [
        ("tasks[2].dependencies[1]", '"bad" is named twice'),
        ("tasks[1].dependencies[0]", 'depends on "bad", which is failed, so it is skipped'),
        ("tasks[2].dependencies[0]", 'depends on "bad", which is failed, so it is skipped'),
    ]


async def test_clear_replaces_everything_and_begins_a_new_epoch(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    old = await worker.claim("a")
    await worker.complete("a")

    added = await swarm.add(task("a"), clear=True)

    await worker.receive()
    new = worker.claims[-1]
    assert (added.removed, added.added) == (1, 1)
    assert (old.number, new.number, new.epoch) == (1, 1, old.epoch + 1)


async def test_clear_is_refused_while_a_task_is_held(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.claim("a")

    with pytest.raises(TasksActive, match="wait for them or kill them first"):
        await swarm.add(task("b"), clear=True)

    assert await swarm.status("a") == "claimed"


async def test_a_dry_run_checks_everything_and_stores_nothing(swarm: EngineHarness) -> None:
    before = await swarm.events()

    with pytest.raises(plans.DryRunDone) as tried:
        await swarm.swarm.db.write(lambda tx: plans.try_out(tx, [task("a")], clear=False))

    assert tried.value.result.added == 1
    assert await swarm.events() == before


async def test_a_dependency_can_be_added_and_removed_while_the_task_waits(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))

    await swarm.swarm.change_dependency("b", "a", remove=False)
    blocked = await swarm.status("b")
    await swarm.swarm.change_dependency("b", "a", remove=False)
    with pytest.raises(InvalidTasks, match="1 fault"):
        await swarm.swarm.change_dependency("a", "b", remove=False)
    await swarm.swarm.change_dependency("b", "a", remove=True)

    assert blocked == "blocked"
    assert await swarm.status("b") == "not_started"


async def test_a_dependency_of_a_task_that_runs_can_not_be_changed(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", status="completed"))
    await swarm.worker()

    with pytest.raises(InvalidStatus, match="it is claimed"):
        await swarm.swarm.change_dependency("a", "b", remove=False)


async def test_an_import_onto_stored_tasks_finds_cycles_through_them(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))

    with pytest.raises(InvalidTasks) as caught:
        await swarm.add(task("a", "b"))

    assert "dependency cycle" in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([task("")], 'id is required; add for example id: "task-1"'),
        *(
            ([task(bad)], "id may contain only letters, digits, . _ - (max 128), starting with a letter or digit")
            for bad in ("../../etc/passwd", "a/b", ".", "..", "-rf", "x" * 129, "a%b", "a,b", "\x1b[31m", "\u202ea",
                        "a\u200b", "🙂", "a b")
        ),
        ([task("a"), task("a")], 'duplicate task id "a"; first at tasks[0]'),
        ([task("build"), task("Build")], 'id "Build" collides with "build"; they differ only in case'),
        ([task("a", name="x\0y")], "control character U+0000 not allowed in name"),
        ([task("a", description="x\x1b]52;")], "control character U+001B not allowed in description"),
        ([task("a", priority=1001)], "priority must be critical/high/medium/low or an integer -1000..1000, got 1001"),
        ([task("a", estimated_hours=-1.0)], "estimated_hours must be a number of hours from 0 to 100000, got -1"),
        ([task("a", estimated_hours=float("nan"))],
         "estimated_hours must be a number of hours from 0 to 100000, got nan"),
        ([task("a", estimated_hours=float("inf"))],
         "estimated_hours must be a number of hours from 0 to 100000, got inf"),
        ([task("a", max_retries=-1)], "max_retries must be an integer from 0 to 100, got -1"),
        ([task("a", max_retries=10**9)], "max_retries must be an integer from 0 to 100, got 1e+09"),
        ([task("a", builder_timeout_s=0.0)], "builder_timeout must be seconds from 1 to 604800, got 0"),
        ([task("a", stall_timeout_s=-1.0)], "stall_timeout must be seconds from 0 to 604800, got -1"),
        ([task("a", check_timeout_s=0.5)], "check_timeout must be seconds from 1 to 604800, got 0.5"),
        *(
            ([task("a", files=(path,))], "files[0] must be a relative path inside the project")
            for path in ("/etc/x", "../x", "a/../../x", "~/x", "")
        ),
        ([task("a", files=("x",) * 10_000)], "files has 10000 entries; at most 1000"),
        ([task("a", labels={"a b": "c"})], "labels may contain only letters, digits, . _ / - (max 63 each)"),
        ([task("a", checks=(" ",))], "checks[0] is empty; remove it"),
        ([task("a", description="x" * 1_048_577)], "description has 1048577 characters; at most 1048576"),
    ],
)  # fmt: skip
async def test_bad_plans_are_refused_with_one_clear_line(
    swarm: EngineHarness, plan: list[object], message: str
) -> None:
    faults = await refused(swarm, *plan)

    assert [text for _, text in faults] == [message]


async def test_at_most_twenty_faults_are_listed_and_all_are_counted(swarm: EngineHarness) -> None:
    with pytest.raises(InvalidTasks) as caught:
        await swarm.add(*(task(f"t{n}", "missing") for n in range(50)))

    assert len(caught.value.faults) == 20
    assert caught.value.metadata == {"count": "50"}


async def test_hostile_but_harmless_text_is_kept_as_it_is(swarm: EngineHarness) -> None:
    text = "</textarea><script>{{}}```\n\ttab, ünïcode, \u202e and a trailing space "

    await swarm.add(task("a", description=text))

    worker = await swarm.worker()
    assert (await worker.claim("a")).definition.description == text


async def test_a_cycle_is_found_while_the_writer_is_busy(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"), task("c", "b"))
    busy, free = threading.Event(), threading.Event()

    def hold(_tx: object) -> None:
        busy.set()
        free.wait(30)

    held = asyncio.ensure_future(swarm.swarm.db.write(hold))
    await asyncio.to_thread(busy.wait, 30)
    try:
        with pytest.raises(InvalidTasks) as refused:
            await swarm.swarm.change_dependency("a", "c", remove=False)
        assert not held.done()
    finally:
        free.set()
        await held
    assert refused.value.faults[0].message == "dependency cycle: a -> c -> b -> a"


async def test_two_new_dependencies_at_once_never_close_a_cycle(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))

    ended = await asyncio.gather(
        swarm.swarm.change_dependency("a", "b", remove=False),
        swarm.swarm.change_dependency("b", "a", remove=False),
        return_exceptions=True,
    )

    assert sum(isinstance(end, InvalidTasks) for end in ended) == 1


async def test_a_task_that_does_not_fit_into_a_message_is_refused(swarm: EngineHarness) -> None:
    faults = await refused(swarm, task("a", acceptance_criteria=tuple("x" * 60_000 for _ in range(40))))

    assert faults == [("tasks[0]", "has 2,400,000 characters of text; at most 2,097,152")]


async def test_an_import_says_that_a_new_definition_of_an_ended_task_runs_nothing(
    swarm: EngineHarness,
) -> None:
    plan = [
        task("done"),
        task("bad", max_retries=0),
        task("stopped"),
        task("waits", "bad"),
        task("open", "stopped", on_dependency_failure="block"),
    ]
    await swarm.add(*plan)
    worker = await swarm.worker()
    await worker.complete("done")
    await worker.fail("bad")
    await swarm.kill("stopped")
    before = await swarm.statuses("done", "bad", "stopped", "waits", "open")

    added = await swarm.add(
        *(replace(each, definition=replace(each.definition, description="new")) for each in plan)
    )

    assert added.changed == 5
    said = [(warning.place, warning.message.partition(",")[0]) for warning in added.warnings]
    assert said[0] == ("tasks[3].dependencies[0]", 'depends on "bad"')
    assert said[1:] == [
        ("tasks[0]", '"done" is completed: its new definition is stored'),
        ("tasks[1]", '"bad" is failed: its new definition is stored'),
        ("tasks[2]", '"stopped" is killed: its new definition is stored'),
    ]
    assert before == ["completed", "failed", "killed", "skipped", "blocked"]
    assert await swarm.statuses("done", "bad", "stopped", "waits", "open") == before


async def test_of_many_changed_ended_tasks_twenty_are_named_and_the_rest_counted(
    swarm: EngineHarness,
) -> None:
    names = [f"t{number}" for number in range(30)]
    await swarm.add(*(task(name, status="completed") for name in names))

    added = await swarm.add(*(task(name, status="completed", description="new") for name in names))

    assert len(added.warnings) == 21
    assert added.warnings[-1].message.startswith("10 more ended tasks have a new definition")
    assert (await swarm.add(*(task(name, description="new") for name in names))).warnings == []


async def test_an_import_that_takes_a_dead_dependency_away_revives_the_task(swarm: EngineHarness) -> None:
    await swarm.add(task("bad", max_retries=0), task("waits", "bad"), task("then", "waits"))
    worker = await swarm.worker()
    await worker.fail("bad")
    assert await swarm.statuses("waits", "then") == ["skipped", "skipped"]

    added = await swarm.add(task("waits"))

    assert added.warnings == []
    assert await swarm.statuses("waits", "then") == ["claimed", "blocked"]
