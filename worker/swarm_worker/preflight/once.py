"""Does a thing once for all workers of a machine that start together, one after the other.

Its one rule: what went well is remembered for minutes only, since keys expire and programs are updated.
"""

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from swarm_worker.preflight.probe import Probe
from swarm_worker.state import private_folder, write_private

REMEMBERED_S: Final = 600.0


def once(folder: Path, key: str, look: Callable[[], Sequence[Probe]]) -> Sequence[Probe]:
    """What looking found, or nothing if another worker has looked just now and all was well."""
    from hashlib import sha256  # noqa: PLC0415  # see names

    try:
        private_folder(folder)
        lock = os.open(folder / "preflight.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a machine without a home of ours has workers that look for themselves
        return look()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / f"preflight-{sha256(key.encode()).hexdigest()[:16]}"
        if _is_fresh(stamp):
            return ()
        found = look()
        if all(probe.ok for probe in found):
            write_private(stamp, "")
            os.utime(stamp)
        return found
    finally:
        os.close(lock)


def _is_fresh(stamp: Path) -> bool:
    try:
        age_s = time.time() - stamp.stat().st_mtime
    except FileNotFoundError:
        return False
    return 0 <= age_s < REMEMBERED_S
