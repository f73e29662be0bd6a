"""A database must be on a local disk."""

from pathlib import Path

import pytest

from swarmd.store.file import filesystem, opening
from swarmd.store.file.errors import DatabaseUnusable

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:25 / /data rw,relatime shared:2 master:1 - nfs4 filer:/data rw,vers=4.2
31 30 0:26 / /data/me/my\040disk rw - xfs /dev/sdb rw
32 22 0:27 / /mnt rw - ext4 /dev/sdc rw
33 32 0:28 / /mnt rw - cifs //filer/share rw
34 22 0:29 / /data2 rw - tmpfs tmpfs rw
"""


@pytest.fixture(autouse=True)
def _mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mountinfo")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/.swarm", "ext4"),
        ("/data/me/.swarm", "nfs4"),
        ("/data/me/my disk/.swarm", "xfs"),
        ("/data2", "tmpfs"),
        ("/mnt/.swarm", "cifs"),
    ],
)
def test_the_kind_is_that_of_the_innermost_and_latest_mount(folder: str, kind: str) -> None:
    assert filesystem.kind_of(Path(folder)) == kind


def test_a_folder_on_a_network_is_refused_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"30 22 0:25 / {tmp_path} rw - nfs4 filer:/data rw\n")

    with pytest.raises(DatabaseUnusable) as refused:
        opening.open_writer(tmp_path / "swarm.db")

    assert str(refused.value) == "the folder is on a network file system (nfs4); give a --db on a local disk"
    assert not (tmp_path / "swarm.db").exists()


def test_every_folder_is_accepted_where_the_system_names_no_type(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").unlink()

    filesystem.refuse_network(tmp_path)
