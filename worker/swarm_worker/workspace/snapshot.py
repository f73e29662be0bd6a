"""The work in a clone as a commit, and the way back to a commit after a validator or a check."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.workspace.clone import (
    Clone,
    check_out,
    give_index,
    reset_session_settings,
    set_head,
    write_session_folder,
)
from swarm_worker.workspace.git_locks import remove_locks
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.git_script import PATHSPEC

MAX_IGNORED: Final = 100
MAX_REMARKS: Final = 10
_LOST_FOLDER: Final = "the session spoiled or removed .git: its files are kept, its commits are not"


class WorkSnapshot(NamedTuple):
    """A session's work as a commit, which descends from the base.

    `uncommitted` is True if the worker made a commit of files that the session had not committed. `ignored` are new
    files and folders that git ignores, which are not in the commit. `remarks` are for the log, one line each.
    """

    head: str
    base: str
    uncommitted: bool
    ignored: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.head != self.base


async def snapshot(
    clone: Clone, message: str, trailers: Mapping[str, str], *, known: Sequence[str] = ()
) -> WorkSnapshot:
    """Commits whatever a session left, after its process tree has ended; what it committed itself stays as it is.

    No hook runs. `known` names ignored files that the worker itself put there. Raises GitFailure; then nothing of the
    session's work is lost.
    """
    remarks = await asyncio.to_thread(repair, clone)
    head = await _session_head(clone, remarks)
    git = clone.git
    # The entries of the worker's own index that stay equal keep their times, so unchanged files are not read again.
    await git.run("read-tree", "--reset", head)
    added = await git.run("add", "--all", "--ignore-errors", *PATHSPEC, accepted=(0, 1, 128))
    if added.code:
        remarks.extend(
            f"not taken: {line}" for line in added.stderr.splitlines() if line.startswith("error:")
        )
    remarks.extend(await _drop_repositories(clone, head))
    uncommitted = not await git.succeeds("diff-index", "--cached", "--quiet", head)
    if uncommitted:
        tree = await git.text("write-tree")
        text = compose(message, trailers)
        head = await git.text("commit-tree", tree, "-p", head, "-F", "-", stdin=text)
        await set_head(clone, head)
        await asyncio.to_thread(give_index, clone)
    return WorkSnapshot(
        head, clone.base, uncommitted, await _ignored(clone, known), tuple(remarks[:MAX_REMARKS])
    )


async def restore(clone: Clone, head: str) -> tuple[str, ...]:
    """Throws away what a validator or a check changed since `head` was checked out; returns the names of the files.

    Ignored files stay. Raises GitFailure.
    """
    remarks = await asyncio.to_thread(repair, clone)
    git = clone.git
    await git.run("read-tree", "--reset", head)
    listing = ("ls-files", "--modified", "--others", "--exclude-standard", "-z", *PATHSPEC)
    entries = (await git.run(*listing)).stdout.split(b"\0")[:-1]
    if entries:
        await git.run("clean", "-ffd", "--quiet", *PATHSPEC)
    moved = await _session_head(clone, remarks) != head
    if entries or moved:
        await check_out(clone, head)
    names = tuple(map(shown, entries))
    return (*names, *(("HEAD",) if moved else ()))


def repair(clone: Clone) -> list[str]:
    """Removes the locks of a killed git and replaces a git folder that is not one; returns what it did.

    Raises GitFailure if the work tree itself is gone.
    """
    if clone.work.is_symlink() or not clone.work.is_dir():
        raise GitFailure(f"the work tree {clone.work} is gone")
    # Only one git of the worker runs in a clone, so this lock is that of a git that its deadline ended.
    (clone.control / "index.lock").unlink(missing_ok=True)
    folder = clone.work / ".git"
    if folder.is_symlink() or not _is_git_folder(folder):
        _replace_folder(clone)
        return [_LOST_FOLDER]
    return [f"removed {name}, which a killed git had left" for name in remove_locks(folder)]


def compose(message: str, trailers: Mapping[str, str]) -> bytes:
    """Returns a commit message with the trailers as its last paragraph."""
    lines = (line.rstrip() for line in message.replace("\0", "").replace("\r", "").split("\n"))
    body = "\n".join(lines).strip() or "Work of a task"
    end = "\n".join(f"{name}: {' '.join(value.split())}" for name, value in trailers.items() if value)
    return f"{body}\n\n{end}\n".encode(errors="replace")


def shown(path: bytes) -> str:
    """Returns a path as text; bytes that are no UTF-8 are replaced."""
    return path.decode(errors="replace")


async def _session_head(clone: Clone, remarks: list[str]) -> str:
    """Returns the session's last commit; the base if it has none that descends from the base."""
    head = await _read_head(clone)
    if head is None:
        remarks.append("git could not read the settings of the session's clone: they were replaced")
        await asyncio.to_thread(reset_session_settings, clone)
        head = await _read_head(clone)
    if head is None:
        remarks.append(_LOST_FOLDER)
        await asyncio.to_thread(_replace_folder, clone)
        head = clone.base
    if head == clone.base:
        return head
    if head:
        related = await clone.git.run("merge-base", "--is-ancestor", clone.base, head, accepted=(0, 1, 128))
        if related.code == 0:
            return head
    remarks.append(
        "the session's branch does not descend from its base: its files are kept, its commits are not"
    )
    await set_head(clone, clone.base)
    return clone.base


async def _read_head(clone: Clone) -> str | None:
    """Returns the commit that the session has checked out, empty on an unborn branch, None if git can't read it."""
    found = await clone.session_git.run(
        "rev-parse", "--verify", "--quiet", "HEAD^{commit}", accepted=(0, 1, 128)
    )
    return None if found.code == 128 else os.fsdecode(found.stdout.strip())


def _replace_folder(clone: Clone) -> None:
    _remove(clone.work / ".git")
    write_session_folder(clone)
    give_index(clone)


async def _drop_repositories(clone: Clone, head: str) -> list[str]:
    """Takes repositories inside the work tree out of the index: of them git would only record a commit's name."""
    raw = (await clone.git.run("diff-index", "--cached", "--raw", "-z", "--no-renames", head)).stdout.split(
        b"\0"
    )[:-1]
    new = [
        name
        for entry, name in zip(raw[::2], raw[1::2], strict=False)
        if entry.split(b" ")[1] == b"160000" and not entry.startswith(b":160000")
    ]
    if not new:
        return []
    await clone.git.run("update-index", "--force-remove", "-z", "--stdin", stdin=b"\0".join([*new, b""]))
    return [f"{shown(name)} is a git repository of its own, so it is not part of the work" for name in new]


async def _ignored(clone: Clone, known: Sequence[str]) -> tuple[str, ...]:
    listing = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", *PATHSPEC)
    names = (shown(name) for name in (await clone.git.run(*listing)).stdout.split(b"\0")[:-1])
    skipped = {".swarm", *(name.strip("/") for name in known)}
    return tuple(name for name in names if name.rstrip("/") not in skipped)[:MAX_IGNORED]


def _is_git_folder(folder: Path) -> bool:
    return folder.is_dir() and (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
