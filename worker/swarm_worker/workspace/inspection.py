"""The question whether clones can be made from a repository, with the reason if not."""

import asyncio
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.workspace.git_runner import GitCommands
from swarm_worker.workspace.ref_names import is_branch_name
from swarm_worker.workspace.repository import has_repository

# `merge-tree --write-tree` came with it.
OLDEST_GIT: Final = (2, 38)
_VERSION: Final = re.compile(r"git version (\d+)\.(\d+)")


class Inspection(NamedTuple):
    """The use of a repository for clones: if not usable, the reason in one line. A detached HEAD has no `branch`."""

    usable: bool
    reason: str = ""
    head: str = ""
    branch: str = ""


async def inspect_work_tree(git: GitCommands, path: Path) -> Inspection:
    """Inspects a local repository, which has to be the top of a work tree with a commit. Raises GitFailure."""
    return await _git_obstacle(git) or await _place_obstacle(git, path) or await _read_head(git, path)


async def _git_obstacle(git: GitCommands) -> Inspection | None:
    reason = await too_old_git(git)
    return Inspection(False, reason) if reason else None


async def _place_obstacle(git: GitCommands, path: Path) -> Inspection | None:
    if not await asyncio.to_thread(has_repository, path):
        return Inspection(False, f"{path} is not in a git repository")
    kinds = (await git.text("rev-parse", "--is-bare-repository", "--is-inside-work-tree")).split()
    if kinds != ["false", "true"]:
        return Inspection(
            False, f"{path} is a bare repository or a .git folder, not a work tree; use it with --repo"
        )
    if prefix := await git.text("rev-parse", "--show-prefix"):
        return Inspection(
            False, f"{path} is the folder {prefix} of a larger work tree; pass the top of that tree"
        )
    return None


async def _read_head(git: GitCommands, path: Path) -> Inspection:
    head = await git.run("rev-parse", "--quiet", "--verify", "HEAD^{commit}", accepted=(0, 1))
    if head.code:
        return Inspection(False, f"{path} has no commit yet")
    branch = await git.run("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1))
    name = os.fsdecode(branch.stdout.strip()).removeprefix("refs/heads/")
    return Inspection(True, head=head.stdout.decode().strip(), branch=name)


def choose_target(target: str, branch: str) -> str:
    """Returns the target, by default `swarm/BRANCH`.

    Raises:
        ValueError: there is no default, or the name is not valid; the text says what to do.
    """
    if not target and not branch:
        raise ValueError("HEAD is detached, so no target follows from it; pass --target")
    chosen = target or f"swarm/{branch}"
    if not is_branch_name(chosen):
        raise ValueError(f"{chosen!r} is not a valid name of a branch; pass another --target")
    return chosen


async def too_old_git(git: GitCommands) -> str:
    """Returns why this git can't be used, empty if it can. Raises GitFailure."""
    text = await git.text("version")
    found = _VERSION.match(text)
    if found and (int(found[1]), int(found[2])) >= OLDEST_GIT:
        return ""
    return f"clones need git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer; this is {text}"
