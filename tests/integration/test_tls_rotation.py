"""Certificates, keys, CAs and tokens that are replaced while server and worker run."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.pinning import certificates_in, shown_certificates
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.swarm_pb2 import WORKER_STATUS_ONLINE
from fakes.swarm_server import WORKER
from support.programs import Program, Stage, stage
from support.server import Client, Server, refusal, server
from support.tls import answers, authority, call_answers, replace
from support.waiting import eventually
from swarmd.tls.authority import RENEW_DAYS, SERVER_DAYS

pytestmark = pytest.mark.slow


async def shown(address: str) -> bytes:
    """Returns the certificate that new connections get."""
    return (await asyncio.to_thread(shown_certificates, address))[0]


def content(file: Path) -> bytes:
    return file.read_bytes()


async def until_shown(address: str, file: Path) -> None:
    wanted = certificates_in(content(file))[0]

    async def is_shown() -> bool:
        return await shown(address) == wanted

    await eventually(is_shown, "new connections get the new certificate")


async def test_new_connections_get_a_new_certificate_and_old_ones_stay(tmp_path: Path) -> None:
    first, second = authority(tmp_path / "tls"), authority(tmp_path / "second")
    async with server(tmp_path / "state", **first.write()) as served:
        endpoint = Endpoint(served.address, served.token, first.file)
        async with dial(endpoint) as channel:
            old = Client(channel, endpoint.metadata)
            assert await call_answers(old)

            pems = second.write()
            replace(tmp_path / "tls" / "key.pem", pems["tls_key"].read_bytes())
            replace(tmp_path / "tls" / "cert.pem", pems["tls_cert"].read_bytes())
            await until_shown(served.address, pems["tls_cert"])

            assert await call_answers(old)
        assert await answers(served, second.file)
        assert not await answers(served, first.file)


async def test_the_swap_of_a_link_is_seen_as_kubernetes_does_it(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    for name in ("..1", "..2"):
        authority(mount / name).write(cert="tls.crt", key="tls.key")
    (mount / "..data").symlink_to("..1")
    files = {flag: mount / name for flag, name in (("tls_cert", "tls.crt"), ("tls_key", "tls.key"))}
    for file in files.values():
        file.symlink_to(Path("..data", file.name))
    async with server(tmp_path / "state", **files) as served:
        await until_shown(served.address, mount / "..1" / "tls.crt")

        (mount / "..fresh").symlink_to("..2")
        (mount / "..fresh").replace(mount / "..data")

        await until_shown(served.address, mount / "..2" / "tls.crt")


@pytest.mark.parametrize(
    "broken", ["the key of another", "an empty key", "no key", "a key that nobody may read"]
)
async def test_half_a_pair_is_reported_once_and_the_old_one_stays(tmp_path: Path, broken: str) -> None:
    own = authority(tmp_path / "tls")
    settings = own.write()
    async with server(tmp_path / "state", **settings) as served:
        before = settings["tls_cert"].read_bytes()
        with capture_logs() as logs:
            own.write(cert="cert.pem", key="later.pem")
            if broken == "an empty key":
                replace(settings["tls_key"], b"")
            elif broken == "no key":
                settings["tls_key"].unlink()
            elif broken == "a key that nobody may read":
                settings["tls_key"].unlink()
                settings["tls_key"].mkdir()
            await eventually(lambda: logs, "the server has looked at the files")
            warned = [line["event"] for line in logs]
            assert await shown(served.address) == certificates_in(before)[0]
            assert await answers(served, own.file)

            if settings["tls_key"].is_dir():
                settings["tls_key"].rmdir()
            (tmp_path / "tls" / "later.pem").replace(settings["tls_key"])
            await until_shown(served.address, settings["tls_cert"])

    assert warned == ["the new TLS files can't be used; the old ones stay in use"]


async def test_the_authority_of_clients_is_replaced_too(tmp_path: Path) -> None:
    own, old, new = (authority(tmp_path / name) for name in ("own", "old", "new"))
    clients = {at: ca.write("guest") for at, ca in (("old", old), ("new", new))}
    trusted = tmp_path / "clients.pem"
    replace(trusted, old.file.read_bytes())

    def get_in(at: str) -> Any:
        return partial(answers, served, own.file, **clients[at])

    async with server(tmp_path / "state", **own.write(), tls_client_ca=trusted) as served:
        assert await get_in("old")()
        assert not await get_in("new")()

        replace(trusted, new.file.read_bytes())

        await eventually(get_in("new"), "clients of the new authority get in")
        assert not await get_in("old")()


async def test_the_dashboard_gets_the_new_certificate_too(tmp_path: Path) -> None:
    own = authority(tmp_path / "tls")
    settings = own.write()
    async with server(tmp_path / "state", **settings, dashboard="0.0.0.0:0") as served:
        address = f"127.0.0.1:{served.dashboard.rpartition(':')[2]}"
        await until_shown(address, settings["tls_cert"])

        own.write()

        await until_shown(address, settings["tls_cert"])
        await until_shown(served.address, settings["tls_cert"])


async def test_the_own_certificate_is_renewed_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(tmp_path, tls_auto=True) as served:
        file = tmp_path / "tls" / "server.pem"
        await until_shown(served.address, file)
        before = await shown(served.address)
        now_us = served.swarm.clock.wall_us() + (SERVER_DAYS - RENEW_DAYS + 1) * 86_400 * 1_000_000
        monkeypatch.setattr(served.swarm.clock, "wall_us", lambda: now_us)

        async def renewed() -> bool:
            return await shown(served.address) != before

        await eventually(renewed, "new connections get the renewed certificate")
        assert await shown(served.address) == certificates_in(content(file))[0]


async def test_a_new_token_in_the_operators_file_is_good_without_a_restart(tmp_path: Path) -> None:
    async with server(tmp_path / "other") as other:
        foreign = other.token
    async with server(tmp_path) as served:
        assert (
            await refusal(served.client(foreign).call("GetSwarm", pb.GetSwarmRequest()))
        ).reason == "TOKEN_INVALID"

        replace(tmp_path / "token", foreign.encode())

        async def accepted() -> bool:
            try:
                await served.client(foreign).call("GetSwarm", pb.GetSwarmRequest())
            except Exception:  # noqa: BLE001  # it is refused until the file is read
                return False
            return True

        await eventually(accepted, "the new token is good")
        replace(tmp_path / "token", b"junk that is no token\n")
        assert await served.client().call("GetSwarm", pb.GetSwarmRequest()), "the first one stays good"


class RotatedWorker:
    """A real worker with a token file and TLS files."""

    def __init__(self, place: Stage, served: Server, *flags: str) -> None:
        (place.folder / "project").mkdir()
        self.token_file = place.folder / "token"
        argv = (
            "--server", served.address, "--name", "w1", "--project-root", str(place.project), "--runner", "command",
            "--builder-command", "true", "--no-validation", "--token-file", str(self.token_file), *flags,
        )  # fmt: skip
        self.start: Callable[[], Program] = partial(place.start, "worker", *argv, program=WORKER.name)


async def until_connected(client: Client) -> None:
    """Waits until the worker is connected and heard."""

    async def is_connected() -> bool:
        workers = (await client.call("ListWorkers", pb.ListWorkersRequest())).workers
        return [worker.name for worker in workers if worker.status == WORKER_STATUS_ONLINE] == ["w1"]

    await eventually(is_connected, "the worker is connected")


async def worker_token(served: Server) -> Any:
    return await served.client().call("CreateToken", pb.CreateTokenRequest(role=pb.ROLE_WORKER))


async def test_a_worker_takes_a_new_token_from_its_file_before_the_old_one_is_revoked(served: Server) -> None:
    old, new = await worker_token(served), await worker_token(served)
    with stage(served.folder / "machine") as place:
        place.folder.mkdir()
        worker = RotatedWorker(place, served)
        replace(worker.token_file, old.token.encode())
        program = worker.start()
        await until_connected(served.client())

        replace(worker.token_file, new.token.encode())
        await served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=old.info.token_id))

        await eventually(
            lambda: "its token is used from now on" in program.said(), "the worker reads its file"
        )
        await until_connected(served.client())
        assert program.process.poll() is None
        assert "does not accept" not in program.said()


async def test_a_worker_dials_with_a_new_ca_when_it_reconnects(tmp_path: Path) -> None:
    first, second = authority(tmp_path / "tls"), authority(tmp_path / "second")
    state = tmp_path / "state"
    with stage(tmp_path / "machine") as place:
        place.folder.mkdir()
        ca = place.folder / "ca.pem"
        async with server(state, **first.write()) as served:
            replace(ca, first.file.read_bytes())
            worker = RotatedWorker(place, served, "--tls-ca", str(ca))
            replace(worker.token_file, served.token.encode())
            program = worker.start()
            await eventually(lambda: "ready" in program.out.read_text(), f"it is ready: {program.said()}")
            address = served.address
        async with server(state, **second.write(), listen=address) as served:
            assert not await answers(served, first.file)
            replace(ca, second.file.read_bytes())

            endpoint = Endpoint(served.address, served.token, second.file)
            async with dial(endpoint) as channel:
                await until_connected(Client(channel, endpoint.metadata))
        assert "the TLS files have changed" in program.said()


@contextlib.contextmanager
def read_only_mount(folder: Path) -> Iterator[None]:
    """Mounts a folder over itself, read-only; skips the test where this user may not."""
    commands = (
        ["mount", "--bind", str(folder), str(folder)],
        ["mount", "-o", "remount,bind,ro", str(folder)],
    )
    if os.geteuid() != 0 or any(subprocess.run(command, check=False).returncode for command in commands):
        pytest.skip("this user may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_a_secret_on_a_read_only_mount_may_be_read_by_its_group_with_a_warning(served: Server) -> None:
    folder = served.folder / "mount"
    folder.mkdir()
    (folder / "token").write_text((await worker_token(served)).token)
    (folder / "token").chmod(0o440)
    with read_only_mount(folder), stage(served.folder / "machine") as place:
        place.folder.mkdir()
        program = RotatedWorker(place, served, "--token-file", str(folder / "token")).start()
        await eventually(lambda: "ready" in program.out.read_text(), f"it is ready: {program.said()}")
        assert "can read the token file" in program.said()
