"""Which worker may get a task, and in which workspace the task then runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.landing import StartPoint
from swarmd.domain.model import WorkerIdentity
from swarmd.domain.workspaces import WorkspaceKind

# A demand beside the labels, by a name that no label can have. So tasks that need a clone have label sets of their own.
CLONE_DEMAND: Final = ":clone"
# The repository that holds the work which is to land: a worker of another one would not find it.
WORK_DEMAND: Final = ":work"


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """Workers that are started and ended together, since they are alike."""

    # What each of them has; a label of its own sets the pool apart.
    labels: Mapping[str, str]
    slots: int
    # Tasks without labels count for the pool too.
    takes_unlabelled: bool = True
    makes_clones: bool = True

    def serves(self, demanded: Mapping[str, str]) -> bool:
        """Returns whether a task with these demands counts for the pool."""
        if CLONE_DEMAND in demanded and not self.makes_clones:
            return False
        # Other demands begin with a colon, as no label can.
        labels = {name: value for name, value in demanded.items() if not name.startswith(":")}
        return labels.items() <= self.labels.items() if labels else self.takes_unlabelled


def demands(definition: TaskDefinition, *, work_in: str = "") -> Mapping[str, str]:
    """Returns what a worker must have: the labels, CLONE_DEMAND for a task that needs a clone, and WORK_DEMAND.

    `work_in` is the repository of accepted work that is to land, empty if there is no such order.
    """
    if work_in:
        return {**definition.labels, CLONE_DEMAND: "", WORK_DEMAND: work_in}
    if definition.workspace is WorkspaceKind.CLONE:
        return {**definition.labels, CLONE_DEMAND: ""}
    return definition.labels


def fits(identity: WorkerIdentity, demanded: Mapping[str, str]) -> bool:
    """Returns whether the worker has everything that is demanded."""
    if CLONE_DEMAND not in demanded:
        return demanded.items() <= identity.labels.items()
    if (work_in := demanded.get(WORK_DEMAND)) is not None and not _lands_work_of(identity, work_in):
        return False
    rest = {name: value for name, value in demanded.items() if name not in (CLONE_DEMAND, WORK_DEMAND)}
    return makes_clones(identity) and rest.items() <= identity.labels.items()


def _lands_work_of(identity: WorkerIdentity, repository: str) -> bool:
    return StartPoint.LANDING in identity.starts and identity.repository == repository


def makes_clones(identity: WorkerIdentity) -> bool:
    """Returns whether the worker can give a task a clone."""
    return bool(identity.repository and identity.target)


def runs_in_clone(definition: TaskDefinition, identity: WorkerIdentity) -> bool:
    """Returns whether the task runs in a clone at that worker."""
    return makes_clones(identity) and (definition.workspace or identity.workspace) is WorkspaceKind.CLONE


def claimed_definition(definition: TaskDefinition, *, work_of: int) -> TaskDefinition:
    """Returns the definition by which an attempt works: an order to land overrules `land` and `workspace`."""
    return replace(definition, workspace=WorkspaceKind.CLONE, land=True) if work_of else definition


def must_land(definition: TaskDefinition) -> bool:
    """Returns whether the work of the task, done in a clone, counts only once it is on the target."""
    return definition.land is not False
