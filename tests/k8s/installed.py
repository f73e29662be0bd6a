"""The chart on a real control plane with Nodes of the test kubelet, and what a test does with it."""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import WatchEventsRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from k8s.api import KubeApi, pods_of
from k8s.charts import CHART, rendered
from k8s.control_plane import ControlPlane, control_plane, free_port
from k8s.keda import KedaLoop
from k8s.kubelet import Kubelet, container_environment
from support.landed_plan import TARGET, LandedPlan
from support.waiting import until
from swarmctl.api.connection import Connection

SLOW_S = 180.0
KEDA_KINDS = {"ScaledJob": "scaledjobs", "TriggerAuthentication": "triggerauthentications"}


@dataclass
class Cluster:
    """The installed chart."""

    plane: ControlPlane
    api: KubeApi
    folder: Path
    work: LandedPlan
    addresses: dict[str, str]
    nodes: dict[str, Kubelet] = field(default_factory=dict)
    keda: KedaLoop | None = None
    figures: dict[str, str] = field(default_factory=dict)

    def add_node(self, name: str) -> None:
        self.nodes[name] = Kubelet(
            self.plane, name, self.folder / name, addresses=self.addresses, env=container_environment()
        )

    def is_set_up(self) -> bool:
        pods = [*pods_of(self.api, "server"), *pods_of(self.api, "operator")]
        return len(pods) == 2 and all(_is_ready(pod) for pod in pods)

    def apply(self, name: str, tasks: list[dict[str, Any]], **more: Any) -> None:
        """Creates a SwarmPlan, or changes its tasks."""
        spec = {"tasks": tasks, **more}
        if self.api.get("SwarmPlan", name) is not None:
            self.api.patch("SwarmPlan", name, {"spec": spec})
            return
        body = {"apiVersion": "swarm.amplifier.dev/v1alpha1", "kind": "SwarmPlan", "metadata": {"name": name}}
        self.api.create({**body, "spec": spec})

    def plan(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (self.api.get("SwarmPlan", name) or {}).get("status") or {}
        return found

    def task(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (self.api.get("SwarmTask", name) or {}).get("status") or {}
        return found

    def workers(self) -> list[dict[str, Any]]:
        """Returns the Pods of workers; an object whose Node was lost is none."""
        lost = {name for name, node in self.nodes.items() if not node.alive}
        return [pod for pod in pods_of(self.api, "worker") if pod["spec"].get("nodeName") not in lost]

    def running(self) -> list[dict[str, Any]]:
        return [pod for pod in self.workers() if pod["status"].get("phase") == "Running"]

    def wait(self, condition: Callable[[], Any], what: str, *, deadline_s: float = SLOW_S) -> float:
        """Waits for the condition; returns the seconds."""
        began = time.monotonic()
        try:
            until(condition, what, deadline_s=deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.report()}") from None
        return time.monotonic() - began

    def started(self, task_id: str) -> int:
        """Returns how many builders of the task have started."""
        return sum(line[:2] == ["start", task_id] for line in self.work.lines())

    def call(self) -> contextlib.AbstractContextManager[OperatorServiceStub]:
        """Opens a connection to swarmd with the operator's token, as from the outside."""
        return _dialled(self)

    def events(self) -> list[Event]:
        """Returns all events of the swarm."""
        with self.call() as stub:
            return [
                event for page in stub.WatchEvents(WatchEventsRequest(), timeout=30) for event in page.events
            ]

    def report(self) -> str:
        """Returns what helps to find out why something did not happen."""
        pods = [
            (pod["metadata"]["name"], pod["status"].get("phase"), pod["spec"].get("nodeName"))
            for pod in self.api.list("Pod")
        ][-20:]
        errors = [error for node in self.nodes.values() for error in node.errors[-3:]]
        errors += self.keda.errors[-3:] if self.keda else []
        logs = sorted(self.folder.glob("node-*/*/log"), key=lambda file: file.stat().st_mtime)[-6:]
        texts = [file.read_text()[-1500:] for file in logs]
        plans = [plan.get("status") for plan in self.api.list("SwarmPlan")]
        return "\n".join([f"pods {pods}", f"errors {errors}", f"plans {plans}", *texts])


@contextlib.contextmanager
def _dialled(cluster: Cluster) -> Iterator[OperatorServiceStub]:
    data = cluster.api.get("Secret", "swarm-tokens")["data"]
    ca = cluster.folder / "swarm-ca.pem"
    ca.write_bytes(base64.b64decode(cluster.api.get("Secret", "swarm-tls")["data"]["ca.crt"]))
    token = base64.b64decode(data["operator"]).decode()
    connection = Connection(Endpoint(cluster.addresses["swarm.swarm.svc:7433"], token, ca))
    try:
        yield connection.stub
    finally:
        connection.close()


@contextlib.contextmanager
def installed(folder: Path, *, most: int, session_s: float) -> Iterator[Cluster]:
    """Installs the chart with a pool of Jobs and the operator, on three Nodes; a session takes `session_s`."""
    work = LandedPlan(folder, session_s)
    work.prepare()
    addresses = _addresses()
    with control_plane(_made(folder / "plane")) as plane:
        api = plane.api()
        cluster = Cluster(plane, api, folder, work, addresses)
        try:
            _install(api, folder, _values(work, most))
            cluster.add_node("node-a")
            cluster.figures["server ready"] = (
                f"{cluster.wait(cluster.is_set_up, 'server and operator run'):.1f} s"
            )
            # From now on the first Node gets no Pod, so that the others may be lost.
            api.patch("Node", "node-a", {"spec": {"unschedulable": True}})
            cluster.add_node("node-b")
            cluster.add_node("node-c")
            cluster.keda = KedaLoop(api, "swarm-jobs", addresses)
            yield cluster
        finally:
            if cluster.keda is not None:
                cluster.keda.stop()
            for node in cluster.nodes.values():
                node.stop()
            api.close()


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _addresses() -> dict[str, str]:
    grpc, https = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    return {"swarm.swarm.svc:7433": grpc, "0.0.0.0:7433": grpc, "0.0.0.0:8765": https}


def _values(work: LandedPlan, most: int) -> dict[str, Any]:
    pool = {
        "name": "jobs", "repo": str(work.repository), "target": TARGET, "runner": "command", "drainDeadline": 2,
        "args": [f"--builder-command={work.builder}", "--no-validation", "--kill-grace=1", "--min-free-disk=0"],
        "keda": {"kind": "ScaledJob", "max": most, "exitWhenIdle": 4},
    }  # fmt: skip
    persistence = {"storageClass": "manual", "accessMode": "ReadWriteOnce", "size": "1Gi"}
    server = {"persistence": persistence, "args": ["--heartbeat-interval=1", "--retry-backoff=0.5"]}
    return {"workers": [pool], "operator": {"enabled": True}, "server": server}


def _install(api: KubeApi, folder: Path, values: dict[str, Any]) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "swarm"}}
    api.create(namespace)
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "manual",
            "hostPath": {"path": str(folder / "data")},
        },
    }  # fmt: skip
    api.create(volume)
    for file in sorted((CHART / "crds").iterdir()):
        api.create(yaml.safe_load(file.read_text()))
    for kind, plural in KEDA_KINDS.items():
        api.create(_foreign_kind(kind, plural))
    for kind in ("SwarmPlan", "SwarmTask", *KEDA_KINDS):
        until(partial(_is_served, api, kind), f"{kind} is served", deadline_s=60)
    until(lambda: api.get("ServiceAccount", "default"), "the namespace is set up", deadline_s=60)
    for document in rendered(values):
        api.create(document)


def _is_served(api: KubeApi, kind: str) -> bool:
    import httpx  # noqa: PLC0415

    try:
        api.list(kind)
    except httpx.HTTPStatusError:
        return False
    return True


def _foreign_kind(kind: str, plural: str) -> dict[str, Any]:
    """Returns a definition of one of KEDA's kinds that takes any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.keda.sh"},
        "spec": {
            "group": "keda.sh", "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [version],
        },
    }  # fmt: skip
