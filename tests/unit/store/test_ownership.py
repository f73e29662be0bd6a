"""swarmd opens only a database that nobody else owns, reads or writes."""

import os
from pathlib import Path

import pytest

from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.file.ownership import refuse_foreign


def database(folder: Path, mode: int) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "swarm.db"
    path.touch()
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_and_a_missing_one_are_accepted(tmp_path: Path, mode: int) -> None:
    refuse_foreign(
        [
            database(tmp_path, mode),
            tmp_path / "swarm.db-wal",
            tmp_path / "none" / "x",
            tmp_path / "swarm.db" / "x",
        ]
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o664, 0o660, 0o606, 0o610])
def test_a_file_that_others_may_read_or_write_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = database(tmp_path, mode)

    with pytest.raises(DatabaseUnusable) as refused:
        refuse_foreign([tmp_path / "missing", path])

    assert str(refused.value) == (
        f"swarm.db may be read by others (mode {mode:04o}), as a file that came with a clone; if it is yours,"
        f" `chmod 600 {path}`, or else give another --db"
    )


@pytest.mark.parametrize(("mode", "refused"), [(0o660, False), (0o640, False), (0o664, True), (0o604, True)])
def test_a_folder_of_a_group_lets_its_group_in_and_nobody_else(
    tmp_path: Path, mode: int, *, refused: bool
) -> None:
    """Kubernetes gives the files of a volume to a group in this way."""
    path = database(tmp_path / "volume", mode)
    path.parent.chmod(0o2770)

    if refused:
        with pytest.raises(DatabaseUnusable, match="may be read by others"):
            refuse_foreign([path])
    else:
        refuse_foreign([path])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = database(tmp_path, 0o600)
    os.chown(path, 12_345, -1)

    with pytest.raises(DatabaseUnusable, match=r"swarm\.db belongs to another user \(uid 12345\)"):
        refuse_foreign([path])
