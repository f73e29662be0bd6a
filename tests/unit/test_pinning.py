"""The CA by its fingerprint: from the server, from a file; whoever stands between gains nothing."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.fingerprint import fingerprint
from amplifier_swarm.pinning import (
    FirstContactFailed,
    authority_from,
    certificates_in,
    fetch_authority,
    read_authority,
    verified_certificate,
)
from amplifier_swarm.proxy import BYPASS_VARIABLES, VARIABLES
from support.connect_proxy import connect_proxy
from support.server import Client, server
from support.tls import answers, authority, call_answers, replace

HEX = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *BYPASS_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "text",
    [
        f"sha256:{HEX}",
        f"SHA256:{HEX.upper()}",
        f" sha256:{':'.join(HEX[at : at + 2] for at in range(0, 64, 2))}\n",
    ],
)
def test_a_fingerprint_is_read_as_programs_print_it(text: str) -> None:
    assert fingerprint(text) == f"sha256:{HEX}"


@pytest.mark.parametrize("text", ["", HEX, f"sha1:{HEX[:40]}", f"sha256:{HEX[:-1]}", f"sha256:{HEX[:-1]}g"])
def test_other_texts_are_no_fingerprints(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        fingerprint(text)


async def fetched(address: str, print_: str) -> bytes:
    return await asyncio.to_thread(fetch_authority, address, print_)


async def test_the_server_shows_its_ca_and_a_channel_trusts_that_ca(tmp_path: Path) -> None:
    own = authority(tmp_path / "tls")
    async with server(tmp_path / "state", **own.write()) as served:
        found = await fetched(served.address, own.fingerprint)

        assert certificates_in(found) == certificates_in(own.ca.cert_pem.bytes())
        assert await answers(served, pinned_ca=found, tls_ca_fingerprint=own.fingerprint)


async def test_a_server_that_asks_for_our_certificate_shows_its_own_first(tmp_path: Path) -> None:
    own = authority(tmp_path / "tls")
    async with server(tmp_path / "state", **own.write(), tls_client_ca=own.file) as served:
        assert await fetched(served.address, own.fingerprint)


async def test_a_server_with_another_ca_is_refused(tmp_path: Path) -> None:
    own, other = authority(tmp_path / "own"), authority(tmp_path / "other")
    async with server(tmp_path / "state", **other.write()) as served:
        with pytest.raises(ProgramExit, match="shows no certificate with the fingerprint") as end:
            await fetched(served.address, own.fingerprint)

    assert end.value.code is ExitCode.UNREACHABLE
    assert "somebody stands between" in end.value.hint


async def test_whoever_stands_between_and_shows_the_true_ca_learns_no_token(tmp_path: Path) -> None:
    """The true CA's certificate is public: a stranger can show it, behind a certificate of a CA of its own."""
    own, theirs = authority(tmp_path / "own"), authority(tmp_path / "theirs")
    settings = theirs.write(chain=False)
    replace(settings["tls_cert"], settings["tls_cert"].read_bytes() + own.ca.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["tls_cert"], settings["tls_key"])
    context.set_alpn_protocols(["h2"])
    read = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.extend(await reader.read(65_536))
        writer.close()

    stranger = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    address = f"127.0.0.1:{stranger.sockets[0].getsockname()[1]}"

    pinned = await fetched(address, own.fingerprint)
    endpoint = Endpoint(address, "swt1_secret", tls_ca_fingerprint=own.fingerprint, pinned_ca=pinned)
    async with dial(endpoint) as channel:
        assert not await call_answers(Client(channel, endpoint.metadata))
    stranger.close()
    await stranger.wait_closed()
    assert bytes(read) == b""


async def test_what_makes_no_handshake_is_tried_again_later(tmp_path: Path) -> None:
    async with server(tmp_path) as plain:
        with pytest.raises(FirstContactFailed):
            await fetched(plain.address, f"sha256:{HEX}")
        address = plain.address
    with pytest.raises(FirstContactFailed):
        await fetched(address, f"sha256:{HEX}")


async def test_the_first_contact_goes_through_the_proxy_that_grpc_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the proxy knows the host, so both the first contact and the calls need it."""
    own = authority(tmp_path / "tls")
    settings = own.write("swarm.example.test")
    async with server(tmp_path / "state", **settings) as served, connect_proxy(served.address) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:pass%20word@"))
        far = "swarm.example.test:7433"

        found = await fetched(far, own.fingerprint)
        assert await answers(served, address=far, pinned_ca=found, tls_ca_fingerprint=own.fingerprint)

        assert proxy.targets == [far, far]
        assert all("Basic bWU6cGFzcyB3b3Jk" in request for request in proxy.requests)
        assert served.token.encode() not in proxy.seen


async def test_a_proxy_that_refuses_is_an_error_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    with pytest.raises(FirstContactFailed):
        await fetched("swarm.example.test:7433", f"sha256:{HEX}")
    proxy.close()


def test_a_ca_file_must_have_the_certificate_and_only_that_one_is_trusted(tmp_path: Path) -> None:
    own, other = authority(tmp_path / "own"), authority(tmp_path / "other")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"\xef\xbb\xbf# ours\n" + other.ca.cert_pem.bytes() + own.ca.cert_pem.bytes())

    assert certificates_in(read_authority(bundle, own.fingerprint)) == certificates_in(
        own.ca.cert_pem.bytes()
    )
    assert authority_from(b"junk", own.fingerprint) is None
    with pytest.raises(ProgramExit, match="has no certificate with the fingerprint"):
        read_authority(bundle, f"sha256:{HEX}")
    with pytest.raises(ProgramExit, match="can't read"):
        read_authority(tmp_path / "missing", own.fingerprint)


@pytest.mark.parametrize("chain", [True, False])
async def test_the_names_of_a_verified_server_are_known_and_its_ca_if_it_shows_it(
    tmp_path: Path, *, chain: bool
) -> None:
    own, other = authority(tmp_path / "own"), authority(tmp_path / "other")
    other.write()
    settings = own.write("swarm.example.test", "127.0.0.1", "fd00::2", chain=chain)
    async with server(tmp_path / "state", **settings) as served:
        endpoint = Endpoint(served.address, "", own.file)

        def look(ca: Path) -> Any:
            return verified_certificate(endpoint, ca.read_bytes())

        found = await asyncio.to_thread(look, own.file)
        with pytest.raises(FirstContactFailed):
            await asyncio.to_thread(look, other.file)

    assert sorted(found.names) == ["127.0.0.1", "fd00::2", "swarm.example.test"]
    assert found.fingerprint == (own.fingerprint if chain else None)
