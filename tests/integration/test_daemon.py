"""The whole daemon in this process: refused starts and the stop file."""

import socket
import ssl
from pathlib import Path

import grpc
import pytest
import trustme

from amplifier_swarm.channel import KEEPALIVE, Endpoint, dial
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2
from support.server import Client, next_message, server
from support.waiting import eventually


async def start(folder: Path, **settings: object) -> ProgramExit:
    """Starts a server that must refuse; returns its ProgramExit."""
    with pytest.raises(ProgramExit) as caught:
        async with server(folder, **settings):
            pass
    return caught.value


async def test_a_port_that_is_taken_is_refused_and_not_shared(tmp_path: Path) -> None:
    async with server(tmp_path / "one") as first:
        from swarmd.config import ServerConfig  # noqa: PLC0415
        from swarmd.daemon import serve  # noqa: PLC0415

        with pytest.raises(ProgramExit) as caught:
            async with serve(
                ServerConfig(db=tmp_path / "two" / "swarm.db", listen=first.address, dashboard="off")
            ):
                pass

    assert caught.value.code is ExitCode.NEGATIVE
    assert caught.value.line("swarmd") == (
        f"swarmd: can't listen on {first.address}: the address is in use or not this machine's;"
        " give another --listen; port 0 takes a free one"
    )


async def test_a_second_server_on_the_same_database_is_refused_with_the_holders_pid(tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    async with server(tmp_path):
        refused = await start(tmp_path)

    assert (refused.code, f"pid {os.getpid()}" in refused.message) == (ExitCode.NOT_FOUND, True)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "[::ffff:0:0]:0", "192.0.2.1:0"])
async def test_without_tls_only_loopback_is_served(tmp_path: Path, listen: str) -> None:
    from swarmd.config import ServerConfig  # noqa: PLC0415
    from swarmd.daemon import serve  # noqa: PLC0415

    with pytest.raises(ProgramExit) as caught:
        async with serve(ServerConfig(db=tmp_path / "swarm.db", listen=listen)):
            pass

    assert (caught.value.code, "without TLS" in caught.value.message) == (ExitCode.USAGE, True)
    assert not (tmp_path / "swarm.db").exists()


async def test_with_tls_and_client_certificates_only_those_who_have_one_get_in(tmp_path: Path) -> None:
    authority = trustme.CA()
    identity, guest = authority.issue_cert("localhost", "127.0.0.1"), authority.issue_cert("guest")
    files = {}
    for name, pem in {
        "ca": authority.cert_pem, "cert": identity.cert_chain_pems[0], "key": identity.private_key_pem,
        "guest-cert": guest.cert_chain_pems[0], "guest-key": guest.private_key_pem,
    }.items():  # fmt: skip
        files[name] = tmp_path / f"{name}.pem"
        pem.write_to_path(files[name])
    tls = {"tls_cert": files["cert"], "tls_key": files["key"], "tls_client_ca": files["ca"]}

    async with server(tmp_path / "state", **tls) as served:
        good = Endpoint(served.address, served.token, files["ca"], files["guest-cert"], files["guest-key"])
        for endpoint, allowed in ((good, True), (Endpoint(served.address, served.token, files["ca"]), False)):
            channel = dial(endpoint)
            client = Client(channel, endpoint.metadata)
            if allowed:
                await client.call("GetSwarm", pb.GetSwarmRequest())
            else:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await client.call("GetSwarm", pb.GetSwarmRequest())
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await channel.close()
    assert ssl.OPENSSL_VERSION


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_cert": Path("x")}, "--tls-cert and --tls-key go together; give both"),
        ({"tls_client_ca": Path("x")}, "--tls-client-ca needs --tls-cert and --tls-key"),
        (
            {"tls_cert": Path("no-cert"), "tls_key": Path("no-key")},
            "can't read no-cert; check the --tls flags",
        ),
    ],
)
async def test_half_a_tls_set_up_is_refused(tmp_path: Path, settings: dict[str, Path], message: str) -> None:
    assert (await start(tmp_path, **settings)).line("swarmd") == f"swarmd: {message}"


async def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    async with server(tmp_path):
        pass
    (tmp_path / "token").chmod(0o644)

    refused = await start(tmp_path)

    assert refused.code is ExitCode.UNAUTHENTICATED
    assert "may be read by others (mode 0644); chmod 600" in refused.line("swarmd")


async def test_a_token_file_with_something_else_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("my shopping list\n")
    (tmp_path / "token").chmod(0o600)

    refused = await start(tmp_path)

    assert refused.code is ExitCode.USAGE
    assert (tmp_path / "token").read_text() == "my shopping list\n"


async def test_a_stop_file_is_an_emergency_stop_at_the_start_and_while_running(tmp_path: Path) -> None:
    async with server(tmp_path) as served:
        client = served.client()
        (tmp_path / "EMERGENCY_STOP").touch()

        async def stopped() -> bool:
            found = (await client.call("GetSwarm", pb.GetSwarmRequest())).swarm
            return bool(found.mode == swarm_pb2.SWARM_MODE_STOPPED)

        await eventually(stopped, "the file stops the swarm")
        (tmp_path / "EMERGENCY_STOP").unlink()
        await client.call("ResumeSwarm", pb.ResumeSwarmRequest())
    (tmp_path / "EMERGENCY_STOP").touch()

    async with server(tmp_path) as served:
        found = (await served.client().call("GetSwarm", pb.GetSwarmRequest())).swarm
        assert (found.mode, found.stop_generation) == (swarm_pb2.SWARM_MODE_STOPPED, 2)
        assert found.cause == "the file EMERGENCY_STOP exists"


async def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    async with server(tmp_path) as served:
        client = served.client()
        claims = client.claims()
        await next_message(claims)
        follow = client.operator.WatchEvents(pb.WatchEventsRequest(follow=True), metadata=client.metadata)
        await next_message(follow)
        tasks = served.swarm
        await tasks.close()
        await next_message(claims)

        assert await claims.read() is grpc.aio.EOF


def test_a_dead_peer_is_noticed_by_ping_timeout_and_not_by_keepalive_timeout_alone() -> None:
    """Checks the HTTP/2 ping timeout on both sides: grpc's keepalive timeout alone has no effect."""
    names = dict(KEEPALIVE)

    assert names["grpc.http2.ping_timeout_ms"] == names["grpc.keepalive_timeout_ms"] > 0
    assert names["grpc.keepalive_time_ms"] <= 20_000
    assert socket.SO_REUSEPORT
