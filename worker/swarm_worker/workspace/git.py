"""Asks git what changed in a project's work tree. Its one rule: git may be slow, absent or hostile, and harms nobody.

A repository's own settings can name programs for git to run, and sessions can write them: those that can
be switched off are, nothing is locked, and whatever is left of a git at its deadline is killed.
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
# Beyond this many uncommitted files, what was so before is not told from what is new.
DIRTY: Final = 5_000
HARMLESS: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    # Else diff would lock the index, and a session's own git would fail at that moment.
    *("-c", "diff.autoRefreshIndex=false"),
)
# Our own state is no work of a session.
WHERE: Final = ("--", ".", ":(exclude).swarm")
STATUS: Final = (
    *("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"),
    *("--ignore-submodules=dirty", *WHERE),
)

# Size and time of a file, None where there is none: enough to see whether it was touched since.
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree at one moment: its commit, and what was not committed, by path from the project root."""

    commit: str
    dirty: Mapping[str, Stamp]
    untracked: frozenset[str] = frozenset()
    # There is more than was looked at.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class PathChange:
    """One changed file; `added` and `removed` are lines, None where git counts none, as in binary files."""

    path: str
    new: bool = False
    gone: bool = False
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class TreeChanges:
    """What differs from the work tree before; `commit` is where it stood then."""

    commit: str
    paths: tuple[PathChange, ...] = ()
    committed: bool = False
    # Some are missing, or some of these are older than the attempt.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in a project until a deadline of the loop's clock, beyond which nothing is learnt."""

    root: Path
    deadline: float
    env: Mapping[str, str] = field(default_factory=lambda: _environment(os.environ))

    async def tree(self) -> WorkTree | None:
        """The work tree now; None if the project is in none, is ignored by it, or git can't tell."""
        if not _may_be_in_one(self.root):
            return None
        prefix = await self._line("rev-parse", "--show-prefix")
        if prefix is None or await self._line("check-ignore", "-q", ".") is not None:
            return None
        commit = await self._line("rev-parse", "-q", "--verify", "HEAD^{commit}")
        commit = commit or await self._line("hash-object", "-t", "tree", "/dev/null")
        said = await self._run(*STATUS)
        if not commit or said is None:
            return None
        return _tree(self.root, commit, os.fsencode(prefix), said)

    async def changes(self, before: WorkTree) -> TreeChanges | None:
        """What differs from the work tree before; None if git can't tell any more."""
        now = await self.tree()
        said = await self._run(
            *("diff", "--numstat", "-z", "--no-renames", "--relative", "--no-ext-diff", "--no-textconv"),
            *("--ignore-submodules=dirty", before.commit, *WHERE),
        )
        if now is None or said is None:
            return None
        return _changes(self.root, before, now, said)

    async def _line(self, *args: str) -> str | None:
        """What a command prints, None if it fails or could not be run."""
        said = await self._run(*args)
        return None if said is None else os.fsdecode(said.removesuffix(b"\n"))

    async def _run(self, *args: str) -> bytes | None:
        # A file takes what git prints: no pipe can be held open by something that outlives it.
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *("git", "--no-pager", *HARMLESS, *args),
                    cwd=self.root,
                    env=self.env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.DEVNULL,
                    process_group=0,
                )
            except (OSError, ValueError):
                return None
            if not await _ended_well(process, self.deadline):
                return None
            output.seek(0)
            return output.read(OUTPUT_BYTES)


async def _ended_well(process: asyncio.subprocess.Process, deadline: float) -> bool:
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


def _may_be_in_one(root: Path) -> bool:
    """Whether git could find a repository here: where there is none, starting it costs more than a session's start."""
    place = root.resolve()
    return any((folder / ".git").exists() for folder in (place, *place.parents))


def _environment(own: Mapping[str, str]) -> Mapping[str, str]:
    kept = {name: own[name] for name in ("PATH", "HOME", "TMPDIR") if name in own}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _tree(root: Path, commit: str, prefix: bytes, status: bytes) -> WorkTree:
    """Reads `XY path` entries; a last one without its NUL was cut off."""
    entries = status.split(b"\0")[:-1]
    marks = {os.fsdecode(entry[3:].removeprefix(prefix)): entry[:2] for entry in entries[:DIRTY]}
    return WorkTree(
        commit,
        {path: _stamp(root / path) for path in marks},
        frozenset(path for path, mark in marks.items() if mark == b"??"),
        cut=len(entries) > DIRTY or len(status) == OUTPUT_BYTES,
    )


def _changes(root: Path, before: WorkTree, now: WorkTree, numstat: bytes) -> TreeChanges:
    """All that git lists, less what stood there in the same way before."""
    committed = before.commit != now.commit
    counted = (change for change in map(_counted, numstat.split(b"\0")[:-1]) if change is not None)
    # diff also lists what was only touched; status knows better.
    found = {change.path: change for change in counted if committed or change.path in now.dirty}
    found |= {path: PathChange(path, new=True) for path in now.untracked}
    # What was uncommitted before and is listed no more has been undone or removed.
    found |= {path: PathChange(path) for path in before.dirty if path not in found and path not in now.dirty}
    paths = []
    for path, change in sorted(found.items()):
        stamp = _stamp(root / path)
        if path in before.dirty and before.dirty[path] == stamp:
            continue
        paths.append(
            PathChange(
                path, change.new and path not in before.dirty, stamp is None, change.added, change.removed
            )
        )
    cut = before.cut or now.cut or len(numstat) == OUTPUT_BYTES
    return TreeChanges(before.commit, tuple(paths), committed=committed, cut=cut)


def _counted(entry: bytes) -> PathChange | None:
    """An entry `added TAB removed TAB path`; both are `-` for a binary file."""
    parts: Sequence[bytes] = entry.split(b"\t", 2)
    if len(parts) != 3:
        return None
    added, removed = (int(part) if part.isdigit() else None for part in parts[:2])
    return PathChange(os.fsdecode(parts[2]), added=added, removed=removed)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
