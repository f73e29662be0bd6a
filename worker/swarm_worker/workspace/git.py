"""The changes in a project's git work tree. Invariant: a slow, missing or hostile git never harms an attempt.

A repository's settings can name programs that git runs, and sessions can write these settings. The settings that can
be overridden are; nothing is locked; at the deadline git's process group is killed.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

OUTPUT_BYTES: Final = 1024 * 1024
# With more uncommitted files than this, older changes are not distinguished from new ones.
MAX_DIRTY: Final = 5_000
SAFE_CONFIG: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    # Otherwise diff locks the index, and a session's own git fails at that moment.
    *("-c", "diff.autoRefreshIndex=false"),
)
# The swarm's own state is not a session's work.
PATHSPEC: Final = ("--", ".", ":(exclude).swarm")
STATUS_ARGS: Final = (
    *("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"),
    *("--ignore-submodules=dirty", *PATHSPEC),
)

# The size and time of a file, None if it is absent: they show whether the file was touched.
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree at one moment: its commit, and the uncommitted files by their path from the project root."""

    commit: str
    dirty: Mapping[str, Stamp]
    untracked: frozenset[str] = frozenset()
    # True if the list of uncommitted files is not complete.
    cut: bool = False


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
    """A runner of git commands in a project; `deadline` is a time of the loop's clock, after which git is killed."""

    root: Path
    deadline: float
    env: Mapping[str, str] = field(default_factory=lambda: _environment(os.environ))

    async def work_tree(self) -> WorkTree | None:
        """Reads the work tree; None if the project is not in one, is ignored by it, or git fails."""
        if not _has_repository(self.root):
            return None
        prefix = await self._read_line("rev-parse", "--show-prefix")
        if prefix is None or await self._read_line("check-ignore", "-q", ".") is not None:
            return None
        commit = await self._read_line("rev-parse", "-q", "--verify", "HEAD^{commit}")
        commit = commit or await self._read_line("hash-object", "-t", "tree", "/dev/null")
        status = await self._run(*STATUS_ARGS)
        if not commit or status is None:
            return None
        return _parse_status(self.root, commit, os.fsencode(prefix), status)

    async def changes_since(self, before: WorkTree) -> TreeChanges | None:
        """Returns the difference to an earlier work tree; None if git fails."""
        now = await self.work_tree()
        numstat = await self._run(
            *("diff", "--numstat", "-z", "--no-renames", "--relative", "--no-ext-diff", "--no-textconv"),
            *("--ignore-submodules=dirty", before.commit, *PATHSPEC),
        )
        if now is None or numstat is None:
            return None
        return _compare_trees(self.root, before, now, numstat)

    async def _read_line(self, *args: str) -> str | None:
        """Returns the output of a command without its newline; None if the command fails."""
        output = await self._run(*args)
        return None if output is None else os.fsdecode(output.removesuffix(b"\n"))

    async def _run(self, *args: str) -> bytes | None:
        # The output goes to a file: a process that outlives git could hold a pipe open.
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *("git", "--no-pager", *SAFE_CONFIG, *args),
                    cwd=self.root,
                    env=self.env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.DEVNULL,
                    process_group=0,
                )
            except (OSError, ValueError):
                return None
            if not await _wait_success(process, self.deadline):
                return None
            output.seek(0)
            return output.read(OUTPUT_BYTES)


async def _wait_success(process: asyncio.subprocess.Process, deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(deadline):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _has_repository(root: Path) -> bool:
    """Returns whether a `.git` is in the folder or above it.

    Performance: without a repository, starting git costs more than starting a session (docs/performance.md).
    """
    folder = root.resolve()
    return any((above / ".git").exists() for above in (folder, *folder.parents))


def _environment(own: Mapping[str, str]) -> Mapping[str, str]:
    kept = {name: own[name] for name in ("PATH", "HOME", "TMPDIR") if name in own}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _parse_status(root: Path, commit: str, prefix: bytes, status: bytes) -> WorkTree:
    """Parses `XY path` entries; a last entry without its NUL was cut off and is dropped."""
    entries = status.split(b"\0")[:-1]
    codes = {os.fsdecode(entry[3:].removeprefix(prefix)): entry[:2] for entry in entries[:MAX_DIRTY]}
    return WorkTree(
        commit,
        {path: _read_stamp(root / path) for path in codes},
        frozenset(path for path, code in codes.items() if code == b"??"),
        cut=len(entries) > MAX_DIRTY or len(status) == OUTPUT_BYTES,
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
    cut = before.cut or now.cut or len(numstat) == OUTPUT_BYTES
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
