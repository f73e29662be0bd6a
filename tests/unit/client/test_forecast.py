"""The forecast of a plan: graph, timetable, files, checks, costs, and the truth beside it."""

import random
from typing import Any

import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.read import plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import Task, TaskDefinition, TaskStatus
from swarmctl.forecast.check_starts import unstartable_checks
from swarmctl.forecast.comparison import comparison
from swarmctl.forecast.forecast import Forecast, forecast
from swarmctl.forecast.history import Basis, Examples, History, total
from swarmctl.forecast.overlaps import overlaps
from swarmctl.forecast.timetable import PlannedWork, critical_path, timetable

HOUR_S = 3600.0


def forecast_of(text: str, known: Any = (), **options: Any) -> Forecast:
    return forecast(plan_of(Source("plan.yaml", text)), known, **options)


def work(edges: list[list[int]], seconds: list[float], **more: Any) -> PlannedWork:
    """Returns work whose tasks come in an order of their dependencies."""
    more.setdefault("priorities", [2] * len(edges))
    return PlannedWork(order=range(len(edges)), dependencies=edges, seconds=seconds, **more)


def ended(task_id: str, *, cost: str = "", took_s: int = 60, at_s: int = 100, **fields: Any) -> Task:
    """Returns a task that was added at second 0 and completed at `at_s`."""
    fields.setdefault("status", TaskStatus.TASK_STATUS_COMPLETED)
    task = Task(task_id=task_id, usage=Usage(input_tokens=1, cost=cost), **fields)
    task.created_at.FromSeconds(0)
    task.started_at.FromSeconds(at_s - took_s)
    task.completed_at.FromSeconds(at_s)
    return task


def test_the_critical_path_is_the_longest_chain_by_time_and_not_by_number() -> None:
    # a -> b -> c takes 3 hours, a -> d takes 6.
    made = forecast_of(
        "defaults: {estimated_hours: 1}\n"
        "tasks:\n  - id: a\n  - {id: b, dependencies: [a]}\n  - {id: c, dependencies: [b]}\n"
        "  - {id: d, dependencies: [a], estimated_hours: 5}\n"
    )

    assert (made.critical_path, made.critical_seconds) == (["a", "d"], 6 * HOUR_S)
    assert (made.width, made.edges) == (2, 3)
    assert made.wall == {1: 8 * HOUR_S, 2: 6 * HOUR_S, 4: 6 * HOUR_S, 8: 6 * HOUR_S, 16: 6 * HOUR_S}


def test_ready_tasks_start_by_priority_and_then_in_the_order_of_the_file() -> None:
    # Two slots. By priority the long task starts first, and all is over after 4; else after 5.
    seconds = [1.0, 1.0, 2.0, 4.0]

    assert timetable(work([[], [], [], []], seconds, priorities=[2, 2, 2, 3]), slots=2).seconds == 4
    assert timetable(work([[], [], [], []], seconds), slots=2).seconds == 5


def test_one_slot_takes_the_sum_and_endless_slots_the_critical_path() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        count = rng.randint(1, 30)
        edges = [
            sorted({rng.randrange(i) for _ in range(rng.randint(0, 3))}) if i else [] for i in range(count)
        ]
        plan = work(
            edges, [float(rng.randint(0, 5)) for _ in edges], priorities=[rng.randint(1, 4) for _ in edges]
        )
        times = [timetable(plan, slots=slots).seconds for slots in (1, 2, 4)]

        assert times[0] == sum(plan.seconds)
        assert timetable(plan, slots=None).seconds == critical_path(plan).seconds <= min(times)
        # Graham: list scheduling is never worse than this.
        for slots, time in zip((1, 2, 4), times, strict=True):
            assert time <= sum(plan.seconds) / slots + critical_path(plan).seconds


def test_tasks_that_share_an_exclusive_name_run_one_after_the_other_and_take_no_slot_while_they_wait() -> (
    None
):
    names = {0: ["db"], 1: ["db"]}

    assert timetable(work([[], [], []], [3.0, 3.0, 3.0], names=names), slots=2) == (6.0, 2)
    shared = work([[], [], []], [3.0, 3.0, 3.0], names=names, capacities={"db": 2})
    assert timetable(shared, slots=3) == (3.0, 3)


def test_every_task_ends_whatever_names_it_waits_for() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        seconds = [float(rng.randint(1, 9)) for _ in range(rng.randint(1, 25))]
        names = {i: rng.sample(["a", "b", "c"], rng.randint(0, 3)) for i in range(len(seconds))}
        priorities = [rng.randint(1, 3) for _ in seconds]
        plan = work([[] for _ in seconds], seconds, names=names, capacities={"c": 2}, priorities=priorities)

        def held(name: str, names: dict[int, list[str]] = names, seconds: list[float] = seconds) -> float:
            return sum(time for i, time in enumerate(seconds) if name in names[i])

        assert timetable(plan, slots=1).seconds == sum(seconds)
        for slots in (2, 3, None):
            least = max(held("a"), held("b"), held("c") / 2)
            assert least <= timetable(plan, slots=slots).seconds <= sum(seconds)


