"""Which worker may get a task, and in which workspace the task then runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.model import WorkerIdentity
from swarmd.domain.workspaces import WorkspaceKind

# A demand beside the labels, by a name that no label can have. So tasks that need a clone have label sets of their own.
CLONE_DEMAND: Final = ":clone"


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
        labels = {name: value for name, value in demanded.items() if name != CLONE_DEMAND}
        if len(labels) < len(demanded) and not self.makes_clones:
            return False
        return labels.items() <= self.labels.items() if labels else self.takes_unlabelled


def demands(definition: TaskDefinition) -> Mapping[str, str]:
    """Returns what a worker must have: the labels, and CLONE_DEMAND for a task that needs a clone."""
    if definition.workspace is WorkspaceKind.CLONE:
        return {**definition.labels, CLONE_DEMAND: ""}
    return definition.labels


def fits(identity: WorkerIdentity, demanded: Mapping[str, str]) -> bool:
    """Returns whether the worker has everything that is demanded."""
    if CLONE_DEMAND not in demanded:
        return demanded.items() <= identity.labels.items()
    rest = {name: value for name, value in demanded.items() if name != CLONE_DEMAND}
    return makes_clones(identity) and rest.items() <= identity.labels.items()


def makes_clones(identity: WorkerIdentity) -> bool:
    """Returns whether the worker can give a task a clone."""
    return bool(identity.repository and identity.target)


def runs_in_clone(definition: TaskDefinition, identity: WorkerIdentity) -> bool:
    """Returns whether the task runs in a clone at that worker."""
    return makes_clones(identity) and (definition.workspace or identity.workspace) is WorkspaceKind.CLONE


def must_land(definition: TaskDefinition) -> bool:
    """Returns whether the work of the task, done in a clone, counts only once it is on the target."""
    return definition.land is not False
