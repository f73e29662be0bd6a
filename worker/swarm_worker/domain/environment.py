"""The environment of sessions and checks.

Invariant: a session gets the listed variables only, and no token of the swarm but its own (`execution.session_access`).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_worker.domain.types import Role, SessionId

if TYPE_CHECKING:
    from swarm_worker.domain.model import Assignment

ALLOWED: Final = frozenset({"PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR"})
ALLOWED_PREFIXES: Final = ("LC_", "AMPLIFIER_")
_SECRET: Final = re.compile("KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)


def base_environment(own: Mapping[str, str], *, passed: Sequence[str]) -> dict[str, str]:
    """Returns the variables of the worker's own environment that a session inherits."""
    return {
        name: value
        for name, value in own.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES) or name in passed
    }


def secrets_of(env: Mapping[str, str]) -> list[str]:
    """Returns the values whose variables are named like secrets; logs must not show them."""
    return [value for name, value in env.items() if _SECRET.search(name)]


def task_variables(assignment: "Assignment", *, project_root: Path) -> dict[str, str]:
    """Returns the variables that describe the task to its checks and sessions."""
    return {
        "SWARM_TASK_ID": assignment.task.id,
        "SWARM_ATTEMPT": str(assignment.attempt),
        "SWARM_PROJECT_ROOT": str(project_root),
    }


def session_variables(
    session_id: SessionId, *, role: Role, prompt_file: Path, task_file: Path
) -> dict[str, str]:
    """Returns the variables that describe a session to its program; checks do not get them."""
    return {
        "SWARM_ROLE": role.value,
        "SWARM_SESSION_ID": session_id,
        "SWARM_PROMPT_FILE": str(prompt_file),
        "SWARM_TASK_FILE": str(task_file),
    }
