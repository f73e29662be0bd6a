"""Files that two tasks declare which may run at once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# Comparisons of two tasks and bytes of sets; a plan beyond these has its first overlaps listed.
MAX_COMPARED: Final = 200_000
MAX_SET_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileOverlap:
    """A file or folder, and two of the tasks that declare it, or something in it, without an order between them."""

    path: str
    first: int
    second: int
    # How many tasks declare it, or something in it.
    tasks: int


@dataclass(frozen=True, slots=True)
class FileOverlaps:
    """The overlaps by path; not complete if there was too much to compare."""

    found: Sequence[FileOverlap]
    complete: bool = True


def overlaps(
    order: Sequence[int], dependencies: Sequence[Sequence[int]], files: Mapping[int, Sequence[str]]
) -> FileOverlaps:
    """Returns a pair for each path that tasks declare which no chain of dependencies puts in an order."""
    users: defaultdict[str, list[int]] = defaultdict(list)
    for i in order:
        for path in dict.fromkeys(path.strip("/") for path in files.get(i, ())):
            users[path].append(i)
    inside = _inside(users)
    shared = {i for path, tasks in users.items() if len(tasks) > 1 or inside[path] for i in tasks}
    shared |= {i for path in users for i in inside[path]}
    if len(order) * len(shared) // 8 > MAX_SET_BYTES:
        return FileOverlaps([], complete=False)
    earlier = _earlier(order, dependencies, {i: 1 << bit for bit, i in enumerate(sorted(shared))})
    compared = 0
    found: list[FileOverlap] = []
    for path, tasks in users.items():
        compared += len(tasks) * (1 + len(inside[path]))
        if compared > MAX_COMPARED:
            return FileOverlaps(found, complete=False)
        pair = next(_unordered(tasks, inside[path], earlier), None)
        if pair is not None:
            first, second = sorted(pair)
            found.append(FileOverlap(path, first, second, tasks=len({*tasks, *inside[path]})))
    return FileOverlaps(sorted(found, key=lambda overlap: overlap.path))


def _inside(users: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[int]]:
    """Returns for each path the tasks that declare something in it."""
    inside: dict[str, list[int]] = {path: [] for path in users}
    for path, tasks in users.items():
        end = path.rfind("/")
        while end > 0:
            if (folder := path[:end]) in inside:
                inside[folder] += tasks
            end = path.rfind("/", 0, end)
    return inside


@dataclass(frozen=True, slots=True)
class _Earlier:
    """For each task that shares a file the set of such tasks before it, as the bits of a number."""

    bits: Mapping[int, int]
    sets: Mapping[int, int]

    def ordered(self, one: int, other: int) -> bool:
        """Returns whether a chain of dependencies leads from one of the tasks to the other."""
        return bool(self.sets[one] & self.bits[other] or self.sets[other] & self.bits[one])


def _earlier(
    order: Sequence[int], dependencies: Sequence[Sequence[int]], bits: Mapping[int, int]
) -> _Earlier:
    sets: dict[int, int] = {}
    for i in order:
        before = 0
        for dependency in dependencies[i]:
            before |= sets[dependency] | bits.get(dependency, 0)
        sets[i] = before
    return _Earlier(bits, {i: sets[i] for i in bits})


def _unordered(tasks: Sequence[int], inside: Sequence[int], earlier: _Earlier) -> Iterator[tuple[int, int]]:
    # The tasks come in an order of the dependencies: if each neighbour is ordered, all of them are.
    yield from ((one, other) for one, other in pairwise(tasks) if not earlier.ordered(one, other))
    yield from (
        (one, other) for one in tasks for other in inside if one != other and not earlier.ordered(one, other)
    )