def test_a_free_name_goes_to_the_next_task_if_the_first_in_its_queue_waits_for_another_name() -> None:
    # Task 1 waits for a, and then for b, which task 2 has taken meanwhile: task 4 gets a at once.
    names = {0: ["a"], 1: ["a", "b"], 2: ["b"], 4: ["a"]}
    plan = PlannedWork(
        order=[0, 1, 3, 2, 4],
        dependencies=[[], [], [3], [], []],
        seconds=[2.0, 8.0, 8.0, 1.0, 1.0],
        priorities=[4, 3, 2, 2, 1],
        names=names,
    )

    assert timetable(plan, slots=None).seconds == 17


@pytest.mark.slow
def test_a_chain_of_ten_thousand_tasks_and_tasks_of_no_time_are_forecast() -> None:
    chain = "".join(
        f"  - {{id: t{i}, estimated_hours: 0, dependencies: [t{i - 1}]}}\n" for i in range(1, 10_000)
    )
    made = forecast_of("tasks:\n  - {id: t0, estimated_hours: 0}\n" + chain)

    assert (len(made.critical_path), made.critical_seconds, made.width) == (10_000, 0, 1)
    assert set(made.wall.values()) == {0}


def test_a_cycle_is_refused_with_its_line_and_its_names() -> None:
    with pytest.raises(PlanRefused) as refused:
        forecast_of(
            "tasks:\n  - id: a\n  - id: b\n    dependencies: [a, d]\n  - {id: d, dependencies: [b]}\n"
        )

    assert "plan.yaml:4: " in refused.value.line("") or "plan.yaml:5: " in refused.value.line("")
    assert "dependency cycle: b -> d -> b; remove one of these dependencies" in refused.value.line("")


def test_a_cycle_of_thousands_is_drawn_with_ten_names() -> None:
    text = "tasks:\n" + "".join(f"  - {{id: t{i}, dependencies: [t{(i + 1) % 5000}]}}\n" for i in range(5000))

    with pytest.raises(PlanRefused, match="not imported") as refused:
        forecast_of(text)

    assert "… 4991 more …" in refused.value.line("")


def test_dependencies_that_nobody_has_are_listed_and_those_of_the_server_are_not() -> None:
    made = forecast_of("tasks:\n  - {id: ä, dependencies: [там, old]}\n", [ended("old")])

    assert (made.unresolved, made.faulty) == ([("ä", "там")], True)


def test_what_has_ended_is_not_done_again_and_what_waits_for_a_failure_never_starts() -> None:
    text = (
        "tasks:\n  - {id: a, status: completed}\n  - {id: b, dependencies: [a]}\n  - {id: c}\n"
        "  - {id: d, dependencies: [c]}\n  - {id: e, dependencies: [d]}\n"
        "  - {id: f, dependencies: [c], on_dependency_failure: run}\n"
    )
    made = forecast_of(text, [Task(task_id="c", status=TaskStatus.TASK_STATUS_FAILED)])

    assert (made.tasks, made.to_do, made.stranded) == (6, 2, ["d", "e"])


def test_files_overlap_only_where_no_chain_orders_their_tasks() -> None:
    files = {
        0: ["src/a.py"],
        1: ["src/a.py"],
        2: ["src"],
        3: ["b.py", "lib/"],
        4: ["b.py"],
        5: ["lib/x/y.py"],
    }
    found = overlaps(range(6), [[], [0], [1], [], [3], []], files)

    assert [(one.path, one.first, one.second, one.tasks) for one in found.found] == [("lib", 3, 5, 2)]
    loose = overlaps(range(3), [[], [], [1]], files)
    assert [(one.path, one.first, one.second) for one in loose.found] == [("src", 0, 2), ("src/a.py", 0, 1)]


def test_checks_that_the_shell_cannot_parse_or_start_are_found_without_running_any(tmp_path: Any) -> None:
    trap = tmp_path / "ran"
    commands = [
        "if true; then",
        "no-such-program-x7 --all",
        "FOO=1 no-such-program-x7",
        "test -s out.txt && true",
        ". .venv/bin/activate && no-such-program-x7",
        "./build.sh",
        f"touch {trap}; touch '{trap}'",
        "echo $(touch " + str(trap) + ")",
    ]
    found = unstartable_checks(enumerate(commands))

    assert [(check.tasks, check.certain) for check in found] == [([0], True), ([1], False), ([2], False)]
    assert "syntax error" in found[0].reason.lower()
    assert found[1].reason == "this machine has no program no-such-program-x7"
    assert not trap.exists()


