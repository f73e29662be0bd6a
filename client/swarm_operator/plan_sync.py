"""A SwarmPlan is brought to the swarm, and the state of its tasks back to the cluster.

Invariant: everything is derived from the plan, its status and the swarm, so a repetition changes nothing, and a
restart of the operator loses nothing.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc

from amplifier_swarm.documents.words import word
from amplifier_swarm.errors import unpack
from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarm_operator.cluster import GROUP, VERSION, Document
from swarm_operator.conditions import with_condition
from swarmctl.api.plan_upload import ImportReply

# The label that the chart gives to workers with a target branch.
TARGET: Final = "target"
KILL: Final = f"{GROUP}/kill"
ENDED: Final = ("completed", "failed", "killed", "skipped")
# A refused plan is tried again after this time: a task that ran may have ended.
AGAIN_S: Final = 15.0
MAX_NAME: Final = 63
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9.-]+")


class SwarmCalls(Protocol):
    """The calls to swarmd that the sync makes."""

    async def add(self, plan: Plan) -> ImportReply: ...
    async def tasks(self) -> Mapping[str, Task]: ...
    async def kill(self, task_ids: Sequence[str], cause: str) -> None: ...
    async def survivors(self, task_id: str) -> int: ...


class ClusterCalls(Protocol):
    """The calls to the API server that the sync makes."""

    async def tasks(self, plan: str) -> Sequence[Document]: ...
    async def add_task(self, body: Document) -> None: ...
    async def patch_task(self, name: str, status: Document) -> None: ...
    async def config_map(self, name: str) -> Mapping[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class PlanText:
    """The task file of a plan and the target branch of its work, or the reason why the file is missing."""

    text: str = ""
    fault: str = ""
    # The branch that the workers of the tasks bring work onto. Empty for any.
    target: str = ""

    @property
    def digest(self) -> str:
        """The mark of this text."""
        return hashlib.sha256(f"{self.text}{self.target}".encode()).hexdigest()[:16]


class PlanSync:
    """The bridge between the SwarmPlans of a namespace and one swarm."""

    def __init__(self, swarm: SwarmCalls, cluster: ClusterCalls) -> None:
        self._swarm = swarm
        self._cluster = cluster
        self._retry_s: dict[str, float] = {}

    async def sync(self, plan: Document) -> dict[str, Any]:
        """Imports the plan if it has changed, updates its SwarmTasks, and returns the plan's new status."""
        status = dict(plan.get("status") or {})
        found = await self._text(plan)
        new_ids: Sequence[str] = ()
        if self._must_import(plan, status, found):
            changes, new_ids = await self._import(plan, status, found)
            status |= changes
        tasks = await self._swarm.tasks()
        for task_id in new_ids:
            await self._cluster.add_task(_new_task(plan, task_id))
        if new_ids:
            status["taskIds"] = [*status.get("taskIds", ()), *new_ids]
        await self._mirror(plan, tasks)
        return status | _totals(status, tasks)

    async def end_tasks(self, task_ids: Sequence[str], cause: str) -> str:
        """Kills tasks; returns why they can't be called ended yet, or nothing once all are proven to have ended."""
        tasks = await self._swarm.tasks()
        known = [tasks[task_id] for task_id in task_ids if task_id in tasks]
        running = [task.task_id for task in known if status_of(task) not in ENDED]
        if running:
            await self._swarm.kill(running, cause)
            return f"{len(running)} tasks are being killed: {', '.join(running[:5])}"
        killed = [task.task_id for task in known if status_of(task) == "killed"]
        left = [task_id for task_id in killed if await self._swarm.survivors(task_id)]
        return (
            f"processes of {', '.join(left)} could not be ended; end them on the host of {left[0]}"
            if left
            else ""
        )

    async def _text(self, plan: Document) -> PlanText:
        spec, target = plan["spec"], plan["spec"].get("target", "")
        if (source := spec.get("tasksFrom")) is None:
            kept = {name: spec[name] for name in ("tasks", "concurrency", "budget") if name in spec}
            return PlanText(json.dumps(kept, indent=1), target=target)
        name, key = source["configMap"], source.get("key", "tasks.yaml")
        texts = await self._cluster.config_map(name)
        if texts is None:
            return PlanText(fault=f"there is no ConfigMap {name!r} in the namespace; create it")
        if key not in texts:
            return PlanText(fault=f"the ConfigMap {name!r} has no key {key!r}; add it, or name another")
        return PlanText(texts[key], target=target)

    def _must_import(self, plan: Document, status: Document, found: PlanText) -> bool:
        applied = next((c for c in status.get("conditions", ()) if c["type"] == "Applied"), None)
        if applied is None or status.get("digest") != found.digest:
            return True
        waits = time.monotonic() < self._retry_s.get(plan["metadata"]["uid"], 0.0)
        return applied["status"] != "True" and not waits

    async def _import(
        self, plan: Document, status: Document, found: PlanText
    ) -> tuple[dict[str, Any], Sequence[str]]:
        """Returns the changes of the status, and the tasks that have no SwarmTask yet."""
        reason, message, ids = await self._send(plan, found)
        if reason != "Imported":
            self._retry_s[plan["metadata"]["uid"]] = time.monotonic() + AGAIN_S
        generation = int(plan["metadata"].get("generation", 0))
        known = list(status.get("taskIds", ()))
        if reason == "Imported" and (gone := [task_id for task_id in known if task_id not in ids]):
            message += f"; no longer in the plan, and left as they are: {', '.join(gone[:20])}"
        conditions = with_condition(
            status.get("conditions", ()), "Applied", status=reason == "Imported", reason=reason, message=message,
            generation=generation,
        )  # fmt: skip
        changes = {"conditions": conditions, "observedGeneration": generation, "digest": found.digest}
        return changes, [task_id for task_id in ids if task_id not in known]

    async def _send(self, plan: Document, found: PlanText) -> tuple[str, str, list[str]]:
        if found.fault:
            return "NoConfigMap", found.fault, []
        name = plan["metadata"]["name"]
        try:
            parsed = plan_of(Source(name, found.text))
            if parsed.budget is not None and not parsed.budget.name:
                parsed.budget.name = name  # the plans of a namespace share a swarm, and no budget
            for task in parsed.tasks if found.target else ():
                task.definition.labels[TARGET] = found.target
            reply = await self._swarm.add(parsed)
        except PlanRefused as refused:
            return "Refused", refused.line("swarm-operator"), []
        except grpc.RpcError as error:
            return "ServerRefused", unpack(error).message, []
        answer = reply.answer
        counts = f"{answer.added} added, {answer.changed} changed, {answer.unchanged} unchanged"
        warnings = [warning.text(name) for warning in (*parsed.warnings, *reply.warnings)]
        return "Imported", "; ".join([counts, *warnings]), [task.definition.task_id for task in parsed.tasks]

    async def _mirror(self, plan: Document, tasks: Mapping[str, Task]) -> None:
        """Updates the SwarmTasks that have changed, and kills the tasks of those that are marked."""
        marked = []
        for found in await self._cluster.tasks(plan["metadata"]["name"]):
            if (task := tasks.get(found["spec"]["taskId"])) is None:
                continue
            if KILL in found["metadata"].get("annotations", {}) and status_of(task) not in (
                *ENDED,
                "killing",
            ):
                marked.append(task.task_id)
            new = _task_status(task)
            if new != {name: (found.get("status") or {}).get(name) for name in new}:
                await self._cluster.patch_task(found["metadata"]["name"], new)
        if marked:
            await self._swarm.kill(marked, f"the annotation {KILL}")


