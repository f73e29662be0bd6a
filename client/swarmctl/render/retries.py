"""Lines that say what a retry does to work that is there, and to what has built on it."""

from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl import text_format
from swarmctl.api.task_actions import ActionResult

# The ids of dependents that are printed.
SHOWN_IDS: Final = 20
SHORT_COMMIT: Final = 12
_RETRIED: Final = (
    TaskStatus.TASK_STATUS_COMPLETED,
    TaskStatus.TASK_STATUS_FAILED,
    TaskStatus.TASK_STATUS_KILLED,
    TaskStatus.TASK_STATUS_HELD,
)


def put_back_text(ids: Sequence[str], *, total: int, dry_run: bool) -> str:
    """Returns how many tasks have built on work that is done again, with the first ids, and what becomes of them."""
    shown = text_format.first_names(ids, SHOWN_IDS, total=total)
    what = f"{text_format.plural(total, 'task')} that built on it"
    return f"{what} would be put back: {shown}" if dry_run else f"{what} put back: {shown}"


def dry_run_lines(result: ActionResult) -> Iterator[str]:
    """Yields what a retry would do to each task, and to what has built on them."""
    for task in result.tasks:
        yield f"{task.task_id} {_effect(task)}"
    if result.dependents:
        yield put_back_text(result.dependent_ids, total=result.dependents, dry_run=True)
    yield "nothing was changed"


def _effect(task: Task) -> str:
    if task.status not in _RETRIED:
        return f"is {text_format.word(TaskStatus, task.status)} and would be left alone"
    if task.status != TaskStatus.TASK_STATUS_COMPLETED:
        return f"would run again, as attempt {task.attempt + 1}"
    return f"would run again, as attempt {task.attempt + 1}; {_stays(task)}"


def _stays(task: Task) -> str:
    """Returns what becomes of the work of a completed task."""
    if task.HasField("landed"):
        commit = task.landed.commit[:SHORT_COMMIT]
        return f"its work stays on {task.landed.target} ({commit}), and the new work lands on top"
    if task.kept_ref:
        return f"its work stays on {task.kept_ref}"
    return "its work stays in the project"
