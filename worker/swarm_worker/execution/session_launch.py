"""The launch of a session's program: the files that it reads, its environment and its confinement."""

from pathlib import Path

from swarm_worker.domain.environment import session_variables, task_variables
from swarm_worker.domain.model import Assignment, BuilderResult
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.session_access import SessionReach
from swarm_worker.execution.session_result import task_document
from swarm_worker.runners.base import SessionPlan
from swarm_worker.storage.files import write_private
from swarm_worker.supervision.model import Launch


def prepare_launch(
    context: SessionContext,
    assignment: Assignment,
    plan: SessionPlan,
    *,
    task_file: Path,
    private: Path,
    builder_result: BuilderResult | None,
    reach: SessionReach,
) -> Launch:
    """Writes the files that a turn of the session reads and returns its launch.

    `private` becomes the private folder of a sandbox, which all turns share.

    Raises: OSError if a file can't be written.
    """
    write_private(plan.prompt_file, plan.prompt)
    write_private(task_file, task_document(plan.task, builder_result))
    context.runner.prepare(plan)
    variables = session_variables(
        plan.session_id, role=plan.role, prompt_file=plan.prompt_file, task_file=task_file
    )
    task = task_variables(assignment, project_root=plan.project_root)
    launch = Launch(
        argv=context.runner.argv(plan),
        cwd=plan.project_root,
        env=reach.added_to({**context.env, **task, **variables}),
        lock=context.folder.guard_lock(plan.session_id),
        stdin=context.runner.stdin(plan),
        umask=context.umask,
        hidden=context.hidden,
        reads=(plan.prompt_file, task_file, *reach.reads),
        programs=(reach.python,) if reach.python else (),
    )
    return context.confinement.confine(launch, private)
