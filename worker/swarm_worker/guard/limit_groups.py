"""Control groups with limits: one session's own, made before the session and removed after it.

Both versions of control groups are the same here: the worker says which files get which texts, and which lines count
how often a limit was reached. Only the standard library is imported.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from swarm_worker.guard.containment import make_cgroup, remove_cgroup

# The file and the word of the count of times that a limit was reached, for both versions of control groups.
EVENTS_1: Final = {"memory": ("memory.oom_control", "oom_kill"), "pids": ("pids.events", "max")}
EVENTS_2: Final = {"memory": ("memory.events", "oom_kill"), "pids": ("pids.events", "max")}


class LimitGroup(NamedTuple):
    """A group of one session; a marshalled plan has it as a plain tuple."""

    folder: str
    # File and text, in the order of writing.
    settings: Sequence[tuple[str, str]]
    # Resource, file and the word before the count of times that its limit was reached.
    events: Sequence[tuple[str, str, str]]


def make_groups(groups: Sequence[LimitGroup]) -> None:
    """Makes the groups and sets their limits.

    Raises:
        OSError: a group could not be made or a limit not be set; a session must not run without it.
    """
    for group in groups:
        if not make_cgroup(group.folder):
            raise OSError(f"can't make the control group {group.folder}")
        for name, text in group.settings:
            with open(f"{group.folder}/{name}", "wb") as file:  # noqa: PTH123  # see procfs.stat
                file.write(text.encode())


def reached_limits(groups: Sequence[LimitGroup]) -> list[str]:
    """Returns the resources whose limits were reached since the groups were made."""
    return [
        resource
        for group in groups
        for resource, name, word in group.events
        if _count(f"{group.folder}/{name}", word)
    ]


def remove_groups(groups: Sequence[LimitGroup]) -> None:
    """Removes the groups in which no process lives."""
    for group in groups:
        remove_cgroup(group.folder)


def _count(path: str, word: str) -> int:
    """Returns the number after the word in a file of such lines; 0 if there is no such file or line."""
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123  # see procfs.stat
            lines = [line.split() for line in file]
    except OSError:
        return 0
    return next((int(line[1]) for line in lines if line[:1] == [word]), 0)
