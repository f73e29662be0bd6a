"""Demands of a task for a sandbox and limits, and the workers that fit."""

from typing import Any

import pytest

from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import InvalidTasks
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskId, WorkerIdentity, WorkerName
from swarmd.domain.placement import demands, fits, lacking
from swarmd.domain.plan import check_plan
from swarmd.domain.sandbox import MIB, Enforcement, NetworkAccess, ResourceLimits, SandboxKind
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.store import definition_json

GIB = 1024 * MIB
ALL = Enforcement(
    (SandboxKind.NONE, SandboxKind.BWRAP), no_network=True, limits=ResourceLimits(8 * GIB, 4.0, 1000)
)


def asking(**fields: Any) -> TaskDefinition:
    return TaskDefinition(TaskId("a"), **fields)


def worker(enforcement: Enforcement, **labels: str) -> WorkerIdentity:
    return WorkerIdentity(
        WorkerName("w"), "i", "i", 1, labels, "command", "h", 1, "1", "subreaper", enforcement=enforcement
    )


@pytest.mark.parametrize(
    ("asked", "enforcement", "missing"),
    [
        ({}, Enforcement(), []),
        ({"sandbox": SandboxKind.NONE}, Enforcement(), []),
        ({"sandbox": SandboxKind.BWRAP}, Enforcement(), ["sandbox"]),
        ({"sandbox": SandboxKind.AUTO}, Enforcement(), ["sandbox"]),
        ({"sandbox": SandboxKind.AUTO}, ALL, []),
        ({"sandbox": SandboxKind.BWRAP}, ALL, []),
        ({"sandbox": SandboxKind.CONTAINER}, ALL, ["sandbox"]),
        ({"sandbox": SandboxKind.BWRAP}, Enforcement((SandboxKind.CONTAINER,)), ["sandbox"]),
        ({"sandbox": SandboxKind.AUTO}, Enforcement((SandboxKind.CONTAINER,)), []),
        ({"sandbox": SandboxKind.NONE}, Enforcement((SandboxKind.BWRAP,)), ["sandbox"]),
        ({"network": NetworkAccess.NONE}, ALL, []),
        ({"network": NetworkAccess.NONE}, Enforcement(), ["sandbox", "network"]),
        ({"network": NetworkAccess.NONE}, Enforcement((SandboxKind.BWRAP,)), ["network"]),
        ({"network": NetworkAccess.FULL}, Enforcement(), []),
        ({"limits": ResourceLimits(8 * GIB, 4.0, 1000)}, ALL, []),
        ({"limits": ResourceLimits(8 * GIB + 1)}, ALL, ["memory"]),
        ({"limits": ResourceLimits(cpus=4.5, pids=1001)}, ALL, ["cpus", "pids"]),
        ({"limits": ResourceLimits(MIB * 16, 0.5, 8)}, Enforcement(), ["memory", "cpus", "pids"]),
    ],
)
def test_a_worker_fits_if_it_can_enforce_everything(
    asked: dict[str, Any], enforcement: Enforcement, missing: list[str]
) -> None:
    definition = asking(**asked)

    assert lacking(worker(enforcement), definition) == missing
    assert fits(worker(enforcement), demands(definition)) is not bool(missing)


def test_labels_and_a_clone_are_demanded_too() -> None:
    definition = asking(
        labels={"gpu": "yes"},
        workspace=WorkspaceKind.CLONE,
        sandbox=SandboxKind.BWRAP,
        limits=ResourceLimits(),
    )

    assert demands(definition) == {"gpu": "yes", ":clone": "", ":sandbox": "bwrap"}
    assert not fits(worker(ALL, gpu="yes"), demands(definition))


def test_a_demand_of_a_newer_version_is_met_by_nobody() -> None:
    assert not fits(worker(ALL), {":gpu": "1"})


@pytest.mark.parametrize(
    ("asked", "place", "message"),
    [
        (
            {"limits": ResourceLimits(memory_bytes=1)},
            "memory",
            "limits.memory must be from 16M to 1024T, got 1",
        ),
        (
            {"limits": ResourceLimits(cpus=float("nan"))},
            "cpus",
            "limits.cpus must be from 0.01 to 1024, got nan",
        ),
        ({"limits": ResourceLimits(cpus=-1.0)}, "cpus", "limits.cpus must be from 0.01 to 1024, got -1"),
        ({"limits": ResourceLimits(pids=7)}, "pids", "limits.pids must be from 8 to 4194304, got 7"),
    ],
)
def test_a_limit_out_of_range_is_refused(asked: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(InvalidTasks) as refused:
        check_plan([PlannedTask(asking(**asked), TaskStatus.NOT_STARTED)], {}, concurrency={})

    [fault] = refused.value.faults
    assert (fault.place.rpartition(".")[2], fault.message) == (place, message)


def test_no_network_without_a_sandbox_is_refused() -> None:
    task = asking(sandbox=SandboxKind.NONE, network=NetworkAccess.NONE)

    with pytest.raises(InvalidTasks) as refused:
        check_plan([PlannedTask(task, TaskStatus.NOT_STARTED)], {}, concurrency={})

    assert "network none needs a sandbox" in refused.value.faults[0].message


@pytest.mark.parametrize("limits", [ResourceLimits(GIB, 0.5, 64), ResourceLimits(pids=8), None])
def test_a_stored_definition_is_the_one_that_was_sent(limits: ResourceLimits | None) -> None:
    definition = asking(sandbox=SandboxKind.AUTO, network=NetworkAccess.NONE, limits=limits)

    assert definition_json.decode(definition_json.encode(definition)) == definition


def test_a_stored_worker_keeps_what_it_can_enforce_and_an_older_one_nothing() -> None:
    assert definition_json.decode_enforcement(definition_json.encode_enforcement(ALL)) == ALL
    assert definition_json.decode_enforcement("{}") == Enforcement()
