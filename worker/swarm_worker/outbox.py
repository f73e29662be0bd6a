"""Outcomes that the server has not answered yet, on disk: no result is lost with the process or the power."""

import hashlib
import os
from pathlib import Path
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.v1 import worker_service_pb2

SUFFIX: Final = ".outcome"

_log = structlog.get_logger()


class Outbox:
    """A folder with a file for each outcome."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> list[worker_service_pb2.FinishedAttempt]:
        """What a former process could not deliver. What can't be read is set aside, and said."""
        return [found for path in sorted(self._folder.glob("*" + SUFFIX)) if (found := self._read(path))]

    def put(self, finished: worker_service_pb2.FinishedAttempt) -> None:
        """Keeps an outcome; when it returns, the outcome outlasts a loss of power. Blocks for the disk."""
        path = self._path(finished.lease_id)
        fresh = path.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(finished.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        self._sync_folder()

    def remove(self, lease_id: str) -> None:
        """Forgets an outcome that the server has answered. Coming back after a crash would do no harm."""
        self._path(lease_id).unlink(missing_ok=True)

    def set_aside(self, lease_id: str) -> None:
        """Keeps an outcome that the server will never take, for people to look at."""
        path = self._path(lease_id)
        if path.exists():
            path.rename(path.with_suffix(".refused"))

    def _read(self, path: Path) -> worker_service_pb2.FinishedAttempt | None:
        try:
            finished = worker_service_pb2.FinishedAttempt.FromString(path.read_bytes())
        except (OSError, DecodeError) as error:
            _log.error("an outcome can't be read, so it is set aside", file=str(path), error=str(error))
            path.rename(path.with_suffix(".refused"))
            return None
        return finished

    def _path(self, lease_id: str) -> Path:
        # A lease id is opaque, so it is no file name; and it is a secret.
        return self._folder / (hashlib.sha256(lease_id.encode()).hexdigest()[:32] + SUFFIX)

    def _sync_folder(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
