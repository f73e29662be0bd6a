"""The outbox: outcomes that the server has not answered yet, on disk.

Invariant: no outcome in the outbox is lost with the process or the power.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.light_imports import sha256_hex
from amplifier_swarm.v1.worker_service_pb2 import FinishedAttempt, FinishTaskRequest
from swarm_worker.storage.files import write_durably

SUFFIX: Final = ".outcome"
REFUSED: Final = ".refused"

_log = structlog.get_logger()


class Outbox:
    """A folder of files; each file holds the outcomes of one batch, and is removed with the last of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, set[str]] = {}

    def load(self) -> list[FinishedAttempt]:
        """Returns the outcomes of former processes; an unreadable file is logged and set aside."""
        paths = sorted(self._folder.glob("*" + SUFFIX))
        return [finished for path in paths for finished in self._read(path)]

    def write(self, finished: Sequence[FinishedAttempt]) -> None:
        """Writes outcomes to disk; on return they survive a loss of power. Blocks for the disk."""
        path = self._path([each.lease_id for each in finished], SUFFIX)
        write_durably(path, FinishTaskRequest(finished=finished).SerializeToString())
        self._open[path] = {each.lease_id for each in finished}

    def remove(self, lease_id: str) -> None:
        """Removes an outcome that the server has answered. A crash may undo this: sending it twice is harmless."""
        for path in self._files_with(lease_id):
            self._open[path].remove(lease_id)
            if not self._open[path]:
                del self._open[path]
                path.unlink(missing_ok=True)

    def set_aside(self, lease_id: str) -> None:
        """Moves an outcome that the server refuses to a `.refused` file, for people to read."""
        for path in self._files_with(lease_id):
            refused = [finished for finished in self._read(path) if finished.lease_id == lease_id]
            aside = FinishTaskRequest(finished=refused).SerializeToString()
            write_durably(self._path([lease_id], REFUSED), aside)
        self.remove(lease_id)

    def _files_with(self, lease_id: str) -> list[Path]:
        # A copy, since `write` runs in a thread and may add a file meanwhile.
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
        # A hash, since a lease id is a secret and may hold any character.
        return self._folder / (sha256_hex("\n".join(lease_ids))[:32] + suffix)
