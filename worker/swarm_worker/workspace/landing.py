"""The combination of a task's work with the tip of the target, made in the clone without touching files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from swarm_worker.workspace.clone import Clone, check_out
from swarm_worker.workspace.git_runner import GitCommands
from swarm_worker.workspace.snapshot import compose, shown

Style: TypeAlias = Literal["squash", "merge", "rebase"]
# With more commits than this, a rebase makes one commit of all: each costs up to four starts of git.
MAX_REBASED: Final = 50
MAX_CONFLICTS: Final = 100
_OWN_TRAILERS: Final = ("swarm-task:", "swarm-attempt:", "swarm-session:", "swarm-id:", "swarm-creation:")


class Combination(NamedTuple):
    """The work on top of the tip. `commit` is the tip itself if the work brings nothing new."""

    commit: str


class Conflict(NamedTuple):
    """The files that both sides changed, at most MAX_CONFLICTS, and the tasks whose landings changed them."""

    files: tuple[str, ...]
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LandingMessage:
    """The message of a landing: the text, and the trailers by which the landing is found again."""

    text: str
    trailers: Mapping[str, str]

    def encoded(self, text: str = "") -> bytes:
        """Returns the message, or the text of a commit of the session with the same trailers."""
        return compose(text or self.text, self.trailers)


async def combine(
    clone: Clone, base: str, head: str, tip: str, *, style: Style, message: LandingMessage
) -> Combination | Conflict:
    """Combines the work `base..head` with the tip of the target, which is in the source.

    Raises GitFailure.
    """
    git = clone.git
    start = await _read_start(git, base, head, tip)
    tree = start.work if tip == base else await _combined_tree(git, start, base, head, tip)
    if isinstance(tree, Conflict):
        return tree._replace(tasks=await _landed_tasks(git, base, tip, tree.files))
    if tree == start.target:
        return Combination(tip)
    if style != "squash" and not await _has_foreign_trailers(git, head, tip, message):
        if style == "merge":
            parents = ("-p", tip, "-p", head)
            return Combination(
                await git.text("commit-tree", tree, *parents, "-F", "-", stdin=message.encoded())
            )
        rebased = await _rebase(git, base, head, tip, message)
        if rebased and await git.text("rev-parse", f"{rebased}^{{tree}}") == tree:
            return Combination(rebased)
    return Combination(await git.text("commit-tree", tree, "-p", tip, "-F", "-", stdin=message.encoded()))


async def carry_over(clone: Clone, head: str) -> bool:
    """Applies the commits of an earlier attempt to a new clone; returns False, and changes nothing, if they conflict.

    Raises GitFailure.
    """
    git = clone.git
    found = await git.run("merge-base", head, clone.base, accepted=(0, 1))
    base = shown(found.stdout.strip())
    if found.code or base == head:
        return False
    carried = await _rebase(git, base, head, clone.base, None)
    if carried is None:
        return False
    await check_out(clone, carried)
    return True


class _Start(NamedTuple):
    """The trees of both sides, and whether the target still contains the base."""

    target: str
    work: str
    continued: bool


async def _read_start(git: GitCommands, base: str, head: str, tip: str) -> _Start:
    # The last line is the merge base. One git for all three: a landing makes others wait.
    text = await git.text("rev-parse", f"{tip}^{{tree}}", f"{head}^{{tree}}", f"{base}...{tip}")
    target, work, *rest = text.split("\n")
    return _Start(target, work, f"^{base}" in rest)


async def _combined_tree(git: GitCommands, start: _Start, base: str, head: str, tip: str) -> "str | Conflict":
    """Returns the tree of the three-way merge of both sides."""
    if not start.continued:
        # The target was rewritten. A merge would bring back what was removed from it, so the base is set by hand.
        tip, head = [await _stand_in(git, side, base) for side in (tip, head)]
    return await _merge(git, tip, head)


async def _stand_in(git: GitCommands, commit: str, parent: str) -> str:
    """Returns a commit with the same files and another parent, which makes that the base of a merge."""
    return await git.text("commit-tree", f"{commit}^{{tree}}", "-p", parent, "-m", "-")


async def _merge(git: GitCommands, ours: str, theirs: str) -> "str | Conflict":
    merge = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
    output = await git.run(*merge, accepted=(0, 1))
    tree, *names = output.stdout.split(b"\0")[:-1]
    if output.code == 0:
        return shown(tree)
    return Conflict(tuple(sorted({shown(name) for name in names}))[:MAX_CONFLICTS])


async def _landed_tasks(git: GitCommands, base: str, tip: str, files: Sequence[str]) -> tuple[str, ...]:
    """Returns the tasks whose landings between base and tip changed the files."""
    listing = (
        "--literal-pathspecs",
        "log",
        "--no-show-signature",
        "--format=%(trailers:key=Swarm-Task,valueonly)",
    )
    text = await git.text(*listing, f"{base}..{tip}", "--", *files)
    return tuple(dict.fromkeys(line for line in text.split("\n") if line))


async def _has_foreign_trailers(git: GitCommands, head: str, tip: str, message: LandingMessage) -> bool:
    """Returns whether a commit of the work names another task: on the target, it would pass for that task's landing."""
    listing = (
        "log",
        "--no-show-signature",
        "--format=%(trailers:key=Swarm-Task,valueonly)",
        f"{tip}..{head}",
    )
    named = {line for line in (await git.text(*listing)).split("\n") if line}
    return bool(named - {message.trailers.get("Swarm-Task", "")})


async def _rebase(
    git: GitCommands, base: str, head: str, onto: str, message: LandingMessage | None
) -> str | None:
    """Returns the last commit of the work applied to `onto`, commit by commit; None if one of them conflicts.

    A history with merges becomes one commit.
    """
    lines = (await git.text("rev-list", "--reverse", "--topo-order", "--parents", f"{base}..{head}")).split(
        "\n"
    )
    steps = [line.split(" ") for line in lines if line]
    if len(steps) > MAX_REBASED or any(len(step) != 2 for step in steps):
        steps = [[head, base]]
    for commit, parent in steps:
        tree = await _applied(git, commit, parent, onto)
        if tree is None:
            return None
        author, text = await _author_and_text(git, commit)
        written = message.encoded(text) if message else compose(text, {})
        onto = await git.with_env(**author).text("commit-tree", tree, "-p", onto, "-F", "-", stdin=written)
    return onto


async def _applied(git: GitCommands, commit: str, parent: str, onto: str) -> str | None:
    trees = (
        await git.text("rev-parse", f"{parent}^{{tree}}", f"{onto}^{{tree}}", f"{commit}^{{tree}}")
    ).split("\n")
    if trees[0] == trees[1]:
        return trees[2]
    sides = [await _stand_in(git, side, parent) for side in (onto, commit)]
    merged = await _merge(git, *sides)
    return None if isinstance(merged, Conflict) else merged


async def _author_and_text(git: GitCommands, commit: str) -> tuple[dict[str, str], str]:
    """Returns the author of a commit as variables, and its message without the swarm's trailers."""
    text = await git.text(
        "log", "-1", "--no-show-signature", "--format=%an%n%ae%n%ad%n%B", "--date=raw", commit
    )
    name, email, date, body = text.split("\n", 3)
    lines = (line for line in body.split("\n") if not line.lower().startswith(_OWN_TRAILERS))
    author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": date}
    return author, "\n".join(lines)
