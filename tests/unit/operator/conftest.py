"""The swarm and the cluster as the operator sees them, with a record of its calls."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.budget_pb2 import PlanBudget
from amplifier_swarm.v1.operator_service_pb2 import AddTasksResponse
from amplifier_swarm.v1.swarm_pb2 import Worker
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl.api.plan_upload import ImportReply


class RecordedSwarm:
    """A swarm in memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.known: dict[str, Task] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.budget: PlanBudget | None = None
        self.refusal = ""
        self.left: dict[str, int] = {}
        self.listed: list[Worker] = []
        self.connected: set[str] = set()

    def put(self, task_id: str, status: str, **fields: Any) -> None:
        value = TaskStatus.Value(f"TASK_STATUS_{status.upper()}")
        self.known[task_id] = Task(task_id=task_id, status=value, **fields)

    async def add(self, plan: Plan) -> ImportReply:
        ids = [task.definition.task_id for task in plan.tasks]
        self.calls.append(("add", *ids))
        self.labels = {task.definition.task_id: dict(task.definition.labels) for task in plan.tasks}
        self.budget = plan.budget
        if self.refusal:
            raise PlanRefused(plan.file, [Fault(3, 'task "a"', "dependencies", self.refusal)])
        new = [task_id for task_id in ids if task_id not in self.known]
        for task_id in new:
            self.put(task_id, "not_started")
        return ImportReply(AddTasksResponse(added=len(new), unchanged=len(ids) - len(new)), [], dry_run=False)

    async def tasks(self) -> Mapping[str, Task]:
        return self.known

    async def kill(self, task_ids: Sequence[str], cause: str) -> None:
        self.calls.append(("kill", *task_ids, cause))

    async def survivors(self, task_id: str) -> int:
        return self.left.get(task_id, 0)

    async def workers(self) -> Sequence[Worker]:
        return self.listed

    async def forget(self, worker: str) -> Sequence[str] | None:
        self.calls.append(("forget", worker))
        return None if worker in self.connected else ["a"]


class RecordedCluster:
    """A namespace in memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.objects: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, dict[str, str]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.nodes: set[str] = set()

    async def tasks(self, plan: str) -> Sequence[Mapping[str, Any]]:
        return list(self.objects.values())

    async def add_task(self, body: Mapping[str, Any]) -> None:
        name = body["metadata"]["name"]
        self.calls.append(("create", name))
        self.objects.setdefault(name, {**body, "metadata": dict(body["metadata"])})

    async def patch_task(self, name: str, status: Mapping[str, Any]) -> None:
        self.calls.append(("patch", name, status["status"]))
        self.objects[name]["status"] = {key: value for key, value in status.items() if value is not None}

    async def config_map(self, name: str) -> Mapping[str, str] | None:
        return self.texts.get(name)

    async def pod(self, name: str) -> Mapping[str, Any] | None:
        return self.pods.get(name)

    async def node_exists(self, name: str) -> bool:
        return name in self.nodes


@pytest.fixture
def swarm() -> RecordedSwarm:
    return RecordedSwarm()


@pytest.fixture
def cluster() -> RecordedCluster:
    return RecordedCluster()
