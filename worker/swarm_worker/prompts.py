"""Writes the prompts of builders and validators from the templates beside it.

Its one rule: what a session said is quoted as data, never mixed with what the task's author wrote.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources
from string import Template

from swarm_worker.model import Assignment, BuilderResult, CheckResult, Finding, Role, Task


def builder(assignment: Assignment, *, agent: str) -> str:
    """The prompt of a builder; on a retry, with what was wrong before."""
    task = assignment.task
    checks = _section("Checks that will be run afterwards; each must exit 0", map(_code, task.checks))
    return _filled(
        Role.BUILDER,
        assignment.task,
        agent=agent,
        files=_section("Files that this task makes or changes", map(_code, task.files)),
        checks=checks,
        history=_history(assignment),
    )


def validator(
    assignment: Assignment, *, agent: str, claimed: BuilderResult | None, checks: Iterable[CheckResult]
) -> str:
    """The prompt of a validator."""
    claim = json.dumps(asdict(claimed), indent=2, ensure_ascii=False) if claimed else "(it said nothing)"
    done = [f"{_code(check.command)} exited with {check.exit_code}" for check in checks]
    return _filled(
        Role.VALIDATOR,
        assignment.task,
        agent=agent,
        files=_section("Files that the task declares", map(_code, assignment.task.files)),
        results=_section("Checks that the worker has run just now", done),
        claimed=fenced(claim),
    )


def fenced(text: str) -> str:
    """The text as a block that it can't end itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _filled(role: Role, task: Task, *, agent: str, **parts: str) -> str:
    template = Template((resources.files("swarm_worker") / "prompts" / f"{role}.md").read_text("utf-8"))
    return template.substitute(
        parts,
        agent=agent,
        id=task.id,
        name=task.name or task.id,
        facts=_facts(task),
        description=task.description.strip() or "(The name says it all.)",
        criteria=_section("Acceptance criteria", task.acceptance_criteria),
        design_docs=_section("Design documents to read first", map(_code, task.design_docs)),
    )


def _facts(task: Task) -> str:
    facts = [f"{word}: {value}" for word, value in (("Phase", task.phase), ("Type", task.type)) if value]
    return ". ".join(facts) + ".\n" if facts else ""


def _history(assignment: Assignment) -> str:
    if not assignment.findings and not assignment.last_error:
        return ""
    said = "\n".join([assignment.last_error, *map(_finding, assignment.findings)]).strip()
    return (
        f"\n# Attempt {assignment.attempt}: what was wrong before\n"
        "The work of an earlier attempt may be in the project. It was not accepted; mend each of these, by its id:\n\n"
        f"{fenced(said)}\n"
    )


def _finding(finding: Finding) -> str:
    place = f" {finding.file}:" if finding.file else ""
    severity = f" [{finding.severity}]" if finding.severity else ""
    return f"{finding.finding_id}{severity}{place} {finding.issue}"


def _section(title: str, items: Iterable[str]) -> str:
    lines = "".join(f"- {item}\n" for item in items)
    return f"\n# {title}\n{lines}" if lines else ""


def _code(text: str) -> str:
    return f"`{text}`"
