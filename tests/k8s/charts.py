"""The chart, rendered by Helm; these packages are installed for `make test-k8s` alone."""

from typing import Any

import yaml

from contract.repository import ROOT

CHART = ROOT / "deploy" / "helm" / "amplifier-swarm"

# Values that use every part of the chart.
FULL: dict[str, Any] = {
    "workers": [
        {"name": "plain", "replicas": 2, "passEnv": ["KEY"], "envFrom": [{"secretRef": {"name": "keys"}}]},
        {"name": "kept", "replicas": 1, "persistence": {"enabled": True, "size": "5Gi", "storageClass": "fast"}},
        {
            "name": "jobs", "slots": 2, "labels": {"gpu": "yes"}, "repo": "https://git.example/a.git", "target": "main",
            "keda": {"kind": "ScaledJob", "max": 4, "exitWhenIdle": 5, "unlabelled": False},
            "persistence": {"enabled": True}, "runner": "command", "args": ["--builder-command=true"],
            "resources": {"limits": {"memory": "4Gi"}}, "extraEnv": [{"name": "A", "value": "b"}],
            "tolerations": [{"key": "gpu", "operator": "Exists"}], "nodeSelector": {"pool": "gpu"},
        },
        {"name": "scaled", "keda": {"kind": "ScaledObject", "min": 1}},
    ],
    "ingress": {"enabled": True, "host": "swarm.example", "className": "nginx", "tlsSecret": "cert"},
    "monitoring": {"serviceMonitor": True, "prometheusRule": True},
    "operator": {"enabled": True},
    "networkPolicy": {"clients": [{"namespaceSelector": {}}]},
    "image": {"pullSecrets": [{"name": "pull"}]},
}  # fmt: skip


def rendered(values: dict[str, Any] | None = None, *, name: str = "swarm") -> list[dict[str, Any]]:
    """Returns the manifests of the chart as documents."""
    import helm_python  # noqa: PLC0415  # see above

    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(values or {}, name=name, namespace="swarm")
    return [
        document
        for file, text in texts.items()
        if not file.endswith("NOTES.txt")
        for document in yaml.safe_load_all(text)
        if document
    ]


def found(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Returns the one document of that kind and name."""
    [document] = [doc for doc in documents if (doc["kind"], doc["metadata"]["name"]) == (kind, name)]
    return document
