"""The words that several programs accept as options, or in task files, each list kept here alone.

The server and the guards have the same words where they must not import this module; tests hold them equal.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

PRIORITIES: Final[Mapping[str, int]] = {"critical": 4, "high": 3, "medium": 2, "low": 1}
LOWEST_PRIORITY: Final = -1000
HIGHEST_PRIORITY: Final = 1000
_PRIORITY_WORDS: Final = {number: word for word, number in PRIORITIES.items()}


def priority_word(priority: int) -> str | int:
    """Returns the word of a priority, or the number itself if it has no word."""
    return _PRIORITY_WORDS.get(priority, priority)


class RunnerName(StrEnum):
    """A backend that runs sessions; `auto` chooses an installed Amplifier."""

    AUTO = "auto"
    AMPLIFIER_AGENT = "amplifier-agent"
    AMPLIFIER = "amplifier"
    EMBEDDED = "embedded"
    COMMAND = "command"


class ContainmentName(StrEnum):
    """A level of containment of a session's processes; `auto` is the strongest that no session can notice."""

    AUTO = "auto"
    SUBREAPER = "subreaper"
    PIDNS = "pidns"


class SandboxName(StrEnum):
    """A sandbox of sessions; `auto` makes one for the tasks that ask for it, where that is possible."""

    AUTO = "auto"
    NONE = "none"
    BWRAP = "bwrap"
    CONTAINER = "container"


class WorkspaceName(StrEnum):
    """A kind of workspace; `auto` takes clones where the project root is a git work tree with a commit."""

    AUTO = "auto"
    SHARED = "shared"
    CLONE = "clone"


class StatusName(StrEnum):
    """A task's status, in the words of TaskStatus of the contract."""

    BLOCKED = "blocked"
    NOT_STARTED = "not_started"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    KILLING = "killing"
    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"
    SKIPPED = "skipped"
    HELD = "held"
