"""Names that the worker generates: session ids, guard names and its own default name.

Invariant: every name matches the server's grammar.
"""

import re
import socket
from typing import TYPE_CHECKING, Final

from amplifier_swarm.light_imports import sha256_hex
from swarm_worker.domain.types import Role, SessionId

if TYPE_CHECKING:
    from swarm_worker.domain.model import Assignment

SESSION_ID_LENGTH: Final = 81
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# The rest of a worker's name is room for a number after the host.
HOST_LENGTH: Final = 100


def session_id(assignment: "Assignment", role: Role, *, run: int = 1) -> SessionId:
    """Returns the id of a session before its process exists; `run` counts the attempt's sessions of one role."""
    return SessionId(_fitted(assignment, role.value if run == 1 else f"{role}{run}"))


def trial_id(assignment: "Assignment", role: Role) -> SessionId:
    """Returns the id that a trial of the runner has for its program; the server sees the session that it belongs to."""
    return SessionId(_fitted(assignment, f"{role}-trial"))


def check_id(assignment: "Assignment", number: int) -> str:
    """Returns the name of the guard of a check."""
    return _fitted(assignment, f"check{number}")


def helper_id(assignment: "Assignment", number: int) -> str:
    """Returns the name of the guard of a program that the worker itself runs for an attempt."""
    return _fitted(assignment, f"helper{number}")


def clone_name(assignment: "Assignment", swarm_id: str) -> str:
    """Returns the name of an attempt's clone, which no other attempt of any swarm has."""
    return f"{_fitted(assignment, 'clone')}-{swarm_id}" if swarm_id else _fitted(assignment, "clone")


def is_worker_name(text: str) -> bool:
    """Returns True if the server accepts the text as a worker's name."""
    return NAME_PATTERN.fullmatch(text) is not None


def host_part() -> str:
    """Returns the host's name, reduced to the characters that a worker's name may contain."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("._-")[:HOST_LENGTH] or "worker"


def _fitted(assignment: "Assignment", purpose: str) -> str:
    suffix = f"-a{assignment.attempt}-{purpose}-{assignment.epoch}"
    return _slug(assignment.task.id, SESSION_ID_LENGTH - len(suffix)) + suffix


def _slug(task_id: str, length: int) -> str:
    """Returns the id in lower case letters, digits and dashes; a hash marks every lossy change."""
    slug = re.sub(r"[^a-z0-9-]", "-", task_id.lower())
    if slug == task_id and len(slug) <= length:
        return slug
    digest = sha256_hex(task_id)[:8]
    return f"{slug[: length - len(digest) - 1]}-{digest}"
