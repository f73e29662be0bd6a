"""The calls to the API server that kopf does not make itself."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import kopf

GROUP: Final = "swarm.amplifier.dev"
VERSION: Final = "v1alpha1"
# Tokens of service accounts are replaced on the disk about once an hour.
_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
TIMEOUT_S: Final = 30.0

# The part of a refusal that is shown.
MAX_ANSWER: Final = 500

Document = Mapping[str, Any]


class ClusterRefused(aiohttp.ClientResponseError):
    """A refusal of the API server, in its own words."""

    def __str__(self) -> str:
        return self.message


class ClusterApi:
    """A namespace of an API server; close it after use. Its methods raise aiohttp.ClientError."""

    def __init__(self, access: kopf.ConnectionInfo, namespace: str) -> None:
        self._access = access
        self._namespace = namespace
        self._session = aiohttp.ClientSession(
            base_url=access.server,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=_tls(access)),
        )

    async def close(self) -> None:
        """Ends all connections."""
        await self._session.close()

    async def tasks(self, plan: str) -> Sequence[Document]:
        """Returns the SwarmTasks of a plan."""
        found = await self._call("GET", f"{self._tasks}?labelSelector={GROUP}/plan={plan}")
        return found["items"] if found else ()

    async def add_task(self, body: Document) -> None:
        """Creates a SwarmTask; one that exists stays as it is."""
        await self._call("POST", self._tasks, body, tolerated=(409,))

    async def patch_task(self, name: str, status: Document) -> None:
        """Merges into the status of a SwarmTask, if it still exists."""
        await self._call("PATCH", f"{self._tasks}/{name}/status", {"status": status})

    async def config_map(self, name: str) -> Mapping[str, str] | None:
        """Returns the texts of a ConfigMap; None if there is none."""
        found = await self._call("GET", f"/api/v1/namespaces/{self._namespace}/configmaps/{name}")
        return None if found is None else found.get("data") or {}

    async def pod(self, name: str) -> Document | None:
        """Returns a Pod; None if there is none."""
        return await self._call("GET", f"/api/v1/namespaces/{self._namespace}/pods/{name}")

    async def node_exists(self, name: str) -> bool:
        """Returns whether the cluster still has the Node."""
        return await self._call("GET", f"/api/v1/nodes/{name}") is not None

    @property
    def _tasks(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/swarmtasks"

    async def _call(
        self, method: str, where: str, body: Document | None = None, *, tolerated: Sequence[int] = ()
    ) -> dict[str, Any] | None:
        """Returns the answer. Returns None if the object does not exist, or if the status is one of `tolerated`."""
        headers = {
            "Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"
        }
        token = _TOKEN.read_text().strip() if _TOKEN.exists() else self._access.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._session.request(method, where, json=body, headers=headers) as response:
                if response.status == 404 or response.status in tolerated:
                    return None
                if not response.ok:
                    message = f"{method} {where} is refused: {(await response.text())[:MAX_ANSWER]}"
                    raise ClusterRefused(response.request_info, response.history, message=message)
                answer: dict[str, Any] = await response.json()
                return answer
        except TimeoutError as error:  # aiohttp raises it as it is when the whole time has passed
            raise aiohttp.ServerTimeoutError(f"{method} {where}: no answer in {TIMEOUT_S:g} s") from error


def _tls(access: kopf.ConnectionInfo) -> ssl.SSLContext | bool:
    if access.insecure:
        return False
    return access.as_ssl_context() if access.ca_path or access.ca_data or access.certificate_path else True
