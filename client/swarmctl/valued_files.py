"""Files that no backup and no export may replace: a swarm's own files, and for a backup all but older backups."""

from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit

_SQLITE: Final = b"SQLite format 3\0"
# "SWRM" at its place in the header of a database, as swarmd writes it.
_APPLICATION: Final = slice(68, 72)
_OURS: Final = b"SWRM"
_HEADER_BYTES: Final = 100
_TOKEN: Final = b"swt1_"
_EPOCH: Final = "EPOCH"
_BESIDE: Final = ("-wal", "-shm", "-journal", ".lock", ".reserve")


def refuse_for_export(goal: Path, place: str) -> None:
    """Raises ProgramExit if `goal` is a database, a file of one, or a token."""
    _refuse_files_of_a_swarm(goal, place)
    if _header(goal).startswith(_SQLITE):
        raise _refused(place, "is a database, which an export does not replace")


def refuse_for_backup(goal: Path, place: str) -> None:
    """Raises ProgramExit if `goal` is neither new nor empty nor an older backup."""
    _refuse_files_of_a_swarm(goal, place)
    header = _header(goal)
    if header and not (header.startswith(_SQLITE) and header[_APPLICATION] == _OURS):
        raise _refused(place, "is not a backup of a swarm, and a backup replaces only an older one")


def _refuse_files_of_a_swarm(goal: Path, place: str) -> None:
    if _is_in_use(goal):
        raise _refused(place, "is the database of a swarm, or has files of one beside it")
    if _belongs_to_database(goal):
        raise _refused(place, "belongs to the database beside it")
    if _header(goal).lstrip().startswith(_TOKEN):
        raise _refused(place, "contains a token")


def _is_in_use(goal: Path) -> bool:
    if any(_has_beside(goal, ending) for ending in ("-wal", "-shm", "-journal")):
        return True
    # Other programs make files that end with .lock too. The lock of a swarm stays when its server has ended.
    return _has_beside(goal, ".lock") and goal.with_name(_EPOCH).exists()


def _belongs_to_database(goal: Path) -> bool:
    if goal.name == _EPOCH:
        return goal.exists()
    databases = (goal.with_name(goal.name.removesuffix(end)) for end in _BESIDE if _has_ending(goal, end))
    return any(_header(database).startswith(_SQLITE) for database in databases)


def _has_ending(goal: Path, ending: str) -> bool:
    return goal.name.endswith(ending) and goal.name != ending


def _has_beside(goal: Path, ending: str) -> bool:
    try:
        return (goal.parent / f"{goal.name}{ending}").exists()
    except OSError:  # the name would be too long, so no file has it
        return False


def _header(path: Path) -> bytes:
    """Returns the first bytes of a regular file; nothing if there is none."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)


def _refused(place: str, why: str) -> ProgramExit:
    return ProgramExit(ExitCode.USAGE, f"{place} {why}", hint="pass another path")
