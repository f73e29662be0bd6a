"""The forecast of a plan, and its comparison with the truth."""

from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.documents import Document
from swarmctl.forecast.comparison import ComparedSum, ComparedTask, Comparison
from swarmctl.forecast.forecast import CostForecast, Forecast, SourceUse
from swarmctl.forecast.history import Spread
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Heading, Prose, Table, cell, facts, prose
from swarmctl.text_format import plural, span

# More lines of a kind hide the rest of the forecast; JSON has all.
SHOWN: Final = 10
SHOWN_PATH: Final = 20
_WALL: Final = (Column("SLOTS", right=True), Column("WALL TIME", right=True))
_OVERLAPS: Final = (Column("FILE"), Column("TASKS", right=True), Column("SUCH AS"))
_CHECKS: Final = (Column("TASK"), Column("CHECK", flexible=True), Column("WHY", flexible=True))
_COMPARED: Final = (
    Column("ID"),
    Column("COST", right=True),
    Column("P50", right=True),
    Column("P90", right=True),
    Column("TOOK", right=True),
    Column("P50", right=True),
    Column("P90", right=True),
)


def forecast_document(made: Forecast) -> Document:
    """Returns the forecast with all ids; times are in seconds, costs in dollars."""
    return {
        "tasks": made.tasks,
        "to_do": made.to_do,
        "edges": made.edges,
        "stranded": list(made.stranded),
        "critical_path": {"tasks": list(made.critical_path), "seconds": made.critical_seconds},
        "width": made.width,
        "wall_seconds": {str(slots): seconds for slots, seconds in made.wall.items()},
        "time_from": _source_documents(made.time_sources),
        "cost": {
            **_spread_document(made.cost.spread),
            "from": _source_documents(made.cost.sources),
            "unknown": made.cost.unknown,
        },
        "overlaps": [
            {"path": one.path, "tasks": one.tasks, "such_as": [made.ids[one.first], made.ids[one.second]]}
            for one in made.overlaps.found
        ],
        "overlaps_complete": made.overlaps.complete,
        "checks": [
            {
                "command": check.command,
                "reason": check.reason,
                "certain": check.certain,
                "tasks": [made.ids[i] for i in check.tasks],
            }
            for check in made.checks
        ],
        "unresolved": [{"task": task, "dependency": name} for task, name in made.unresolved],
    }


def forecast_blocks(made: Forecast) -> Blocks:
    """Returns the forecast for people."""
    done = made.tasks - made.to_do - len(made.stranded)
    counts = (
        f"{plural(made.tasks, 'task')}, {made.edges:,} {'dependency' if made.edges == 1 else 'dependencies'}"
    )
    blocks: list[Block] = [
        Prose(f"{counts}; {made.to_do:,} to do" + (f", {done:,} ended" if done else ""), indent=0)
    ]
    if made.stranded:
        blocks.append(
            prose(f"can't start, since what they depend on has ended without success: {_ids(made.stranded)}")
        )
    if made.to_do:
        blocks += _schedule(made)
        blocks += _cost_blocks(made.cost)
    return [*blocks, *_fault_blocks(made)]


def _schedule(made: Forecast) -> Iterator[Block]:
    path = f"{span(made.critical_seconds)} by {plural(len(made.critical_path), 'task')}"
    yield Heading("Time")
    yield facts(("critical path", cell(path)), ("greatest width", cell(plural(made.width, "task"))))
    yield prose(_ids(made.critical_path, joint=" -> ", shown=SHOWN_PATH))
    yield Table(_WALL, [(cell(slots), cell(span(seconds))) for slots, seconds in made.wall.items()])
    yield from _sources("times", made.time_sources)


def _cost_blocks(cost: CostForecast) -> Iterator[Block]:
    yield Heading("Cost")
    if cost.spread is None:
        yield Prose(
            "unknown: no earlier tasks with a cost; give --rate, the dollars for an estimated hour", indent=0
        )
        return
    yield Prose(_spread_text(cost.spread), indent=0)
    yield from _sources("costs", cost.sources)
    if cost.unknown:
        yield Prose(f"{plural(cost.unknown, 'task')} left out: nothing is known of their cost")


def _sources(what: str, sources: Sequence[SourceUse]) -> Iterator[Block]:
    for use in sources[:SHOWN]:
        yield prose(f"{what} of {plural(use.tasks, 'task')} from: {use.source}")
    if len(sources) > SHOWN:
        yield Prose(f"and {len(sources) - SHOWN} more sources")


