"""Exclusive names: things, files among them, of which a limited number of tasks at a time may have the use."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final, NamedTuple

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.errors import FieldFault
from swarmd.domain.model import ID_PATTERN
from swarmd.domain.paths import quoted

MAX_NAMES_OF_TASK: Final = 64
MAX_CAPACITY: Final = 1_024
MAX_CAPACITIES: Final = 1_024
# The concurrency of a plan that sets none.
NO_NUMBERS: Final[Mapping[str, int]] = MappingProxyType({})


class Needs(NamedTuple):
    """The exclusive names and files that a task must have to itself; a file as a path with a slash in front."""

    names: Sequence[str]
    files: Sequence[str]


def needs_of(definition: TaskDefinition, *, with_files: bool) -> Needs:
    """Returns what the task needs; of two files of which one holds the other, the outer one."""
    if not (with_files and definition.files):
        return Needs(definition.exclusive, ())
    files = {f"/{PurePosixPath(text)}" for text in definition.files}
    return Needs(definition.exclusive, sorted(path for path in files if files.isdisjoint(folders_of(path))))


def folders_of(path: str) -> list[str]:
    """Returns the folders that hold the file, the innermost first: `/a/b` and `/a` for `/a/b/c`."""
    return [str(folder) for folder in PurePosixPath(path).parents[:-1]]


def name_problem(text: str) -> str | None:
    """Returns why the text can't be an exclusive name, with the remedy; None if it can."""
    if ID_PATTERN.fullmatch(text):
        return None
    return (
        f"{quoted(text)} may contain only letters, digits, . _ - (max 128), starting with a letter or digit"
    )


def concurrency_faults(concurrency: Mapping[str, int]) -> Iterator[FieldFault]:
    """Yields the faults of the numbers of tasks that may share a name."""
    if len(concurrency) > MAX_CAPACITIES:
        yield FieldFault("concurrency", f"has {len(concurrency)} names; at most {MAX_CAPACITIES}")
        return
    for name, capacity in concurrency.items():
        if (problem := name_problem(name)) is not None:
            yield FieldFault("concurrency", f"the name {problem}")
        elif not 1 <= capacity <= MAX_CAPACITY:
            yield FieldFault(
                f"concurrency.{name}", f"must be an integer from 1 to {MAX_CAPACITY}, got {capacity}"
            )


def unused_names(concurrency: Mapping[str, int], used: Collection[str]) -> Iterator[FieldFault]:
    """Yields a warning for each name with a number that no task uses."""
    for name in concurrency:
        if name not in used:
            yield FieldFault(f"concurrency.{name}", "is named by no task of this plan; check its spelling")
