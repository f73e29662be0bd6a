"""`swarmctl edit`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.nodes import Line, Mapping
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.plan.single_task import plan_of_fields, plan_of_task
from amplifier_swarm.plan.source import Source, read_source
from amplifier_swarm.plan.write import task_text
from amplifier_swarm.plan.yaml_nodes import compose
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, PlannedTask
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from swarmctl.api.plan_upload import send_plan
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.cli.definitions import (
    DefinitionFile,
    DryRun,
    Settings,
    changed_lines,
    edited,
    task_of_id,
    with_settings,
)
from swarmctl.console import print_err
from swarmctl.render.blocks import Blocks, Prose

_HEAD: Final = "# The definition of task {task_id}. A field that is removed gets its default. The id stays.\n"


@dataclass(frozen=True, slots=True)
class Edited:
    """A definition before and after an edit, as text."""

    task_id: str
    before: str
    after: str
    dry_run: bool


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    settings: Settings = None,
    from_file: DefinitionFile = "",
    dry_run: DryRun = False,
) -> None:
    """Without options it opens the definition in $EDITOR. An ended task gets its new definition and does not run by it
    until `retry`; a running task is refused.
    """
    found = ctl.stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S)
    task_id, before = found.task.task_id, _text(found.definition)
    if settings and from_file:
        raise ProgramExit(ExitCode.USAGE, "--from-file has all fields", hint="give it alone, or leave it out")
    if settings:
        fields = compose(Source("options", before)).root
        known = fields if isinstance(fields, Mapping) else Mapping(Line(0))
        _send(
            ctl, plan_of_fields("options", with_settings(known, settings)), found.definition, dry_run=dry_run
        )
    elif from_file:
        _send(ctl, plan_of_task(read_source(from_file)), found.definition, dry_run=dry_run)
    else:
        source = edited(_HEAD.format(task_id=task_id) + before)
        try:
            _send(ctl, plan_of_task(source), found.definition, dry_run=dry_run)
        except ProgramExit:
            again = f"swarmctl edit {task_id} --from-file {source.name}"
            print_err(f"swarmctl: nothing was changed; correct the text: {again}")
            raise
        Path(source.name).unlink()


def _text(definition: TaskDefinition) -> str:
    return task_text(PlannedTask(definition=definition))


def _send(ctl: CommandContext, plan: Plan, known: TaskDefinition, *, dry_run: bool) -> None:
    """Sends the new definition; raises ProgramExit if its id is another, or the task was changed meanwhile."""
    task_id, given = known.task_id, plan.tasks[0].definition.task_id
    if given != task_id:
        problem = f"the id {task_id} can't become {given}"
        raise ProgramExit(ExitCode.USAGE, problem, hint=f"`swarmctl add {given}` makes a task of that id")
    before, after = _text(known), _text(plan.tasks[0].definition)
    now = task_of_id(ctl.stub, task_id)
    if now is None or now.definition != known:
        problem = f"task {task_id} was changed meanwhile"
        raise ProgramExit(ExitCode.CONFLICT, problem, hint="edit it again, as it is now")
    if before != after:
        sent = send_plan(ctl.stub, plan, dry_run=dry_run)
        for line in report_lines(plan.file, sent.warnings):
            print_err(f"warning: {line}")
    ctl.printer.show(Edited(task_id, before, after, dry_run), _document, _blocks)


def _document(edit: Edited) -> Document:
    lines = list(changed_lines(edit.before, edit.after))
    return {"id": edit.task_id, "changed": bool(lines), "dry_run": edit.dry_run, "lines": lines}


def _blocks(edit: Edited) -> Blocks:
    if edit.before == edit.after:
        return [Prose(f"{edit.task_id} is as it was", indent=0)]
    head = f"{edit.task_id} would be changed" if edit.dry_run else f"{edit.task_id} is changed"
    return [Prose("\n".join([f"{head}:", *changed_lines(edit.before, edit.after)]), indent=0)]
