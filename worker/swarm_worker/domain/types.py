"""The values that a worker works with before it has a task; all others are in `model`, of which this knows nothing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

LeaseId = NewType("LeaseId", str)
SessionId = NewType("SessionId", str)


class Role(StrEnum):
    """What a session is for."""

    BUILDER = "builder"
    VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class StopOrder:
    """An order to end an attempt's sessions."""

    cause: str
    graceful: bool
