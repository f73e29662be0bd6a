"""The reasons why a task waits, and the one for which no connected worker may get it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmd.domain.budget import NOTHING
from swarmd.domain.definition import TaskDefinition
from swarmd.domain.landing import KeptWork
from swarmd.domain.model import WorkerIdentity
from swarmd.domain.placement import fits, lacking
from swarmd.domain.shared_budget import BudgetKind, raise_command
from swarmd.engine.dispatch.funds import Lack

# The most workers whose abilities are shown.
SHOWN_WORKERS: Final = 3


class ReasonKind(StrEnum):
    """The kinds of reasons; the wire contract says what each means."""

    ENDED = "ended"
    HELD = "held"
    DEPENDENCY = "dependency"
    BACKOFF = "backoff"
    PAUSED = "paused"
    STOPPED = "stopped"
    NO_WORKER = "no_worker"
    NO_LABEL = "no_label"
    NO_SLOT = "no_slot"
    RUNNER_PAUSED = "runner_paused"
    NAME_HELD = "name_held"
    LANDING = "landing"
    NO_CLONE = "no_clone"
    ON_HOLD = "on_hold"
    NOT_ENFORCED = "not_enforced"
    PROVIDER_LIMITED = "provider_limited"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why a task does not start, or does not go on."""

    kind: ReasonKind
    message: str
    task_ids: Sequence[str] = ()


def lack_reason(lack: Lack) -> Reason:
    """Returns why the budgets that a ready task shares keep it from starting."""
    budget = lack.budget
    ends = "the next day begins at 00:00 UTC, and " if budget.kind is BudgetKind.DAY else ""
    free = "what runs may leave some of it; " if budget.reserved != NOTHING else ""
    command = raise_command(budget.kind, budget.name)
    return Reason(ReasonKind.BUDGET, f"it waits for the {lack.text}; {free}{ends}`{command}` raises it")


def unfit(definition: TaskDefinition, workers: Sequence[WorkerIdentity], *, kept: KeptWork | None) -> Reason:
    """Returns why none of the workers may get the task.

    `kept` is the work that is to land, if a worker fits but for that.
    """
    if kept is not None:
        message = (
            f"the work of attempt {kept.attempt} is kept in {kept.repository}, and no worker of that repository that"
            " can land it is connected; start one there"
        )
        return Reason(ReasonKind.NO_CLONE, message)
    labelled = [identity for identity in workers if fits(identity, definition.labels)]
    if not labelled:
        wanted = ", ".join(f"{key}={value}" for key, value in definition.labels.items())
        return Reason(ReasonKind.NO_LABEL, f"no connected worker has the labels {wanted}")
    if any(not lacking(identity, definition) for identity in labelled):
        hint = "start one in a git repository, or with --repo"
        return Reason(ReasonKind.NO_CLONE, f"it needs a clone, and no worker that fits can make one; {hint}")
    shown = [
        f"{identity.name} can't enforce {', '.join(lacking(identity, definition))}"
        for identity in labelled[:SHOWN_WORKERS]
    ]
    more = f" and {len(labelled) - SHOWN_WORKERS} more" if len(labelled) > SHOWN_WORKERS else ""
    return Reason(
        ReasonKind.NOT_ENFORCED,
        f"no worker can enforce what it asks for: {'; '.join(shown)}{more}; `swarm-worker --check` says why",
    )
