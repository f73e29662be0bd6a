"""Workers and clients on other machines: proxies, idle limits of load balancers, IPv6, long lines."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.proxy import BYPASS_VARIABLES, VARIABLES
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from chaos.proxy import Proxy, Toxics
from fakes.swarm_server import WORKER
from support.connect_proxy import connect_proxy
from support.grpc_worker import GrpcWorker
from support.programs import BIN, stage
from support.server import Client, Server, end_of, next_message, server
from support.tls import answers, authority
from support.waiting import eventually
from swarmd.rpc import server as rpc_server

pytestmark = pytest.mark.slow

FAR = "swarm.example.test:7433"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *BYPASS_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        return True
    return False


async def test_a_worker_joins_by_fingerprint_through_a_proxy_that_alone_knows_the_host(
    tmp_path: Path,
) -> None:
    """The worker has what `swarmctl worker-config` prints, and the proxy of its company."""
    own = authority(tmp_path / "tls")
    settings = own.write("swarm.example.test", "127.0.0.1")
    async with server(tmp_path / "state", **settings) as served, connect_proxy(served.address) as proxy:
        endpoint = Endpoint(served.address, served.token, own.file)
        async with dial(endpoint) as channel:
            client = Client(channel, endpoint.metadata)
            made = await client.call(
                "CreateToken", pb.CreateTokenRequest(role=pb.ROLE_WORKER, join=pb.JoinTerms(max_uses=1))
            )
            with stage(tmp_path / "machine") as place:
                place.project.mkdir(parents=True)
                variables = {
                    "SWARM_SERVER": FAR, "SWARM_TLS_CA_FINGERPRINT": own.fingerprint, "SWARM_TOKEN": made.token,
                    "SWARM_WORKER_NAME": "far", "https_proxy": proxy.url,
                }  # fmt: skip
                argv = ("--project-root", str(place.project), "--runner", "command", "--builder-command", "true",
                        "--no-validation")  # fmt: skip
                worker = place.start("worker", *argv, program=WORKER.name, env=variables)
                await eventually(lambda: "ready" in worker.out.read_text(), f"it is ready: {worker.said()}")

                [listed] = (await client.call("ListWorkers", pb.ListWorkersRequest())).workers
                assert listed.name == "far"
                assert "is reached through a proxy" in worker.said()
                # One tunnel for the first contact, one to join, one to work.
                assert proxy.targets == [FAR] * 3
                assert made.token.encode() not in proxy.seen


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_in_every_place_of_an_address(tmp_path: Path) -> None:
    async with server(tmp_path, tls_auto=True, listen="[::1]:0", dashboard="[::1]:0") as served:
        assert served.address.startswith("[::1]:")
        assert served.dashboard.startswith("http://[::1]:")
        assert await answers(served, tmp_path / "tls" / "ca.pem")
        token = tmp_path / "token"
        flags = ("--server", served.address, "--tls-ca", tmp_path / "tls" / "ca.pem", "--token-file", token)

        printed = await asyncio.create_subprocess_exec(
            BIN / "swarmctl", *flags, "worker-config", "--address", served.address,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await printed.communicate()

    assert f"SWARM_SERVER={served.address}\n" in out.decode()


@contextlib.asynccontextmanager
async def idle_cutter(target: str, *, after_s: float) -> AsyncIterator[tuple[str, list[str]]]:
    """Serves a balancer that cuts each connection on which nothing came from the client for a time; notes the cuts."""
    host, _, port = target.rpartition(":")
    cuts: list[str] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def up(reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        while data := await asyncio.wait_for(reader.read(65_536), after_s):
            onward.write(data)

    async def down(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await upstream.read(65_536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]  # it runs in a task
        upstream, onward = await asyncio.open_connection(host, int(port))
        answers_task = asyncio.create_task(down(upstream, writer))
        tasks.add(answers_task)
        try:
            await up(reader, onward)
        except TimeoutError:
            cuts.append("silent")
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            answers_task.cancel()
            writer.close()
            onward.close()

    balancer = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{balancer.sockets[0].getsockname()[1]}", cuts
    finally:
        balancer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opened_claims(served: Server, address: str, name: str, **fields: Any) -> Any:
    """Opens the stream of an idle worker, on which nobody says anything."""
    endpoint = Endpoint(address, served.token, **fields)
    channel = dial(endpoint)
    served.clients.append(channel)
    stream = Client(channel, endpoint.metadata).claims(name)
    assert (await next_message(stream)).HasField("opened")
    return stream


async def test_pings_keep_an_idle_stream_open_behind_a_balancer_that_cuts_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty seconds and pings each twenty, at a thirtieth of the time."""
    shortest = "grpc.http2.min_ping_interval_without_data_ms"
    options = [(name, 300 if name == shortest else value) for name, value in rpc_server._options()]
    monkeypatch.setattr(rpc_server, "_options", lambda: options)
    async with server(tmp_path) as served, idle_cutter(served.address, after_s=2.0) as (address, cuts):
        silent = await opened_claims(served, address, "silent", keepalive_ms=3_600_000)
        kept = await opened_claims(served, address, "kept", keepalive_ms=667)

        # The balancer shows that it cuts: what is silent ends. What pings is open after that, and is given work.
        # A second one takes as long again: gRPC by itself would stop after two pings without data.
        assert await end_of(silent) is grpc.StatusCode.UNAVAILABLE
        silent = await opened_claims(served, address, "silent", keepalive_ms=3_600_000)
        assert await end_of(silent) is grpc.StatusCode.UNAVAILABLE
        await served.client().add(task_pb2.TaskDefinition(task_id="late", name="late"))
        while not (message := await next_message(kept)).claims:
            pass

        assert message.claims[0].task.task_id == "late"
        assert cuts == ["silent", "silent"]


async def test_work_goes_on_over_a_line_with_a_long_delay(served: Server) -> None:
    """Claims, sessions, logs and outcomes, with 200 ms from one end to the other and back."""
    with Proxy(served.address) as proxy:
        lane = proxy.lane()
        lane.set(Toxics(latency_s=0.1))
        endpoint = Endpoint(lane.address, served.token)
        channel = dial(endpoint)
        served.clients.append(channel)
        worker = GrpcWorker(Client(channel, endpoint.metadata), slots=2)
        await served.client().add(*(task_pb2.TaskDefinition(task_id=name, name=name) for name in ("a", "b")))

        for _ in range(2):
            claim = await worker.claim()
            session = await worker.start(claim)
            await worker.say(claim, session, *("x" * 10_000 for _ in range(100)))
            await worker.end(claim, session)
            await worker.finish(claim, validation_waived=True)

        assert [await served.client().status(name) for name in ("a", "b")] == ["completed", "completed"]
