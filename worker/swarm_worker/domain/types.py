"""The values of a worker without a task; `model` holds all others and loads with the first task."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

LeaseId = NewType("LeaseId", str)
SessionId = NewType("SessionId", str)


class Role(StrEnum):
    """The purpose of a session."""

    BUILDER = "builder"
    VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class StopOrder:
    """An order to end an attempt's sessions; `graceful` allows them the grace period."""

    cause: str
    graceful: bool
    # It comes with the end of the worker, and the outcome says so.
    interrupts: bool = False
