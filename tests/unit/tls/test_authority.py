"""The CA that a server makes itself: its files, its certificate, and the renewal."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.pinning import certificates_in, fingerprint_of
from swarmd.config import certificate_name
from swarmd.store.file import durable_files
from swarmd.tls.authority import RENEW_DAYS, SERVER_DAYS, OwnAuthority

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAMES = ["swarm.example.test", "192.0.2.2", "::1"]


def made(folder: Path, names: list[str] | None = None, *, now: datetime = NOW) -> OwnAuthority:
    return OwnAuthority(folder, NAMES if names is None else names, now)


def chain(authority: OwnAuthority) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(authority.server_file.read_bytes())


def test_only_the_owner_reads_the_keys_and_the_chain_ends_with_the_ca(tmp_path: Path) -> None:
    authority = made(tmp_path / "tls")

    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()} == {0o600}
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    server, ca = chain(authority)
    server.verify_directly_issued_by(ca)
    assert authority.ca_file.read_bytes() == ca.public_bytes(Encoding.PEM)
    assert b"PRIVATE" not in authority.ca_file.read_bytes()
    assert authority.fingerprint == fingerprint_of(certificates_in(authority.ca_file.read_bytes())[0])


def test_the_certificate_has_the_names_and_addresses_and_begins_a_day_early(tmp_path: Path) -> None:
    server, _ = chain(made(tmp_path))

    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == NAMES
    assert server.not_valid_before_utc == NOW - timedelta(days=1)
    assert server.not_valid_after_utc == NOW + timedelta(days=SERVER_DAYS)


def test_a_restart_keeps_both_and_other_names_keep_the_ca(tmp_path: Path) -> None:
    first = made(tmp_path)
    before = chain(first)

    again = made(tmp_path, now=NOW + timedelta(days=1))
    assert chain(again) == before

    other = made(tmp_path, [*NAMES, "other.example.test"])
    assert other.fingerprint == first.fingerprint
    assert chain(other)[0] != before[0]
    assert chain(other)[1] == before[1]


def test_the_certificate_is_renewed_long_before_it_expires(tmp_path: Path) -> None:
    authority = made(tmp_path)
    before = chain(authority)
    due = NOW + timedelta(days=SERVER_DAYS - RENEW_DAYS)

    authority.renew_if_due(due)
    assert chain(authority) == before
    authority.renew_if_due(due + timedelta(seconds=1))

    assert chain(authority)[0] != before[0]
    assert chain(authority)[0].not_valid_after_utc == due + timedelta(days=SERVER_DAYS, seconds=1)


def test_a_server_that_was_off_for_long_starts_with_a_new_certificate(tmp_path: Path) -> None:
    made(tmp_path)
    late = NOW + timedelta(days=SERVER_DAYS + 1)

    assert chain(made(tmp_path, now=late))[0].not_valid_after_utc > late


def test_a_renewal_that_fails_is_logged_and_tried_again_an_hour_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = made(tmp_path)
    before = chain(authority)
    due = NOW + timedelta(days=SERVER_DAYS)
    real = durable_files.write

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable_files, "write", full)
    with capture_logs() as logs:
        authority.renew_if_due(due)
        authority.renew_if_due(due + timedelta(minutes=59))
    assert [line["log_level"] for line in logs] == ["error"]
    monkeypatch.setattr(durable_files, "write", real)
    authority.renew_if_due(due + timedelta(minutes=61))

    assert chain(authority)[0] != before[0]


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_certificate_is_made_again_and_a_damaged_ca_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    authority = made(tmp_path)
    authority.server_file.write_bytes(content)

    assert len(chain(made(tmp_path))) == 2

    (tmp_path / "authority.pem").write_bytes(content)
    with pytest.raises(ProgramExit, match="is damaged or can't be read") as end:
        made(tmp_path)
    assert end.value.code is ExitCode.USAGE


def test_the_key_of_another_ca_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b")
    keys = (tmp_path / "a" / "authority.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    (tmp_path / "b" / "authority.pem").write_bytes(keys + (tmp_path / "b" / "ca.pem").read_bytes())

    with pytest.raises(ProgramExit, match="is damaged"):
        made(tmp_path / "b")


def test_openssl_takes_chain_and_names(tmp_path: Path) -> None:
    authority = made(tmp_path, now=datetime.now(UTC))
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.server_file)
    client = ssl.create_default_context(cafile=str(authority.ca_file))
    sides: list[Any] = [
        client.wrap_bio(here, there, server_hostname="swarm.example.test"),
        server.wrap_bio(there, here, server_side=True),
    ]
    for _ in range(3):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue

    assert sides[0].getpeercert()["subject"] == ((("commonName", "swarmd"),),)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Swarm.Example.test", "swarm.example.test"),
        ("swarm.example.test.", "swarm.example.test"),
        ("[::1]", "::1"),
        ("FD00:0::2", "fd00::2"),
        ("10.0.0.5", "10.0.0.5"),
        ("my_host", "my_host"),
    ],
)
def test_names_for_the_certificate_are_hosts_and_addresses(text: str, name: str) -> None:
    assert certificate_name(text) == name


@pytest.mark.parametrize("text", ["", "a b", "host:7433", "https://host", "münchen.de", "a..b", "*"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a host name or an address"):
        certificate_name(text)
