"""Blocks for what an attempt did to the files, and for what has landed."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import DiffTaskResponse
from amplifier_swarm.v1.task_pb2 import Attempt, Change, ChangedFile, Task, TaskStatus
from swarmctl import text_format
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Cut, Heading, Prose, Table, cell, facts, prose

# A commit as git shows it in short.
SHORT: Final = 12
_FILES: Final = (
    Column(""),
    Column("FILE", flexible=True, cut=Cut.MIDDLE),
    Column("ADDED", right=True),
    Column("REMOVED", right=True),
)
_STYLES: Final = {"+": "green", "-": "red", "@": "cyan", "d": "bold", "i": "dim"}
_COMPLETED: Final = TaskStatus.TASK_STATUS_COMPLETED


def stat_blocks(answer: DiffTaskResponse) -> Blocks:
    """Returns the changed files."""
    change = answer.change
    blocks: list[Block] = [
        Heading(f"Attempt {answer.attempt}: {summary(change)}"),
        Table(_FILES, [_file_row(file) for file in change.files]),
    ]
    if len(change.files) < change.file_count:
        blocks.append(Prose(f"and {change.file_count - len(change.files):,} more files", "dim"))
    return blocks


def diff_command(change: Change) -> str:
    """Returns the command that shows the change in the repository."""
    # By the commits: the name of a ref may have characters that a shell obeys.
    return f"git diff {change.base} {change.head}"


def diff_blocks(answer: DiffTaskResponse) -> Blocks:
    """Returns the changed files and the patch; where the patch is too long to be stored, the command that shows it."""
    return [*stat_blocks(answer), *_patch_blocks(answer.change)]


def change_blocks(attempt: Attempt) -> Iterator[Block]:
    """Yields the size of an attempt's change, where it is kept, and how it landed."""
    if attempt.HasField("change"):
        change = attempt.change
        yield facts(
            ("changed", cell(summary(change))),
            ("kept as", cell(change.ref)),
            ("base", cell(change.base[:SHORT])),
            ("ignored by git", cell(", ".join(change.ignored))),
        )
    if attempt.HasField("landing"):
        found = ", found there" if attempt.landing.found else ""
        yield facts(("landed", cell(f"{attempt.landing.commit[:SHORT]} on {attempt.landing.target}{found}")))


def summary(change: Change) -> str:
    """Returns the number of files and lines."""
    added = sum(file.added for file in change.files)
    removed = sum(file.removed for file in change.files)
    return f"{text_format.plural(change.file_count, 'file')}, +{added:,} −{removed:,}"


def landed_blocks(tasks: Sequence[Task]) -> Iterator[Block]:
    """Yields, for each target, how much has landed and the command that takes it."""
    landed = [task.landed for task in tasks if task.status == _COMPLETED and task.HasField("landed")]
    for target, count in Counter(landing.target for landing in landed).items():
        commits = len({landing.commit for landing in landed if landing.target == target})
        tasks_text, commits_text = text_format.plural(count, "task"), text_format.plural(commits, "commit")
        text = f"{tasks_text} landed on {target} ({commits_text}). Take them: git merge --ff-only {shlex.quote(target)}"
        yield Prose(printable(text), indent=0)


def _file_row(file: ChangedFile) -> Sequence[Cell]:
    counted = file.HasField("added")
    return (
        cell(file.status),
        cell(file.path),
        cell(f"+{file.added:,}" if counted else "binary", "green"),
        cell(f"−{file.removed:,}" if counted else "", "red"),
    )


def _patch_blocks(change: Change) -> Iterator[Block]:
    if change.patch:
        # A patch holds what a session wrote: sequences that a terminal obeys among it.
        for line in change.patch.removesuffix("\n").split("\n"):
            yield Prose(printable(line), _STYLES.get(line[:1], ""), indent=0)
    elif change.file_count:
        yield prose(f"The patch is too long to be stored. In the repository: {diff_command(change)}")
