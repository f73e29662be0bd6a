"""The summary of a run: every task with its final state."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.tasks import list_document, usage_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.render.blocks import (
    Block,
    Blocks,
    Column,
    Cut,
    Heading,
    Prose,
    Table,
    cell,
    id_column,
    reason_column,
)
from swarmctl.render.changes import landed_blocks
from swarmctl.render.inbox import hold_text, settle_command
from swarmctl.render.swarm import rehearsal_blocks
from swarmctl.render.tasks import error_text, reason_text, status_cell
from swarmctl.run.paths import RunPaths

_COMPLETED: Final = TaskStatus.TASK_STATUS_COMPLETED
_HELD: Final = TaskStatus.TASK_STATUS_HELD

COLUMNS: Final = (
    id_column("TASK"),
    Column("STATUS"),
    Column("ATTEMPTS", right=True, rank=2),
    Column("TOOK", right=True, rank=1),
    Column("TOKENS", flexible=True, least=28, rank=3),
    reason_column("LAST ERROR"),
)
HELD: Final = (
    id_column("TASK"),
    reason_column("WHAT", cut=Cut.WRAP),
    Column("SETTLE IT", flexible=True, least=20, cut=Cut.WRAP),
)


_FAILED: Final = TaskStatus.TASK_STATUS_FAILED
# The first to be read come first; the other statuses follow.
_FIRST: Final = (
    _FAILED,
    TaskStatus.TASK_STATUS_KILLED,
    TaskStatus.TASK_STATUS_HELD,
    TaskStatus.TASK_STATUS_SKIPPED,
)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The tasks at the end of a run, what all runs on the database have used, and how long this one took."""

    tasks: Sequence[Task]
    usage: Usage
    took_s: float
    # The reason for the end of a run in which no worker may take what is left.
    stuck: str = ""


def all_completed(tasks: Sequence[Task]) -> bool:
    """Returns whether every task is completed."""
    return all(task.status == TaskStatus.TASK_STATUS_COMPLETED for task in tasks)


def is_over(stub: OperatorServiceStub, *, wait: bool) -> bool:
    """Asks whether nothing is left to do; with `wait`, a task that waits for a person is left to do."""
    swarm = stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm
    return swarm.done and not (wait and any(entry.status == _HELD and entry.count for entry in swarm.counts))


def summary_document(end: FinishedRun) -> Document:
    """Returns the tasks, whether all of them are completed, and whether any was only rehearsed."""
    tasks = end.tasks
    return {
        "took_s": round(end.took_s, 3),
        "usage": usage_document(end.usage),
        "completed": all_completed(tasks),
        "rehearsed": any(task.rehearsed for task in tasks),
        "tasks": list_document(tasks),
    }


def _waiting_blocks(tasks: Sequence[Task]) -> Iterator[Block]:
    """Yields what waits for a person, with the command that settles it; the longest first."""
    held = sorted(
        (task for task in tasks if task.HasField("hold")), key=lambda task: task.hold.since.ToNanoseconds()
    )
    if held:
        waiting = "1 task waits" if len(held) == 1 else f"{len(held):,} tasks wait"
        yield Heading(f"{waiting} for a person")
        rows = [
            (cell(task.task_id), cell(hold_text(task.hold)), cell(settle_command(task.task_id, task.hold)))
            for task in held
        ]
        yield Table(HELD, rows)


def settling_hint(paths: RunPaths) -> str:
    """Returns how to settle what waits for a person when the server of the run has ended."""
    db, token = shlex.quote(str(paths.db)), shlex.quote(str(paths.token))
    return (
        f"to settle that, start `swarmd --db {db}` and add `--token-file {token}` to the commands above;"
        " the same `run` then goes on"
    )


def next_lines(end: FinishedRun, paths: RunPaths) -> Iterator[str]:
    """Yields why the run ended early, and what to type next: for failed tasks, and to look at the tasks again."""
    tasks = end.tasks
    if end.stuck:
        yield f"ended, for no worker of this run may take what is left: {end.stuck}"
        yield "mend that: what the runner lacks, a --label of the workers, or the tasks; the same `run` then goes on"
    failed = [task.task_id for task in tasks if task.status == _FAILED]
    if len(failed) == 1:
        yield (
            f"{failed[0]} failed: `swarmctl show {shlex.quote(failed[0])}` says more;"
            " the same `run` with --retry-failed runs it again"
        )
    elif failed:
        named = text_format.first_names(failed, _NAMED)
        yield (
            f"{len(failed):,} tasks failed: {named}; `swarmctl show TASK` says more;"
            " the same `run` with --retry-failed runs them again"
        )
    if any(task.HasField("hold") for task in tasks):
        yield settling_hint(paths)
    yield f"all of it is in {paths.db}; `swarmctl list` in this folder shows it"


def summary_blocks(end: FinishedRun) -> Blocks:
    """Returns the summary for people, failed tasks first."""
    tasks = sorted(
        end.tasks,
        key=lambda task: (
            _FIRST.index(task.status) if task.status in _FIRST else len(_FIRST) + (task.status == _COMPLETED)
        ),
    )
    used = text_format.tokens(end.usage)
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(task.attempt),
            cell(text_format.span(text_format.between(task, "started_at", "completed_at"))),
            cell(text_format.tokens(task.usage)),
            # The last line counts the completed tasks that were rehearsed.
            cell(error_text(task) if task.status == _COMPLETED else reason_text(task)),
        )
        for task in tasks
    ]
    counted = Counter(text_format.word(TaskStatus, task.status) for task in tasks)
    by_status = ", ".join(f"{count:,} {name}" for name, count in counted.most_common())
    return [
        Table(COLUMNS, rows),
        Prose(f"{text_format.plural(len(tasks), 'task')}: {by_status or 'none'}", indent=0),
        Prose(f"took {text_format.span(end.took_s)}" + (f", used {used} in all" if used else ""), indent=0),
        *_waiting_blocks(tasks),
        *landed_blocks(tasks),
        *rehearsal_blocks(sum(task.rehearsed and task.status == _COMPLETED for task in tasks)),
    ]
