"""`swarmctl retry`."""

from enum import StrEnum
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import RetryTaskRequest, RetryTerms
from amplifier_swarm.v1.task_pb2 import RetryFrom, StartPoint
from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.api.task_actions import ActionResult
from swarmctl.cli.arguments import OptionalTaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.retries import dry_run_lines, put_back_text


class RetryFromName(StrEnum):
    """The values of --from."""

    BASE = "base"
    WORK = "work"


Failed = Annotated[bool, typer.Option("--failed", help="All tasks that have failed.")]
Completed = Annotated[
    bool, typer.Option("--completed", help="Completed tasks too run again; their work stays.")
]
WithDependents = Annotated[
    bool, typer.Option("--with-dependents", help="Put back too what has built on the tasks.")
]
ValidatorOnly = Annotated[
    bool,
    typer.Option("--validator-only", help="No builder: check and judge the work that is there again."),
]
ChecksOnly = Annotated[
    bool, typer.Option("--checks-only", help="No session: only run the checks on the work that is there.")
]
From = Annotated[
    RetryFromName | None,
    typer.Option(
        "--from", help="In a clone: start from the target alone, or with the work of the last attempt."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what happens to the work, and to what built on it.")
]
DespiteSurvivors = Annotated[
    bool,
    typer.Option("--despite-survivors", help="Also if processes of the last attempt could not be ended."),
]


def run(
    ctl: CommandContext,
    tasks: OptionalTaskIds = None,
    *,
    failed: Failed = False,
    completed: Completed = False,
    with_dependents: WithDependents = False,
    validator_only: ValidatorOnly = False,
    checks_only: ChecksOnly = False,
    retry_from: From = None,
    dry_run: DryRun = False,
    despite_survivors: DespiteSurvivors = False,
) -> None:
    """Failed, killed and skipped tasks get full budgets again; tasks that were skipped because of them wait
    for them again. Attempt numbers go on. A task that waits or runs is left alone. One that can't be retried keeps no
    other from its retry.

    A completed task runs again only with --completed: a builder works on what is there, and what it does lands on top.
    If other tasks have built on it, say --with-dependents: they are put back, each with the reason as a finding.

    With --validator-only or --checks-only, no builder runs, and none follows by itself: the work of the latest attempt
    counts if it passes, else the task fails. --checks-only needs work that a validator has passed.
    """
    if not tasks and not failed:
        raise ProgramExit(ExitCode.USAGE, "no task given", hint="name tasks, or say --failed")
    if validator_only + checks_only + bool(retry_from) > 1:
        hint = "give one of --validator-only, --checks-only and --from"
        raise ProgramExit(ExitCode.USAGE, "these options exclude each other", hint=hint)
    terms = RetryTerms(
        completed=completed,
        with_dependents=with_dependents,
        starts_at=_start(validator_only=validator_only, checks_only=checks_only),
        retry_from=_wire_value(retry_from),
    )
    asked = RetryTaskRequest(despite_survivors=despite_survivors, terms=terms, dry_run=dry_run)
    result = task_actions.retry(ctl.stub, tasks or (), failed=failed, asked=asked)
    refusal = show_changed(ctl, result, done="retried")
    _say(result, dry_run=dry_run)
    if refusal is not None:
        raise refusal


def _say(result: ActionResult, *, dry_run: bool) -> None:
    """Prints what else became of tasks, or would."""
    if dry_run:
        for line in dry_run_lines(result):
            print_err(f"swarmctl: {line}")
    elif result.dependents:
        said = put_back_text(result.dependent_ids, total=result.dependents, dry_run=False)
        print_err(f"swarmctl: {said}")
    if not result.changed:
        print_err("swarmctl: no task has failed")
    if result.revived:
        print_err(f"swarmctl: {text_format.plural(result.revived, 'skipped task')} revived")


def _start(*, validator_only: bool, checks_only: bool) -> "StartPoint.ValueType":
    if validator_only:
        return StartPoint.START_POINT_VALIDATOR
    return StartPoint.START_POINT_CHECKS if checks_only else StartPoint.START_POINT_UNSPECIFIED


def _wire_value(given: RetryFromName | None) -> "RetryFrom.ValueType":
    return RetryFrom.RETRY_FROM_UNSPECIFIED if given is None else RetryFrom.Value(f"RETRY_FROM_{given.name}")
