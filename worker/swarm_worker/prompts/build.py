"""Builds the prompts of builders and validators.

Invariant: text from sessions is quoted as data and never mixed with the text of the task's author. The request
for the JSON always comes last.
"""

from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Final

from swarm_worker.domain.model import Assignment, BuilderResult, CheckResult
from swarm_worker.domain.types import Role
from swarm_worker.prompts import sections
from swarm_worker.prompts.dependencies import dependency_section
from swarm_worker.prompts.persona import persona_paragraph
from swarm_worker.prompts.quote import inline_code, single_line, titled_list
from swarm_worker.prompts.reply_format import builder_ending, validator_ending
from swarm_worker.prompts.templates import Templates, packaged_template, read_templates
from swarm_worker.workspace.changes import Changes

__all__ = [
    "Templates",
    "builder_prompt",
    "check_overrides",
    "read_templates",
    "repair_prompt",
    "validator_prompt",
]

NAME_CHARS: Final = 500


def check_overrides(project_root: Path, folder: Path | None = None) -> None:
    """Checks the project's own templates, in `.swarm/prompts/` or in `folder`.

    Raises: ProgramExit if a template is unreadable or invalid.
    """
    read_templates(project_root, folder)


def builder_prompt(
    assignment: Assignment, *, agent: str, offered: bool = False, templates: Templates | None = None
) -> str:
    """Returns the prompt of a builder; on a retry it includes the findings and the last error.

    `offered` means that the session can delegate to `agent`.
    """
    filled = _fill_template(
        Role.BUILDER,
        assignment,
        templates,
        agent=agent,
        offered=offered,
        files=titled_list("Files that this task makes or changes", map(inline_code, assignment.task.files)),
        checks=titled_list(
            "Checks that will be run afterwards; each must exit 0", map(inline_code, assignment.task.checks)
        ),
        history=sections.people(assignment) + sections.history(assignment),
    )
    return filled + builder_ending(assignment.findings)


def validator_prompt(
    assignment: Assignment,
    *,
    agent: str,
    offered: bool = False,
    report: BuilderResult | None,
    checks: Iterable[CheckResult],
    changes: Changes | None = None,
    templates: Templates | None = None,
) -> str:
    """Returns the prompt of a validator; `changes` is None if the worker did not look for changes.

    `offered` means that the session can delegate to `agent`.
    """
    filled = _fill_template(
        Role.VALIDATOR,
        assignment,
        templates,
        agent=agent,
        offered=offered,
        files=titled_list("Files that the task declares", map(inline_code, assignment.task.files)),
        results=sections.check_results(checks),
        changes=sections.observed_changes(changes),
        claimed=sections.builder_report(report),
        answers=sections.earlier_findings(assignment.findings, report),
    )
    return filled + validator_ending(assignment.findings)


def repair_prompt(assignment: Assignment, role: Role) -> str:
    """Returns the prompt of a further turn of a session that ended without its JSON."""
    ending = builder_ending if role is Role.BUILDER else validator_ending
    return (
        "Your last message did not end with the requested JSON. Do no more work and do not change your "
        f"decision: report in that form what you have found or done.\n{ending(assignment.findings)}"
    )


def _fill_template(
    role: Role,
    assignment: Assignment,
    templates: Templates | None,
    *,
    agent: str,
    offered: bool,
    **parts: str,
) -> str:
    task = assignment.task
    template = packaged_template(role) if templates is None else templates.for_role(role)
    text = Template(template).substitute(
        parts,
        agent=single_line(agent, NAME_CHARS),
        persona=persona_paragraph(agent, role, offered=offered),
        id=task.id,
        name=single_line(task.name or task.id, NAME_CHARS),
        attempt=assignment.attempt,
        facts=sections.facts(task.phase, task.type),
        description=sections.description(task.description),
        criteria=titled_list("Acceptance criteria", task.acceptance_criteria),
        design_docs=titled_list("Design documents to read first", map(inline_code, task.design_docs)),
        dependencies=dependency_section(assignment.dependency_results),
    )
    return text.strip("\n") + "\n"
