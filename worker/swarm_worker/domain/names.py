"""Names that the worker makes up: session ids and its own. Their one rule: nothing outside the grammar."""

import re
import socket
from typing import TYPE_CHECKING, Final

from swarm_worker.domain.types import Role, SessionId

if TYPE_CHECKING:
    from swarm_worker.domain.model import Assignment

SESSION_ID_LENGTH: Final = 81
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# Room in a default name for the number behind the host.
HOST_LENGTH: Final = 100


def session_id(assignment: "Assignment", role: Role, *, run: int = 1) -> SessionId:
    """The id of an attempt's session, known before any process exists; `run` counts those of one role."""
    return SessionId(_fitted(assignment, role.value if run == 1 else f"{role}{run}"))


def check_id(assignment: "Assignment", number: int) -> str:
    """The name of a check's guard."""
    return _fitted(assignment, f"check{number}")


def helper_id(assignment: "Assignment", number: int) -> str:
    """Returns the name of the guard of a program that the worker itself runs for an attempt."""
    return _fitted(assignment, f"helper{number}")


def is_worker_name(text: str) -> bool:
    """Whether the server takes it as a worker's name."""
    return NAME_PATTERN.fullmatch(text) is not None


def host_name() -> str:
    """The host's name, reduced to what a worker's name may hold."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("._-")[:HOST_LENGTH] or "worker"


def _fitted(assignment: "Assignment", purpose: str) -> str:
    suffix = f"-a{assignment.attempt}-{purpose}-{assignment.epoch}"
    return _slug(assignment.task.id, SESSION_ID_LENGTH - len(suffix)) + suffix


def _slug(task_id: str, length: int) -> str:
    """The id in lower case letters, digits and dashes; with a hash whenever that lost anything."""
    slug = re.sub(r"[^a-z0-9-]", "-", task_id.lower())
    if slug == task_id and len(slug) <= length:
        return slug
    from hashlib import sha256  # noqa: PLC0415  # OpenSSL is 700 KiB that an idle worker does without

    digest = sha256(task_id.encode()).hexdigest()[:8]
    return f"{slug[: length - len(digest) - 1]}-{digest}"
