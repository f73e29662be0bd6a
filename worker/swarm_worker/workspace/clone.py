"""A private clone for one task, which borrows the objects of its source and shares nothing that can be written.

Invariant: the worker's git never obeys a setting that a session could write. It runs with a git folder of its own
beside the work tree, `control`, which holds plain settings, its own index and the objects that it makes.
"""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.workspace.git_folder import GitFolder, write_git_folder, write_settings
from swarm_worker.workspace.git_runner import GitCommands, GitFailure
from swarm_worker.workspace.git_safety import current_environment
from swarm_worker.workspace.source import SourceRepository
from swarm_worker.workspace.source_facts import SourceFacts

NOTE: Final = "clone.json"
# Without a colon, which would make it a host for ssh.
NO_PUSH: Final = "no pushes from this clone (--session-push allows them)"
# The swarm's own state is never work.
OUR_EXCLUDES: Final = b"/.swarm/\n"
# Filters are programs that settings name, and these may come from anywhere. The last matching line counts.
NO_FILTERS: Final = b"\n* -filter\n"
# Settings of the user and of the machine are read once, by the source; see SourceFacts.
_OWN_SETTINGS_ONLY: Final = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Clone:
    """A clone below `folder`: sessions run in `work`; `base` is the commit that it started from."""

    folder: Path
    base: str
    source: SourceRepository
    facts: SourceFacts
    session_push: bool = False

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def control(self) -> Path:
        return self.folder / "control"

    @property
    def borrowed(self) -> tuple[Path, ...]:
        """The folders outside of `work` from which the session's git reads objects."""
        return (self.facts.objects, self.control / "objects")

    @property
    def index(self) -> Path:
        return self.control / "index"

    @cached_property
    def git(self) -> GitCommands:
        """The worker's git on the files of the clone."""
        env = {
            **current_environment("file"),
            **_OWN_SETTINGS_ONLY,
            "GIT_DIR": str(self.control),
            "GIT_WORK_TREE": str(self.work),
            "GIT_INDEX_FILE": str(self.index),
        }
        return GitCommands(self.source.runner, self.work, env)

    @cached_property
    def session_git(self) -> GitCommands:
        """The worker's git on the refs of the session's git folder, whose settings may be hostile: for refs only."""
        env = {
            **current_environment(),
            **_OWN_SETTINGS_ONLY,
            "GIT_DIR": str(self.work / ".git"),
            "GIT_WORK_TREE": str(self.work),
        }
        return GitCommands(self.source.runner, self.folder, env)


class MadeClone(NamedTuple):
    """A new clone, and what it can't offer, one line each."""

    clone: Clone
    remarks: tuple[str, ...] = ()


async def make_clone(
    source: SourceRepository, folder: Path, base: str, *, session_push: bool = False
) -> MadeClone:
    """Makes a clone at the base, whose objects stay pinned in the source until `source.unpin(folder.name)`.

    Raises:
        GitFailure: it could not be made; nothing of it is left.
        FileExistsError: the folder exists.
    """
    clone = Clone(folder, base, source, await source.facts(), session_push)
    await asyncio.to_thread(folder.mkdir, parents=True)
    try:
        await source.pin(base, folder.name)
        await asyncio.to_thread(_write_folders, clone)
        await clone.git.run("read-tree", "-u", "--reset", base)
        await asyncio.to_thread(give_index, clone)
        remarks = await _remarks(clone)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await source.unpin(folder.name)
        raise
    return MadeClone(clone, remarks)


