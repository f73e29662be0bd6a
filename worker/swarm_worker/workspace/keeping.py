"""The workspaces of a worker on its disk: ignored folders that are carried into them, their list, their removal."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.workspace.clone import Clone, open_clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.source import SourceRepository

COPY_TIMEOUT_S: Final = 600.0
_END: Final = "end.json"
_DOOMED: Final = ".removed-"


class WorkspaceState(StrEnum):
    """The state of a workspace, which decides whether it may be removed."""

    LEASED = "leased"  # an attempt uses it
    LANDED = "landed"  # its work is on the target, and nothing was changed since
    KEPT = "kept"  # a ref in the source keeps its work, and nothing was changed since
    UNMERGED = "unmerged"  # it has commits that nothing else keeps
    DIRTY = "dirty"  # it has uncommitted files
    BROKEN = "broken"  # git can't read it


class WorkspaceEntry(NamedTuple):
    """A workspace: its size in bytes, and its age in seconds since the end of its last attempt."""

    folder: Path
    state: WorkspaceState
    size: int
    age_s: float


async def carry_folders(names: Sequence[str], origin: Path, clone: Clone) -> tuple[str, ...]:
    """Copies ignored folders and files into a clone, by reflink where the disk can; returns remarks, one line each.

    `origin` is the project root or the work tree of the task's last workspace. Names are relative paths inside it.
    """
    found = [(name, await _carry(name, origin, clone.work)) for name in names]
    return tuple(f"keep: {name} {why}" for name, why in found if why)


async def _carry(name: str, origin: Path, work: Path) -> str:
    """Returns why a path was not carried over, empty if it was."""
    source, target = origin / name, work / name
    if why := await asyncio.to_thread(_path_fault, name, source, target):
        return why
    for root, path in ((origin, source), (work, target)):
        # A link on the way would read or write outside.
        if not await asyncio.to_thread(_is_inside, path.parent, root):
            return "leads out of the project"
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    if why := await _copy(source, target):
        await asyncio.to_thread(_delete, target)
        return f"was not copied: {why}"
    return ""


def _path_fault(name: str, source: Path, target: Path) -> str:
    path = Path(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or ".git" in path.parts:
        return "is not a relative path inside the project"
    if not os.path.lexists(source):
        return "is not there"
    if os.path.lexists(target):
        return "is in the workspace already, so the copy of the project stays out"
    return ""


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


async def _copy(source: Path, target: Path) -> str:
    """Returns why the copy failed, empty if it did not; nothing runs on after a timeout or a cancellation."""
    # cp and not shutil: it makes reflinks, and copies a folder of packages several times faster.
    command = ("cp", "--archive", "--reflink=auto", "--no-target-directory", "--", str(source), str(target))
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        return str(error)
    try:
        async with asyncio.timeout(COPY_TIMEOUT_S):
            _, errors = await process.communicate()
    except TimeoutError:
        return f"it took longer than {COPY_TIMEOUT_S:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return errors.decode(errors="replace").split("\n")[0] if process.returncode else ""


async def record_end(clone: Clone, head: str, *, landed: bool) -> None:
    """Records that the work up to `head` is safe elsewhere: on the target, or under a ref of the source."""
    text = json.dumps({"head": head, "landed": landed}) + "\n"
    await asyncio.to_thread((clone.folder / _END).write_text, text, encoding="utf-8")


async def list_workspaces(
    source: SourceRepository, folder: Path, leased: Collection[str] = ()
) -> tuple[WorkspaceEntry, ...]:
    """Returns the workspaces below a folder, the oldest first; `leased` names those that attempts use."""
    found = []
    for each in await asyncio.to_thread(_folders, folder):
        state = WorkspaceState.LEASED if each.name in leased else await _state(source, each)
        size, age_s = await asyncio.to_thread(_size_and_age, each)
        found.append(WorkspaceEntry(each, state, size, age_s))
    return tuple(sorted(found, key=lambda entry: -entry.age_s))


async def remove_workspace(source: SourceRepository, folder: Path, leased: Collection[str] = ()) -> str:
    """Removes a workspace whose work is safe elsewhere, and its pin; returns why it stays, empty if it is gone.

    Raises GitFailure if the pin can't be removed.
    """
    state = WorkspaceState.LEASED if folder.name in leased else await _state(source, folder)
    if state not in {WorkspaceState.LANDED, WorkspaceState.KEPT}:
        return f"{folder} stays: it is {state}"
    await discard_workspace(source, folder)
    return ""


async def discard_workspace(source: SourceRepository, folder: Path) -> None:
    """Removes a workspace, whatever is in it, and its pin. Raises GitFailure if the pin can't be removed."""
    doomed = folder.with_name(f"{_DOOMED}{folder.name}")
    # A removal that is interrupted leaves no half of a workspace behind.
    await asyncio.to_thread(folder.rename, doomed)
    await source.unpin(folder.name)
    await asyncio.to_thread(_delete, doomed)


async def remove_leftovers(source: SourceRepository, folder: Path) -> None:
    """Finishes removals that were interrupted. Raises GitFailure if a pin can't be removed."""
    for each in await asyncio.to_thread(lambda: list(folder.glob(f"{_DOOMED}*"))):
        await source.unpin(each.name.removeprefix(_DOOMED))
        await asyncio.to_thread(_delete, each)


async def _state(source: SourceRepository, folder: Path) -> WorkspaceState:
    try:
        clone = await open_clone(source, folder)
        return await _clone_state(clone)
    except GitFailure:
        return WorkspaceState.BROKEN


async def _clone_state(clone: Clone) -> WorkspaceState:
    """Compares the files with the commit that is safe elsewhere: the base, or the one that `record_end` named."""
    head, landed = await asyncio.to_thread(_read_end, clone)
    session = await clone.session_git.text("rev-parse", "--verify", "HEAD^{commit}")
    # No attempt uses the clone, so the lock is that of a git that was killed.
    await asyncio.to_thread((clone.control / "index.lock").unlink, missing_ok=True)
    await clone.git.run("read-tree", "--reset", session)
    listing = ("ls-files", "--modified", "--others", "--exclude-standard", "-z")
    if (await clone.git.run(*listing)).stdout:
        return WorkspaceState.DIRTY
    if session == head:
        return WorkspaceState.LANDED if landed else WorkspaceState.KEPT
    return WorkspaceState.KEPT if session == clone.base else WorkspaceState.UNMERGED


def _read_end(clone: Clone) -> tuple[str, bool]:
    try:
        end = json.loads((clone.folder / _END).read_text(encoding="utf-8"))
        return str(end["head"]), end["landed"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return "", False


def _folders(folder: Path) -> list[Path]:
    try:
        entries = [each for each in folder.iterdir() if not each.name.startswith(_DOOMED)]
    except FileNotFoundError:
        return []
    return [each for each in entries if each.is_dir() and not each.is_symlink()]


def _size_and_age(folder: Path) -> tuple[int, float]:
    size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                # Blocks, since a sparse or a cloned file takes less than its length.
                size += os.lstat(os.path.join(where, name)).st_blocks * 512  # noqa: PTH118
            except OSError:
                continue
    marker = folder / _END
    changed = (marker if marker.exists() else folder).stat().st_mtime
    return size, max(0.0, time.time() - changed)


def _delete(path: Path) -> None:
    """Removes a file or folder, also one with folders that are not writable, as package managers make them."""
    if path.is_dir() and not path.is_symlink():
        for where, _, _ in os.walk(path):
            Path(where).chmod(0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
