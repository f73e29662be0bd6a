"""`python -m disk.failing_swarmd FILE FLAGS…`: the real swarmd on a disk that fails each sync once the file exists."""

import sys
from pathlib import Path

import apsw

from disk.vfs import Disk, Kind, Op, mounted
from swarmd import daemon, main
from swarmd.store.database import Database


def run(trigger: Path) -> None:
    def fail(op: Op) -> None:
        if op.kind is Kind.SYNC and op.file.endswith("-wal") and trigger.exists():
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)

    with mounted(Disk(before=fail)) as vfs:
        # The daemon builds its database as in production, except for the VFS.
        daemon.Database = lambda path, **settings: Database(path, vfs=vfs, **settings)  # type: ignore[assignment,attr-defined]
        main.main()


if __name__ == "__main__":
    run(Path(sys.argv.pop(1)))
