"""Follow-ups: tasks that a session files because its own work has shown that they are needed.

Invariant: a follow-up may do nothing that its parent may not. What bounds a task (sandbox, network, limits, caps,
labels, approvals, time limits) comes from the parent; a session chooses what is to be done, and nothing else.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarmd.domain.definition import FollowUps, TaskDefinition
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import TaskId
from swarmd.domain.session_errors import FollowUpRefused

# A task id has at most 128 characters; the rest is the number.
MAX_STEM: Final = 120


@dataclass(frozen=True, slots=True)
class FollowUpLimits:
    """The limits that the operator of the server has set: tasks that a session files, and how deep they descend."""

    per_session: int = 10
    depth: int = 3


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The part of a follow-up that a session chooses."""

    name: str
    description: str
    acceptance_criteria: Sequence[str] = ()
    files: Sequence[str] = ()
    checks: Sequence[str] = ()
    dependencies: Sequence[str] = ()


def check_limits(parent: TaskDefinition, limits: FollowUpLimits, *, filed: int, depth: int) -> None:
    """Checks that the session may file one more task; `depth` counts the ancestors that filed the parent.

    Raises:
        FollowUpRefused: it may not.
    """
    if parent.follow_ups is FollowUps.REFUSE:
        raise FollowUpRefused(parent.task_id, "takes no follow-ups; name what is left in your report")
    if depth >= limits.depth:
        raise FollowUpRefused(
            parent.task_id,
            f"was itself filed by a session, {depth} deep, and --follow-up-depth is {limits.depth}; name what is left"
            " in your report",
        )
    if filed >= limits.per_session:
        raise FollowUpRefused(
            parent.task_id,
            f"has {filed} follow-ups of this session, and --follow-ups is {limits.per_session}; name the rest in your"
            " report",
        )


def definition_of(
    wanted: FollowUp, parent: TaskDefinition, task_id: TaskId, *, siblings: Collection[str]
) -> TaskDefinition:
    """Returns the whole definition of a follow-up; `siblings` are the tasks that sessions of the parent have filed.

    Raises:
        InvalidRequest: name or description is empty, or a dependency is a task of others.
    """
    for field, text in (("name", wanted.name), ("description", wanted.description)):
        if not text.strip():
            raise InvalidRequest(field, "is empty; say what is to be done")
    for dependency in wanted.dependencies:
        if dependency != parent.task_id and dependency not in siblings:
            raise InvalidRequest(
                "dependencies",
                f"{dependency[:128]!r} is neither this task ({parent.task_id!r}) nor one that it has filed",
            )
    return replace(
        parent,
        task_id=task_id,
        name=wanted.name,
        description=wanted.description,
        acceptance_criteria=tuple(wanted.acceptance_criteria),
        files=tuple(wanted.files),
        checks=tuple(wanted.checks),
        dependencies=tuple(map(TaskId, wanted.dependencies)),
        discovered_from=parent.task_id,
        design_docs=(),
        artifacts=(),
        rehearsal=None,
        estimated_hours=None,
    )


def ids_of(parent: TaskId) -> Iterator[TaskId]:
    """Yields the ids that a follow-up may have: that of the parent and a number."""
    return (TaskId(f"{parent[:MAX_STEM]}-f{number}") for number in itertools.count(1))


def same_task(wanted: FollowUp, stored: Mapping[TaskId, TaskDefinition]) -> TaskId | None:
    """Returns the task that says the same already; None if there is none."""
    return next(
        (
            task_id
            for task_id, found in stored.items()
            if (found.name, found.description) == (wanted.name, wanted.description)
        ),
        None,
    )
