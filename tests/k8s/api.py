"""A small client of an API server, for the tests."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "PersistentVolume": "/api/v1/persistentvolumes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    # The version of today's charts is policy/v1; this API server has its predecessor.
    "PodDisruptionBudget": "/apis/policy/v1beta1/namespaces/{}/poddisruptionbudgets",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "SwarmPlan": "/apis/swarm.amplifier.dev/v1alpha1/namespaces/{}/swarmplans",
    "SwarmTask": "/apis/swarm.amplifier.dev/v1alpha1/namespaces/{}/swarmtasks",
    "ScaledJob": "/apis/keda.sh/v1alpha1/namespaces/{}/scaledjobs",
    "TriggerAuthentication": "/apis/keda.sh/v1alpha1/namespaces/{}/triggerauthentications",
}
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"


@dataclass
class KubeApi:
    """An API server, as the holder of one token sees it. Methods raise httpx.HTTPStatusError."""

    url: str
    ca: Path
    token: str
    namespace: str = "swarm"

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.url,
            verify=ssl.create_default_context(cafile=str(self.ca)),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, *, kind: str = "application/json") -> Any:
        answer = self._client.request(method, path, json=body, headers={"Content-Type": kind})
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.text[:500], request=answer.request, response=answer)
        return answer.json()

    def path(self, kind: str, name: str = "") -> str:
        where = PATHS[kind].format(self.namespace)
        return f"{where}/{name}" if name else where

    def create(self, document: dict[str, Any]) -> Any:
        if document["kind"] == "PodDisruptionBudget":
            document = {**document, "apiVersion": "policy/v1beta1"}
        return self.call("POST", self.path(document["kind"]), document)

    def get(self, kind: str, name: str) -> Any:
        """Returns the object; None if there is none."""
        try:
            return self.call("GET", self.path(kind, name))
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise

    def list(self, kind: str, **query: str) -> list[dict[str, Any]]:
        wanted = "&".join(f"{name}={value}" for name, value in query.items())
        found: list[dict[str, Any]] = self.call("GET", f"{self.path(kind)}?{wanted}")["items"]
        return found

    def patch(self, kind: str, name: str, body: Any, *, status: bool = False, how: str = MERGE) -> Any:
        return self.call("PATCH", self.path(kind, name) + ("/status" if status else ""), body, kind=how)

    def delete(self, kind: str, name: str, **options: Any) -> None:
        try:
            self.call("DELETE", self.path(kind, name), options or None)
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in (404, 409):
                raise


def pods_of(api: KubeApi, component: str) -> Iterator[dict[str, Any]]:
    """Yields the Pods of one part of the chart that are not over."""
    for pod in api.list("Pod", labelSelector=f"app.kubernetes.io/component={component}"):
        if pod["status"].get("phase") not in ("Succeeded", "Failed"):
            yield pod
