"""A certificate authority of the server's own, for `--tls-auto`: it signs one certificate, that of the server.

Two files, each written whole and for its owner alone, so that a crash leaves no half of a pair:
- `authority.pem`: the key and the certificate of the CA. Workers and clients know it by its fingerprint, so it stays
  until somebody removes it;
- `server.pem`: the key and the certificate of the server, and once more the certificate of the CA, from which those
  take it at their first contact. It is made again for other names, and long before it expires.
`ca.pem` is the certificate of the CA alone, for programs that want a file.

The times in certificates are those of the wall clock. A certificate begins a day before it is made, for machines whose
clock is behind.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.fingerprint import PREFIX
from swarmd.store.file import durable_files

AUTHORITY_DAYS: Final = 3_650
SERVER_DAYS: Final = 90
# The server's certificate is renewed this long before it expires.
RENEW_DAYS: Final = 30
CLOCK_SKEW: Final = timedelta(days=1)
# An attempt that failed, as on a full disk, is made again after this time.
RETRY: Final = timedelta(hours=1)

_log: Final = structlog.get_logger("swarmd")


class Identity(NamedTuple):
    """A certificate and its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self, *further: x509.Certificate) -> str:
        """Returns both in PEM form, and further certificates after them."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = [one.public_bytes(Encoding.PEM) for one in (self.certificate, *further)]
        return b"".join((key, *chain)).decode("ascii")


class OwnAuthority:
    """The CA of one server, in a folder of its own, and the server's certificate for these names and addresses."""

    def __init__(self, folder: Path, names: Sequence[str], now: datetime) -> None:
        """Reads or makes both.

        Raises:
            ProgramExit: A file there can't be used.
            OSError: The folder can't be written.
        """
        self._names = tuple(dict.fromkeys(names))
        self._folder = folder
        durable_files.make_folder(folder)
        self._authority = self._read_or_make_authority(now)
        self._tried = now
        self._server = self._read_server(now) or self._issue(now)

    @property
    def server_file(self) -> Path:
        """The file with the key and the certificates that the server shows."""
        return self._folder / "server.pem"

    @property
    def ca_file(self) -> Path:
        """The file with the certificate of the CA."""
        return self._folder / "ca.pem"

    @property
    def fingerprint(self) -> str:
        """The fingerprint by which workers and clients know the CA."""
        return PREFIX + self._authority.certificate.fingerprint(hashes.SHA256()).hex()

    def renew_if_due(self, now: datetime) -> None:
        """Makes the server's certificate again if it is old; a failure is logged, and tried again after RETRY."""
        if not _is_due(self._server, now) or now < self._tried:
            return
        self._tried = now + RETRY
        try:
            self._server = self._issue(now)
        except OSError as error:
            _log.error("the certificate can't be renewed", file=str(self.server_file), why=error.strerror)

    def _read_or_make_authority(self, now: datetime) -> Identity:
        file = self._folder / "authority.pem"
        if file.exists():
            found = _read(file)
            durable_files.write(self.ca_file, _pem(found.certificate))
            return found
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"swarmd {x509.random_serial_number():x}"[:40])]
        )
        builder = _builder(name, name, key, now, timedelta(days=AUTHORITY_DAYS))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        made = Identity(key, builder.sign(key, hashes.SHA256()))
        durable_files.write(file, made.pem())
        durable_files.write(self.ca_file, _pem(made.certificate))
        return made

    def _read_server(self, now: datetime) -> Identity | None:
        """Returns the certificate of an earlier start, if it is good for these names and from this CA."""
        if not self.server_file.exists():
            return None
        try:
            found = _read(self.server_file)
            found.certificate.verify_directly_issued_by(self._authority.certificate)
            names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception as error:  # noqa: BLE001  # whatever is wrong with it, another one can be made
            _log.warning("the server's certificate can't be used; making another", why=str(error))
            return None
        same = list(names) == list(map(_general_name, self._names))
        return found if same and not _is_due(found, now) else None

    def _issue(self, now: datetime) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarmd")])
        issuer = self._authority.certificate
        builder = _builder(subject, issuer.subject, key, now, timedelta(days=SERVER_DAYS))
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(map(_general_name, self._names)), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        made = Identity(key, builder.sign(self._authority.key, hashes.SHA256()))
        durable_files.write(self.server_file, made.pem(issuer))
        _log.info(
            "made a certificate",
            names=", ".join(self._names),
            until=made.certificate.not_valid_after_utc.isoformat(),
        )
        return made


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _read(file: Path) -> Identity:
    """Returns the identity of a file that begins with a key; raises ProgramExit if there is none."""
    try:
        pem = file.read_bytes()
        key = load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise _damaged(file) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _damaged(file)
    return Identity(key, certificate)


def _damaged(file: Path) -> ProgramExit:
    return ProgramExit(
        ExitCode.USAGE,
        f"{file} is damaged or can't be read",
        hint="restore it; without it swarmd makes another CA, and each worker needs its fingerprint",
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _is_due(identity: Identity, now: datetime) -> bool:
    return now > identity.certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)
