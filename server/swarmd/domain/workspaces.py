"""Choices of a task about its workspace and about what becomes of the work in it."""

from enum import StrEnum


class WorkspaceKind(StrEnum):
    """The kinds of workspace."""

    SHARED = "shared"
    CLONE = "clone"


class LandingStyle(StrEnum):
    """The ways in which commits are brought onto a target branch."""

    SQUASH = "squash"
    MERGE = "merge"
    REBASE = "rebase"


class ExpectedChanges(StrEnum):
    """The expectations of what a builder does to the files."""

    REQUIRED = "required"
    NONE = "none"


class RetryFrom(StrEnum):
    """The starting points of a further attempt."""

    WORK = "work"
    BASE = "base"
