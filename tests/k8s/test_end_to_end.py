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
from amplifier_swarm.v1.task_pb2 import TaskStatus
from k8s.control_plane import BUILT
from k8s.installed import Cluster, installed
from support.landed_plan import SESSION_S, TARGET, TASKS, WORKERS
from swarmctl.api.paging import TaskList

pytestmark = [
    pytest.mark.skipif(
        not (BUILT and os.environ.get("SWARM_TEST_K8S")),
        reason="runs in `make test-k8s`, which builds Kubernetes",
    ),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


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


def held_by(cluster: Cluster, *workers: str) -> set[str]:
    """Returns the tasks of these workers, as swarmd knows them: the objects follow seconds later."""
    with cluster.call() as stub:
        tasks = TaskList(stub).first(0)
    running = TaskStatus.TASK_STATUS_IN_PROGRESS
    return {task.task_id for task in tasks if task.status == running and task.worker in workers}


def test_a_plan_scales_workers_up_survives_a_pod_and_a_node_and_scales_to_zero(cluster: Cluster) -> None:
    task_ids = [f"t{number}" for number in range(TASKS)]
    assert not cluster.workers()
    cluster.apply("night", [{"id": task_id, "name": task_id} for task_id in task_ids])

    cluster.figures["0 to 4 workers"] = (
        f"{cluster.wait(lambda: len(cluster.running()) == WORKERS, '4 workers'):.1f} s"
    )
    busy = cluster.wait(lambda: len(cluster.work.lines()) >= WORKERS, "4 sessions run")
    cluster.figures["4 Pods to 4 sessions"] = f"{busy:.1f} s"

    freed = _delete_a_pod(cluster) | _lose_a_node(cluster)

    took = cluster.wait(lambda: cluster.plan("night").get("phase") == "Completed", "the plan is completed")
    ended = max(float(line[4]) for line in cluster.work.lines() if line[0] == "end")
    cluster.wait(lambda: not cluster.workers(), "no worker is left")
    cluster.figures["last session to 0 workers"] = (
        f"{datetime.now(UTC).timestamp() - ended:.1f} s (4 s of them idle)"
    )
    assert took < 180
    assert cluster.work.landed() == Counter(task_ids), "each task landed once"
    ends = Counter(line[1] for line in cluster.work.lines() if line[0] == "end")
    lost = set(task_ids) - ends.keys()
    doubled = {task for task, count in cluster.work.landed().items() if count > 1}
    cluster.figures["lost, doubled"] = f"{len(lost)}, {len(doubled)} of {TASKS}"
    assert (lost, doubled) == (set(), set())
    again = {task for task, count in ends.items() if count > 1}
    assert again <= freed, "a session runs again only if its machine went before its work had landed"


def _delete_a_pod(cluster: Cluster) -> set[str]:
    """Deletes a Pod whose session needs longer than the drain allows: the task is free at once, and pays nothing.

    Returns the tasks.
    """
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
    return task_ids


def _lose_a_node(cluster: Cluster) -> set[str]:
    """Ends a Node like a loss of power, and removes its object as a cloud does; returns the tasks of its workers."""
    pod, _ = _busy_pod(cluster, "node-b")
    lost = {found["metadata"]["name"] for found in cluster.running() if found["spec"]["nodeName"] == "node-b"}
    cluster.nodes["node-b"].lose()
    assert pod in lost
    task_ids = held_by(cluster, *lost)
    before = {task_id: cluster.started(task_id) for task_id in task_ids}
    began = time.time()
    cluster.api.delete("Node", "node-b")
    landed = cluster.work.landed()
    # What a worker had landed, and not reported, is found on the target and needs no session.
    cluster.wait(
        lambda: all(landed[task] or cluster.started(task) > before[task] for task in task_ids),
        "its tasks run again",
    )
    freed = max(seconds(event) for event in retried(cluster, task_ids).values()) - began
    cluster.figures["removed Node: tasks free"] = f"{freed:.1f} s (1,800 s without the operator)"
    cluster.figures["removed Node: tasks run again"] = f"{time.time() - began:.1f} s"
    return task_ids


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
    starts = {line[1]: float(line[4]) for line in cluster.work.lines() if line[0] == "start"}
    young = all(task in starts and time.time() - starts[task] < SESSION_S / 2 for task in task_ids)
    return task_ids if young else set()


def test_the_plan_of_the_table_lands_once_and_only_with_the_target_that_it_names(cluster: Cluster) -> None:
    tasks = [{"id": task, "name": task} for task in cluster.work.task_ids]
    cluster.apply("elsewhere", [{"id": "other", "name": "other"}], target="release")
    cluster.wait(lambda: cluster.task("elsewhere-other").get("status"), "the other plan is applied")
    began = time.time()
    cluster.apply("table", tasks, target=TARGET)

    cluster.figures["the same plan on all engines"] = cluster.work.watch("kubernetes", began)

    cluster.wait(lambda: cluster.plan("table").get("phase") == "Completed", "the plan is completed")
    assert cluster.task("elsewhere-other")["status"] == "not_started", "no pool has its target"


def test_kills_by_annotation_by_deletion_and_with_the_plan_are_proven(cluster: Cluster) -> None:
    names = ["long-a", "long-b", "long-c", "later"]
    plan: list[dict[str, Any]] = [{"id": name, "name": name} for name in names]
    cluster.apply("p", plan[:3])
    cluster.wait(lambda: len(cluster.work.lines()) == 3, "3 sessions run")
    pids = {line[1]: line[3] for line in cluster.work.lines()}

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
