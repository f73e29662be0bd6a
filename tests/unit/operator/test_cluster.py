"""The calls to the API server."""

import socket

import aiohttp
import kopf
import pytest

from swarm_operator import cluster
from swarm_operator.cluster import ClusterApi


async def test_an_api_server_that_does_not_answer_is_an_error_of_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.1)
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as silent:  # the kernel takes the connection, and nobody answers
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        api = ClusterApi(kopf.ConnectionInfo(server=server), "swarm")
        with pytest.raises(aiohttp.ClientError, match=r"^GET /api/v1/nodes/n: no answer in 0\.1 s$"):
            await api.node_exists("n")
        await api.close()
