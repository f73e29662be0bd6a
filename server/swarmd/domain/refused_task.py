"""Refusals of single tasks in an action on many."""

from dataclasses import dataclass
from typing import Final

from swarmd.domain.errors import HoldRefused, InvalidStatus, SwarmError, TaskAmbiguous, TaskNotFound

# The errors about one task of a request; any other error is about the request or the server.
TASK_ERRORS: Final = (TaskNotFound, TaskAmbiguous, InvalidStatus, HoldRefused)


@dataclass(frozen=True, slots=True)
class RefusedTask:
    """A task of an action on many that was left unchanged, by the name in the request, and the reason."""

    task_id: str
    error: SwarmError