def _fault_blocks(made: Forecast) -> Iterator[Block]:
    if made.unresolved:
        yield Heading("Unknown dependencies")
        unknown = [(cell(task), cell(name)) for task, name in made.unresolved]
        yield from _cut_table((Column("TASK"), Column("DEPENDS ON")), unknown)
    if made.checks:
        yield Heading("Checks that can't start")
        checks = [
            (cell(made.ids[check.tasks[0]] + _and_more(check.tasks)), cell(check.command), cell(check.reason))
            for check in made.checks
        ]
        yield from _cut_table(_CHECKS, checks)
    if made.overlaps.found or not made.overlaps.complete:
        yield Heading("Files of tasks that may run at once")
        files = [
            (cell(one.path), cell(one.tasks), cell(f"{made.ids[one.first]}, {made.ids[one.second]}"))
            for one in made.overlaps.found
        ]
        yield from _cut_table(_OVERLAPS, files)
        if not made.overlaps.complete:
            yield Prose("not all files were compared: too many tasks share files", indent=0)


def _and_more(tasks: Sequence[int]) -> str:
    return f" and {len(tasks) - 1} more" if len(tasks) > 1 else ""


def _cut_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[Block]:
    yield Table(columns, rows[:SHOWN])
    if len(rows) > SHOWN:
        yield Prose(f"and {len(rows) - SHOWN:,} more; -o json lists all", indent=0)


def _ids(ids: Sequence[str], *, joint: str = ", ", shown: int = SHOWN) -> str:
    if len(ids) <= shown:
        return joint.join(ids)
    return joint.join([*ids[: shown - 1], f"… {len(ids) - shown:,} more …", ids[-1]])


def _spread_text(spread: Spread) -> str:
    if spread.p50 == spread.p90:
        return f"${spread.p50:,.2f}"
    return f"${spread.p50:,.2f} (p50) to ${spread.p90:,.2f} (p90)"


def _spread_document(spread: Spread | None) -> dict[str, Document]:
    return {"p50": spread and spread.p50, "p90": spread and spread.p90}


def _source_documents(sources: Sequence[SourceUse]) -> Document:
    return [{"source": use.source, "tasks": use.tasks} for use in sources]


def comparison_document(found: Comparison) -> Document:
    """Returns the comparison; times are in seconds, costs in dollars."""
    return {
        "tasks": [
            {
                "id": task.task_id,
                "cost": task.cost,
                "cost_forecast": _spread_document(task.cost_forecast),
                "seconds": task.seconds,
                "seconds_forecast": _spread_document(task.seconds_forecast),
            }
            for task in found.tasks
        ],
        "cost": _sum_document(found.cost),
        "seconds": _sum_document(found.seconds),
        "left_out": found.left_out,
    }


def _sum_document(whole: ComparedSum | None) -> Document:
    if whole is None:
        return None
    forecast = _spread_document(whole.forecast)
    return {"tasks": whole.tasks, "forecast": forecast, "truth": whole.truth, "within_p90": whole.within_p90}


def comparison_blocks(found: Comparison) -> Blocks:
    """Returns the comparison for people."""
    if not found.tasks:
        return [Prose("no task has completed with a model at work, so there is nothing to compare", indent=0)]
    blocks: list[Block] = [
        Table(_COMPARED, [_compared_row(task) for task in found.tasks]),
        Heading("In total"),
    ]
    if (cost := found.cost) is not None:
        blocks.append(
            Prose(f"cost: {_spread_text(cost.forecast)}; truth ${cost.truth:,.2f}; {_within(cost)}", indent=0)
        )
    if (time := found.seconds) is not None:
        spread = f"{span(time.forecast.p50)} (p50) to {span(time.forecast.p90)} (p90)"
        blocks.append(
            Prose(f"time of all tasks: {spread}; truth {span(time.truth)}; {_within(time)}", indent=0)
        )
    if found.left_out:
        blocks.append(
            Prose(f"{plural(found.left_out, 'task')} left out: not completed, or only rehearsed", indent=0)
        )
    note = "The forecast is made now, from the tasks that had completed when each of these was added."
    return [*blocks, Prose(note, indent=0)]


def _within(whole: ComparedSum) -> str:
    return f"{whole.within_p90} of {plural(whole.tasks, 'task')} within p90"


def _compared_row(task: ComparedTask) -> Sequence[Cell]:
    def dollars(value: float | None) -> Cell:
        return cell(None if value is None else f"${value:,.2f}")

    cost, time = task.cost_forecast, task.seconds_forecast
    return (
        cell(task.task_id),
        dollars(task.cost),
        dollars(None if cost is None else cost.p50),
        dollars(None if cost is None else cost.p90),
        cell(span(task.seconds)),
        cell(span(None if time is None else time.p50)),
        cell(span(None if time is None else time.p90)),
    )
