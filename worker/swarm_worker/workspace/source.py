"""The repository that clones are made from and work lands in: here a local one, whose checkout is the user's.

Invariant: nothing of the user's changes except the target branch and the refs below refs/swarm. The checkout changes
only where the target itself is checked out, and only while it is clean.
"""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Self

from swarm_worker.workspace.checkout import UserCheckout
from swarm_worker.workspace.git_runner import GitCommands, GitFailure, GitRunner
from swarm_worker.workspace.git_safety import current_environment
from swarm_worker.workspace.inspection import Inspection, choose_target, inspect_work_tree
from swarm_worker.workspace.ref_names import landing_ref, pin_ref
from swarm_worker.workspace.source_facts import SourceFacts, read_facts
from swarm_worker.workspace.source_refs import SourceRefs

# An attempt's ref is taken by another commit only if two workers ran the same attempt.
MAX_REFS_OF_AN_ATTEMPT: Final = 9


class MissingCommit(GitFailure):
    """A commit that a clone needs and the source has not."""


class MissingWork(GitFailure):
    """The accepted work that is to land, which is not in the source."""


class PublishResult(StrEnum):
    """The result of a compare-and-swap of the target."""

    DONE = "done"
    MOVED = "moved"  # the target is at another commit
    BLOCKED = "blocked"  # nothing was touched, and trying again changes nothing


class Publication(NamedTuple):
    """The result of a landing's last step, and the reason if it is BLOCKED."""

    result: PublishResult
    reason: str = ""


class Kept(NamedTuple):
    """The ref that keeps a commit, and a remark if it is not where it should be."""

    ref: str
    remark: str = ""


class TargetState(NamedTuple):
    """The target's commit, empty if the branch is absent, and the folder in which it is checked out, if any."""

    tip: str
    checkout: str = ""


def attempt_refs(ref: str) -> tuple[str, ...]:
    """Returns the refs that may keep an attempt's commit: its own, and further ones if other commits are there."""
    return (ref, *(f"{ref}.{number}" for number in range(2, MAX_REFS_OF_AN_ATTEMPT + 1)))