async def open_clone(source: SourceRepository, folder: Path) -> Clone:
    """Opens a clone that an earlier worker made. Raises GitFailure if there is none."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        base, session_push = str(note["base"]), bool(note["session_push"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GitFailure(f"{folder} is not a complete workspace: {error}") from error
    return Clone(folder, base, source, await source.facts(), session_push)


async def check_out(clone: Clone, commit: str) -> None:
    """Sets index, files and branch of the clone to a commit; untracked files stay. Raises GitFailure."""
    await clone.git.run("read-tree", "--reset", "-u", commit)
    await set_head(clone, commit)
    await asyncio.to_thread(give_index, clone)


async def set_head(clone: Clone, commit: str) -> None:
    """Moves the branch that the session has checked out. Raises GitFailure."""
    await asyncio.to_thread(_write_alternates, clone)
    await clone.session_git.run("update-ref", "HEAD", commit)


def write_session_folder(clone: Clone) -> None:
    """Writes the git folder of the sessions, with the base on its branch."""
    write_git_folder(clone.work / ".git", _session_folder(clone))
    _write_alternates(clone)


def reset_session_settings(clone: Clone) -> None:
    """Replaces the settings of the session's git folder by those of a new clone."""
    write_settings(clone.work / ".git", _session_folder(clone))


def _session_folder(clone: Clone) -> GitFolder:
    source = clone.source
    settings = {
        **clone.facts.settings,
        "remote.origin.url": source.origin,
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
    }
    if not clone.session_push:
        settings["remote.origin.pushurl"] = NO_PUSH
    return GitFolder(
        clone.facts.object_format,
        bare=False,
        settings=settings,
        branch=source.target,
        head=clone.base,
        refs={f"refs/remotes/origin/{source.target}": clone.base},
        exclude=clone.facts.exclude + b"\n" + OUR_EXCLUDES,
        attributes=clone.facts.attributes,
        shallow=clone.facts.shallow,
    )


def give_index(clone: Clone) -> None:
    """Copies the worker's index to the session's place: the files and their times are the same."""
    target = clone.work / ".git" / "index"
    copy = clone.control / "index.copy"
    shutil.copyfile(clone.index, copy)
    copy.replace(target)


def _write_folders(clone: Clone) -> None:
    clone.work.mkdir()
    control = GitFolder(
        clone.facts.object_format,
        bare=True,
        # A fetch into the source may ask for any commit.
        settings={**clone.facts.settings, "uploadpack.allowAnySHA1InWant": "true"},
        branch="unused",
        exclude=clone.facts.exclude + b"\n" + OUR_EXCLUDES,
        attributes=clone.facts.attributes + NO_FILTERS,
        shallow=clone.facts.shallow,
        alternates=(clone.facts.objects, clone.work / ".git" / "objects"),
    )
    write_git_folder(clone.control, control)
    write_session_folder(clone)
    note = {"base": clone.base, "session_push": clone.session_push}
    (clone.folder / NOTE).write_text(json.dumps(note) + "\n", encoding="utf-8")


def _write_alternates(clone: Clone) -> None:
    """Lets the session's git read the source's objects and the worker's; a session may have changed the file."""
    GitFolder.write_alternates(clone.work / ".git", (clone.facts.objects, clone.control / "objects"))


async def _remarks(clone: Clone) -> tuple[str, ...]:
    entries = (await clone.git.run("ls-files", "--stage", "-z")).stdout.split(b"\0")[:-1]
    modules = sum(entry.startswith(b"160000 ") for entry in entries)
    lists = [entry.split(b"\t", 1)[1] for entry in entries if entry.endswith(b".gitattributes")]
    remarks = []
    if modules:
        remarks.append(
            f"submodules stay empty ({modules}): `setup:` may fetch them, but changes in them do not land"
        )
    uses_filters = await asyncio.to_thread(_names_filters, clone.work, lists)
    if clone.facts.filters and uses_filters:
        names = ", ".join(sorted(clone.facts.filters))
        remarks.append(
            f"the filters {names} do not run: such files stay as they are stored, for git-lfs as pointers"
        )
    if clone.facts.shallow:
        remarks.append("the repository is shallow, so older commits are missing here too")
    return tuple(remarks)


def _names_filters(work: Path, lists: list[bytes]) -> bool:
    for name in lists:
        path = work / os.fsdecode(name)
        if path.is_file() and not path.is_symlink() and b"filter=" in path.read_bytes():
            return True
    return False
