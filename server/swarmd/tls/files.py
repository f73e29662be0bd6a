"""The TLS files of the server, checked as a whole, and read again when they change.

Invariant: only what has passed the checks is used. A certificate with the key of another one, as it lies there while
both are being replaced, is reported once, and the pair that was read before stays in use.
"""

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.file_changes import FileChanges
from amplifier_swarm.text_files import without_bom

_PEM_KEY: Final = b"PRIVATE KEY-----"
_PEM_CERTIFICATE: Final = b"BEGIN CERTIFICATE-----"

_log: Final = structlog.get_logger("swarmd")


class TlsContents(NamedTuple):
    """The contents of the files, which fit each other."""

    chain: bytes
    key: bytes
    # The authority of clients; None if they need no certificate.
    client_ca: bytes | None


class TlsFiles:
    """The files of a server, and what they last held that could be used."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Reads the files.

        Raises:
            ProgramExit: A file can't be read, or is not what its flag asks for.
        """
        self.cert, self.key, self.client_ca = cert, key, client_ca
        self._changes = FileChanges(file for file in (cert, key, client_ca) if file is not None)
        self.contents = self._read()
        # Counts the contents: who has used an older one takes the newer.
        self.version = 1
        _warn_of_open_key(key)

    def poll(self) -> bool:
        """Reads the files again if they have changed; returns whether there are new contents."""
        if not self._changes.poll():
            return False
        try:
            contents = self._read()
        except ProgramExit as error:
            _log.warning("the new TLS files can't be used; the old ones stay in use", why=error.message)
            return False
        if contents == self.contents:
            return False
        self.contents = contents
        self.version += 1
        _log.info("the TLS files have changed; new connections use them", cert=str(self.cert))
        return True

    def load_into(self, context: ssl.SSLContext) -> None:
        """Puts certificate and key into a context; connections that exist are not touched."""
        with _as_file(self.contents.key, self.contents.chain) as file:
            context.load_cert_chain(file)

    def _read(self) -> TlsContents:
        contents = TlsContents(
            chain=_read("--tls-cert", self.cert),
            key=_read("--tls-key", self.key),
            client_ca=None if self.client_ca is None else _read("--tls-client-ca", self.client_ca),
        )
        self._check_identity(contents)
        if contents.client_ca is not None:
            self._check_authority(contents.client_ca)
        return contents

    def _check_identity(self, contents: TlsContents) -> None:
        """Raises ProgramExit unless the files are a certificate and its key."""
        if _PEM_KEY not in contents.key:
            raise _unusable(f"--tls-key {self.key} has no private key in PEM form", "check the file")
        if b"ENCRYPTED" in contents.key:
            raise _unusable(
                f"--tls-key {self.key} has a passphrase", "give a key without one, in a file of mode 0600"
            )
        if _PEM_CERTIFICATE not in contents.chain:
            raise _unusable(f"--tls-cert {self.cert} has no certificate in PEM form", "check the file")
        try:
            with _as_file(contents.key, contents.chain) as file:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise _unusable(
                    f"--tls-key {self.key} does not belong to the certificate in {self.cert}",
                    "the server's own certificate comes first in --tls-cert, then those that signed it",
                ) from error
            raise _unusable(
                f"--tls-cert {self.cert} and --tls-key {self.key} can't be used: {error.reason}",
                "check the files",
            ) from error

    def _check_authority(self, authority: bytes) -> None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=authority.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(
                f"--tls-client-ca {self.client_ca} has no certificate in PEM form",
                "give the certificate of the authority that signs your clients' certificates",
            ) from error


@contextlib.contextmanager
def _as_file(*parts: bytes) -> Iterator[str]:
    """Yields the path of a file in memory with the parts: what was checked is what is loaded, on no disk."""
    fd = os.memfd_create("pem")
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(b"\n".join(parts))
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _read(flag: str, file: Path) -> bytes:
    try:
        return without_bom(file.read_bytes())
    except OSError as error:
        raise _unusable(f"can't read {flag} {file}: {error.strerror}", "check the path") from error


def _warn_of_open_key(key: Path) -> None:
    mode = key.stat().st_mode & 0o777
    if mode & 0o007:
        _log.warning(
            "every user of this machine can read the TLS key; chmod 600", path=str(key), mode=f"{mode:04o}"
        )


def _unusable(message: str, hint: str) -> ProgramExit:
    return ProgramExit(ExitCode.USAGE, message, hint=hint)