class SourceRepository:
    """A local repository. `target` is the branch on which work lands; empty means `swarm/BRANCH` after `inspect`."""

    def __init__(self, path: Path, target: str, runner: GitRunner) -> None:
        self.path = path
        self.target = target
        self.runner = runner
        self.git = GitCommands(runner, path, current_environment("file"))
        # Only one change of the refs at a time, so that slots of one worker do not meet each other's locks.
        self.lock: AbstractAsyncContextManager[object] = asyncio.Lock()
        self._facts: SourceFacts | None = None

    def with_runner(self, runner: GitRunner) -> Self:
        """Returns the same repository with another way to run git; both share one lock."""
        other = copy(self)
        other.runner = runner
        other.git = replace(self.git, runner=runner)
        return other

    @property
    def target_ref(self) -> str:
        return f"refs/heads/{self.target}"

    @property
    def origin(self) -> str:
        """The URL from which a session may fetch."""
        return str(self.path)

    async def facts(self) -> SourceFacts:
        """Returns what clones take over; read once. Raises GitFailure."""
        if self._facts is None:
            self._facts = await read_facts(self.git)
        return self._facts

    async def inspect(self) -> Inspection:
        """Returns whether clones can be made from the repository, and sets the default of `target`."""
        try:
            found = await inspect_work_tree(self.git, self.path)
            if not found.usable:
                return found
            self.target = choose_target(self.target, found.branch)
            facts = await self.facts()
        except (GitFailure, ValueError) as error:
            return Inspection(False, f"{self.path}: {error}")
        if facts.partial:
            return Inspection(
                False, f"{self.path} is a partial clone, so objects may be missing; make a full one"
            )
        return found

    async def ensure_target(self) -> str:
        """Creates the target at the checked-out commit, or moves it forward to that commit; returns its tip.

        A target with commits of its own stays, and so does one that is checked out. Raises GitFailure.
        """
        async with self.lock:
            head = await self.git.text("rev-parse", "--verify", "HEAD^{commit}")
            return await self._advance_target(head, await self.target_state())

    async def _advance_target(self, head: str, state: TargetState) -> str:
        if state.tip in {head, ""} or state.checkout:
            behind = not state.tip
        else:
            behind = await self.git.succeeds("merge-base", "--is-ancestor", state.tip, head)
        if not behind:
            return state.tip
        try:
            await self._move_target(head, state)
        except GitFailure:
            # Another worker was faster, or the name is taken by a folder of branches.
            found = await self.target_state()
            if found.tip in {"", state.tip}:
                raise
            return found.tip
        return head

    async def _move_target(self, head: str, state: TargetState) -> None:
        await (await self._refs()).write(self.target_ref, head, state.tip)

    async def target_state(self) -> TargetState:
        """Reads the target. Raises GitFailure."""
        line = await self.git.text("for-each-ref", "--format=%(objectname) %(worktreepath)", self.target_ref)
        tip, _, checkout = line.partition(" ")
        # The folder of a linked work tree may be gone; git lists it until it is pruned.
        there = bool(checkout) and await asyncio.to_thread(Path(checkout).is_dir)
        return TargetState(tip, checkout if there else "")

    async def fetch(self, needs: str = "") -> str:
        """Returns the tip of the target, whose history contains the commit `needs`.

        Raises:
            MissingCommit: the target has no such commit.
            GitFailure: git can't read the repository, or the target is absent.
        """
        contains = (f"--contains={needs}",) if needs else ()
        listing = ("for-each-ref", "--format=%(objectname)", *contains, self.target_ref)
        # 129: the commit is not in the repository.
        found = await self.git.run(*listing, accepted=(0, 129))
        if tip := os.fsdecode(found.stdout.strip()):
            return tip
        if not (await self.target_state()).tip:
            raise MissingCommit(f"{self.path} has no branch {self.target}")
        if not await self.has_commit(needs):
            raise MissingCommit(f"the commit {needs} of the last landing is not in {self.path}")
        raise MissingCommit(
            f"the branch {self.target} does not contain the last landing {needs}: somebody has moved it; "
            "move it back, or choose another --target"
        )

    async def has_commit(self, commit: str) -> bool:
        """Returns whether the commit is in the repository."""
        found = await self.git.run("cat-file", "-e", f"{commit}^{{commit}}", accepted=(0, 1, 128))
        return found.code == 0

    async def obtain(self, commit: str, ref: str) -> bool:
        """Returns whether a commit of an earlier attempt, kept under `ref`, is at hand."""
        return await self.has_commit(commit)

    async def pin(self, base: str, name: str) -> None:
        """Keeps the objects of a commit for a clone that borrows them. Raises GitFailure."""
        async with self.lock:
            await (await self._refs()).write(pin_ref(name), base)

    async def unpin(self, name: str) -> None:
        """Gives up the pins of a clone that is gone. Raises GitFailure."""
        async with self.lock:
            await (await self._refs()).delete(pin_ref(name), landing_ref(name))

    async def _refs(self) -> SourceRefs:
        return SourceRefs(self.git, (await self.facts()).git_dir)

    async def keep(self, objects_from: Path, commit: str, ref: str) -> Kept:
        """Brings a commit into the repository under a ref, or under a further one if another commit is there.

        `objects_from` is the git folder that has the commit. Raises GitFailure.
        """
        async with self.lock:
            lines = (
                await self.git.text("for-each-ref", "--format=%(objectname) %(refname)", ref, f"{ref}.*")
            ).split("\n")
            taken = {name: found for found, _, name in (line.partition(" ") for line in lines)}
            refs = await self._refs()
            for name in attempt_refs(ref):
                if taken.get(name) == commit or await refs.advance(objects_from, commit, name):
                    return Kept(name)
        raise GitFailure(
            f"{ref} and {MAX_REFS_OF_AN_ATTEMPT - 1} further refs hold other commits; remove some"
        )

    async def find_landed(
        self, task_id: str, swarm_id: str, since: str, tip: str, *, creation: str = ""
    ) -> str | None:
        """Returns the newest commit between `since` and `tip` with the task's trailers.

        An empty or unknown `since` means the whole history: there, only a commit of the same creation of the task
        counts. After a known `since`, one that names no creation counts too, since an older worker has made it.
        Without a `creation`, any does. Raises GitFailure.
        """
        trailers = "%x09".join(
            f"%(trailers:key={key},valueonly,separator=%x20)"
            for key in ("Swarm-Task", "Swarm-Id", "Swarm-Creation")
        )
        listing = (
            *("rev-list", "--no-commit-header", f"--format=%H%x09{trailers}", "--fixed-strings"),
            *(f"--grep=Swarm-Task: {task_id}", tip),
        )
        output = await self.git.run(*listing, *((f"^{since}",) if since else ()), "--", accepted=(0, 128))
        whole = not since or output.code != 0
        if output.code:
            output = await self.git.run(*listing, "--")
        creations = (creation,) if whole else (creation, "")
        for commit, *found in (line.split("\t") for line in os.fsdecode(output.stdout).split("\n")):
            if found[:2] == [task_id, swarm_id] and (not creation or found[2] in creations):
                return commit
        return None

    async def publish(self, objects_from: Path, old: str, new: str) -> Publication:
        """Moves the target from `old` to `new`, or not at all.

        Where the target is checked out, index and files follow if the checkout is clean. Raises GitFailure.
        """
        async with self.lock:
            state = await self.target_state()
            if state.tip != old:
                return Publication(PublishResult.MOVED)
            checkout = await self._checkout(state)
            if checkout and (reason := await checkout.obstacle(await self._changed(objects_from, old, new))):
                return Publication(PublishResult.BLOCKED, reason)
            # The ref keeps the new objects from a `git gc --prune=now` of the user until the target has them. It stays
            # as long as the clone: a deletion would need the lock of all packed refs, which others may hold.
            pin = landing_ref(objects_from.parent.name)
            await (await self._refs()).advance(objects_from, new, pin, force=True)
            return await (self._advance_checkout(checkout, new) if checkout else self._swap(old, new))

    async def _changed(self, objects_from: Path, old: str, new: str) -> bytes:
        """Returns the paths that a landing changes, whose new commit is only in the clone yet."""
        git = self.git.with_env(GIT_DIR=str(objects_from))
        return (await git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)).stdout

    async def _checkout(self, state: TargetState) -> UserCheckout | None:
        if not state.checkout:
            return None
        return UserCheckout(Path(state.checkout), self.target, self.runner, await self.facts())

    async def _swap(self, old: str, new: str) -> Publication:
        try:
            await (await self._refs()).write(self.target_ref, new, old)
        except GitFailure:
            tip = (await self.target_state()).tip
            if tip == old:
                raise
            # A git that was ended after the swap has swapped.
            return Publication(PublishResult.DONE if tip == new else PublishResult.MOVED)
        return Publication(PublishResult.DONE)

    async def _advance_checkout(self, checkout: UserCheckout, new: str) -> Publication:
        try:
            await checkout.advance(new)
        except GitFailure as failure:
            if (await self.target_state()).tip != new:
                return Publication(
                    PublishResult.BLOCKED, f"{checkout.path} can't follow {self.target}: {failure}"
                )
        return Publication(PublishResult.DONE)
