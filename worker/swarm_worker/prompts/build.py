"""Writes the prompts of builders and validators.

Its one rule: what a session said is quoted as data, never mixed with what the task's author wrote; and the
last word is the demand for the JSON.
"""

from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Final

from swarm_worker.domain.model import Assignment, BuilderResult, CheckResult
from swarm_worker.domain.types import Role
from swarm_worker.prompts import sections
from swarm_worker.prompts.dependencies import dependencies
from swarm_worker.prompts.persona import persona
from swarm_worker.prompts.quote import code, line, section
from swarm_worker.prompts.reply_format import builder_ending, validator_ending
from swarm_worker.prompts.templates import Templates, packaged, read_templates
from swarm_worker.workspace.changes import Changes

__all__ = ["Templates", "builder", "check_overrides", "read_templates", "repair", "validator"]

NAME_CHARS: Final = 500


def check_overrides(project_root: Path) -> None:
    """Raises Exit if the project's own templates, in `.swarm/prompts/`, can't be used."""
    read_templates(project_root)


def builder(assignment: Assignment, *, agent: str, templates: Templates | None = None) -> str:
    """The prompt of a builder; on a retry, with what was wrong before."""
    filled = _filled(
        Role.BUILDER,
        assignment,
        templates,
        agent=agent,
        files=section("Files that this task makes or changes", map(code, assignment.task.files)),
        checks=section(
            "Checks that will be run afterwards; each must exit 0", map(code, assignment.task.checks)
        ),
        history=sections.history(assignment),
    )
    return filled + builder_ending(assignment.findings)


def validator(
    assignment: Assignment,
    *,
    agent: str,
    claimed: BuilderResult | None,
    checks: Iterable[CheckResult],
    changes: Changes | None = None,
    templates: Templates | None = None,
) -> str:
    """The prompt of a validator; `changes` is what the worker saw change, if it looked."""
    filled = _filled(
        Role.VALIDATOR,
        assignment,
        templates,
        agent=agent,
        files=section("Files that the task declares", map(code, assignment.task.files)),
        results=sections.results(checks),
        changes=sections.changed(changes),
        claimed=sections.claimed(claimed),
        answers=sections.answers(assignment.findings, claimed),
    )
    return filled + validator_ending(assignment.findings)


def repair(assignment: Assignment, role: Role) -> str:
    """What to ask of a session that ended without the JSON; a further turn of it, not a new one."""
    ending = builder_ending if role is Role.BUILDER else validator_ending
    return (
        "Your last message did not end with the JSON that was asked for. Do no more work, and do not change your "
        f"mind: say in that form what you have found or done.\n{ending(assignment.findings)}"
    )


def _filled(
    role: Role, assignment: Assignment, templates: Templates | None, *, agent: str, **parts: str
) -> str:
    task = assignment.task
    template = packaged(role) if templates is None else templates.of(role)
    text = Template(template).substitute(
        parts,
        agent=line(agent, NAME_CHARS),
        persona=persona(agent, role),
        id=task.id,
        name=line(task.name or task.id, NAME_CHARS),
        attempt=assignment.attempt,
        facts=sections.facts(task.phase, task.type),
        description=sections.description(task.description),
        criteria=section("Acceptance criteria", task.acceptance_criteria),
        design_docs=section("Design documents to read first", map(code, task.design_docs)),
        dependencies=dependencies(assignment.dependency_results),
    )
    return text.strip("\n") + "\n"