def test_the_basis_is_the_kind_of_task_with_enough_examples() -> None:
    history = History()
    for i, (kind, phase, cost) in enumerate(
        [("api", "one", 1.0), ("api", "one", 2.0), ("api", "two", 9.0), ("doc", "one", 4.0)]
    ):
        history.add(Task(task_id=str(i), type=kind, phase=phase, estimated_hours=2), cost)

    def kind_of(**fields: Any) -> str:
        basis = history.basis(TaskDefinition(task_id="x", **fields))
        return basis.examples.kind if basis else ""

    assert kind_of(type="api", phase="one") == "type api"
    assert kind_of(phase="one") == "phase one"
    assert kind_of(type="ui", estimated_hours=3) == "an estimated hour of all earlier tasks"
    assert kind_of() == "all earlier tasks"
    history.add(Task(task_id="9", type="api", phase="one"), 3.0)
    assert kind_of(type="api", phase="one") == "type api and phase one"


def test_a_sum_is_narrower_than_its_parts_and_wider_with_few_examples() -> None:
    few, many = Examples("few", [1.0, 2.0, 3.0]), Examples("many", [1.0, 2.0, 3.0] * 100)
    one, hundred = total([Basis(many)]), total([Basis(many)] * 100)

    assert (one.p50, hundred.p50) == (2, 200)
    assert 0 < hundred.p90 / hundred.p50 - 1 < one.p90 / one.p50 - 1
    assert total([Basis(few)] * 100).p90 > hundred.p90


def test_a_sum_of_independent_tasks_stays_below_its_p90_about_nine_times_of_ten() -> None:
    rng, below, rounds = random.Random(7), 0, 1000
    for _ in range(rounds):
        examples = Examples("all", sorted(rng.lognormvariate(0, 0.6) for _ in range(100)))
        below += sum(rng.lognormvariate(0, 0.6) for _ in range(50)) <= total([Basis(examples)] * 50).p90

    assert 0.85 <= below / rounds <= 0.95


def test_costs_come_from_earlier_tasks_else_from_the_rate_and_never_from_rehearsals() -> None:
    text = "tasks:\n  - {id: x, type: api, estimated_hours: 2}\n  - {id: y}\n"
    past = [ended(f"p{i}", cost=str(i), type="api") for i in (1, 2, 3)]
    played = [ended(f"r{i}", cost="100", type="api", rehearsed=True) for i in range(9)]

    known = forecast_of(text, [*past, *played]).cost
    assert known.spread is not None
    assert known.spread.p50 == 4  # both by a mean of 2: of the type, and of all tasks
    assert [use.source for use in known.sources] == [
        "type api, 3 completed",
        "all earlier tasks, 3 completed",
    ]
    rated = forecast_of(text, played, rate=5).cost
    assert rated.spread is not None
    assert (rated.spread.p50, rated.spread.p90, rated.unknown) == (10, 10, 1)
    assert forecast_of(text).cost.spread is None


@pytest.mark.parametrize("cost", ["nan", "inf", "1e999", "free", ""])
def test_a_cost_that_is_no_number_counts_for_nothing(cost: str) -> None:
    past = [ended(f"p{i}", cost=cost) for i in range(5)]

    assert forecast_of("tasks:\n  - {id: x}\n", past).cost.spread is None


def test_times_come_from_earlier_tasks_else_from_the_estimate_else_from_the_other_estimates() -> None:
    past = [ended(f"p{i}", took_s=s, type="api", at_s=1000) for i, s in enumerate((100, 200, 600))]
    made = forecast_of("tasks:\n  - {id: x, type: api, estimated_hours: 9}\n", past)
    assert made.critical_seconds == 200

    without = forecast_of("tasks:\n  - {id: a, estimated_hours: 3}\n  - {id: b}\n")
    assert without.wall[1] == 6 * HOUR_S
    assert [use.source for use in without.time_sources] == [
        "their estimated_hours as they stand",
        "no estimate: 3 h each, the median of the other estimates",
    ]


def test_the_comparison_knows_only_what_had_completed_before_the_task_was_added() -> None:
    before = [ended(f"p{i}", cost="1.0", took_s=10) for i in range(3)]
    new = ended("new", cost="3.0", took_s=50, at_s=300)
    new.created_at.FromSeconds(200)
    later = [ended(f"l{i}", cost="99", at_s=250) for i in range(5)]
    found = comparison([*before, new, *later, ended("played", rehearsed=True)], only=["new", "played", "p0"])

    rows = {task.task_id: task for task in found.tasks}
    assert rows["new"].cost_forecast is not None
    assert (rows["new"].cost, rows["new"].cost_forecast.p50) == (3, 1)
    assert rows["p0"].cost_forecast is None
    assert found.cost is not None
    assert (found.cost.tasks, found.cost.truth, found.cost.forecast.p50, found.cost.within_p90) == (
        1,
        3,
        1,
        0,
    )
    assert found.left_out == 1
