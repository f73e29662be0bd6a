"""A test kubelet: one Node that runs the container of each of its Pods as a process of this machine.

Images and networks are left out. A path of a volume becomes a folder of the Pod, and a name of a Service the address
that `addresses` gives for it, in arguments, variables and the program's surroundings. Signals, grace periods, restarts,
exit codes, probes and statuses are those of a kubelet.
"""

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from k8s.api import STRATEGIC
from k8s.control_plane import ControlPlane

LOOK_S = 0.2
LEASE_S = 2.0


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def descendants(pid: int) -> list[int]:
    """Returns the processes below one, by /proc."""
    found = []
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for text in child.read_text().split():
                found += [*descendants(int(text)), int(text)]
    return found


@dataclass
class Run:
    """A Pod on this Node."""

    uid: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    restarts: int = 0
    started: str = ""
    kill_at_s: float | None = None
    phase: str = "Pending"
    ready: bool = False
    probe: dict[str, Any] = field(default_factory=dict)


class Kubelet:
    """A Node. `lose` ends it like a machine that loses power; `stop` ends it with its Pods."""

    def __init__(
        self, plane: ControlPlane, name: str, folder: Path, *, addresses: dict[str, str], env: dict[str, str]
    ) -> None:
        self.name = name
        self._plane = plane
        self._api = plane.api()
        self._folder = folder
        self._addresses = addresses
        self._env = env
        self._runs: dict[str, Run] = {}
        self.alive = True
        self._lease_at_s = 0.0
        self.errors: list[str] = []
        self._register()
        self._thread = threading.Thread(target=self._work, name=f"kubelet {name}", daemon=True)
        self._thread.start()

    def lose(self) -> None:
        """Kills everything at once; nobody hears of it."""
        self.alive = False
        self._thread.join()
        self._kill_all()

    def stop(self) -> None:
        self.lose()
        self._api.close()

    def _kill_all(self) -> None:
        for run in self._runs.values():
            if run.process is not None:
                for pid in [*descendants(run.process.pid), run.process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                run.process.wait()

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        self._api.create(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": self.name, "labels": labels},
                "spec": {},
            }
        )
        self._report_node()

    def _report_node(self) -> None:
        size = {"cpu": "64", "memory": "64Gi", "pods": "100", "ephemeral-storage": "100Gi"}
        condition = {
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "test", "lastHeartbeatTime": now(),
        }  # fmt: skip
        status = {"capacity": size, "allocatable": size, "conditions": [condition]}
        self._api.patch("Node", self.name, {"status": status}, status=True, how=STRATEGIC)

    def _work(self) -> None:
        while self.alive:
            try:
                self._round()
            except (httpx.HTTPError, OSError) as error:
                self.errors.append(repr(error)[:300])
            time.sleep(LOOK_S)

    def _round(self) -> None:
        if time.monotonic() > self._lease_at_s:
            self._lease_at_s = time.monotonic() + LEASE_S
            self._report_node()
        pods = self._api.list("Pod", fieldSelector=f"spec.nodeName={self.name}")
        for pod in pods:
            self._look_after(pod)
        for uid in self._runs.keys() - {pod["metadata"]["uid"] for pod in pods}:
            run = self._runs.pop(uid)
            if run.process is not None and run.process.poll() is None:
                run.process.kill()
                run.process.wait()

    def _look_after(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if (run := self._runs.get(uid)) is None:
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                if pod["metadata"].get("deletionTimestamp"):
                    self._remove(pod)
                return
            run = self._runs[uid] = Run(uid, self._folder / uid)
            self._start(pod, run)
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, run)
        elif run.process is not None and run.process.poll() is not None:
            self._ended(pod, run)
        elif not run.ready and run.phase == "Running":
            run.ready = self._probe(run)
            if run.ready:
                self._report(pod, run)

    def _start(self, pod: dict[str, Any], run: Run) -> None:
        [container] = pod["spec"]["containers"]
        mounts = self._make_volumes(pod, run, container)
        values = {"metadata.name": pod["metadata"]["name"], "spec.nodeName": self.name}
        env = dict(self._env)
        for variable in container.get("env", []):
            text = variable.get("value")
            if text is None:
                text = values[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            env[variable["name"]] = self._local(text, mounts)
        if pod["spec"].get("automountServiceAccountToken", True):
            env["KUBECONFIG"] = str(self._plane.kubeconfig(self._account_token(pod)))
        argv = [*container["command"], *container.get("args", [])]
        argv = [self._local(_expanded(word, env), mounts) for word in argv]
        run.probe = (container.get("readinessProbe") or {}).get("httpGet") or {}
        run.folder.mkdir(parents=True, exist_ok=True)
        log = (run.folder / "log").open("ab")
        run.process = subprocess.Popen(
            argv,
            env=env,
            cwd=run.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        run.phase, run.started, run.ready = "Running", now(), not run.probe
        self._report(pod, run)

    def _make_volumes(self, pod: dict[str, Any], run: Run, container: dict[str, Any]) -> dict[str, Path]:
        """Makes the volumes as folders; returns the folder of each mount path."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounts = {}
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"] == "/tmp":
                continue  # all of a test lies there
            volume = volumes[mount["name"]]
            claim = volume.get("persistentVolumeClaim")
            kept = self._folder / f"claim-{claim['claimName']}" if claim else run.folder / mount["name"]
            kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            if "secret" in volume:
                self._write_secret(volume["secret"], kept)
            mounts[mount["mountPath"]] = kept
        return mounts

    def _write_secret(self, source: dict[str, Any], folder: Path) -> None:
        data = self._api.get("Secret", source["secretName"])["data"]
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            file = folder / item["path"]
            file.write_bytes(base64.b64decode(data[item["key"]]))
            file.chmod(0o600)

    def _account_token(self, pod: dict[str, Any]) -> str:
        account = self._api.get("ServiceAccount", pod["spec"]["serviceAccountName"])
        secret = self._api.get("Secret", account["secrets"][0]["name"])
        return base64.b64decode(secret["data"]["token"]).decode()

    def _local(self, text: str, mounts: dict[str, Path]) -> str:
        for name, address in self._addresses.items():
            text = text.replace(name, address)
        # In one pass, since the folder of a volume may itself lie below the path of another.
        paths = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
        return re.sub(rf"(?<![\w/])({paths})(?=/|$)", lambda found: str(mounts[found[1]]), text)

    def _probe(self, run: Run) -> bool:
        port = self._addresses["0.0.0.0:8765"]
        with contextlib.suppress(OSError):
            # On loopback swarmd serves HTTP without TLS; in a Pod it listens on all addresses.
            return bool(urllib.request.urlopen(f"http://{port}{run.probe['path']}", timeout=5).status == 200)
        return False

    def _end(self, pod: dict[str, Any], run: Run) -> None:
        """SIGTERM, and SIGKILL at the end of the grace period; then the Pod's object goes."""
        assert run.process is not None
        if run.kill_at_s is None:
            grace_s = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            run.kill_at_s = time.monotonic() + grace_s
            with contextlib.suppress(ProcessLookupError):
                run.process.send_signal(signal.SIGTERM)
        if run.process.poll() is None:
            if time.monotonic() < run.kill_at_s:
                return
            for pid in [*descendants(run.process.pid), run.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            run.process.wait()
        run.phase = "Succeeded" if run.process.returncode == 0 else "Failed"
        run.ready = False
        self._report(pod, run)
        self._remove(pod)

    def _remove(self, pod: dict[str, Any]) -> None:
        self._api.delete(
            "Pod",
            pod["metadata"]["name"],
            gracePeriodSeconds=0,
            preconditions={"uid": pod["metadata"]["uid"]},
        )

    def _ended(self, pod: dict[str, Any], run: Run) -> None:
        assert run.process is not None
        if run.phase in ("Succeeded", "Failed"):
            return
        if pod["spec"].get("restartPolicy", "Always") == "Always":
            run.restarts += 1
            self._start(pod, run)
            return
        run.phase, run.ready = ("Succeeded" if run.process.returncode == 0 else "Failed"), False
        self._report(pod, run)

    def _report(self, pod: dict[str, Any], run: Run) -> None:
        assert run.process is not None
        [container] = pod["spec"]["containers"]
        state: dict[str, Any] = {"running": {"startedAt": run.started}}
        if run.phase in ("Succeeded", "Failed"):
            code = run.process.returncode
            ended = {
                "exitCode": code if code >= 0 else 128 - code,
                "startedAt": run.started,
                "finishedAt": now(),
            }
            state = {"running": None, "terminated": ended}
        word = "True" if run.ready else "False"
        status = {
            "phase": run.phase,
            "startTime": run.started,
            "podIP": "127.0.0.1",
            "conditions": [{"type": kind, "status": word} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [
                {
                    "name": container["name"], "image": container["image"], "imageID": "", "ready": run.ready,
                    "restartCount": run.restarts, "state": state,
                }
            ],
        }  # fmt: skip
        self._api.patch("Pod", pod["metadata"]["name"], {"status": status}, status=True, how=STRATEGIC)


def _expanded(word: str, env: dict[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), word)


def container_environment() -> dict[str, str]:
    """Returns the environment of containers: the programs of this checkout on PATH, and nothing of ours besides."""
    programs = Path(sys.executable).parent
    git = shutil.which("git")
    assert git, "git is missing"
    return {
        "PATH": f"{programs}:{Path(git).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "no_proxy": "127.0.0.1",
    }
