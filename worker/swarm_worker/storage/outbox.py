"""Outcomes that the server has not answered yet, on disk: no result is lost with the process or the power."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.v1.worker_service_pb2 import FinishedAttempt, FinishTaskRequest
from swarm_worker.storage.files import keep

SUFFIX: Final = ".outcome"
REFUSED: Final = ".refused"

_log = structlog.get_logger()


class Outbox:
    """A folder with a file for all outcomes that were kept at once; it goes with the last of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, set[str]] = {}

    def load(self) -> list[FinishedAttempt]:
        """What a former process could not deliver. What can't be read is set aside, and said."""
        paths = sorted(self._folder.glob("*" + SUFFIX))
        return [finished for path in paths for finished in self._read(path)]

    def put(self, finished: Sequence[FinishedAttempt]) -> None:
        """Keeps outcomes; when it returns, they outlast a loss of power. Blocks for the disk."""
        path = self._path([each.lease_id for each in finished], SUFFIX)
        keep(path, FinishTaskRequest(finished=finished).SerializeToString())
        self._open[path] = {each.lease_id for each in finished}

    def remove(self, lease_id: str) -> None:
        """Forgets an outcome that the server has answered. Coming back after a crash would do no harm."""
        for path in self._files_with(lease_id):
            self._open[path].remove(lease_id)
            if not self._open[path]:
                del self._open[path]
                path.unlink(missing_ok=True)

    def set_aside(self, lease_id: str) -> None:
        """Keeps an outcome that the server will never take, for people to look at."""
        for path in self._files_with(lease_id):
            refused = [finished for finished in self._read(path) if finished.lease_id == lease_id]
            aside = FinishTaskRequest(finished=refused).SerializeToString()
            keep(self._path([lease_id], REFUSED), aside)
        self.remove(lease_id)

    def _files_with(self, lease_id: str) -> list[Path]:
        # A copy first: a thread may be keeping something meanwhile.
        return [path for path, leases in list(self._open.items()) if lease_id in leases]

    def _read(self, path: Path) -> Sequence[FinishedAttempt]:
        try:
            finished = FinishTaskRequest.FromString(path.read_bytes()).finished
        except (OSError, DecodeError) as error:
            _log.error("an outcome can't be read, so it is set aside", file=str(path), error=str(error))
            path.rename(path.with_suffix(REFUSED))
            return ()
        self._open.setdefault(path, {each.lease_id for each in finished})
        return finished

    def _path(self, lease_ids: Sequence[str], suffix: str) -> Path:
        from hashlib import sha256  # noqa: PLC0415  # see names

        # A lease id is opaque, so it is no file name; and it is a secret.
        name = sha256("\n".join(lease_ids).encode()).hexdigest()[:32]
        return self._folder / (name + suffix)
