"""The Helm chart: rendered and linted by Helm, its manifests validated strictly for Kubernetes of today."""

import re
from typing import Any

import pytest
import yaml

from k8s.charts import CHART, FULL, found, rendered

helm_python = pytest.importorskip("helm_python", reason="`make test-k8s` installs Helm")
kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="`make test-k8s` installs the schemas"
)

# Kinds of other projects, whose schemas Kubernetes does not have.
FOREIGN = {"ScaledObject", "ScaledJob", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}


def worker_args(document: dict[str, Any]) -> list[str]:
    spec = document["spec"]
    template = spec["jobTargetRef"]["template"] if document["kind"] == "ScaledJob" else spec["template"]
    args: list[str] = template["spec"]["containers"][0]["args"]
    return args


@pytest.mark.parametrize("values", [{}, FULL], ids=["default", "full"])
def test_the_chart_passes_lint_without_a_warning(values: dict[str, Any]) -> None:
    report = helm_python.lint(CHART, values, strict=True)

    messages = [found for found in report["messages"] if "icon is recommended" not in str(found)]
    assert (messages, report["errors"]) == ([], [])


@pytest.mark.parametrize("values", [{}, FULL], ids=["default", "full"])
def test_every_manifest_is_valid_for_kubernetes_of_today(values: dict[str, Any]) -> None:
    documents = rendered(values)
    templates = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "job"},
            "spec": doc["spec"]["jobTargetRef"],
        }
        for doc in documents
        if doc["kind"] == "ScaledJob"
    ]

    for document in (*templates, *(doc for doc in documents if doc["kind"] not in FOREIGN)):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_crds_are_valid_for_kubernetes_of_today() -> None:
    for file in sorted((CHART / "crds").iterdir()):
        for document in yaml.safe_load_all(file.read_text()):
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"worker": []}, "worker"),
        ({"workers": [{"name": "A"}]}, "name"),
        ({"workers": [{"name": "a", "slots": 0}]}, "slots"),
        ({"workers": [{"name": "a", "replicas": 1, "keda": {"kind": "ScaledJob"}}]}, "workers"),
        ({"workers": [{"name": "a", "keda": {"kind": "Job"}}]}, "kind"),
        ({"server": {"persistence": {"accessMode": "ReadWriteMany"}}}, "accessMode"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], says: str) -> None:
    with pytest.raises(helm_python.HelmError, match=says):
        rendered(values)


def test_tokens_have_the_form_that_swarmd_accepts() -> None:
    import base64  # noqa: PLC0415

    secret = found(rendered(), "Secret", "swarm-tokens")["data"]

    for role in ("operator", "worker", "viewer"):
        text = base64.b64decode(secret[role]).decode()
        assert re.fullmatch(rf"swt1_{role}_[0-9a-f]{{12}}_[A-Za-z0-9_-]{{43}}", text)


def test_every_pod_is_restricted_and_has_no_rights() -> None:
    documents = rendered(FULL)
    pods = []
    for document in documents:
        spec = document.get("spec", {})
        template = spec.get("template") or spec.get("jobTargetRef", {}).get("template")
        if template and document["kind"] != "ScaledObject":
            pods.append((document["metadata"]["name"], template["spec"]))
    assert len(pods) == 6

    for name, pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is (name == "swarm-operator")
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_a_worker_has_time_to_report_what_its_drain_cuts_off() -> None:
    documents = rendered({"workers": [{"name": "a", "drainDeadline": 90}]})
    pod = found(documents, "Deployment", "swarm-a")["spec"]["template"]["spec"]

    assert "--drain-deadline=90" in pod["containers"][0]["args"]
    assert pod["terminationGracePeriodSeconds"] == 150


def test_the_trigger_describes_the_workers_of_its_pool() -> None:
    documents = rendered(FULL)
    job = found(documents, "ScaledJob", "swarm-jobs")
    [trigger] = job["spec"]["triggers"]

    assert trigger["metadata"] == {
        "scalerAddress": "swarm.swarm.svc:7433", "labels": "pool=jobs,gpu=yes,target=main", "slots": "2",
        "clones": "true", "unlabelled": "false",
    }  # fmt: skip
    args = worker_args(job)
    assert {"--label=pool=jobs", "--label=gpu=yes", "--slots=2", "--exit-when-idle=5"} <= set(args)
    [pushed] = found(documents, "ScaledObject", "swarm-scaled")["spec"]["triggers"]
    assert pushed["type"] == "external-push"


def test_a_pool_with_a_target_has_it_as_a_label_for_workers_and_scaler() -> None:
    pool = {"name": "a", "keda": {"kind": "ScaledJob"}, "repo": "r", "target": "release"}
    for labels, expected in (({}, "release"), ({"target": "other"}, "other")):
        job = found(rendered({"workers": [{**pool, "labels": labels}]}), "ScaledJob", "swarm-a")

        assert {"--target=release", f"--label=target={expected}"} <= set(worker_args(job))
        assert job["spec"]["triggers"][0]["metadata"]["labels"] == f"pool=a,target={expected}"


def test_a_worker_reads_neither_the_operators_token_nor_the_servers_key() -> None:
    for kind, name in (("Deployment", "swarm-plain"), ("StatefulSet", "swarm-kept")):
        volumes = found(rendered(FULL), kind, name)["spec"]["template"]["spec"]["volumes"]
        keys = {item["key"] for volume in volumes for item in volume.get("secret", {}).get("items", [])}
        assert keys == {"worker", "ca.crt"}
