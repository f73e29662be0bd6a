"""The statuses of a task as words of options; a test compares them with the contract."""

from enum import StrEnum


class StatusFlag(StrEnum):
    """The words of TaskStatus. The contract takes too long to load for a help page."""

    BLOCKED = "blocked"
    NOT_STARTED = "not_started"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    KILLING = "killing"
    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"
    SKIPPED = "skipped"
