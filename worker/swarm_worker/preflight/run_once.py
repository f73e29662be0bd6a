"""Probes that run once for all workers of a machine that start together; the others wait for the result.

Invariant: a success is remembered for ten minutes only, since keys expire and programs are updated. It is forgotten
with the caches that it filled.
"""

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from swarm_worker.preflight.probe import Probe
from swarm_worker.storage.files import make_trusted_folder, write_private

REMEMBERED_S: Final = 600.0
# The time for dozens of clones and installs when the caches of a program are cold.
WARM_UP_S: Final = 900.0


def run_once(
    folder: Path, key: str, run: Callable[[], Sequence[Probe]], *, caches: Sequence[Path] = ()
) -> Sequence[Probe]:
    """Returns the results of `run`, or nothing if another worker has just had success with the same key.

    `caches` are folders that `run` fills: if their entries are others than after that success, `run` is called.
    """
    try:
        make_trusted_folder(folder)
        lock = os.open(folder / "preflight.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # without a folder shared by the machine's workers, each runs the probes itself
        return run()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Two keys may have the same CRC, so the file holds its key.
        # Performance: crc32 instead of a digest, which would load OpenSSL (docs/performance.md); see names.
        stamp = folder / f"preflight-{crc32(key.encode(errors='replace')):08x}"
        if _is_fresh(stamp, _state(key, caches)):
            return ()
        found = run()
        if all(probe.ok for probe in found):
            write_private(stamp, _state(key, caches))
        return found
    finally:
        os.close(lock)


def _state(key: str, caches: Sequence[Path]) -> str:
    return "\n".join([key, *map(_entries, caches)])


def _entries(cache: Path) -> str:
    try:
        names = "\n".join(sorted(os.listdir(cache)))  # noqa: PTH208  # names alone, without an object for each
    except OSError:
        return "absent"
    return f"{crc32(names.encode(errors='surrogateescape')):08x}"


def _is_fresh(stamp: Path, state: str) -> bool:
    try:
        age_s = time.time() - stamp.stat().st_mtime
        return 0 <= age_s < REMEMBERED_S and stamp.read_bytes() == state.encode(errors="replace")
    except FileNotFoundError:
        return False