def status_of(task: Task) -> str:
    """Returns the status of a task as a word."""
    return word(TaskStatus, task.status) or "unknown"


def object_name(plan: str, task_id: str) -> str:
    """Returns the name of a task's object: readable, and unique by a part of a hash where it has to be changed."""
    plain = f"{plan}-{task_id}"
    slug = _NOT_IN_NAMES.sub("-", plain.lower()).strip("-.")
    if slug == plain and len(slug) <= MAX_NAME:
        return slug
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{slug[: MAX_NAME - 9].strip('-.')}-{mark}"


def _new_task(plan: Document, task_id: str) -> Document:
    metadata = plan["metadata"]
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}", "kind": "SwarmPlan", "name": metadata["name"], "uid": metadata["uid"],
        "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SwarmTask",
        "metadata": {
            "name": object_name(metadata["name"], task_id),
            "labels": {f"{GROUP}/plan": metadata["name"]},
            "ownerReferences": [owner],
        },
        "spec": {"taskId": task_id},
    }


def _task_status(task: Task) -> dict[str, Any]:
    ended = status_of(task) in ENDED
    reason = "" if status_of(task) == "completed" else task.cause or task.last_error
    return {
        "status": status_of(task),
        "attempt": task.attempt,
        # None takes a field away.
        "reason": reason[:500] or None,
        "worker": None if ended else task.worker or None,
    }


def _totals(status: Document, tasks: Mapping[str, Task]) -> dict[str, Any]:
    words = [status_of(tasks[task_id]) for task_id in status.get("taskIds", ()) if task_id in tasks]
    completed, ended = words.count("completed"), sum(found in ENDED for found in words)
    if not words:
        phase = "Refused"
    elif ended < len(words):
        phase = "Running"
    else:
        phase = "Completed" if completed == len(words) else "Failed"
    return {"phase": phase, "tasks": len(words), "completed": completed, "failed": ended - completed}
