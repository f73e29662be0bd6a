"""Does a thing once for all workers of a machine that start together, one after the other.

Its one rule: what went well is remembered for minutes only, since keys expire and programs are updated.
"""

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from swarm_worker.preflight.probe import Probe
from swarm_worker.storage.files import make_private_folder, write_private

REMEMBERED_S: Final = 600.0


def once(folder: Path, key: str, look: Callable[[], Sequence[Probe]]) -> Sequence[Probe]:
    """What looking found, or nothing if another worker has looked just now and all was well."""
    try:
        make_private_folder(folder)
        lock = os.open(folder / "preflight.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a machine without a home of ours has workers that look for themselves
        return look()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Short names may be those of two keys, which is why it holds its key. A digest would be OpenSSL's; see names.
        stamp = folder / f"preflight-{crc32(key.encode(errors='replace')):08x}"
        if _is_fresh(stamp, key):
            return ()
        found = look()
        if all(probe.ok for probe in found):
            write_private(stamp, key)
        return found
    finally:
        os.close(lock)


def _is_fresh(stamp: Path, key: str) -> bool:
    try:
        age_s = time.time() - stamp.stat().st_mtime
        return 0 <= age_s < REMEMBERED_S and stamp.read_bytes() == key.encode(errors="replace")
    except FileNotFoundError:
        return False
