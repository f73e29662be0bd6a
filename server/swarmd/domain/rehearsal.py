"""Scripts that the embedded runner plays instead of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RehearsalCall:
    """A scripted tool call."""

    tool: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RehearsalScript:
    """The script of one session."""

    calls: Sequence[RehearsalCall]
    reply: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The scripts by role, one for each attempt; the last script serves all later attempts."""

    builder: Sequence[RehearsalScript] = ()
    validator: Sequence[RehearsalScript] = ()
