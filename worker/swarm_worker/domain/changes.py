"""Changes of attempts in clones to the files, and landings of their work. Loaded with the first task."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EarlierWork:
    """The work of an earlier attempt, from `base` to `head`, which `ref` keeps in the source repository.

    All three are empty if it lies in the project root itself.
    """

    attempt: int
    base: str
    head: str
    ref: str
    # The builder session that did it; empty if it is not known.
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A changed file; `status` is the letter of `git diff --name-status`, the counts are None for a binary file."""

    path: str
    status: str
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The difference that an attempt made in its clone; `ref` keeps the commit `head` in the source repository."""

    base: str
    head: str
    ref: str = ""
    files: tuple[ChangedFile, ...] = ()
    file_count: int = 0
    # Empty if the patch is too long.
    patch: str = ""
    # New files that git ignores.
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Landing:
    """The commit with an attempt's work on the target; `found` if an earlier attempt had landed it."""

    target: str
    commit: str
    onto: str = ""
    found: bool = False
