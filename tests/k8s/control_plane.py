"""A control plane of Kubernetes on this machine: etcd, API server, controller manager and scheduler."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from contract.repository import ROOT
from k8s.api import KubeApi
from support.waiting import until

BIN = ROOT / ".tools" / "k8s" / "bin"
BUILT = (BIN / ".ready").exists()


def free_port() -> int:
    """Returns a port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class ControlPlane:
    """Processes below one folder; `start` waits until the API server is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_s = 0.0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = secrets.token_hex(16)
        self._port = free_port()
        self.ca = folder / "ca.pem"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def api(self, token: str = "") -> KubeApi:
        return KubeApi(self.url, self.ca, token or self._token)

    def start(self) -> None:
        began = time.monotonic()
        etcd = self._start_etcd()
        self._make_keys()
        self._start_api_server(etcd)
        api = self.api()

        def ready() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return bool(api.call("GET", "/version"))
            return False

        until(ready, "the API server answers", deadline_s=90)
        until(lambda: api.get("Namespace", "default"), "the API server is set up", deadline_s=90)
        self.ready_s = time.monotonic() - began
        kubeconfig = self.kubeconfig(self._token)
        key = self.folder / "accounts.key"
        self._spawn(
            "kube-controller-manager", f"--kubeconfig={kubeconfig}", f"--service-account-private-key-file={key}",
            f"--root-ca-file={self.ca}", "--leader-elect=false", "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}", "--port=0", f"--cert-dir={self.folder / 'cm'}",
            "--node-monitor-grace-period=8s", "--node-monitor-period=2s",
        )  # fmt: skip
        self._spawn(
            "kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}", "--port=0", f"--cert-dir={self.folder / 'scheduler'}",
        )  # fmt: skip
        api.close()

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubeconfig(self, token: str) -> Path:
        """Writes a kubeconfig with that token."""
        file = self.folder / f"kubeconfig-{secrets.token_hex(4)}"
        file.write_text(
            json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "swarm"}}],
            })
        )  # fmt: skip
        return file

    def _make_keys(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        cert = authority.issue_cert("127.0.0.1", "localhost")
        cert.private_key_pem.write_to_path(str(self.folder / "server.key"))
        for pem in cert.cert_chain_pems:
            pem.write_to_path(str(self.folder / "server.pem"), append=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self.folder / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')

    def _start_etcd(self) -> str:
        client, peer = free_port(), free_port()
        self._spawn(
            "etcd", f"--data-dir={self.folder / 'etcd'}", f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}", "--unsafe-no-fsync",
        )  # fmt: skip
        return f"http://127.0.0.1:{client}"

    def _start_api_server(self, etcd: str) -> None:
        key = self.folder / "accounts.key"
        self._spawn(
            "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={self._port}",
            f"--tls-cert-file={self.folder / 'server.pem'}", f"--tls-private-key-file={self.folder / 'server.key'}",
            "--service-cluster-ip-range=10.0.0.0/24", f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            f"--cert-dir={self.folder / 'api'}", "--endpoint-reconciler-type=none", "--insecure-port=0",
        )  # fmt: skip

    def _spawn(self, program: str, *flags: str) -> None:
        with (self.folder / f"{program}.log").open("wb") as log:
            env = {**os.environ, "no_proxy": "127.0.0.1,localhost"}
            process = subprocess.Popen([BIN / program, *flags], stdout=log, stderr=log, env=env)
        self._processes.append(process)


@contextlib.contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Runs a control plane while the block runs."""
    plane = ControlPlane(folder)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
