"""Files and folders of the worker: durable, private, and not another user's."""

import os
from pathlib import Path

import pytest

from swarm_worker.storage.files import machine_folder, make_trusted_folder, write_durably


def test_a_durable_file_replaces_the_old_one_and_is_private(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    write_durably(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_without_a_home_the_machine_s_folder_is_below_the_temporary_one() -> None:
    folder = machine_folder({})

    assert folder.name == "amplifier-swarm"
    assert folder.parent.name == str(os.getuid())


def test_a_new_folder_of_this_user_is_trusted(tmp_path: Path) -> None:
    make_trusted_folder(tmp_path / "a" / "b")
    make_trusted_folder(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_below_one_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(PermissionError, match="another user could change it"):
        make_trusted_folder(tmp_path / "open" / "ours")
    (tmp_path / "open").chmod(0o1777)
    make_trusted_folder(tmp_path / "open" / "ours")


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)

    with pytest.raises(PermissionError, match="another user could change it"):
        make_trusted_folder(folder / "amplifier-swarm")


def test_a_link_to_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to("open")

    with pytest.raises(PermissionError):
        make_trusted_folder(tmp_path / "link" / "amplifier-swarm")
