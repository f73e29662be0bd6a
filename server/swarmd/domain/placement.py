"""Which worker may get a task, and in which workspace the task then runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.definition import TaskDefinition
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.model import WorkerIdentity
from swarmd.domain.sandbox import NetworkAccess, SandboxKind
from swarmd.domain.workspaces import RetryFrom, WorkspaceKind

# Demands beside the labels have names that no label can have. So tasks with equal demands share a label set.
_MARK: Final = ":"
CLONE_DEMAND: Final = ":clone"
# The repository that holds the work which is to land: a worker of another one would not find it.
WORK_DEMAND: Final = ":work"
# Where the attempt starts, if it judges work that is there; and the project root, if that work lies there.
START_DEMAND: Final = ":start"
ROOT_DEMAND: Final = ":root"
SANDBOX_DEMAND: Final = ":sandbox"
NETWORK_DEMAND: Final = ":network"
MEMORY_DEMAND: Final = ":memory"
CPUS_DEMAND: Final = ":cpus"
PIDS_DEMAND: Final = ":pids"


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
        labels = {name: value for name, value in demanded.items() if not name.startswith(_MARK)}
        return labels.items() <= self.labels.items() if labels else self.takes_unlabelled


def demands(
    definition: TaskDefinition, *, work_in: str = "", starts_at: StartPoint = StartPoint.BUILDER
) -> Mapping[str, str]:
    """Returns what a worker must have: the labels, and demands for the clone, the work, the sandbox and each limit.

    `work_in` is the repository of work with which the attempt starts; empty if there is none, or if that work lies in
    the project root.
    """
    found = {**definition.labels, **enforcement_demands(definition)}
    if starts_at in JUDGING:
        found[START_DEMAND] = starts_at.value
        if not work_in and definition.workspace is None:
            found[ROOT_DEMAND] = ""
    if work_in:
        return {**found, CLONE_DEMAND: "", WORK_DEMAND: work_in}
    if definition.workspace is WorkspaceKind.CLONE or definition.approve is ApprovalPoint.BEFORE_LANDING:
        found[CLONE_DEMAND] = ""
    return found


def enforcement_demands(definition: TaskDefinition) -> Mapping[str, str]:
    """Returns what a worker must be able to enforce."""
    found = {}
    if definition.sandbox is not None:
        found[SANDBOX_DEMAND] = definition.sandbox.value
    if definition.network is NetworkAccess.NONE:
        found.setdefault(SANDBOX_DEMAND, SandboxKind.AUTO.value)
        found[NETWORK_DEMAND] = NetworkAccess.NONE.value
    if (limits := definition.limits) is not None:
        asked = ((MEMORY_DEMAND, limits.memory_bytes), (CPUS_DEMAND, limits.cpus), (PIDS_DEMAND, limits.pids))
        found.update((name, f"{value!r}") for name, value in asked if value)
    return found


def fits(identity: WorkerIdentity, demanded: Mapping[str, str]) -> bool:
    """Returns whether the worker has everything that is demanded."""
    # Performance: a plain loop takes half the time of a generator, and each claim asks this for each worker.
    labels = identity.labels
    for name, value in demanded.items():
        if not (_meets(identity, name, value) if name.startswith(_MARK) else labels.get(name) == value):
            return False
    return True


def lacking(identity: WorkerIdentity, definition: TaskDefinition) -> list[str]:
    """Returns the names of the demands that the worker can't enforce, in the order of a task file."""
    wanted = enforcement_demands(definition)
    return [name.removeprefix(_MARK) for name, value in wanted.items() if not _meets(identity, name, value)]


def _lands_work_of(identity: WorkerIdentity, repository: str) -> bool:
    return StartPoint.LANDING in identity.starts and identity.repository == repository


def makes_clones(identity: WorkerIdentity) -> bool:
    """Returns whether the worker can give a task a clone."""
    return bool(identity.repository and identity.target)


def runs_in_clone(definition: TaskDefinition, identity: WorkerIdentity) -> bool:
    """Returns whether the task runs in a clone at that worker."""
    return makes_clones(identity) and (definition.workspace or identity.workspace) is WorkspaceKind.CLONE


def claimed_definition(
    definition: TaskDefinition,
    *,
    work_of: int,
    retry_from: RetryFrom | None = None,
    workspace: WorkspaceKind | None = None,
) -> TaskDefinition:
    """Returns the definition by which an attempt works; `workspace` is where the work is that it judges.

    An order to land overrules `land` and `workspace`. So does an approval before the landing: the work is kept. A
    retry that says what its attempt starts from overrules `retry_from`.
    """
    if retry_from is not None:
        definition = replace(definition, retry_from=retry_from)
    if workspace is not None:
        definition = replace(definition, workspace=workspace)
    if not work_of and definition.approve is not ApprovalPoint.BEFORE_LANDING:
        return definition
    return replace(definition, workspace=WorkspaceKind.CLONE, land=bool(work_of))


def must_land(definition: TaskDefinition) -> bool:
    """Returns whether the work of the task, done in a clone, counts only once it is on the target."""
    return definition.land is not False


def _meets(identity: WorkerIdentity, name: str, value: str) -> bool:
    # A demand that this version does not know, of a database that a newer one has written, is met by nobody.
    test = _TESTS.get(name)
    return test is not None and test(identity, value)


_TESTS: Final[Mapping[str, Callable[[WorkerIdentity, str], bool]]] = {
    CLONE_DEMAND: lambda identity, _: makes_clones(identity),
    WORK_DEMAND: _lands_work_of,
    START_DEMAND: lambda identity, start: start in identity.starts,
    ROOT_DEMAND: lambda identity, _: (
        not (makes_clones(identity) and identity.workspace is WorkspaceKind.CLONE)
    ),
    SANDBOX_DEMAND: lambda identity, kind: identity.enforcement.makes(SandboxKind(kind)),
    NETWORK_DEMAND: lambda identity, _: identity.enforcement.no_network,
    MEMORY_DEMAND: lambda identity, size: int(size) <= identity.enforcement.limits.memory_bytes,
    CPUS_DEMAND: lambda identity, number: float(number) <= identity.enforcement.limits.cpus,
    PIDS_DEMAND: lambda identity, number: int(number) <= identity.enforcement.limits.pids,
}
