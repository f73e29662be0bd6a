"""The work that a validator judges, compared before and after it. In all runners, a validator can write by its shell.

Invariant: a PASS counts only if the files of the task are as they were when its validator started. Otherwise the
verdict is about a mixture of the builder's work and the validator's own, so the work as it is now is judged again.

Nothing is undone: sessions and people share the work tree, and the last write may be a person's. Files that the checks
write by themselves are not compared, since a validator that runs tests writes them too.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from swarm_worker.domain.model import BuilderResult, Failure, FailureClass, Outcome, OutcomeKind
from swarm_worker.workspace.changes import (
    MAX_FILES,
    FileState,
    Snapshot,
    changes_since,
    read_states,
    same_content,
    take_snapshot,
)
from swarm_worker.workspace.git import GuardedProgram

# A validator that writes each time would cost a run each time.
JUDGEMENTS: Final = 3
NAMES_SHOWN: Final = 10
_SHARED: Final = "by it, or by another session or a person in this work tree"


@dataclass(slots=True)
class JudgedWork:
    """The files of one task: `paths` are relative to the root; folders are not compared, since tests write in them."""

    root: Path
    paths: Sequence[str]
    run: GuardedProgram
    _states: dict[str, FileState | None] = field(default_factory=dict)
    _volatile: set[str] = field(default_factory=set)
    _tree: Snapshot | None = None
    # The files of the task that changed during each validator that ended with a verdict.
    _judged: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def must_judge_again(self) -> bool:
        """Returns whether the last validator's PASS is none, and another validator may help."""
        return bool(self._judged and self._judged[-1]) and len(self._judged) < JUDGEMENTS

    async def record_before_checks(self) -> None:
        """Records the files before checks run."""
        self._states = await self._read()

    async def record_before_validator(self) -> None:
        """Records the project; what the checks have changed since `record_before_checks` is not compared."""
        before, self._states = self._states, await self._read()
        self._volatile |= set(_changed(before, self._states))
        self._tree = await take_snapshot(self.root, (), self.run)

    async def compare_after_validator(self) -> Sequence[str]:
        """Compares the project with what was recorded last; returns a line for the log for each kind of changes."""
        assert self._tree is not None
        before, self._states = self._states, await self._read()
        judged = tuple(name for name in _changed(before, self._states) if name not in self._volatile)
        tree = (await changes_since(self._tree, self.run)).tree
        others = () if tree is None else tuple(change.path for change in tree.paths)
        self._judged.append(judged)
        kinds = (
            ("files of the task", judged),
            ("other files", tuple(name for name in others if name not in judged)),
        )
        return [
            f"{kind} changed while the validator ran, {_SHARED}: {_names(names)}"
            for kind, names in kinds
            if names
        ]

    def outcome(self, outcome: Outcome) -> Outcome:
        """Returns the outcome after the last validator, which says what changed during the validators."""
        last = self._judged[-1] if self._judged else ()
        names = tuple(dict.fromkeys(name for names in self._judged for name in names))
        if outcome.kind is OutcomeKind.COMPLETED and last:
            error = (
                f"the validator gave no verdict that counts: in {len(self._judged)} runs, files that it judged "
                f"changed, {_SHARED}: {_names(last)}; look at its log, then accept the task or retry it"
            )
            failure = Failure(FailureClass.NO_VERDICT, error)
            return replace(outcome, kind=OutcomeKind.FAILED, failure=failure, verdict=None)
        if not names:
            return outcome
        note = f"files of the task changed while a validator ran, {_SHARED}: {_names(names)}"
        if outcome.kind is OutcomeKind.COMPLETED and outcome.verdict is not None:
            summary = f"{outcome.verdict.summary} ({note}; the work was judged again as it is now)".lstrip()
            return replace(outcome, verdict=replace(outcome.verdict, summary=summary))
        if outcome.failure is not None:
            return replace(
                outcome, failure=replace(outcome.failure, error=f"{outcome.failure.error}; {note}")
            )
        return outcome

    async def _read(self) -> dict[str, FileState | None]:
        files = _without_folders(self.root, self.paths[:MAX_FILES])
        return dict(zip(files, await read_states(self.root, files), strict=True))


def judged_paths(declared: Sequence[str], claimed: BuilderResult | None) -> tuple[str, ...]:
    """Returns the files that the task declares or its builder reports; both name files that no other task owns."""
    reported = () if claimed is None else (*claimed.files_created, *claimed.files_modified)
    inside = (name for name in reported if not Path(name).is_absolute() and ".." not in Path(name).parts)
    return tuple(dict.fromkeys((*declared, *inside)))


def _without_folders(root: Path, names: Sequence[str]) -> list[str]:
    """Returns the names that are no folders; unlike Path.is_dir, it takes names that no file can have."""
    return [name for name in names if not os.path.isdir(root / name)]  # noqa: PTH112  # see the docstring


def _changed(before: dict[str, FileState | None], now: dict[str, FileState | None]) -> list[str]:
    return [name for name, state in before.items() if name in now and not same_content(state, now[name])]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown
