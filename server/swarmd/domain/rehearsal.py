"""Scripts that the embedded runner plays instead of asking a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RehearsalCall:
    """One scripted tool call."""

    tool: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RehearsalScript:
    """What one rehearsed session does."""

    calls: Sequence[RehearsalCall]
    reply: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One script an attempt, by role; the last one serves all later attempts."""

    builder: Sequence[RehearsalScript] = ()
    validator: Sequence[RehearsalScript] = ()
