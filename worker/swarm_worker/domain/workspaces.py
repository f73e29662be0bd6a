"""Choices of a task about its workspace and about what becomes of the work in it."""

from enum import StrEnum


class WorkspaceKind(StrEnum):
    """The kind of a workspace."""

    SHARED = "shared"
    CLONE = "clone"


class LandingStyle(StrEnum):
    """The way in which commits are brought onto the target branch."""

    SQUASH = "squash"
    MERGE = "merge"
    REBASE = "rebase"


class AttemptStart(StrEnum):
    """The points at which an attempt may start, besides its builder; the wire contract explains each."""

    LANDING = "landing"
    VALIDATOR = "validator"
    CHECKS = "checks"


class RetryFrom(StrEnum):
    """The starting point of a further attempt."""

    WORK = "work"
    BASE = "base"
