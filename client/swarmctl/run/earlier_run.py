"""The tasks that an earlier run left in the database."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.api.paging import TaskList
from swarmctl.console import print_err
from swarmctl.render.live_board import FINAL
from swarmctl.render.tasks import landing_text

_NOT_RUN_AGAIN: Final = [TaskStatus.TASK_STATUS_FAILED, TaskStatus.TASK_STATUS_KILLED]
# The number of tasks that are named; the rest is counted.
NAMED: Final = 5
_UNFINISHED: Final = [status for status in TaskStatus.values() if status and status not in FINAL]


def unfinished_tasks(stub: OperatorServiceStub) -> Sequence[str]:
    """Returns the ids of the tasks that have not ended; call it before the import of the plan."""
    return [task.task_id for task in TaskList(stub, statuses=_UNFINISHED).first(0)]


def retry_failed(stub: OperatorServiceStub, *, asked: bool) -> None:
    """Gives the tasks that failed a new start, if that is asked for; else says what is not run again, and how it is."""
    if asked:
        result = task_actions.retry(stub, (), failed=True)
        revived = f" and {result.revived:,} skipped" if result.revived else ""
        print_err(f"swarmctl: {text_format.plural(result.changed, 'failed task')}{revived} run again")
        return
    ended = TaskList(stub, statuses=_NOT_RUN_AGAIN)
    named = [task.task_id for task in ended.first(NAMED)]
    if named:
        names = text_format.first_names(named, NAMED, total=ended.total)
        what = text_format.plural(ended.total, "task")
        verb = "is" if ended.total == 1 else "are"
        print_err(
            f"swarmctl: {what} that failed or {'was' if verb == 'is' else 'were'} killed {verb} not run again: {names};"
            " --retry-failed runs failed ones, `swarmctl retry TASK` any"
        )


def land_kept(stub: OperatorServiceStub, names: Sequence[str]) -> None:
    """Orders the landing of work that completed tasks have kept.

    Raises:
        ProgramExit: one of the tasks is refused.
    """
    if not names:
        return
    ordered = task_actions.land(stub, names)
    task_actions.show_refusals(ordered)
    if refusal := task_actions.refusal_exit(ordered, done="landed"):
        raise refusal
    for task in ordered.unchanged:
        print_err(f"swarmctl: {task.task_id} {landing_text(task)}")


def earlier_text(task_ids: Sequence[str], plan: Plan) -> str:
    """Returns a line about unfinished tasks of an earlier run, empty if there are none.

    It names the tasks that are not in the plan: their commands run too, and a database may have come with a
    clone.
    """
    if not task_ids:
        return ""
    line = f"{text_format.plural(len(task_ids), 'task')} of an earlier run go{'es' * (len(task_ids) == 1)} on"
    planned = {task.definition.task_id for task in plan.tasks}
    others = [task_id for task_id in task_ids if task_id not in planned]
    if not others:
        return line
    named = text_format.first_names(others, NAMED)
    return f"{line}, {len(others):,} of them not in {plan.file}: {named}"
