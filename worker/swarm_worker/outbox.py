"""Outcomes that the server has not answered yet, on disk: no result is lost with the process or the power."""

import hashlib
from pathlib import Path
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.v1 import worker_service_pb2
from swarm_worker.disk import keep

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
        keep(self._path(finished.lease_id), finished.SerializeToString())

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
