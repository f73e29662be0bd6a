"""KEDA's part for a ScaledJob, over the real protocol: it asks the scaler and creates Jobs.

It reads the ScaledJob and its TriggerAuthentication from the API server, as KEDA's operator does, and reckons like
KEDA's strategy `default`: the metric over the target, at most the maximum, less the Jobs that have not finished.
"""

import base64
import contextlib
import math
import secrets
import threading
import time
from typing import Any

import grpc
import httpx

from amplifier_swarm.keda import externalscaler_pb2 as pb
from amplifier_swarm.keda.externalscaler_pb2_grpc import ExternalScalerStub
from k8s.api import KubeApi

LOOK_S = 1.0
NAME = "scaledjob.keda.sh/name"


class KedaLoop:
    """The scaling of one ScaledJob while the thread runs."""

    def __init__(self, api: KubeApi, name: str, addresses: dict[str, str]) -> None:
        self._api = api
        self._name = name
        self._addresses = addresses
        self._running = True
        # Times and numbers of Jobs, for the figures.
        self.created: list[float] = []
        self.errors: list[str] = []
        self._thread = threading.Thread(target=self._work, name="keda", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._running = False
        self._thread.join()

    def _work(self) -> None:
        while self._running:
            try:
                self._round()
            except (grpc.RpcError, httpx.HTTPError) as error:
                self.errors.append(repr(error)[:300])
            time.sleep(LOOK_S)

    def _round(self) -> None:
        scaled = self._api.get("ScaledJob", self._name)
        [trigger] = scaled["spec"]["triggers"]
        with contextlib.closing(self._dial(trigger)) as channel:
            wanted = self._wanted(ExternalScalerStub(channel), scaled, trigger["metadata"])
        jobs = self._api.list("Job", labelSelector=f"{NAME}={self._name}")
        unfinished = [job for job in jobs if not _is_finished(job)]
        for _ in range(min(wanted, scaled["spec"]["maxReplicaCount"]) - len(unfinished)):
            self.created.append(time.monotonic())
            self._api.create(_job(scaled, self._name))

    def _wanted(self, stub: Any, scaled: dict[str, Any], metadata: dict[str, str]) -> int:
        ref = pb.ScaledObjectRef(name=self._name, namespace=self._api.namespace, scalerMetadata=metadata)
        [spec] = stub.GetMetricSpec(ref, timeout=5).metricSpecs
        request = pb.GetMetricsRequest(scaledObjectRef=ref, metricName=spec.metricName)
        [value] = stub.GetMetrics(request, timeout=5).metricValues
        return math.ceil(float(value.metricValueFloat) / float(spec.targetSizeFloat))

    def _dial(self, trigger: dict[str, Any]) -> grpc.Channel:
        auth = self._api.get("TriggerAuthentication", trigger["authenticationRef"]["name"])
        [source] = auth["spec"]["secretTargetRef"]
        assert source["parameter"] == "caCert"
        ca = base64.b64decode(self._api.get("Secret", source["name"])["data"][source["key"]])
        address = self._addresses[trigger["metadata"]["scalerAddress"]]
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca))


def _is_finished(job: dict[str, Any]) -> bool:
    conditions = job["status"].get("conditions", [])
    return any(found["type"] in ("Complete", "Failed") and found["status"] == "True" for found in conditions)


def _job(scaled: dict[str, Any], name: str) -> dict[str, Any]:
    spec = dict(scaled["spec"]["jobTargetRef"])
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{name}-{secrets.token_hex(3)}", "labels": {NAME: name}},
        "spec": spec,
    }
