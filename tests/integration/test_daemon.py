"""The whole daemon in this process: refused starts and the stop file."""

import asyncio
import errno
import socket
import ssl
import subprocess
from pathlib import Path

import grpc
import pytest
import trustme
from structlog.testing import capture_logs

from amplifier_swarm.channel import KEEPALIVE, Endpoint, dial
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2
from support.programs import BIN
from support.server import Client, next_message, server
from support.waiting import eventually
from swarmd.config import ServerConfig
from swarmd.listen import LoopErrors, read_tls


async def start(folder: Path, **settings: object) -> ProgramExit:
    """Starts a server that must refuse; returns its ProgramExit."""
    with pytest.raises(ProgramExit) as caught:
        async with server(folder, **settings):
            pass
    return caught.value


async def test_a_port_that_is_taken_is_refused_and_not_shared(tmp_path: Path) -> None:
    async with server(tmp_path / "one") as first:
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
            "can't read --tls-cert no-cert: No such file or directory; check the path",
        ),
    ],
)
async def test_half_a_tls_set_up_is_refused(tmp_path: Path, settings: dict[str, Path], message: str) -> None:
    assert (await start(tmp_path, **settings)).line("swarmd") == f"swarmd: {message}"


@pytest.mark.parametrize("flag", [("--db", "\udcff.db"), ("--db", "ok\udcff/swarm.db")])
def test_a_database_path_that_sqlite_can_not_open_is_one_line(tmp_path: Path, flag: tuple[str, str]) -> None:
    done = subprocess.run([BIN / "swarmd", *flag], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == ExitCode.USAGE
    assert "is not valid UTF-8, which SQLite needs; use another folder" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


WRONG_TLS = {
    "another key": "--tls-key other.pem does not belong to the certificate in cert.pem; the server's own certificate",
    "no key": "--tls-key cert.pem has no private key in PEM form; check the file",
    "no certificate": "--tls-cert key.pem has no certificate in PEM form; check the file",
    "an encrypted key": "--tls-key encrypted.pem has a passphrase; give a key without one",
    "a broken certificate": "--tls-cert broken.pem and --tls-key key.pem can't be used: ",
    "a junk authority": "--tls-client-ca junk.pem has no certificate in PEM form; give the certificate",
}


def write_tls_files() -> None:
    authority = trustme.CA()
    own, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path("cert.pem")
    own.private_key_pem.write_to_path("key.pem")
    other.private_key_pem.write_to_path("other.pem")
    Path("encrypted.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    Path("broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    Path("junk.pem").write_text("junk")


@pytest.mark.parametrize("kind", WRONG_TLS)
async def test_tls_files_that_do_not_fit_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tls_files()
    cert = {"no certificate": "key.pem", "a broken certificate": "broken.pem"}.get(kind, "cert.pem")
    keys = {"another key": "other.pem", "no key": "cert.pem", "an encrypted key": "encrypted.pem"}
    settings = {"tls_cert": Path(cert), "tls_key": Path(keys.get(kind, "key.pem"))}
    if kind == "a junk authority":
        settings["tls_client_ca"] = Path("junk.pem")

    refused = await start(tmp_path / "state", **settings)

    assert refused.code is ExitCode.USAGE
    assert refused.line("swarmd").startswith(f"swarmd: {WRONG_TLS[kind]}")


async def test_a_tls_key_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    identity = trustme.CA().issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    identity.cert_chain_pems[0].write_to_path(cert)
    identity.private_key_pem.write_to_path(key)

    warnings = []
    for mode in (0o644, 0o640, 0o600):
        key.chmod(mode)
        with capture_logs() as logs:
            read_tls(ServerConfig(tls_cert=cert, tls_key=key))
        warnings.append([(line["mode"], line["path"]) for line in logs])

    assert warnings == [[("0644", str(key))], [], []]


async def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    async with server(tmp_path):
        pass
    (tmp_path / "token").chmod(0o644)

    refused = await start(tmp_path)

    assert refused.code is ExitCode.UNAUTHENTICATED
    assert "may be read by others (mode 0644); chmod 600" in refused.line("swarmd")


async def test_a_token_file_with_something_else_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("shopping-list\n")
    (tmp_path / "token").chmod(0o600)

    refused = await start(tmp_path)

    assert refused.code is ExitCode.USAGE
    assert (tmp_path / "token").read_text() == "shopping-list\n"


@pytest.mark.slow
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


async def test_a_failed_accept_is_one_line_a_minute_and_other_errors_keep_their_traceback() -> None:
    loop = asyncio.get_running_loop()
    handler = LoopErrors()

    with capture_logs() as logs:
        for _ in range(3):
            handler(
                loop,
                {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "")},
            )
        handler(loop, {"message": "Exception in callback X._start_serving(…)", "exception": ValueError("-1")})
        handler(loop, {"message": "something else", "exception": (fault := RuntimeError("a bug"))})

    assert [line["event"] for line in logs] == [
        "no new connection is taken; raise the limit of open files",
        "an error outside of any task",
    ]
    assert (logs[0]["error"], logs[1]["exc_info"]) == ("Too many open files", fault)
