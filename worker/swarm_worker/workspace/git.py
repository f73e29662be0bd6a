"""The changes in a project's git work tree. Invariant: git is started only by a GuardedProgram, never by the worker.

A repository's settings can name programs that git runs, and sessions can write these settings. So git runs under a
guard, with the containment of sessions: at its deadline everything that it started is killed. In addition the settings
that name programs are overridden, no protocol may fetch missing objects, and nothing is locked.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from swarm_worker.workspace import git_script
from swarm_worker.workspace.git_safety import current_environment
from swarm_worker.workspace.git_script import NOT_IN_REPOSITORY, SCRIPT, CommandOutput, Sections, explain
from swarm_worker.workspace.repository import has_repository

# With more uncommitted files than this, older changes are not distinguished from new ones.
MAX_DIRTY: Final = 5_000
# The size and time of a file, None if it is absent: they show whether the file was touched.
Stamp = tuple[int, int] | None


class ProgramEnd(NamedTuple):
    """The end of a guarded program: an error if it did not exit by itself, and the end of its standard error."""

    error: str
    stderr: str


class GuardedProgram(Protocol):
    """A way to run a program under a guard."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout_s: float,
        stdout: Callable[[bytes], None],
    ) -> ProgramEnd:
        """Runs the program in the project root until it and all that it started have ended."""


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree at one moment: its commit, and the uncommitted files by their path from the project root."""

    commit: str
    dirty: Mapping[str, Stamp]
    untracked: frozenset[str] = frozenset()
    # True if the list of uncommitted files is not complete.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class NoTree:
    """The reason why git can't read the work tree; `silent` if that is usual, as without a repository."""

    reason: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class PathChange:
    """A changed file; `added` and `removed` count lines, None for binary files."""

    path: str
    new: bool = False
    gone: bool = False
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class TreeChanges:
    """The difference to an earlier work tree, whose commit is `commit`."""

    commit: str
    paths: tuple[PathChange, ...] = ()
    committed: bool = False
    # True if some changes are missing, or some of these are older than the attempt.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Git:
    """The git commands of one project; `run` starts them."""

    root: Path
    run: GuardedProgram
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=current_environment)

    async def work_tree(self) -> WorkTree | NoTree:
        """Reads the work tree."""
        read = await self._read("")
        return read if isinstance(read, NoTree) else read.tree

    async def changes_since(self, before: WorkTree) -> TreeChanges | NoTree:
        """Returns the difference to an earlier work tree."""
        read = await self._read(before.commit)
        if isinstance(read, NoTree):
            return NoTree(read.reason)  # the repository was readable before, so the reason is never usual
        return _compare_trees(self.root, before, read.tree, read.numstat)

    async def _read(self, before: str) -> "_Reading | NoTree":
        if not has_repository(self.root):
            return NoTree(NOT_IN_REPOSITORY, silent=True)
        marker = f"\x01{os.urandom(16).hex()} "
        sections = Sections(marker.encode())
        argv = ("/bin/sh", "-c", SCRIPT, marker, before)
        end = await self.run(argv, env=self.env, timeout_s=self.timeout_s, stdout=sections.append)
        return _parse(self.root, sections.commands, end, diffs=bool(before))


class _Reading(NamedTuple):
    tree: WorkTree
    numstat: bytes


def _parse(
    root: Path, commands: Sequence[CommandOutput], end: ProgramEnd, *, diffs: bool
) -> _Reading | NoTree:
    """Parses the outputs of the script, which stops at the first command that fails."""
    if end.error:
        return NoTree(end.error)
    if len(commands) < 2 or commands[0].code != 0:
        return NoTree(explain(end.stderr))
    inside, _, prefix = commands[0].output.removesuffix(b"\n").partition(b"\n")
    if inside != b"true":
        return NoTree("the project is in a bare repository or in a .git folder, not in a work tree")
    if commands[1].code == 0:
        return NoTree("the project is ignored by the repository around it")
    commits = [command for command in commands[2:4] if _is_hash(command.output)]
    rest = commands[commands.index(commits[0]) + 1 :] if commits else ()
    if len(rest) < 1 + diffs or any(command.code != 0 for command in rest):
        return NoTree(explain(end.stderr))
    commit = os.fsdecode(commits[0].output.removesuffix(b"\n"))
    tree = _parse_status(root, commit, prefix, rest[0].output)
    return _Reading(tree, rest[1].output if diffs else b"")


def _is_hash(output: bytes) -> bool:
    return len(output) in (41, 65) and output.endswith(b"\n") and not output.strip(b"0123456789abcdef\n")


def _parse_status(root: Path, commit: str, prefix: bytes, status: bytes) -> WorkTree:
    """Parses `XY path` entries; a last entry without its NUL was cut off and is dropped."""
    entries = status.split(b"\0")[:-1]
    codes = {os.fsdecode(entry[3:].removeprefix(prefix)): entry[:2] for entry in entries[:MAX_DIRTY]}
    return WorkTree(
        commit,
        {path: _read_stamp(root / path) for path in codes},
        frozenset(path for path, code in codes.items() if code == b"??"),
        cut=len(entries) > MAX_DIRTY or len(status) == git_script.OUTPUT_BYTES,
    )


def _compare_trees(root: Path, before: WorkTree, now: WorkTree, numstat: bytes) -> TreeChanges:
    """Returns all paths that git lists, except those whose uncommitted change is older."""
    committed = before.commit != now.commit
    changes = (change for change in map(_parse_numstat, numstat.split(b"\0")[:-1]) if change is not None)
    # diff also lists files with a new time and the old content; status does not.
    found = {change.path: change for change in changes if committed or change.path in now.dirty}
    found |= {path: PathChange(path, new=True) for path in now.untracked}
    # A file that was uncommitted before and is not listed now has been reverted or removed.
    found |= {path: PathChange(path) for path in before.dirty if path not in found and path not in now.dirty}
    paths = []
    for path, change in sorted(found.items()):
        stamp = _read_stamp(root / path)
        if path in before.dirty and before.dirty[path] == stamp:
            continue
        paths.append(
            PathChange(
                path, change.new and path not in before.dirty, stamp is None, change.added, change.removed
            )
        )
    cut = before.cut or now.cut or len(numstat) == git_script.OUTPUT_BYTES
    return TreeChanges(before.commit, tuple(paths), committed=committed, cut=cut)


def _parse_numstat(entry: bytes) -> PathChange | None:
    """Parses `added TAB removed TAB path`; both counts are `-` for a binary file."""
    parts: Sequence[bytes] = entry.split(b"\t", 2)
    if len(parts) != 3:
        return None
    added, removed = (int(part) if part.isdigit() else None for part in parts[:2])
    return PathChange(os.fsdecode(parts[2]), added=added, removed=removed)


def _read_stamp(path: Path) -> Stamp:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
