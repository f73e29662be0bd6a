"""`swarmctl ping`: the word of the server's health service, without a token."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from amplifier_swarm.exits import ExitCode
from unit.client.conftest import Ctl


class Health(health.HealthServicer):  # type: ignore[misc]  # the package has no types
    """A health service that keeps the metadata of its callers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def Check(self, request: HealthCheckRequest, context: grpc.ServicerContext) -> HealthCheckResponse:  # noqa: N802
        self.seen += [str(key) for key, _ in context.invocation_metadata()]
        return super().Check(request, context)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Health]:
    """A server with nothing but a health service, for a user without any token."""
    monkeypatch.delenv("SWARM_TOKEN")
    found, server = Health(), grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    add_HealthServicer_to_server(found, server)
    monkeypatch.setenv("SWARM_SERVER", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield found
    server.stop(0).wait()


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (HealthCheckResponse.SERVING, "serving", ExitCode.OK),
        (HealthCheckResponse.NOT_SERVING, "not_serving", ExitCode.CONFLICT),
    ],
)
def test_the_exit_code_tells_whether_the_server_serves(
    alone: Ctl, served: Health, status: int, word: str, code: ExitCode
) -> None:
    served.set("", status)

    result = alone("ping", "-o", "json")

    assert (result.code, json.loads(result.out)["status"], result.err) == (code, word, "")
    assert "authorization" not in served.seen


def test_no_answer_is_told_with_the_code_of_its_kind(alone: Ctl, served: Health) -> None:
    refused = alone("--server", "127.0.0.1:9", "ping")

    assert refused.code == ExitCode.UNREACHABLE
    assert refused.err.startswith("swarmctl: no swarmd answers at 127.0.0.1:9; ")
