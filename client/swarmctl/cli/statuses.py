"""The statuses of a task as the words that options take; a test holds them equal to the wire's."""

from enum import StrEnum


class StatusFlag(StrEnum):
    """See TaskStatus of the contract, which takes too long to load for a help page."""

    BLOCKED = "blocked"
    NOT_STARTED = "not_started"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    KILLING = "killing"
    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"
    SKIPPED = "skipped"
