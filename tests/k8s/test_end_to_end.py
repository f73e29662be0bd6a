"""The chart, the scaler and the operator on a real control plane: `make test-k8s`, which prints the figures."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.v1.event_pb2 import Event, EventKind
from k8s.control_plane import BUILT
from k8s.installed import Cluster, installed

pytestmark = [
    pytest.mark.skipif(
        not (BUILT and os.environ.get("SWARM_TEST_K8S")),
        reason="runs in `make test-k8s`, which builds Kubernetes",
    ),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
WORKERS = 4
SESSION_S = 6.0
TASKS = 16


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with installed(tmp_path, most=WORKERS, session_s=SESSION_S) as found:
        yield found
        for what, figure in found.figures.items():
            print(f"  {what}: {figure}")  # noqa: T201  # the figures of the run


def seconds(event: Event) -> float:
    return event.happened_at.ToMicroseconds() / 1e6


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def retried(cluster: Cluster, task_ids: set[str]) -> dict[str, Event]:
    """Returns the last event of each of these tasks that gave it back."""
    kinds = (EventKind.EVENT_KIND_TASK_RETRYING, EventKind.EVENT_KIND_TASK_RELEASED)
    return {
        event.task_id: event
        for event in cluster.events()
        if event.task_id in task_ids and event.kind in kinds
    }


def held_by(cluster: Cluster, worker: str) -> set[str]:
    objects = cluster.api.list("SwarmTask")
    return {
        found["spec"]["taskId"] for found in objects if (found.get("status") or {}).get("worker") == worker
    }


def test_a_plan_scales_workers_up_survives_a_pod_and_a_node_and_scales_to_zero(cluster: Cluster) -> None:
    task_ids = [f"t{number}" for number in range(TASKS)]
    assert not cluster.workers()
    cluster.apply("night", [{"id": task_id, "name": task_id} for task_id in task_ids])

    cluster.figures["0 to 4 workers"] = (
        f"{cluster.wait(lambda: len(cluster.running()) == WORKERS, '4 workers'):.1f} s"
    )
    busy = cluster.wait(lambda: len(cluster.lines()) >= WORKERS, "4 sessions run")
    cluster.figures["4 Pods to 4 sessions"] = f"{busy:.1f} s"

    _delete_a_pod(cluster)
    _lose_a_node(cluster)

    took = cluster.wait(lambda: cluster.plan("night").get("phase") == "Completed", "the plan is completed")
    ended = max(float(line[4]) for line in cluster.lines() if line[0] == "end")
    cluster.wait(lambda: not cluster.workers(), "no worker is left")
    cluster.figures["last session to 0 workers"] = (
        f"{datetime.now(UTC).timestamp() - ended:.1f} s (4 s of them idle)"
    )
    assert took < 180
    assert cluster.landed() == Counter(task_ids), "each task landed once"
    ends = Counter(line[1] for line in cluster.lines() if line[0] == "end")
    lost, doubled = set(task_ids) - ends.keys(), {task for task, count in ends.items() if count > 1}
    cluster.figures["lost, doubled"] = f"{len(lost)}, {len(doubled)} of {TASKS}"
    assert not lost
    assert not doubled


def _delete_a_pod(cluster: Cluster) -> None:
    """Deletes a Pod whose session needs longer than the drain allows: the task is free at once, and pays nothing."""
    pod, task_ids = _busy_pod(cluster, "node-c")
    before = {task_id: cluster.started(task_id) for task_id in task_ids}
    began = time.time()
    cluster.api.delete("Pod", pod)
    cluster.wait(lambda: retried(cluster, task_ids).keys() == task_ids, "the task of the Pod is free")
    freed = max(seconds(event) for event in retried(cluster, task_ids).values()) - began
    cluster.figures["deleted Pod: task free"] = f"{freed:.1f} s (2 s of them the drain)"
    assert all(event.cause.startswith("interrupted") for event in retried(cluster, task_ids).values())
    cluster.wait(lambda: all(cluster.started(task) > before[task] for task in task_ids), "it runs again")
    cluster.figures["deleted Pod: task runs again"] = f"{time.time() - began:.1f} s"


def _lose_a_node(cluster: Cluster) -> None:
    """Ends a Node like a loss of power, and removes its object as a cloud does."""
    pod, _ = _busy_pod(cluster, "node-b")
    lost = {found["metadata"]["name"] for found in cluster.running() if found["spec"]["nodeName"] == "node-b"}
    cluster.nodes["node-b"].lose()
    assert pod in lost
    held = [held_by(cluster, worker) for worker in lost]
    task_ids = set().union(*held)
    before = {task_id: cluster.started(task_id) for task_id in task_ids}
    began = time.time()
    cluster.api.delete("Node", "node-b")
    cluster.wait(
        lambda: all(cluster.started(task) > before[task] for task in task_ids), "its tasks run again"
    )
    freed = max(seconds(event) for event in retried(cluster, task_ids).values()) - began
    cluster.figures["removed Node: tasks free"] = f"{freed:.1f} s (1,800 s without the operator)"
    cluster.figures["removed Node: tasks run again"] = f"{time.time() - began:.1f} s"


def _busy_pod(cluster: Cluster, node: str) -> tuple[str, set[str]]:
    """Returns a Pod of the Node, and the tasks that it holds."""

    def found() -> tuple[str, set[str]] | None:
        for pod in cluster.running():
            name: str = pod["metadata"]["name"]
            if pod["spec"]["nodeName"] == node and (held := _just_started(cluster, held_by(cluster, name))):
                return name, held
        return None

    cluster.wait(found, f"a worker on {node} has just begun a task")
    result = found()
    assert result is not None
    return result


def _just_started(cluster: Cluster, task_ids: set[str]) -> set[str]:
    """Returns the tasks if their sessions have most of their time left."""
    starts = {line[1]: float(line[4]) for line in cluster.lines() if line[0] == "start"}
    young = all(task in starts and time.time() - starts[task] < SESSION_S / 2 for task in task_ids)
    return task_ids if young else set()


def test_kills_by_annotation_by_deletion_and_with_the_plan_are_proven(cluster: Cluster) -> None:
    names = ["long-a", "long-b", "long-c", "later"]
    plan: list[dict[str, Any]] = [{"id": name, "name": name} for name in names]
    cluster.apply("p", plan[:3])
    cluster.wait(lambda: len(cluster.lines()) == 3, "3 sessions run")
    pids = {line[1]: line[3] for line in cluster.lines()}

    cluster.api.patch(
        "SwarmTask", "p-long-a", {"metadata": {"annotations": {"swarm.amplifier.dev/kill": "yes"}}}
    )
    cluster.wait(lambda: cluster.task("p-long-a").get("status") == "killed", "the annotation kills")
    assert not is_alive(pids["long-a"])
    assert cluster.task("p-long-a")["reason"] == "the annotation swarm.amplifier.dev/kill"

    [operator] = [
        pod["metadata"]["name"] for pod in cluster.api.list("Pod") if "operator" in pod["metadata"]["name"]
    ]
    cluster.api.patch("Node", "node-a", {"spec": {"unschedulable": None}})
    cluster.api.delete("Pod", operator)
    cluster.api.delete("SwarmTask", "p-long-b")
    took = cluster.wait(lambda: cluster.api.get("SwarmTask", "p-long-b") is None, "the deletion is over")
    cluster.figures["deletion of a SwarmTask, over a restart of the operator"] = f"{took:.1f} s"
    assert not is_alive(pids["long-b"])

    cluster.apply("p", [plan[1], plan[2], plan[3]])
    cluster.wait(lambda: cluster.task("p-later").get("status") == "completed", "the new task is completed")
    [applied] = cluster.plan("p")["conditions"]
    assert applied["status"] == "True"
    assert "1 added" in applied["message"]
    assert "no longer in the plan, and left as they are: long-a" in applied["message"]
    assert cluster.api.get("SwarmTask", "p-long-b") is None, "what was deleted stays so"

    cluster.apply("p", [{"id": "later", "name": "later", "dependencies": ["nobody"]}])
    cluster.wait(lambda: cluster.plan("p")["conditions"][0]["status"] == "False", "a wrong plan is refused")
    assert "nobody" in cluster.plan("p")["conditions"][0]["message"]
    assert is_alive(pids["long-c"]), "and changes nothing"

    cluster.api.delete("SwarmPlan", "p")
    took = cluster.wait(lambda: cluster.api.get("SwarmPlan", "p") is None, "the plan is gone")
    cluster.figures["deletion of a SwarmPlan with a running task"] = f"{took:.1f} s"
    assert not is_alive(pids["long-c"])
    cluster.wait(lambda: not cluster.api.list("SwarmTask"), "and so are its tasks")
